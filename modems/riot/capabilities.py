"""What a RIOT shell node can and cannot do; the driver reads its limits here."""

from __future__ import annotations

from modems.meshclaims import EMULATED, FULL, NONE, PARTIAL, Claim, claims, without_streams
from modems.riot.commands import BUFFER
from modems.riot.dialect import MAX_DATAGRAM, MAX_RECEIVED
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import CapabilityTable, Manual

SHELL = Manual(
    "RIOT", "", "examples/networking/gnrc/networking (udp), tests/net/gnrc_tcp, sys/shell"
)
_SOURCE = (
    "each `udp send` leaves from a port of its own, so an answer to it goes nowhere: peers have to "
    "know the port of bind"
)
_ANSWERS = (
    "udp.echo", "udp.boundaries", "udp.connect", "udp.sendto_many", "udp.truncation",
    "udp.bind_port", "udp.local_name", "udp.zero_length_recv", "datagram.max_recv",
)  # fmt: skip
OWN: dict[str, Claim] = {
    **{id_: (NONE, "the shell resolves no names") for id_ in CATALOGUE if id_.startswith("dns.")},
    **dict.fromkeys(_ANSWERS, (NONE, _SOURCE)),
    "udp.boundaries": (PARTIAL, "what comes is whole; but " + _SOURCE),
    "udp.sendto_connected": (NONE, _SOURCE),
    "udp.zero_length": (NONE, "udp send takes no empty text"),
    "sockets.max": (NONE, "one datagram socket"),
    "datagram.max_send": (EMULATED, "what fits into a shell line of 128 bytes, in hexadecimal"),
    "interface.ping": (NONE, "not used"),
    "udp.repeat": (NONE, "a line carries no 100 bytes; what it carries is accepted each time"),
}  # fmt: skip

_TURNS = "while a program waits for bytes the shell takes no line until the peer has said something"
PACE = 80
"""Bytes of a stream that are received in a second: each takes two commands, whose lines leave 5 ms
apart."""
_SLOW = f"received a byte at a time, some {PACE} in a second; sent some kB in a second"
_AT_PACE = (
    "tcp.sizes", "tcp.burst", "tcp.bulk", "tcp.drain", "receive.backpressure", "wait.cancel",
    "wait.duplex", "frame.max_recv",
)  # fmt: skip
STREAMS: dict[str, Claim] = {
    "tcp.transparent": (NONE, "received: every byte; sent: no control characters but NUL, for the "
                        "shell's line editor takes them (encoding=hex for two ends of this "
                        "library)"),
    "tcp.recv": (FULL, "a byte at a time"),
    "tcp.drain": (FULL, "kept by the node"),
    "tcp.half_close": (NONE, "gnrc_tcp_close closes both directions"),
    "tcp.shutdown_both": (EMULATED, "gnrc_tcp_close"),
    "tcp.reset_seen": (FULL, "-ECONNRESET, -ENOTCONN"),
    "tcp.listen": (PARTIAL, "one connection at a time: the node's only one"),
    "tcp.bind_port": (FULL, "parameter of gnrc_tcp_open"),
    "tcp.local_name": (FULL, "gnrc_tcp_get_local"),
    "tcp.abort": (FULL, "gnrc_tcp_abort"),
    "send.outcome": (FULL, "sent: acknowledged by the peer"),
    "tcp.sizes": (NONE, _SLOW),
    "tcp.burst": (NONE, _SLOW),
    "tcp.bulk": (NONE, _SLOW),
    "receive.backpressure": (NONE, "the peer stands still while nobody reads; but " + _SLOW),
    "send.backpressure": (FULL, "gnrc_tcp_send waits until the peer has acknowledged everything"),
    "wait.cancel": (NONE, _SLOW),
    "sockets.reuse": (NONE, "of streams it is so; but " + _SOURCE),
    "wait.duplex": (NONE, _TURNS),
    "wait.event": (NONE, "nothing tells of data but a read: " + _TURNS),
    "wait.timeout": (NONE, "a stream's read that timed out goes on in the node: " + _TURNS),
    "frame.max_send": (FULL, "buffer_get_max_size"),
    "frame.max_recv": (NONE, _SLOW),
}  # fmt: skip
WITHOUT: dict[str, Claim] = {
    **without_streams("no streams: the firmware has no GNRC TCP commands"),
    "error.foreign_address": (NONE, "compared with the node's address; but there are no streams"),
    "option.type": (NONE, "no streams"),
}


def table(module: str, firmware: str, *, tcp: bool, encoded: bool) -> CapabilityTable:
    """The claims; `tcp`: the firmware has the GNRC TCP commands, `encoded`: encoding=hex."""
    own = {**OWN, **(STREAMS if tcp else WITHOUT)}
    if tcp and encoded:
        own["tcp.transparent"] = (EMULATED, "in hexadecimal, for two ends of this library only")
    return claims(
        module,
        firmware,
        SHELL,
        own,
        {
            **(dict.fromkeys(_AT_PACE, (PACE, "bytes/s")) if tcp else {}),
            "sockets.max": (3 if tcp else 1, "sockets"),
            "frame.max_send": (BUFFER // (2 if encoded else 1), "bytes"),
            "datagram.max_send": (MAX_DATAGRAM, "bytes"),
            "datagram.max_recv": (MAX_RECEIVED, "bytes"),
        },
    )
