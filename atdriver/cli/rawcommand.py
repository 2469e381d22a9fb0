"""A command line as a person typed it: is it safe to send, and how does its answer end?"""

from __future__ import annotations

import re

from atdriver.cli.failure import UsageProblem
from atdriver.dialect import Dialect
from atdriver.exchange import Command
from atdriver.syntax import fields
from atdriver.trace import printable

# Ends of a command in every dialect here; those with a code (+CME ERROR) are the dialect's own.
GOOD = (b"OK", b"SEND OK")
BAD = (b"ERROR", b"FAIL", b"SEND FAIL", b"NO CARRIER", b"BUSY", b"NO ANSWER", b"NO DIALTONE")

# Commands that ask for data behind a prompt, or turn the line into a data line; their test and
# query forms, and AT+QISEND=<id>,0 (counters), do not.
_DATA = re.compile(
    rb"AT(?:D.*|O\d?|\+(?!QISEND=\d+,0\Z)(?:CIPSEND(?:EX|L|BUF)?|QISEND|QSSLSEND|CMGS|CMGW|CMGC"
    rb"|QCMGS|QFUPL|QFWRITE|QHTTPURL|QHTTPPOST|QHTTPPUT|QMTPUB(?:EX)?|HTTPCPOST|HTTPCPUT"
    rb"|MQTTPUBRAW|MQTTLONG[A-Z]+|SYSFLASH|BLESPP|BTSPPSEND)(?:=(?!\?\Z).*)?)",
    re.IGNORECASE | re.DOTALL,
)

_SECRET_FROM = {
    b"CWJAP": 1,
    b"CWSAP": 1,
    b"CPIN": 0,
    b"CPWD": 1,
    b"CLCK": 2,
    b"QICSGP": 3,
}
"""Commands that carry a password or PIN: the first parameter (from 0) that may be one."""
_TELLS = re.compile(
    rb"AT\+(?:CGSN|GSN|EGMR|CIMI|Q?CCID|CNUM|CPB[FR]|QICSGP|CGAUTH|CWSAP(?:_CUR|_DEF)?)\b.*",
    re.IGNORECASE | re.DOTALL,
)
"""Commands whose answer says who somebody is, or with which password."""
_PRIVATE = re.compile(rb'(?<=")[^",\r\n]+(?=")|\d{7,}')
"""All that stands in quotes in such an answer, and every number long enough to be a subscriber's, a
module's or a card's."""
_NAME = re.compile(rb"AT\+(?P<name>[A-Z]+)(?:_CUR|_DEF)?=(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


def check(line: bytes) -> bytes:
    """The command as it may be sent. Raises UsageProblem; nothing was written then."""
    line = line.strip(b" ")
    for byte in line:
        if byte < 0x20 or byte == 0x7F:
            raise UsageProblem(
                f"the command contains the control character 0x{byte:02X}, which would end or "
                "extend it"
            )
    if line[:2].upper() != b"AT":
        raise UsageProblem(f"{printable(line)!r} is no command: it must begin with AT")
    if _DATA.fullmatch(line):
        raise UsageProblem(
            f"{printable(line)}: commands that ask for data (a > prompt, a data mode) are not "
            "offered here; use `atdriver nc`"
        )
    return line


def build(line: bytes, dialect: Dialect, timeout: float) -> Command:
    """A record that takes every line up to the result for its answer, known notices too."""
    strangers = b"|".join((re.escape(line), dialect.busy.pattern, dialect.banner.pattern))
    return Command(
        line,
        timeout,
        info=re.compile(rb"(?!(?:%s)\Z).+" % strangers, re.DOTALL),
        bare=True,
        ok=(*GOOD, *BAD),
        secrets=secrets(line),
        private=_PRIVATE if _TELLS.fullmatch(line) else None,
    )


def secrets(line: bytes) -> tuple[tuple[int, int], ...]:
    """The parts of a command that no trace may show: from the first parameter that may be one to
    the end, as a person may have got the quotes wrong."""
    match = _NAME.fullmatch(line)
    first = _SECRET_FROM.get(match["name"].upper()) if match else None
    if match is None or first is None:
        return ()
    parts = fields(match["rest"])
    if len(parts) <= first or parts == [b"?"]:
        return ()
    start = match.start("rest")
    for part in parts[:first]:
        start = line.index(part, start) + len(part)
        start = line.index(b",", start) + 1
    return ((start, len(line)),)
