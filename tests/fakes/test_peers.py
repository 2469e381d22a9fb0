"""Scripted peers: the world of a fake without a socket, under virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fakes import FakeModem, Peer, Scenario, ScenarioError, WirePlan, build
from fakes.virtualtime import VirtualTimeLoop
from tests.fakes.terminal import Terminal

OFFLINE = {
    "srv:7": Peer("echo"),
    "srv:9": Peer("discard"),
    "srv:19": Peer("chargen", rate=1000),
    "web:80": Peer(answer=b"HTTP/1.0 404 no\r\n\r\n", then="close"),
    "bad:1": Peer("refuse"),
    "bad:2": Peer("silent"),
    "bad:3": Peer(greeting=b"hello\r\nOK\r\n", then="reset", after=5),
    "slow:7": Peer("echo", rate=100, delay=2.0),
}


class Wire(Terminal):
    """A started fake, its output, and everything that passed with its time."""

    def __init__(self, modem: FakeModem) -> None:
        super().__init__(modem)
        self.digest = hashlib.sha256()

    def hear(self, data: bytes) -> None:
        super().hear(data)
        self.digest.update(b"%r %r\n" % (asyncio.get_running_loop().time(), data))

    async def until(self, pattern: bytes, timeout: float = 1000.0) -> bytes:
        return await super().until(pattern, timeout)

    async def ask(self, line: str, final: bytes = rb"\r\n(OK|ERROR)\r\n") -> bytes:
        self.modem.receive(line.encode() + b"\r\n")
        return await self.until(final)


def virtually(talk: Callable[[Wire], Coroutine[Any, Any, Any]], modem: FakeModem) -> Any:
    async def run() -> Any:
        wire = Wire(modem)
        await modem.start(wire.hear)
        try:
            return await talk(wire)
        finally:
            await modem.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(run())


async def attach_bg96(wire: Wire) -> None:
    await wire.ask("ATE0")
    await wire.ask('AT+QURCCFG="urcport","usbmodem"')
    await asyncio.sleep(30)
    assert b"OK" in await wire.ask('AT+QICSGP=1,1,"internet"')
    assert b"OK" in await wire.ask("AT+QIACT=1")


async def join_esp(wire: Wire) -> None:
    await wire.ask("ATE0")
    for line in ("AT+CWMODE=1", 'AT+CWJAP="lab","secret99"', "AT+CIPMUX=1"):
        assert b"OK" in await wire.ask(line)


def bg96(**more: Any) -> FakeModem:
    return build("bg96", peers=OFFLINE, offline=True, **more)


def esp(**more: Any) -> FakeModem:
    return build("esp8266", peers=OFFLINE, offline=True, access_points={"lab": "secret99"}, **more)


def test_bg96_echo_and_http() -> None:
    async def talk(wire: Wire) -> float:
        await attach_bg96(wire)
        await wire.ask('AT+QIOPEN=1,0,"TCP","srv",7,0,0', rb"\+QIOPEN: 0,0\r\n")
        await wire.ask("AT+QISEND=0,5", rb"> ")
        wire.modem.receive(b"hello")
        await wire.until(rb'SEND OK\r\n.*\+QIURC: "recv",0\r\n')
        assert b"+QIRD: 5\r\nhello\r\n" in await wire.ask("AT+QIRD=0,1500")
        await wire.ask('AT+QIOPEN=1,1,"TCP","web",80,0,0', rb"\+QIOPEN: 1,0\r\n")
        await wire.ask("AT+QISEND=1,3", rb"> ")
        wire.modem.receive(b"GET")
        got = await wire.until(rb'"recv",1\r\n') + await wire.ask("AT+QIRD=1,1500")
        assert b"HTTP/1.0 404" in got
        assert b'+QIURC: "closed",1\r\n' in got
        return asyncio.get_running_loop().time()

    begun = time.process_time()
    assert virtually(talk, bg96()) > 30
    assert time.process_time() - begun < 2


def test_ways_a_connect_fails() -> None:
    async def talk(wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        await attach_bg96(wire)
        begun = loop.time()
        await wire.ask('AT+QIOPEN=1,0,"TCP","bad",1,0,0', rb"\+QIOPEN: 0,566\r\n")
        assert loop.time() - begun < 5
        begun = loop.time()
        await wire.ask('AT+QIOPEN=1,0,"TCP","bad",2,0,0', rb"\+QIOPEN: 0,566\r\n")
        assert loop.time() - begun > 60
        await wire.ask('AT+QIOPEN=1,0,"TCP","srv",8,0,0', rb"\+QIOPEN: 0,566\r\n")
        await wire.ask('AT+QIOPEN=1,0,"TCP","nosuch",7,0,0', rb"\+QIOPEN: 0,565\r\n")
        await wire.ask('AT+QIOPEN=1,0,"TCP","203.0.113.1",7,0,0', rb"\+QIOPEN: 0,566\r\n")

    virtually(talk, bg96())


def test_an_esp_hears_a_greeting_and_a_reset() -> None:
    async def talk(wire: Wire) -> None:
        await join_esp(wire)
        await wire.ask('AT+CIPSTART=0,"TCP","bad",3')
        await wire.until(rb"\+IPD,0,11:hello\r\nOK\r\n")
        await wire.ask("AT+CIPSEND=0,5", rb">")
        wire.modem.receive(b"12345")
        await wire.until(rb"0,CLOSED")
        [talked] = wire.modem.world.peers.conversations["bad:3"]
        assert bytes(talked.told) == b"12345"

    virtually(talk, esp())


def test_slow_stalled_and_hostile_peers() -> None:
    async def talk(wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        await join_esp(wire)
        begun = loop.time()
        await wire.ask('AT+CIPSTART=0,"TCP","slow",7')
        assert loop.time() - begun >= 2
        await wire.ask("AT+CIPSEND=0,200", rb">")
        begun = loop.time()
        wire.modem.receive(bytes(200))
        got = b""
        while got.count(b"\0") < 200:
            got += await wire.until(rb"\+IPD,0,\d+:\0+")
        assert 1.5 <= loop.time() - begun <= 4
        [talked] = wire.modem.world.peers.talking("slow:7")
        talked.say(b"\r\n0,CLOSED\r\n+IPD,0,5:")
        await wire.until(rb"\+IPD,0,21:\r\n0,CLOSED\r\n\+IPD,0,5:")
        talked.fin()
        await wire.until(rb"0,CLOSED\r\n")

    virtually(talk, esp())


def test_datagrams_and_a_listener() -> None:
    async def talk(wire: Wire) -> None:
        await join_esp(wire)
        await wire.ask('AT+CIPSTART=1,"UDP","srv",7,4000,0')
        await wire.ask("AT+CIPSEND=1,4", rb">")
        wire.modem.receive(b"ping")
        await wire.until(rb"\+IPD,1,4:ping")
        await wire.ask("AT+CIPSERVER=1,8080")
        assert wire.modem.sockets.dial(8080, Peer(greeting=b"knock"))
        await wire.until(rb"\+IPD,0,5:knock")
        assert not wire.modem.sockets.dial(8081, Peer())

    virtually(talk, esp())


def test_ten_minutes_with_twelve_sockets_take_under_two_seconds() -> None:
    async def talk(wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        await attach_bg96(wire)
        for number in range(12):
            port = 19 if number % 2 else 7
            await wire.ask(f'AT+QIOPEN=1,{number},"TCP","srv",{port},0,0', rb"\+QIOPEN: \d+,0\r\n")
        rounds = 0
        while loop.time() < 600:
            for number in range(12):
                if number % 2:
                    await wire.ask(f"AT+QIRD={number},1500")
                else:
                    await wire.ask(f"AT+QISEND={number},20", rb"> ")
                    wire.modem.receive(b"%020d" % rounds)
                    await wire.until(rb"SEND OK\r\n")
                    assert b"%020d" % rounds in await wire.ask(f"AT+QIRD={number},1500")
            rounds += 1
            await asyncio.sleep(10)
        assert rounds >= 40

    begun = time.process_time()
    virtually(talk, bg96())
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("runs", [50, pytest.param(1000, marks=pytest.mark.nightly)])
def test_the_same_seed_gives_the_same_trace(runs: int) -> None:
    async def talk(wire: Wire) -> str:
        await join_esp(wire)
        await wire.ask('AT+CIPSTART=0,"TCP","srv",7')
        await wire.ask("AT+CIPSEND=0,500", rb">")
        wire.modem.receive(bytes(range(250)) * 2)
        await asyncio.sleep(600)
        return wire.digest.hexdigest()

    def once(seed: int) -> str:
        plan = Scenario(wire=WirePlan(chunk="random"))
        result: str = virtually(talk, esp(seed=seed, scenario=plan))
        return result

    assert len({once(7) for _ in range(runs)}) == 1
    assert once(7) != once(8)


@pytest.mark.parametrize("wrong", ["srv", "srv:0", "srv:x", ":7", "srv:70000"])
def test_a_wrong_place_is_told(wrong: str) -> None:
    with pytest.raises(ScenarioError, match="HOST:PORT is expected"):
        build("bg96", peers={wrong: Peer()})


def test_a_wrong_peer_is_told() -> None:
    with pytest.raises(ScenarioError, match="unknown peer 'ech'; valid: echo, discard"):
        Peer("ech")
    with pytest.raises(ScenarioError, match="unknown ending"):
        Peer(then="stop")
    with pytest.raises(ScenarioError, match="more than 0"):
        Peer(rate=0)
