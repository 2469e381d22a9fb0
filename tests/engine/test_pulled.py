"""Counted payload on a line that loses and doubles bytes (figure R17 of docs/reliability.md).

What is pulled has a trailer, which tells. What is pushed has none: then only what the damage leaves
on the line tells, if it leaves something.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from atdriver.events import Anomaly, Completed, Failed, Received
from modems.esp8266 import dialect as esp
from modems.esp8266.notices import MISSING

from .grammar import HOSTILE
from .harness import Bench
from .reads import OK, SHAPES, Shape, is_an_answer


def ending(shape: Shape, damaged: bytes, payload: bytes, later: bytes = b"") -> str:
    """What the engine makes of a damaged answer to a read.

    "silent": a wrong payload, and nothing that would make anybody suspicious. "told": a wrong
    payload, but the rest of the answer follows at once and fits nothing, which is seen.
    """
    bench = Bench(shape.dialect)
    command = shape.command(1500)
    bench.send(command)
    bench.feed(damaged)
    bench.tick(1.0)
    bench.feed(later)
    bench.tick(command.timeout + 100.0)
    ended = [event for event in bench.events if isinstance(event, Completed | Failed)]
    assert len(ended) == 1
    event = ended[0]
    if isinstance(event, Failed):
        return type(event.error).__name__
    assert event.reply.block is not None
    seen = event.reply.block.payload
    if seen == payload:
        return "right"
    if is_an_answer(shape, damaged, seen):
        return "an answer"
    unasked = any(isinstance(event, Received) and _unasked(event) for event in bench.events)
    return "told" if bench.engine.anomalies or unasked else "silent"


def _unasked(event: Received) -> bool:
    """A payload that no module sends by itself to this reader, which ends the stream
    (tests/drivers/test_pulled_damage.py): an answer, or data for a link whose data is pulled."""
    return event.data.head.name != "ipd" or event.data.fields["link"] == b"0"


def integrity(shape: Shape, seed: int, trials: int, *, notices: bool) -> Counter[str]:
    """Damage answers of counted reads; count what came of it."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for trial in range(trials):
        if chance.random() < 0.5:
            payload = chance.randbytes(chance.randrange(1, 200))
        else:
            count = chance.randrange(1, 20)
            payload = b"".join(chance.choice(HOSTILE) for _ in range(count))[:300]
        trailing = shape.notice if notices and chance.random() < 0.5 else b""
        answer = shape.opening % len(payload) + payload + trailing + shape.closing
        at = chance.randrange(len(answer))
        size = 1 if chance.random() < 0.5 else chance.randrange(2, 64)
        if chance.random() < 0.6:
            damaged = answer[:at] + answer[at + size :]
        else:
            damaged = answer[: at + size] + answer[at:]
        later = shape.notice if chance.random() < 0.5 else b""
        outcome = ending(shape, damaged, payload, later)
        assert outcome != "silent", (trial, payload, damaged)
        outcomes[outcome] += 1
    return outcomes


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_damaged_answer_is_never_taken_for_another_payload(shape: Shape) -> None:
    outcomes = integrity(shape, 20_231, 600, notices=False)
    assert sum(outcomes.values()) == 600
    assert outcomes["ReplyCorrupt"] > 300
    assert outcomes["told"] + outcomes["an answer"] <= 3
    assert outcomes["CommandFailed"] == 0  # ERROR means that there was nothing to read


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(17))
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_million_damaged_answers(shape: Shape, seed: int) -> None:
    outcomes = integrity(shape, seed, 15_000, notices=seed % 2 == 1)
    assert outcomes["told"] + outcomes["an answer"] <= 75
    assert outcomes["CommandFailed"] <= 5  # head and all lost, up to an ERROR in the payload


HARD = [b"OK\r\n" * 5, OK * 3, b"\r\n" * 9, b"\r\n\r\nOK\r\n", b"0,CLOSED\r\n", b" \r\n" * 7, b"x"]


