"""What the Quectel BG96 can and cannot do.

The driver reads its limits from here; there is no second copy of a number on the driver's side.
"""

from __future__ import annotations

from modems.bg96.dialect import MAX_READ, SOCKETS
from modems.hosttls import claims as host_tls
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual


def _tcp(section: str) -> Manual:
    return Manual("Quectel BG96 TCP(IP) AT Commands Manual", "V1.1", section)


def _at(section: str) -> Manual:
    return Manual("Quectel BG96 AT Commands Manual", "V2.2", section)


RECORDS = (
    *host_tls(_tcp("AT+QIOPEN, AT+QISEND, AT+QIRD"), _tcp('URC +QIURC: "incoming"')),
    Capability("tcp.connect", Level.FULL, "", _tcp('AT+QIOPEN, URC +QIOPEN')),
    Capability("tcp.send", Level.FULL, "", _tcp("AT+QISEND")),
    Capability("tcp.recv", Level.FULL, "", _tcp("AT+QIRD")),
    Capability("tcp.reset_seen", Level.NONE, "one notice stands for an orderly end, a reset and a "
               "lost network", _tcp('URC +QIURC: "closed"')),
    Capability("tcp.half_close", Level.NONE, "AT+QICLOSE closes both directions",
               _tcp("AT+QICLOSE")),
    Capability("tcp.listen", Level.PARTIAL, "the module accepts by itself, and what the backlog or "
               "the ids have no room for is closed at once; listener and accepted count among the "
               "sockets; most mobile networks let no connection in",
               _tcp('AT+QIOPEN, URC +QIURC: "incoming"')),
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
    Capability("datagram.max_recv", Level.FULL, "what becomes of longer ones is not documented",
               _tcp("AT+QIRD"), limit=MAX_READ, unit="bytes"),
    Capability("ipv6", Level.NONE, "contexts are set up for IPv4; the manual calls IPv6 firmware "
               "dependent", _tcp("AT+QICSGP")),
    Capability("tls.module", Level.PARTIAL, "only when asked for; no certificate is verified (no "
               "files are loaded into the module), no name is checked, no server name is told, "
               "TLS 1.2 at the most; one SSL context for all; a cut stream looks like an orderly "
               "end", Manual("Quectel BG96 SSL AT Commands Manual", "V1.0", "AT+QSSLCFG")),
    Capability("receive.backpressure", Level.FULL, "buffer mode; the size of the module's buffer "
               "is not documented", _tcp("1.2 Description of Data Access Modes")),
    Capability("send.outcome", Level.EMULATED, "AT+QISEND=<id>,0 tells how much was taken, "
               "except when bytes were lost on the serial line", _tcp("AT+QISEND")),
    Capability("udp.zero_length_recv", Level.EMULATED, "a length of 0 with an address; without one "
               "the module means that nothing is there", _tcp("AT+QIRD")),
    Capability("tcp.local_name", Level.PARTIAL, "the port is not asked for; AT+QISTATE would "
               "tell it", _tcp("AT+QISTATE")),
    Capability("tcp.bind_port", Level.FULL, "parameter local_port", _tcp("AT+QIOPEN")),
    Capability("tcp.shutdown_read", Level.EMULATED, "the socket object stops reading",
               _tcp("AT+QICLOSE")),
    Capability("tcp.shutdown_both", Level.EMULATED, "the connection is closed",
               _tcp("AT+QICLOSE")),
    Capability("tcp.connect_nonblocking", Level.FULL, "", _tcp("AT+QIOPEN")),
    Capability("tcp.connect_again", Level.EMULATED, "the id is closed and opened anew",
               _tcp("AT+QIOPEN")),
    Capability("tcp.transparent", Level.FULL, "lengths are counted", _tcp("AT+QISEND, AT+QIRD")),
    Capability("tcp.sizes", Level.FULL, "", _tcp("AT+QISEND")),
    Capability("tcp.burst", Level.FULL, "", _tcp("AT+QISEND")),
    Capability("tcp.bulk", Level.FULL, "", _tcp("AT+QIRD")),
    Capability("tcp.drain", Level.EMULATED, "read to the end before the id is closed",
               _tcp('AT+QIRD, URC +QIURC: "closed"')),
    Capability("tcp.peer_name", Level.EMULATED, "remembered", _tcp("AT+QIOPEN")),
    Capability("send.backpressure", Level.FULL, "SEND FAIL while the buffer is full",
               _tcp("AT+QISEND")),
    Capability("udp.echo", Level.FULL, "", _tcp("AT+QISEND, AT+QIRD")),
    Capability("udp.sendto_connected", Level.FULL, "UDP SERVICE", _tcp("AT+QISEND")),
    Capability("udp.truncation", Level.EMULATED, "always read whole, cut on the host",
               _tcp("AT+QIRD")),
    Capability("udp.bind_port", Level.FULL, "parameter local_port", _tcp("AT+QIOPEN")),
    Capability("tcp.bind_conflict", Level.EMULATED, "the driver's own table", _tcp("AT+QIOPEN")),
    Capability("dns.cache", Level.EMULATED, "kept by the interface for 60 s", _tcp("AT+QIDNSGIP")),
    Capability("udp.descriptor", Level.NONE, "a local pair keeps the boundaries, but not who sent; "
               "sigio takes the place of select", _tcp("AT+QIRD")),
    Capability("udp.bind_conflict", Level.FULL, "code 556, and the driver's own table",
               _tcp("AT+QIOPEN")),
    Capability("udp.local_name", Level.EMULATED, "the driver chooses the port", _tcp("AT+QIOPEN")),
    Capability("udp.repeat", Level.FULL, "", _tcp("AT+QISEND")),
    Capability("dns.all_addresses", Level.FULL, "", _tcp("AT+QIDNSGIP")),
    Capability("dns.unknown", Level.FULL, "code 565", _tcp("AT+QIDNSGIP")),
    Capability("dns.concurrent", Level.EMULATED, "one query at a time, the driver queues them",
               _tcp("AT+QIDNSGIP")),
    Capability("dns.cancel", Level.EMULATED, "a query runs to its end, its answer goes nowhere",
               _tcp("AT+QIDNSGIP")),
    Capability("dns.connect", Level.EMULATED, "resolved first", _tcp("AT+QIDNSGIP")),
    Capability("dns.sendto", Level.EMULATED, "resolved first", _tcp("AT+QIDNSGIP")),
    Capability("option.reuseaddr", Level.NONE, "no command sets it", _tcp("AT+QICFG")),
    Capability("option.keepalive", Level.NONE, "the BG96 has none", _tcp("AT+QICFG")),
    Capability("option.keepidle", Level.NONE, "the BG96 has none", _tcp("AT+QICFG")),
    Capability("option.keepintvl", Level.NONE, "the BG96 has none", _tcp("AT+QICFG")),
    Capability("option.nodelay", Level.NONE, "no command sets it", _tcp("AT+QICFG")),
    Capability("option.linger", Level.EMULATED, "the time-out of AT+QICLOSE", _tcp("AT+QICLOSE")),
    Capability("option.sndbuf", Level.NONE, "fixed in the module", _tcp("AT+QICFG")),
    Capability("option.rcvbuf", Level.NONE, "fixed in the module", _tcp("AT+QICFG")),
    Capability("option.broadcast", Level.NONE, "no command sets it", _tcp("AT+QICFG")),
    Capability("option.multicast", Level.NONE, "no command joins a group", _tcp("AT+QICFG")),
    Capability("option.tos", Level.NONE, "no command sets it", _tcp("AT+QICFG")),
    Capability("option.bind_to_device", Level.NONE, "one data context is used, there is "
               "nothing to choose", _tcp("AT+QICSGP")),
    Capability("option.honest", Level.FULL, "", _tcp("AT+QICFG")),
    Capability("option.type", Level.EMULATED, "answered by the socket object", _tcp("AT+QISTATE")),
    Capability("error.refused", Level.EMULATED, "code 566 does not tell refused from timed out; "
               "the time it took decides", _tcp("AT+QIOPEN")),
    Capability("error.connected_twice", Level.EMULATED, "known to the driver", _tcp("AT+QIOPEN")),
    Capability("error.not_connected", Level.EMULATED, "known to the driver", _tcp("AT+QISTATE")),
    Capability("error.closed", Level.EMULATED, "known to the driver", _tcp("AT+QICLOSE")),
    Capability("error.broken_pipe", Level.FULL, "", _tcp('AT+QISEND, URC +QIURC: "closed"')),
    Capability("error.no_destination", Level.EMULATED, "known to the driver", _tcp("AT+QISEND")),
    Capability("error.too_long", Level.EMULATED, "refused before anything is written",
               _tcp("AT+QISEND")),
    Capability("error.foreign_address", Level.EMULATED, "compared with the context's address",
               _tcp("AT+QIACT")),
    Capability("error.end_repeats", Level.EMULATED, "kept by the socket object",
               _tcp('URC +QIURC: "closed"')),
    Capability("wait.timeout", Level.EMULATED, "one deadline on the host", _tcp("AT+QIRD")),
    Capability("wait.connect_timeout", Level.EMULATED, "the module goes on up to 150 s; its id is "
               "closed when it has decided", _tcp("AT+QIOPEN")),
    Capability("wait.nonblocking", Level.EMULATED, "a call may take one exchange with the module",
               _tcp("AT+QISEND, AT+QIRD")),
    Capability("wait.event", Level.FULL, "", _tcp('URC +QIURC: "recv"')),
    Capability("wait.event_removed", Level.EMULATED, "on the host", _tcp('URC +QIURC: "recv"')),
    Capability("wait.close_wakes", Level.EMULATED, "on the host", _tcp("AT+QICLOSE")),
    Capability("wait.cancel", Level.EMULATED, "an exchange runs to its end and its bytes are kept",
               _tcp("AT+QIRD")),
    Capability("wait.duplex", Level.EMULATED, "exchanges take turns", _tcp("AT+QISEND, AT+QIRD")),
    Capability("wait.sockets", Level.EMULATED, "exchanges take turns", _tcp("AT+QISEND, AT+QIRD")),
    Capability("wait.isolation", Level.FULL, "a buffer for each id",
               _tcp("1.2 Description of Data Access Modes")),
    Capability("sockets.reuse", Level.FULL, "", _tcp("AT+QICLOSE")),
    Capability("interface.status", Level.FULL, "", _tcp('AT+QIACT, URC +QIURC: "pdpdeact"')),
    Capability("interface.again", Level.FULL, "", _tcp("AT+QIACT, AT+QIDEACT")),
    Capability("interface.address", Level.FULL, "", _tcp("AT+QIACT")),
    Capability("interface.scan", Level.NONE, "a cellular module has no WiFi", _tcp("AT+QIACT")),
    Capability("interface.ping", Level.FULL, "", _tcp("AT+QPING")),
    *(Capability(id_, Level.NONE, "a cellular module has no WiFi", _tcp("AT+QIACT"))
      for id_ in CATALOGUE if id_.startswith("wifi.")),
    Capability("cellular.sim", Level.FULL, "a PIN is sent once, and not when one try is left",
               _at("5.3 AT+CPIN, 5.7 AT+QPINC")),
    Capability("cellular.registration", Level.FULL, "the cause of a denial is not told",
               _at("AT+CEREG, AT+CGREG, AT+COPS, AT+QNWINFO")),
    Capability("cellular.signal", Level.FULL, "RSSI, on LTE also RSRP, SINR and RSRQ",
               _at("AT+CSQ, AT+QCSQ")),
    Capability("cellular.apn", Level.FULL, "", _tcp("AT+QICSGP")),
)  # fmt: skip


def table(module: str, firmware: str) -> CapabilityTable:
    """The claims for this firmware."""
    return CapabilityTable(module, firmware, RECORDS, stack="external IP module")
