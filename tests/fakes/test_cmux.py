"""The simulated module's multiplexer (3GPP TS 27.010), spoken to by hand, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import Peer, build
from fakes.bg96.settings import SettingError, parse
from fakes.cmux import frame, frames
from fakes.virtualtime import VirtualTimeLoop

from .ip_host import Tcp
from .ppp_client import IPCP, LCP, Client

SABM, UA, DM, DISC, UIH = 0x3F, 0x73, 0x1F, 0x53, 0xEF


def crc(data: bytes) -> int:
    """Annex B, bit by bit."""
    value = 0xFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xE0 if value & 1 else value >> 1
    return 0xFF - value


def by_hand(dlci: int, control: int, data: bytes = b"") -> bytes:
    """A frame of the initiator."""
    length = (
        bytes((len(data) * 2 + 1,))
        if len(data) < 128
        else bytes((len(data) * 2 & 0xFF, len(data) >> 7))
    )
    head = bytes((dlci * 4 + 3, control)) + length
    return b"\xf9" + head + data + bytes((crc(head),)) + b"\xf9"


class Channel:
    """What a Client writes to: one DLC."""

    def __init__(self, host: MuxHost, dlci: int) -> None:
        self.host, self.dlci = host, dlci

    def receive(self, data: bytes) -> None:
        for at in range(0, len(data), 100):
            self.host.put(self.dlci, UIH, data[at : at + 100])


class MuxHost:
    """The initiator; `channels` holds a Client for each DLC."""

    def __init__(self, modem: Any) -> None:
        self.modem = modem
        self.line = Client(modem)
        self.channels: dict[int, Client] = {}
        self.seen: list[tuple[int, int, bytes]] = []
        self.junk = bytearray()
        self.on = False
        self._rest = b""

    def deliver(self, data: bytes) -> None:
        if not self.on:
            self.line.deliver(data)
            return
        self._rest += data
        while True:
            start = self._rest.find(b"\xf9")
            rest = self._rest[max(start, 0) :].lstrip(b"\xf9")
            if start > 0:
                self.junk += self._rest[:start]
            if start < 0 or len(rest) < 3:
                return
            self._rest = b"\xf9" + rest
            size, head = rest[2] >> 1, 3
            if not rest[2] & 1:
                if len(rest) < 4:
                    return
                size, head = size | rest[3] << 7, 4
            if (
                len(rest) >= head + size + 2
                and rest[head + size] == crc(rest[:head])
                and rest[head + size + 1] == 0xF9
            ):
                self._rest = rest[head + size + 1 :]
                self._take(rest[0], rest[1], rest[head : head + size])
            elif len(rest) < head + size + 2 and b"\xf9" not in rest[1:]:
                return
            else:
                cut = rest.find(b"\xf9", 1)
                if cut < 0:
                    return
                self.junk += rest[:cut]
                self._rest = rest[cut:]

    def _take(self, address: int, control: int, data: bytes) -> None:
        dlci = address >> 2
        self.seen.append((address, control, data))
        if control == UIH and dlci in self.channels:
            self.channels[dlci].deliver(data)
        self.line._news.set()

    def put(self, dlci: int, control: int, data: bytes = b"") -> None:
        self.modem.receive(by_hand(dlci, control, data))

    def heard(self, dlci: int, control: int) -> list[tuple[int, bytes]]:
        return [(a, d) for a, c, d in self.seen if a >> 2 == dlci and c == control]

    def open(self, *dlcis: int) -> None:
        for dlci in dlcis:
            self.channels[dlci] = Client(Channel(self, dlci))  # type: ignore[arg-type]
            self.put(dlci, SABM)

    async def start(self, command: str = "AT+CMUX=0,0,5,127", *dlcis: int) -> None:
        assert await self.line.ask(command) == "OK"
        self.on = True
        self.put(0, SABM)
        self.open(*dlcis)
        await asyncio.sleep(0.1)


def multiplexed(work: Callable[[MuxHost], Awaitable[None]], **options: Any) -> None:
    modem = build("bg96", offline=True, peers={"192.0.2.9:7": Peer("echo")}, **options)

    async def run() -> None:
        host = MuxHost(modem)
        await modem.start(host.deliver)
        try:
            await asyncio.sleep(0.1)
            assert await host.line.ask("ATE0") == "OK"
            await work(host)
        finally:
            await modem.stop()
        assert [each.detail for each in modem.journal if each.kind == "crash"] == []

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())


def test_known_frames() -> None:
    """As every implementation's logs show them."""
    assert frame(0, SABM, command=True) == bytes.fromhex("f9 03 3f 01 1c f9") == by_hand(0, SABM)
    assert frame(0, UA, command=True) == bytes.fromhex("f9 03 73 01 d7 f9")
    assert frame(1, SABM, command=True) == bytes.fromhex("f9 07 3f 01 de f9")


