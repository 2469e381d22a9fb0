"""Scenarios: scripted answers and events that go before a fake's built-in rules.

A scenario is a list of `Step`s plus wire faults, written in Python or as a YAML file::

    modem: bg96
    steps:
      - on: 'AT\\+QIOPEN=.*'          # full match on a command line, before the rules
        after: 9s                    # model seconds (number, "250ms", "9s", "2min")
        say: ['OK', '+QIURC: "pdpdeact",1']
        times: 1                     # default: every time
      - at: 30s                      # spontaneous, counted from the start
        raw: "\\r\\nRDY\\r\\n"
      - before: '\\r\\nSEND OK\\r\\n'  # before a literal that matches completely
        raw: "+IPD,0,4\\r\\n"
    wire: {chunk: random, seed: 7, drop: 0, corrupt: 1e-5}

Actions of a step: `say` (lines in the module's format), `raw` (text, latin-1), `deaf`
(seconds without hearing the host), `drop` (that many of the following output bytes are
lost), `reset` (true, or "silent" for a module that comes back without a banner), `pass`
(true: the built-in rule answers as well).  A step `on` without `pass` replaces the answer,
so that one without `say` and `raw` leaves the command unanswered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ScenarioError
from .faults import CHUNK_PLANS, Faults
from .peers import Peer

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["Scenario", "ScenarioRunner", "Step", "WirePlan", "load", "seconds"]

_STEP_KEYS = (
    "on", "at", "before", "after", "say", "raw", "times", "deaf", "reset", "drop", "pass",
)  # fmt: skip
_WIRE_KEYS = ("chunk", "seed", "drop", "dup", "corrupt")
_FILE_KEYS = ("modem", "steps", "wire")
_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "min": 60.0}


def seconds(value: object) -> float:
    """A time as number of seconds or text with unit (``9s``, ``250ms``, ``2min``).

    Raises:
        ValueError: neither.
    """
    if isinstance(value, bool):
        raise ValueError(f"not a time: {value!r}")
    if isinstance(value, int | float):
        result = float(value)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|ms|min|)\s*", str(value))
        if match is None:
            raise ValueError(f"not a time: {value!r}")
        result = float(match[1]) * _UNITS[match[2]]
    if not 0 <= result < 1e9:
        raise ValueError(f"not a time: {value!r}")
    return result


@dataclass(frozen=True, slots=True)
class Step:
    """One step; exactly one of `on`, `at`, `before` says when (see the module docstring)."""

    on: str | None = None
    at: float | None = None
    before: str | None = None
    after: float = 0.0
    say: tuple[str, ...] = ()
    raw: bytes = b""
    times: int | None = None
    deaf: float = 0.0
    reset: bool | str = False
    drop: int = 0
    passes: bool = False

    def __post_init__(self) -> None:
        if sum(trigger is not None for trigger in (self.on, self.at, self.before)) != 1:
            raise ScenarioError("give exactly one of on, at, before")
        if self.before is not None and self.after:
            raise ScenarioError("after does not go with before")
        if self.passes and self.on is None:
            raise ScenarioError("pass goes with on only")
        for pattern in (self.on, self.before):
            if pattern is not None:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ScenarioError(f"not a regular expression: {error}") from None


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


def load(path: str | Path) -> Scenario:
    """Read a YAML scenario file.

    Raises:
        ScenarioError: unreadable, not YAML, unknown key, bad value; PyYAML is missing
            (install the extra ``atdriver[yaml]``).
    """
    source = str(path)
    try:
        import yaml
    except ImportError:
        raise ScenarioError(
            "reading YAML needs PyYAML; install the extra atdriver[yaml]", source=source
        ) from None
    try:
        tree = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot be read: {error}", source=source) from None
    except yaml.YAMLError as error:
        raise ScenarioError(f"not YAML: {error}", source=source) from None
    return parse(tree, source=source)


def parse(tree: object, *, source: str = "scenario") -> Scenario:
    """Build a scenario from plain data (what the YAML file holds).

    Raises:
        ScenarioError: unknown key or bad value, with source and step number.
    """
    top = _mapping(tree if tree is not None else {}, "the file", source, None)
    _known(top, _FILE_KEYS, source, None)
    items = top.get("steps") or []
    if not isinstance(items, list):
        raise ScenarioError("steps must be a list", source=source)
    steps = tuple(_step(item, source, number) for number, item in enumerate(items, 1))
    return Scenario(steps, _wire(top.get("wire"), source), str(top.get("modem", "")))


def _mapping(value: object, what: str, source: str, step: int | None) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str | bool) for key in value):
        raise ScenarioError(f"{what} must be a mapping", source=source, step=step)
    # YAML 1.1 reads a bare `on` as the boolean true.
    return {"on" if key is True else str(key): item for key, item in value.items()}


def _known(keys: Iterable[str], valid: tuple[str, ...], source: str, step: int | None) -> None:
    for key in keys:
        if key not in valid:
            listed = ", ".join(valid)
            raise ScenarioError(f"unknown key {key!r}; valid: {listed}", source=source, step=step)


def _step(item: object, source: str, number: int) -> Step:
    tree = _mapping(item, "a step", source, number)
    _known(tree, _STEP_KEYS, source, number)
    try:
        said = tree.get("say", [])
        lines = (said,) if isinstance(said, str) else tuple(str(line) for line in said)
        raw = str(tree.get("raw", "")).encode("latin-1")
        reset = tree.get("reset", False)
        if reset not in (True, False, "silent"):
            raise ValueError("reset must be true, false or silent")
        times = tree.get("times")
        if times is not None and (isinstance(times, bool) or int(times) < 1):
            raise ValueError("times must be at least 1")
        drop = int(tree.get("drop", 0))
        if drop < 0:
            raise ValueError("drop must not be negative")
        return Step(
            on=None if tree.get("on") is None else str(tree["on"]),
            at=None if tree.get("at") is None else seconds(tree["at"]),
            before=None if tree.get("before") is None else str(tree["before"]),
            after=seconds(tree.get("after", 0)),
            say=lines,
            raw=raw,
            times=None if times is None else int(times),
            deaf=seconds(tree.get("deaf", 0)),
            reset=reset,
            drop=drop,
            passes=bool(tree.get("pass", False)),
        )
    except ScenarioError as error:
        fault = str(error).split(": ", 1)[-1]
        raise ScenarioError(fault, source=source, step=number) from None
    except (TypeError, ValueError) as error:
        raise ScenarioError(str(error), source=source, step=number) from None


def _wire(value: object, source: str) -> WirePlan:
    tree = _mapping({} if value is None else value, "wire", source, None)
    _known(tree, _WIRE_KEYS, source, None)
    try:
        chunk = str(tree.get("chunk", "whole"))
        if chunk not in CHUNK_PLANS:
            raise ValueError(f"unknown chunk plan {chunk!r}; valid: {', '.join(CHUNK_PLANS)}")
        seed = tree.get("seed")
        plan = WirePlan(
            chunk=chunk,
            seed=None if seed is None else int(seed),
            drop=float(tree.get("drop", 0)),
            dup=float(tree.get("dup", 0)),
            corrupt=float(tree.get("corrupt", 0)),
        )
        Faults(drop=plan.drop, dup=plan.dup, flip=plan.corrupt)
    except ScenarioError as error:
        raise ScenarioError(str(error).split(": ", 1)[-1], source=source) from None
    except (TypeError, ValueError) as error:
        raise ScenarioError(f"wire: {error}", source=source) from None
    return plan


class ScenarioRunner:
    """Runs one scenario on one fake; counts how often each step was used."""

    def __init__(self, modem: FakeModem, scenario: Scenario) -> None:
        if scenario.modem and scenario.modem not in (modem.kind, *modem.aliases):
            raise ScenarioError(f"written for {scenario.modem!r}, not for {modem.kind!r}")
        self.modem = modem
        self.used: dict[int, int] = {}
        self._on: list[tuple[int, re.Pattern[str], Step]] = []
        self._before: list[tuple[int, re.Pattern[bytes], Step]] = []
        self._timed: list[tuple[int, Step]] = []
        for index, step in enumerate(scenario.steps):
            if step.on is not None:
                self._on.append((index, re.compile(step.on, re.DOTALL), step))
            elif step.before is not None:
                pattern = re.compile(step.before.encode("latin-1"), re.DOTALL)
                self._before.append((index, pattern, step))
            else:
                self._timed.append((index, step))
        if self._before:
            modem.before_write.append(self._before_write)
        plan = scenario.wire
        if plan.seed is not None:
            modem.wire.outward.reseed(plan.seed)
        modem.wire.outward.configure(
            chunk=plan.chunk, faults=Faults(drop=plan.drop, dup=plan.dup, flip=plan.corrupt)
        )

    def begin(self) -> None:
        """Arm the timed steps (they survive a restart of the module)."""
        for index, step in self._timed:
            self.modem.always(self._timed_step(index, step))

    async def _timed_step(self, index: int, step: Step) -> None:
        await self.modem.sleep((step.at or 0.0) + step.after)
        for _ in range(step.times or 1):
            self._use(index)
            self._act(step)

    async def command(self, line: str) -> bool:
        """Play the first step that matches; True when it replaces the built-in answer."""
        for index, pattern, step in self._on:
            if self._spent(index, step) or pattern.fullmatch(line) is None:
                continue
            self._use(index)
            if step.after:
                await self.modem.sleep(step.after)
            if not step.passes:
                self.modem.running = False
            self._act(step)
            return not step.passes
        return False

    def _before_write(self, literal: bytes) -> bytes | None:
        for index, pattern, step in self._before:
            if self._spent(index, step) or pattern.fullmatch(literal) is None:
                continue
            self._use(index)
            self._act(step)
            break
        return None

    def _spent(self, index: int, step: Step) -> bool:
        return step.times is not None and self.used.get(index, 0) >= step.times

    def _use(self, index: int) -> None:
        self.used[index] = self.used.get(index, 0) + 1
        self.modem.note("scenario", f"step {index + 1}")

    def _act(self, step: Step) -> None:
        modem = self.modem
        if step.drop:
            modem.wire.outward.lose(step.drop)
        modem.say(*step.say)
        modem.raw(step.raw)
        if step.deaf:
            modem.be_deaf(step.deaf)
        if step.reset:
            modem.restart(silent=step.reset == "silent")
