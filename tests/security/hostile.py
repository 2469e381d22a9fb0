"""Strings that somebody might try: pieces that mean something to a line protocol, put together."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator

TOKENS = (
    '"', '""', ",", '","', "\\", '\\"', "\\,", "\\\\", "\r", "\n", "\r\n", "\0", "\x1a", "\x1b", "\x7f",
    "\x11", "\x13", "\b", "\t", "\x85", "\u2028", "\udc80", "\udcff", "\udc0a", "\ud800", "+++", ";",
    "AT+RST", "\rAT+RST\r", '"\r\nAT+QPOWD=1\r\n', "\r\nOK\r\n", "0,CLOSED", "> ", "=", "?", "%", "$", "'",
    "`", "{", "|", "/", "..", ".", ":", "-", "_", " ", "a", "lab", "Z9", "0", "1", "255", "\u0661\u0662",
    "\uff11", "\u00e4", "\u4e2d", "\U0001f600", "%eth0", "::1", "127.0.0.1", "1e9", "-1", "0x1F", "A" * 30,
    "b" * 64, "c" * 300,
)  # fmt: skip


@functools.cache
def strings(count: int, seed: int) -> tuple[str, ...]:
    """`count` of them, the same for the same seed."""
    return tuple(_strings(count, seed))


def _strings(count: int, seed: int) -> Iterator[str]:
    source = random.Random(seed)
    yield from ("", *TOKENS)
    for _ in range(count - len(TOKENS) - 1):
        how = source.random()
        if how < 0.6:
            yield "".join(source.choices(TOKENS, k=source.randrange(1, 7)))
        elif how < 0.8:  # of ordinary length, one character of it hostile
            text = ["abcdefgh0123"[source.randrange(12)] for _ in range(source.randrange(1, 40))]
            text[source.randrange(len(text))] = source.choice(TOKENS)
            yield "".join(text)
        else:
            yield "".join(map(chr, source.choices(range(0x250), k=source.randrange(1, 24))))
