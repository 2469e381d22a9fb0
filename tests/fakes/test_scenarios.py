"""Every ready-made scenario injects what it promises into an ordinary conversation."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from fakes import Peer, build
from fakes.scenario import load
from fakes.scenarios import find, names, titles

from .test_peers import Wire, virtually

PEERS = {"srv:7": Peer("echo"), "bad:1": Peer("refuse")}
ESP = (
    "AT", "AT+GMR", "AT+CWMODE=1", "AT+CWLAP", 'AT+CWJAP="lab","secret99"', "AT+CIPMUX=1",
    'AT+CIPSTART=0,"TCP","srv",7', "AT+CIPSEND=0,5|hello", "AT+CIPSEND=0,5|again",
    "AT+CIPSTATUS", 'AT+CIPDOMAIN="srv"', 'AT+CIPSTART=2,"TCP","bad",1', "AT+CIPCLOSE=0",
    'AT+CIPSTART=0,"TCP","srv",7', "AT",
)  # fmt: skip
BG96 = (
    "AT", "ATI", "AT+CPIN?", "AT+CPIN?", "AT+CEREG?", "AT+COPS?", "AT+QISDE=0",
    'AT+QURCCFG="urcport","usbmodem"', 'AT+QICSGP=1,1,"internet"', "AT+QIACT=1", "AT+QIACT=1",
    'AT+QIOPEN=1,0,"TCP","srv",7,0,0', "AT+QISEND=0,5|hello", "AT+QIRD=0,1500",
    "AT+QISEND=0,5|again", "AT+QIRD=0,1500", "AT+QISTATE?", 'AT+QIDNSGIP=1,"srv"',
    'AT+QIOPEN=1,1,"TCP","bad",1,0,0', "AT+QICLOSE=0", "AT",
)  # fmt: skip


async def converse(wire: Wire) -> None:
    """A host that goes on whatever it hears: 3 s of patience for each command."""
    await asyncio.sleep(0.5)
    for line in ESP if wire.modem.kind == "esp8266" else BG96:
        command, _, payload = line.partition("|")
        del wire.said[:]
        wire.modem.receive(command.encode() + b"\r\n")
        await heard(wire, rb"> ?$" if payload else rb"\r\n(OK|ERROR|\+CME ERROR: .*)\r\n")
        if payload:
            wire.modem.receive(payload.encode())
            await heard(wire, rb"SEND (OK|FAIL)\r\n")
        await asyncio.sleep(0.7)
    await asyncio.sleep(200)


async def heard(wire: Wire, pattern: bytes) -> None:
    for _ in range(30):
        if re.search(pattern, wire.said):
            return
        await asyncio.sleep(0.1)


NEEDS_A_PTY = {"I04_back_under_another_name"}
"""In memory there is nothing to unplug; tests/fakes/test_ptyport.py does."""


@pytest.mark.parametrize("name", sorted(set(names()) - NEEDS_A_PTY))
def test_it_injects_what_it_says(name: str) -> None:
    path = find(name)
    assert path is not None
    plan = load(path)
    assert plan.steps
    modules = [plan.modem] if plan.modem else ["esp8266", "bg96"]
    used: set[int] = set()
    for module in modules:
        points: Any = {"lab": "secret99"} if module == "esp8266" else None
        modem = build(
            module, scenario=name, peers={**PEERS, **plan.peers}, offline=True,
            access_points=points,
        )  # fmt: skip
        virtually(converse, modem)
        assert not [each for each in modem.journal if each.kind == "crash"], modem.journal
        assert modem.scenario.used, f"{name} does nothing to a {module}"
        used |= set(modem.scenario.used)
    assert used == set(range(len(plan.steps))), f"steps of {name} that never act"


def test_names() -> None:
    assert len(names()) >= 80
    for name, title in titles().items():
        assert re.fullmatch(r"[A-K]\d\d_[a-z0-9_]+", name)
        assert title
    assert find("c01") == find("C01_late_answer")
    assert find("C") is None
    assert find("nosuch") is None
