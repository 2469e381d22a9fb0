"""What stands between a counted payload and its result: the bytes that prove the count right.

A byte that was lost from the payload is taken from here, one that was added shows up here; so only
the exact line ends are believed, and notices with theirs between them.
"""

from __future__ import annotations

LINE_END = b"\r\n"


class Trailer:
    """The trailer of one payload. `lead`: the exact bytes between the payload and the result where
    no notice comes between them; `empty`: the payload is, and its own line end may lack."""

    __slots__ = ("_empty", "_frames", "_lead", "_seen")

    def __init__(self, lead: bytes, *, empty: bool) -> None:
        self._lead = lead
        self._empty = empty
        self._seen = b""
        self._frames = 0

    def admits(self, lead: bytes, *, framed: bool) -> bool:
        """Whether a notice with these line ends before it fits; `framed`: it always has one."""
        if self._lead == LINE_END:
            return lead == LINE_END or (not framed and not lead)
        return lead in (LINE_END, LINE_END * 2)  # the sum is judged at the end

    def passed(self, lead: bytes, *, frames: int) -> None:
        """A notice stood here, with `lead` before it and `frames` line ends of its own."""
        self._seen += lead
        self._frames += frames

    def ends(self, lead: bytes) -> bool:
        """Whether a result with these line ends before it ends the trailer exactly."""
        if self._lead == LINE_END:  # notices of such modules may or may not begin with one
            return lead == LINE_END
        wanted = self._lead + LINE_END * self._frames
        seen = self._seen + lead
        return seen == wanted or (self._empty and seen == wanted[2:])
