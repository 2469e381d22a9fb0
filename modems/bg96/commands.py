"""Every command the driver sends, as records: answer grammar and the module's own time limits.

Limits in seconds, from the maximum response times of the BG96 manuals with some margin.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache

from atdriver.exchange import ERROR, Command, with_secret
from modems.bg96.dialect import MAX_READ, READ, READ_TLS, SSL_CONTEXT
from modems.commands import BASIC, SLOWEST_LINE, query, simple

SIM = 10.0
SWITCH = 20.0
"""AT+CFUN: 15 s."""
ACTIVATE = 155.0
"""AT+QIACT: 150 s."""
DEACTIVATE = 45.0
"""AT+QIDEACT: 40 s."""
OPEN_NOTICE = 150.0
"""+QIOPEN after its OK: 150 s."""
SEND = 120.0
"""AT+QISEND: 120 s (TCP/IP Application Note V1.2)."""
READ_LIMIT = 40.0
"""AT+QIRD: the manuals allow 120 s (V1.2) or say nothing (V1.1). It reads the module's own buffer,
and what keeps a module from answering at all, a lost cell, is over in 20 to 30 s; meanwhile nothing
else can be done. An answer that comes later yet ends its stream with an error."""
CLOSE_EXTRA = 15.0
RESOLVE = 60.0
"""AT+QIDNSGIP's notices: 60 s."""


MakeOpen = Callable[[int], Command]
"""The AT+QIOPEN for a connect id."""


IDENTITY = Command(b"ATI", BASIC, bare=True)
SERIAL_NUMBER = Command(b"AT+CGSN", BASIC, bare=True)
"""The IMEI (AT Commands Manual V2.2, 2.7)."""
SIM_STATE = query("AT+CPIN?", rb"\+CPIN: .*", SIM)
# The answer has <n>,<stat>; the notice of the same name has no <n>, and its second field is quoted.
EPS_REGISTRATION = query("AT+CEREG?", rb"\+CEREG: \d,\d(?:,.*)?")
GPRS_REGISTRATION = query("AT+CGREG?", rb"\+CGREG: \d,\d(?:,.*)?")
PIN_COUNTER = query('AT+QPINC="SC"', rb'\+QPINC: ?"SC",.*')
FUNCTIONALITY = query("AT+CFUN?", rb"\+CFUN: ?\d")
SIGNAL_BY_TECHNOLOGY = query("AT+QCSQ", rb"\+QCSQ: .*")
SIGNAL = query("AT+CSQ", rb"\+CSQ: \d{1,3},\d{1,3}")
OPERATOR = query("AT+COPS?", rb"\+COPS: .*", 10.0, foreign=True)  # the network sends its name
NETWORK = query("AT+QNWINFO", rb"\+QNWINFO: .*")
CONTEXTS = query("AT+QIACT?", rb"\+QIACT: .*")
SOCKETS = query("AT+QISTATE?", rb"\+QISTATE: .*")
TLS_SOCKETS = query("AT+QSSLSTATE", rb"\+QSSLSTATE: .*")
LAST_ERROR = query("AT+QIGETERROR", rb"\+QIGETERROR: .*")
NOTICE_PORT = query('AT+QURCCFG="urcport"', rb'\+QURCCFG: "urcport",".*"')
PROFILE = Command(
    b"AT+QICSGP=1",
    BASIC,
    info=re.compile(rb"\+QICSGP: .*"),
    private=re.compile(rb'(?<=",")[^"]+(?=",\d)'),  # the stored password, before <authentication>
)

PROMPT = 60.0
"""Seconds for a prompt. Where the network is bad it comes 20 to 30 s late, and once it was given up
nothing may be written that a late prompt would take for data. The manual allows 120 s for all."""


def line_rate(rate: int) -> Command:
    """From its OK on; a restart ends it, because nothing stores it (AT+IPR, AT manual V2.2)."""
    return simple(f"AT+IPR={rate}")


def pin(code: bytes) -> Command:
    """Enter the SIM's PIN (bare digits)."""
    return Command(**with_secret(b"AT+CPIN=", code), timeout=SIM)


