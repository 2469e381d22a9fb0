"""What a probe found: a verdict with its evidence, and the list of all probes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.farend import FarEnd
from netsocket.interface import AsyncNetworkInterface


class Outcome(Enum):
    """How a promise stood the test."""

    PASS = "pass"
    """Kept, as judged at the far end."""
    PARTIAL = "partial"
    """The main thing works, a part of the promise does not; the evidence says which."""
    FAIL = "fail"
    """Not kept."""
    UNSUPPORTED = "unsupported"
    """The call raised NotSupported."""
    UNJUDGED = "unjudged"
    """Cannot be judged in these surroundings."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome and one sentence of evidence; `limit` is the number that was found where the
    promise is one: the largest that works while the next does not."""

    outcome: Outcome
    evidence: str
    limit: int | None = None


class Broken(Exception):
    """A probe's expectation was not met; its text becomes the evidence."""


def passed(evidence: str, limit: int | None = None) -> Verdict:
    """The promise was kept; with `limit`, up to exactly there."""
    return Verdict(Outcome.PASS, evidence, limit)


def partial(evidence: str) -> Verdict:
    """The promise was kept in part."""
    return Verdict(Outcome.PARTIAL, evidence)


def unjudged(evidence: str) -> Verdict:
    """Nothing can be said here."""
    return Verdict(Outcome.UNJUDGED, evidence)


def check(condition: bool, text: str) -> None:
    """Raise Broken(text) unless `condition` holds."""
    if not condition:
        raise Broken(text)


Run = Callable[[AsyncNetworkInterface, FarEnd], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One test: its name (the Mbed OS plan's id where it has one) and the promise it judges.

    `limit` is in seconds; after it the probe counts as failed.
    """

    name: str
    promise: str
    run: Run
    limit: float = 90.0


PROBES: Final[dict[str, Probe]] = {}
"""All probes by name, in the order of their definition."""


def probe(name: str, promise: str, limit: float = 90.0) -> Callable[[Run], Run]:
    """Register a probe function; `limit`: see `Probe`.

    Raises ValueError for an unknown promise or a second name.
    """
    if promise not in CATALOGUE or name in PROBES:
        raise ValueError(f"probe {name!r} for {promise!r}")

    def register(function: Run) -> Run:
        PROBES[name] = Probe(name, promise, function, limit)
        return function

    return register
