"""Quectel's line protocol as the BG96 speaks it.

Sources: Quectel BG96 TCP(IP) AT Commands Manual V1.1 ("TCP(IP)") and BG96 AT Commands Manual
V2.2 ("AT"), BG96 SSL AT Commands Manual V1.0 ("SSL").
"""

from __future__ import annotations

import re

from atdriver.dialect import NO_WAY_OUT, Dialect, Probe, WayOut
from atdriver.exchange import Command
from atdriver.syntax import Encoder
from atdriver.tokens import Head
from modems.filling import filler

SOCKETS = 12
"""connectID 0-11 (TCP(IP), AT+QIOPEN)."""
SSL_CONTEXT = 5
"""The last of the contexts 0-5 (SSL, AT+QSSLCFG): other programs begin with the first."""
MAX_SEND = 1460
"""Bytes of one AT+QISEND (TCP/IP Application Note, AT+QISEND)."""
MAX_READ = 1500
"""Bytes that one AT+QIRD returns at the most (TCP(IP), AT+QIRD)."""

READ = Head(
    name="qird",
    prefix=b"+QIRD: ",
    # One number, or number and sender: data follows. Three numbers are the counters: a line.
    pattern=re.compile(
        rb'\+QIRD: (?P<n>\d{1,4})(?:,"(?P<host>[0-9A-Fa-f:.]{0,45})",(?P<port>\d{1,5}))?\r\n'
    ),
    max_length=MAX_READ,
)

READ_TLS = Head(
    name="qsslrecv",
    prefix=b"+QSSLRECV: ",
    pattern=re.compile(rb"\+QSSLRECV: (?P<n>\d{1,4})\r\n"),
    max_length=MAX_READ,
)
"""As READ, of a TLS connection (SSL, AT+QSSLRECV)."""

PUSHED = Head(
    name="push",
    prefix=b'+QIURC: "recv",',
    pattern=re.compile(
        rb'\+QIURC: "recv",(?P<link>\d{1,2}),(?P<n>\d{1,4})'
        rb'(?:,"(?P<host>[0-9A-Fa-f:.]{0,45})",(?P<port>\d{1,5}))?\r\n'
    ),
    max_length=MAX_READ,
)
"""Direct push mode. Not among the dialect's heads: in buffer mode, the only one used, newer
firmware prints the same line with nothing behind it ("recvind")."""

NOTICES = re.compile(
    rb'(?P<recv>\+Q(?:I|SSL)URC: "recv",\d{1,2}(?:,\d{1,5})?)'
    rb'|(?P<closed>\+Q(?:I|SSL)URC: "closed",\d{1,2})'
    rb'|(?P<incoming>\+QIURC: "incoming",\d{1,2},\d{1,2},"[^"]{1,45}",\d{1,5})'
    rb'|(?P<incoming_full>\+QIURC: "incoming full")'
    rb'|(?P<pdpdeact>\+QIURC: "pdpdeact",\d{1,2})'
    rb'|(?P<dnsgip>\+QIURC: "dnsgip",.{1,60})'
    rb"|(?P<opened>\+Q(?:I|SSL)OPEN: \d{1,2},\d{1,5})"
    rb"|(?P<ping>\+QPING: .{1,100})"
    rb"|(?P<registration>\+C[EG]?REG: .{1,80})"
    rb"|(?P<sim>\+CPIN: [A-Z0-9 -]{1,20})"
    rb"|(?P<other>APP RDY|\+CFUN: \d|\+QUSIM: \d|\+QIND: .{1,60}|\+QSIMSTAT ?: .{1,10}"
    rb"|\+QCSCON: .{1,10}"
    rb"|\+QPSMTIMER: .{1,40}|PSM POWER DOWN|\+QNTP: .{1,60}|\+CTZ.{1,40}|\+CGEV: .{1,60}|RING"
    rb'|NO CARRIER|\+QSSLURC: "[a-z]+",.{1,20}'
    # Calls, messages, USSD (V.250, 5.7; 3GPP TS 27.005, 27.007): nothing of ours, and no results.
    rb"|BUSY|NO ANSWER|NO DIALTONE|\+C(?:MTI|DSI|BMI|CWA|LIP|RING): .{1,80}|\+CUSD: .{1,200})"
)

GLUED = re.compile(
    rb'(?P<recv>\+Q(?:I|SSL)URC: "recv",\d{1,2})$|(?P<closed>\+Q(?:I|SSL)URC: "closed",\d{1,2})$'
    rb"|(?P<opened>\+Q(?:I|SSL)OPEN: \d{1,2},\d{1,5})$"
)

NOTHING = re.compile(rb"(?!)")

SPARE = bytes(64)
"""More than the count: bytes of the filling may get lost, too, and a command must not complete it.
What is left over is the beginning of a line that is refused."""
SPARE_AFTER = 1.0
"""Seconds between a filling that is the payload itself and one with a spare: a result in between
says that the payload arrived whole, one behind it only that the count was reached."""
FILL_AFTER = 0.2
"""Seconds before the filling."""


def unstick(command: Command, payload_written: bool) -> WayOut:
    """Counted data has no cancel (only the uncounted form has ESC), so the count is filled up: with
    NULs when some bytes of the payload were lost on the way, which breaks that stream.

    A module that was deaf may begin to hear at any time: then all comes in one piece, the probe at
    its end, so that nothing but the filling can be the first that it hears."""
    if command.payload is None:
        return NO_WAY_OUT
    fill = bytes(len(command.payload)) if payload_written else filler(command.payload)
    line = fill + SPARE + b"\r"
    again = ((FILL_AFTER, line),)
    if fill != command.payload:
        return WayOut(again, again=again)
    return WayOut(((FILL_AFTER, fill), (SPARE_AFTER, line)), again=again)


DIALECT = Dialect(
    name="bg96",
    terminator=b"\r",
    heads=(READ, READ_TLS),
    notices=NOTICES,
    glued=GLUED,
    reasons=NOTHING,
    failures=re.compile(rb"\+CM[ES] ERROR: ?(?P<code>.{0,60})"),
    busy=NOTHING,
    banner=re.compile(rb"RDY|POWERED DOWN|NORMAL POWER DOWN"),
    max_command=1024,
    framed=re.compile(rb".*"),
    unstick=unstick,
)

NO_CONTEXT = frozenset({561, 570, 573})
"""Result codes of a lost data context (TCP/IP manual, "Summary of Result Codes")."""

ENCODER = Encoder(escape="", escaped='"')
"""No escape is documented, so a double quote is refused."""

CANARY = Probe(
    b"AT+CEREG?", re.compile(rb"\+CEREG: 2,\d.{0,80}"), re.compile(rb"\+CEREG: [0134],\d.{0,80}")
)
"""Once configured: registration reports are on level 2. Level 0 means an unseen restart."""

ERRORS = {
    550: "unknown error",
    551: "operation blocked",
    552: "invalid parameters",
    553: "memory not enough",
    554: "create socket failed",
    555: "operation not supported",
    556: "socket bind failed",
    557: "socket listen failed",
    558: "socket write failed",
    559: "socket read failed",
    560: "socket accept failed",
    561: "open PDP context failed",
    562: "close PDP context failed",
    563: "socket identity has been used",
    564: "DNS busy",
    565: "DNS parse failed",
    566: "socket connect failed",
    567: "socket has been closed",
    568: "operation busy",
    569: "operation timeout",
    570: "PDP context broken down",
    571: "cancel send",
    572: "operation not allowed",
    573: "APN not configured",
    574: "port busy",
}
"""Result codes (TCP(IP), Summary of Error Codes)."""
