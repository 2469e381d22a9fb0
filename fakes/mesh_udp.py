"""UDP of a mesh: between nodes in memory, to this machine through the border router."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from .errors import FakeError, UnreachableError

if TYPE_CHECKING:
    from .mesh import Node
    from .sockets import Datagrams

__all__ = ["MTU_PAYLOAD", "MeshUdp"]

MTU_PAYLOAD: Final = 1232
"""Bytes of a datagram that a 6LoWPAN carries: 1280 (RFC 4944 section 4) less 40 and 8."""


class MeshUdp:
    """A UDP socket of a node.

    Args:
        node: whose socket it is.
        port: its port.
        arrive: `arrive(data, sender, own address)`, called for each datagram.

    Raises:
        OSError: the port is open already.
    """

    def __init__(
        self, node: Node, port: int, arrive: Callable[[bytes, tuple[str, int], str], object]
    ) -> None:
        if port in node.udp:
            raise OSError(errno.EADDRINUSE, "port in use")
        self.node = node
        self.port = port
        self.closed = False
        self._arrive = arrive
        self._real: dict[int, Datagrams] = {}
        node.udp[port] = self
        for version in (4, 6):  # so that a peer of this machine may begin
            self._outside(version)

    def send(self, data: bytes, address: str, port: int) -> None:
        """One datagram; lost when it is too long, or there is nobody, or no way."""
        if len(data) > MTU_PAYLOAD or not self.node.addresses:
            return
        mesh = self.node.mesh
        target = ipaddress.IPv6Address(address)
        sender = (self.node.source(address), self.port)
        if target.is_multicast:
            for other in [each for each in mesh.nodes if each is not self.node]:
                deliver = partial(_receive, other, port, data, sender, str(target))
                mesh.carry(self.node, other, deliver)
            return
        owner = self.node.owner(address)
        if owner is not None:
            mesh.carry(self.node, owner, partial(_receive, owner, port, data, sender, str(target)))
            return
        router = mesh.router(self.node)
        real = None if router is None else router.outside(address, self.node.world)
        if router is not None and real is not None:
            mesh.carry(self.node, router, partial(self._leave, data, real, port))

    def close(self) -> None:
        """End it; harmless when repeated."""
        if not self.closed:
            self.closed = True
            self.node.udp.pop(self.port, None)
            for each in self._real.values():
                each.close()

    def deliver(self, data: bytes, sender: tuple[str, int], own: str) -> None:
        """A datagram has reached the node."""
        if not self.closed:
            self._arrive(data, sender, own)

    # ---- behind the border router ----------------------------------------------------------

    def _outside(self, version: int) -> Datagrams | None:
        """The real socket of this port; another port when that one is taken on this machine."""
        found = self._real.get(version)
        if found is None:
            try:
                sockets = self.node.sockets()
            except FakeError:
                return None
            own = "::1" if version == 6 else "127.0.0.1"
            try:
                found = sockets.open_udp(self.port, address=own)
            except OSError:
                try:
                    found = sockets.open_udp(0, address=own)
                except OSError:
                    return None  # a machine without IPv6
            found.changed = partial(self._enter, found)
            self._real[version] = found
        return found

    def _leave(self, data: bytes, real: str, port: int) -> None:
        if self.closed:
            return
        out = self._outside(ipaddress.ip_address(real).version)
        if out is not None:
            try:
                out.send(data, real, port)
            except UnreachableError:
                return

    def _enter(self, out: Datagrams) -> None:
        mesh = self.node.mesh
        while (found := out.receive()) is not None:
            data, sender = found
            router = mesh.router(self.node)
            if router is None or len(data) > MTU_PAYLOAD or not self.node.addresses:
                continue  # the router has no way, or says "packet too big"
            seen = self.node.visible(sender)
            own = self.node.source(seen[0])
            mesh.carry(router, self.node, partial(self.deliver, data, seen, own))


def _receive(node: Node, port: int, data: bytes, sender: tuple[str, int], own: str) -> None:
    found = node.udp.get(port)
    if found is not None:
        found.deliver(data, sender, own)
