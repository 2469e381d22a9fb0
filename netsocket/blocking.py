"""What the blocking stream and datagram sockets share: a thin face over the async ones."""

from __future__ import annotations

import contextlib
import io
import socket as _socket
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from netsocket.address import SocketAddress
from netsocket.portal import Portal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from netsocket.datagram import AsyncUDPSocket
    from netsocket.stream import AsyncTCPSocket
    from netsocket.tls import AsyncTLSSocket

    AnySocket = AsyncTCPSocket | AsyncUDPSocket | AsyncTLSSocket

S = TypeVar("S", bound="AnySocket")


class BlockingSocket(Generic[S]):
    """Base of `TCPSocket` and `UDPSocket`.

    The names, arguments and results are those of Python's `socket`; what differs is said there
    and in the Async classes, which do the work. Usable from any thread but the loop's own.
    """

    def __init__(self, portal: Portal, socket: S) -> None:
        self._portal = portal
        self._async: S = socket
        self._files = 0
        self._closed = False
        if self._async.timeout is None:
            self._async.settimeout(_socket.getdefaulttimeout())

    # -- attributes ---------------------------------------------------------------------------

    @property
    def family(self) -> _socket.AddressFamily:
        """AF_INET6 once an IPv6 address was used, AF_INET otherwise."""
        return self._async.family

    @property
    def type(self) -> _socket.SocketKind:
        """SOCK_STREAM or SOCK_DGRAM."""
        return self._async.type

    @property
    def proto(self) -> int:
        """Always 0."""
        return self._async.proto

    @property
    def timeout(self) -> float | None:
        """Seconds a call may take; None = for ever, 0.0 = non-blocking."""
        return self._async.timeout

    def fileno(self) -> int:
        """Always -1; `create_connection` of the interface gives sockets with a descriptor."""
        return -1

    def settimeout(self, value: float | None) -> None:
        """Seconds for each call as a whole; 0 = non-blocking, None = for ever. ValueError."""
        self._async.settimeout(value)

    def gettimeout(self) -> float | None:
        """The time-out in seconds."""
        return self._async.gettimeout()

    def setblocking(self, flag: bool) -> None:
        """True = settimeout(None), False = settimeout(0)."""
        self._async.setblocking(flag)

    def getblocking(self) -> bool:
        """False in non-blocking mode only."""
        return self._async.getblocking()

    # -- calls --------------------------------------------------------------------------------

    def connect(self, address: object) -> None:
        """Connect, or fix the datagram peer."""
        self._portal.run(self._async.connect(address))

    def connect_ex(self, address: object) -> int:
        """As connect, but returns 0 or an errno."""
        return self._portal.run(self._async.connect_ex(address))

    def bind(self, address: object) -> None:
        """Fix the local port."""
        self._portal.run(self._async.bind(address))

    def getsockname(self) -> SocketAddress:
        """Own address; equal to a tuple (host, port)."""
        return self._portal.run(self._async.getsockname())

    def getpeername(self) -> SocketAddress:
        """The peer; equal to a tuple (host, port). Raises ENOTCONN."""
        return self._portal.run(self._async.getpeername())

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Offer bytes; returns how many were accepted."""
        return self._portal.run(self._async.send(data, flags))

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send everything; errors carry `accepted` and `unknown`."""
        self._portal.run(self._async.sendall(data, flags))

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Bytes of the stream, or one datagram."""
        return self._portal.run(self._async.recv(size, flags))

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """As recv, into a writable buffer; returns the count."""
        return self._portal.run(self._async.recv_into(buffer, nbytes, flags))

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """As recv, with the sender (None for a stream)."""
        return self._portal.run(self._async.recvfrom(size, flags))

    def recvfrom_into(
        self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Any]:
        """As recv_into, with the sender (None for a stream)."""
        return self._portal.run(self._async.recvfrom_into(buffer, nbytes, flags))

    def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """As socket.setsockopt; raises NotSupported (errno ENOPROTOOPT)."""
        self._portal.run(self._async.setsockopt(level, name, value))

    def getsockopt(self, level: int, name: int) -> int:
        """As socket.getsockopt; raises NotSupported (errno ENOPROTOOPT)."""
        return self._portal.run(self._async.getsockopt(level, name))

    def shutdown(self, how: int) -> None:
        """End one or both directions; SHUT_WR only where the stack can."""
        self._portal.run(self._async.shutdown(how))

    def sigio(self, callback: Callable[[], object] | None) -> None:
        """Call `callback()` in the loop's thread when something may have changed.

        It must not block and cannot use blocking sockets: post to a queue and return.
        """

        async def register() -> None:
            self._async.sigio(callback)

        self._portal.run(register())

    # -- end ----------------------------------------------------------------------------------

    def close(self) -> None:
        """Close, once the files made by makefile are closed too. Idempotent."""
        self._closed = True
        if self._files <= 0:
            self._close()

    def _close(self) -> None:
        if self._portal.alive:
            self._portal.run(self._async.close())

    def _decref_socketios(self) -> None:
        """For socket.SocketIO: one of its files was closed."""
        if self._files > 0:
            self._files -= 1
        if self._closed:
            self.close()

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file object over the socket, as socket.makefile; it keeps the socket open."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        writing = "w" in mode
        reading = "r" in mode or not writing
        binary = "b" in mode
        rawmode = ("r" if reading else "") + ("w" if writing else "")
        raw = _socket.SocketIO(cast(_socket.socket, self), cast(Any, rawmode))
        self._files += 1
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        if size == 0:
            if not binary:
                raise ValueError("unbuffered streams must be binary")
            return raw
        buffer: io.BufferedRWPair | io.BufferedReader | io.BufferedWriter
        if reading and writing:
            buffer = io.BufferedRWPair(raw, raw, size)
        elif reading:
            buffer = io.BufferedReader(raw, size)
        else:
            buffer = io.BufferedWriter(raw, size)
        if binary:
            return buffer
        text = io.TextIOWrapper(cast(Any, buffer), encoding, errors, newline)
        text.mode = mode  # type: ignore[misc]
        return text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        socket: AnySocket | None = getattr(self, "_async", None)
        if socket is None or socket.closed or self._closed or not self._portal.alive:
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
        with contextlib.suppress(RuntimeError):
            self._portal.loop.call_soon_threadsafe(_close_later, self._portal, socket)

    def __repr__(self) -> str:
        return repr(self._async).replace("<Async", "<", 1)


def _close_later(portal: Portal, socket: AnySocket) -> None:
    task = portal.loop.create_task(socket.close())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[Any] = set()
