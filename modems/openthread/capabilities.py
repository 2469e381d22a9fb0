"""What an OpenThread node at a command line can and cannot do; the driver reads its limits here.

Sources: OpenThread CLI Reference; where it is silent, runs of two nodes of the simulation platform.
"""

from __future__ import annotations

from modems.meshclaims import EMULATED, FULL, NONE, PARTIAL, Claim, claims, without_streams
from modems.openthread.dialect import MAX_DATAGRAM, TCP_HEX
from netsocket.capability.model import CapabilityTable, Manual

CLI = Manual("OpenThread CLI Reference", "", "README_UDP.md, README_TCP.md")
UDP_HEAD = len("udp send  65535 -x ") + 39
"""Bytes of a line around its payload, with an address whose eight groups are written out."""
TCP_HEAD = len("tcp send ")
_NUL = "received text stops at its first NUL; such a datagram raises EBADMSG, such a stream ends"
_TEXT = "received text stops at its first NUL (encoding=hex for two ends of this library)"

OWN: dict[str, Claim] = {
    "tcp.transparent": (NONE, _TEXT),
    "tcp.drain": (NONE, "texts only: what has a NUL does not come whole"),
    "tcp.reset_seen": (FULL, "TCP: Connection reset"),
    "tcp.half_close": (FULL, "tcp sendend"),
    "tcp.shutdown_both": (EMULATED, "tcp sendend, then the connection is given up"),
    "tcp.listen": (PARTIAL, "one connection at a time: a second peer is ignored by the node"),
    "tcp.bind_port": (FULL, "tcp bind"),
    "tcp.local_name": (PARTIAL, "the port is told only where one was chosen"),
    "tcp.abort": (FULL, "tcp abort"),
    "send.outcome": (FULL, "Done: taken; Busy: nothing taken (tcp init linked)"),
    "udp.echo": (NONE, "up to datagram.max_send only: the command line is short, and a longer one "
                 "is cut without a word"),
    "udp.zero_length": (NONE, "udp send takes no empty text"),
    "udp.zero_length_recv": (FULL, ""),
    "sockets.max": (NONE, "one datagram socket, one connection, one listener"),
    "frame.max_send": (FULL, "tcp send -x takes no more"),
    "frame.max_recv": (NONE, "no read has a limit, but what has a NUL does not come whole"),
    "datagram.max_send": (FULL, "what fits into a command line, with the longest address"),
    "datagram.max_recv": (FULL, _NUL),
}  # fmt: skip


def longest(line: int, *, encoded: bool) -> tuple[int, int]:
    """Most bytes of a datagram and of a piece of a stream, for command lines of `line` bytes."""
    end = 2
    datagram = min(MAX_DATAGRAM // (2 if encoded else 1), (line - end - UDP_HEAD) // 2)
    stream = (line - end - TCP_HEAD) // 2 if encoded else min(TCP_HEX, (line - end - 12) // 2)
    return datagram, stream


def table(
    module: str, firmware: str, *, line: int, encoded: bool, tcp: bool = True
) -> CapabilityTable:
    """The claims for command lines of `line` bytes; `tcp`: the firmware has the tcp commands."""
    datagram, stream = longest(line, encoded=encoded)
    own = dict(OWN)
    if not tcp:
        own.update(without_streams("this firmware has no tcp commands"))
    if encoded:
        own["tcp.transparent"] = (EMULATED, "in hexadecimal, for two ends of this library only")
    return claims(
        module,
        firmware,
        CLI,
        own,
        {
            "sockets.max": (3, "sockets"),
            "frame.max_send": (stream, "bytes"),
            "datagram.max_send": (datagram, "bytes"),
            "datagram.max_recv": (MAX_DATAGRAM // (2 if encoded else 1), "bytes"),
        },
    )
