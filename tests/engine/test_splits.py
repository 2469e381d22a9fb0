"""The same events however the bytes are cut: every cut in two, byte by byte, and every cut in three
of what is short (figure R3 of docs/reliability.md).

Each feed of a transcript is cut on its own, by twins of the engine that stands before it. All must
end in the events, the writes and the *state* of the engine that was fed whole; so a cut in one feed
and another in a later one are covered, too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atdriver.dialect import Dialect
from atdriver.engine import Engine
from atdriver.framer import Framer
from atdriver.tokens import Line

from .grammar import ESP
from .harness import Action, Bench, Case, Feed, bytewise, normal, perform, play
from .transcripts import (
    LOGS,
    LONG,
    SHORT,
    SIZE,
    SMALL,
    long_transcript,
    numbered,
    quarter,
    short_transcript,
)
from .twins import state, twin

ROOT = Path(__file__).parents[2]


def outcome(engine: Engine, *pieces: bytes, now: float) -> tuple[Any, ...]:
    """Feed the pieces; what came of them, and what the engine is now."""
    for piece in pieces:
        engine.feed(piece, now)
    seen = tuple(normal(event) for event in engine.events)
    written = tuple(engine.writes)
    engine.events, engine.writes = [], []
    return seen, written, state(engine)


def cuts(engine: Engine, data: bytes, now: float, *, three: bool) -> int:
    """Cut one feed in every way; returns how many ways that were."""
    whole = outcome(twin(engine), data, now=now)
    count = 0
    for first in range(1, len(data)):
        assert outcome(twin(engine), data[:first], data[first:], now=now) == whole, first
        count += 1
        if three:
            begun = twin(engine)
            begun.feed(data[:first], now)
            for second in range(first + 1, len(data)):
                rest = data[first:second], data[second:]
                assert outcome(twin(begun), *rest, now=now) == whole, (first, second)
                count += 1
    return count


def check(steps: tuple[Action, ...], dialect: Dialect, *, three: bool) -> int:
    """All cuts of all feeds, and the transcript byte by byte; returns the number of cuts."""
    play(Case(0, "byte by byte", steps), dialect, bytewise)
    bench = Bench(dialect)
    count = 0
    for number, step in enumerate(steps):
        if isinstance(step, Feed):
            try:
                count += cuts(bench.engine, step.data, bench.now, three=three)
            except AssertionError as error:
                raise AssertionError(f"step {number}: {step.data!r}") from error
        perform(bench, step, f"step {number}")
    return count


@numbered(LONG, "long")
def test_a_generated_transcript_cut_in_two_everywhere(number: int) -> None:
    transcript = long_transcript(number)
    assert SIZE <= transcript.fed < 2 * SIZE
    assert check(transcript.steps, transcript.flavour.dialect, three=False) > SIZE // 2


@numbered(SHORT, "short")
def test_a_short_generated_transcript_cut_in_three_everywhere(number: int) -> None:
    transcript = short_transcript(number)
    check(transcript.steps, transcript.flavour.dialect, three=True)


REAL = [(vendor, item, item.dialect or dialect) for vendor, item, dialect in LOGS if item.fed]


@numbered(len(REAL), "log")
def test_a_published_log_cut_everywhere(number: int) -> None:
    _, item, dialect = REAL[number]
    check(item.steps, dialect, three=item.fed <= SMALL)


# -- whether this would notice anything ------------------------------------------------------------


class Forgetful(Framer):
    """Believes a line to end where a read ends at a CR."""

    def push(self, data: bytes) -> None:
        super().push(data)
        if self._head is None and data.endswith(b"\r") and data != b"\r":
            super().push(b"\n")


class Leaking(Framer):
    """Prints the right tokens, and keeps a byte of each line for later."""

    def _take_line(self) -> Any:
        token = super()._take_line()
        if isinstance(token, Line) and self._position < len(self._buffer):
            self._lead += b"\r"
        return token


@pytest.mark.parametrize("framer", [Forgetful, Leaking])
def test_a_framer_that_depends_on_the_cuts_is_caught(framer: type[Framer]) -> None:
    data = b"\r\n0,CONNECT\r\n\r\n"
    engine = Engine(ESP.dialect)
    assert cuts(engine, data, 0.0, three=True) > 100
    engine.framer = framer(ESP.dialect.heads)
    with pytest.raises(AssertionError):
        cuts(engine, data, 0.0, three=False)


def test_a_transcript_is_a_function_of_its_number() -> None:
    """Also in a process that has loaded other modules, and has drawn others before."""
    script = (
        "from tests.engine.transcripts import long_transcript\n"
        "print(*(step.data for step in long_transcript(4).steps if type(step).__name__ == 'Feed'))"
    )
    told = [
        subprocess.run([sys.executable, "-c", before + script], cwd=ROOT, capture_output=True,
                       text=True, check=True, timeout=60).stdout
        for before in ("", "import atdriver.cli, hil.bench, netsocket.core\n")
    ]  # fmt: skip
    fed = [step.data for step in long_transcript(4).steps if isinstance(step, Feed)]
    assert told == [" ".join(map(str, fed)) + "\n"] * 2


def test_the_quarter_of_a_month_is_a_quarter() -> None:
    assert len(quarter(LONG)) == 50
    assert quarter(LONG) < set(range(LONG))
