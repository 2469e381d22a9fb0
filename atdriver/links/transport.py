"""The transport of pyserial-asyncio, without its detours: it reads through a second `select`, and
writes a turn of the loop late. Where the loop cannot watch a port (Windows) it stays as it is.
"""

from __future__ import annotations

import asyncio
import os

import serial
import serial_asyncio

READ_SIZE = 16 * 1024
"""Bytes read at once, at the most; the library's own default is 1 KiB."""


class Transport(serial_asyncio.SerialTransport):
    """One open port in one event loop."""

    _protocol: asyncio.Protocol
    _serial: serial.Serial
    _write_buffer: list[bytes]
    _closing: bool

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol, port: serial.Serial
    ) -> None:
        super().__init__(loop, protocol, port)
        self._max_read_size = READ_SIZE
        self._number = port.fileno()

    if os.name == "posix":

        def _read_ready(self) -> None:
            try:
                data = os.read(self._number, READ_SIZE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._close(error)
                return
            if data:
                self._protocol.data_received(data)
            else:  # ready, and nothing there: so Linux shows a device that is gone
                self._close(serial.SerialException("the device is gone"))

        def write(self, data: bytes | bytearray | memoryview) -> None:
            """What the port takes at once leaves at once; the rest waits for it."""
            if not self._write_buffer and not self._closing:
                try:
                    written = os.write(self._number, data)
                except OSError:
                    written = 0  # full, or gone: found out by the long way
                if written == len(data):
                    return
                data = data[written:]
            super().write(data)

    def _close(self, exc: Exception | None = None) -> None:
        super()._close(exc)  # type: ignore[misc]  # the stubs have no private names

    def _fatal_error(self, exc: Exception, message: str = "") -> None:
        """A write to a port that is gone: told by `connection_lost`, and no traceback in a log."""
        del message
        self._abort(exc)
