"""Real non-blocking sockets on loopback for the fakes.

`SocketSet` owns every descriptor of one fake.  Readiness comes from a private edge-triggered
epoll instance that is itself watched by the event loop: a socket whose data is deliberately
left unread (pull receive modes) then costs nothing, and growth, half-close and reset are
still noticed.  A receive buffer of the module's size gives the peer real back-pressure.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import select
import socket

from .conversation import Conversation, MemoryDatagrams, MemoryListener
from .endpoints import Datagrams, Listener, Listening, Stream, TcpSocket, UdpSocket, Watched
from .errors import UnreachableError
from .peers import Peer
from .world import World

__all__ = ["Datagrams", "Listener", "Listening", "SocketSet", "Stream", "TcpSocket", "UdpSocket"]

_ALL = (
    select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
)  # EPOLLERR and EPOLLHUP are always reported
_BIND_ADDRESS_NO_PORT = 24  # linux/in.h IP_BIND_ADDRESS_NO_PORT
_FIRST_PORT = 49152  # of those the module chooses by itself (RFC 6335), in memory
_SEGMENT = 1460  # bytes; an Ethernet-size segment instead of loopback's 64 KiB


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
        self._members: dict[int, Watched] = {}
        self._memory: list[Conversation | MemoryDatagrams | MemoryListener] = []
        self._next_port = _FIRST_PORT
        if not world.offline:
            self._loop.add_reader(self._epoll.fileno(), self._poll)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: Watched) -> None:
        """Begin to watch an endpoint."""
        self._members[member.sock.fileno()] = member
        self._epoll.register(member.sock.fileno(), _ALL)

    def remove(self, member: Watched) -> None:
        """Stop watching an endpoint."""
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
        self,
        address: str,
        port: int,
        *,
        window: int,
        timeout: float,
        send_buffer: int = 16384,
        local_port: int = 0,
    ) -> Stream:
        """Connect to a loopback address, or to a scripted peer at any address.

        Args:
            address: literal address.
            port: remote port.
            window: receive buffer, bytes (real back-pressure to the peer).
            timeout: real seconds.
            send_buffer: kernel send buffer, bytes.
            local_port: own port, 0 for any; the own address is the module's.

        Raises:
            UnreachableError: not loopback; nothing was sent.
            OSError: local port taken, refused, timed out (TimeoutError).
        """
        if self.world.scripted(address, port):
            return await self._connect_peer(address, port, window, timeout, local_port)
        self.world.guard(address)
        own = self.world.guard(self._own(address))
        if not 0 < port < 65536:
            raise UnreachableError(f"{address}:{port}")
        sock = socket.socket(self._family(address), socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            _limit(sock, window)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if local_port:  # one in TIME_WAIT counts as free
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:  # the kernel chooses when it knows the peer
                sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind((own, local_port))
            try:
                async with asyncio.timeout(timeout):
                    await self._loop.sock_connect(sock, (address, port))
            except TimeoutError:
                if not _is_connected(sock):  # else this process was late, not the peer
                    raise
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:  # the four numbers of a live connection
                    raise OSError(errno.EADDRINUSE, "local port in use") from error
                raise
            return TcpSocket(self, sock, window)
        except BaseException:
            sock.close()
            raise

    async def _connect_peer(
        self, address: str, port: int, window: int, timeout: float, local_port: int
    ) -> Conversation:
        found = self.world.peers.at(address, port)
        if found is None and not self.world.peers.knows(address):
            raise UnreachableError(f"{address}:{port}")
        place, peer = found or ("", Peer("refuse"))
        if peer.does == "silent" or peer.delay * self.world.time_scale > timeout:
            await asyncio.sleep(timeout)
            raise TimeoutError(errno.ETIMEDOUT, "no answer")
        await asyncio.sleep(peer.delay * self.world.time_scale)
        if peer.does == "refuse":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        own = (self._own(address), self._port(local_port))
        made = Conversation(self.world, peer, (address, port), own, window)
        self._remember(made)
        self.world.peers.enter(place, made)
        return made

    def _port(self, wanted: int) -> int:
        taken = {each.local[1] for each in self._memory if not each.closed}
        if wanted:
            if wanted in taken:
                raise OSError(errno.EADDRINUSE, "local port in use")
            return wanted
        while self._next_port in taken:
            self._next_port += 1
        self._next_port += 1
        return self._next_port - 1

    def _remember(self, member: Conversation | MemoryDatagrams | MemoryListener) -> None:
        self._memory = [each for each in self._memory if not each.closed]
        self._memory.append(member)

    def dial(self, port: int, peer: Peer, *, remote: tuple[str, int] = ("192.0.2.250", 0)) -> bool:
        """A scripted peer connects to a port on which the module listens in memory.

        Returns:
            Whether there was room; False also where nobody listens.
        """
        for each in self._memory:
            if isinstance(each, MemoryListener) and each.local[1] == port and not each.closed:
                caller = (remote[0], remote[1] or self._port(0))
                made = Conversation(self.world, peer, caller, each.local, each.window)
                self._remember(made)
                self.world.peers.enter(f"dial:{port}", made)
                return each.dial(made)
        return False

    def open_udp(self, local_port: int = 0, *, address: str = "127.0.0.1") -> Datagrams:
        """A UDP socket on the module's own loopback address (::1 when `address` is IPv6).

        Raises:
            OSError: the port is taken.
        """
        own = self.world.guard(self._own(address))
        if self.world.offline:
            made = MemoryDatagrams(self.world, (own, self._port(local_port)))
            self._remember(made)
            return made
        sock = socket.socket(self._family(own), socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind((own, local_port))
            return UdpSocket(self, sock, self.world)
        except BaseException:
            sock.close()
            raise

    def listen_tcp(
        self, port: int, *, window: int, backlog: int = 8, address: str = "127.0.0.1"
    ) -> Listening:
        """Listen on the module's own loopback address (::1 when `address` is IPv6).

        Raises:
            OSError: the port is taken or not permitted.
        """
        own = self.world.guard(self._own(address))
        if self.world.offline:
            made = MemoryListener((own, self._port(port)), backlog, window)
            self._remember(made)
            return made
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
        for member in [*self._members.values(), *self._memory]:
            member.close()
        self._memory.clear()

    def close(self) -> None:
        """Close every member and the poller."""
        self.close_all()
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _limit(sock: socket.socket, window: int) -> None:
    """Give the socket a receive buffer of `window` bytes and Ethernet-size segments."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
