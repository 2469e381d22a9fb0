"""What an SKSTACK-IP stick can and cannot do; the driver reads its limits here.

Source: SKSTACK-IP Command Reference Manual, by command; general firmware (route-B firmware has no
TCP: there a connect fails with ER04).
"""

from __future__ import annotations

from modems.hosttls import claims as host_tls
from modems.meshclaims import EMULATED, FULL, NONE, PARTIAL, Claim, claims
from modems.skstack.dialect import MAX_DATAGRAM
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import CapabilityTable, Level, Manual

MANUAL = Manual("SKSTACK-IP Command Reference Manual", "", "SKSENDTO, SKCONNECT, SKSEND, ETCP")
_NO_DNS = "no command resolves names: give addresses, or resolve on the host"

OWN: dict[str, Claim] = {
    **{each.id: (each.level, each.because) for each in host_tls(MANUAL, MANUAL)},
    **{id_: (NONE, _NO_DNS) for id_ in CATALOGUE if id_.startswith("dns.")},
    "tcp.transparent": (FULL, "lengths are counted"),
    "tcp.recv": (FULL, ""),
    "tcp.reset_seen": (NONE, "a reset looks like an orderly end: both are ETCP 3"),
    "tcp.half_close": (NONE, "SKCLOSE closes both directions"),
    "tcp.shutdown_both": (EMULATED, "SKCLOSE"),
    "tcp.listen": (PARTIAL, "the stick accepts by itself; what the backlog cannot hold is closed"),
    "tcp.bind_port": (FULL, "parameter of SKCONNECT"),
    "tcp.local_name": (FULL, "the driver chooses the port"),
    "tcp.abort": (NONE, "SKCLOSE is orderly"),
    "send.outcome": (FULL, "OK: taken; FAIL: nothing was"),
    "udp.echo": (FULL, ""),
    "udp.zero_length": (NONE, "SKSENDTO takes 1 to 1232 bytes"),
    "udp.zero_length_recv": (FULL, ""),
    "udp.bind_conflict": (EMULATED, "the driver's own table"),
    "error.refused": (EMULATED, "no cause is told: refused and unreachable look alike"),
    "wait.sockets": (EMULATED, "exchanges take turns"),
    "wait.isolation": (FULL, "everything received is kept by the driver"),
    "tls.sockets": (NONE, "four streams, though more sockets"),
    "sockets.max": (NONE, "six for datagrams and four for streams: no one number"),
    "frame.max_send": (EMULATED, "the driver's own: the manual names no limit of SKSEND"),
    "frame.max_recv": (FULL, "no read has a limit: what comes is kept by the driver"),
    "datagram.max_send": (FULL, "SKSENDTO"),
    "datagram.max_recv": (FULL, "ERXUDP"),
    "interface.ping": (NONE, "not used"),
}  # fmt: skip


def table(module: str, firmware: str) -> CapabilityTable:
    """The claims for this firmware."""
    assert all(isinstance(level, Level) for level, _ in OWN.values())
    return claims(
        module,
        firmware,
        MANUAL,
        OWN,
        {
            "sockets.max": (10, "sockets"),
            "frame.max_send": (MAX_DATAGRAM, "bytes"),
            "datagram.max_send": (MAX_DATAGRAM, "bytes"),
            "datagram.max_recv": (MAX_DATAGRAM, "bytes"),
        },
    )
