"""What a probe needs besides a module and a far end: data of a metered SIM, and time."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from netsocket.capability.farend import FarEnd
from netsocket.capability.model import CapabilityTable, Level
from netsocket.capability.verdict import Outcome, Probe, Verdict


class Need(Enum):
    """What not every place has; the value says what is missing where it is not there."""

    REVERSE = "the far end connects to the module: not reachable behind NAT (--reachable)"
    """A connection from the far end to the module."""
    SAME_PORTS = "it compares port numbers of both ends: NAT changes them (--reachable)"
    """No translation of addresses on the way."""
    STRANGERS = "a stranger writes to the module's port: NAT keeps it out (--reachable)"
    """Datagrams from addresses that the module has not written to."""
    NAME = "the far end has no name that the module can resolve (--name)"
    """A name in the DNS that the module asks."""
    SEVERAL = "no name with several addresses is known here"
    """A name in the DNS that the module asks, and all its addresses (`FarEnd.several`)."""


NEEDS: Final[Mapping[str, Need]] = MappingProxyType(
    {
        "TCPSOCKET_LISTEN_ACCEPT": Need.REVERSE,
        "TCPSOCKET_LISTEN_BACKLOG": Need.REVERSE,
        "TLSSOCKET_LISTEN_ACCEPT": Need.REVERSE,
        "TCPSOCKET_LOCAL_NAME": Need.SAME_PORTS,
        "TCPSOCKET_BIND_PORT": Need.SAME_PORTS,
        "UDPSOCKET_BIND_PORT": Need.SAME_PORTS,
        "TCPSOCKET_BIND_ADDRESS": Need.SAME_PORTS,
        "UDPSOCKET_BIND_ADDRESS": Need.SAME_PORTS,
        "UDPSOCKET_BIND_ADDRESS_NULL": Need.SAME_PORTS,
        "UDPSOCKET_BIND_SENDTO": Need.SAME_PORTS,
        "UDPSOCKET_LOCAL_NAME": Need.SAME_PORTS,
        "UDPSOCKET_TWO_PEERS": Need.SAME_PORTS,
        "UDPSOCKET_FOREIGN_SENDER": Need.STRANGERS,
        "SYNCHRONOUS_DNS": Need.NAME,
        "SYNCHRONOUS_DNS_MULTIPLE": Need.NAME,
        "SYNCHRONOUS_DNS_INVALID": Need.NAME,
        "ASYNCHRONOUS_DNS_SIMULTANEOUS": Need.NAME,
        "ASYNCHRONOUS_DNS_CANCEL": Need.NAME,
        "ASYNCHRONOUS_DNS": Need.NAME,
        "ASYNCHRONOUS_DNS_CACHE": Need.NAME,
        "ASYNCHRONOUS_DNS_INVALID_HOST": Need.NAME,
        "ASYNCHRONOUS_DNS_NON_ASYNC_AND_ASYNC": Need.NAME,
        "ASYNCHRONOUS_DNS_QUEUE": Need.NAME,
        "ASYNCHRONOUS_DNS_SIMULTANEOUS_CACHE": Need.NAME,
        "ASYNCHRONOUS_DNS_SIMULTANEOUS_REPEAT": Need.NAME,
        "ASYNCHRONOUS_DNS_TIMEOUTS": Need.NAME,
        "SYNCHRONOUS_DNS_CACHE": Need.NAME,
        "TCPSOCKET_CONNECT_NAME": Need.NAME,
        "UDPSOCKET_SENDTO_NAME": Need.NAME,
        "DNS_ALL_ADDRESSES": Need.SEVERAL,
    }
)
"""By probe; a probe that is not here needs nothing of the kind."""


def missing(probe: Probe, far: FarEnd, reachable: bool) -> Need | None:
    """What the probe needs and these surroundings lack; None when it can run."""
    need = NEEDS.get(probe.name)
    if need is Need.NAME:
        return None if far.name else need
    if need is Need.SEVERAL:
        return None if far.several else need
    if need is Need.SAME_PORTS and far.translated:
        return need
    return None if reachable else need


SMALL: Final = 1000
"""Payload bytes, both directions, that no probe outside `COSTS` and `BY_CLAIM` exceeds."""
HANDSHAKE: Final = 2560
"""Bytes of a stream for one TLS connection on the host, with the far end's certificates."""
COSTS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "TCPSOCKET_FRAME_RECV": 37_000,
        "TCPSOCKET_ECHOTEST": 15_800,
        "TCPSOCKET_ECHOTEST_NONBLOCK": 15_800,
        "TCPSOCKET_ECHOTEST_BURST": 48_800,
        "TCPSOCKET_ECHOTEST_BURST_NONBLOCK": 48_800,
        "TCPSOCKET_RECV_100K": 102_400,
        "TCPSOCKET_RECV_100K_NONBLOCK": 102_400,
        "TCPSOCKET_CLOSE_DURING_SEND": 58_000,
        "TCPSOCKET_SEND_OUTCOME": 56_000,
        "TCPSOCKET_TRANSPARENT": 2600,
        "TCPSOCKET_RECV_BACKPRESSURE": 60_000,
        "TCPSOCKET_SEND_BACKPRESSURE": 120_000,
        "TCPSOCKET_DRAIN": 5200,
        "TCPSOCKET_HALF_CLOSE": 1100,
        "TCPSOCKET_CLOSE": 6000,
        "TCPSOCKET_THREAD_PER_SOCKET_SAFETY": 11_900,
        "UDPSOCKET_ECHOTEST": 15_800,
        "UDPSOCKET_ECHOTEST_CONNECT_SEND_RECV": 15_800,
        "UDPSOCKET_ECHOTEST_NONBLOCK": 15_800,
        "UDPSOCKET_ECHOTEST_NONBLOCK_CONNECT_SEND_RECV": 15_800,
        "UDPSOCKET_ECHOTEST_BURST": 6200,
        "UDPSOCKET_ECHOTEST_BURST_NONBLOCK": 6200,
        "TCPSOCKET_CANCEL": 16_000,
        "TCPSOCKET_DUPLEX": 60_000,
        "TCPSOCKET_ISOLATION": 5000,
        "TLSSOCKET_HANDSHAKE": 4400,
        "TLSSOCKET_CONNECT_INVALID": HANDSHAKE,
        "TLSSOCKET_CERT_IN_FILESYSTEM": HANDSHAKE,
        "TLSSOCKET_HANDSHAKE_INVALID": 5700,
        "TLSSOCKET_NO_CERT": 1900,
        "TLSSOCKET_CERT_IN_REQUIRED_MODE": 9800,
        "TLSSOCKET_ECHOTEST": 19_200,
        "TLSSOCKET_ECHOTEST_NONBLOCK": 19_200,
        "TLSSOCKET_ECHOTEST_BURST": 52_200,
        "TLSSOCKET_ECHOTEST_BURST_NONBLOCK": 52_200,
        "TLSSOCKET_ECHOTEST_BULK": 82_700,
        "TLSSOCKET_SEND_REPEAT": 5200,
        "TLSSOCKET_SEND_TIMEOUT": 2800,
        "TLSSOCKET_RECV_TIMEOUT": 3700,
        "TLSSOCKET_ENDPOINT_CLOSE": HANDSHAKE,
        "TLSSOCKET_CLOSE": HANDSHAKE,
        "TLSSOCKET_TRUNCATED": HANDSHAKE,
        "TLSSOCKET_SEND_UNCONNECTED": HANDSHAKE,
        "TLSSOCKET_SEND_CLOSED": HANDSHAKE,
        "TLSSOCKET_OPEN_DESTRUCT": 5 * HANDSHAKE,
        "TLSSOCKET_OPEN_TWICE": HANDSHAKE,
        "TLSSOCKET_SIMULTANEOUS": 6100,
        "TLSSOCKET_LISTEN_ACCEPT": HANDSHAKE,
        "TLSSOCKET_MODULE": 12_700,
    }
)
"""Payload bytes, both directions, without repetitions: lost datagrams come on top, and what a
module takes in from a peer that nobody reads from (its receive window)."""
BY_CLAIM: Final[Mapping[str, tuple[str, int]]] = MappingProxyType(
    {
        "TCPSOCKET_FRAME_SEND": ("frame.max_send", 20_000),
        "UDPSOCKET_MAX_SEND": ("datagram.max_send", 1200),
        "UDPSOCKET_MAX_RECV": ("datagram.max_recv", 1200),
    }
)
"""Probes that move as much as a claim says, or so much when it gives no number."""


