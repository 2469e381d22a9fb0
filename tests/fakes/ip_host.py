"""The least IP host that can speak through the simulated network: checksums, UDP, a TCP by hand."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from .ppp_client import Client

HOST = bytes((10, 0, 2, 15))
GATE = bytes((10, 0, 2, 2))
MASK = 0xFFFFFFFF
FIN, SYN, RST, ACK = 1, 2, 4, 16


def total(data: bytes) -> int:
    """RFC 1071, word by word."""
    data += b"\0" * (len(data) % 2)
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value ^ 0xFFFF


def packet(
    protocol: int, payload: bytes, target: bytes = GATE, flags: int = 0, number: int = 1
) -> bytes:
    head = (
        struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), number, flags, 64, protocol, 0)
        + HOST
        + target
    )
    return head[:10] + total(head).to_bytes(2, "big") + head[12:] + payload


def cover(protocol: int, payload: bytes, at: int, target: bytes = GATE) -> bytes:
    pseudo = HOST + target + struct.pack(">HH", protocol, len(payload))
    return payload[:at] + total(pseudo + payload).to_bytes(2, "big") + payload[at + 2 :]


def udp(source: int, target: int, data: bytes, to: bytes = GATE) -> bytes:
    return cover(17, struct.pack(">HHHH", source, target, 8 + len(data), 0) + data, 6, to)


def check(raw: bytes) -> bytes:
    """The payload of a packet of the gateway's whose checksums are right."""
    assert raw[0] == 0x45
    assert total(raw[:20]) == 0
    assert raw[16:20] == HOST
    assert int.from_bytes(raw[2:4], "big") == len(raw)
    payload, protocol = raw[20:], raw[9]
    if raw[6] & 0x3F == raw[7] == 0:  # whole
        pseudo = b"" if protocol == 1 else raw[12:20] + struct.pack(">HH", protocol, len(payload))
        assert total(pseudo + payload) == 0
    return payload


class Tcp:
    """One connection of the host's.

    Args:
        lose: asked for each packet, in both directions, whether it is lost.
    """

    def __init__(
        self,
        client: Client,
        port: int,
        far: tuple[bytes, int],
        *,
        lose: Callable[[], bool] = lambda: False,
    ) -> None:
        self.client, self.port, self.far, self.lose = client, port, far, lose
        self.state = "closed"
        self.got = bytearray()
        self.out = bytearray()  # from una on
        self.una = self.nxt = 5000
        self.rcv = 0
        self.window = 0
        self.mine = 8000  # the window that it offers
        self.shut_at = 0  # bytes after which it offers none
        self.ending = self.ended = self.fin_acked = False
        self.segments: list[int] = []  # sizes

    def take(self, raw: bytes) -> None:
        if raw[9] != 6 or self.lose():
            return
        part = check(raw)
        source, target, seq, ack, offset, flags, window = struct.unpack_from(">HHIIBBH", part)
        if (target, source) != (self.port, self.far[1]) or raw[12:16] != self.far[0]:
            return
        data = part[(offset >> 4) * 4 :]
        if flags & RST:
            self.state = "reset"
        elif flags & SYN and self.state in ("listen", "asked"):
            self.rcv, self.window = seq + 1 & MASK, window
            if self.state == "listen":
                self.state = "asked"
            if flags & ACK:
                self.una = self.nxt = 5001
                self.state = "open"
                self.send(ACK)
            else:
                self.send(SYN | ACK, seq=5000)
        elif self.state in ("asked", "open"):
            if self.state == "asked":
                self.una = self.nxt = 5001
                self.state = "open"
            self.window = window
            passed = ack - self.una
            if passed > 0:
                self.fin_acked = self.fin_acked or (self.ending and passed == len(self.out) + 1)
                del self.out[:passed]
                self.una = ack
                self.nxt = max(self.nxt, ack)
            if seq == self.rcv and not self.ended and (data or flags & FIN):
                self.segments.append(len(data))
                self.got += data
                if self.shut_at and len(self.got) >= self.shut_at:
                    self.mine = 0
                self.ended = bool(flags & FIN)
                self.rcv = self.rcv + len(data) + self.ended & MASK
            if data or flags & FIN:
                self.send(ACK)
            self.push()
        self.client._news.set()

    def send(self, flags: int, data: bytes = b"", seq: int | None = None) -> None:
        options = b"\x02\x04\x04\x00" if flags & SYN else b""  # 1024 bytes
        number = self.nxt if seq is None else seq
        words = 20 + len(options) >> 2 << 4
        ack = 0 if flags == SYN else self.rcv
        head = struct.pack(
            ">HHIIBBHHH", self.port, self.far[1], number, ack, words, flags, self.mine, 0, 0
        )
        if not self.lose():
            self.client.send_ip(
                packet(6, cover(6, head + options + data, 16, self.far[0]), self.far[0])
            )

    def push(self) -> None:
        while True:
            start = self.nxt - self.una
            data = bytes(self.out[start : start + min(1024, max(0, self.window - start))])
            fin = self.ending and not self.fin_acked and start + len(data) == len(self.out)
            if not data and not fin:
                return
            self.send(ACK | (FIN if fin else 0), data)
            self.nxt += len(data) + fin
            if fin:
                return

    async def open(self) -> str:
        self.state = "asked"
        self.una = self.nxt = 5000
        for _ in range(5):
            self.send(SYN, seq=5000)
            self.nxt = 5001
            try:
                await self.client.until(lambda: self.state in ("open", "reset"), 3.0)
                break
            except AssertionError:
                continue
        return self.state

    async def until(self, condition: Callable[[], object], limit: float = 600.0) -> None:
        """With what is not acknowledged sent again every second."""
        end = asyncio.get_running_loop().time() + limit
        while not condition():
            before = self.una
            try:
                await self.client.until(lambda: condition() or self.una != before, 1.0)
            except AssertionError:
                assert asyncio.get_running_loop().time() < end, self.__dict__
                self.nxt = self.una
                self.push()

    def write(self, data: bytes) -> None:
        self.out += data
        self.push()

    def end(self) -> None:
        self.ending = True
        self.push()
