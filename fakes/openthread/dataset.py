"""Operational datasets: TLVs and what the CLI prints of them (OpenThread, README_DATASET.md).

TLV numbers and lengths are those of the hexadecimal datasets that page prints; the names of the
fields are its commands.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping
from typing import Final

__all__ = ["DEFAULT", "FIELDS", "Dataset", "decode", "encode", "fresh", "lines", "shown", "take"]

Dataset = dict[str, bytes]
"""Values by field name, as the TLVs carry them."""

FIELDS: Final[Mapping[str, tuple[int, int, str]]] = {
    "activetimestamp": (0x0E, 8, "Active Timestamp"),
    "channel": (0x00, 3, "Channel"),
    "channelmask": (0x35, 6, "Channel Mask"),
    "extpanid": (0x02, 8, "Ext PAN ID"),
    "meshlocalprefix": (0x07, 8, "Mesh Local Prefix"),
    "networkkey": (0x05, 16, "Network Key"),
    "networkname": (0x03, 0, "Network Name"),
    "panid": (0x01, 2, "PAN ID"),
    "pskc": (0x04, 16, "PSKc"),
    "securitypolicy": (0x0C, 4, "Security Policy"),
}
"""Field -> TLV type, length (0: 1 to 16 bytes), what is printed; in the printed order."""
_ORDER: Final = (
    "activetimestamp",
    "channel",
    "channelmask",
    "extpanid",
    "meshlocalprefix",
    "networkkey",
    "networkname",
    "panid",
    "pskc",
    "securitypolicy",
)
_SECRET: Final = ("networkkey", "pskc")
_BY_TYPE: Final = {kind: name for name, (kind, _length, _text) in FIELDS.items()}
_CHANNELS: Final = (11, 26)  # IEEE 802.15.4, 2.4 GHz
_POLICY: Final = bytes.fromhex("02a0f7f8")  # 672 onrc 0
_MASK: Final = bytes.fromhex("00040" + "01fffe0")
_LONGEST: Final = 254  # bytes of a dataset


def encode(dataset: Dataset) -> bytes:
    """The TLVs, in the order in which the CLI prints them."""
    return b"".join(
        bytes((FIELDS[name][0], len(dataset[name]))) + dataset[name]
        for name in _ORDER
        if name in dataset
    )


def decode(data: bytes) -> Dataset:
    """The fields of TLVs; what is unknown is skipped. Raises ValueError: not TLVs."""
    found: Dataset = {}
    at = 0
    if len(data) > _LONGEST:
        raise ValueError("too long")
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise ValueError("cut short")
        kind, length = data[at], data[at + 1]
        value = data[at + 2 : at + 2 + length]
        at += 2 + length
        name = _BY_TYPE.get(kind)
        if name is None:
            continue
        wanted = FIELDS[name][1]
        if length != wanted if wanted else not 1 <= length <= 16:
            raise ValueError(f"{name} with {length} bytes")
        found[name] = value
    return found


def fresh(source: random.Random) -> Dataset:
    """What `dataset init new` makes up."""
    pan = source.randrange(1, 0xFFFF)
    return {
        "activetimestamp": _timestamp(1),
        "channel": b"\0" + source.randint(*_CHANNELS).to_bytes(2, "big"),
        "channelmask": _MASK,
        "extpanid": source.randbytes(8),
        "meshlocalprefix": b"\xfd" + source.randbytes(5) + b"\0\0",
        "networkkey": source.randbytes(16),
        "networkname": f"OpenThread-{pan:04x}".encode(),
        "panid": pan.to_bytes(2, "big"),
        "pskc": source.randbytes(16),
        "securitypolicy": _POLICY,
    }


DEFAULT: Final[Dataset] = {
    "activetimestamp": (1 << 16).to_bytes(8, "big"),
    "channel": bytes((0, 0, 15)),
    "channelmask": _MASK,
    "extpanid": bytes.fromhex("1111111122222222"),
    "meshlocalprefix": bytes.fromhex("fddead00beef0000"),
    "networkkey": bytes.fromhex("00112233445566778899aabbccddeeff"),
    "networkname": b"Simulated",
    "panid": bytes.fromhex("1234"),
    "pskc": bytes.fromhex("445f2b5ca6f2a93a55ce570a70efeecb"),
    "securitypolicy": _POLICY,
}
"""The network of the border router."""


def _timestamp(seconds: int) -> bytes:
    return (seconds << 16).to_bytes(8, "big")


def prefix_text(value: bytes) -> str:
    """A /64 as the CLI prints it: four groups, then ``::/64``."""
    groups = [int.from_bytes(value[n : n + 2], "big") for n in range(0, 8, 2)]
    return ":".join(f"{each:x}" for each in groups) + "::/64"


def shown(name: str, value: bytes) -> str:
    """One value as `dataset <name>` prints it."""
    if name == "activetimestamp":
        return str(int.from_bytes(value, "big") >> 16)
    if name == "channel":
        return str(int.from_bytes(value[1:], "big"))
    if name == "channelmask":
        # Most significant bit of the TLV is channel 0.
        bits = int.from_bytes(value[2:], "big")
        return f"0x{int(f'{bits:032b}'[::-1], 2):08x}"
    if name == "meshlocalprefix":
        return prefix_text(value)
    if name == "networkname":
        return value.decode("utf-8", "replace")
    if name == "panid":
        return f"0x{value.hex()}"
    if name == "securitypolicy":
        return f"{int.from_bytes(value[:2], 'big')} onrc 0"
    return value.hex()


def lines(dataset: Dataset, *, redacted: bool = False) -> list[str]:
    """A dataset as `dataset` and `dataset active` print it."""
    return [
        f"{text}: {'[Redacted]' if redacted and name in _SECRET else shown(name, dataset[name])}"
        for name, (_kind, _length, text) in FIELDS.items()
        if name in dataset
    ]


def take(name: str, text: str) -> bytes:
    """The value that `dataset <name> <text>` sets. Raises ValueError."""
    if name == "activetimestamp":
        return _timestamp(int(text, 0))
    if name == "channel":
        number = int(text, 0)
        if not _CHANNELS[0] <= number <= _CHANNELS[1]:
            raise ValueError(text)
        return b"\0" + number.to_bytes(2, "big")
    if name == "channelmask":
        bits = int(f"{int(text, 0):032b}"[::-1], 2)
        return b"\0\4" + bits.to_bytes(4, "big")
    if name == "meshlocalprefix":
        return ipaddress.IPv6Address(text.partition("/")[0]).packed[:8]
    if name == "networkname":
        value = text.encode("latin-1")
        if not 1 <= len(value) <= 16:
            raise ValueError(text)
        return value
    if name == "panid":
        return int(text, 0).to_bytes(2, "big")
    if name == "securitypolicy":
        return int(text, 0).to_bytes(2, "big") + _POLICY[2:]
    value = bytes.fromhex(text)
    if len(value) != FIELDS[name][1]:
        raise ValueError(text)
    return value
