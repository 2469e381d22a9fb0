"""Every trigger and action of a scenario, each with what it does to the bytes or to the world."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeModem, Scenario, ScenarioError, Step, build
from fakes.actions import ACTIONS, perform
from fakes.scenario import load

from .test_peers import Wire, attach_bg96, bg96, esp, join_esp, virtually


def plan(*steps: Step) -> Scenario:
    return Scenario(steps)


def said(modem: FakeModem, *commands: str, wait: float = 1.0) -> bytes:
    """What a module says to some command lines within a virtual second."""

    async def talk(wire: Wire) -> bytes:
        await asyncio.sleep(0.01)
        for command in commands:
            wire.modem.receive(command.encode() + b"\r\n")
            await asyncio.sleep(wait)
        return bytes(wire.said)

    result: bytes = virtually(talk, modem)
    return result


OK = b"AT\r\n\r\nOK\r\n"
CASES: dict[str, tuple[Step, bytes]] = {
    "lose": (Step(on="AT", passes=True, do=(("lose", 3),)), OK[:4] + OK[7:]),
    "dup": (Step(on="AT", passes=True, do=(("dup", 2),)), b"AT\r\n\r\nOOK\r\n"),
    "flip": (Step(on="AT", say=("OK",), do=()), b"AT\r\nOK\r\n"),
    "say": (Step(on="AT", say=("+X: 1", "OK")), b"AT\r\n+X: 1\r\nOK\r\n"),
    "raw": (Step(on="AT", do=(("raw", {"hex": "00 ff"}),)), b"AT\r\n\x00\xff"),
    "urc": (Step(on="AT", do=(("urc", "WIFI LOST"),)), b"AT\r\nWIFI LOST\r\n"),
    "flood": (Step(on="AT", do=(("flood", {"line": "x", "count": 3}),)), b"AT\r\n" + b"x\r\n" * 3),
    "type": (Step(on="AT", times=1, do=(("type", "AT\r\n"),)), b"AT\r\n" + OK),
    "echo": (Step(on="AT", times=1, passes=True, do=(("echo", False),)), OK),
    "instead": (Step(before=r"\r\n(OK)\r\n", instead=r"\r\nN\1\r\n"), b"AT\r\n\r\nNOK\r\n"),
    "behind": (Step(behind=r"\r\nOK\r\n", raw=b"+IPD"), OK + b"+IPD"),
    "at_byte": (Step(at_byte=5, raw=b"<here>"), OK[:5] + b"<here>" + OK[5:]),
    "at": (Step(at=0.5, say=("later",)), OK + b"later\r\n"),
    "chance 0": (Step(on="AT", chance=0.0, say=("no",)), OK),
    "reset": (Step(on="AT", reset="silent"), b"AT\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_bytes(name: str) -> None:
    step, wanted = CASES[name]
    assert said(esp(scenario=plan(step)), "AT") == wanted


def test_a_flipped_bit_and_noise() -> None:
    got = said(esp(scenario=plan(Step(on="AT", passes=True, do=(("flip", 2),)))), "AT")
    assert len(got) == len(OK)
    assert [n for n in range(len(OK)) if got[n] != OK[n]] == [6]
    assert bin(got[6] ^ OK[6]).count("1") == 1
    got = said(esp(scenario=plan(Step(on="AT", do=(("noise", 50),)))), "AT")
    assert len(got) == len(b"AT\r\n") + 50


def test_order_and_waiting() -> None:
    """What is held back comes behind the literal it waits for."""
    step = Step(before=r"0,CONNECT\r\n", until=r"\r\nOK\r\n")
    modem = esp(scenario=plan(step))

    async def talk(wire: Wire) -> bytes:
        await join_esp(wire)
        got = await wire.ask('AT+CIPSTART=0,"TCP","srv",7')
        await asyncio.sleep(1)
        return got + bytes(wire.said)

    assert virtually(talk, modem) == b"\r\nOK\r\n0,CONNECT\r\n"


def test_lying_about_a_length() -> None:
    step = Step(before=r"(\r\n\+IPD,0,)(\d+)(:.*)", instead=r"\g<1>9\3", times=1)

    async def talk(wire: Wire) -> None:
        await join_esp(wire)
        await wire.ask('AT+CIPSTART=0,"TCP","srv",7')
        await wire.ask("AT+CIPSEND=0,4", rb">")
        wire.modem.receive(b"data")
        await wire.until(rb"\+IPD,0,9:data")

    virtually(talk, esp(scenario=plan(step)))


def test_reset_inside_a_payload() -> None:
    """The literal is cut at the byte; nothing of the rest is ever written."""

    async def talk(wire: Wire) -> bytes:
        await join_esp(wire)
        await wire.ask('AT+CIPSTART=0,"TCP","srv",7')
        await wire.ask("AT+CIPSEND=0,100", rb">")
        here = wire.modem.written
        wire.modem.scenario.add(Step(at_byte=here + 60, reset=True))
        wire.modem.receive(b"x" * 100)
        return await wire.until(rb"\r\nready\r\n")

    got = virtually(talk, esp())
    assert 0 < got.count(b"x") < 100


def test_busy_deaf_and_eaten_input() -> None:
    modem = esp(scenario=plan(Step(at=0.0, do=(("busy", 5),))))
    assert said(modem, "AT", "AT") == b"AT\r\n\r\nbusy p...\r\n" * 2
    assert b"OK" not in said(esp(scenario=plan(Step(at=0.0, do=(("deaf", 5),)))), "AT")
    modem = esp(scenario=plan(Step(on="AT", passes=True, do=(("eat", 1),))))
    assert said(modem, "AT", "AT").endswith(b"T\r\n\r\nERROR\r\n")


def test_a_reset_is_obeyed_while_busy_and_ends_it() -> None:
    async def talk(wire: Wire) -> bytes:
        wire.modem.keep_busy(1000)
        wire.modem.receive(b"AT+RST\r\n")
        await wire.until(rb"restart!!!\r\n[^!]*\r\nready\r\n")
        return await wire.ask("AT")

    assert b"OK" in virtually(talk, esp())


def test_another_rate() -> None:
    async def talk(wire: Wire) -> None:
        wire.modem.set_line_rate(115200)
        assert b"OK" in await wire.ask("AT")
        perform(wire.modem, "rate", 9600)
        wire.modem.receive(b"AT\r\n")
        await asyncio.sleep(1)
        assert b"OK" not in wire.said

    virtually(talk, esp())


def test_events_of_a_bg96() -> None:
    async def talk(wire: Wire) -> None:
        await attach_bg96(wire)
        await wire.ask("AT+CEREG=1")
        await wire.ask('AT+QIOPEN=1,0,"TCP","srv",7,0,0', rb"\+QIOPEN: 0,0\r\n")
        perform(wire.modem, "event", "pdp_lost")
        await wire.until(rb'\+QIURC: "pdpdeact",1\r\n')
        perform(wire.modem, "event", "cell_lost")
        await wire.until(rb"\+CEREG: 2\r\n")
        perform(wire.modem, "event", "cell_back")
        assert b"+CEREG: 1,1\r\n" in await wire.ask("AT+CEREG?")
        perform(wire.modem, "event", "sim_out")
        assert b"+CME ERROR: 10" in await wire.ask("AT+CPIN?", rb"ERROR: \d+\r\n")
        perform(wire.modem, "event", "sim_in")
        assert b"+CPIN: READY" in await wire.ask("AT+CPIN?")
        perform(wire.modem, "event", "denied")
        assert b"+CEREG: 1,3\r\n" in await wire.ask("AT+CEREG?")

    virtually(talk, bg96(firmware="bg96"))


def test_events_of_an_esp() -> None:
    async def talk(wire: Wire) -> None:
        await join_esp(wire)
        await wire.ask('AT+CIPSTART=0,"TCP","srv",7')
        perform(wire.modem, "event", "ap_lost")
        await wire.until(rb"WIFI DISCONNECT\r\n0,CLOSED\r\n")
        assert b"ERROR" in await wire.ask('AT+CWJAP="lab","secret99"')
        perform(wire.modem, "event", "ap_back")
        assert b"OK" in await wire.ask('AT+CWJAP="lab","secret99"')

    virtually(talk, esp())


def test_peers_and_world_at_run_time() -> None:
    async def talk(wire: Wire) -> None:
        await join_esp(wire)
        perform(wire.modem, "world", {"peers": {"new:5": {"does": "echo", "greeting": "hi"}}})
        await wire.ask('AT+CIPSTART=2,"TCP","new",5')
        await wire.until(rb"\+IPD,2,2:hi")
        said = perform(wire.modem, "peer", {"at": "new:5", "does": "say", "data": {"hex": "0102"}})
        assert said == 1
        await wire.until(rb"\+IPD,2,2:\x01\x02")
        assert perform(wire.modem, "peer", {"does": "reset"}) == 1
        await wire.until(rb"2,CLOSED")
        perform(wire.modem, "world", {"peers": {"new:5": None}, "resolve": {"other": "192.0.2.1"}})
        assert b"ERROR" in await wire.ask('AT+CIPSTART=2,"TCP","new",5')
        assert b"192.0.2.1" in await wire.ask('AT+CIPDOMAIN="other"')
        perform(wire.modem, "world", {"access_points": {"more": "12345678", "lab": None}})
        assert sorted(wire.modem.world.access_points) == ["more"]

    virtually(talk, esp())


WRONG: dict[str, tuple[Any, str]] = {
    "lose": (-1, "whole number"), "dup": (True, "whole number"), "flip": ("x", "whole number"),
    "eat": (1.5, "whole number"), "say": ([True], "must be text"), "raw": ("€", "latin-1"),
    "urc": (None, "must be text"), "flood": ({"lines": "x"}, "unknown key 'lines'"),
    "noise": ([], "whole number"), "type": (5.0j, "must be text"), "deaf": ("soon", "not a time"),
    "busy": (-1, "not a time"), "echo": ("on", "true or false"), "rate": ("", "whole number"),
    "chunk": ("tiny", "valid: whole"), "reset": ("maybe", "silent"),
    "unplug": (1, "only a fake on a pseudo terminal"),
    "event": ("flood", "valid: wifi_lost"), "peer": ({"does": "go"}, "valid: fin"),
    "dtr": ("off", "true or false"), "ppp": ("noisy", "valid: lose-first"),
    "world": ({"ap": 1}, "unknown key 'ap'"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIONS)
def test_a_wrong_value_is_told(name: str) -> None:
    value, sentence = WRONG[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        perform(build("esp8266"), name, value)
    assert str(caught.value).startswith(f"{name}: ")


def test_a_file_with_everything_and_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(
        "modem: esp8266\n"
        "peers:\n"
        '  "srv:7": echo\n'
        '  "web:80": {answer: "bye", then: close, delay: 20ms}\n'
        "steps:\n"
        "  - at_byte: 3\n"
        "    noise: 2\n"
        "  - behind: x\n"
        "    after: 1s\n"
        "    peer: {does: fin}\n"
    )
    found = load(path)
    assert found.peers["web:80"].delay == 0.02
    assert found.steps[1].actions == (("peer", {"does": "fin"}),)
    path.write_text('peers:\n  "srv:7": ech\n')
    with pytest.raises(ScenarioError, match="line 2, column 3: unknown peer 'ech'") as caught:
        load(path)
    assert (caught.value.line, caught.value.column) == (2, 3)
    path.write_text("steps:\n  - on: AT\n    noise: 2\n    deaf: soon\n")
    with pytest.raises(ScenarioError, match="line 4, column 5, step 1: deaf: not a time"):
        load(path)
