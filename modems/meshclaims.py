"""What the drivers of mesh nodes claim alike; each replaces what its own node does otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from netsocket.capability.catalogue import CATALOGUE, GROUP
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual

Claim = tuple[Level, str]
FULL, EMULATED, PARTIAL, NONE = Level.FULL, Level.EMULATED, Level.PARTIAL, Level.NONE
_ONE = "the node has one socket of the kind"

SHARED: Mapping[str, Claim] = {
    "tcp.connect": (FULL, ""),
    "tcp.connect_nonblocking": (EMULATED, "a task of the driver waits for the outcome"),
    "tcp.connect_again": (EMULATED, "the endpoint is used again"),
    "tcp.send": (FULL, ""),
    "tcp.recv": (FULL, "text only, see tcp.transparent"),
    "tcp.sizes": (FULL, ""),
    "tcp.burst": (FULL, ""),
    "tcp.bulk": (FULL, ""),
    "tcp.drain": (FULL, "what came is kept by the driver"),
    "tcp.shutdown_read": (EMULATED, "the socket object stops reading"),
    "tcp.bind_conflict": (EMULATED, "the driver's own table"),
    "tcp.peer_name": (EMULATED, "remembered"),
    "tcp.close": (FULL, ""),
    "receive.backpressure": (
        NONE, "the node prints what comes, and a host that stopped reading would stop the node; "
        "256 KiB unread break the connection"),
    "send.backpressure": (EMULATED, "a busy node is asked again"),
    "udp.connect": (EMULATED, "the node hears everybody; the driver drops datagrams of others"),
    "udp.sendto_many": (FULL, ""),
    "udp.sendto_connected": (FULL, "a destination for each datagram"),
    "udp.boundaries": (FULL, ""),
    "udp.truncation": (EMULATED, "received whole, cut on the host"),
    "udp.bind_port": (FULL, ""),
    "udp.bind_conflict": (NONE, _ONE),
    "udp.local_name": (EMULATED, "the driver chooses the port"),
    "udp.descriptor": (NONE, "a local pair keeps the boundaries, but not who sent; sigio takes "
                       "its place"),
    "udp.repeat": (FULL, ""),
    "dns.resolve": (FULL, ""),
    "dns.all_addresses": (NONE, "one address only"),
    "dns.unknown": (FULL, ""),
    "dns.concurrent": (EMULATED, "one query at a time, the driver queues them"),
    "dns.cancel": (EMULATED, "an exchange runs to its end"),
    "dns.cache": (EMULATED, "kept by the interface for 60 s"),
    "dns.connect": (EMULATED, "resolved first"),
    "dns.sendto": (EMULATED, "resolved first"),
    "option.honest": (FULL, "every option is refused"),
    "option.type": (EMULATED, "answered by the socket object"),
    "error.refused": (FULL, ""),
    "error.connected_twice": (EMULATED, "known to the driver"),
    "error.not_connected": (EMULATED, "known to the driver"),
    "error.closed": (EMULATED, "known to the driver"),
    "error.broken_pipe": (FULL, ""),
    "error.no_destination": (EMULATED, "known to the driver"),
    "error.too_long": (EMULATED, "refused before anything is written"),
    "error.foreign_address": (EMULATED, "compared with the node's address"),
    "error.end_repeats": (EMULATED, "kept by the socket object"),
    "wait.timeout": (EMULATED, "one deadline on the host"),
    "wait.connect_timeout": (EMULATED, "the attempt is aborted"),
    "wait.nonblocking": (EMULATED, "a call may take one exchange with the node"),
    "wait.event": (FULL, ""),
    "wait.event_removed": (EMULATED, "on the host"),
    "wait.close_wakes": (EMULATED, "on the host"),
    "wait.cancel": (EMULATED, "an exchange runs to its end"),
    "wait.duplex": (EMULATED, "exchanges take turns"),
    "wait.sockets": (NONE, _ONE),
    "wait.isolation": (NONE, _ONE),
    "sockets.reuse": (FULL, ""),
    "tls.module": (NONE, "not used"),
    "ipv6": (FULL, "and nothing else; IPv4 through a border router (NAT64)"),
    "interface.status": (FULL, ""),
    "interface.again": (FULL, ""),
    "interface.address": (FULL, ""),
    "interface.scan": (NONE, "not WiFi"),
    "interface.ping": (FULL, ""),
}  # fmt: skip
"""Level and reason by id; groups that are missing here are claimed in `claims`."""


def claims(
    module: str,
    firmware: str,
    manual: Manual,
    own: Mapping[str, Claim],
    limits: Mapping[str, tuple[int, str]],
) -> CapabilityTable:
    """The whole catalogue: what all share, replaced by `own`; `limits` by id, with their unit."""
    records = []
    for id_ in CATALOGUE:
        level, because = own.get(id_) or SHARED.get(id_) or _rest(id_)
        limit, unit = limits.get(id_, (None, ""))
        records.append(Capability(id_, level, because, manual, limit, unit))
    return CapabilityTable(module, firmware, records, stack="external mesh node")


def _rest(id_: str) -> Claim:
    if id_.startswith("cellular."):
        return NONE, "a mesh node has no SIM"
    if id_.startswith("wifi."):
        return NONE, "no WiFi"
    if id_.startswith("option."):
        return NONE, "the node's shell has no socket options"
    if GROUP[id_] == "tls":
        return NONE, "TLS needs a stream that carries every byte"
    raise AssertionError(f"nothing is claimed about {id_}")


def without_streams(because: str) -> dict[str, Claim]:
    """For nodes that have datagrams only."""
    ids = [id_ for id_ in CATALOGUE if id_.startswith(("tcp.", "send.", "receive."))]
    others = (
        "frame.max_send", "frame.max_recv", "dns.connect", "error.refused", "wait.duplex",
        "error.connected_twice", "error.broken_pipe", "error.end_repeats",
        "error.not_connected", "wait.timeout", "wait.connect_timeout",
        "wait.nonblocking", "wait.event", "wait.event_removed", "wait.close_wakes", "wait.cancel",
        "sockets.reuse", "interface.again", "option.honest", "error.closed",
    )  # fmt: skip
    return dict.fromkeys((*ids, *others), (NONE, because))
