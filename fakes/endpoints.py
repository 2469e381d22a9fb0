"""The real sockets behind a fake: TCP read on demand, UDP, a listener."""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import fcntl
import select
import socket
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .conversation import datagram
from .world import World

__all__ = ["Datagrams", "Listener", "Listening", "Stream", "TcpSocket", "UdpSocket", "Watched"]

_SIOCOUTQNSD = 0x894B  # linux/sockios.h: bytes in the send queue not yet sent
_END = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_RESET = select.EPOLLERR
_MAX_DATAGRAM = 65536


def _query(sock: socket.socket, request: int) -> int:
    """Integer ioctl on a socket; 0 when the descriptor is closed."""
    value = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), request, value, True)
    except (OSError, ValueError):
        return 0
    return value[0]


class Owner(Protocol):
    """What an endpoint needs of the set it belongs to (`fakes.sockets.SocketSet`)."""

    def add(self, member: Watched) -> None:
        """Begin to watch the endpoint."""

    def remove(self, member: Watched) -> None:
        """Stop watching the endpoint."""


class Endpoint(Protocol):
    """What every socket of a module has, real or scripted."""

    changed: Callable[[], None] | None

    @property
    def closed(self) -> bool:
        """Closed by the module."""

    @property
    def local(self) -> tuple[str, int]:
        """Own (address, port)."""

    def close(self) -> None:
        """End it; harmless when repeated."""


