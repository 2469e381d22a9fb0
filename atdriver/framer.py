"""Bytes to tokens: the only place that decides where a line, a prompt or a payload begins and ends.

Rules of this file:

1. The result does not depend on how the bytes were cut into reads.
2. A payload is counted, never looked into. Its head (`Head`) is data that the dialect gives.
3. A head is recognised only where a line may start; straight behind a payload counts as such,
   because modules print the next notice there without a separator.
4. The prompt is recognised only while it is armed, and only where a line may start. One blank
   behind it belongs to it, whenever it arrives.
5. Nothing raises on input. What cannot be understood becomes `Noise`.
6. Every buffer has a cap.

What usually comes, a plain line or the beginning of a head behind at most two line ends, is found
by one pattern (`_usual`), a shortcut: what it does not match goes step by step, to the same tokens.
"""

from __future__ import annotations

import re

from atdriver.tokens import Data, Head, Line, Noise, Prompt, Token

LINE_CAP = 4096
"""Longest line kept, bytes. The longest known answer is an operator list of about 1 KiB."""
LEAD_CAP = 64
"""Line-end bytes remembered before a token; a longer run keeps only its first bytes."""
HELD_LOW = 256
"""NUL bytes in a row that mean: the line is held low, the module is off."""
SAMPLE = 48
"""Bytes of a nuisance shown in a Noise token."""

_BLANK = re.compile(rb"[\r\n\0]*")
_CR = b"\r\0"
_LINE_END = b"\r\n"
_BLANK_LINE = b"\r\n\r\n"


