"""Every command the driver sends to an OpenThread CLI; limits in seconds."""

from __future__ import annotations

import re

from atdriver.errors import EncodeError
from atdriver.exchange import Command, with_secret
from modems.commands import BASIC

DONE = b"Done"
RESOLVE = 25.0
"""Three questions, 6 s each (README_DNS.md), and a moment."""
PING = 10.0
SEND = 10.0
ADDRESS = rb"[0-9a-fA-F:]{2,39}"
SYNTHESIZED = rb".*synthesized IPv6 address: (?P<address>[0-9a-fA-F:]{2,39}) *"


def line(text: str, timeout: float = BASIC, info: bytes | None = None) -> Command:
    """One line; `info` matches the lines of its answer."""
    pattern = None if info is None else re.compile(info)
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError:
        raise EncodeError(f"no command of this driver: {text[:40]!a}") from None
    return Command(raw, timeout, info=pattern, ok=(DONE,), error=())


VERSION = Command(b"version", BASIC, bare=True, ok=(DONE,), error=())
STATE = line("state", info=rb"disabled|detached|child|router|leader")
ADDRESSES = line("ipaddr", info=ADDRESS)
MESH_ADDRESS = line("ipaddr mleid", info=ADDRESS)
DATASET = Command(
    b"dataset active -x", BASIC, info=re.compile(rb"[0-9a-fA-F]{4,508}"), ok=(DONE,), error=(),
    private=re.compile(rb"[0-9a-fA-F]{32,}"),
)  # fmt: skip


def set_dataset(dataset: str) -> Command:
    """Make this dataset the active one; it holds the network key."""
    secret = with_secret(b"dataset set active ", dataset.encode("ascii"))
    return Command(**secret, timeout=BASIC, ok=(DONE,), error=())


def udp_send(host: str, port: int, payload: bytes, *, text: bool) -> Command:
    """A datagram in hexadecimal, or as the text that it is."""
    shown = b"-t " + payload if text else b"-x " + payload.hex().encode("ascii")
    head = f"udp send {host} {port} ".encode("ascii")
    return Command(head + shown, SEND, info=re.compile(SYNTHESIZED), ok=(DONE,), error=())


def tcp_send(payload: bytes, *, text: bool) -> Command:
    """A piece of the stream in hexadecimal, or as the text that it is."""
    shown = payload if text else b"-x " + payload.hex().encode("ascii")
    return Command(b"tcp send " + shown, SEND, ok=(DONE,), error=())


def tcp_connect(host: str, port: int) -> Command:
    """Begin to connect; the outcome comes as a notice."""
    return line(f"tcp connect {host} {port}", SEND, SYNTHESIZED)


def resolve(name: str) -> Command:
    """`DNS response for <name> - <addr> TTL:<n> `; a failure repeats the head. Raises EncodeError
    for what would not be one word of the line, as it stands (a backslash keeps what follows)."""
    if not re.fullmatch(r"[!-\[\]-~]+", name):
        raise EncodeError(f"no name that the node can be asked for: {name[:40]!a}")
    return line(f"dns resolve {name}", RESOLVE, rb"DNS response for .*")


def ping(host: str) -> Command:
    """One echo request; Done comes even when nothing came back."""
    return line(
        f"ping {host}", PING, rb"\d+ bytes from .*|\d+ packets transmitted.*|" + SYNTHESIZED
    )
