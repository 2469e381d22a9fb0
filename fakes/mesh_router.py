"""The border router of a mesh: it translates to loopback addresses of this machine and back."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from .errors import FakeError
from .mesh_node import Node
from .world import World

if TYPE_CHECKING:
    from .mesh import Mesh, Network
    from .sockets import SocketSet

__all__ = ["HOST", "NAT64", "ROUTABLE", "BorderRouter", "joined_address", "link_local"]

NAT64: Final = "fd00:64:64::"
"""NAT64 prefix of the border router (/96, RFC 6052 section 2.2; its own, RFC 6052 section 3.1
forbids 64:ff9b:: for addresses that are not global): 127.0.0.1 is fd00:64:64::7f00:1."""
HOST: Final = "fd00:64:64:1::1"
"""This machine on the border router's infrastructure link: ::1."""
ROUTABLE: Final = "fd00:64:64:2::"
"""Prefix (/64) from which every node has the address that the outside knows it by."""
ROUTER_EUI64: Final = bytes.fromhex("02006400640000fe")


class BorderRouter(Node):
    """Leads from the mesh to loopback addresses of this machine, and back.

    It is leader of the network it is given, and there from the beginning. Which real sockets there
    are belongs to the nodes that opened them (their `sockets`), so they end with them.
    """

    def __init__(self, mesh: Mesh, network: Network, world: World, prefix: str = "") -> None:
        super().__init__(mesh, ROUTER_EUI64, world, _no_sockets)
        self.network = network
        self.role = "leader"
        self.register(link_local(self.eui64))
        if prefix:
            self.register(joined_address(prefix, self.eui64))

    def outside(self, address: str, world: World) -> str | None:
        """The real address behind one that the mesh sees; None for one of the mesh's own.

        Args:
            address: as the node has it.
            world: of the node; its scripted peers may have any address.
        """
        wanted = ipaddress.IPv6Address(address)
        if int(wanted) >> 32 == int(ipaddress.IPv6Address(NAT64)) >> 32:
            return str(ipaddress.IPv4Address(int(wanted) & 0xFFFFFFFF))
        if wanted == ipaddress.IPv6Address(HOST):
            return "::1"
        if wanted.is_private or wanted.is_link_local or wanted.is_multicast:
            return str(wanted) if world.peers.knows(str(wanted)) else None
        return str(wanted)

    def inside(self, address: str) -> str:
        """How the mesh sees a real address; what is one of the mesh already stays."""
        wanted = ipaddress.ip_address(address)
        if wanted.version == 4:
            return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(NAT64)) | int(wanted)))
        return HOST if wanted == ipaddress.IPv6Address("::1") else str(wanted)


def _no_sockets() -> SocketSet:
    raise FakeError(107, "the border router opens sockets for nodes only")


def joined_address(prefix: str, eui64: bytes) -> str:
    """The address of this prefix (/64) with the interface identifier of RFC 4291 appendix A."""
    tail = int.from_bytes(bytes((eui64[0] ^ 2, *eui64[1:])), "big")
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | tail))


def link_local(eui64: bytes) -> str:
    """fe80::/64 with the interface identifier of an EUI-64."""
    return joined_address("fe80::", eui64)
