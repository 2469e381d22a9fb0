"""What makes sockets of packets: found when it is needed, with a word on what to install."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from netsocket import errors
from netsocket.capability.model import CapabilityTable
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip_claims import lwip_capabilities
from netsocket.stack import Stack

Backend = Callable[[IpPacketLink], Awaitable[Stack]]
_HELP = (
    "data=ppp needs an IP stack on this computer: lwIP (pip install 'atdriver[lwip]', and on "
    "Debian apt install liblwip0) or a TUN interface (privileged)"
)


def backend(name: str) -> Backend:
    """The back end of setting `ip`. Raises NetworkDown saying what to install."""
    try:
        from netsocket.ip import backends
    except ImportError as error:
        raise errors.NetworkDown(f"{_HELP} ({error})") from error
    try:
        found: Backend = backends.backend(name)
    except (OSError, ValueError) as error:
        raise errors.NetworkDown(f"ip={name}: {error}") from error
    return found


def claims(name: str) -> CapabilityTable:
    """What the back end claims before there is a link; a stack that is up has its own."""
    return HOST_CAPABILITIES if name == "tun" else lwip_capabilities(IpSettings(()))
