"""asyncio over an AsyncTCPSocket: a Transport. The StreamReader/StreamWriter pair is in `pairs`.

Known properties of this transport:

- `write` queues; `pause_writing` comes after a few frames, so that it tells what the *stack*
  accepts and memory does not grow.
- `can_write_eof` is True only where the stack claims a half-close; else `write_eof` raises.
- `get_extra_info("socket")` is None: there is no descriptor to set options on.
- An orderly end is `eof_received`; anything else is `connection_lost(exc)`, never an EOF.
- Over an AsyncTLSSocket it is a TLS transport, with asyncio's `ssl_object`, `sslcontext`,
  `peercert` and `cipher`; a cut TLS stream is `connection_lost(SSLEOFError)`.
- `connection_lost` comes after the stack took the socket back, so the next open finds it free.
- `start_tls` encrypts from the middle of a connection, on every event loop. asyncio's
  `loop.start_tls` takes this transport, too; that of uvloop only uvloop's own (TypeError).
"""

from __future__ import annotations

import asyncio
import socket as _socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from netsocket.address import SocketAddress
from netsocket.errors import ConnectionReset
from netsocket.stream import AsyncTCPSocket
from netsocket.tls import AsyncTLSSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

READ_SIZE = 64 * 1024
FRAMES = 4
"""High water of the write buffer, in frames of the stack."""
HANDSHAKE_LIMIT: Final = 60.0
"""Seconds for a TLS handshake, as in asyncio."""


