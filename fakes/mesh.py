"""A radio mesh in one process: nodes, who hears whom, and a border router to this machine.

What two nodes say to each other is real traffic of a simulated network: datagrams and connections
take hops, are lost, doubled and delayed, and end when nobody carries them any more. Nothing in it
is a real socket; those are behind the `BorderRouter`, and lead to 127.0.0.0/8 and ::1 only
(`fakes.world.World.guard`). All delays are model time, so it runs under virtual time.

- Nodes hear each other when they share a `Network` (channel, PAN ID, key) and no `cut` is between
  them; a packet goes from node to node (`Mesh.path`), by those that route.
- An address belongs to the node of the network that took it (`Node.register`).
- The border router gives the mesh a name server (`Node.resolve`), and translates addresses:
  NAT64 (RFC 6052) for IPv4, one address of the infrastructure link for ::1.
"""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .errors import FakeError
from .mesh_node import ROUTING, Node
from .mesh_router import HOST, NAT64, ROUTABLE, BorderRouter, joined_address, link_local
from .world import World

__all__ = [
    "HOST",
    "NAT64",
    "ROUTABLE",
    "BorderRouter",
    "Mesh",
    "Network",
    "Node",
    "joined_address",
    "link_local",
]

_HOP: Final = 0.0025  # seconds; a ping over one hop took 5 ms (fact sheet 4.1)


@dataclass(frozen=True, slots=True)
class Network:
    """What nodes must share to hear each other: 802.15.4 channel and PAN ID, and the key."""

    channel: int
    pan_id: int
    key: bytes


class Mesh:
    """The radio, and the nodes on it.

    Args:
        seed: origin of every random decision.
        scale: factor on every delay; 0 removes them.
        hop: seconds a packet takes per hop.
        loss, duplicate: probability per hop that a datagram is lost, arrives twice.

    Attributes:
        nodes: those that are switched on, in the order in which they came.
        beacons: what a network tells those that join it; the meaning is the module's.
    """

    _named: ClassVar[weakref.WeakValueDictionary[str, Mesh]] = weakref.WeakValueDictionary()

    def __init__(
        self,
        *,
        seed: int = 0,
        scale: float = 1.0,
        hop: float = _HOP,
        loss: float = 0.0,
        duplicate: float = 0.0,
    ) -> None:
        self.scale = scale
        self.hop = hop
        self.loss = loss
        self.duplicate = duplicate
        self.random = random.Random(seed)
        self.nodes: list[Node] = []
        self.beacons: dict[Network, Any] = {}
        self._cuts: set[frozenset[Node]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve(self, network: Network, world: World, prefix: str = "") -> None:
        """Put a border router up for a network, unless it has one."""
        for node in self.nodes:
            if isinstance(node, BorderRouter) and node.network == network:
                return
        self.nodes.append(BorderRouter(self, network, world, prefix))

    @classmethod
    def called(cls, name: str, make: Callable[[], Mesh]) -> Mesh:
        """The mesh of that name in this process; made when nobody has it any more."""
        found = cls._named.get(name)
        if found is None:
            found = cls._named[name] = make()
        return found

    # ---- who is there ----------------------------------------------------------------------

    def enter(self, node: Node) -> None:
        """A node is switched on. Raises FakeError: the others live in another event loop."""
        loop = asyncio.get_running_loop()
        if all(isinstance(each, BorderRouter) for each in self.nodes):
            self._loop = loop
        if self._loop is not loop:
            raise FakeError(22, "the nodes of one mesh must run in one event loop")
        if node not in self.nodes:
            self.nodes.append(node)

    def leave(self, node: Node) -> None:
        """A node is switched off; harmless when repeated."""
        if node in self.nodes:
            self.nodes.remove(node)

    def cut(self, one: Node, other: Node) -> None:
        """They do not hear each other any more."""
        self._cuts.add(frozenset((one, other)))

    def mend(self, one: Node, other: Node) -> None:
        """They hear each other again."""
        self._cuts.discard(frozenset((one, other)))
        self._stir()

    def isolate(self, node: Node) -> None:
        """The node is out of range of everybody."""
        for other in self.nodes:
            if other is not node:
                self.cut(node, other)

    def rejoin(self, node: Node) -> None:
        """The node is in range of everybody."""
        self._cuts = {pair for pair in self._cuts if node not in pair}
        self._stir()

    def _stir(self) -> None:
        """What has waited for the radio goes on."""
        for node in self.nodes:
            for stream in tuple(node.routed):
                stream.stir()

    def in_range(self, one: Node, other: Node) -> bool:
        """Whether their radios reach each other, whatever their networks."""
        return frozenset((one, other)) not in self._cuts

    def neighbours(self, node: Node) -> Iterator[Node]:
        """Those of the same network that hear the node directly."""
        for other in self.nodes:
            if (
                other is not node
                and other.network is not None
                and other.network == node.network
                and other.attached
                and self.in_range(node, other)
            ):
                yield other

    def path(self, source: Node, target: Node) -> int | None:
        """Hops of the shortest way, None when there is none; only routers pass packets on."""
        if source is target:
            return 0
        if not (source.attached and target.attached):
            return None
        seen = {source}
        edge = [source]
        hops = 0
        while edge:
            hops += 1
            further = []
            for node in edge:
                for other in self.neighbours(node):
                    if other is target:
                        return hops
                    if other not in seen and other.role in ROUTING:
                        further.append(other)
                    seen.add(other)
            edge = further
        return None

    def router(self, node: Node) -> BorderRouter | None:
        """The border router that the node reaches."""
        for other in self.nodes:
            if isinstance(other, BorderRouter) and self.path(node, other) is not None:
                return other
        return None

    def border(self, node: Node) -> BorderRouter | None:
        """The border router that the node's network data name, in reach or not."""
        for other in self.nodes:
            if isinstance(other, BorderRouter) and node.attached and other.network == node.network:
                return other
        return None

    def inside(self, address: str) -> str:
        """How nodes see a real address: as a border router translates it."""
        for other in self.nodes:
            if isinstance(other, BorderRouter):
                return other.inside(address)
        return address

    # ---- how packets travel ----------------------------------------------------------------

    def delay(self, hops: int) -> float:
        """Seconds of the loop's time."""
        return hops * self.hop * self.scale

    def lost(self) -> bool:
        """Whether the radio loses this packet."""
        return self.loss > 0 and self.random.random() < self.loss

    def carry_surely(self, source: Node, target: Node, arrive: Callable[[], object]) -> bool:
        """A packet that is neither lost nor doubled; False when there is no way."""
        hops = self.path(source, target)
        if hops is None:
            return False
        loop = asyncio.get_running_loop()
        loop.call_later(self.delay(hops), arrive)
        return True

    def carry(self, source: Node, target: Node, arrive: Callable[[], object]) -> bool:
        """A datagram from node to node; False when there is no way."""
        hops = self.path(source, target)
        if hops is None:
            return False
        if any(self.lost() for _ in range(hops)):
            return True
        copies = 1
        for _ in range(hops):
            if self.duplicate and self.random.random() < self.duplicate:
                copies = 2
        loop = asyncio.get_running_loop()
        for number in range(copies):
            loop.call_later(self.delay(hops * (number + 1)), arrive)
        return True