def profile(apn: bytes, user: bytes, password: bytes, authentication: int) -> Command:
    """Set up context 1 for IPv4; strings already encoded."""
    line = with_secret(b"AT+QICSGP=1,1,%b,%b," % (apn, user), password, b",%d" % authentication)
    return Command(**line, timeout=BASIC)


def open_tcp(link: int, host: str, port: int, local_port: int) -> Command:
    """Begin a TCP connection in buffer mode; the result is the notice +QIOPEN."""
    return simple(f'AT+QIOPEN=1,{link},"TCP","{host}",{port},{local_port},0', 10.0)


def open_tls(link: int, host: str, port: int) -> Command:
    """Begin a TLS connection in buffer mode; the result is the notice +QSSLOPEN."""
    return simple(f'AT+QSSLOPEN=1,{SSL_CONTEXT},{link},"{host}",{port},0', 10.0)


def open_listener(link: int, local_port: int) -> Command:
    """Listen on a port; connections that come are in buffer mode as well."""
    return simple(f'AT+QIOPEN=1,{link},"TCP LISTENER","127.0.0.1",0,{local_port},0', 10.0)


def open_udp(link: int, local_port: int) -> Command:
    """A UDP socket that talks to anybody, in buffer mode."""
    return simple(f'AT+QIOPEN=1,{link},"UDP SERVICE","127.0.0.1",0,{local_port},0', 10.0)


def state(link: int, *, tls: bool = False) -> Command:
    """One socket's row; no row when the id is free."""
    if tls:
        return query(f"AT+QSSLSTATE={link}", rb"\+QSSLSTATE: .*")
    return query(f"AT+QISTATE=1,{link}", rb"\+QISTATE: .*")


@cache
def _cut(link: int) -> re.Pattern[bytes]:
    """Notices behind which nothing is sent on this connection."""
    return re.compile(rb'\+Q(?:I|SSL)URC: "(?:closed",%d|pdpdeact",1)' % link)


def send(
    link: int, payload: bytes, remote: tuple[str, int] | None, *, tls: bool = False
) -> Command:
    """Send one block."""
    name = "QSSLSEND" if tls else "QISEND"
    target = f',"{remote[0]}",{remote[1]}' if remote else ""
    return Command(
        f"AT+{name}={link},{len(payload)}{target}".encode("ascii"),
        SEND + len(payload) / SLOWEST_LINE,
        payload=payload,
        prompt_timeout=PROMPT,
        may_echo=True,
        ok=(b"SEND OK",),
        error=(ERROR, b"SEND FAIL"),
        stray=(b"SEND OK", 0.3),
        cut=_cut(link),
    )


def sent(link: int) -> Command:
    """How much was sent, acknowledged and is under way."""
    return query(f"AT+QISEND={link},0", rb"\+QISEND: \d{1,10},\d{1,10},\d{1,10}")


def unread(link: int) -> Command:
    """How much was received, read, and waits."""
    return query(f"AT+QIRD={link},0", rb"\+QIRD: \d{1,10},\d{1,10},\d{1,10}")


@lru_cache(maxsize=64)  # a download asks the same again and again
def read(link: int, most: int, *, datagram: bool, tls: bool = False) -> Command:
    """Fetch what a socket holds, `most` bytes of a stream; a UDP service takes no length and
    returns one whole datagram."""
    tail = "" if datagram else f",{most}"
    return Command(
        f"AT+{'QSSLRECV' if tls else 'QIRD'}={link}{tail}".encode("ascii"),
        READ_LIMIT,
        block=READ_TLS if tls else READ,
        block_max=MAX_READ,
        block_lead=b"\r\n\r\n",
    )


def close(link: int, patience: int, *, tls: bool = False) -> Command:
    """Close a socket, waiting `patience` seconds for the peer; the port is blocked meanwhile."""
    name = "QSSLCLOSE" if tls else "QICLOSE"
    return simple(f"AT+{name}={link},{patience}", patience + CLOSE_EXTRA)


def resolve(name: bytes) -> Command:
    """Begin to resolve an (encoded) name; the answer comes in notices."""
    return Command(b"AT+QIDNSGIP=1," + name, 10.0)


def ping(host: bytes) -> Command:
    """Begin one echo request; the answer comes in notices."""
    return Command(b"AT+QPING=1," + host + b",10,1", 10.0)
