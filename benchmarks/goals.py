"""What is asked of the driver, held against what was measured: one row a goal."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

Results = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""Samples of a figure, by part and place."""
Value = Callable[[Results], float]
FULL = 0.9
"""Of a core: no more can be asked of one process."""


class Goal(NamedTuple):
    """`value` of the results is to be at least (">=") or at most ("<=") `bound`; `form` is how it is
    written, % or with a unit behind it."""

    what: str
    value: Value
    sense: str
    bound: float
    form: str


class Judged(NamedTuple):
    """A goal and what became of it; `measured` None: its place was not measured."""

    goal: Goal
    measured: float | None

    @property
    def met(self) -> bool:
        """Whether it is reached; what was not measured is not."""
        if self.measured is None:
            return False
        if self.goal.sense == ">=":
            return self.measured >= self.goal.bound
        return self.measured <= self.goal.bound


def at(part: str, place: str, figure: str) -> Value:
    """The median there."""
    return lambda results: statistics.median(results[part][place][figure])


def ratio(above: Value, below: Value) -> Value:
    """One median by another."""
    return lambda results: above(results) / below(results)


def behind(first: Value, second: Value) -> Value:
    """By how much the second is less than the first."""
    return lambda results: first(results) - second(results)


def growing(part: str, places: Sequence[str]) -> Value:
    """The least step of the rate from one place to the next, as a factor, where the core was not
    full before."""

    def least(results: Results) -> float:
        steps = [
            ratio(at(part, after, "rate"), at(part, before, "rate"))(results)
            for before, after in itertools.pairwise(places)
            if at(part, before, "core")(results) < FULL
        ]
        return min(steps, default=math.inf)

    return least


def shares() -> Iterator[Goal]:
    """Throughput against the model, one socket and all."""
    bounds = {"115200": (0.97, 0.97), "921600": (0.95, 0.95)}
    for kind, more, count in (
        ("esp", {"3000000": (0.92, 0.88)}, 5),
        ("bg96", {"usb": (0.90, 0.90)}, 12),
    ):
        for line, asked in (bounds | more).items():
            for what, bound in zip(("down", "up"), asked, strict=True):
                for sockets in (1, count):
                    yield Goal(f"{kind}, {line}, {what}, sockets: {sockets}: share of the limit",
                               at("wire", f"{kind} {line} {what} {sockets}", "share"), ">=", bound, "%")  # fmt: skip
    for line in ("115200", "921600", "3000000"):
        yield Goal(f"esp, {line}, push, down: share of the line",
                   at("push", f"esp {line} down 1", "of_line"), ">=", 0.97, "%")  # fmt: skip


def turnarounds() -> Iterator[Goal]:
    """How long the host takes to move."""
    for kind, line in (("esp", "3000000"), ("bg96", "921600")):
        for what in ("down", "up"):
            for figure, name, bound in (("median_us", "median", 150.0), ("p99_us", "99 %", 1000.0)):
                yield Goal(f"{kind}, {line}, {what}: turnaround, {name}",
                           at("wire", f"{kind} {line} {what} 1", figure), "<=", bound, "µs")  # fmt: skip
    yield Goal("esp, 3000000: 32 B there and back",
               at("wire", "esp 3000000 echo 1", "echo_median_ms"), "<=", 2.3, "ms")  # fmt: skip
    yield Goal("esp, unpaced: 32 B there and back",
               at("wire", "esp unpaced echo 1", "echo_median_ms"), "<=", 0.25, "ms")  # fmt: skip


def costs() -> Iterator[Goal]:
    """CPU of the driver's process on the default link."""
    for part, place, bound in (
        ("wire", "esp unpaced down 1", 20.0), ("wire", "bg96 unpaced down 1", 20.0),
        ("wire", "esp unpaced up 1", 35.0), ("wire", "bg96 unpaced up 1", 35.0),
        ("large", "esp unpaced up 1", 15.0), ("push", "esp unpaced down 1", 15.0),
    ):  # fmt: skip
        mode = {"large": ", frames of 8192", "push": ", push"}.get(part, "")
        yield Goal(f"{place}{mode}: CPU", at(part, place, "cpu_ms_per_mb"), "<=", bound, "ms/MB")


