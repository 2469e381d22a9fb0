"""Two lwIPs joined by nothing but packets: one is measured, the other's sockets are its peers.

Needs no privilege and no network; each runs in a process of its own.
"""

from __future__ import annotations

import dataclasses
import socket

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
    """The two ends. `stack` can go down and up again; `far` is the interface over the other."""

    def __init__(self) -> None:
        mine, its = packet_pair()
        self._mine = mine
        self._settings = IpSettings((f"{HERE}/24", f"{HERE_6}/64"), (THERE,), (THERE,), MTU)
        longest = Capability(
            "datagram.max_send", Level.FULL,
            "what the lwIP at the other end puts together", _MANUAL,
            limit=longest_received(MTU), unit="bytes",
        )  # fmt: skip
        self.stack = LwipStack(self._link(), self._again, longest)
        there = IpSettings((f"{THERE}/24", f"{THERE_6}/64"), (), (HERE,), MTU)
        self.far = AsyncEthernetInterface(LwipStack(IpPacketLink("lwip:pair, far end", its, there)))

    def _link(self) -> IpPacketLink:
        """Another descriptor of the same end, so that closing it does not end the carrier."""
        return IpPacketLink("lwip:pair", self._mine.dup(), dataclasses.replace(self._settings))

    async def _again(self) -> IpPacketLink:
        return self._link()

    def close(self) -> None:
        """Give the carrier back; the interfaces are closed by who opened them."""
        self._mine.close()
