"""Scenarios: scripted answers and events that go before a fake's built-in rules.

A scenario is a list of `Step`s, peers and wire faults, in Python or as a YAML file
(`fakes.scenario_file`). A step says when, how often, and what; see `Step`, and `fakes.actions`
for what it can do::

    Scenario((
        Step(on=r"AT\\+QIOPEN=.*", after=9.0, say=("OK", '+QIURC: "pdpdeact",1'), times=1),
        Step(at=30.0, do=(("event", "cell_lost"),)),
        Step(before=r"\\r\\nSEND OK\\r\\n", raw=b"+IPD,0,4\\r\\n"),
        Step(at_byte=700, reset=True),
    ))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .actions import check
from .errors import ScenarioError
from .peers import Peer
from .scenario_file import load, parse
from .values import seconds

__all__ = ["Scenario", "Step", "WirePlan", "load", "parse", "seconds"]

_TRIGGERS = ("on", "at", "before", "behind", "at_byte")


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        on: regular expression; a command line that matches it completely. The step then replaces
            the built-in answer; one that does nothing leaves the command unanswered.
        at: model seconds since the start.
        before, behind: regular expression; a literal of the module's output that matches it
            completely is about to be, or was, written.
        at_byte: position in the module's output; it is cut there if need be.
        after: model seconds between the trigger and the actions (not with `before`).
        times: how many matches count at most; None: all.
        chance: probability that a match counts, decided by the fake's seed.
        passes: with `on`: the built-in rule answers as well.
        instead: with `before`: what is written instead of the literal (\\1 … are groups).
        until: with `before`: the literal waits until one that matches this has been written.
        drop, say, raw, deaf, reset: short for the actions lose, say, raw, deaf and reset.
        do: (action, value) pairs, see `fakes.actions.ACTIONS`.

    Raises:
        ScenarioError: a combination or value that means nothing.
    """

    on: str | None = None
    at: float | None = None
    before: str | None = None
    behind: str | None = None
    at_byte: int | None = None
    after: float = 0.0
    say: tuple[str, ...] = ()
    raw: bytes = b""
    times: int | None = None
    chance: float = 1.0
    deaf: float = 0.0
    reset: bool | str = False
    drop: int = 0
    passes: bool = False
    instead: str | None = None
    until: str | None = None
    do: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if sum(getattr(self, name) is not None for name in _TRIGGERS) != 1:
            raise ScenarioError(f"give exactly one of {', '.join(_TRIGGERS)}")
        if self.before is not None and self.after:
            raise ScenarioError("after does not go with before")
        if self.passes and self.on is None:
            raise ScenarioError("pass goes with on only")
        if self.before is None and (self.instead is not None or self.until is not None):
            raise ScenarioError("instead and until go with before only")
        if self.at_byte is not None and (self.at_byte < 0 or self.times is not None):
            raise ScenarioError("at_byte: one position, 0 or more, once")
        if not 0 <= self.chance <= 1:
            raise ScenarioError("chance must be a probability 0..1")
        for pattern in (self.on, self.before, self.behind, self.until):
            if pattern is not None:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ScenarioError(f"not a regular expression: {error}") from None
        try:
            for name, value in self.actions:
                check(name, value)
        except ValueError as error:
            raise ScenarioError(str(error)) from None

    @property
    def actions(self) -> tuple[tuple[str, Any], ...]:
        """Everything it does, in order."""
        short: list[tuple[str, Any]] = []
        if self.drop:
            short.append(("lose", self.drop))
        if self.say:
            short.append(("say", list(self.say)))
        if self.raw:
            short.append(("raw", self.raw))
        if self.deaf:
            short.append(("deaf", self.deaf))
        late = (("reset", self.reset),) if self.reset else ()
        return (*short, *self.do, *late)


@dataclass(frozen=True, slots=True)
class WirePlan:
    """What the line does to the module's output: cutting and faults, from a seed."""

    chunk: str = "whole"
    seed: int | None = None
    drop: float = 0.0
    dup: float = 0.0
    corrupt: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps in order of precedence, wire plan, the module it was written for ("" any), peers."""

    steps: tuple[Step, ...] = ()
    wire: WirePlan = field(default_factory=WirePlan)
    modem: str = ""
    peers: Mapping[str, Peer] = field(default_factory=dict)
