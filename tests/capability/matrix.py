"""What the vendors' documents say each module can do, promise by promise and generation by
generation; the claims are held against this. Written from the documents, not from the drivers.

F full, M the driver can make it so (emulated), P a part, X impossible. Blanks between letters are
only for the eye.
"""

from __future__ import annotations

from dataclasses import dataclass

from netsocket.capability import Level

LETTER = {"F": Level.FULL, "M": Level.EMULATED, "P": Level.PARTIAL, "X": Level.NONE}
RANK = {Level.NONE: 0, Level.PARTIAL: 1, Level.EMULATED: 2, Level.FULL: 3}


@dataclass(frozen=True)
class Row:
    """One promise: a letter for each column, where it is written, and the numbers if it has any."""

    id: str
    letters: str
    source: str
    limits: tuple[int | None, ...] = ()

    def level(self, column: int) -> Level:
        return LETTER[self.letters.replace(" ", "")[column]]


GUIDE = "ESP-AT User Guide, TCP/IP AT Commands: "
WIFI = "ESP-AT User Guide, Wi-Fi AT Commands: "
NONOS = "ESP8266 Non-OS AT Instruction Set: "
ESP_COLUMNS = ("N1 push", "N17 pull", "N17 push", "E0 push", "E2 pull", "E2 push", "E22 pull",
               "E22 push", "E24 pull", "E24 push", "E33 pull", "E33 push")  # fmt: skip
"""Generation and receive mode. NonOS 1.x, NonOS 1.7; ESP-AT 1.x, 2.1, 2.2, 2.3-3.2, 3.3 and later.
NonOS before 1.7 and ESP-AT before 2.0 have no passive receive."""

