"""Own addresses: in which order they are told, and what a socket may be bound to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from netsocket.address import SocketAddress


def global_first(addresses: Iterable[str]) -> list[str]:
    """IPv4, then IPv6, those that reach no further than the link last."""

    def place(text: str) -> tuple[bool, int]:
        found = ipaddress.ip_address(text)
        return found.is_link_local, found.version

    return sorted(addresses, key=place)


def is_own(address: SocketAddress, own: Sequence[str]) -> bool:
    """Whether a socket may be bound there: any address, one of `own`, loopback, a group."""
    if address.is_wildcard:
        return True
    host = address.host.partition("%")[0]
    found = ipaddress.ip_address(host)
    return host in own or found.is_loopback or found.is_multicast
