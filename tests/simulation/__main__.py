"""python -m tests.simulation: run seeds, replay one, shrink what fails.

python -m tests.simulation 0-499 --all
python -m tests.simulation 17 --module bg96 --slots 11 --shrink --wire 60
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from .run import FAULTS_END, Result, Simulation
from .schedule import Fault, as_text, draw, from_plain

TARGETS = (("esp8266", "E24", 4), ("esp8266", "E33", 5), ("bg96", "bg96", 4), ("bg96", "bg96", 11))
"""Module, firmware, connections at a time: what the tests and `--all` run."""
RATES = (0.05, 0.15)
"""Faults a second: what the tests and `--all` alternate between."""
PULLED = ("E22", "E24", "E33", "bg96", "bg95")
"""Firmware whose TCP data is fetched by the driver; elsewhere a lost byte cannot be noticed."""


@dataclass(frozen=True)
class Job:
    """One run, as words of a command line."""

    seed: int
    module: str
    firmware: str
    slots: int
    rate: float
    faults: str | None = None
    """As `as_text` writes them; None: those of the seed."""

    @classmethod
    def nth(cls, seed: int) -> Job:
        """The run that `--all` and the tests make of a seed: every target and rate in turn."""
        module, firmware, slots = TARGETS[seed % len(TARGETS)]
        return cls(seed, module, firmware, slots, RATES[seed // len(TARGETS) % len(RATES)])

    def simulation(self) -> Simulation:
        """The run, ready."""
        made = Simulation(self.module, self.firmware, self.seed, [], slots=self.slots)
        if self.faults is None:
            pulled = self.firmware in PULLED
            made.faults = draw(
                self.seed, self.module, made.places, FAULTS_END, self.rate, pulled=pulled
            )
        else:
            made.faults = from_plain(self.faults)
        return made


def shrunk(run: Simulation) -> list[Fault]:
    """Without each fault that is not needed for a failure."""
    left = list(run.faults)
    for fault in run.faults:
        fewer = [each for each in left if each is not fault]
        again = Simulation(run.module, run.firmware, run.seed, fewer, slots=run.slots)
        if again.run().violations:
            left = fewer
    return left


def command(run: Simulation, faults: list[Fault] | None = None) -> str:
    """What replays it."""
    words = [f"python -m tests.simulation {run.seed} --module {run.module}"]
    words.append(f"--firmware {run.firmware} --slots {run.slots}")
    words.append(f"--faults '{as_text(run.faults if faults is None else faults)}'")
    return " ".join(words)


@dataclass(frozen=True)
class Report:
    """What one run has to say."""

    failed: bool
    lines: list[str]


def report(job: Job, *, quiet: bool, traces: bool, shrink: bool, wire: int) -> Report:
    """Run it. `quiet`: say nothing of a run that holds; `traces`: the trace's hash and no more."""
    run = job.simulation()
    begun = time.perf_counter()
    result = run.run()
    if traces:
        return Report(bool(result.violations), [f"{job.seed} {result.trace_hash}"])
    lines = []
    if not quiet or result.violations:
        lines.append(_told(run, result, time.perf_counter() - begun))
    lines += [f"    {line}" for line in (result.wire[-wire:] if wire else ())]
    lines += [f"    VIOLATION {sentence}" for sentence in result.violations]
    if result.violations:
        lines.append(f"    replay: {command(run, shrunk(run) if shrink else None)}")
    return Report(bool(result.violations), lines)


def _told(run: Simulation, result: Result, took: float) -> str:
    return (
        f"{run.module} {run.firmware} {run.seed}: {result.injected} of {len(run.faults)} faults, "
        f"{result.commands} commands, {result.connections} connections, {result.received} bytes "
        f"in, {result.told} out, {result.anomalies} anomalies, {took:.1f} s, "
        f"trace {result.trace_hash[:12]}"
    )


def _jobs(given: argparse.Namespace) -> Iterator[Job]:
    firmware = given.firmware or ("bg96" if given.module == "bg96" else "E24")
    for word in given.seeds:
        first, _, last = word.partition("-")
        for seed in range(int(first), int(last or first) + 1):
            if given.all:
                yield Job.nth(seed)
            else:
                yield Job(seed, given.module, firmware, given.slots, given.rate, given.faults)


def main() -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", nargs="*", help="a seed, or FIRST-LAST", default=["0-49"])
    parser.add_argument("--all", action="store_true", help="every target and rate in turn")
    parser.add_argument("--module", default="esp8266", choices=("esp8266", "bg96"))
    parser.add_argument("--firmware", default="")
    parser.add_argument("--rate", type=float, default=0.05, help="faults a second")
    parser.add_argument("--slots", type=int, default=4, help="connections at a time")
    parser.add_argument("--faults", help="these and no others, as a failing run prints them")
    parser.add_argument("--shrink", action="store_true", help="leave out faults that do not matter")
    parser.add_argument("--wire", type=int, default=0, help="show so many last lines of the wire")
    parser.add_argument("--traces", action="store_true", help="only each seed and its trace's hash")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    jobs = list(_jobs(given))
    told = partial(
        report, quiet=given.all, traces=given.traces, shrink=given.shrink, wire=given.wire
    )
    begun = time.perf_counter()
    failed = 0
    workers = min(given.jobs, len(jobs))
    with ProcessPoolExecutor(workers) as pool:
        for each in pool.map(told, jobs) if workers > 1 else map(told, jobs):
            failed += each.failed
            for line in each.lines:
                print(line, flush=True)
    if not given.traces:
        took = time.perf_counter() - begun
        print(f"{failed} of {len(jobs)} failed; {len(jobs) / took:.1f} runs a second")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
