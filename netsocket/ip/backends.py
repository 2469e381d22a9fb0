"""Back ends: what makes an IP stack with sockets out of a carrier of IP packets.

A back end takes the link, which is its own from then on, and gives a stack that is not up yet; the
stack's `down` closes the link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from netsocket.ip import lwip_build
from netsocket.ip import tun as tun_device
from netsocket.ip.extras import BackendMissing
from netsocket.ip.link import IpPacketLink
from netsocket.ip.lwip import LwipStack
from netsocket.ip.tunstack import TunStack
from netsocket.stack import Stack

Backend = Callable[[IpPacketLink], Awaitable[Stack]]


async def lwip(link: IpPacketLink) -> Stack:
    """lwIP in a process of its own; no privilege. Raises LwipMissing, after closing the link."""
    lacking = lwip_build.missing()
    if lacking:
        link.packets.close()
        raise lwip_build.LwipMissing(lacking)
    return LwipStack(link)


async def tun(link: IpPacketLink) -> Stack:
    """The kernel's own stack through a TUN device; needs the right to administer the network.

    Raises BackendMissing, after closing the link.
    """
    lacking = tun_device.missing()
    if lacking:
        link.packets.close()
        raise BackendMissing(lacking)
    return TunStack(link)


BACKENDS: Final[dict[str, Backend]] = {"lwip": lwip, "tun": tun}
NAMES: Final = ("auto", *BACKENDS)


def backend(name: str = "auto") -> Backend:
    """The back end of this name; "auto" takes what this computer has, lwIP before a TUN.

    Raises ValueError for another name, BackendMissing (what to install) where there is none.
    """
    if name != "auto":
        try:
            return BACKENDS[name]
        except KeyError:
            raise ValueError(f"back end {name!r}: one of {', '.join(NAMES)}") from None
    without_lwip = lwip_build.missing()
    if not without_lwip:
        return lwip
    without_tun = tun_device.missing()
    if not without_tun:
        return tun
    raise BackendMissing(f"{without_lwip}; {without_tun}")
