"""What a probe needs besides a module and a far end, and what it costs on a metered SIM."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from netsocket.capability.farend import FarEnd
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
    return None if reachable else need


def not_run(reason: str) -> Verdict:
    """The verdict of a probe that was left out: unjudged, and it says why."""
    return Verdict(Outcome.UNJUDGED, f"not run: {reason}")