@pytest.mark.parametrize("payload", HARD, ids=repr)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_single_byte_lost_or_doubled_is_noticed(shape: Shape, payload: bytes) -> None:
    """In all places. One digit of the length fewer may cut a hostile payload where it looks like
    the trailer: then the read ends too early, and mostly the rest of it tells."""
    answer = shape.opening % len(payload) + payload + shape.closing
    outcomes: Counter[str] = Counter()
    for at in range(len(answer)):
        outcomes[ending(shape, answer[:at] + answer[at + 1 :], payload)] += 1
        outcomes[ending(shape, answer[: at + 1] + answer[at:], payload)] += 1
    assert set(outcomes) <= {"ReplyCorrupt", "CommandTimeout", "right", "told", "an answer"}
    assert outcomes["told"] + outcomes["an answer"] <= 2


def test_an_undamaged_answer_is_always_taken() -> None:
    """The other side of the same coin."""
    chance = random.Random(7)
    for shape in SHAPES:
        for _ in range(200):
            payload = b"".join(chance.choice(HOSTILE) for _ in range(chance.randrange(1, 20)))
            trailing = shape.notice if chance.random() < 0.5 else b""
            bench = Bench(shape.dialect)
            command = shape.command(1500)
            bench.send(command)
            bench.feed(shape.opening % len(payload) + payload + trailing + shape.closing)
            ended = [e for e in bench.events if isinstance(e, Completed | Failed)]
            assert isinstance(ended[0], Completed)
            assert ended[0].reply.block is not None
            assert ended[0].reply.block.payload == payload


# -- pushed ----------------------------------------------------------------------------------------


def pushed(chance: random.Random, *, hostile: bool, burst: bool, doubled: bool) -> str:
    """Six frames, one fault inside one of the payloads; what becomes of the stream."""
    payloads = []
    for _ in range(6):
        size = chance.randrange(20, 200)
        words = (chance.choice(HOSTILE) if hostile else chance.randbytes(8) for _ in range(size))
        payloads.append(b"".join(words)[:size])
    stream, inside = b"", []
    for payload in payloads:
        stream += b"\r\n+IPD,0,%d:" % len(payload)
        inside += range(len(stream), len(stream) + len(payload))
        stream += payload
    stream += b"\r\n"
    at = chance.choice(inside)
    size = chance.randrange(2, 64) if burst else 1
    damaged = stream[: at + size] + stream[at:] if doubled else stream[:at] + stream[at + size :]
    bench = Bench(esp.DIALECT)
    bench.feed(damaged)
    bench.feed(b"1,CONNECT\r\n")
    bench.tick(10.0)
    read, broken = b"", False
    for event in bench.events:
        if isinstance(event, Anomaly):  # as the driver judges it
            broken = broken or event.behind or b"IPD," in event.sample or event.reason in MISSING
        if isinstance(event, Received) and not broken:
            read += event.data.payload
    if broken:
        return "error"
    return "right" if read == b"".join(payloads) else "silent"


@pytest.mark.parametrize(
    ("hostile", "burst", "doubled", "silent"),
    [
        (False, False, False, 0.0),
        (False, True, False, 0.06),
        (False, False, True, 0.03),
        (True, False, False, 0.0),
        (True, True, False, 0.12),
        (True, False, True, 0.15),
    ],
)
def test_what_pushed_data_shows_of_its_damage(
    hostile: bool, burst: bool, doubled: bool, silent: float
) -> None:
    """`silent`: the most that may go unnoticed, as a part of all. No reader can tell when what is
    left over looks like notices, or when whole lines of a payload are missing."""
    chance = random.Random(17)
    count = 1000
    found = Counter(
        pushed(chance, hostile=hostile, burst=burst, doubled=doubled) for _ in range(count)
    )
    assert found["silent"] <= silent * count, found
    assert found["error"] > 0.7 * count, found
