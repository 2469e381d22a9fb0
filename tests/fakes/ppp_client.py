"""A PPP client by hand, from RFC 1661 and 1662, for the tests of the fakes' server.

It shares nothing with the server: the frame check sequence is the table of RFC 1662 appendix C,
frames are unstuffed byte by byte, and what it negotiates is what the test says.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any

from fakes import FakeModem

LCP, PAP, CHAP, IPCP, IPV6CP, CCP, IPV4, IPV6 = (
    0xC021, 0xC023, 0xC223, 0x8021, 0x8057, 0x80FD, 0x0021, 0x0057,
)  # fmt: skip


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return table


TABLE = _table()


def fcs(data: bytes) -> int:
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFF


def stuff(body: bytes, accm: int = 0xFFFFFFFF) -> bytes:
    out = bytearray(b"~")
    for byte in body + fcs(body).to_bytes(2, "little"):
        if byte in (0x7D, 0x7E) or (byte < 32 and accm >> byte & 1):
            out += bytes((0x7D, byte ^ 0x20))
        else:
            out.append(byte)
    return bytes(out + b"~")


def unstuff(piece: bytes) -> bytes | None:
    out, escaped = bytearray(), False
    for byte in piece:
        if escaped:
            out.append(byte ^ 0x20)
            escaped = False
        elif byte == 0x7D:
            escaped = True
        else:
            out.append(byte)
    good = not escaped and len(out) > 2 and fcs(out[:-2]) == int.from_bytes(out[-2:], "little")
    return bytes(out[:-2]) if good else None


def tlv(options: dict[int, bytes]) -> bytes:
    return b"".join(bytes((k, len(v) + 2)) + v for k, v in options.items())


def untlv(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        found[data[0]] = data[2 : data[1]]
        data = data[data[1] :]
    return found


class Client:
    """One end of a link; `deliver` gives it the modem's bytes.

    Attributes:
        text: what came outside frames (command mode).
        frames: every good frame so far, (protocol, payload).
        packets: IP packets that came.
    """

    def __init__(self, modem: FakeModem) -> None:
        self.modem = modem
        self.text = bytearray()
        self.frames: list[tuple[int, bytes]] = []
        self.packets: list[bytes] = []
        self.on_packet: Callable[[bytes], None] | None = None
        self.bad = 0
        self.ppp = False
        self.mute = False
        self.accept_auth = True
        self.user, self.password = b"", b""
        self.wants: dict[int, dict[int, bytes]] = {
            LCP: {2: bytes(4), 5: b"\x12\x34\x56\x78", 7: b"", 8: b""},
            IPCP: {3: bytes(4), 129: bytes(4), 131: bytes(4)},
            IPV6CP: {1: b"\x02\x00\x00\x00\x00\x00\x00\x01"},
        }
        self.protocols = {LCP, IPCP}
        self.acked: set[int] = set()  # ours
        self.granted: set[int] = set()  # theirs
        self.theirs: dict[int, dict[int, bytes]] = {}
        self._buffer = bytearray()
        self._ids: dict[int, int] = {}
        self._news = asyncio.Event()

    # ---- bytes -----------------------------------------------------------------------------

    def deliver(self, data: bytes) -> None:
        if not self.ppp:
            self.text += data
            switch = re.search(rb"CONNECT[^\r]*\r\n", self.text)
            if switch is not None:
                self.ppp = True
                data = bytes(self.text[switch.end() :])
                del self.text[switch.end() :]
        if self.ppp:
            self._buffer += data
            *pieces, rest = bytes(self._buffer).split(b"~")
            self._buffer = bytearray(rest)
            for piece in filter(None, pieces):
                body = unstuff(piece)
                if body is None:
                    self.bad += 1
                    continue
                if body[:2] == b"\xff\x03":
                    body = body[2:]
                width = 1 if body[0] & 1 else 2
                self._frame(int.from_bytes(body[:width], "big"), body[width:])
        self._news.set()

    def send(self, protocol: int, payload: bytes) -> None:
        if self.mute:
            return
        self.modem.receive(stuff(b"\xff\x03" + protocol.to_bytes(2, "big") + payload))

    def send_ip(self, packet: bytes) -> None:
        # the compressed forms, as agreed
        self.modem.receive(stuff(bytes((IPV4 if packet[0] >> 4 == 4 else IPV6,)) + packet, 0))

    # ---- AT --------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], Any], limit: float = 300.0) -> Any:
        try:
            async with asyncio.timeout(limit):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"text {bytes(self.text)!r}, frames {[(p, d[:40]) for p, d in self.frames[-8:]]}, rest {bytes(self._buffer)!r}"
            ) from None
        return condition()

    async def ask(self, line: str) -> str:
        self.text.clear()
        self.modem.receive(line.encode() + b"\r")
        ends = (b"OK\r\n", b"ERROR\r\n", b"NO CARRIER\r\n", b"BUSY\r\n", b"NO DIALTONE\r\n")

        def ended() -> bool:
            last = bytes(self.text).rstrip(b"\r\n").rpartition(b"\r\n")[2]
            final = last.startswith((b"CONNECT", b"+CME ERROR"))
            return bytes(self.text).endswith(ends) or (final and self.text.endswith(b"\r\n"))

        await self.until(ended)
        return bytes(self.text).decode().strip().splitlines()[-1]

    async def dial(self, line: str = "ATD*99***1#") -> str:
        return await self.ask(line)

    async def escape(self) -> None:
        await asyncio.sleep(1.1)
        self.modem.receive(b"+++")
        self.text.clear()
        self.ppp = False
        await asyncio.sleep(1.1)

    # ---- negotiation -----------------------------------------------------------------------

    def request(self, protocol: int) -> None:
        number = self._ids[protocol] = self._ids.get(protocol, 0) + 1
        self.control(protocol, 1, number, tlv(self.wants[protocol]))

    def control(self, protocol: int, code: int, number: int, data: bytes = b"") -> None:
        self.send(protocol, bytes((code, number)) + (len(data) + 4).to_bytes(2, "big") + data)

    def _frame(self, protocol: int, payload: bytes) -> None:
        self.frames.append((protocol, payload))
        if protocol in (IPV4, IPV6):
            self.packets.append(payload)
            if self.on_packet is not None:
                asyncio.get_running_loop().call_soon(self.on_packet, payload)
        elif protocol in (PAP, CHAP):
            self._auth(protocol, payload)
        elif protocol in self.protocols:
            self._control(protocol, payload)
        else:
            self.control(LCP, 8, 200, protocol.to_bytes(2, "big") + payload)

    def _control(self, protocol: int, payload: bytes) -> None:
        code, number, length = payload[0], payload[1], int.from_bytes(payload[2:4], "big")
        data = payload[4:length]
        if code == 1:
            asked = untlv(data)
            refused = {k: v for k, v in asked.items() if protocol == IPCP and k == 2}
            if protocol == LCP and not self.accept_auth:
                refused |= {k: v for k, v in asked.items() if k == 3}
            if refused:
                self.control(protocol, 4, number, tlv(refused))
            else:
                self.theirs[protocol] = asked
                self.granted.add(protocol)
                self.control(protocol, 2, number, data)
        elif code == 2 and number == self._ids.get(protocol):
            self.acked.add(protocol)
        elif code in (3, 4) and number == self._ids.get(protocol):
            for kind, value in untlv(data).items():
                if code == 3:
                    self.wants[protocol][kind] = value
                else:
                    self.wants[protocol].pop(kind)
            self.request(protocol)
        elif code == 5:
            self.control(protocol, 6, number)
        elif code == 9:
            self.control(protocol, 10, number, self.wants[LCP][5] + data[4:])

    def _auth(self, protocol: int, payload: bytes) -> None:
        if protocol == CHAP and payload[0] == 1:
            size = payload[4]
            proof = hashlib.md5(payload[1:2] + self.password + payload[5 : 5 + size]).digest()
            self.control(CHAP, 2, payload[1], b"\x10" + proof + self.user)

    def up(self, protocol: int) -> bool:
        return protocol in self.acked and protocol in self.granted

    async def bring_up(self, *protocols: int) -> None:
        """LCP, then PAP if it is asked for, then these."""
        await self._reach(LCP)
        if self.theirs[LCP].get(3, b"")[:2] == b"\xc0\x23":
            data = (
                bytes((len(self.user),)) + self.user + bytes((len(self.password),)) + self.password
            )
            self.control(PAP, 1, 1, data)
        if 3 in self.theirs[LCP]:
            await self.until(
                lambda: any(p in (PAP, CHAP) and d[0] in (2, 3) for p, d in self.frames)
            )
        for protocol in protocols:
            self.protocols.add(protocol)
            await self._reach(protocol)

    async def _reach(self, protocol: int) -> None:
        for _ in range(10):
            self.request(protocol)
            try:
                return await self.until(lambda: self.up(protocol), 3.0)
            except AssertionError:
                continue
        raise AssertionError(f"{protocol:#x} does not come up: {self.frames[-6:]}")

    def seen(self, protocol: int, code: int) -> list[bytes]:
        """The packets of one protocol and code so far."""
        return [data for number, data in self.frames if number == protocol and data[0] == code]
