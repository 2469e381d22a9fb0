"""What the framer cuts bytes into: lines, prompts, counted payloads, and what is none of them.

Each token carries its *lead*: the line-end bytes skipped before it. Pull reads check with it that a
counted payload ended exactly where its trailer begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """How a counted payload announces itself.

    `pattern` matches the whole head from `prefix` to its terminator and has a group `n`, the
    payload's length in bytes. It must be decidable: once it matches, more bytes cannot change it.
    """

    name: str
    prefix: bytes
    pattern: re.Pattern[bytes]
    max_length: int
    max_head: int = 96
    base: int = 10
    """Of the digits in `n`."""
    end: bytes = b""
    """What must stand behind the payload; see `atdriver.textframer`, which alone looks at it."""
    text: bool = False
    """The module may print less than it announces: a text that ends at its first NUL."""


@dataclass(slots=True)
class Line:
    """One text line without its line end."""

    text: bytes
    lead: bytes


class Data:
    """One counted payload. `match` is the head as it was read.

    `whole` is False where the module printed less than it announced; `swallowed` then says that
    other output of the module may have been taken for a part of it, and was dropped."""

    __slots__ = ("head", "lead", "match", "payload", "swallowed", "whole")

    def __init__(self, head: Head, match: re.Match[bytes], payload: bytes, lead: bytes) -> None:
        self.head = head
        self.match = match
        self.payload = payload
        self.lead = lead
        self.whole = True
        self.swallowed = False

    @property
    def fields(self) -> dict[str, bytes]:
        """The groups of the head's pattern; b"" for those that did not take part."""
        return self.match.groupdict(b"")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and (
            (self.head, self.fields, self.payload, self.lead)
            == (other.head, other.fields, other.payload, other.lead)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Data({self.head.name}, {self.fields}, {self.payload!r}, lead={self.lead!r})"


class Prompt(NamedTuple):
    """The module asks for the announced payload."""


class Noise(NamedTuple):
    """Bytes that are no token; `reason` is a fixed phrase, `sample` the beginning of them."""

    reason: str
    sample: bytes


Token = Line | Data | Prompt | Noise
