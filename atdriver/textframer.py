"""Tokens of a command line made for people: prompts anywhere, texts that end at their first NUL.

Such a module prints a payload as text behind its length. The length is right, but the text stops at
the first NUL byte, so it may be shorter; then what follows is other output of the module. Whether a
text is whole shows only by the line end behind it (`Head.end`), and where it is not:

1. One line end in what was counted: there the text ended. What stands behind it is read again.
2. Several: nobody can tell which of them ended the text. All of it is dropped (`Data.swallowed`),
   because a peer that may choose the text could write results and notices into it.
3. None: bytes were lost or added on the line; the rest of the line is dropped.

A payload that is no `Head.text` is as long as announced: there all that does not end where it
should is damage (2).
"""

from __future__ import annotations

import re

from atdriver.framer import Framer
from atdriver.tokens import Data, Head, Line, Token

SHORT = 32
"""Longest line that may end with a CR alone, bytes."""
_NOTHING = re.compile(rb"(?!)")


class TextFramer(Framer):
    """As Framer; the prompt (may be empty) is skipped where a line may start, or, while `armed`,
    told. `short` are lines that may end with a CR alone."""

    def __init__(
        self,
        heads: tuple[Head, ...] = (),
        prompt: bytes = b"",
        short: re.Pattern[bytes] = _NOTHING,
    ) -> None:
        super().__init__(heads)
        self._shell_prompt = prompt
        self._short = short

    def set_heads(self, heads: tuple[Head, ...]) -> None:
        """See Framer; prompts and short lines stand where usual ones do not."""
        super().set_heads(heads)
        self._usual = _NOTHING

    @property
    def mid_text(self) -> bool:
        """See Framer."""
        return self._head is not None and self._head.text

    @property
    def ended_early(self) -> bool:
        """See Framer."""
        return self._head is not None and self._head.text and self._head.end in self._payload

    def _skip_blanks(self) -> bool:
        prompt = self._shell_prompt
        while super()._skip_blanks():
            if not prompt:
                return True
            held = self._buffer[self._position : self._position + len(prompt)]
            if held != prompt:
                return not prompt.startswith(held)  # its rest may come
            if self.armed:
                return True
            self._position += len(prompt)
            if self._position >= len(self._buffer):
                break
        return False

    def _take_line(self) -> Token | None:
        end = self._buffer.find(b"\r", self._position, self._position + SHORT)
        if end < 0 or not self._short.fullmatch(self._buffer, self._position, end):
            return super()._take_line()
        text, lead = self._buffer[self._position : end], self._lead
        self._position = end + 1
        self._lead = b""
        return Line(text, lead)

    def _take_payload(self, head: Head) -> Token | None:
        token = super()._take_payload(head)
        return self._judged(token) if isinstance(token, Data) and head.end else token

    def cut_short(self) -> Data | None:
        """See Framer."""
        head = self._head
        if head is None or not self.ended_early:
            return None
        assert self._match is not None
        found = Data(head, self._match, bytes(self._payload), self._lead)
        self._head = None
        self._payload = bytearray()
        return self._judged(found)

    def _judged(self, found: Data) -> Data:
        """`found.payload` still has what stands behind it."""
        end, counted = found.head.end, found.payload
        announced = int(found.match["n"], found.head.base)
        if len(counted) == announced + len(end) and counted.endswith(end):
            found.payload = counted[:announced]
            self._lead = end
            return found
        text, _, rest = counted.partition(end)
        found.payload, found.whole = text, False
        if end in rest or not found.head.text:
            found.swallowed = True
            self._dropping = rest.rpartition(b"\n")[2] not in (b"", self._shell_prompt)
        elif len(text) == len(counted):
            self._dropping = True
        else:
            self._buffer = rest + self._buffer[self._position :]
            self._position = 0
            self._lead = end
        return found
