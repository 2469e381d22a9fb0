r"""HDLC-like framing of PPP (RFC 1662): flags, byte stuffing, frame check sequence.

The check sequence is a CRC with reflected bits; the standard library has the same polynomial
unreflected (`binascii.crc_hqx`), so each byte is mirrored before it is summed. Stuffing is one
regular expression in each direction. Together they are far faster than a loop over the bytes.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Iterator

FLAG = 0x7E
ESCAPE = 0x7D
ALL_CONTROLS = 0xFFFFFFFF
"""The default async control character map: every byte below 32 is escaped (RFC 1662, 7.1)."""
LONGEST = 1600
"""Bytes of a frame's content and check sequence that are kept: an MRU of 1500 and headers."""
_WORDS = 64
"""Of an overlong frame, what is kept: it may end in words of the module that are no frame."""

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_GOOD = 0x1D0F
"""The sum over a content and its own check sequence: 0xF0B8 (RFC 1662, C.2), mirrored."""
_STUFFED = [bytes((ESCAPE, byte ^ 0x20)) for byte in range(256)]
_MANY = 16
"""Characters to escape from which on a table is faster than stopping at each of them."""
_STUFFING = re.compile(rb"\x7d(.)", re.DOTALL)


def check_sequence(content: bytes) -> bytes:
    """The two bytes of the FCS-16 as they follow the content on the line."""
    mirrored = crc_hqx(content.translate(_MIRROR), 0xFFFF)
    return bytes((_MIRROR[mirrored >> 8] ^ 0xFF, _MIRROR[mirrored & 0xFF] ^ 0xFF))


def is_whole(frame: bytes) -> bool:
    """Whether the last two bytes are the check sequence of those before them."""
    return crc_hqx(frame.translate(_MIRROR), 0xFFFF) == _GOOD


def controls(accm: int) -> bytes:
    """The control characters that a 32-bit async control character map names."""
    return bytes(byte for byte in range(32) if accm >> byte & 1)


class Stuffer:
    """Makes frames for a peer that wants the characters of `accm` escaped."""

    def __init__(self, accm: int = ALL_CONTROLS) -> None:
        special = bytes((FLAG, ESCAPE)) + controls(accm)
        self._rare = len(special) < _MANY
        self._special = re.compile(b"[" + re.escape(special) + b"]")
        self._table = [_STUFFED[byte] if byte in special else bytes((byte,)) for byte in range(256)]

    def frame(self, content: bytes) -> bytes:
        """A whole frame, with a flag at both ends."""
        whole = content + check_sequence(content)
        if self._rare:
            return b"~%b~" % self._special.sub(_stuff, whole)
        return b"~%b~" % b"".join(map(self._table.__getitem__, whole))


class Deframer:
    """Finds frames in bytes cut anywhere. Whatever is damaged, too short or too long is dropped and
    counted (`damaged`); what is left of it is never taken for a frame of its own."""

    def __init__(self, longest: int = LONGEST) -> None:
        self.damaged = 0
        self._longest = longest
        self._most = 2 * longest + _WORDS  # stuffed, and with what an old terminal server put in
        self._rest = bytearray()
        self._in_step = False  # before the first flag there is no frame, only the end of one
        self._overlong = False
        self._drop = controls(ALL_CONTROLS)

    def accept(self, accm: int) -> None:
        """From now on unescaped characters of `accm` were put in by the line (RFC 1662, 7.1)."""
        self._drop = controls(accm)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The contents of the frames that end in `data`, in order, without check sequences. To be
        read to its end; what `accept` says between two frames counts from the second on."""
        *ended, rest = data.split(b"~")
        for piece in ended:
            self._keep(piece)
            content = self._end()
            if content is not None:
                yield content
        self._keep(rest)

    @property
    def unfinished(self) -> bytes:
        """What came behind the last flag: a frame under way, or words that are none."""
        return bytes(self._rest)

    def _keep(self, piece: bytes) -> None:
        self._rest += piece
        if self._overlong or len(self._rest) > self._most:
            self._overlong = True
            del self._rest[:-_WORDS]

    def _end(self) -> bytes | None:
        """A flag came: what was collected is a frame, or nothing."""
        stuffed = bytes(self._rest)
        overlong, in_step = self._overlong, self._in_step
        self._rest.clear()
        self._overlong, self._in_step = False, True
        if not stuffed or not in_step:
            return None
        if self._drop:
            stuffed = stuffed.translate(None, self._drop)
        if stuffed.endswith(b"}"):  # the sender has given this frame up (RFC 1662, 4.3)
            return None
        frame = _STUFFING.sub(_unstuff, stuffed) if b"}" in stuffed else stuffed
        if overlong or not 4 <= len(frame) <= self._longest or not is_whole(frame):
            self.damaged += 1
            return None
        return frame[:-2]


def _stuff(found: re.Match[bytes]) -> bytes:
    return _STUFFED[found[0][0]]


_UNSTUFFED = [bytes((byte ^ 0x20,)) for byte in range(256)]


def _unstuff(found: re.Match[bytes]) -> bytes:
    return _UNSTUFFED[found[1][0]]