def others() -> Iterator[Goal]:
    """Beside other programs."""
    for what in ("down", "up"):
        own = at("peers", f"{what}, atdriver", "rate")
        yield Goal(f"unpaced, {what}: times Adafruit's throughput",
                   ratio(own, at("peers", f"{what}, adafruit", "rate")), ">=", 10.0, "")  # fmt: skip
        yield Goal(f"unpaced, {what}: share of the minimal loop's throughput",
                   ratio(own, at("peers", f"{what}, bare", "rate")), ">=", 0.4, "%")  # fmt: skip
    for baud in ("921600", "3000000"):
        for what in ("down", "up"):
            yield Goal(f"esp, {baud}, {what}: points of the limit behind the minimal loop",
                       behind(at("peers", f"{what} at {baud}, bare", "share"),
                              at("peers", f"{what} at {baud}, atdriver", "share")), "<=", 0.03, "%")  # fmt: skip
    yield Goal("the minimal loop is one: its CPU reading",
               at("peers", "down, bare", "cpu_ms_per_mb"), "<=", 8.0, "ms/MB")  # fmt: skip


def fairness() -> Iterator[Goal]:
    """Equal sockets, and small exchanges beside bulk."""
    for what in ("down", "up"):
        yield Goal(f"5 bulk sockets {what}, 200 frames each: spread",
                   at("fair", f"esp unpaced {what} 5", "spread"), "<=", 0.05, "%")  # fmt: skip
    for baud in ("921600", "3000000"):
        yield Goal(f"32 B there and back beside 4 downloads, {baud}: in times of a frame",
                   at("fair", f"esp {baud} mixed 4", "echo_frames"), "<=", 3.0, "")  # fmt: skip


def crowds() -> Iterator[Goal]:
    """Many modems in one process."""
    each = at("many", "64", "cpu_ms_per_mb")
    yield Goal("64 modems: CPU per MB, times one modem's",
               ratio(each, at("many", "1", "cpu_ms_per_mb")), "<=", 1.3, "")  # fmt: skip
    yield Goal("64 modems: memory of each", at("many", "64", "memory_mib_each"), "<=", 2.0, "MiB")
    yield Goal("throughput grows from 1 to 4 to 16 to 64 modems until the core is full: least step, as a factor",
               growing("many", ("1", "4", "16", "64")), ">=", 1.0, "")  # fmt: skip


def starts() -> Iterator[Goal]:
    """Until it runs."""
    for name, bound in (("import atdriver", 120.0), ("atdriver --help", 250.0)):
        yield Goal(f"`{name}`", at("start", name, "wall_ms"), "<=", bound, "ms")


GROUPS = (shares, turnarounds, costs, others, fairness, crowds, starts)


def judged(results: Results) -> list[Judged]:
    """Every goal."""
    found = []
    for goal in (goal for group in GROUPS for goal in group()):
        try:
            found.append(Judged(goal, goal.value(results)))
        except KeyError:
            found.append(Judged(goal, None))
    return found


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def written(goal: Goal, value: float) -> str:
    """A value in the goal's form."""
    if goal.form == "%":
        return f"{value:.1%}"
    return f"{number(value)}{' ' + goal.form if goal.form else ''}"


def table(results: Results) -> str:
    """The rows as Markdown."""
    lines = ["| goal | asked | measured | |\n| --- | --- | --- | --- |\n"]
    for goal, measured in judged(results):
        sign = {">=": "≥", "<=": "≤"}[goal.sense]
        told = "not measured" if measured is None else written(goal, measured)
        verdict = "met" if Judged(goal, measured).met else "**missed**"
        lines.append(f"| {goal.what} | {sign} {written(goal, goal.bound)} | {told} | {verdict} |\n")
    return "".join(lines)
