"""IpPacketLink: a descriptor of raw IP packets, between whatever carries them and an IP stack."""

from __future__ import annotations

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IpSettings:
    """What the network said of this end, as PPP's IPCP and IPv6CP or an administrator do."""

    addresses: tuple[str, ...]
    """Own addresses with their prefix lengths: "10.64.0.2/32", "fe80::1/64"."""
    dns: tuple[str, ...] = ()
    """Name servers, the best first."""
    gateways: tuple[str, ...] = ()
    """The other end, at most one of each IP version; what is not on a prefix goes there."""
    mtu: int = 1500
    """Longest IP packet, bytes."""


@dataclass(frozen=True, slots=True)
class IpPacketLink:
    """One end of a carrier of IP packets.

    Each datagram of `packets` is one whole IP packet, version 4 or 6, without any header before it:
    an AF_UNIX SOCK_SEQPACKET socket (one end of a `socket.socketpair`), so that it can be handed to
    another process. Who receives the link owns the descriptor and closes it; an end of data, or an
    error when reading, says that the carrier is gone for good.
    """

    name: str
    """For messages, for example "ppp on /dev/ttyUSB3"."""
    packets: socket.socket
    settings: IpSettings