def _usual(prefixes: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """No, one or two line ends, and a whole plain line (its text), or where a head may begin or the
    prompt stand, which are looked at then."""
    marks = b"|".join([b">", *map(re.escape, prefixes)])
    return re.compile(rb"((?:\r\n){0,2})(?:(?!%b)([^\r\n\0]{1,1024})\r\n|(?=%b))" % (marks, marks))


class Framer:
    """Incremental tokenizer: `push` bytes, then call `next` until it returns None."""

    def __init__(self, heads: tuple[Head, ...] = ()) -> None:
        self._heads: tuple[Head, ...] = ()
        self._initials: frozenset[int] = frozenset()
        self._usual = _usual(())
        self.set_heads(heads)
        self.armed = False
        self._buffer = b""
        self._position = 0
        self._lead = b""
        self._nuls = 0
        self._held_low = False
        self._swallow_blank = False
        self._echo = b""
        self._dropping = False
        self._head: Head | None = None
        self._match: re.Match[bytes] | None = None
        self._needed = 0
        self._payload = bytearray()

    def set_heads(self, heads: tuple[Head, ...]) -> None:
        """Replace the heads; takes effect with the next token."""
        self._heads = heads
        self._initials = frozenset(head.prefix[0] for head in heads)
        self._usual = _usual(tuple(head.prefix for head in heads))

    @property
    def mid_payload(self) -> bool:
        """Whether a counted payload has begun and is not complete."""
        return self._head is not None

    @property
    def mid_text(self) -> bool:
        """Whether a payload has begun that may turn out shorter than announced."""
        return False

    @property
    def ended_early(self) -> bool:
        """Whether such a payload has come as far as a place where it may have ended."""
        return False

    def push(self, data: bytes) -> None:
        """Add bytes as read from the port."""
        if self._head is not None and self._position >= len(self._buffer):
            missing = self._needed - len(self._payload)
            if len(data) < missing:  # the whole read is payload: no detour through the buffer
                self._payload += data
                return
        if self._position < len(self._buffer):
            data = self._buffer[self._position :] + data
        self._buffer = data
        self._position = 0

    def expect_echo(self, payload: bytes) -> None:
        """What was just written may come back, first of all: skip it, if it is exactly that.

        Not for a payload that begins as an answer does, with a line end. b"": nothing any more.
        """
        self._echo = payload if payload[:1] not in (b"\r", b"\n") else b""

    def _skip_echo(self) -> bool:
        """True when there is something behind it, or no echo."""
        if self._swallow_blank:
            self._swallow_blank = False
            self._position += self._buffer[self._position] == 0x20
        start = self._position
        held = self._buffer[start : start + len(self._echo)]
        if not held or (len(held) < len(self._echo) and self._echo.startswith(held)):
            return False
        if held == self._echo:
            self._position = start + len(held)
        self._echo = b""
        return self._position < len(self._buffer)

    def abandon_payload(self) -> tuple[Head, bytes] | None:
        """Give up a payload that does not complete; returns its head and the bytes that came."""
        if self._head is None:
            return None
        head, partial = self._head, bytes(self._payload)
        self._head = None
        self._payload = bytearray()
        return head, partial

    def cut_short(self) -> Data | None:
        """Nothing more comes: the payload that has begun, as far as the module printed it, if that
        is how its text ends."""
        return None

    def abandon_line(self) -> bytes:
        """Give up a line that does not complete; returns the beginning of what came of it."""
        if self._head is not None:
            return b""
        begun = self._buffer[self._position :][:SAMPLE]
        self._buffer = b""
        self._position = 0
        self._lead = b""
        self._dropping = False
        return begun

    def next(self) -> Token | None:
        """The next token, or None when more bytes are needed."""
        buffer, start = self._buffer, self._position
        if start >= len(buffer):
            return None
        if self._head is not None:
            return self._take_payload(self._head)
        if self._echo:
            if not self._skip_echo():
                return None
            start = self._position
        usual = None
        if not (self._lead or self._dropping or (self._swallow_blank and buffer[start] == 0x20)):
            usual = self._usual.match(buffer, start)
        if usual is not None:
            lead, text = usual.groups()
            self._swallow_blank = False
            self._nuls = 0
            if text is not None:
                self._position = usual.end()
                return Line(text, lead)
            self._lead = lead
            self._position = start = usual.end(1)
        else:
            if self._dropping and not self._skip_to_line_end():
                return None
            more = self._skip_blanks()
            if self._held_low:
                self._held_low = False
                return Noise("line held low", b"")
            if not more:
                return None
            buffer, start = self._buffer, self._position
        initial = buffer[start]
        if initial == 0x3E and self.armed:  # ">"
            self.armed = False
            self._lead = b""
            self._swallow_blank = buffer[start + 1 : start + 2] != b" "
            self._position = start + 1 if self._swallow_blank else start + 2
            return Prompt()
        if initial in self._initials:
            for head in self._heads:
                match = head.pattern.match(buffer, start, start + head.max_head)
                if match is not None:
                    needed = int(match["n"], head.base)
                    if needed <= head.max_length:
                        self._position = match.end()
                        self._head = head
                        self._match = match
                        self._needed = needed + len(head.end)
                        return self._take_payload(head)
        return self._take_line()

    def _take_payload(self, head: Head) -> Token | None:
        start = self._position
        if self._payload:  # `push` left in the buffer what completes it
            end = start + self._needed - len(self._payload)
            payload = bytes(self._payload) + self._buffer[start:end]
            self._payload = bytearray()
        else:
            end = start + self._needed
            payload = self._buffer[start:end]
            if end > len(self._buffer):
                self._payload += payload
                self._position = len(self._buffer)
                return None
        self._position = end
        self._head = None
        lead = self._lead
        self._lead = b""
        assert self._match is not None
        return Data(head, self._match, payload, lead)

    def _take_line(self) -> Token | None:
        buffer, start = self._buffer, self._position
        end = buffer.find(b"\n", start)
        length = (len(buffer) if end < 0 else end) - start
        if length > LINE_CAP:
            self._lead = b""
            if end < 0:
                self._dropping = True
                self._position = len(buffer)
            else:
                self._position = end + 1
            return Noise("line too long", buffer[start : start + SAMPLE])
        if end < 0:
            return None
        self._position = end + 1
        lead = self._lead
        self._lead = b""
        return Line(buffer[start:end].rstrip(_CR), lead)

    def _skip_to_line_end(self) -> bool:
        end = self._buffer.find(b"\n", self._position)
        if end < 0:
            self._position = len(self._buffer)
            return False
        self._position = end + 1
        self._dropping = False
        return self._position < len(self._buffer)

    def _skip_blanks(self) -> bool:
        """Skip line ends and NULs; True when there is something to look at."""
        buffer, start = self._buffer, self._position
        if self._swallow_blank:
            self._swallow_blank = False
            if buffer[start] == 0x20:
                self._position = start = start + 1
                if start >= len(buffer):
                    return False
        if buffer[start] > 0x0D:
            self._nuls = 0
            return True
        begun = buffer[start : start + 4]
        if not self._lead and begun[:2] == _LINE_END:  # one or two: the usual leads
            lead = _BLANK_LINE if begun == _BLANK_LINE else _LINE_END
            end = start + len(lead)
            if buffer[end : end + 1] > b"\r":
                self._lead = lead
                self._position = end
                self._nuls = 0
                return True
        match = _BLANK.match(buffer, start)
        self._position = end = match.end() if match is not None else start
        skipped = buffer[start:end]
        if len(self._lead) < LEAD_CAP:
            self._lead = (self._lead + skipped)[:LEAD_CAP]
        before = self._nuls
        self._nuls += skipped.count(0)
        self._held_low = before < HELD_LOW <= self._nuls
        if end >= len(buffer):
            return False
        self._nuls = 0
        return True