class StreamTransport(asyncio.Transport):
    """A transport over a connected socket; create it with `start`."""

    _start_tls_compatible = True  # asks loop.start_tls to accept a transport of another make

    def __init__(
        self,
        socket: AsyncTCPSocket | AsyncTLSSocket,
        protocol: asyncio.BaseProtocol,
        extra: dict[str, Any],
    ) -> None:
        super().__init__(extra)
        self._about = extra
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._writable = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing = False
        self._writing_paused = False
        self._eof_wanted = False
        self._eof_reached = False
        self._high = self._low = 0
        self.set_write_buffer_limits()
        self._protocol: asyncio.BaseProtocol = protocol
        self._ending: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self.on_end: Callable[[], object] = lambda: None

    @classmethod
    async def start(
        cls, socket: AsyncTCPSocket | AsyncTLSSocket, protocol: asyncio.BaseProtocol
    ) -> StreamTransport:
        """Take over a connected socket; `connection_made` has been called on return."""
        socket.settimeout(None)
        extra: dict[str, Any] = {
            "socket": None,
            "peername": await _told(socket.getpeername()),
            "sockname": await _told(socket.getsockname()),
        }
        if isinstance(socket, AsyncTLSSocket):
            extra.update(_about_tls(socket))
        transport = cls(socket, protocol, extra)
        try:
            protocol.connection_made(transport)
        except BaseException:
            await socket.close()
            raise
        transport._run()
        return transport

    async def start_tls(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        handshake_limit: float | None = None,
        first: bytes = b"",
    ) -> None:
        """Encrypt from here on, behind what was written; a paused protocol stays paused.

        `first` are bytes of the peer that were received and belong to TLS. `handshake_limit` in
        seconds, 60 by default. Raises ssl.SSLError or OSError of the handshake (the transport ends
        with it), ValueError when the context wants a host name, and NotImplementedError when the
        connection is encrypted already.
        """
        below = self._socket
        if isinstance(below, AsyncTLSSocket):
            raise NotImplementedError("TLS inside TLS is not supported")
        made = AsyncTLSSocket(
            below, context, server_side=server_side, server_hostname=server_hostname
        )
        made.prepare()
        try:
            await self._stand_still()
            below.put_back(first)
            made.settimeout(HANDSHAKE_LIMIT if handshake_limit is None else handshake_limit)
            await made.do_handshake()
            made.settimeout(None)
        except Exception as error:
            self._fail(error)
            raise
        except BaseException:
            self._fail(None)
            raise
        self._socket = made
        self._about.update(_about_tls(made))
        self._run()

    # -- asyncio.Transport --------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Deliver to another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The current protocol."""
        return self._protocol

    def is_closing(self) -> bool:
        """True after close, abort or a failure."""
        return self._closing

    def is_reading(self) -> bool:
        """False while paused and at the end."""
        return self._reading.is_set() and not self._closing and not self._eof_reached

    def pause_reading(self) -> None:
        """Stop receiving: at most one piece of data waits here, the rest in the stack."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Receive again."""
        self._reading.set()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Queue for sending; dropped after close."""
        if self._eof_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._closing:
            return
        self._buffer += data
        self._emptied.clear()
        self._writable.set()
        if len(self._buffer) > self._high and not self._writing_paused:
            self._writing_paused = True
            self._tell("pause_writing")

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Queue several pieces."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """True only where the stack does not exclude a half-close."""
        return self._socket.can_half_close

    def write_eof(self) -> None:
        """Half-close after what is queued. Raises NotImplementedError where impossible."""
        if not self.can_write_eof():
            raise NotImplementedError("this stack cannot close one direction only")
        self._eof_wanted = True
        self._writable.set()

    def get_write_buffer_size(self) -> int:
        """Bytes queued here."""
        return len(self._buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Water marks in bytes; by default a few frames of the stack, and one."""
        if high is None:
            high = FRAMES * self._socket.frame if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low

    def close(self) -> None:
        """Send what is queued, then close."""
        if self._closing:
            return
        self._closing = True
        self._reading.set()
        if self._reader is not None:
            self._reader.cancel()
        self._writable.set()
        if self._writer is None or self._writer.done():
            self._end(None)

    def abort(self) -> None:
        """Close at once, dropping what is queued."""
        self._fail(None)

    async def stop(self, error: OSError, grace: float) -> None:
        """End now with `error`; one that was closed before gets `grace` seconds to flush."""
        if self._closing and self._ending is None and self._writer is not None:
            await asyncio.wait({self._writer}, timeout=grace)
        self._fail(error)
        if self._ending is not None:
            await asyncio.wait({self._ending})

    # -- inside -------------------------------------------------------------------------------

    def _run(self) -> None:
        self._reader = self._loop.create_task(self._pull())
        self._writer = self._loop.create_task(self._push())

    async def _stand_still(self) -> None:
        """Stop both directions between two pieces. Raises ConnectionResetError when it ends."""
        while self._buffer:
            await self._emptied.wait()
        tasks = [task for task in (self._reader, self._writer) if task is not None]
        if not self._closing and not self._eof_reached:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if self._closing or self._eof_wanted or self._eof_reached:
            raise ConnectionReset("the connection is ending")

    async def _pull(self) -> None:
        try:
            while True:
                await self._reading.wait()
                data = await self._socket.recv(READ_SIZE)
                try:
                    await self._reading.wait()
                except asyncio.CancelledError:
                    if isinstance(self._socket, AsyncTCPSocket):
                        self._socket.put_back(data)
                    raise
                if not data:
                    break
                self._deliver(data)
            self._eof_reached = True
            protocol = self._protocol
            stays = isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol) and (
                protocol.eof_received()
            )
            if not stays:
                self.close()
        except OSError as error:
            self._fail(error)
        except Exception as error:
            self._report(error, "protocol failed while receiving")
            self._fail(error)

    def _deliver(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)
            return
        rest = memoryview(data)
        while rest:
            space = memoryview(protocol.get_buffer(len(rest))).cast("B")
            if not len(space):
                raise RuntimeError("get_buffer() returned an empty buffer")
            count = min(len(space), len(rest))
            space[:count] = rest[:count]
            space.release()
            protocol.buffer_updated(count)
            rest = rest[count:]

    async def _push(self) -> None:
        try:
            while True:
                while self._buffer:
                    sent = await self._socket.send(bytes(self._buffer[: self._socket.frame]))
                    del self._buffer[:sent]
                    if self._writing_paused and len(self._buffer) <= self._low:
                        self._writing_paused = False
                        self._tell("resume_writing")
                self._emptied.set()
                if self._closing:
                    break
                if self._eof_wanted:
                    await self._socket.shutdown(_socket.SHUT_WR)
                    return
                self._writable.clear()
                await self._writable.wait()
            self._end(None)
        except OSError as error:
            self._fail(error)
        except Exception as error:
            self._report(error, "protocol failed while sending")
            self._fail(error)

    def _fail(self, error: Exception | None) -> None:
        self._closing = True
        self._buffer.clear()
        self._emptied.set()
        self._end(error, abort=True)

    def _end(self, error: Exception | None, *, abort: bool = False) -> None:
        if self._ending is None:
            self._ending = self._loop.create_task(self._finish(error, abort))

    async def _finish(self, error: Exception | None, abort: bool) -> None:
        for task in (self._reader, self._writer):
            if task is not None:
                task.cancel()
        try:
            await self._socket.close(abort=abort)
        except OSError as failure:
            error = error or failure
        finally:
            self.on_end()
            self._protocol.connection_lost(error)

    def _tell(self, method: str) -> None:
        try:
            getattr(self._protocol, method)()
        except Exception as error:
            self._report(error, f"protocol.{method}() failed")

    def _report(self, error: BaseException, message: str) -> None:
        self._loop.call_exception_handler(
            {
                "message": message,
                "exception": error,
                "transport": self,
                "protocol": self._protocol,
            }
        )

    def __repr__(self) -> str:
        return f"<StreamTransport over {self._socket!r}>"


async def _told(asked: Any) -> SocketAddress | None:
    try:
        address: SocketAddress = await asked
    except OSError:
        return None
    return address


def _about_tls(socket: AsyncTLSSocket) -> dict[str, Any]:
    return {
        "sslcontext": socket.context,
        "ssl_object": socket.ssl_object,
        "peercert": socket.getpeercert(),
        "cipher": socket.cipher(),
        "compression": socket.compression(),
    }
