"""What lwIP claims: exceptions from the host's table, with the options it was built with.

The build is Debian's liblwip0 2.1.3; its options are in /usr/include/lwip/lwipopts.h and, where
they are not named there, the defaults of lwip/opt.h.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual
from netsocket.ip.link import IpSettings

VERSION: Final = "2.1.3"
_FRAGMENTS: Final = 10
"""lwip/opt.h, IP_REASS_MAX_PBUFS: fragments kept at once."""
_LONGEST: Final = 65_507


def _source(section: str) -> Manual:
    return Manual("lwIP", VERSION, section)


_SETTINGS: Final = "the process has one interface, whose network gives its settings"
_OTHERWISE: Final = (
    Capability("tcp.shutdown_read", Level.EMULATED, "kept by the socket object, as on every stack"),
    Capability("tcp.listen", Level.FULL, "the backlog is not obeyed: up to 128 connections wait"),
    Capability("send.outcome", Level.FULL, "accepted means queued in lwIP's send buffer"),
    Capability("udp.descriptor", Level.NONE, "the same for all stacks: a datagram socket has none"),
    Capability("dns.resolve", Level.EMULATED, "asked of the link's name servers through lwIP, "
               "which was built without DNS"),
    Capability("option.linger", Level.EMULATED, "kept by lwIP's process: lwIP waits in the call"),
    Capability("option.sndbuf", Level.NONE, "lwIP has no such option"),
    Capability("option.rcvbuf", Level.FULL, "limits datagrams; a stream's window stays"),
    Capability("option.bind_to_device", Level.NONE, "there is one interface"),
    Capability("error.foreign_address", Level.EMULATED, "lwIP takes any address: refused before"),
    Capability("sockets.max", Level.FULL, "as many as there is memory for"),
    Capability("frame.max_send", Level.FULL, "no frames: any prefix, at most 65535"),
    Capability("frame.max_recv", Level.FULL, "no frames: at most the window, 65535"),
    Capability("datagram.max_send", Level.FULL, "largest UDP payload over IPv4: 65535 - 20 - 8",
               limit=_LONGEST, unit="bytes"),
    Capability("interface.scan", Level.NONE, _SETTINGS),
    Capability("tls.module", Level.NONE, "TLS is done above the sockets"),
    *(
        Capability(id_, Level.NONE, _SETTINGS)
        for id_ in CATALOGUE
        if id_.startswith(("wifi.", "cellular."))
    ),
)  # fmt: skip
_SECTION: Final = {
    "tcp": "lwip/tcp.h",
    "udp": "lwip/udp.h",
    "dns": "RFC 1035",
    "option": "lwip/sockets.h",
    "datagram": "lwip/opt.h, IP_REASS_MAX_PBUFS",
}


def longest_received(mtu: int) -> int:
    """Bytes of the longest datagram that lwIP puts together from fragments of this MTU: of each
    fragment what fits beside the header, in units of 8 bytes (RFC 791 section 3.2)."""
    return min(_LONGEST, _FRAGMENTS * ((mtu - 20) // 8 * 8) - 8)


def lwip_capabilities(settings: IpSettings, six: bool = True) -> CapabilityTable:
    """The table for a link; `six`: it has IPv6 addresses."""
    received = longest_received(settings.mtu)
    own = {record.id: record for record in _OTHERWISE}
    own["datagram.max_recv"] = Capability(
        "datagram.max_recv", Level.FULL,
        f"{_FRAGMENTS} fragments of a datagram are put together, no more",
        limit=received, unit="bytes",
    )  # fmt: skip
    if not six:
        own["ipv6"] = Capability("ipv6", Level.NONE, "the network gave no IPv6 address")
    records = (own.get(id_) or Capability(id_, Level.FULL) for id_ in CATALOGUE)
    sourced = [
        replace(each, source=_source(_SECTION.get(each.id.partition(".")[0], "lwip/sockets.h")))
        for each in records
    ]
    return CapabilityTable("lwip", VERSION, sourced, stack="lwIP on this computer")
