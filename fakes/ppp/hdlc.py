"""HDLC-like framing of PPP (RFC 1662): flags, byte stuffing, the 16-bit frame check sequence."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

__all__ = ["ALL_CONTROLS", "Deframer", "checksum", "frame"]

FLAG: Final = 0x7E
ESCAPE: Final = 0x7D
ALL_CONTROLS: Final = 0xFFFFFFFF
"""The async control character map before LCP has agreed on one (RFC 1662 section 7.1)."""

_ADDRESS_CONTROL: Final = b"\xff\x03"
_LONGEST: Final = 8192  # bytes between two flags before all of it is noise
_MIRROR: Final = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))
_ESCAPED: Final = re.compile(rb"\x7d(.)", re.DOTALL)
_PLAIN: Final = {bytes([n]): bytes([n ^ 0x20]) for n in range(256)}
_STUFFED: Final = {bytes([n]): bytes([ESCAPE, n ^ 0x20]) for n in range(256)}


def checksum(data: bytes) -> int:
    """FCS-16 of RFC 1662 appendix C: 0xFFFF start, complemented, least significant bit first.

    The same polynomial as CRC-HQX seen in a mirror: every byte and the result are reversed.
    """
    register = binascii.crc_hqx(data.translate(_MIRROR), 0xFFFF)
    return (_MIRROR[register & 0xFF] << 8 | _MIRROR[register >> 8]) ^ 0xFFFF


@lru_cache(maxsize=16)
def _to_escape(controls: int) -> re.Pattern[bytes]:
    """What must not appear on the line: flag, escape, the mapped control characters."""
    listed = [FLAG, ESCAPE, *(n for n in range(32) if controls >> n & 1)]
    return re.compile(b"[" + b"".join(b"\\x%02x" % n for n in listed) + b"]")


def frame(
    protocol: int,
    payload: bytes,
    *,
    controls: int = ALL_CONTROLS,
    short_protocol: bool = False,
    short_header: bool = False,
) -> bytes:
    """One frame with both flags.

    Args:
        protocol: number of the protocol (RFC 1661 section 2).
        payload: information field.
        controls: map of the control characters to escape, bit n for character n.
        short_protocol: one byte where that is allowed (Protocol-Field-Compression).
        short_header: without address and control field (not for LCP, RFC 1661 section 6.6).
    """
    width = 1 if short_protocol and protocol < 0x100 else 2
    body = (b"" if short_header else _ADDRESS_CONTROL) + protocol.to_bytes(width, "big") + payload
    body += checksum(body).to_bytes(2, "little")
    stuffed = _to_escape(controls).sub(lambda found: _STUFFED[found[0]], body)
    return b"~" + stuffed + b"~"


class Deframer:
    """Frames out of a stream of bytes.

    Attributes:
        controls: unescaped control characters of this map were put in under way: removed.
        bad: frames thrown away: wrong check sequence, too short, aborted, too long.
    """

    def __init__(self) -> None:
        self.controls = ALL_CONTROLS
        self.bad = 0
        self._rest = bytearray()
        self._drop = False  # inside something too long

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The complete frames now: (protocol, information field)."""
        self._rest += data
        *pieces, last = bytes(self._rest).split(b"~")
        self._rest = bytearray(last)
        for piece in pieces:
            noise, self._drop = self._drop, False
            if piece:
                found = None if noise or len(piece) > _LONGEST else self._open(piece)
                if found is None:
                    self.bad += 1
                else:
                    yield found
        if len(self._rest) > _LONGEST:
            self._rest.clear()
            self._drop = True

    def _open(self, piece: bytes) -> tuple[int, bytes] | None:
        if self.controls:
            piece = piece.translate(None, _controls(self.controls))
        if piece.endswith(b"\x7d"):
            return None  # the sender gave it up (RFC 1662 section 4.3)
        body = _ESCAPED.sub(lambda found: _PLAIN[found[1]], piece)
        if len(body) < 4 or checksum(body[:-2]) != int.from_bytes(body[-2:], "little"):
            return None
        start = 2 if body.startswith(_ADDRESS_CONTROL) else 0
        width = 1 if body[start] & 1 else 2
        if len(body) - 2 < start + width:
            return None
        protocol = int.from_bytes(body[start : start + width], "big")
        return protocol, body[start + width : -2]


@lru_cache(maxsize=16)
def _controls(mask: int) -> bytes:
    return bytes(n for n in range(32) if mask >> n & 1)