class Stream(Endpoint, Protocol):
    """A connection: `TcpSocket`, `fakes.secure.SecureStream` over one, or
    `fakes.conversation.Conversation` in memory."""

    received: int
    sent: int

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's (address, port)."""

    @property
    def ended(self) -> bool:
        """The peer sent FIN or RST; data may still be unread."""

    @property
    def reset(self) -> bool:
        """The connection broke rather than ended."""

    @property
    def finished(self) -> bool:
        """The peer ended and nothing is left to read."""

    def unread(self) -> int:
        """Bytes that wait, at most the module's window."""

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes now."""

    async def write(self, data: bytes) -> None:
        """Hand over all of `data`. Raises OSError."""

    def unacknowledged(self) -> int:
        """Bytes that the peer has not confirmed."""

    def unsent(self) -> int:
        """Bytes that the peer had no room for."""

    def shutdown_write(self) -> None:
        """FIN, keep receiving."""

    def abort(self) -> None:
        """Close with RST."""


class Datagrams(Endpoint, Protocol):
    """A UDP socket: `UdpSocket`, or `fakes.conversation.MemoryDatagrams`."""

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        """The next datagram and its sender."""

    def send(self, data: bytes, address: str, port: int) -> bool:
        """Send one datagram; False when it was refused."""


class Listening(Endpoint, Protocol):
    """A listening socket: `Listener`, or `fakes.conversation.MemoryListener`."""

    def waiting(self) -> bool:
        """Whether a connection waits to be accepted."""

    def accept(self) -> Stream | None:
        """The next waiting connection, or None."""


class Watched:
    """A socket registered with a `SocketSet`.

    Attributes:
        changed: called (no arguments) whenever data, space, end or error appeared.
        closed: True after `close`.
    """

    def __init__(self, owner: Owner, sock: socket.socket) -> None:
        self.owner = owner
        self.sock = sock
        self.changed: Callable[[], None] | None = None
        self.closed = False
        owner.add(self)

    def event(self, mask: int) -> None:  # noqa: ARG002
        """React to one epoll event."""
        if self.changed is not None:
            self.changed()

    @property
    def local(self) -> tuple[str, int]:
        """Own (address, port)."""
        name = self.sock.getsockname()
        return name[0], name[1]

    def close(self) -> None:
        """Close the descriptor; harmless when repeated."""
        if not self.closed:
            self.closed = True
            self.changed = None
            self.owner.remove(self)
            self.sock.close()


class TcpSocket(Watched):
    """One connected TCP socket, read only when asked.

    Attributes:
        window: most bytes `unread` reports (the module's receive buffer), bytes.
        ended: the peer sent FIN or RST (data may still be unread).
        reset: the connection broke (RST) rather than ended.
        received, sent: totals in bytes read from and accepted by the kernel.
    """

    def __init__(self, owner: Owner, sock: socket.socket, window: int) -> None:
        self.window = window
        self.ended = False
        self.reset = False
        self.received = 0
        self.sent = 0
        peer = sock.getpeername()
        self.remote: tuple[str, int] = (peer[0], peer[1])
        self._space: asyncio.Future[None] | None = None
        super().__init__(owner, sock)

    def event(self, mask: int) -> None:
        """Note end, wake a blocked writer, tell the module."""
        if mask & _END:
            self.ended = True
            self.reset = self.reset or bool(mask & _RESET)
        if self._space is not None and not self._space.done():
            self._space.set_result(None)
        super().event(mask)

    def unread(self) -> int:
        """Bytes waiting in the kernel, at most `window`."""
        if self.closed:
            return 0
        return min(_query(self.sock, termios.FIONREAD), self.window)

    @property
    def finished(self) -> bool:
        """The peer ended and nothing is left to read."""
        return self.closed or (self.ended and _query(self.sock, termios.FIONREAD) == 0)

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes now, b"" when there are none or at the end."""
        try:
            data = self.sock.recv(limit)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError:
            self.ended = self.reset = True
            return b""
        if not data and limit:
            self.ended = True
        self.received += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Hand `data` to the kernel, waiting for space.

        Raises:
            OSError: the connection broke or was closed before all was accepted.
        """
        view = memoryview(data)
        while view:
            if self.closed:
                raise OSError(errno.EPIPE, "closed")
            self._space = asyncio.get_running_loop().create_future()
            try:
                count = self.sock.send(view, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                await self._space
                continue
            self.sent += count
            view = view[count:]

    def unacknowledged(self) -> int:
        """Bytes accepted by the kernel and not yet acknowledged by the peer."""
        return _query(self.sock, termios.TIOCOUTQ)

    def unsent(self) -> int:
        """Bytes accepted by the kernel and not yet delivered to the peer's receive queue."""
        return _query(self.sock, _SIOCOUTQNSD)

    def shutdown_write(self) -> None:
        """Send FIN, keep receiving."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Close with RST."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def close(self) -> None:
        """Close (FIN, or RST by the kernel when data is unread); wakes a blocked writer."""
        super().close()
        if self._space is not None and not self._space.done():
            self._space.set_result(None)


class UdpSocket(Watched):
    """One UDP socket bound to a loopback address; scripted peers of the world answer, too."""

    def __init__(self, owner: Owner, sock: socket.socket, world: World) -> None:
        self._world = world
        self._scripted: deque[tuple[bytes, tuple[str, int]]] = deque()
        super().__init__(owner, sock)

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        """The next datagram and its sender, or None when none waits."""
        if self._scripted:
            return self._scripted.popleft()
        while not self.closed:
            try:
                data, sender = self.sock.recvfrom(_MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                continue  # a pending ICMP error of an earlier send
            return data, (sender[0], sender[1])
        return None

    def send(self, data: bytes, address: str, port: int) -> bool:
        """Send one datagram; False when the kernel refused it.

        Raises:
            UnreachableError: `address` is neither loopback nor a peer's; nothing was sent.
        """
        if self._world.peers.knows(address):
            datagram(self._world, data, (address, port), self._arrive)
            return True
        World.guard(address)
        try:
            self.sock.sendto(data, (address, port))
        except OSError:
            return False
        return True

    def _arrive(self, data: bytes, sender: tuple[str, int]) -> None:
        if not self.closed:
            self._scripted.append((data, sender))
            self.event(0)


class Listener(Watched):
    """A listening TCP socket; `accept` gives the next connection or None."""

    def __init__(self, owner: Owner, sock: socket.socket, window: int) -> None:
        self.window = window
        super().__init__(owner, sock)

    def waiting(self) -> bool:
        """Whether a connection waits to be accepted."""
        if self.closed:
            return False
        poller = select.poll()
        poller.register(self.sock.fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def accept(self) -> TcpSocket | None:
        """The next waiting connection from loopback, None when none waits."""
        while not self.closed:
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return None
            sock.setblocking(False)
            if not World.is_reachable(peer[0]):
                sock.close()
                continue
            try:
                return TcpSocket(self.owner, sock, self.window)
            except OSError:
                sock.close()  # gone between accept and getpeername
        return None
