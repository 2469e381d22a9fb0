"""WireTap: what went over a fake's line, to be shown when a test fails."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

__all__ = ["WireTap"]

_SAME = 0.005  # seconds; what follows so soon in the same direction is one piece
_PIECES = 2000  # kept; older ones are dropped, and counted
_SHOWN = 120  # bytes of a piece that are shown


@dataclass(slots=True)
class _Piece:
    at: float
    last: float
    from_host: bool
    data: bytearray


class WireTap:
    """Records both directions, merged into pieces with the time of their first byte.

    Attributes:
        dropped: pieces that are not kept any more.
    """

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._pieces: deque[_Piece] = deque()
        self.dropped = 0

    def record(self, data: bytes, *, from_host: bool) -> None:
        """Bytes that pass now."""
        now = time.monotonic()
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.from_host == from_host and now - last.last < _SAME:
            last.data += data
            last.last = now
            return
        if len(self._pieces) >= _PIECES:
            self._pieces.popleft()
            self.dropped += 1
        self._pieces.append(_Piece(now, now, from_host, bytearray(data)))

    def text(self, most: int = 200) -> str:
        """The last `most` pieces, a line each: seconds, direction (> from the host), bytes."""
        pieces = list(self._pieces)
        left_out = self.dropped + max(0, len(pieces) - most)
        lines = [f"({left_out} earlier pieces are left out)"] if left_out else []
        for piece in pieces[-most:]:
            data = bytes(piece.data[:_SHOWN])
            more = f" … {len(piece.data)} bytes" if len(piece.data) > _SHOWN else ""
            arrow = ">" if piece.from_host else "<"
            lines.append(f"{piece.at - self._begun:9.3f} {arrow} {data!r}{more}")
        return "\n".join(lines)
