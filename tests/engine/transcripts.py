"""Transcripts to cut and to disturb: every published log, and conversations made by the grammar.

A generated transcript is a function of its number. Each commit tries a quarter of them, another one
each month; a night tries all.
"""

from __future__ import annotations

import datetime
import functools
import random
from typing import Any, NamedTuple

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import Phase, given, seed, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from atdriver.dialect import Dialect
from modems.bg96 import dialect as bg96
from modems.esp8266 import dialect as esp8266

from . import logs_bg96, logs_esp
from .grammar import FLAVOURS, Flavour, conversations
from .harness import Action, Case, Feed, expect, restarted

LOGS: list[tuple[str, Case, Dialect]] = [
    *[("esp", item, esp8266.DIALECT) for item in (*logs_esp.CASES, *logs_esp.CANARY_CASES)],
    *[("bg96", item, bg96.DIALECT) for item in logs_bg96.CASES],
]
"""Every case made of a published log."""
LONG = 201
"""Generated transcripts of some 3 KB: as many of each flavour."""
SHORT = 40
"""Generated transcripts of 100 to 300 bytes."""
SIZE = 3000
SHORTEST, SMALL = 100, 300


class Transcript(NamedTuple):
    flavour: Flavour
    steps: tuple[Action, ...]

    @property
    def fed(self) -> int:
        return size(self.steps)


def size(steps: tuple[Action, ...]) -> int:
    return sum(len(step.data) for step in steps if isinstance(step, Feed))


class Alone(HypothesisProvider):
    """Hypothesis's own choices, without the constants of whatever modules happen to be loaded."""

    def _maybe_draw_constant(self, *_: Any, **__: Any) -> None:
        return None


AVAILABLE_PROVIDERS["alone"] = Alone


def made(flavour: Flavour, number: int, count: int) -> list[tuple[Action, ...]]:
    """`count` conversations, always the same ones."""
    found: list[tuple[Action, ...]] = []

    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None,
              backend="alone")  # fmt: skip
    @seed(number)
    @given(conversations(flavour))
    def collect(steps: tuple[Action, ...]) -> None:
        found.append(steps)

    collect()
    return found


@functools.cache
def long_transcript(number: int) -> Transcript:
    """Conversations one after the other, with a restart between them, so that each begins afresh."""
    flavour = FLAVOURS[number % len(FLAVOURS)]
    banner = b"\r\n" + flavour.banner + b"\r\n"
    afresh = (Feed(banner, (0, len(banner))), expect(restarted(flavour.banner)))
    steps: tuple[Action, ...] = ()
    batch = 0
    while size(steps) < SIZE:
        for each in made(flavour, 1000 * number + batch, 10):
            if size(steps) < SIZE:
                steps += (*each, *afresh)
        batch += 1
    return Transcript(flavour, steps)


@functools.cache
def short_transcript(number: int) -> Transcript:
    flavour = FLAVOURS[number % len(FLAVOURS)]
    batch = 0
    while True:
        for steps in made(flavour, 1_000_000 + 1000 * number + batch, 10):
            if SHORTEST <= size(steps) <= SMALL:
                return Transcript(flavour, steps)
        batch += 1


def quarter(count: int) -> frozenset[int]:
    """This month's quarter of the numbers below `count`."""
    today = datetime.datetime.now(datetime.UTC)
    return frozenset(random.Random(12 * today.year + today.month).sample(range(count), count // 4))


def numbered(count: int, of: str) -> pytest.MarkDecorator:
    """Parametrise `number`: this month's quarter at each commit, the rest by night. Tests with the
    same number `of` the same run in one process, which makes each transcript once."""
    chosen = quarter(count)

    def one(number: int) -> ParameterSet:
        when = pytest.mark.gate if number in chosen else pytest.mark.nightly
        return pytest.param(number, marks=[when, pytest.mark.xdist_group(f"{of}-{number}")])

    return pytest.mark.parametrize("number", [one(number) for number in range(count)])
