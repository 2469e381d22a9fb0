"""Every command the driver sends to an SKSTACK-IP stick; limits in seconds.

Source: SKSTACK-IP Command Reference Manual, chapter 3, by command.
"""

from __future__ import annotations

import re

from atdriver.exchange import Command, with_secret
from modems.commands import BASIC, SLOWEST_LINE, query, simple

SEND = 10.0
VERSION = query("SKVER", rb"EVER .*")
INFO = query("SKINFO", rb"EINFO .*")
ADDRESSES = query("SKTABLE 1", rb"EADDR|[0-9A-F:]{39}")
NEIGHBOURS = query("SKTABLE 2", rb"ENEIGHBOR|[0-9A-F:]{39} [0-9A-F]{16} .*")
FORMAT = Command(b"ROPT", BASIC, ok=(b"OK 00", b"OK 01"))
"""How received data is printed. Only asked: WOPT would write to flash."""


def password(text: str) -> Command:
    """The route-B password, 1 to 32 characters."""
    return Command(**with_secret(b"SKSETPWD %X " % len(text), text.encode("ascii")), timeout=BASIC)


def identity(text: str) -> Command:
    """The route-B ID, 32 characters."""
    return Command(**with_secret(b"SKSETRBID ", text.encode("ascii")), timeout=BASIC)


def scan(duration: int) -> Command:
    """Look for coordinators; what is found comes as notices."""
    return simple(f"SKSCAN 2 FFFFFFFF {duration}")


def join(address: str) -> Command:
    """Begin PANA; its outcome comes as an event."""
    return simple(f"SKJOIN {address}")


def udp_port(handle: int, port: int) -> Command:
    """Give a datagram handle a port; 0: none."""
    return simple(f"SKUDPPORT {handle} {port:04X}")


def udp_send(handle: int, host: str, port: int, payload: bytes, *, secured: bool) -> Command:
    """A datagram: its bytes follow the line at once."""
    head = f"SKSENDTO {handle} {host} {port:04X} {int(secured)} {len(payload):04X} "
    return Command(
        head.encode("ascii"),
        SEND + len(payload) / SLOWEST_LINE,
        info=re.compile(rb"EVENT 21 [0-9A-F:]{39} (?:[0-9A-F] )?0?[0-2]"),
        payload=payload,
        inline=True,
    )


def tcp_send(handle: int, payload: bytes) -> Command:
    """A piece of a stream; `ETCP 5` tells later that the next may follow."""
    return Command(
        f"SKSEND {handle} {len(payload):04X} ".encode("ascii"),
        SEND + len(payload) / SLOWEST_LINE,
        payload=payload,
        inline=True,
    )


def tcp_connect(host: str, port: int, local: int) -> Command:
    """Begin to connect; `ETCP` tells the outcome."""
    return simple(f"SKCONNECT {host} {port:04X} {local:04X}")
