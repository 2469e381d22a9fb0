"""The other end of a PPP line for these tests: byte loops and plain rules, nothing of atdriver in it.

The check sequence is the table version of RFC 1662, appendix C.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

LCP, IPCP, IPV6CP, PAP, CHAP, CCP = 0xC021, 0x8021, 0x8057, 0xC023, 0xC223, 0x80FD
REQ, ACK, NAK, REJ, TERM, TERM_ACK, CODE_REJ, PROTO_REJ, ECHO, ECHO_REPLY = range(1, 11)


def _fcs_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ 0x8408 if value & 1 else value >> 1
        table.append(value)
    return table


_FCS = _fcs_table()


def fcs(content: bytes) -> bytes:
    value = 0xFFFF
    for byte in content:
        value = value >> 8 ^ _FCS[(value ^ byte) & 0xFF]
    return (value ^ 0xFFFF).to_bytes(2, "little")


def stuff(content: bytes, accm: int = 0xFFFFFFFF) -> bytes:
    line = bytearray(b"~")
    for byte in content + fcs(content):
        if byte in (0x7D, 0x7E) or (byte < 32 and accm >> byte & 1):
            line += bytes((0x7D, byte ^ 0x20))
        else:
            line.append(byte)
    return bytes(line + b"~")


def unstuff(line: bytes) -> list[bytes]:
    """Contents of whole, right frames."""
    frames, now, escaped = [], bytearray(), False
    for byte in line:
        if byte == 0x7E:
            if len(now) >= 4 and fcs(bytes(now[:-2])) == now[-2:]:
                frames.append(bytes(now[:-2]))
            else:
                assert not now, f"a damaged frame: {bytes(now)!r}"
            now.clear()
        elif byte == 0x7D:
            escaped = True
        else:
            now.append(byte ^ 0x20 if escaped else byte)
            escaped = False
    return frames


def option(kind: int, value: bytes = b"") -> bytes:
    return bytes((kind, len(value) + 2)) + value


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        found[data[0]] = data[2 : data[1]]
        data = data[data[1] :]
    return found


class Said(NamedTuple):
    protocol: int
    code: int
    identifier: int
    data: bytes


def packet(code: int, identifier: int, data: bytes = b"") -> bytes:
    return bytes((code, identifier)) + (len(data) + 4).to_bytes(2, "big") + data


@dataclass
class Far:
    """A server. `client` is the PppClient; what a test wants otherwise it puts in the fields."""

    client: object
    lcp: dict[int, bytes] = field(default_factory=lambda: {2: bytes(4), 5: b"\x11\x22\x33\x44"})
    login: str = ""
    user: bytes = b"me"
    secret: bytes = b"pass"
    address: bytes = bytes((10, 1, 2, 3))
    own: bytes = bytes((10, 64, 64, 64))
    dns: tuple[bytes, bytes] = (bytes((9, 9, 9, 9)), bytes((8, 8, 4, 4)))
    reject: dict[int, set[int]] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    identifier: bytes = bytes(7) + b"\x09"
    deaf: bool = False
    echoes: bool = True
    heard: list[Said] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    hook: Callable[[Said], bytes | None] | None = None
    on_packet: Callable[[bytes], None] | None = None
    now: float = 0.0
    compressed: bool = False
    _number: int = 0x40
    _asked: set[int] = field(default_factory=set)

    def say(
        self, protocol: int, code: int, data: bytes = b"", identifier: int | None = None
    ) -> None:
        if identifier is None:
            self._number += 1
            identifier = self._number
        self.put(protocol, packet(code, identifier, data))

    def put(self, protocol: int, payload: bytes, accm: int = 0xFFFFFFFF) -> None:
        self.client.feed(stuff(b"\xff\x03" + protocol.to_bytes(2, "big") + payload, accm), self.now)

    def request(self, protocol: int, asked: dict[int, bytes]) -> None:
        self._asked.add(protocol)
        self.say(protocol, REQ, b"".join(option(*each) for each in asked.items()))

    def run(self) -> None:
        """Answer until nobody has anything more to say."""
        while self.client.writes:
            line = b"".join(self.client.writes)
            self.client.writes.clear()
            for content in unstuff(line):
                self.hear(content)

    def wait(self, seconds: float) -> None:
        """Let time pass; timers ring when they are due."""
        end = self.now + seconds
        while (at := self.client.next_deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            self.client.tick(self.now)
            self.run()
        self.now = end

    def hear(self, content: bytes) -> None:
        if content.startswith(b"\xff\x03"):
            content = content[2:]
        size = 1 if content[0] & 1 else 2
        protocol, payload = int.from_bytes(content[:size], "big"), content[size:]
        if protocol in (0x21, 0x57):
            self.packets.append(payload)
            if self.on_packet is not None:
                self.packets.clear()
                self.on_packet(payload)
            return
        code, identifier, length = payload[0], payload[1], int.from_bytes(payload[2:4], "big")
        assert length == len(payload)
        said = Said(protocol, code, identifier, payload[4:])
        self.heard.append(said)
        if self.deaf:
            return
        if self.hook is not None:
            answer = self.hook(said)
            if answer is not None:
                if answer:
                    self.put(protocol, answer)
                return
        if protocol in self.unknown:
            self.say(LCP, PROTO_REJ, protocol.to_bytes(2, "big") + payload)
            return
        self._answer(said)

    def _answer(self, said: Said) -> None:
        protocol, code, identifier, data = said
        if protocol == PAP and code == 1:
            user = data[1 : 1 + data[0]]
            right = (user, data[2 + len(user) :]) == (self.user, self.secret)
            self.say(PAP, 2 if right else 3, b"\x02no", identifier)
        elif protocol == CHAP and code == 2:
            value, name = data[1 : 1 + data[0]], data[1 + data[0] :]
            right = hashlib.md5(bytes((identifier,)) + self.secret + b"challenge!").digest()
            good = value == right and name == self.user
            self.say(CHAP, 3 if good else 4, b"so it is", identifier)
        elif code == REQ:
            self._judge(said)
            if protocol not in self._asked:
                self.request(protocol, self._own(protocol))
        elif code == ACK and protocol == LCP and self.login == "chap":
            self.say(CHAP, 1, bytes((10,)) + b"challenge!" + b"server")
        elif code == TERM:
            self.say(protocol, TERM_ACK, b"", identifier)
        elif code == ECHO and self.echoes:
            self.say(LCP, ECHO_REPLY, self.lcp[5] + data[4:], identifier)

    def _own(self, protocol: int) -> dict[int, bytes]:
        if protocol == LCP:
            login = {"pap": b"\xc0\x23", "chap": b"\xc2\x23\x05"}.get(self.login)
            return {**self.lcp, **({3: login} if login else {})}
        return {3: self.own} if protocol == IPCP else {1: bytes(7) + b"\x01"}

    def _judge(self, said: Said) -> None:
        asked = options(said.data)
        refused = {k: v for k, v in asked.items() if k in self.reject.get(said.protocol, ())}
        wanted: dict[int, bytes] = {}
        if said.protocol == IPCP:
            right = {3: self.address, 129: self.dns[0], 131: self.dns[1]}
            wanted = {k: right[k] for k, v in asked.items() if v != right[k]}
        elif said.protocol == IPV6CP and asked.get(1) != self.identifier:
            wanted = {1: self.identifier}
        for code, found in ((REJ, refused), (NAK, wanted)):
            if found:
                data = b"".join(option(*each) for each in found.items())
                self.say(said.protocol, code, data, said.identifier)
                return
        self.say(said.protocol, ACK, said.data, said.identifier)
