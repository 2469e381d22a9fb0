"""python -m tests.simulation: run seeds, replay one, shrink what fails.

python -m tests.simulation 0-499 --module bg96 --slots 11
python -m tests.simulation 17 --shrink --wire 60
"""

from __future__ import annotations

import argparse
import sys
import time

from .run import FAULTS_END, Result, Simulation
from .schedule import Fault, as_text, draw, from_plain

TARGETS = (("esp8266", "E24", 4), ("esp8266", "E33", 5), ("bg96", "bg96", 4), ("bg96", "bg96", 11))
"""Module, firmware, connections at a time: what the tests and `--all` run."""
RATES = (0.05, 0.15)
"""Faults a second: what the tests and `--all` alternate between."""


def simulate(
    module: str, firmware: str, seed: int, faults: list[Fault] | None, rate: float, slots: int
) -> Simulation:
    """A run that is ready: with these faults, or with those of the seed."""
    made = Simulation(module, firmware, seed, [], slots=slots)
    if faults is None:
        faults = draw(seed, module, made.places, FAULTS_END, rate, pulled=firmware in PULLED)
    made.faults = faults
    return made


PULLED = ("E22", "E24", "E33", "bg96", "bg95")
"""Firmware whose TCP data is fetched by the driver; elsewhere a lost byte cannot be noticed."""


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


def _told(run: Simulation, result: Result, took: float) -> str:
    return (
        f"{run.module} {run.firmware} {run.seed}: {result.injected} of {len(run.faults)} faults, "
        f"{result.commands} commands, {result.connections} connections, {result.received} bytes "
        f"in, {result.told} out, {result.anomalies} anomalies, {took:.1f} s, "
        f"trace {result.trace_hash[:12]}"
    )


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
    given = parser.parse_args()
    firmware = given.firmware or ("bg96" if given.module == "bg96" else "E24")
    failed = runs = 0
    for word in given.seeds:
        first, _, last = word.partition("-")
        for seed in range(int(first), int(last or first) + 1):
            faults = from_plain(given.faults) if given.faults is not None else None
            target = (given.module, firmware, given.slots)
            rate = given.rate
            if given.all:
                target, rate = TARGETS[seed % len(TARGETS)], RATES[seed // len(TARGETS) % 2]
            module, made, slots = target
            run = simulate(module, made, seed, faults, rate, slots)
            begun = time.perf_counter()
            result = run.run()
            if not given.all or result.violations:
                print(_told(run, result, time.perf_counter() - begun), flush=True)
            for line in result.wire[-given.wire :] if given.wire else ():
                print("   ", line)
            for sentence in result.violations:
                print("    VIOLATION", sentence)
            runs += 1
            if result.violations:
                failed += 1
                print("    replay:", command(run, shrunk(run) if given.shrink else None))
    print(f"{failed} of {runs} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
