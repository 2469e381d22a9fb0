"""Packets of PPP's control protocols and their options (RFC 1661 section 5 and 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Malformed", "Option", "Packet", "options", "pack"]

CONFIGURE_REQUEST: Final = 1
CONFIGURE_ACK: Final = 2
CONFIGURE_NAK: Final = 3
CONFIGURE_REJECT: Final = 4
TERMINATE_REQUEST: Final = 5
TERMINATE_ACK: Final = 6
CODE_REJECT: Final = 7
PROTOCOL_REJECT: Final = 8
ECHO_REQUEST: Final = 9
ECHO_REPLY: Final = 10
DISCARD_REQUEST: Final = 11

LCP: Final = 0xC021
PAP: Final = 0xC023
CHAP: Final = 0xC223
IPCP: Final = 0x8021
IPV6CP: Final = 0x8057
CCP: Final = 0x80FD
IPV4: Final = 0x0021
IPV6: Final = 0x0057
VJ_COMPRESSED: Final = 0x002D

_HEADER: Final = struct.Struct(">BBH")

Option = tuple[int, bytes]
"""Type and value of one option."""


class Malformed(ValueError):
    """A packet whose lengths contradict each other; it is dropped without a word."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Code, identifier and what follows."""

    code: int
    identifier: int
    data: bytes = b""

    @classmethod
    def parse(cls, raw: bytes) -> Packet:
        """From an information field; what lies beyond the length is padding.

        Raises:
            Malformed: shorter than it says.
        """
        if len(raw) < _HEADER.size:
            raise Malformed("no header")
        code, identifier, length = _HEADER.unpack_from(raw)
        if not _HEADER.size <= length <= len(raw):
            raise Malformed(f"length {length} of {len(raw)} bytes")
        return cls(code, identifier, raw[_HEADER.size : length])

    def __bytes__(self) -> bytes:
        return _HEADER.pack(self.code, self.identifier, _HEADER.size + len(self.data)) + self.data


def options(data: bytes) -> list[Option]:
    """The options of a configuration packet, in order.

    Raises:
        Malformed: a length that is too small or goes beyond the end.
    """
    found = []
    while data:
        if len(data) < 2 or not 2 <= data[1] <= len(data):
            raise Malformed("an option's length")
        found.append((data[0], data[2 : data[1]]))
        data = data[data[1] :]
    return found


def pack(listed: Iterable[Option]) -> bytes:
    """Options as they stand in a packet."""
    return b"".join(bytes((kind, len(value) + 2)) + value for kind, value in listed)