@given(st.lists(st.tuples(st.integers(0, 63), st.binary(max_size=400)), max_size=6), st.randoms())
@settings(max_examples=50, deadline=None)
def test_frames_survive_cutting_and_noise(sent: list[tuple[int, bytes]], dice: Any) -> None:
    line = b"".join(
        b"noise" * dice.randrange(2) + frame(n, UIH, data, command=True) for n, data in sent
    )
    found, buffer = [], bytearray()
    while line:
        size = dice.randrange(1, 60)
        buffer += line[:size]
        line = line[size:]
        found += [(address >> 2, data) for address, _, data in frames(buffer, lambda junk: None)]
    assert found == sent


def test_two_channels_are_two_command_ports() -> None:
    async def work(host: MuxHost) -> None:
        await host.start("AT+CMUX=0,0,5,20", 1, 2)
        assert host.heard(0, UA) == [(3, b"")]
        assert host.heard(1, UA) == [(7, b"")]
        assert [d for _, d in host.heard(0, UIH)] == [
            b"\xe3\x05\x07\x0d",
            b"\xe3\x05\x0b\x0d",
        ]  # MSC of the modem's
        one, two = host.channels[1], host.channels[2]
        assert await one.ask("ATE0") == "OK"
        two.modem.receive(b"AT+CGMM\r")  # still with echo
        await two.until(lambda: b"OK" in two.text)
        assert two.text == b"AT+CGMM\r\r\nBG96\r\n\r\nOK\r\n"
        two.text.clear()
        # a command that takes long on one does not stop the other
        one.modem.receive(b"AT+COPS=?\r")
        await two.ask("ATE0")
        assert await two.ask("AT+CMEE=2") == "OK"
        assert b"COPS" not in one.text
        await one.until(lambda: b"+COPS: (2," in one.text and b"OK" in one.text)
        assert await one.ask("AT+CMEE?") == "OK"
        assert b"+CMEE: 1" in one.text
        assert max(len(data) for _, data in host.heard(1, UIH)) == 20  # N1
        # the module itself is one
        assert await one.ask('AT+CGDCONT=3,"IP","three"') == "OK"
        assert await two.ask("AT+CGDCONT?") == "OK"
        assert b'+CGDCONT: 3,"IP","three"' in two.text
        assert "ERROR" in await two.ask("AT+CMUX=0")

    multiplexed(work)


def test_notices_go_where_the_module_says() -> None:
    async def work(host: MuxHost) -> None:
        await host.start("AT+CMUX=0", 1, 2)
        one, two = host.channels[1], host.channels[2]
        await one.ask("ATE0")
        for channel, expected in (("0", (True, True)), ("2", (False, True)), ("1", (True, False))):
            assert await one.ask(f'AT+QCFG="cmux/urcport",{channel}') == "OK"
            one.text.clear()
            two.text.clear()
            host.modem.urc("+QIND: 1")
            await asyncio.sleep(0.1)
            assert (b"+QIND: 1" in one.text, b"+QIND: 1" in two.text) == expected, channel

    multiplexed(work)


def test_commands_while_a_call_is_on_the_other_channel() -> None:
    data = bytes(range(256)) * 100

    async def work(host: MuxHost) -> None:
        await host.start("AT+CMUX=0,0,5,127", 1, 2)
        one, two = host.channels[1], host.channels[2]
        await one.ask("ATE0")
        assert await two.dial() == "CONNECT 150000000"
        assert host.heard(0, UIH)[-1][1] == b"\xe3\x05\x0b\x8d"  # DCD
        await two.bring_up(IPCP)
        tcp = Tcp(two, 40000, (bytes((192, 0, 2, 9)), 7))
        two.on_packet = tcp.take
        assert await tcp.open() == "open"
        tcp.write(data)
        for _ in range(3):
            assert await one.ask("AT+CSQ") == "OK"
        assert "ERROR" in await one.ask("ATD*99#")  # one call
        assert await one.ask("ATO") == "NO CARRIER"  # and it is not here
        assert await one.ask("ATH") == "OK"
        await tcp.until(lambda: tcp.got == data)
        await two.escape()
        assert two.text == b"\r\nOK\r\n"
        assert await two.ask("ATO") == "CONNECT 150000000"
        two.ppp = False
        two.text.clear()
        host.put(0, UIH, b"\xe3\x05\x0b\x09")  # MSC: the host's DTR goes, AT&D2
        await two.until(lambda: two.text == b"\r\nNO CARRIER\r\n")
        assert host.heard(0, UIH)[-1][1] == b"\xe3\x05\x0b\x0d"
        host.put(0, UIH, b"\xe3\x05\x0b\x0d")
        assert await two.dial() == "CONNECT 150000000"
        await two.until(lambda: two.seen(LCP, 1))
        host.put(2, DISC)  # the channel goes, and the call with it
        await asyncio.sleep(0.1)
        assert host.heard(2, UA)
        assert host.modem.call is None
        assert await one.ask("AT+CGACT?") == "OK"
        assert b"+CGACT: 1,0" in one.text
        host.open(2)
        assert await host.channels[2].ask("AT") == "OK"

    multiplexed(work)