ESPRESSIF = (
    # One command opens, one closes, one sends, +IPD or AT+CIPRECVDATA receives.
    Row("tcp.connect", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART"),
    Row("tcp.send", "F FF F FF FF FF FF", GUIDE + "AT+CIPSEND"),
    Row("tcp.recv", "F FF F FF FF FF FF", GUIDE + "+IPD, AT+CIPRECVDATA"),
    Row("tcp.close", "F FF F FF FF FF FF", GUIDE + "AT+CIPCLOSE"),
    # AT+CIPSTART blocks the port until it has decided.
    Row("tcp.connect_nonblocking", "M MM M MM MM MM MM", GUIDE + "AT+CIPSTART"),
    # OK or ERROR, no cause; NonOS prints words for some.
    Row("error.refused", "M MM X XX XX XX XX", GUIDE + "AT+CIPSTART; ESP-AT messages"),
    # No command ends one direction; a FIN by the peer closes the link.
    Row("tcp.half_close", "X XX X XX XX XX XX", GUIDE + "AT+CIPCLOSE"),
    Row("tcp.shutdown_read", "M MM M MM MM MM MM", GUIDE + "AT+CIPCLOSE"),
    Row("tcp.reset_seen", "X XX X XX XX XX XX", "ESP-AT messages: <conn_id>,CLOSED"),
    # NonOS 1.7 says CLOSED at once while passive data still waits; ESP-AT holds it back.
    Row("tcp.drain", "F MF F FF FF FF FF", GUIDE + "AT+CIPRECVDATA, AT+CIPRECVMODE"),
    # AT+CIPCLOSEMODE came with NonOS 1.7, linger 0 of AT+CIPTCPOPT with ESP-AT 2.1.
    Row("tcp.abort", "X MM X FF FF FF FF", GUIDE + "AT+CIPTCPOPT; NonOS AT+CIPCLOSEMODE"),
    # 0 s is the abort; above, AT+CIPCLOSE waits (ESP-AT only, and blocks the port).
    Row("option.linger", "X PP X MM MM MM MM", GUIDE + "AT+CIPTCPOPT, so_linger"),
    # Accepted by the module, one port, at most 5 links.
    Row("tcp.listen", "F FF F FF FF FF FF", GUIDE + "AT+CIPSERVER, AT+CIPSERVERMAXCONN"),
    Row("tcp.bind_port", "X XX X XX XX XX XX", GUIDE + "AT+CIPSTART (TCP): no local port"),
    Row("tcp.peer_name", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTATUS, AT+CIPSTATE"),
    Row("tcp.local_name", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTATUS, AT+CIPSTATE: local port"),
    Row("interface.address", "F FF F FF FF FF FF", GUIDE + "AT+CIFSR"),
    Row("udp.connect", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART (UDP), mode 0"),
    # Pulled datagrams name the address that AT+CIPSTART was given, and are merged (esp-at #323).
    Row("udp.sendto_many", "F FF F PF PF PF FF", GUIDE + "AT+CIPSEND with remote host; +IPD"),
    Row("udp.echo", "F FF F FF FF FF FF", GUIDE + "AT+CIPSEND, AT+CIPDINFO"),
    Row("udp.bind_port", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART (UDP): local port"),
    Row("udp.boundaries", "F FF F PF PF PF FF", GUIDE + "AT+CIPRECVMODE, AT+CIPRECVTYPE"),
    Row("udp.zero_length", "X XX X XX XX XX XX", GUIDE + "AT+CIPSEND: length"),
    Row("udp.zero_length_recv", "X XX X XX XX XX XX", GUIDE + "+IPD: no notice documented"),
    Row("option.broadcast", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART (UDP)"),
    # Joined by AT+CIPSTART to 224/4 since 2.1; before that it can only be sent to.
    Row("option.multicast", "X XX X FF FF FF FF", GUIDE + "AT+CIPSTART (UDP), multicast"),
    Row("dns.resolve", "F FF F FF FF FF FF", GUIDE + "AT+CIPDOMAIN"),
    Row("dns.all_addresses", "X XX X XX XX XX XX", GUIDE + "AT+CIPDOMAIN: one address"),
    Row("ipv6", "X XX X XX FF FF FF", GUIDE + "AT+CIPV6, since v2.2"),
    Row("option.keepalive", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART, keep_alive"),
    Row("option.keepidle", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART, keep_alive 0-7200 s"),
    Row("option.keepintvl", "X XX X XX XX XX XX", GUIDE + "AT+CIPTCPOPT: 1 s, 3 probes, fixed"),
    Row("option.nodelay", "X XX X FF FF FF FF", GUIDE + "AT+CIPTCPOPT, tcp_nodelay, since v2.1"),
    Row("option.rcvbuf", "X XX X XX XX XX XX", GUIDE + "AT+CIPRECVMODE: fixed window"),
    Row("option.sndbuf", "X XX X XX XX XX XX", GUIDE + "AT+CIPSEND"),
    Row("option.tos", "X XX X XX XX XX XX", GUIDE + "no command"),
    # Set by the firmware itself in ESP-AT 2; not heard of before.
    Row("option.reuseaddr", "X XX X MM MM MM MM", "ESP-AT core 2.x: always on"),
    # Passive: the window closes. Active: RTS on the serial line holds the module (a host matter).
    Row("receive.backpressure", "M FM M FM FM FM FM", GUIDE + "AT+CIPRECVMODE; AT+UART, flow"),
    # The next command waits for SEND OK.
    Row("send.backpressure", "M MM M MM MM MM MM", GUIDE + "AT+CIPSEND, SEND OK"),
    # The kind of security is the network's; what cannot be any is for the driver to know.
    Row("wifi.credentials", "M MM M MM MM MM MM", WIFI + "AT+CWJAP: no parameter for security"),
    Row("wifi.join", "F FF F FF FF FF FF", WIFI + "AT+CWJAP, AT+CWQAP"),
    Row("wifi.refused", "F FF F FF FF FF FF", WIFI + "AT+CWJAP: error codes 1 to 4"),
    Row("wifi.rssi", "F FF F FF FF FF FF", WIFI + "AT+CWJAP?: rssi"),
    Row("wifi.channel", "X XX X XX XX XX XX", WIFI + "AT+CWJAP: no channel"),
    Row("cellular.sim", "X XX X XX XX XX XX", "a WiFi module"),
    Row("tls.module", "P PP F FF FF FF FF", GUIDE + 'AT+CIPSTART "SSL"; NonOS: one weak link'),
    Row("sockets.max", "F FF F FF FF FF FF", GUIDE + "AT+CIPMUX: link ids 0-4", (5,) * 12),
    Row("frame.max_send", "F FF F FF FF FF FF", GUIDE + "AT+CIPSEND (8192 since v2.4, not ESP8266)",
        (2048,) * 8 + (8192,) * 4),
    # Passive: AT+CIPRECVDATA to 2048 (NonOS 1.7), else the window; active: there is no read.
    Row("frame.max_recv", "F FF F FF FF FF FF", GUIDE + "AT+CIPRECVDATA, AT+CIPRECVMODE",
        (None, 2048, None, None, 5760, None, 5760, None, 5760, None, 5760, None)),
    Row("datagram.max_send", "F FF F FF FF FF FF", GUIDE + "AT+CIPSEND", (2048,) * 8 + (8192,) * 4),
    Row("datagram.max_recv", "F FF F FF FF FF FF", GUIDE + "AT+CIPSTART (UDP): 1460", (1460,) * 12),
)  # fmt: skip

TCPIP = "Quectel BG96 TCP(IP) AT Commands Manual V1.1, "
AT = "Quectel BG96 AT Commands Manual V2.2: "
BG96_COLUMNS = ("bg96",)
BG96 = (
    Row("tcp.connect", "F", TCPIP + "AT+QIOPEN"),
    Row("tcp.connect_nonblocking", "F", TCPIP + "AT+QIOPEN: OK at once, result by URC"),
    Row("wait.connect_timeout", "M", TCPIP + "AT+QIOPEN: 150 s, AT+QICLOSE before"),
    Row("tcp.half_close", "X", TCPIP + "AT+QICLOSE"),
    Row("tcp.shutdown_read", "M", TCPIP + "AT+QICLOSE"),
    Row("tcp.reset_seen", "X", TCPIP + '2.2.1: URC "closed" for all'),
    Row("tcp.drain", "M", TCPIP + "AT+QIRD before AT+QICLOSE"),
    Row("tcp.abort", "F", TCPIP + "AT+QICLOSE, timeout 0"),
    Row("error.broken_pipe", "F", TCPIP + "AT+QISEND: ERROR"),
    Row("tcp.listen", "F", TCPIP + 'AT+QIOPEN "TCP LISTENER", URC "incoming"'),
    Row("tcp.bind_port", "F", TCPIP + "AT+QIOPEN: local_port"),
    Row("udp.bind_port", "F", TCPIP + "AT+QIOPEN: local_port"),
    Row("udp.bind_conflict", "F", TCPIP + "AT+QIOPEN: 556"),
    Row("udp.connect", "F", TCPIP + 'AT+QIOPEN "UDP"'),
    Row("udp.sendto_many", "F", TCPIP + 'AT+QIOPEN "UDP SERVICE", AT+QISEND'),
    Row("udp.echo", "F", TCPIP + "AT+QIRD with address"),
    Row("udp.boundaries", "F", TCPIP + "3.6.3: UDP SERVICE, one whole datagram"),
    Row("udp.truncation", "M", TCPIP + "AT+QIRD: read whole, cut on the host"),
    Row("dns.sendto", "M", TCPIP + "AT+QISEND: dot format; AT+QIDNSGIP first"),
    Row("udp.zero_length", "X", TCPIP + "AT+QISEND: length 0 is the query"),
    Row("udp.zero_length_recv", "M", TCPIP + "AT+QIRD: 0 with an address"),
    Row("dns.resolve", "F", TCPIP + "AT+QIDNSGIP"),
    Row("dns.all_addresses", "F", TCPIP + 'URC "dnsgip": count, then each'),
    Row("dns.concurrent", "M", TCPIP + "AT+QIDNSGIP: one at a time"),
    Row("ipv6", "F", TCPIP + "AT+QICSGP, type 2 and 3 (firmware)"),
    Row("option.keepalive", "X", TCPIP + "AT+QICFG (BG95 has it)"),
    Row("option.keepidle", "X", TCPIP + "AT+QICFG"),
    Row("option.keepintvl", "X", TCPIP + "AT+QICFG"),
    Row("option.nodelay", "X", TCPIP + "AT+QICFG"),
    Row("option.linger", "M", TCPIP + "AT+QICLOSE, timeout"),
    Row("option.rcvbuf", "X", TCPIP + "AT+QICFG"),
    Row("option.sndbuf", "X", TCPIP + "AT+QICFG"),
    Row("option.reuseaddr", "X", TCPIP + "AT+QICFG"),
    Row("option.broadcast", "X", TCPIP + "AT+QICFG"),
    Row("option.multicast", "X", TCPIP + "AT+QICFG"),
    Row("option.tos", "X", TCPIP + "AT+QICFG"),
    Row("receive.backpressure", "F", TCPIP + "1.2: buffer access mode"),
    Row("send.backpressure", "F", TCPIP + "AT+QISEND: SEND FAIL, buffer full"),
    Row("tcp.local_name", "M", TCPIP + "AT+QISTATE: local_port; AT+QIACT?: address"),
    Row("tcp.peer_name", "F", TCPIP + "AT+QISTATE"),
    Row("interface.address", "F", TCPIP + "AT+QIACT?"),
    Row("interface.ping", "F", TCPIP + "AT+QPING"),
    Row("interface.scan", "X", "a cellular module"),
    Row("wifi.join", "X", "a cellular module"),
    Row("wifi.channel", "X", "a cellular module"),
    Row("cellular.sim", "F", AT + "5.3 AT+CPIN, 5.7 AT+QPINC"),
    Row("cellular.registration", "F", AT + "6 AT+CEREG, AT+COPS, AT+QNWINFO"),
    Row("cellular.signal", "F", AT + "AT+QCSQ, AT+CSQ"),
    Row("cellular.apn", "F", TCPIP + "AT+QICSGP"),
    Row("tls.module", "P", "Quectel BG96 SSL AT Commands Manual V1.0"),
    Row("sockets.max", "F", TCPIP + "AT+QIOPEN: connectID 0-11", (12,)),
    Row("frame.max_send", "F", TCPIP + "AT+QISEND: 1-1460", (1460,)),
    Row("frame.max_recv", "F", TCPIP + "AT+QIRD: 1-1500", (1500,)),
    Row("datagram.max_send", "F", TCPIP + "AT+QISEND: 1-1460", (1460,)),
    Row("datagram.max_recv", "F", TCPIP + "AT+QIRD: 1-1500", (1500,)),
)

BELOW = {
    "esp8266": {
        "tcp.listen": "one port, no backlog of its own",
        "tcp.peer_name": "the driver remembers what it connected to",
        "tcp.local_name": "not asked for",
        "udp.connect": "the module delivers strangers' datagrams as well",
        "option.broadcast": "cannot be switched off",
        "option.multicast": "only as the destination of a link, never left",
        "option.linger": "a close that waits blocks the port",
        "tls.module": "verification would need authorities in the module's flash",
        "receive.backpressure": "RTS/CTS is the host's wiring, not the driver's promise",
    },
    "bg96": {
        "tcp.listen": "no backlog of its own",
        "tcp.peer_name": "the driver remembers what it connected to",
        "tcp.local_name": "not asked for",
        "udp.connect": "a UDP service is opened, for sendto to others",
        "ipv6": "contexts are set up for IPv4",
    },
}
"""Claims that promise less than the module could: they must say why, with their section."""
ABOVE = {"esp8266": {"error.refused": "the time it took"}, "bg96": {}}
"""Claims that promise more than the module: an emulation by the driver, which they must name."""
UNSETTLED: set[str] = set()
"""May be below without being listed, while no probe judges them."""
