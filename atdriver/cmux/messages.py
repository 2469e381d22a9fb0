"""Messages on DLCI 0 of the multiplexer (3GPP 27.010, clause 5.4.6)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Type(IntEnum):
    """Message types: the six bits of the type field."""

    PN = 0x20
    PSC = 0x10
    CLD = 0x30
    TEST = 0x08
    FCON = 0x28
    FCOFF = 0x18
    MSC = 0x38
    NSC = 0x04
    RPN = 0x24
    RLS = 0x14
    SNC = 0x34


class Signal(IntEnum):
    """Bits of the V.24 octet of MSC (clause 5.4.6.3.7)."""

    FC = 0x02
    """Set: no frames, please."""
    RTC = 0x04
    """DTR of a terminal, DSR of a module."""
    RTR = 0x08
    """RTS of a terminal, CTS of a module."""
    IC = 0x40
    """Ring."""
    DV = 0x80
    """Data valid: DCD of a module."""


READY = Signal.RTC | Signal.RTR | Signal.DV


class Message(NamedTuple):
    """One message; `kind` may be a type that is in no list."""

    kind: int
    value: bytes = b""
    command: bool = True

    def encode(self) -> bytes:
        """Type, length, value; values are short here."""
        return bytes((self.kind << 2 | self.command << 1 | 1,)) + _length(self.value) + self.value


def _length(value: bytes) -> bytes:
    count = len(value)
    return (
        bytes((count << 1 | 1,)) if count < 128 else bytes((count << 1 & 0xFE, count >> 7 << 1 | 1))
    )


def modem_status(dlci: int, signals: int, *, command: bool = True) -> Message:
    """An MSC message."""
    return Message(Type.MSC, bytes((dlci << 2 | 3, signals | 1)), command)


def decode(data: bytes) -> list[Message]:
    """The messages in one frame; what does not fit its length is left out."""
    messages = []
    at = 0
    while at + 2 <= len(data):
        kind, command = data[at] >> 2, bool(data[at] & 2)
        at += 1
        while not data[at - 1] & 1 and at < len(data):  # longer types than any there is
            at += 1
        count = shift = 0
        while at < len(data):
            count |= data[at] >> 1 << shift
            shift += 7
            at += 1
            if data[at - 1] & 1:
                break
        else:
            break
        if at + count > len(data):
            break
        messages.append(Message(kind, data[at : at + count], command))
        at += count
    return messages
