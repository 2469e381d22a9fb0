"""One command and its answer, as records.

A `Command` says everything the engine needs to know to carry it out: what its answer looks like,
how long the module may take (the module's own documented limit, not the caller's patience), which
payload follows a prompt, which parts are secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from atdriver.tokens import Data, Head

OK = b"OK"
HIDDEN = b"***"
ERROR = b"ERROR"


@dataclass(slots=True, eq=False, repr=False)  # frozen, it takes five times as long to make
class Command:
    """One command line and the grammar of its answer; nobody changes it. Times are seconds, lengths
    bytes."""

    text: bytes
    """The line without its terminator."""
    timeout: float
    """Limit for the final result, counted from writing the line."""
    info: re.Pattern[bytes] | None = None
    """Full-match pattern of the lines that belong to the answer; decides between an answer and an
    unsolicited line of the same prefix by the form of its fields."""
    bare: bool = False
    """Whether lines without any known prefix belong to the answer (ATI, AT+GMR)."""
    ok: tuple[bytes, ...] = (OK,)
    """Lines that end it well."""
    error: tuple[bytes, ...] = (ERROR,)
    """Lines that end it badly, beside `+CME ERROR: …` and the like (see Dialect)."""
    payload: bytes | None = None
    """Bytes to send when the module prompts for them."""
    inline: bool = False
    """The payload follows the line at once, in place of the terminator: nothing prompts for it."""
    before_prompt: tuple[bytes, ...] = ()
    """Lines that may precede the prompt and mean nothing by themselves (Espressif: OK)."""
    may_echo: bool = False
    """The module may repeat the payload behind its prompt: an exact repetition is skipped."""
    prompt_timeout: float = 5.0
    """Limit for the prompt, counted from writing the line."""
    confirm: bytes | None = None
    """A line that must come before `ok` counts, so that a stray result cannot end this send."""
    block: Head | None = None
    """The counted payload that is part of the answer; its form may depend on module settings."""
    block_max: int = 0
    """Most bytes that the block may have: what was asked for."""
    block_lead: bytes = b"\r\n"
    """Exact bytes between the block's payload and the final line: the trailer that proves that
    no byte was lost or added."""
    stray: tuple[bytes, float] | None = None
    """After an error: a line that may still come for this command, and how long (s) to wait."""
    cut: re.Pattern[bytes] | None = None
    """A notice (full match) that makes a result unlikely: wait a moment more, then give up."""
    ends_at_banner: bool = False
    """Whether the module's start banner ends it (reset commands)."""
    foreign: bool = False
    """Whether strangers choose text in its answer (names from the air): a result counts only when
    nothing follows it, and what looks like a notice meanwhile is verified."""
    repeatable: bool = True
    """Whether it may be sent again once it is proven that a busy module did not take it."""
    secrets: tuple[tuple[int, int], ...] = ()
    """Parts of `text` that nobody may be shown: the places of the first byte and behind the last,
    in order."""
    private: re.Pattern[bytes] | None = None
    """What nobody may be shown of the lines of its answer."""

    @property
    def hidden(self) -> tuple[bytes, ...]:
        """The secrets themselves."""
        return tuple(self.text[start:end] for start, end in self.secrets if start < end)

    @property
    def shown(self) -> bytes:
        """The line with every secret replaced by `***`."""
        text = self.text
        for start, end in reversed(self.secrets):
            if start < end:
                text = text[:start] + HIDDEN + text[end:]
        return text

    def __str__(self) -> str:
        """The line as it may be shown to people."""
        return self.shown.decode("utf-8", "backslashreplace")

    def __repr__(self) -> str:
        return f"<Command {self}>"


@dataclass(slots=True, eq=False)
class Reply:
    """The answer of a command that ended well."""

    lines: list[bytes] = field(default_factory=list)
    """Information lines in order, without line ends."""
    reasons: list[bytes] = field(default_factory=list)
    """Lines that explain a result."""
    block: Data | None = None
    """The counted block, verified against its trailer."""
    final: bytes = b""


def with_secret(before: bytes, secret: bytes, after: bytes = b"") -> dict[str, Any]:
    """`text` and `secrets` of a Command one part of which is secret; quotes around it are not.

    >>> str(Command(**with_secret(b"AT+CPIN=", b"1234"), timeout=1.0))
    'AT+CPIN=***'
    """
    quoted = len(secret) >= 2 and secret[:1] == secret[-1:] == b'"'
    start, end = len(before) + quoted, len(before) + len(secret) - quoted
    return {"text": before + secret + after, "secrets": ((start, end),)}


def mask(text: bytes, secrets: Iterable[bytes]) -> bytes:
    """`text` with every one of the secrets replaced by `***`, wherever it stands: for what nobody
    knows the structure of."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, HIDDEN)
    return text
