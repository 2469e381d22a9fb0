"""Where a proxy may lead its clients: judged by the address, which is then the one connected to.

    Proxy(pool)                                              # everything but what nobody means
    Proxy(pool, destinations=Destinations.of(refuse=["private"]))   # the internet only
    Proxy(pool, destinations=Destinations.of(allow=["loopback"]))   # a simulated module's world

A name says nothing about where it leads: its owner may point it at 127.0.0.1 or at a printer, and
point it elsewhere between two questions (DNS rebinding). So the module is asked once, the answer is
judged, and exactly that address is connected to.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from netsocket.address import SocketAddress
from netsocket.errors import NetsocketError, Nsapi
from netsocket.interface import AsyncNetworkInterface

TRIED: Final = 4
"""Addresses of one name that are tried, at most."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Region(Enum):
    """Kinds of addresses, in the words of an option."""

    LOOPBACK = "loopback"
    """127.0.0.0/8, ::1: the module itself; the far end of a simulated one, and with `host` this
    computer's own services."""
    OWN = "own"
    """The module's own address."""
    UNSPECIFIED = "unspecified"
    """0.0.0.0/8, ::, which many systems take for themselves."""
    LINK_LOCAL = "link-local"
    """169.254.0.0/16 (addresses of cloud metadata among them), fe80::/10."""
    MULTICAST = "multicast"
    """224.0.0.0/4, ff00::/8, 240.0.0.0/4 and the broadcast address."""
    PRIVATE = "private"
    """10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7 and all else that is not the internet: the
    WiFi network of a module, the network behind an access point name."""
    PUBLIC = "public"
    """The internet."""


REFUSED: Final = frozenset(Region) - {Region.PRIVATE, Region.PUBLIC}
"""What nobody means who goes out through a module."""


class DestinationRefused(NetsocketError, PermissionError):
    """The proxy does not lead there; nothing was sent. `region` says why."""

    def __init__(self, region: Region) -> None:
        super().__init__(
            f"a {region.value} address is no destination of this proxy",
            errno=errno.EACCES,
            nsapi=Nsapi.PARAMETER,
        )
        self.region = region


@dataclass(frozen=True, slots=True)
class Destinations:
    """Which regions are refused."""

    refused: frozenset[Region] = REFUSED

    @classmethod
    def of(cls, allow: Iterable[str] = (), refuse: Iterable[str] = ()) -> Self:
        """The usual ones, changed by the names of regions. Raises ValueError."""
        allowed, refused = frozenset(map(Region, allow)), frozenset(map(Region, refuse))
        if allowed & refused:
            raise ValueError(
                f"{min(each.value for each in allowed & refused)}: allowed or refused?"
            )
        return cls((REFUSED - allowed) | refused)

    def check(self, host: str, own: str | None = None) -> None:
        """Judge a literal address; `own` is the module's. Raises DestinationRefused."""
        address = _inner(ipaddress.ip_address(host.partition("%")[0]))
        region = _region(address)
        if own and region in (Region.PRIVATE, Region.PUBLIC):
            region = Region.OWN if address == ipaddress.ip_address(own) else region
        if region in self.refused:
            raise DestinationRefused(region)

    async def find(
        self, net: AsyncNetworkInterface, wanted: SocketAddress
    ) -> Sequence[SocketAddress]:
        """The addresses to connect to, in order, never a name: those of one question that are
        allowed. Raises DestinationRefused when none is, and what `resolve` raises."""
        hosts = [wanted.host] if wanted.is_literal else await net.resolve(wanted.host)
        found: list[SocketAddress] = []
        refusal: DestinationRefused | None = None
        for host in hosts:
            try:
                self.check(host, net.ip_address)
            except DestinationRefused as error:
                refusal = error
            else:
                found.append(SocketAddress(host, wanted.port))
        if not found:
            raise refusal or DestinationRefused(Region.UNSPECIFIED)
        return found[:TRIED]


_FIRST: Final = ipaddress.ip_network("0.0.0.0/8")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def _inner(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 one leads to: mapped (RFC 4291), 6to4 (RFC 3056), NAT64
    (RFC 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _region(address: _Address) -> Region:
    if address.is_unspecified or (address.version == 4 and address in _FIRST):
        return Region.UNSPECIFIED
    if address.is_loopback:
        return Region.LOOPBACK
    if address.is_link_local:
        return Region.LINK_LOCAL
    if address.is_multicast or (address.version == 4 and address.is_reserved):
        return Region.MULTICAST
    return Region.PUBLIC if address.is_global else Region.PRIVATE
