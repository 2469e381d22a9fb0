"""The wire trace: every byte in both directions with its time, secrets masked, as JSON lines.

What is masked is known by its place: commands say which of their parts are secret. Such a command
is masked wherever the whole line stands, so its echo as well; its secrets alone, and what it calls
private in its answer, until the next command begins. Payload that happens to hold the four digits
of a PIN is payload.

One record a line: {"t": seconds since the start, "dir": ">" (to the module) | "<" | "!" (note),
"data": text with \\xNN for bytes that are no printable ASCII}.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO

from atdriver.exchange import HIDDEN, Command

_UNPRINTABLE = re.compile(rb"[^\x20-\x5b\x5d-\x7e]")


def printable(data: bytes) -> str:
    """Bytes as ASCII text; everything else, and the backslash, as \\r, \\n or \\xNN."""
    return _UNPRINTABLE.sub(_escape, data).decode("ascii")


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0]
    if byte in (b"\r", b"\n"):
        return b"\\r" if byte == b"\r" else b"\\n"
    return b"\\x%02x" % byte[0]


_ESCAPED = re.compile(r"\\(?:r|n|x([0-9a-f]{2}))")


def from_printable(text: str) -> bytes:
    """What `printable` made the text of. Raises ValueError for text that it cannot have made."""
    plain = _ESCAPED.sub("", text)
    if "\\" in plain or not plain.isascii():
        raise ValueError(f"no text of a trace: {text[:40]!r}")
    return _ESCAPED.sub(_unescape, text).encode("latin-1")


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return "\r" if match[0] == "\\r" else "\n"


def trace_to(path: str) -> Callable[[], Trace]:
    """A maker of traces into one file: the first empties it, a reopened channel goes on in it.

    The maker raises OSError naming the file when it cannot be written.
    """
    modes = iter("w")

    def make() -> Trace:
        return Trace(open(path, next(modes, "a"), encoding="ascii"))

    return make


class StreamMasker:
    """Replaces secrets in a byte stream, also where a read cuts one in two."""

    def __init__(self) -> None:
        self._always: dict[bytes, bytes] = {}
        self._now: tuple[bytes, ...] = ()
        self._private: re.Pattern[bytes] | None = None
        self._kept = b""

    def add(self, secret: bytes, shown: bytes = HIDDEN) -> None:
        """From now on, show the second instead of the first."""
        if secret:
            self._always[secret] = shown

    def for_now(self, secrets: tuple[bytes, ...], private: re.Pattern[bytes] | None) -> bytes:
        """Until the next call, hide these, and what `private` finds in a line. Returns what was
        held back for the last call's sake, and may be shown now."""
        rest = b""
        if self._private is not None and self._private is not private:
            rest, self._kept = self._private.sub(HIDDEN, self._kept), b""
        self._now, self._private = secrets, private
        return rest

    def feed(self, data: bytes) -> bytes:
        """The part of the stream that may be shown; a beginning of a secret is held back."""
        text = self._kept + data
        secrets = [*self._always.items(), *((each, HIDDEN) for each in self._now)]
        for secret, shown in sorted(secrets, key=lambda pair: len(pair[0]), reverse=True):
            text = text.replace(secret, shown)
        held = max((_overlap(text, secret) for secret, _ in secrets), default=0)
        if self._private is not None:
            held = max(held, len(text) - text.rfind(b"\n") - 1)  # the line that has not ended
        shown, self._kept = text[: len(text) - held], text[len(text) - held :]
        return shown if self._private is None else self._private.sub(HIDDEN, shown)

    def flush(self) -> bytes:
        """What was held back; the stream has ended."""
        kept, self._kept = self._kept, b""
        return kept and HIDDEN


def _overlap(text: bytes, secret: bytes) -> int:
    """Length of the longest end of `text` that begins `secret`, shorter than it."""
    for length in range(min(len(secret) - 1, len(text)), 0, -1):
        if text.endswith(secret[:length]):
            return length
    return 0


class Trace:
    """Writes records to a text file; a context manager."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._start = time.monotonic()
        self._lines: dict[bytes, bytes] = {}  # commands with secrets, and how they are shown
        self._heard = StreamMasker()

    def begin(self, command: Command) -> None:
        """This command is about to be written: hide what is secret in it and in its answer."""
        if command.secrets:
            self._lines[command.text] = command.shown
            self._heard.add(command.text, command.shown)
        rest = self._heard.for_now(command.hidden, command.private)
        if rest:
            self._write("<", printable(rest))

    def record(self, direction: str, data: bytes) -> None:
        """Bytes that passed: direction ">" to the module, "<" from it."""
        shown = data
        if direction == "<":
            shown = self._heard.feed(data)
        else:  # a command's line stands whole in one write
            for line, masked in self._lines.items():
                shown = shown.replace(line, masked)
        if shown:
            self._write(direction, printable(shown))

    def note(self, text: str) -> None:
        """Something that happened beside the bytes."""
        self._write("!", text)

    def _write(self, direction: str, text: str) -> None:
        stamp = round(time.monotonic() - self._start, 6)
        self._out.write(json.dumps({"t": stamp, "dir": direction, "data": text}) + "\n")

    def flush(self) -> None:
        """Put all records so far into the file, for who reads it meanwhile. Raises OSError."""
        self._out.flush()

    def close(self) -> None:
        """Write what is held back and close the file."""
        try:
            rest = self._heard.flush()
            if rest:
                self._write("<", printable(rest))
        finally:
            self._out.close()

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
