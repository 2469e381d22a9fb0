"""What a frame holds: a protocol number, and for control protocols code, identifier and options."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

IPV4 = 0x0021
IPV6 = 0x0057
IPCP = 0x8021
IPV6CP = 0x8057
LCP = 0xC021
PAP = 0xC023
CHAP = 0xC223

_ADDRESS_CONTROL = b"\xff\x03"


class Code(IntEnum):
    """Codes that all control protocols share (RFC 1661, 5), and those of LCP alone."""

    REQUEST = 1
    ACK = 2
    NAK = 3
    REJECT = 4
    TERMINATE = 5
    TERMINATED = 6
    CODE_REJECT = 7
    PROTOCOL_REJECT = 8
    ECHO = 9
    ECHOED = 10
    DISCARD = 11


class Packet(NamedTuple):
    """One packet of a control or authentication protocol."""

    code: int
    identifier: int
    data: bytes

    def encode(self) -> bytes:
        """As it is carried in a frame."""
        return bytes((self.code, self.identifier)) + (len(self.data) + 4).to_bytes(2) + self.data


class Option(NamedTuple):
    """One configuration option."""

    kind: int
    value: bytes

    def encode(self) -> bytes:
        """Type, length, value."""
        return bytes((self.kind, len(self.value) + 2)) + self.value


def decode_packet(payload: bytes) -> Packet | None:
    """The packet, without padding behind it; None if its length field is impossible."""
    if len(payload) < 4:
        return None
    length = int.from_bytes(payload[2:4])
    if not 4 <= length <= len(payload):
        return None
    return Packet(payload[0], payload[1], payload[4:length])


def decode_options(data: bytes) -> list[Option] | None:
    """The options in order; None if they do not fill the data exactly."""
    options = []
    at = 0
    while at < len(data):
        if at + 2 > len(data) or data[at + 1] < 2 or at + data[at + 1] > len(data):
            return None
        end = at + data[at + 1]
        options.append(Option(data[at], data[at + 2 : end]))
        at = end
    return options


def encode_options(options: list[Option]) -> bytes:
    """All of them, one behind the other."""
    return b"".join(option.encode() for option in options)


def wrap(protocol: int, payload: bytes, *, pfc: bool = False, acfc: bool = False) -> bytes:
    """A frame's content. LCP is never compressed (RFC 1661, 6.5 and 6.6)."""
    start = _ADDRESS_CONTROL if not acfc or protocol == LCP else b""
    number = bytes((protocol,)) if pfc and protocol < 0x100 else protocol.to_bytes(2)
    return start + number + payload


def unwrap(content: bytes) -> tuple[int, bytes] | None:
    """Protocol and payload, compressed or not; None if there is no legal protocol number."""
    at = 2 if content.startswith(_ADDRESS_CONTROL) else 0
    if len(content) > at and content[at] & 1:
        return content[at], content[at + 1 :]
    if len(content) < at + 2 or not content[at + 1] & 1:
        return None
    return int.from_bytes(content[at : at + 2]), content[at + 2 :]
