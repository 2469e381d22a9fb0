"""What Espressif AT modules can and cannot do, by firmware generation.

The driver reads its limits from here; there is no second copy of a number on the driver's side.
"""

from __future__ import annotations

from modems.esp8266.firmware import Firmware
from modems.hosttls import claims as host_tls
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual

GUIDE = "ESP-AT User Guide"


def _guide(section: str, version: str = "v2.1-v5.0") -> Manual:
    return Manual(GUIDE, version, section)


_TCPIP = "TCP/IP AT Commands"

COMMON = (
    *host_tls(_guide(f"{_TCPIP}: AT+CIPSTART, AT+CIPSEND, +IPD"),
              _guide(f"{_TCPIP}: AT+CIPSERVER")),
    Capability("tcp.connect", Level.FULL, "the module's port is blocked meanwhile",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("tcp.send", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("tcp.recv", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPRECVDATA")),
    Capability("tcp.reset_seen", Level.NONE,
               "a reset by the peer looks like an orderly end: both "
               "are CLOSED", _guide("AT Messages")),
    Capability("tcp.half_close", Level.NONE,
               "no command closes one direction; the peer's FIN "
               "closes the whole link", _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("tcp.listen", Level.PARTIAL,
               "one listening port; the module accepts by itself, and "
               "what the backlog or the links have no room for is closed at once; the accepted "
               "count among the links", _guide(f"{_TCPIP}: AT+CIPSERVER, AT+CIPSERVERMAXCONN")),
    Capability("tcp.close", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("tcp.abort", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("udp.connect", Level.EMULATED,
               "the module hears everybody; the driver drops "
               "datagrams of others", _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("udp.sendto_many", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("udp.boundaries", Level.FULL, "UDP links stay in active mode",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("udp.zero_length", Level.NONE, "AT+CIPSEND takes no length of 0",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("dns.resolve", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("dns.all_addresses", Level.NONE, "one address only",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("sockets.max", Level.FULL, "link ids 0-4, shared by TCP and UDP",
               _guide(f"{_TCPIP}: AT+CIPMUX"), limit=5, unit="sockets"),
    Capability("frame.max_send", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPSEND"),
               limit=2048, unit="bytes"),
    Capability("frame.max_recv", Level.FULL, "one whole receive window",
               _guide("How to optimize throughput"), limit=5760, unit="bytes"),
    Capability("datagram.max_send", Level.FULL,
               "larger than one packet only as IP fragments",
               _guide(f"{_TCPIP}: AT+CIPSEND"), limit=2048, unit="bytes"),
    Capability("datagram.max_recv", Level.FULL,
               "longer ones depend on the image's reassembly",
               _guide(f"{_TCPIP}: AT+CIPSTART"), limit=1460, unit="bytes"),
    Capability("ipv6", Level.NONE,
               "not offered by this firmware", _guide(f"{_TCPIP}: AT+CIPV6")),
    Capability("tls.module", Level.PARTIAL,
               "only when asked for; no certificate is verified (its authorities are in flash), no "
               "name is checked, TLS 1.2 at the most; a cut stream looks like an orderly end",
               _guide(f"{_TCPIP}: AT+CIPSTART, AT+CIPSSLCCONF, AT+CIPSSLCSNI")),
    Capability("receive.backpressure", Level.FULL, "data stays in the module until it is read; "
               "the window closes", _guide(f"{_TCPIP}: AT+CIPRECVMODE")),
    Capability("send.outcome", Level.PARTIAL,
               "after SEND FAIL or silence nobody knows how much "
               "left; the connection is ended", _guide("AT Messages")),
)  # fmt: skip


MORE = (
    Capability("udp.zero_length_recv", Level.NONE, "no notice is documented for it",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("tcp.local_name", Level.PARTIAL,
               "the port is not asked for; AT+CIPSTATE would tell it",
               _guide(f"{_TCPIP}: AT+CIPSTATE")),
    Capability("tcp.bind_port", Level.NONE,
               "AT+CIPSTART takes a local address for TCP, but no port",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("tcp.shutdown_read", Level.EMULATED, "the socket object stops reading",
               _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("tcp.shutdown_both", Level.EMULATED, "the link is closed",
               _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("tcp.connect_nonblocking", Level.EMULATED, "the module's port is blocked meanwhile",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("tcp.connect_again", Level.EMULATED, "another link is started",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("tcp.transparent", Level.FULL, "lengths are counted",
               _guide(f"{_TCPIP}: AT+CIPSEND, +IPD")),
    Capability("tcp.sizes", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("tcp.burst", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("tcp.bulk", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPRECVDATA, +IPD")),
    Capability("tcp.drain", Level.FULL, "the end is told after the last byte",
               _guide(f"{_TCPIP}: AT+CIPRECVDATA, AT+CIPRECVLEN")),
    Capability("tcp.bind_conflict", Level.EMULATED, "the driver's own table",
               _guide(f"{_TCPIP}: AT+CIPSERVER")),
    Capability("tcp.peer_name", Level.EMULATED, "remembered",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("send.backpressure", Level.EMULATED, "the next send waits for SEND OK",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("udp.echo", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPSEND, +IPD")),
    Capability("udp.sendto_connected", Level.FULL, "a destination for each datagram",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("udp.truncation", Level.EMULATED, "received whole, cut on the host",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("udp.bind_port", Level.FULL, "parameter local port",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("udp.bind_conflict", Level.EMULATED, "the driver's own table",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("udp.local_name", Level.EMULATED, "the driver chooses the port",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("udp.descriptor", Level.NONE,
               "a local pair keeps the boundaries, but not who sent; sigio takes its place",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("udp.repeat", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("dns.unknown", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("dns.concurrent", Level.EMULATED,
               "one query at a time, the driver queues them",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("dns.cancel", Level.EMULATED, "an exchange runs to its end",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("dns.cache", Level.EMULATED, "kept by the interface for 60 s",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("dns.connect", Level.EMULATED, "resolved first",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("dns.sendto", Level.EMULATED, "resolved first",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("option.reuseaddr", Level.EMULATED, "always on, and cannot be switched off",
               _guide(f"{_TCPIP}: AT+CIPSERVER")),
    Capability("option.keepalive", Level.FULL, "before connect; on an open link since v2.4",
               _guide(f"{_TCPIP}: AT+CIPSTART, AT+CIPTCPOPT")),
    Capability("option.keepidle", Level.FULL, "1 to 7200 s",
               _guide(f"{_TCPIP}: AT+CIPSTART, AT+CIPTCPOPT")),
    Capability("option.keepintvl", Level.NONE, "3 probes, 1 s apart, cannot be changed",
               _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("option.nodelay", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("option.linger", Level.PARTIAL,
               "only 0 s, which resets: a close that waits blocks the port for every "
               "socket",
               _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("option.sndbuf", Level.NONE, "fixed in the module",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("option.rcvbuf", Level.NONE, "the window is fixed",
               _guide(f"{_TCPIP}: AT+CIPRECVMODE")),
    Capability("option.broadcast", Level.EMULATED, "always on, and cannot be switched off",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("option.multicast", Level.NONE,
               "a group is joined only as the destination of a link",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("option.tos", Level.NONE, "no command sets it",
               _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("option.bind_to_device", Level.NONE,
               "no command chooses between station and access point",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("option.honest", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("option.type", Level.EMULATED, "answered by the socket object",
               _guide(f"{_TCPIP}: AT+CIPSTATE")),
    Capability("error.refused", Level.EMULATED,
               "no cause is told: refused, unreachable and timed out are "
               "guessed from the time it took",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("error.connected_twice", Level.EMULATED, "known to the driver",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("error.not_connected", Level.EMULATED, "known to the driver",
               _guide(f"{_TCPIP}: AT+CIPSTATE")),
    Capability("error.closed", Level.EMULATED, "known to the driver",
               _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("error.broken_pipe", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("error.no_destination", Level.EMULATED, "known to the driver",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("error.too_long", Level.EMULATED, "refused before anything is written",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("error.foreign_address", Level.EMULATED, "compared with the module's address",
               _guide(f"{_TCPIP}: AT+CIFSR")),
    Capability("error.end_repeats", Level.EMULATED, "kept by the socket object",
               _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("wait.timeout", Level.EMULATED, "one deadline on the host",
               _guide(f"{_TCPIP}: AT+CIPRECVDATA")),
    Capability("wait.connect_timeout", Level.EMULATED,
               "the module goes on; its link is closed when it has decided",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("wait.nonblocking", Level.EMULATED,
               "a call may take one exchange with the module",
               _guide(f"{_TCPIP}: AT+CIPSEND, AT+CIPRECVDATA")),
    Capability("wait.event", Level.FULL, "",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("wait.event_removed", Level.EMULATED, "on the host",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("wait.close_wakes", Level.EMULATED, "on the host",
               _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("wait.cancel", Level.EMULATED,
               "an exchange runs to its end and its bytes are kept",
               _guide(f"{_TCPIP}: AT+CIPRECVDATA")),
    Capability("wait.duplex", Level.EMULATED, "exchanges take turns",
               _guide(f"{_TCPIP}: AT+CIPSEND, AT+CIPRECVDATA")),
    Capability("wait.sockets", Level.EMULATED, "exchanges take turns",
               _guide(f"{_TCPIP}: AT+CIPSEND, AT+CIPRECVDATA")),
    Capability("wait.isolation", Level.FULL, "a buffer for each link",
               _guide(f"{_TCPIP}: AT+CIPRECVMODE")),
    Capability("sockets.reuse", Level.FULL, "a closed id rests for a moment",
               _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("interface.status", Level.FULL, "",
               _guide("Wi-Fi AT Commands: AT+CWJAP")),
    Capability("interface.again", Level.FULL, "",
               _guide("Wi-Fi AT Commands: AT+CWJAP, AT+CIPCLOSE")),
    Capability("interface.address", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+CIFSR, AT+CIPSTA")),
    Capability("interface.scan", Level.FULL, "",
               _guide("Wi-Fi AT Commands: AT+CWLAP")),
    Capability("interface.ping", Level.FULL, "",
               _guide(f"{_TCPIP}: AT+PING")),
    Capability("wifi.credentials", Level.EMULATED,
               "checked before anything is sent; the module takes the kind of security that the "
               "network has", _guide("Wi-Fi AT Commands: AT+CWJAP")),
    Capability("wifi.join", Level.FULL, "", _guide("Wi-Fi AT Commands: AT+CWJAP, AT+CWQAP")),
    Capability("wifi.refused", Level.FULL,
               "a wrong password is told as a time-out by some firmware",
               _guide("Wi-Fi AT Commands: AT+CWJAP")),
    Capability("wifi.rssi", Level.FULL, "", _guide("Wi-Fi AT Commands: AT+CWJAP")),
    Capability("wifi.channel", Level.NONE, "AT+CWJAP takes no channel",
               _guide("Wi-Fi AT Commands: AT+CWJAP")),
    *(Capability(id_, Level.NONE, "a WiFi module has no SIM",
                 _guide("Wi-Fi AT Commands: AT+CWMODE"))
      for id_ in CATALOGUE if id_.startswith("cellular.")),
)  # fmt: skip
"""The rest of the catalogue."""


def table(
    module: str,
    firmware: Firmware,
    *,
    receive: str,
    frame: int,
    ipv6: bool = False,
) -> CapabilityTable:
    """The claims for this firmware and mode.

    `receive` is how data comes: "pull" (TCP pull, UDP push), "pull_all" (one global switch, so UDP
    is pulled too) or "push"; `frame` the probed limit of AT+CIPSEND in bytes; `ipv6` whether
    AT+CIPV6 was taken.
    """
    changes: dict[str, Capability] = {}
    known = {record.id: record for record in (*COMMON, *MORE)}

    def change(id_: str, level: Level, because: str, limit: int | None = None) -> None:
        old = known[id_]
        number = old.limit if limit is None else limit
        changes[id_] = Capability(id_, level, because, old.source, number, old.unit)

    if frame != known["frame.max_send"].limit:
        change("frame.max_send", Level.FULL, "chips other than the ESP8266 since v2.4", frame)
        change("datagram.max_send", Level.FULL, "sent as IP fragments above 1472", frame)
    if ipv6:
        change("ipv6", Level.FULL, "a datagram socket speaks one version, that of its first "
               "use; the host part of link-local peers has no zone")  # fmt: skip
    if firmware.is_esp8266 and firmware.family == "E":
        change("tls.module", Level.PARTIAL, known["tls.module"].because + "; one connection")
    if firmware.family == "N":
        change("tls.module", Level.NONE, "not used: one connection with old ciphers, not in "
               "passive receive mode, certificates in flash only")  # fmt: skip
        change("frame.max_recv", Level.FULL, "AT+CIPRECVDATA takes up to 2048", 2048)
        if receive != "push":
            change("tcp.drain", Level.EMULATED, "what a closed link still holds is read")
        change("tcp.abort", Level.EMULATED, "AT+CIPCLOSEMODE before the close")
        if firmware.version < (1, 7, 0, 0):
            change("tcp.abort", Level.NONE, "AT+CIPCLOSEMODE came with v1.7")
        change("option.reuseaddr", Level.NONE, "NonOS firmware has no such option")
        change("option.nodelay", Level.NONE, "this firmware always collects small segments")
    elif firmware.version < (2, 1, 0, 0):
        change("tcp.abort", Level.NONE, "no linger option before v2.1")
        change("option.nodelay", Level.NONE, "AT+CIPTCPOPT came with v2.1")
        if firmware.version < (2, 0, 0, 0):
            change("option.reuseaddr", Level.NONE, "not heard of before v2.0")
    if changes.get("tcp.abort", known["tcp.abort"]).level is Level.NONE:
        change("option.linger", Level.NONE, "0 s cannot be had, and more blocks the port")
    if receive == "pull_all":
        change(
            "udp.boundaries",
            Level.PARTIAL,
            "this firmware has one switch for all links; pulled datagrams are merged and cut. "
            'receive="push" keeps them whole, at the price of flow control',
        )
        change(
            "udp.sendto_many",
            Level.PARTIAL,
            "pulled datagrams name the first peer as sender, whoever it was",
        )
        change("udp.connect", Level.PARTIAL, "pulled datagrams of others cannot be told apart")
    if receive == "push":
        change(
            "receive.backpressure",
            Level.NONE,
            "pushed data cannot be held back except by RTS/CTS; bytes lost on the line break "
            "the connection",
        )
        longest = 1460 if firmware.family == "N" else 2920
        changes["frame.max_recv"] = Capability(
            "frame.max_recv", Level.FULL, "no read has a limit: what +IPD brought, at most "
            f"{longest} bytes, is kept by the driver", _guide(f"{_TCPIP}: +IPD"),
        )  # fmt: skip
    return CapabilityTable(
        module,
        f"{firmware.generation} {firmware.text}",
        (*COMMON, *MORE),
        stack="external IP module",
    ).with_changes(*changes.values())
