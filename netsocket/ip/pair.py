"""Two lwIPs joined by nothing but packets: one is measured, the other's sockets are its peers.

Needs no privilege and no network; each runs in a process of its own.
"""

from __future__ import annotations

import socket
import weakref

from netsocket.capability.model import Capability, Level, Manual
from netsocket.interface_kinds import AsyncEthernetInterface
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip import LwipStack
from netsocket.ip.lwip_claims import VERSION, longest_received

HERE, HERE_6 = "10.77.0.2", "fd77::2"
"""Of the stack that is used."""
THERE, THERE_6 = "10.77.0.1", "fd77::1"
"""Of the stack at the other end."""
NOBODY = "10.77.0.99"
"""Of neither."""
MTU = 1500

_MANUAL = Manual("lwIP", VERSION, "lwip/opt.h, IP_REASS_MAX_PBUFS")


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """A carrier of packets with two ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class LwipPair:
    """The two ends. `stack` can go down and up again; `far` is the interface over the other.

    The carrier is there as long as this object.
    """

    def __init__(self) -> None:
        longest = Capability(
            "datagram.max_send", Level.FULL,
            "what the lwIP at the other end puts together", _MANUAL,
            limit=longest_received(MTU), unit="bytes",
        )  # fmt: skip
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self.stack = LwipStack(None, self._near, longest)
        self.far = AsyncEthernetInterface(LwipStack(None, self._far))

    async def _near(self) -> IpPacketLink:
        settings = IpSettings((f"{HERE}/24", f"{HERE_6}/64"), (THERE,), (THERE,), MTU)
        return IpPacketLink("lwip:pair", self._end(0), settings)

    async def _far(self) -> IpPacketLink:
        settings = IpSettings((f"{THERE}/24", f"{THERE_6}/64"), (), (HERE,), MTU)
        return IpPacketLink("lwip:pair, far end", self._end(1), settings)

    def _end(self, which: int) -> socket.socket:
        """Another descriptor of an end, so that closing it does not end the carrier."""
        if self._ends is None:
            self._ends = packet_pair()
            weakref.finalize(self, _close, self._ends)
        return self._ends[which].dup()


def _close(ends: tuple[socket.socket, socket.socket]) -> None:
    for each in ends:
        each.close()
