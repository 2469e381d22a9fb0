"""Frames of the 3GPP 27.010 multiplexer, basic option (clause 5.2), and finding them in bytes.

A frame is flag, address, control, length, information, check sequence, flag. The basic option has
no stuffing: a flag may stand in the information, so a frame is believed when its length, its check
sequence and its closing flag agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

FLAG = 0xF9
LONGEST = 1536
"""Bytes of information in one frame that are believed; no module is known to send as many."""
LAST_DLCI = 61
"""62 and 63 would make an address look like a flag (clause 5.6)."""
_POLL = 0x10


class Kind(IntEnum):
    """Frame types (clause 5.2.1.3), without the poll/final bit."""

    SABM = 0x2F
    UA = 0x63
    DM = 0x0F
    DISC = 0x43
    UIH = 0xEF
    UI = 0x03


_KINDS = {kind.value: kind for kind in Kind}


class Frame(NamedTuple):
    """One frame. `command`: the C/R bit; the side that began sets it in commands and data."""

    dlci: int
    kind: Kind
    data: bytes = b""
    command: bool = True
    poll: bool = False

    def encode(self) -> bytes:
        """As it stands on the line. Raises ValueError for a number or a length that cannot."""
        if not 0 <= self.dlci <= LAST_DLCI or len(self.data) > 0x7FFF:
            raise ValueError("a DLCI is 0 to 61, a frame at most 32767 bytes")
        address = self.dlci << 2 | self.command << 1 | 1
        header = bytes((address, self.kind | (_POLL if self.poll else 0))) + _length(len(self.data))
        summed = header + self.data if self.kind is Kind.UI else header
        return b"\xf9%b%b%c\xf9" % (header, self.data, check_sequence(summed))


def _length(count: int) -> bytes:
    return bytes((count << 1 | 1,)) if count < 128 else bytes((count << 1 & 0xFE, count >> 7))


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ 0xE0 if value & 1 else value >> 1
        table.append(value)
    return table


_CRC = _crc_table()


def check_sequence(summed: bytes | bytearray) -> int:
    """The FCS: x^8 + x^2 + x + 1 over address, control and length; in UI over all (5.2.1.6)."""
    value = 0xFF
    for byte in summed:
        value = _CRC[value ^ byte]
    return 0xFF - value


class Deframer:
    """Finds frames in bytes cut anywhere; what is none is skipped and counted (`skipped`)."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.skipped = 0
        self._longest = longest
        self._held = bytearray()

    @property
    def waits(self) -> bool:
        """Whether a frame has begun and not ended."""
        return len(self._held) > 1

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The whole frames, in order. To be read to its end."""
        self._held += data
        return self._find()

    def give_up(self) -> Iterator[Frame]:
        """No more bytes come: what looked like the beginning of a frame was none. The frames that
        were taken for its information."""
        if self.waits:
            self._drop(1)
        return self._find()

    def _find(self) -> Iterator[Frame]:
        held = self._held
        while True:
            start = held.find(FLAG)
            self._drop(len(held) if start < 0 else start)
            while len(held) > 1 and held[1] == FLAG:
                del held[0]
            found = self._frame()
            if found is None:
                return
            frame, end = found
            if frame is None:
                self._drop(1)
            else:
                del held[:end]  # its closing flag may open the next one
                yield frame

    def _drop(self, count: int) -> None:
        self.skipped += count
        del self._held[:count]

    def _frame(self) -> tuple[Frame | None, int] | None:
        """The frame at the flag in front and where it ends; None in its place: there is none; None
        altogether: it cannot be told yet."""
        held = self._held
        if len(held) < 2:
            return None
        nothing = (None, 0)
        if not held[1] & 1:
            return nothing
        if len(held) < 3:
            return None
        kind = _KINDS.get(held[2] & ~_POLL)
        if kind is None:
            return nothing
        if len(held) < 4:
            return None
        count, begin = held[3] >> 1, 4
        if not held[3] & 1:
            if len(held) < 5:
                return None
            count, begin = count | held[4] << 7, 5
        if count > self._longest or (count and kind not in (Kind.UIH, Kind.UI)):
            return nothing
        end = begin + count
        if len(held) < end + 2:
            return None
        summed = held[1 : end if kind is Kind.UI else begin]
        if held[end + 1] != FLAG or held[end] != check_sequence(summed):
            return nothing
        data = bytes(held[begin:end])
        address, control = held[1], held[2]
        return Frame(address >> 2, kind, data, bool(address & 2), bool(control & _POLL)), end + 1