def test_steering() -> None:
    async def work(host: MuxHost) -> None:
        await host.start("AT+CMUX=0", 1)
        host.seen.clear()
        for asked, answer in (
            (b"\x23\x09ping", b"\x21\x09ping"), (b"\x43\x01", b"\x41\x01"), (b"\x63\x01", b"\x61\x01"),
            (b"\xa3\x01", b"\xa1\x01"), (b"\xe3\x05\x07\x0d", b"\xe1\x05\x07\x0d"), (b"\xd3\x03\x00", b"\x11\x03\xd3"),
            (b"\x83\x11\x01\x00\x00\x0a\x40\x00\x03\x00", b"\x81\x11\x01\x00\x00\x0a\x40\x00\x03\x00"),
        ):  # fmt: skip
            # test, sleep, flow off, flow on, signals, a message that it has not, parameters
            host.put(0, UIH, asked)
            await asyncio.sleep(0.01)
            assert host.heard(0, UIH)[-1][1] == answer
        host.put(9, SABM)
        host.put(3, DISC)
        host.put(4, UIH, b"AT\r")
        await asyncio.sleep(0.01)
        assert host.heard(9, DM)
        assert host.heard(3, DM)
        assert host.heard(4, DM)
        host.put(0, UIH, b"\x63\x01")  # flow off: nothing leaves
        one = host.channels[1]
        one.modem.receive(b"AT\r")
        await asyncio.sleep(1)
        assert not one.text
        host.put(0, UIH, b"\xa3\x01")
        await one.until(lambda: b"OK" in one.text)
        host.put(0, UIH, b"\xc3\x01")  # close down
        await asyncio.sleep(0.01)
        assert host.heard(0, UIH)[-1][1] == b"\xc1\x01"
        host.on = False
        assert await host.line.ask("AT") == "OK"
        await host.start("AT+CMUX=0", 1)  # and again; then by DISC
        host.put(0, DISC)
        await asyncio.sleep(0.01)
        host.on = False
        assert await host.line.ask("AT") == "OK"
        assert "ERROR" in await host.line.ask("AT+CMUX=1")

    multiplexed(work)


def test_a_restart_ends_it() -> None:
    async def work(host: MuxHost) -> None:
        await host.start("AT+CMUX=0", 1)
        one = host.channels[1]
        one.modem.receive(b"AT+CFUN=1,1\r")
        await one.until(lambda: b"POWERED DOWN" in one.text)
        host.on = False
        host.line.text.clear()
        await host.line.until(lambda: b"RDY" in host.line.text)
        assert await host.line.ask("AT") == "OK"

    multiplexed(work)


@pytest.mark.parametrize("faults", ["no-ua", "garbage", "drop"])
def test_faults(faults: str) -> None:
    async def work(host: MuxHost) -> None:
        await host.start("AT+CMUX=0", 1)
        one = host.channels[1]
        if faults == "drop":
            for _ in range(30):
                one.modem.receive(b"AT\r")
                await asyncio.sleep(0.1)
            assert 50 <= one.text.count(b"OK") + one.text.count(b"AT") < 60
            return
        assert await one.ask("ATE0") == "OK"
        assert await one.ask("AT+CGMM") == "OK"
        assert (host.heard(1, UA) == []) == (faults == "no-ua")
        assert (b"+CREG" in host.junk) == (faults == "garbage")

    multiplexed(work, cmux=faults)


def test_who_has_none() -> None:
    async def work(host: MuxHost) -> None:
        assert "ERROR" in await host.line.ask("AT+CMUX=0")

    multiplexed(work, firmware="bg96-old")
    with pytest.raises(SettingError):
        parse({"cmux": "loud"})
