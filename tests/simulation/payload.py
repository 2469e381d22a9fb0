"""Self-describing payload: any 32 bytes of it say which stream they belong to and where.

A record is: serial of the stream, number of the record (both 32 bits), 20 bytes that look like the
module's own protocol, and a CRC over all that. So one byte in the wrong place is noticed, and where
it came from can be told.
"""

from __future__ import annotations

import functools
import struct
import zlib

RECORD = 32
BODY = 20
TOKENS = (
    b"\r\nOK\r\n", b"\r\nERROR\r\n", b"+IPD,0,5:EVIL", b"\r\n0,CLOSED\r\n", b"> ", b"SEND OK\r\n",
    b'\r\n+QIURC: "closed",0', b"\x1a\x1b\x00\x11\x13+++", b"\r\nready\r\n", b"\r\nRDY\r\n",
    b"+CIPRECVDATA:9,", b"\r\n+QIRD: 12\r\n", b"\r\n1,CONNECT\r\n", b"busy p...\r\n",
    b'+QIURC: "recv",1\r\n', b"\r\nSEND FAIL\r\n", b"\r\n>",
)  # fmt: skip


def record(serial: int, number: int) -> bytes:
    """One record of a stream."""
    token = TOKENS[(serial * 7 + number) % len(TOKENS)]
    body = (token * BODY)[:BODY]
    head = struct.pack(">II", serial, number) + body
    return head + struct.pack(">I", zlib.crc32(head))


class Stream:
    """All that one end of one connection says, made as it is needed."""

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self._made = bytearray()

    def piece(self, start: int, count: int) -> bytes:
        """Bytes from `start` on."""
        while len(self._made) < start + count:
            self._made += record(self.serial, len(self._made) // RECORD)
        return bytes(self._made[start : start + count])

    def right(self, got: bytes | bytearray) -> int:
        """How many bytes at the beginning of `got` are right."""
        wanted = self.piece(0, len(got))
        if got == wanted:
            return len(got)
        return next((at for at, byte in enumerate(got) if wanted[at] != byte), len(got))

    def complaint(self, got: bytes | bytearray) -> str | None:
        """None when `got` is a beginning of this stream, else what is wrong with it."""
        at = self.right(got)
        if at == len(got):
            return None
        return (
            f"stream {self.serial}: byte {at} of {len(got)} is wrong; there stands "
            f"{bytes(got[max(0, at - 8) : at + 40])!r}{origin(got, at)}"
        )


@functools.lru_cache(maxsize=512)
def stream(serial: int) -> Stream:
    """The stream with this number; what was made of it is kept for the next who asks."""
    return Stream(serial)


def serial_of(got: bytes | bytearray) -> int | None:
    """The stream that `got` begins, None when it is too short to tell."""
    if len(got) < 4:
        return None
    found: int = struct.unpack(">I", got[:4])[0]
    return found


def origin(got: bytes | bytearray, at: int) -> str:
    """Where the bytes behind a wrong one come from, when a whole record stands there."""
    for start in range(max(0, at - RECORD), min(at + RECORD, len(got) - RECORD) + 1):
        serial, number = struct.unpack(">II", got[start : start + 8])
        if bytes(got[start : start + RECORD]) == record(serial, number):
            return f" (from byte {start} on it is byte {number * RECORD} of stream {serial})"
    return ""
