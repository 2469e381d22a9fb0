"""What a RIOT shell node can and cannot do; the driver reads its limits here."""

from __future__ import annotations

from modems.meshclaims import EMULATED, NONE, PARTIAL, Claim, claims, without_streams
from modems.riot.dialect import MAX_DATAGRAM, MAX_RECEIVED
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import CapabilityTable, Manual

SHELL = Manual("RIOT", "", "examples/networking/gnrc/networking (udp), sys/shell")
_SOURCE = (
    "each `udp send` leaves from a port of its own, so an answer to it goes nowhere: peers have to "
    "know the port of bind"
)
_ANSWERS = (
    "udp.echo", "udp.boundaries", "udp.connect", "udp.sendto_many", "udp.truncation",
    "udp.bind_port", "udp.local_name", "udp.zero_length_recv", "datagram.max_recv",
)  # fmt: skip
OWN: dict[str, Claim] = {
    **without_streams("no streams: the GNRC TCP commands of test firmware are not used"),
    **{id_: (NONE, "the shell resolves no names") for id_ in CATALOGUE if id_.startswith("dns.")},
    **dict.fromkeys(_ANSWERS, (NONE, _SOURCE)),
    "udp.boundaries": (PARTIAL, "what comes is whole; but " + _SOURCE),
    "udp.sendto_connected": (NONE, _SOURCE),
    "udp.zero_length": (NONE, "udp send takes no empty text"),
    "sockets.max": (NONE, "one datagram socket"),
    "datagram.max_send": (EMULATED, "what fits into a shell line of 128 bytes, in hexadecimal"),
    "interface.ping": (NONE, "not used"),
    "error.foreign_address": (NONE, "compared with the node's address; but there are no streams"),
    "option.type": (NONE, "no streams"),
    "udp.repeat": (NONE, "a line carries no 100 bytes; what it carries is accepted each time"),
}  # fmt: skip


def table(module: str, firmware: str) -> CapabilityTable:
    """The claims."""
    return claims(
        module,
        firmware,
        SHELL,
        OWN,
        {
            "sockets.max": (1, "sockets"),
            "datagram.max_send": (MAX_DATAGRAM, "bytes"),
            "datagram.max_recv": (MAX_RECEIVED, "bytes"),
        },
    )
