"""Espressif's line protocol: literals of ESP-AT (all generations) and of the NonOS AT 1.x.

Sources: ESP-AT User Guide v2.1 to v5.0 (AT Command Set, "AT Messages"), ESP8266 NonOS AT
Instruction Set v3.0; where they are silent, the string literals of the published firmware.
"""

from __future__ import annotations

import re

from atdriver.dialect import NO_WAY_OUT, Dialect, Probe, Step, WayOut
from atdriver.exchange import Command
from atdriver.syntax import Encoder
from atdriver.tokens import Head
from modems.filling import filler

LINKS = 5
"""Link ids 0-4 (ESP-AT User Guide, TCP/IP AT Commands: AT+CIPMUX)."""
MAX_FRAME = 8192
"""Longest block of any generation (AT+CIPSEND, v2.4)."""

NONOS_MAX_COMMAND = 128
"""NonOS: not documented; 128 bytes with the terminator is what its published ancestor takes, and it
drops longer lines without a word. ESP-AT: 256 (AT Command Types)."""

IPD = Head(
    name="ipd",
    prefix=b"+IPD,",
    # The address is quoted since v2.0 (ESP32) and v2.1 (ESP8266), bare before.
    pattern=re.compile(
        rb"\+IPD,(?P<link>[0-4]),(?P<n>\d{1,5})"
        rb'(?:,(?:"(?P<quoted>[0-9A-Fa-f:.]{2,45})"|(?P<host>[0-9.]{7,15})),(?P<port>\d{1,5}))?:'
    ),
    max_length=MAX_FRAME,
)
"""Data pushed in active mode; with the sender when CIPDINFO=1."""

RECEIVED_N = Head(
    name="recvdata",
    prefix=b"+CIPRECVDATA,",
    pattern=re.compile(rb"\+CIPRECVDATA,(?P<n>\d{1,5}):"),
    max_length=MAX_FRAME,
)
"""NonOS 1.7: comma before the length, colon behind it (the printed manual has it the other way
round; firmware literals and every working driver agree on this form)."""

RECEIVED_E = Head(
    name="recvdata",
    prefix=b"+CIPRECVDATA:",
    pattern=re.compile(rb"\+CIPRECVDATA:(?P<n>\d{1,5}),"),
    max_length=MAX_FRAME,
)
"""ESP-AT with CIPDINFO=0."""

RECEIVED_E_SENDER = Head(
    name="recvdata",
    prefix=b"+CIPRECVDATA:",
    pattern=re.compile(
        rb'\+CIPRECVDATA:(?P<n>\d{1,5}),"(?P<quoted>[0-9A-Fa-f:.]{2,45})",(?P<port>\d{1,5}),'
    ),
    max_length=MAX_FRAME,
)
"""ESP-AT with CIPDINFO=1: the sender stands before every block, for TCP too."""

NOTICES = re.compile(
    rb"(?P<connect>[0-4],CONNECT)"
    rb"|(?P<closed>[0-4],CLOSED)"
    rb"|(?P<connect_failed>[0-4],CONNECT FAIL)"
    rb"|(?P<link>\+LINK_CONN:.{5,100})"
    rb"|(?P<data>\+IPD,[0-4],\d{1,7})"
    rb"|(?P<wifi_connected>WIFI CONNECTED)"
    rb"|(?P<wifi_got_ip>WIFI GOT IP)"
    rb"|(?P<wifi_disconnect>WIFI DISCONNECT)"
    rb"|(?P<server_full>Have \d+ Connections)"
    rb"|(?P<other>\+STA_(?:DIS)?CONNECTED:.{1,40}|\+DIST_STA_IP:.{1,60}|\+ETH_[A-Z_]{3,20}:?.{0,20}"
    rb"|\+TIME_UPDATED|DHCP TIMEOUT|\+QUITT|WIFI GOT IP.{1,12})"
)

GLUED = re.compile(
    rb"(?P<connect>[0-4],CONNECT)$|(?P<closed>[0-4],CLOSED)$|(?P<link>\+LINK_CONN:.{5,100})$"
)

REASONS = re.compile(
    rb"\+CWJAP(?:_CUR|_DEF)?:\d{1,3}|ALREADY CONNECTED|link is not valid|DNS Fail|domain fail"
    rb"|no ip|UNLINK|MUX=[01]|IPMODE=1|too long|Link typ?e? ERROR|I[DP] ERROR|no change"
    rb"|we must restart|link is builded|CIPMUX and CIPSERVER must be 0|No AP"
    rb"|ERR CODE:0x[0-9A-Fa-f]{1,8}|\+ERRNO:0x[0-9A-Fa-f]{1,8}|\+timeout|\+PING:TIMEOUT"
)

NOTHING = re.compile(rb"(?!)")


def unstick(command: Command, payload_written: bool) -> WayOut:
    """Leave the data phase of AT+CIPSEND: `+++` as a packet of its own, 20 ms of silence around
    it, one second before the next command (ESP-AT User Guide, AT+CIPSEND). What the module had
    already taken is discarded by it; the connection counts as broken. Twice, because nothing says
    that it was understood: where a byte of it was lost, the probes that follow would be payload.

    A count that a probe would complete is filled up, when nothing was written, and the probe comes
    in the same breath: a module that was deaf must not hear it first. Where the real bytes could be
    taken for a command, the escape is tried before, unless it would itself complete the count."""
    payload = command.payload
    if payload is None:
        return NO_WAY_OUT
    if payload_written or len(payload) > PROBE:
        return WayOut((*ESCAPE, *ESCAPE), again=ESCAPE)
    filling = filler(payload)
    fill: tuple[Step, ...] = ((0.2, filling + b"\r\n"),)
    filled = filling == payload or len(payload) <= len(ESCAPE[0][1])
    return WayOut(fill if filled else (*ESCAPE, *ESCAPE), again=fill)


ESCAPE: tuple[Step, ...] = ((0.2, b"+++"), (1.1, b""))
PROBE = 16
"""No probe is longer, bytes."""

DIALECT = Dialect(
    name="esp8266",
    terminator=b"\r\n",
    heads=(IPD, RECEIVED_N, RECEIVED_E),
    notices=NOTICES,
    glued=GLUED,
    reasons=REASONS,
    failures=NOTHING,
    busy=re.compile(rb"busy [ps]\.\.\."),
    banner=re.compile(
        rb"ready|Will force to restart!!!|Guru Meditation.*|\*\*\*ERROR\*\*\*.*| ?ets Jan .*"
    ),
    max_command=256,
    framed=re.compile(rb"\+IPD,.*"),
    unstick=unstick,
)

ENCODER = Encoder(escape="\\", escaped='\\",')
"""Escapes of ESP-AT User Guide, AT Command Types; they hold in commands only, never in answers."""

CANARY = Probe(b"AT+CIPMUX?", re.compile(rb"\+CIPMUX:1"), re.compile(rb"\+CIPMUX:0"))
"""Once configured: multiplexing is on. A module that says otherwise has restarted unseen."""
