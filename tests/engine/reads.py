"""The ways in which modules print what a read asked for, as their manuals have them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from atdriver.dialect import Dialect
from atdriver.exchange import Command
from atdriver.tokens import Head
from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

OK = b"\r\nOK\r\n"


@dataclass(frozen=True)
class Shape:
    """One way of reading: what is asked, and what the module prints."""

    name: str
    dialect: Dialect
    head: Head
    opening: bytes
    closing: bytes
    answer: re.Pattern[bytes]
    """An answer as the manual has it: the length, and all the rest."""
    notice: bytes

    def command(self, size: int) -> Command:
        if self.dialect is bg96.DIALECT:
            return bg96_at.read(0, 1500, datagram=False)
        return esp_at.read(0, size, self.head)


def _notices(dialect: Dialect) -> bytes:
    return b"(?:" + re.sub(rb"\(\?P<\w+>", b"(?:", dialect.notices.pattern) + b")"


_PUSHED = rb"\+IPD,[0-4],3:[\x00-\xff]{3}"
_ESP_TAIL = rb"(?:(?:\r\n)?%b\r\n|\r\n%b)*" % (_notices(esp.DIALECT), _PUSHED)
_BG96_NOTICES = rb"(?:\r\n%b\r\n)*" % _notices(bg96.DIALECT)
_BG96_TAIL = _BG96_NOTICES + rb"\r\n" + _BG96_NOTICES
"""What may stand between payload and result."""
SHAPES = [
    Shape(
        "nonos",
        esp.DIALECT,
        esp.RECEIVED_N,
        b"\r\n+CIPRECVDATA,%d:",
        OK,
        re.compile(rb"\+CIPRECVDATA,(\d+):(.*)", re.DOTALL),
        b"0,CLOSED\r\n",
    ),
    Shape(
        "esp-at",
        esp.DIALECT,
        esp.RECEIVED_E,
        b"+CIPRECVDATA:%d,",
        OK,
        re.compile(rb"\+CIPRECVDATA:(\d+),(.*)", re.DOTALL),
        b"\r\n+IPD,0,99\r\n",
    ),
    Shape(
        "esp-at-sender",
        esp.DIALECT,
        esp.RECEIVED_E_SENDER,
        b'+CIPRECVDATA:%d,"192.0.2.1",7,',
        OK,
        re.compile(rb'\+CIPRECVDATA:(\d+),"[0-9.]+",\d+,(.*)', re.DOTALL),
        b"1,CONNECT\r\n",
    ),
    Shape(
        "bg96",
        bg96.DIALECT,
        bg96.READ,
        b"\r\n+QIRD: %d\r\n",
        b"\r\n" + OK,
        re.compile(rb'\+QIRD: (\d+)(?:,"[0-9.]+",\d+)?\r\n(.*)', re.DOTALL),
        b'\r\n+QIURC: "recv",0\r\n',
    ),
]


def is_an_answer(shape: Shape, stream: bytes, payload: bytes, *, to_its_end: bool = True) -> bool:
    """Whether the stream holds, at its end or anywhere, letter for letter what a sound module prints
    when it holds `payload`. Then no reader can tell, and nobody is to blame."""
    tail = (_BG96_TAIL if shape.dialect is bg96.DIALECT else _ESP_TAIL) + OK
    fits = re.compile(tail + (rb"\Z" if to_its_end else b""))
    for match in re.finditer(re.escape(shape.head.prefix), stream):
        found = shape.answer.match(stream, match.start())
        if found is None or int(found[1]) != len(payload) or not found[2].startswith(payload):
            continue
        if fits.match(found[2], len(payload)):
            return True
    return False
