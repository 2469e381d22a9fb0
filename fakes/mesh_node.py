"""The IP layer of one node of a mesh: its addresses, sockets and questions."""

from __future__ import annotations

import asyncio
import ipaddress
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .errors import UnreachableError
from .mesh_routed import RoutedStream
from .mesh_tcp import Caller, MeshListener, MeshStream
from .mesh_udp import MeshUdp
from .world import World

if TYPE_CHECKING:
    from .mesh import Mesh, Network
    from .sockets import SocketSet, Stream

__all__ = ["ROUTING", "Node"]

ROUTING: Final = ("router", "leader")
"""Roles that pass packets on."""
_FIRST_PORT: Final = 49152  # RFC 6335 section 6
_AT_ONCE: Final = 0.2  # real seconds to be accepted, where model time takes none


class Node:
    """The IP layer of one node; a fake module has one.

    Args:
        mesh: the radio it has.
        eui64: its IEEE address, 8 bytes.
        world: names, and the guard before every real socket.
        sockets: gives the real sockets of the module, for what the border router translates.

    Attributes:
        network: credentials while the radio is on.
        role: "disabled", "detached", "child", "router" or "leader".
        addresses: its own, in the compressed form of RFC 5952.
    """

    def __init__(
        self, mesh: Mesh, eui64: bytes, world: World, sockets: Callable[[], SocketSet]
    ) -> None:
        self.mesh = mesh
        self.eui64 = eui64
        self.world = world
        self.sockets = sockets
        self.network: Network | None = None
        self.role = "disabled"
        self.addresses: list[str] = []
        self.udp: dict[int, MeshUdp] = {}
        self.tcp: dict[int, MeshListener] = {}
        self.routed: weakref.WeakSet[RoutedStream] = weakref.WeakSet()
        self._streams: weakref.WeakSet[MeshStream] = weakref.WeakSet()
        self._next_port = _FIRST_PORT

    @property
    def attached(self) -> bool:
        """Part of a network."""
        return self.role in ("child", *ROUTING)

    def register(self, address: str) -> None:
        """Take an address; nothing when it has it already."""
        address = str(ipaddress.IPv6Address(address))
        if address not in self.addresses:
            self.addresses.append(address)

    def detach(self, role: str = "detached") -> None:
        """Give up network and addresses; datagrams to it are lost from now on."""
        self.role = role
        self.addresses.clear()

    def leave(self) -> None:
        """Switched off: every socket ends without a word to anybody."""
        for socket in tuple(self.udp.values()):
            socket.close()
        for listener in tuple(self.tcp.values()):
            listener.close()
        for stream in tuple(self._streams):
            stream.vanish()
        self.detach("disabled")
        self.mesh.leave(self)

    def source(self, target: str) -> str:
        """The own address from which it talks to that one (RFC 6724 rule 8, then the last)."""
        wanted = ipaddress.IPv6Address(target)
        if wanted.is_multicast:
            return self.addresses[0]
        for address in self.addresses:
            if int(ipaddress.IPv6Address(address)) >> 64 == int(wanted) >> 64:
                return address
        return self.addresses[-1]

    def owner(self, address: str) -> Node | None:
        """The node of the own network that has this address."""
        wanted = str(ipaddress.IPv6Address(address))
        for node in (self, *self.mesh.nodes):
            if wanted in node.addresses and node.network == self.network:
                return node
        return None

    def free_port(self, taken: Callable[[int], bool]) -> int:
        """A port that the node chooses by itself."""
        while True:
            port = self._next_port
            self._next_port = port + 1 if port < 65535 else _FIRST_PORT
            if not taken(port):
                return port

    # ---- sockets ---------------------------------------------------------------------------

    def open_udp(
        self, port: int, arrive: Callable[[bytes, tuple[str, int], str], object]
    ) -> MeshUdp:
        """A UDP socket; `arrive(data, sender, own address)` for each datagram.

        Args:
            port: 0 for one of the node's choice.
            arrive: called in the event loop.

        Raises:
            OSError: the node has that port open already.
        """
        port = port or self.free_port(self.udp.__contains__)
        return MeshUdp(self, port, arrive)

    def listen_tcp(self, port: int, *, window: int) -> MeshListener:
        """Listen at a port, for nodes and (through the border router) for this machine.

        Raises:
            OSError: the node listens there already.
        """
        return MeshListener(self, port, window)

    async def connect_tcp(
        self, address: str, port: int, *, window: int, timeout: float, local_port: int = 0
    ) -> Stream:
        """Connect to a node, or to what the border router translates.

        Args:
            address: literal IPv6 address.
            port: of the peer.
            window: bytes the own end takes before it is read.
            timeout: seconds until nobody has answered (model time within the mesh).
            local_port: own port, 0 for one of the node's choice.

        Raises:
            ConnectionRefusedError: nobody listens there.
            TimeoutError: no answer.
            OSError: as the socket behind the border router says.
        """
        peer = self.owner(address)
        if peer is not None and self.addresses:
            own = (self.source(address), local_port or self.free_port(lambda _port: False))
            mine = MeshStream(self, own, (address, port), window)
            await self._connect_node(peer, mine, timeout)
            return mine
        router = self.mesh.router(self)
        real = router.outside(address, self.world) if router is not None else None
        if real is not None:
            try:
                inner = await self.sockets().connect_tcp(
                    real, port, window=window, timeout=timeout, local_port=local_port
                )
                return RoutedStream(self, inner)
            except UnreachableError:
                pass
        await asyncio.sleep(timeout * self.mesh.scale)
        raise TimeoutError(110, "no answer")

    async def _connect_node(self, peer: Node, mine: MeshStream, timeout: float) -> None:
        hops = self.mesh.path(self, peer)
        if hops is None:
            await asyncio.sleep(timeout * self.mesh.scale)
            raise TimeoutError(110, "no answer")
        await asyncio.sleep(self.mesh.delay(2 * hops))
        listener = peer.tcp.get(mine.remote[1])
        if listener is None:
            raise ConnectionRefusedError(111, "refused")
        accepted: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
        caller = Caller(mine.local, accepted)
        listener.knock(caller)
        try:
            async with asyncio.timeout(timeout * self.mesh.scale or _AT_ONCE):
                other = await accepted
        except BaseException:
            listener.forget(caller)
            raise
        assert isinstance(other, MeshStream)
        mine.join(other)
        self._streams.add(mine)

    def accept_stream(
        self, local: tuple[str, int], remote: tuple[str, int], window: int
    ) -> MeshStream:
        """The own end of a connection that another node makes."""
        stream = MeshStream(self, local, remote, window)
        self._streams.add(stream)
        return stream

    # ---- questions -------------------------------------------------------------------------

    def visible(self, place: tuple[str, int]) -> tuple[str, int]:
        """How the node sees a peer: what lies outside has the address the router gives it."""
        address, port = place
        return self.mesh.inside(address), port

    def resolve(self, name: str, *, family: int = 6) -> list[str]:
        """What the border router's name server knows; IPv4 addresses translated.

        Args:
            name: host name.
            family: 6: AAAA records, and A records translated where there are none; 4: A only.

        Raises:
            TimeoutError: there is no border router in reach.
        """
        router = self.mesh.router(self)
        if router is None:
            raise TimeoutError(110, "no name server")
        found = self.world.lookup_all(name, family=family)
        if not found and family == 6:
            found = self.world.lookup_all(name, family=4)
        return [router.inside(each) for each in found]

    async def ping(self, address: str) -> float | None:
        """Seconds (of model time) of a round trip, None when nobody answers."""
        target: Node | None = self.owner(address)
        if target is None:
            target = router = self.mesh.router(self)
            real = None if router is None else router.outside(address, self.world)
            if real is None or not self.world.reaches(real):
                return None
        assert target is not None
        hops = self.mesh.path(self, target)
        if hops is None:
            return None
        if any(self.mesh.lost() for _ in range(2 * hops)):
            return None
        await asyncio.sleep(self.mesh.delay(2 * hops))
        return 2 * hops * self.mesh.hop
