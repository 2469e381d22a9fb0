"""Real non-blocking sockets on loopback for the fakes.

`SocketSet` owns every descriptor of one fake.  Readiness comes from a private edge-triggered
epoll instance that is itself watched by the event loop: a socket whose data is deliberately
left unread (pull receive modes) then costs nothing, and growth, half-close and reset are
still noticed.  A receive buffer of the module's size gives the peer real back-pressure.
"""

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
from collections.abc import Callable

from .errors import UnreachableError
from .world import World

__all__ = ["Listener", "SocketSet", "TcpSocket", "UdpSocket"]

_SIOCOUTQNSD = 0x894B  # linux/sockios.h: bytes in the send queue not yet sent
_ALL = (
    select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
)  # EPOLLERR and EPOLLHUP are always reported
_END = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_RESET = select.EPOLLERR
_SEGMENT = 1460  # bytes; an Ethernet-size segment instead of loopback's 64 KiB
_MAX_DATAGRAM = 65536


def _query(sock: socket.socket, request: int) -> int:
    """Integer ioctl on a socket; 0 when the descriptor is closed."""
    value = array.array("i", [0])
    try:
        fcntl.ioctl(sock.fileno(), request, value, True)
    except (OSError, ValueError):
        return 0
    return value[0]


class _Watched:
    """A socket registered with a `SocketSet`.

    Attributes:
        changed: called (no arguments) whenever data, space, end or error appeared.
        closed: True after `close`.
    """

    def __init__(self, owner: SocketSet, sock: socket.socket) -> None:
        self.owner = owner
        self.sock = sock
        self.changed: Callable[[], None] | None = None
        self.closed = False
        owner._add(self)

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
            self.owner._remove(self)
            self.sock.close()


class TcpSocket(_Watched):
    """One connected TCP socket, read only when asked.

    Attributes:
        window: most bytes `unread` reports (the module's receive buffer), bytes.
        ended: the peer sent FIN or RST (data may still be unread).
        reset: the connection broke (RST) rather than ended.
        received, sent: totals in bytes read from and accepted by the kernel.
    """

    def __init__(self, owner: SocketSet, sock: socket.socket, window: int) -> None:
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


class UdpSocket(_Watched):
    """One UDP socket bound to a loopback address."""

    def receive(self) -> tuple[bytes, tuple[str, int]] | None:
        """The next datagram and its sender, or None when none waits."""
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
            UnreachableError: `address` is not loopback; nothing was sent.
        """
        World.guard(address)
        try:
            self.sock.sendto(data, (address, port))
        except OSError:
            return False
        return True


class Listener(_Watched):
    """A listening TCP socket; `accept` gives the next connection or None."""

    def __init__(self, owner: SocketSet, sock: socket.socket, window: int) -> None:
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


class SocketSet:
    """All real sockets of one fake.

    Args:
        world: supplies the loopback guard and the module's own address.
        loop: the running loop (default: the current one).
    """

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.world = world
        self._loop = loop or asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._members: dict[int, _Watched] = {}
        self._loop.add_reader(self._epoll.fileno(), self._poll)

    def __len__(self) -> int:
        return len(self._members)

    def _add(self, member: _Watched) -> None:
        self._members[member.sock.fileno()] = member
        self._epoll.register(member.sock.fileno(), _ALL)

    def _remove(self, member: _Watched) -> None:
        number = member.sock.fileno()
        self._members.pop(number, None)
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(number)

    def _poll(self) -> None:
        for number, mask in self._epoll.poll(0):
            member = self._members.get(number)
            if member is not None:
                member.event(mask)

    @staticmethod
    def _family(address: str) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in address else socket.AF_INET

    def _own(self, address: str) -> str:
        return "::1" if ":" in address else self.world.address

    async def connect_tcp(
        self, address: str, port: int, *, window: int, timeout: float, send_buffer: int = 16384
    ) -> TcpSocket:
        """Connect to a loopback address.

        Args:
            address: literal address.
            port: remote port.
            window: receive buffer, bytes (real back-pressure to the peer).
            timeout: real seconds.
            send_buffer: kernel send buffer, bytes.

        Raises:
            UnreachableError: not loopback; nothing was sent.
            OSError: refused, timed out (TimeoutError).
        """
        self.world.guard(address)
        if not 0 < port < 65536:
            raise UnreachableError(f"{address}:{port}")
        sock = socket.socket(self._family(address), socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            _limit(sock, window)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(timeout):
                await self._loop.sock_connect(sock, (address, port))
            return TcpSocket(self, sock, window)
        except BaseException:
            sock.close()
            raise

    def open_udp(self, local_port: int = 0, *, address: str = "127.0.0.1") -> UdpSocket:
        """A UDP socket on the module's own loopback address (::1 when `address` is IPv6).

        Raises:
            OSError: the port is taken.
        """
        own = self.world.guard(self._own(address))
        sock = socket.socket(self._family(own), socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((own, local_port))
            return UdpSocket(self, sock)
        except BaseException:
            sock.close()
            raise

    def listen_tcp(
        self, port: int, *, window: int, backlog: int = 8, address: str = "127.0.0.1"
    ) -> Listener:
        """Listen on the module's own loopback address (::1 when `address` is IPv6).

        Raises:
            OSError: the port is taken or not permitted.
        """
        own = self.world.guard(self._own(address))
        sock = socket.socket(self._family(own), socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _limit(sock, window)  # inherited by accepted sockets
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((own, port))
            sock.listen(backlog)
            return Listener(self, sock, window)
        except BaseException:
            sock.close()
            raise

    def close_all(self) -> None:
        """Close every member; the set stays usable."""
        for member in list(self._members.values()):
            member.close()

    def close(self) -> None:
        """Close every member and the poller."""
        self.close_all()
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


def _limit(sock: socket.socket, window: int) -> None:
    """Give the socket a receive buffer of `window` bytes and Ethernet-size segments."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
