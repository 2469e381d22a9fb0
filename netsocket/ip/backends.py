"""Back ends: what makes an IP stack with sockets out of a carrier of IP packets.

A back end takes the link, which is its own from then on, and gives a stack that is not up yet; the
stack's `down` closes the link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from netsocket.ip import lwip_build
from netsocket.ip.link import IpPacketLink
from netsocket.ip.lwip import LwipStack
from netsocket.stack import Stack

Backend = Callable[[IpPacketLink], Awaitable[Stack]]


async def lwip(link: IpPacketLink) -> Stack:
    """lwIP in a process of its own; no privilege. Raises LwipMissing, after closing the link."""
    lacking = lwip_build.missing()
    if lacking:
        link.packets.close()
        raise lwip_build.LwipMissing(lacking)
    return LwipStack(link)


BACKENDS: Final[dict[str, Backend]] = {"lwip": lwip}
NAMES: Final = ("auto", *BACKENDS)


def backend(name: str = "auto") -> Backend:
    """The back end of this name; "auto" takes what this computer has.

    Raises ValueError for another name, LwipMissing (what to install) where there is none.
    """
    if name != "auto":
        try:
            return BACKENDS[name]
        except KeyError:
            raise ValueError(f"back end {name!r}: one of {', '.join(NAMES)}") from None
    lacking = lwip_build.missing()
    if lacking:
        raise lwip_build.LwipMissing(lacking)
    return lwip
