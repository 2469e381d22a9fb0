"""In step again after noise (figure R12 of docs/reliability.md): after one round of probing at the
most the next command gets its own answer, and a payload that never was one is left after 2 s."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from atdriver.engine import Engine
from atdriver.events import Completed, Failed, InStep, OutOfStep, Restarted
from atdriver.exchange import Command
from atdriver.flight import STALL
from atdriver.resync import DOUBTFUL_QUIET, PROBE_TIMEOUT
from atdriver.stages import Stage
from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.commands import simple
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

from .grammar import BG96, ESP, HOSTILE, LEGAL, Flavour
from .harness import Bench, answers
from .recovery import OK

SIZES = (1, 16, 256, 4096)
KINDS = ("random", "adversarial")
COMMAND = simple("AT+X", 1.0)
"""In flight while the noise comes; its answer is lost."""
ROUND = STALL + 0.5 + 2 * (PROBE_TIMEOUT + DOUBTFUL_QUIET)
"""A round of probing, seconds, with the wait for a payload that does not complete before it."""


def noise(chance: random.Random, kind: str, flavour: Flavour, size: int) -> bytes:
    if kind == "random":
        return chance.randbytes(size)
    made = b""
    restarts = chance.random() < 0.2  # otherwise nearly every long noise would hold one
    while len(made) < size:
        piece = chance.choice(LEGAL[flavour.name] if chance.random() < 0.7 else HOSTILE)
        if not restarts and (b"ready" in piece or b"RDY" in piece):
            continue
        if chance.random() < 0.3:
            piece = piece[chance.randrange(len(piece)) :]
        made += piece
    return made[:size]


def asked(flavour: Flavour, number: int) -> tuple[Command, bytes, bytes]:
    """A question, the line that answers it, and all that the module prints."""
    if flavour is ESP:
        line = b"+CIPRECVLEN:%d,0,0,0,0" % number
        return esp_at.waiting(), line, line + b"\r\n" + OK
    line = b"+CSQ: %d,99" % (number % 100)
    return bg96_at.SIGNAL, line, b"\r\n" + line + b"\r\n" + OK


def in_pieces(chance: random.Random, said: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(said):
        size = chance.choice((1, 7, 64, 1000))
        yield said[at : at + size]
        at += size


def rest(bench: Bench, flavour: Flavour) -> float:
    """The module is sound again; until the engine takes a command and counts no payload. Returns
    the seconds that this takes."""
    engine, begun = bench.engine, bench.now
    canary = b"+CIPMUX:1\r\n" if flavour is ESP else b"\r\n+CEREG: 2,1\r\n"

    def answer(written: bytes) -> bytes:
        """What is asked may change on the way: behind a banner it is a plain AT, and a command that
        met a busy module is offered again."""
        if written == COMMAND.text + flavour.dialect.terminator:
            return OK
        said = (canary if engine.probe.answer is not None else b"") + OK
        return answers(engine.probe, said, flavour.dialect.terminator)(written)

    for _ in range(30):
        if engine.stage is Stage.RESYNC:
            bench.in_sync(answer)
        elif engine.ready and not engine.framer.mid_payload:
            break
        else:
            deadline = engine.next_deadline()
            assert deadline is not None
            bench.tick(max(deadline - bench.now, 0.0))
    assert engine.ready
    return bench.now - begun


def trial(chance: random.Random, kind: str, flavour: Flavour, size: int) -> str:
    bench = Bench(flavour.dialect)
    engine = bench.engine
    if chance.random() < 0.7:
        engine.probe = esp.CANARY if flavour is ESP else bg96.CANARY
    command = COMMAND if chance.random() < 0.5 else None
    if command is not None:
        bench.send(command)
    for piece in in_pieces(chance, noise(chance, kind, flavour, size)):
        bench.feed(piece)
    took = rest(bench, flavour)
    limit = ROUND + (command.timeout if command is not None else 0.0)
    assert took <= limit, took
    rounds = sum(isinstance(event, OutOfStep) for event in bench.events)
    assert rounds <= 1
    assert sum(isinstance(event, InStep) for event in bench.events) == rounds
    if chance.random() < 0.5:
        bench.tick(STALL)  # the module is silent for a while
        took = rest(bench, flavour)
        assert took <= ROUND
        whole = True
    else:
        whole = False  # what is left of a line may stand before the first answer
    before = bench.events
    for number in (1, 2):
        bench.events = []
        question, line, said = asked(flavour, number)
        bench.send(question)
        bench.feed(said)
        if not engine.ready:
            rest(bench, flavour)
        ended = [event for event in bench.events if isinstance(event, Completed | Failed)]
        assert len(ended) == 1
        right = isinstance(ended[0], Completed) and ended[0].reply.lines == [line]
        if whole or number == 2:
            assert right, (number, ended)
        elif isinstance(ended[0], Completed):
            assert ended[0].reply.lines in ([line], []), ended[0].reply.lines
    if any(isinstance(event, Restarted) for event in before):
        return "restart"
    return "probed" if rounds else "nothing"


def trials(kind: str, size: int, count: int, seed: int) -> Counter[str]:
    chance = random.Random(f"{kind} {size} {seed}")
    outcomes: Counter[str] = Counter()
    for number in range(count):
        state = chance.getstate()
        try:
            outcomes[trial(chance, kind, ESP if number % 2 else BG96, size)] += 1
        except AssertionError as error:
            again = random.Random()
            again.setstate(state)
            raise AssertionError(f"trial {number} of {kind}, {size}, seed {seed}") from error
    return outcomes


@pytest.mark.gate
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_sample_of_noise(size: int, kind: str) -> None:
    assert trials(kind, size, 300, 1).total() == 300


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_ten_thousand_trials(size: int, kind: str) -> None:
    outcomes = trials(kind, size, 10_000, 2)
    assert outcomes["probed"] > 10


FORGED = [
    (ESP, b"\r\n+IPD,0,8192:"),
    (ESP, b'\r\n+IPD,4,2920,"192.0.2.1",80:abc'),
    (ESP, b"\r\n+CIPRECVDATA,8192:"),
    (ESP, b"+CIPRECVDATA:1460,\r\nOK\r\n"),
    (BG96, b"\r\n+QIRD: 1500\r\n"),
    (BG96, b"\r\n+QSSLRECV: 1500\r\nOK\r\n"),
]


@pytest.mark.parametrize(("flavour", "said"), FORGED, ids=[repr(said) for _, said in FORGED])
@pytest.mark.parametrize("busy", [True, False])
def test_a_forged_head_is_left_within_two_seconds(
    flavour: Flavour, said: bytes, busy: bool
) -> None:
    bench = Bench(flavour.dialect)
    if busy:
        bench.send(simple("AT+X", 60.0))
    bench.feed(said)
    engine: Engine = bench.engine
    assert engine.framer.mid_payload
    bench.tick(STALL)
    assert not engine.framer.mid_payload
    assert engine.anomalies["payload stalled"] == 1
    assert STALL <= 2.0
    assert rest(bench, flavour) <= ROUND - STALL
    question, line, answer = asked(flavour, 5)
    bench.send(question)
    bench.feed(answer)
    assert isinstance(bench.events[-1], Completed)
    assert bench.events[-1].reply.lines == [line]
