"""A command line as a person typed it: is it safe to send, and how does its answer end?"""

from __future__ import annotations

import re

from atdriver.cli.failure import UsageProblem
from atdriver.dialect import Dialect
from atdriver.exchange import Command
from atdriver.syntax import fields, unquote
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
    )


def secrets(line: bytes) -> tuple[bytes, ...]:
    """The parts of a command that no trace may show."""
    match = _NAME.fullmatch(line)
    if match is None:
        return ()
    name = match["name"].upper()
    first = _SECRET_FROM.get(name)
    if first is None:
        return ()
    return tuple(
        unquote(field)
        for field in fields(match["rest"])[first:]
        if len(field) > 1 and (field.startswith(b'"') or name == b"CPIN")
    )
