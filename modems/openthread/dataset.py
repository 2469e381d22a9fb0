"""A Thread network as one operational dataset: a list of TLVs, written in hexadecimal.

Source: Thread 1.3.0 Specification, section 8.10.1 (types and lengths of the TLVs). A dataset holds
the network key: whoever has it can join, so it is a secret.
"""

from __future__ import annotations

import hashlib
import struct

CHANNEL, PAN_ID, EXTENDED_PAN_ID, NAME, PSKC, KEY = 0, 1, 2, 3, 4, 5
MESH_PREFIX, POLICY, TIMESTAMP, CHANNEL_MASK = 7, 12, 14, 53
CHANNELS = range(11, 27)
"""IEEE 802.15.4, 2.4 GHz."""
MAX_DATASET = 254
"""Bytes."""


def parse(text: str) -> dict[int, bytes]:
    """The TLVs of a dataset in hexadecimal. Raises ValueError for what is none."""
    raw = bytes.fromhex(text)
    if not 2 <= len(raw) <= MAX_DATASET:
        raise ValueError(f"a dataset has 2 to {MAX_DATASET} bytes, not {len(raw)}")
    found: dict[int, bytes] = {}
    at = 0
    while at < len(raw):
        kind, length = raw[at], raw[at + 1] if at + 1 < len(raw) else 255
        value = raw[at + 2 : at + 2 + length]
        if len(value) != length:
            raise ValueError(f"the dataset breaks off in TLV {kind}")
        found[kind] = value
        at += 2 + length
    return found


def normal(text: str) -> str:
    """The same dataset as nothing but digits: `bytes.fromhex` takes blanks and line ends between
    them. Raises ValueError for what is none."""
    parse(text)
    return bytes.fromhex(text).hex()


def build(name: str, key: str, channel: int, pan_id: str) -> str:
    """The dataset of a network described by hand; the same description gives the same network.

    `key` is 32 hexadecimal digits, `pan_id` "" or a number up to 0xfffe; channel 0 means 15. What
    is not given is derived from name and key. Raises ValueError.
    """
    text = name.encode()
    if not 1 <= len(text) <= 16:
        raise ValueError(f"a Thread network's name has 1 to 16 bytes, not {len(text)}")
    secret = bytes.fromhex(key)
    if len(secret) != 16:
        raise ValueError("a Thread network key has 32 hexadecimal digits")
    channel = channel or 15
    if channel not in CHANNELS:
        raise ValueError(f"Thread channels are 11 to 26, not {channel}")
    derived = hashlib.sha256(b"atdriver thread\0" + text + b"\0" + secret).digest()
    number = int(pan_id, 0) if pan_id else int.from_bytes(derived[30:]) % 0xFFFE
    if not 0 <= number <= 0xFFFE:
        raise ValueError(f"a PAN id is 0 to 0xfffe, not {pan_id}")
    tlvs = (
        (TIMESTAMP, struct.pack(">Q", 1 << 16)),
        (CHANNEL, struct.pack(">BH", 0, channel)),
        (CHANNEL_MASK, bytes.fromhex("000407fff800")),  # page 0: all of 11 to 26
        (EXTENDED_PAN_ID, derived[:8]),
        (MESH_PREFIX, b"\xfd" + derived[8:15]),
        (KEY, secret),
        (NAME, text),
        (PAN_ID, struct.pack(">H", number)),
        (PSKC, derived[15:30] + derived[:1]),
        (POLICY, bytes.fromhex("02a0f7f8")),  # 672 h, the usual flags
    )
    return b"".join(bytes((kind, len(value))) + value for kind, value in tlvs).hex()


def described(dataset: str) -> tuple[str, int | None, int | None]:
    """Name, channel and PAN id in a dataset; "" and None where it does not say. No secrets.

    Raises ValueError."""
    found = parse(dataset)
    channel, pan_id = found.get(CHANNEL, b""), found.get(PAN_ID, b"")
    return (
        found.get(NAME, b"").decode("utf-8", "backslashreplace"),
        int.from_bytes(channel[1:]) if len(channel) == 3 else None,
        int.from_bytes(pan_id) if len(pan_id) == 2 else None,
    )
