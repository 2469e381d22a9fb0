"""Answers that come around their time limit and after it, and whose they become (figure R11 of
docs/reliability.md): never another command's."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from atdriver.events import Completed, Failed
from atdriver.exchange import Command
from atdriver.resync import PROBE_TIMEOUT
from modems.bg96 import dialect as bg96
from modems.esp8266 import dialect as esp

from .harness import done
from .modules import Habit, Simulation, SlowModule

EDGE = 3.0
"""The time limit of the command that answers late."""
TIMINGS = sorted(
    {EDGE + d / 1000 for d in (-300, -30, -3, -1, 0, 1, 3, 30)}
    | {EDGE + d / 50 for d in range(1, 150)}
    | {EDGE + d / 10 for d in range(30, 70)}
    | {EDGE + 0.1 + d / 1000 for d in range(-4, 5)}  # around the first probe
    | {EDGE + 0.1 + PROBE_TIMEOUT + d / 1000 for d in range(-4, 5)}  # around the second
)
SPREADS = (0.002, 0.05, 0.5, 3.0, 12.0)
"""Seconds around the limit in which the answer comes."""
SHAPES = {
    "esp": (
        esp.DIALECT,
        b"AT+CIPRECVLEN?",
        rb"\+CIPRECVLEN:.*",
        lambda n: b"+CIPRECVLEN:%d,0,0,0,0\r\n" % n,
        {b"AT+CIPMUX?": b"+CIPMUX:1\r\n"},
        esp.CANARY,
    ),
    "bg96": (
        bg96.DIALECT,
        b"AT+CSQ",
        rb"\+CSQ: \d+,99",
        lambda n: b"\r\n+CSQ: %d,99\r\n" % n,
        {b"AT+CEREG?": b'\r\n+CEREG: 2,1,"271B","3355B16",8\r\n'},
        bg96.CANARY,
    ),
}


@pytest.mark.parametrize("habit", Habit)
@pytest.mark.parametrize("canary", [True, False], ids=["canary", "bare"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_answer_completes_a_command_that_did_not_cause_it(
    shape: str, habit: Habit, canary: bool
) -> None:
    """The same query twice: the answer of the first comes around its time limit and after it."""
    dialect, line, info, said, other, probe = SHAPES[shape]
    query = Command(line, EDGE, info=re.compile(info))
    outcomes = set()
    for slow in TIMINGS:
        module = SlowModule(dialect.terminator, habit, slow, line, said, other)
        simulation = Simulation(dialect, module)
        bench = simulation.bench
        if canary:
            bench.engine.probe = probe
        simulation.send(query)
        simulation.until_ready()
        first = [e for e in bench.events if isinstance(e, Completed | Failed)]
        assert len(first) == 1
        if isinstance(first[0], Completed):
            assert first[0].reply.lines == [said(1).strip()]
        outcomes.add(type(first[0]))
        bench.events.clear()
        for _ in range(2):
            simulation.send(query)
            mine = module.executed[-1]
            assert mine[0] == line
            simulation.until_ready()
            ended = [e for e in bench.events if isinstance(e, Completed | Failed)]
            assert len(ended) == 1, slow
            assert isinstance(ended[0], Completed), slow
            assert ended[0].reply.lines == [said(mine[1]).strip()], slow
            bench.events.clear()
            simulation.quiet(0.5)
    assert outcomes == {Completed, Failed}


@pytest.mark.parametrize("latency", [0.001, 0.05, 0.099, 0.101, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("canary", [True, False], ids=["canary", "bare"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_with_a_slow_module(shape: str, latency: float, canary: bool) -> None:
    """Every answer takes its time, and answers queue up. (The manuals promise 300 ms a line.)"""
    dialect, line, info, said, other, probe = SHAPES[shape]
    query = Command(line, EDGE, info=re.compile(info))
    for slow in (EDGE - 0.01, EDGE + 0.01, EDGE + 0.09, EDGE + 0.11, EDGE + 1, EDGE + 2.2):
        module = SlowModule(
            dialect.terminator, Habit.QUEUES, slow, line, said, other, latency=latency
        )
        simulation = Simulation(dialect, module)
        bench = simulation.bench
        if canary:
            bench.engine.probe = probe
        simulation.send(query)
        simulation.until_ready()
        bench.events.clear()
        simulation.send(query)
        mine = module.executed[-1]
        simulation.until_ready()
        ended = [e for e in bench.events if isinstance(e, Completed | Failed)]
        assert len(ended) == 1
        assert isinstance(ended[0], Completed)
        assert ended[0].reply.lines == [said(mine[1]).strip()], (slow, latency)


@pytest.mark.parametrize("latency", [0.003, 0.15, 0.3, 0.9])
@pytest.mark.parametrize("canary", [True, False], ids=["canary", "bare"])
def test_a_module_that_was_blocked_answers_the_probes_of_that_time_too(
    latency: float, canary: bool
) -> None:
    """Start-up on a module that is busy with something: it works off all probes afterwards."""
    dialect, line, info, said, other, probe = SHAPES["bg96"]
    query = Command(line, EDGE, info=re.compile(info))
    for blocked in (0.0, 1.0, 2.05, 2.15, 4.0, 6.2, 9.0):
        module = SlowModule(
            dialect.terminator, Habit.QUEUES, latency, line, said, other, latency=latency
        )
        simulation = Simulation(dialect, module)
        bench = simulation.bench
        module.block_until(bench.now + blocked)
        if canary:
            bench.engine.probe = probe
        bench.probing()
        simulation.until_ready()
        simulation.send(query)
        mine = module.executed[-1]
        simulation.until_ready()
        assert bench.take()[-1] == done(query, said(mine[1]).strip()), blocked


def trials(shape: str, canary: bool, count: int, seed: int) -> Counter[str]:
    """Ask, get the answer late; ask the same again, and again."""
    dialect, line, info, said, other, probe = SHAPES[shape]
    query = Command(line, EDGE, info=re.compile(info))
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        spread = chance.choice(SPREADS)
        slow = max(0.001, EDGE + chance.uniform(-min(spread, EDGE) / 4, spread))
        habit = chance.choice(list(Habit))
        # What is promised: 300 ms a line. With a canary, whatever it takes.
        latency = chance.uniform(0.001, 0.9 if canary else 0.3)
        module = SlowModule(dialect.terminator, habit, slow, line, said, other, latency=latency)
        simulation = Simulation(dialect, module)
        bench = simulation.bench
        if canary:
            bench.engine.probe = probe
        for turn in ("late", "next", "next"):
            bench.events.clear()
            simulation.send(query)
            mine = [number for text, number in module.executed if text == line]
            simulation.until_ready()
            where = (shape, canary, slow, habit, latency, turn)
            (ended,) = (each for each in bench.events if isinstance(each, Completed | Failed))
            if isinstance(ended, Completed):
                assert ended.reply.lines == [said(mine[-1]).strip()], where
                outcomes[f"{turn} answered"] += 1
            else:
                outcomes[f"{turn} {type(ended.error).__name__}"] += 1
            simulation.quiet(chance.choice((0.0, 0.0, 0.5)))
    return outcomes


def judged(outcomes: Counter[str], count: int) -> None:
    assert outcomes["late CommandTimeout"] > count // 4
    assert outcomes["late answered"] > count // 50
    assert outcomes["next answered"] == 2 * count, outcomes


@pytest.mark.gate
@pytest.mark.parametrize("canary", [True, False], ids=["canary", "bare"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_sample_of_late_answers(shape: str, canary: bool) -> None:
    judged(trials(shape, canary, 1_000, 1), 1_000)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10, 20))
@pytest.mark.parametrize("canary", [True, False], ids=["canary", "bare"])
@pytest.mark.parametrize("shape", SHAPES)
def test_enough_of_them_for_a_hundred_thousand_time_outs(
    shape: str, canary: bool, seed: int
) -> None:
    judged(trials(shape, canary, 3_500, seed), 3_500)


@pytest.mark.parametrize("latency", [0.4, 0.499, 0.50099, 0.51, 0.75, 0.9])
def test_a_module_that_refuses_lines_and_queues_them_is_not_fed_as_fast_as_it_works(
    latency: float,
) -> None:
    """Found by the test above: a pause as long as the module needs for a line never ends."""
    dialect, line, info, said, other, probe = SHAPES["esp"]
    module = SlowModule(
        *(dialect.terminator, Habit.REFUSES_AND_QUEUES, 12.316, line, said, other), latency=latency
    )
    simulation = Simulation(dialect, module)
    simulation.bench.engine.probe = probe
    simulation.send(Command(line, EDGE, info=re.compile(info)))
    begun = simulation.bench.now
    simulation.until_ready()
    assert simulation.bench.now - begun < 30.0
