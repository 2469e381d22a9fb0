"""SKSTACK-IP's command line: literals of ROHM BP35A1, BP35C0 and other sticks with Skyley's stack.

Sources: SKSTACK-IP Command Reference Manual (Skyley Networks), chapters 3 (commands), 4 (events);
SkyleyNetworks/SKSTACK_API; where they differ, both forms are taken.
"""

from __future__ import annotations

import ipaddress
import re

from atdriver.dialect import Dialect, Probe
from atdriver.tokens import Head

NOTHING = re.compile(rb"(?!)")
MAX_DATAGRAM = 0x4D0
"""Bytes of a datagram, and of one SKSEND (SKSENDTO, DATALEN)."""
UDP_HANDLES, TCP_HANDLES = range(1, 7), range(1, 5)
MAX_COMMAND = 256
ADDRESS = rb"[0-9A-F:]{39}"
PORT = rb"[0-9A-F]{4}"

_ERXUDP = (
    rb"ERXUDP (?P<host>%b) %b (?P<port>%b) (?P<local>%b) [0-9A-F]{16}"
    rb"(?: (?P<rssi>[0-9A-F]{2}))? (?P<secured>[0-9A-F]) (?P<n>[0-9A-F]{4}) "
) % (ADDRESS, ADDRESS, PORT, PORT)
_ERXTCP = rb"ERXTCP (?P<host>%b) (?P<port>%b) (?P<local>%b) (?P<n>[0-9A-F]{4}) " % (
    ADDRESS,
    PORT,
    PORT,
)
BINARY = (
    Head("udp", b"ERXUDP ", re.compile(_ERXUDP), 0xFFFF, 192, base=16, end=b"\r\n"),
    Head("tcp", b"ERXTCP ", re.compile(_ERXTCP), 0xFFFF, 128, base=16, end=b"\r\n"),
)
"""Received data while ROPT says 00: 9 fields, or 10 with the RSSI of HAN firmware."""
HEXADECIMAL = {
    "udp": re.compile(_ERXUDP + rb"(?P<data>(?:[0-9A-Fa-f]{2})*)"),
    "tcp": re.compile(_ERXTCP + rb"(?P<data>(?:[0-9A-Fa-f]{2})*)"),
}
"""While it says 01: a line."""

NOTICES = re.compile(
    rb"(?P<udp>ERXUDP .*)|(?P<tcp>ERXTCP .*)"
    rb"|(?P<event>EVENT [0-9A-F]{2}(?: .*)?)"
    rb"|(?P<etcp>ETCP [0-9A-F]{1,2}(?: .*)?)"
    rb"|(?P<found>EPANDESC|  (?:Channel|Channel Page|Pan ID|Addr|LQI|Side|PairID):[0-9A-F]+)"
    rb"|(?P<pong>EPONG .*)"
)
DIALECT = Dialect(
    name="skstack",
    kind="SKSTACK-IP module",
    terminator=b"\r\n",
    heads=(),
    notices=NOTICES,
    glued=None,
    reasons=NOTHING,
    failures=re.compile(rb"FAIL ER(?P<code>\d\d)"),
    busy=NOTHING,
    banner=NOTHING,
    max_command=MAX_COMMAND,
    hello=b"SKVER",
    shell=True,
    echoes=True,
    short_lines=re.compile(rb"OK 0[01]"),
)
IN_STEP = Probe(b"SKVER", re.compile(rb"EVER .*"))

SENT, DONE_SCAN, NOT_JOINED, JOINED, LIMITED, FREE = "21", "22", "24", "25", "32", "33"
SESSION_ENDS = ("26", "27", "28", "29")
"""Asked to end, ended, no answer to ending it, lifetime over."""
CONNECTED, CLOSED, PORT_IN_USE, DATA_SENT = "1", "3", "4", "5"
"""States in ETCP."""
REASONS = {
    4: "unknown command", 5: "wrong number of arguments", 6: "argument out of range",
    9: "serial line error", 10: "it cannot be carried out now",
}  # fmt: skip
NOT_NOW = 10


def written(host: str) -> str:
    """An IPv6 address as SKSTACK writes it: eight groups of four capitals."""
    return ipaddress.IPv6Address(host).exploded.upper()


def link_local(eui64: str) -> str:
    """The link-local address of a node by its IEEE address (RFC 4291, appendix A). Raises
    ValueError for what is none."""
    raw = bytearray(bytes.fromhex(eui64))
    if len(raw) != 8:
        raise ValueError(f"{eui64}: an IEEE address has 16 hexadecimal digits")
    raw[0] ^= 2
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes(raw)))
