"""What Espressif AT modules can and cannot do, by firmware generation.

The driver reads its limits from here; there is no second copy of a number on the driver's side.
"""

from __future__ import annotations

from modems.esp8266.firmware import Firmware
from netsocket.capability.model import Capability, CapabilityTable, Level, Manual

GUIDE = "ESP-AT User Guide"


def _guide(section: str, version: str = "v2.1-v5.0") -> Manual:
    return Manual(GUIDE, version, section)


_TCPIP = "TCP/IP AT Commands"

COMMON = (
    Capability("tcp.connect", Level.PARTIAL, "no cause is told on failure: refused, unreachable "
               "and timed out are guessed from the time it took; the port is blocked meanwhile",
               _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("tcp.send", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("tcp.recv", Level.PARTIAL, "a reset by the peer looks like an orderly end: both "
               "are CLOSED", _guide("AT Messages")),
    Capability("tcp.half_close", Level.NONE, "no command closes one direction; the peer's FIN "
               "closes the whole link", _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("tcp.listen", Level.NONE, "not offered by this driver yet; the module has one "
               "listening port", _guide(f"{_TCPIP}: AT+CIPSERVER")),
    Capability("tcp.close", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPCLOSE")),
    Capability("tcp.abort", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPTCPOPT")),
    Capability("udp.connect", Level.EMULATED, "the module hears everybody; the driver drops "
               "datagrams of others", _guide(f"{_TCPIP}: AT+CIPSTART")),
    Capability("udp.sendto_many", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("udp.boundaries", Level.FULL, "UDP links stay in active mode",
               _guide(f"{_TCPIP}: +IPD")),
    Capability("udp.zero_length", Level.NONE, "AT+CIPSEND takes no length of 0",
               _guide(f"{_TCPIP}: AT+CIPSEND")),
    Capability("dns.resolve", Level.PARTIAL, "one address only",
               _guide(f"{_TCPIP}: AT+CIPDOMAIN")),
    Capability("sockets.max", Level.FULL, "link ids 0-4, shared by TCP and UDP",
               _guide(f"{_TCPIP}: AT+CIPMUX"), limit=5, unit="sockets"),
    Capability("frame.max_send", Level.FULL, "", _guide(f"{_TCPIP}: AT+CIPSEND"),
               limit=2048, unit="bytes"),
    Capability("frame.max_recv", Level.FULL, "one whole receive window",
               _guide("How to optimize throughput"), limit=5760, unit="bytes"),
    Capability("datagram.max_send", Level.PARTIAL, "larger than one packet only as IP fragments",
               _guide(f"{_TCPIP}: AT+CIPSEND"), limit=2048, unit="bytes"),
    Capability("datagram.max_recv", Level.PARTIAL, "1460 bytes are promised, longer ones depend "
               "on the image's reassembly", _guide(f"{_TCPIP}: AT+CIPSTART"),
               limit=1460, unit="bytes"),
    Capability("ipv6", Level.NONE, "not offered by this firmware", _guide(f"{_TCPIP}: AT+CIPV6")),
    Capability("tls.module", Level.NONE, "not used: it verifies nothing unless set up in flash; "
               "TLS runs on the host", _guide(f"{_TCPIP}: AT+CIPSSLCCONF")),
    Capability("receive.backpressure", Level.FULL, "data stays in the module until it is read; "
               "the window closes", _guide(f"{_TCPIP}: AT+CIPRECVMODE")),
    Capability("send.outcome", Level.PARTIAL, "after SEND FAIL or silence nobody knows how much "
               "left; the connection is ended", _guide("AT Messages")),
)  # fmt: skip


def table(
    module: str,
    firmware: Firmware,
    *,
    receive: str,
    frame: int,
) -> CapabilityTable:
    """The claims for this firmware and mode.

    `receive` is how data comes: "pull" (TCP pull, UDP push), "pull_all" (one global switch, so UDP
    is pulled too) or "push"; `frame` the probed limit of AT+CIPSEND in bytes.
    """
    changes: dict[str, Capability] = {}
    known = {record.id: record for record in COMMON}

    def change(id_: str, level: Level, because: str, limit: int | None = None) -> None:
        old = known[id_]
        number = old.limit if limit is None else limit
        changes[id_] = Capability(id_, level, because, old.source, number, old.unit)

    if frame != known["frame.max_send"].limit:
        change("frame.max_send", Level.FULL, "chips other than the ESP8266 since v2.4", frame)
        change("datagram.max_send", Level.PARTIAL, "sent as IP fragments above 1472", frame)
    if firmware.family == "N":
        change("frame.max_recv", Level.FULL, "AT+CIPRECVDATA takes up to 2048", 2048)
        change("tcp.abort", Level.EMULATED, "AT+CIPCLOSEMODE before the close")
    elif firmware.version < (2, 1, 0, 0):
        change("tcp.abort", Level.NONE, "no linger option before v2.1")
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
        change("frame.max_recv", Level.FULL, "the longest +IPD", longest)
    return CapabilityTable(module, f"{firmware.generation} {firmware.text}", COMMON).with_changes(
        *changes.values()
    )
