"""IP packets as bytes and back: IPv4 (RFC 791), IPv6 (RFC 8200), fragments, checksums."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["ICMP", "ICMPV6", "TCP", "UDP", "Datagram", "Reassembly", "build", "checksum", "sealed"]

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58

_V4: Final = struct.Struct(">BBHHHBBH4s4s")
_V6: Final = struct.Struct(">IHBB16s16s")
_MORE: Final = 0x2000
_FRAGMENT_HEADER: Final = 44
_SKIPPED: Final = {0, 43, 60}  # hop-by-hop options, routing, destination options
_HOPS: Final = 64
_OPEN: Final = 16  # datagrams that are being put together
_LARGEST: Final = 65535


@dataclass(frozen=True, slots=True)
class Datagram:
    """One whole packet; addresses are 4 or 16 bytes."""

    source: bytes
    target: bytes
    protocol: int
    payload: bytes
    hops: int = _HOPS


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): as a number, one's complement sums are modulo 65535."""
    if len(data) % 2:
        data += b"\0"
    number = int.from_bytes(data, "big")
    return ~(number % 0xFFFF or (0xFFFF if number else 0)) & 0xFFFF


def _pseudo(source: bytes, target: bytes, protocol: int, length: int) -> bytes:
    shape = ">HH" if len(source) == 4 else ">II"
    numbers = (protocol, length) if len(source) == 4 else (length, protocol)
    return source + target + struct.pack(shape, *numbers)


def sealed(datagram: Datagram, at: int) -> Datagram:
    """The same with the checksum of its payload put in at byte `at` (where zeros are)."""
    payload = datagram.payload
    covered = payload
    if datagram.protocol != ICMP:
        covered = (
            _pseudo(datagram.source, datagram.target, datagram.protocol, len(payload)) + payload
        )
    value = checksum(covered)
    if datagram.protocol == UDP:
        value = value or 0xFFFF  # zero means: none (RFC 768)
    whole = payload[:at] + value.to_bytes(2, "big") + payload[at + 2 :]
    return Datagram(datagram.source, datagram.target, datagram.protocol, whole, datagram.hops)


def intact(datagram: Datagram) -> bool:
    """Whether the checksum in the payload is right."""
    payload = datagram.payload
    if datagram.protocol == UDP and payload[6:8] == b"\0\0" and len(datagram.source) == 4:
        return True
    covered = payload
    if datagram.protocol != ICMP:
        covered = (
            _pseudo(datagram.source, datagram.target, datagram.protocol, len(payload)) + payload
        )
    return checksum(covered) == 0


def build(datagram: Datagram, mtu: int, number: int) -> list[bytes]:
    """The packets of a datagram: one, or fragments of at most `mtu` bytes with that number."""
    payload = datagram.payload
    four = len(datagram.source) == 4
    if len(payload) + (20 if four else 40) <= mtu:
        return [_packet(datagram, payload, number, 0, None)]
    room = (mtu - (20 if four else 48)) // 8 * 8
    pieces = []
    for start in range(0, len(payload), room):
        more = start + room < len(payload)
        pieces.append(_packet(datagram, payload[start : start + room], number, start, more))
    return pieces


def _packet(
    datagram: Datagram, payload: bytes, number: int, start: int, more: bool | None
) -> bytes:
    """One packet; `more` is None for a whole datagram."""
    if len(datagram.source) == 4:
        flags = start // 8 | (_MORE if more else 0)
        fields = (0x45, 0, 20 + len(payload), number & 0xFFFF, flags, datagram.hops)
        ends = (datagram.source, datagram.target)
        plain = _V4.pack(*fields, datagram.protocol, 0, *ends)
        return _V4.pack(*fields, datagram.protocol, checksum(plain), *ends) + payload
    following = datagram.protocol
    if more is not None:
        header = struct.pack(">BBHI", following, 0, start | int(more), number & 0xFFFFFFFF)
        payload, following = header + payload, _FRAGMENT_HEADER
    head = _V6.pack(
        6 << 28, len(payload), following, datagram.hops, datagram.source, datagram.target
    )
    return head + payload


@dataclass(slots=True)
class _Partial:
    """Fragments of one datagram so far, by where they begin; `end` once the last has come."""

    pieces: dict[int, bytes]
    end: int = -1


class Reassembly:
    """Datagrams out of packets; what is damaged is dropped.

    Attributes:
        dropped: packets that were damaged or nonsense.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[bytes, bytes, int, int], _Partial] = {}
        self.dropped = 0

    def feed(self, packet: bytes) -> Datagram | None:
        """The datagram that is complete with this packet, if one is."""
        try:
            found = self._four(packet) if packet[0] >> 4 == 4 else self._six(packet)
        except (struct.error, IndexError, ValueError):
            self.dropped += 1
            return None
        datagram, number, start, more = found
        if not start and not more:
            return datagram
        return self._join(datagram, number, start, more)

    @staticmethod
    def _four(packet: bytes) -> tuple[Datagram, int, int, bool]:
        first, _, length, number, flags, hops, protocol, _, source, target = _V4.unpack_from(packet)
        head = (first & 15) * 4
        if head < 20 or not head <= length <= len(packet) or checksum(packet[:head]):
            raise ValueError
        data = packet[head:length]
        start = (flags & 0x1FFF) * 8
        return Datagram(source, target, protocol, data, hops), number, start, bool(flags & _MORE)

    @staticmethod
    def _six(packet: bytes) -> tuple[Datagram, int, int, bool]:
        first, length, following, hops, source, target = _V6.unpack_from(packet)
        if first >> 28 != 6 or 40 + length > len(packet):
            raise ValueError
        at, end = 40, 40 + length
        number, start, more = 0, 0, False
        while following in _SKIPPED or following == _FRAGMENT_HEADER:
            if at + 8 > end:
                raise ValueError
            if following == _FRAGMENT_HEADER:
                flags, number = struct.unpack_from(">HI", packet, at + 2)
                start, more = flags & 0xFFF8, bool(flags & 1)
                size = 8
            else:
                size = 8 + packet[at + 1] * 8
            following = packet[at]
            at += size
        return Datagram(source, target, following, packet[at:end], hops), number, start, more

    def _join(self, piece: Datagram, number: int, start: int, more: bool) -> Datagram | None:
        key = (piece.source, piece.target, piece.protocol, number)
        partial = self._open.setdefault(key, _Partial({}))
        if start + len(piece.payload) > _LARGEST or (more and len(piece.payload) % 8):
            self.dropped += 1
            del self._open[key]
            return None
        partial.pieces[start] = piece.payload
        if not more:
            partial.end = start + len(piece.payload)
        while len(self._open) > _OPEN:
            del self._open[next(iter(self._open))]
            self.dropped += 1
        whole = bytearray()
        while len(whole) in partial.pieces and partial.pieces[len(whole)]:
            whole += partial.pieces[len(whole)]
        if len(whole) != partial.end:
            return None
        del self._open[key]
        return Datagram(piece.source, piece.target, piece.protocol, bytes(whole), piece.hops)
