"""Every command the driver sends, as records: answer grammar and the module's own time limits.

Sections refer to the ESP-AT User Guide ("AT Command Set"); limits in seconds.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from atdriver.exchange import ERROR, Command, with_secret
from atdriver.tokens import Head
from modems.commands import BASIC, SLOWEST_LINE, query, simple

JOIN = 25.0
"""AT+CWJAP gives up after 15 s by default (Wi-Fi AT Commands, jap_timeout)."""
SCAN = 20.0
"""13 channels at 120 to 360 ms (AT+CWLAP)."""
CONNECT = 30.0
"""AT+CIPSTART: 3 to 18 s were seen for an unreachable host, plus resolving."""
HANDSHAKE = 30.0
"""On top of CONNECT for TLS: 10 s for each record that is waited for (AT+CIPSTART)."""
RESOLVE = 20.0
"""AT+CIPDOMAIN: 13 s were seen for a name that does not exist."""
CLOSE = 8.0
SEND = 30.0
"""AT+CIPSEND, result after the last byte: a peer that does not read holds it up, and on NonOS it
waits for the acknowledgement of every byte. The port is blocked meanwhile, so not for ever."""
PROMPT = 5.0
READ = 5.0


VERSION = Command(b"AT+GMR", BASIC, bare=True)


def join(suffix: str, ssid: bytes, password: bytes) -> Command:
    """Join an access point; ssid and password already encoded (quoted)."""
    line = with_secret(b"AT+CWJAP" + suffix.encode() + b"=" + ssid + b",", password)
    return Command(**line, timeout=JOIN, error=(ERROR, b"FAIL"))


def scan() -> Command:
    """List access points."""
    return query("AT+CWLAP", rb"\+CWLAP:\(.*\)", SCAN, foreign=True)


def _opened(link: int) -> bytes:
    """The line of a link that the driver opens; one that the module accepted has a 1 behind the
    type (AT+SYSMSG, +LINK_CONN)."""
    return rb'%d,CONNECT|\+LINK_CONN:0,%d,"[A-Za-z0-9]{2,6}",0,.*' % (link, link)


def start_tcp(link: int, host: str, port: int, keepalive: int, *, tls: bool = False) -> Command:
    """Open a TCP or TLS link to a literal address."""
    kind = ("SSL" if tls else "TCP") + ("v6" if ":" in host else "")
    tail = f",{keepalive}" if keepalive else ""
    return query(
        f'AT+CIPSTART={link},"{kind}","{host}",{port}{tail}',
        _opened(link),
        CONNECT + (HANDSHAKE if tls else 0.0),
    )


def start_udp(link: int, local_port: int, peer: tuple[str, int] | None) -> Command:
    """Open a UDP link that hears everybody; mode 0: the remote given here is only the default."""
    host, port = peer or ("0.0.0.0", local_port)
    kind = "UDPv6" if ":" in host else "UDP"
    return query(
        f'AT+CIPSTART={link},"{kind}","{host}",{port},{local_port},0',
        _opened(link),
        CONNECT,
    )


@cache
def _closed(link: int) -> re.Pattern[bytes]:
    """The end of a link."""
    return re.compile(rb"%d,CLOSED" % link)


def send(link: int, payload: bytes, remote: tuple[str, int] | None, patience: float) -> Command:
    """Send one block. `Recv n bytes` must confirm exactly this block before SEND OK counts."""
    target = f',"{remote[0]}",{remote[1]}' if remote else ""
    return Command(
        f"AT+CIPSEND={link},{len(payload)}{target}".encode("ascii"),
        patience + len(payload) / SLOWEST_LINE,
        before_prompt=(b"OK",),
        payload=payload,
        prompt_timeout=PROMPT,
        confirm=b"Recv %d bytes" % len(payload),
        ok=(b"SEND OK",),
        error=(ERROR, b"SEND FAIL", b"SEND Canceled", b"SEND CANCELLED"),
        stray=(b"SEND OK", 0.3),  # AT 1.5: SEND FAIL, then SEND OK for the same block
        cut=_closed(link),
    )


@lru_cache(maxsize=64)  # a download asks the same again and again
def read(link: int, size: int, head: Head) -> Command:
    """Fetch what a link holds; ERROR when it holds nothing."""
    return Command(
        f"AT+CIPRECVDATA={link},{size}".encode("ascii"),
        READ + size / SLOWEST_LINE,
        block=head,
        block_max=size,
        block_lead=b"\r\n",
    )


def waiting() -> Command:
    """How much each link holds."""
    return query("AT+CIPRECVLEN?", rb"\+CIPRECVLEN:[-\d,]{1,60}")


def close(link: int) -> Command:
    """Close a link; CLOSED comes before OK."""
    return query(f"AT+CIPCLOSE={link}", rb"%d,CLOSED" % link, CLOSE)


def line_rate(rate: int, *, rtscts: bool) -> Command:
    """OK comes at the old rate; a restart ends it (AT+UART_CUR: not stored in flash)."""
    return simple(f"AT+UART_CUR={rate},8,1,0,{3 if rtscts else 0}")


def links() -> Command:
    """Rows of open links; the number behind STATUS: is wrong in many versions and not used."""
    return query("AT+CIPSTATUS", rb"\+CIPSTATUS:[0-4],.*|STATUS:\d")


def resolve(name: bytes, network: int = 0) -> Command:
    """Resolve an (encoded) name; network 3: to IPv6 only (since v2.2), 0: not said."""
    tail = b",%d" % network if network else b""
    info = re.compile(rb'\+CIPDOMAIN:"?[0-9A-Fa-f:.]{2,45}"?')
    return Command(b"AT+CIPDOMAIN=" + name + tail, RESOLVE, info=info)


def ping(host: bytes) -> Command:
    """One echo request: `+PING:<ms>`, on NonOS `+<ms>`."""
    return Command(b"AT+PING=" + host, RESOLVE, info=re.compile(rb"\+(?:PING:)?\d{1,6}"))
