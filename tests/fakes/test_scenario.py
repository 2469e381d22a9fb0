"""Scenarios in Python and YAML."""

from __future__ import annotations

import asyncio
import builtins
from pathlib import Path
from typing import Any

import pytest

from fakes import Scenario, ScenarioError, Step, UnknownModuleError, WirePlan
from fakes import build as build_by_name
from fakes.esp8266 import build
from fakes.scenario import load, parse, seconds

FILE = r"""
modem: esp8266
steps:
  - on: 'AT\+CIPSTART=.*'
    after: 10ms
    say: ['0,CONNECT']
    raw: "\r\nERROR\r\n"
    times: 1
  - on: AT\+GMR
  - at: 0.02
    raw: "WIFI DISCONNECT\r\n"
  - before: '\r\nSEND OK\r\n'
    raw: "\r\n+IPD,0,4\r\n"
  - on: ATE0
    pass: true
    say: between
wire: {chunk: single, seed: 7, drop: 0, corrupt: 0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "story.yaml"
    path.write_text(FILE)
    return path


async def test_yaml_file(file: Path, attach: Any) -> None:
    pieces: list[bytes] = []
    modem = build(scenario=str(file), time_scale=1)
    host = await attach(modem)
    modem._deliver = lambda data: (pieces.append(data), host.deliver(data))[0]
    await host.expect(b"WIFI DISCONNECT\r\n")
    assert {len(piece) for piece in pieces} == {1}
    host.send(b"ATE0\r\n")
    await host.expect(b"ATE0\r\nbetween\r\n\r\nOK\r\n")
    host.send(b'AT+CIPSTART="TCP","127.0.0.1",1\r\n')
    await host.expect(b"0,CONNECT\r\n\r\nERROR\r\n")
    host.send(b"AT+CIPSTART=1\r\n")  # used up: the built-in rule
    await host.expect(b"\r\nERROR\r\n")
    host.send(b"AT+GMR\r\n")  # nothing said: unanswered
    await host.quiet()
    host.send(b"AT\r\n")
    await host.expect(b"\r\nOK\r\n")


async def test_before_a_literal_and_reset(attach: Any) -> None:
    steps = (
        Step(before=r"\r\nOK\r\n", raw=b"+IPD,0,4\r\n", times=1),
        Step(on="AT[+]RESET", reset=True),
        Step(on="AT[+]MUTE", reset="silent"),
        Step(on="AT[+]DEAF", deaf=0.02, say=("OK",)),
        Step(on="AT[+]LOSE", drop=2, raw=b"\r\nOK\r\n"),
    )
    host = await attach(build(scenario=Scenario(steps), time_scale=1, boot_time="0.01"))
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n+IPD,0,4\r\n\r\nOK\r\n")
    await host.ok("ATE0")
    host.send(b"AT+LOSE\r\n")
    await host.expect(b"OK\r\n")
    host.send(b"AT+DEAF\r\n")
    await host.expect(b"OK\r\n")
    host.send(b"AT\r\n")
    await host.quiet()
    host.send(b"AT+RESET\r\n")
    assert (await host.read_until(b"\r\nready\r\n")).startswith(b"\r\n")
    host.send(b"AT+MUTE\r\n")
    await host.expect(b"AT+MUTE\r\n")
    await host.quiet()
    assert host.journal("scenario")


async def test_reset_instead_of_an_answer(attach: Any) -> None:
    """The module dies in the middle of an answer: what follows is never written."""
    steps = (Step(before=r"SDK version.*", reset=True, times=1),)
    scenario = Scenario(steps, modem="esp32")
    host = await attach(build(firmware="E24", scenario=scenario, time_scale=0.01))
    host.send(b"AT+GMR\r\n")
    got = await host.read_until(b"\r\nready\r\n")
    assert got.startswith(b"AT+GMR\r\nAT version:")
    assert b"SDK" not in got
    assert b"OK" not in got
    assert b"SDK" in await host.ok("AT+GMR")


async def test_a_step_that_waits_when_the_module_restarts_is_used_up(attach: Any) -> None:
    """`times` counts matches: what came to nothing does not wait for the next command."""
    scenario = Scenario((Step(on="AT", passes=True, after=1000.0, times=1),))
    host = await attach(build(scenario=scenario, time_scale=1, boot_time="0.01"))
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n")
    await host.quiet()
    host.modem.restart()
    await host.read_until(b"\r\nready\r\n")
    host.send(b"AT\r\n")
    await host.expect(b"AT\r\n\r\nOK\r\n")


async def test_a_step_that_waits_is_not_begun_once_more(attach: Any) -> None:
    scenario = Scenario((Step(behind=r"\r\nOK\r\n", after=0.02, times=1, say=("late",)),))
    host = await attach(build(scenario=scenario, time_scale=1))
    await host.ok("AT")
    await host.ok("AT")
    await host.expect(b"late\r\n")
    await asyncio.sleep(0.1)
    await host.quiet()


async def test_disarmed_steps_match_no_more_and_later_ones_do(attach: Any) -> None:
    step = Step(behind=r"\r\nOK\r\n", after=0.02, say=("late",))
    host = await attach(build(scenario=Scenario((step,)), time_scale=1))
    await host.ok("AT")
    host.modem.scenario.disarm()
    await host.expect(b"late\r\n")  # it had matched
    await host.ok("AT")
    await host.quiet(0.05)
    host.modem.scenario.add(step)
    await host.ok("AT")
    await host.expect(b"late\r\n")


async def test_timed_steps_survive_a_restart(attach: Any) -> None:
    scenario = Scenario((Step(at=0.03, say=("now",)),))
    host = await attach(build(scenario=scenario, firmware="E22-ESP32", boot_time="0.01"))
    host.modem.restart()
    await host.expect(b"\r\nready\r\n")
    await host.expect(b"now\r\n")


async def test_wire_faults_by_seed(attach: Any) -> None:
    async def run() -> bytes:
        plan = WirePlan(chunk="random", seed=5, drop=0.02, corrupt=0.02)
        host = await attach(build(scenario=Scenario(wire=plan), time_scale=0))
        for _ in range(30):
            host.send(b"AT+GMR\r\n")
            await asyncio.sleep(0.002)
        await host.modem.stop()
        return bytes(host.output)

    first, second = await run(), await run()
    assert first == second
    assert first.count(b"AT version") < 30


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "steps: [{on: AT, sya: OK}]",
            r"bad.yaml, line 1, column 18, step 1: unknown key 'sya'; valid: on, at",
        ),
        ("stepps: []", "unknown key 'stepps'"),
        ("steps: [{on: AT}, {say: x}]", "step 2: give exactly one of on, at, before"),
        ("steps: [{on: AT, at: 3}]", "exactly one"),
        ("steps: [{on: '('}]", "step 1: not a regular expression"),
        ("steps: [{at: soon}]", "step 1: not a time: 'soon'"),
        ("steps: [{on: AT, times: 0}]", "times must be"),
        ("steps: [{on: AT, drop: -1}]", "line 1, column 18, step 1: lose: must not be negative"),
        ("steps: [{on: AT, reset: maybe}]", "reset: must be true, false or silent"),
        ("steps: [{before: x, after: 1}]", "after does not go with before"),
        ("steps: [{at: 1, pass: true}]", "pass goes with on only"),
        ("steps: {on: AT}", "steps must be a list"),
        ("steps: [AT]", "step 1: a step must be a mapping"),
        ("- a", "the file must be a mapping"),
        ("wire: {chunk: tiny}", "unknown chunk plan 'tiny'"),
        ("wire: {drop: 2}", "probability"),
        ("wire: {speed: 2}", "unknown key 'speed'"),
        ("wire: {drop: x}", "wire: could not convert"),
        ("a: [", "not YAML"),
    ],
)
def test_faults_name_file_and_step(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=fault) as caught:
        load(path)
    assert "bad.yaml" in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_file_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="written for 'bg96'"):
        build(scenario=Scenario(modem="bg96"))
    real = builtins.__import__

    def without_yaml(name: str, *more: Any, **named: Any) -> Any:
        if name == "yaml":
            raise ImportError
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(ScenarioError, match=r"atdriver\[yaml\]"):
        load(tmp_path / "none.yaml")


def test_times_and_empty() -> None:
    assert seconds("250ms") == 0.25
    assert seconds("2min") == 120
    assert seconds(3) == 3
    for bad in (True, "x", -1, float("inf")):
        with pytest.raises(ValueError, match="not a time"):
            seconds(bad)
    assert parse(None) == Scenario()


def test_unknown_module() -> None:
    with pytest.raises(UnknownModuleError, match="esp8266, esp32, bg96"):
        build_by_name("esp9")
