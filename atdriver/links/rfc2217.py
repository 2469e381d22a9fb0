"""A serial port behind an RFC 2217 server, through pyserial's own client.

pyserial's client is a blocking one with a thread of its own, so reading happens in a thread here;
it is meant for a module on another machine of one's own, not for speed.
"""

from __future__ import annotations

import asyncio
import threading
import warnings

import serial
import serial.rfc2217

from atdriver.errors import PortLost, PortMissing
from atdriver.link import Receiver
from atdriver.links import network

READ_TIMEOUT = 0.2
"""Seconds a read waits, which is how fast a close is noticed."""


class Rfc2217Link:
    """`rfc2217://host:port`. Neither encrypted nor authenticated: keep it local or in a tunnel."""

    has_rate = True

    def __init__(self, host: str, port: int, *, rate: int) -> None:
        self.name = f"rfc2217://{host}:{port}"
        self._host = host
        self._rate = rate
        self._port: serial.rfc2217.Serial | None = None
        self._receiver: Receiver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: threading.Thread | None = None
        self._closing = threading.Event()

    async def open(self, receiver: Receiver) -> None:
        """Connect and start reading. Raises PortMissing."""
        network.warn(self.name, self._host)
        self._loop = asyncio.get_running_loop()
        opening = self._loop.run_in_executor(None, self._open_blocking)
        try:
            self._port = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)  # the thread goes on
            raise
        except (OSError, ValueError) as error:
            raise PortMissing(f"{self.name}: {error}") from error
        self._receiver = receiver
        self._reader = threading.Thread(target=self._read, name=self.name, daemon=True)
        self._reader.start()

    def _open_blocking(self) -> serial.rfc2217.Serial:
        with warnings.catch_warnings():
            # pyserial 3.5's client starts its thread the old way.
            warnings.simplefilter("ignore", DeprecationWarning)
            port = serial.serial_for_url(self.name, baudrate=self._rate, timeout=READ_TIMEOUT)
        assert isinstance(port, serial.rfc2217.Serial)
        return port

    def _read(self) -> None:
        assert self._port is not None
        assert self._loop is not None
        error: OSError | None = None
        try:
            while not self._closing.is_set():
                data = self._port.read(1)
                if data:
                    waiting = self._port.in_waiting
                    data += self._port.read(waiting) if waiting else b""
                    self._hand_over(data)
        except (OSError, TypeError, AttributeError) as problem:  # pyserial closes under the reader
            error = PortLost(f"{self.name}: {problem}")
        if not self._closing.is_set():
            self._loop.call_soon_threadsafe(self._lose, error)

    def _hand_over(self, data: bytes) -> None:
        """To the loop's thread; not as an argument, which asyncio's debug mode would show."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(lambda: self._deliver(data))

    def _deliver(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data_received(data)

    def _lose(self, error: OSError | None) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.link_lost(error)

    def write(self, data: bytes) -> None:
        """Send bytes; the TCP socket below takes a command's worth at once."""
        if self._port is not None and not self._closing.is_set():
            try:
                self._port.write(data)
            except OSError as error:
                self._lose(PortLost(f"{self.name}: {error}"))

    def set_rate(self, baud: int) -> None:
        """Ask the server to change the baud rate."""
        if self._port is not None:
            self._port.baudrate = baud

    async def close(self) -> None:
        """End the reader and the connection."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._receiver = None
        port, reader = self._port, self._reader
        if port is None or reader is None or self._loop is None:
            return
        await self._loop.run_in_executor(None, reader.join, 2 * READ_TIMEOUT + 1)
        await self._loop.run_in_executor(None, port.close)


def _close_late(opening: asyncio.Future[serial.rfc2217.Serial]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.get_loop().run_in_executor(None, opening.result().close)