ROUNDS: Final[Mapping[str, int]] = MappingProxyType({"TLSSOCKET_OPEN_LIMIT": 2})
"""Probes that open a TLS connection on every socket and on one more, so many times."""


def cost(probe: Probe, claims: CapabilityTable) -> int:
    """About how many payload bytes the probe moves in both directions."""
    if probe.name in BY_CLAIM:
        promise, otherwise = BY_CLAIM[probe.name]
        return claims[promise].limit or otherwise
    if probe.name in ROUNDS:
        return ROUNDS[probe.name] * ((claims["sockets.max"].limit or 8) + 1) * HANDSHAKE
    return COSTS.get(probe.name, SMALL)


PACE: Final = "bytes/s"
"""The unit of a limit that says how slow the module is with what a promise is about."""
MARGIN: Final = 3
"""How many times as long as its claimed pace takes a module may take."""


def too_slow(probe: Probe, claims: CapabilityTable) -> str:
    """Why nobody need wait for the probe on this module: at the pace for which its promise is
    claimed NONE it cannot end in time; "" when it could, or when nothing of the kind is claimed.

    Half of what it moves is reckoned with, as if both directions went at the same time.
    """
    claim = claims[probe.promise]
    if claim.level is not Level.NONE or claim.unit != PACE or not claim.limit:
        return ""
    moved = cost(probe, claims) // 2
    if moved <= claim.limit * probe.limit:
        return ""
    return (
        f"at the claimed {claim.limit} {PACE} {moved} bytes take {moved / claim.limit:.0f} s, and "
        f"a probe has {probe.limit:.0f}"
    )


def patience(probe: Probe, claims: CapabilityTable) -> float:
    """Seconds that the probe has: more than its limit where its promise is claimed to be kept at a
    pace that takes longer."""
    claim = claims[probe.promise]
    if claim.level is Level.NONE or claim.unit != PACE or not claim.limit:
        return probe.limit
    return max(probe.limit, MARGIN * cost(probe, claims) / claim.limit)


def not_run(reason: str) -> Verdict:
    """The verdict of a probe that was left out: unjudged, and it says why."""
    return Verdict(Outcome.UNJUDGED, f"not run: {reason}")
