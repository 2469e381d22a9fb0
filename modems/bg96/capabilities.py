"""What the Quectel BG96 can and cannot do.

The driver reads its limits from here; there is no second copy of a number on the driver's side.
"""

from __future__ import annotations

from modems.bg96.dialect import MAX_READ, SOCKETS
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual


def _tcp(section: str) -> Manual:
    return Manual("Quectel BG96 TCP(IP) AT Commands Manual", "V1.1", section)


RECORDS = (
    Capability("tcp.connect", Level.PARTIAL, "code 566 does not tell refused from timed out; the "
               "time it took decides", _tcp("AT+QIOPEN")),
    Capability("tcp.send", Level.FULL, "", _tcp("AT+QISEND")),
    Capability("tcp.recv", Level.PARTIAL, "one notice stands for an orderly end, a reset and a "
               "lost network", _tcp('URC +QIURC: "closed"')),
    Capability("tcp.half_close", Level.NONE, "AT+QICLOSE closes both directions",
               _tcp("AT+QICLOSE")),
    Capability("tcp.listen", Level.NONE, "not offered by this driver yet; the module can listen",
               _tcp("AT+QIOPEN")),
    Capability("tcp.close", Level.FULL, "waits until what was sent is acknowledged, a few "
               "seconds at most", _tcp("AT+QICLOSE")),
    Capability("tcp.abort", Level.FULL, "AT+QICLOSE with timeout 0", _tcp("AT+QICLOSE")),
    Capability("udp.connect", Level.EMULATED, "a UDP service hears everybody; the driver drops "
               "datagrams of others", _tcp("AT+QIOPEN")),
    Capability("udp.sendto_many", Level.FULL, "UDP SERVICE", _tcp("AT+QISEND")),
    Capability("udp.boundaries", Level.FULL, "one AT+QIRD returns one datagram",
               _tcp("3.6.3")),
    Capability("udp.zero_length", Level.NONE, "AT+QISEND with length 0 asks for the counters",
               _tcp("AT+QISEND")),
    Capability("dns.resolve", Level.FULL, "one query at a time, the driver queues them",
               _tcp("AT+QIDNSGIP")),
    Capability("sockets.max", Level.FULL, "connectID 0-11 for all kinds together",
               _tcp("AT+QIOPEN"), limit=SOCKETS, unit="sockets"),
    Capability("frame.max_send", Level.FULL, "", _tcp("AT+QISEND"), limit=1460,
               unit="bytes"),
    Capability("frame.max_recv", Level.FULL, "", _tcp("AT+QIRD"), limit=MAX_READ,
               unit="bytes"),
    Capability("datagram.max_send", Level.FULL, "", _tcp("AT+QISEND"), limit=1460,
               unit="bytes"),
    Capability("datagram.max_recv", Level.PARTIAL, "what becomes of longer ones is not documented",
               _tcp("AT+QIRD"), limit=MAX_READ, unit="bytes"),
    Capability("ipv6", Level.NONE, "contexts are set up for IPv4; the manual calls IPv6 firmware "
               "dependent", _tcp("AT+QICSGP")),
    Capability("tls.module", Level.NONE, "not used; TLS runs on the host",
               Manual("Quectel BG96 SSL AT Commands Manual", "V1.0", "AT+QSSLCFG")),
    Capability("receive.backpressure", Level.PARTIAL, "buffer mode: the module's buffer and window "
               "are not documented", _tcp("1.2 Description of Data Access Modes")),
    Capability("send.outcome", Level.EMULATED, "AT+QISEND=<id>,0 tells how much was taken, "
               "except when bytes were lost on the serial line", _tcp("AT+QISEND")),
)  # fmt: skip


def table(module: str, firmware: str) -> CapabilityTable:
    """The claims for this firmware."""
    return CapabilityTable(module, firmware, RECORDS)
