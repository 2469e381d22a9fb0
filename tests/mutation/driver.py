"""`python -m tests.mutation.driver [PART…]`: mutmut's mutants of the driver's own code, and what came of them.

mutmut makes the mutants; the tests meet them as `bench.py` tells, in copies of one collected session.
This takes off the mutants that change nothing (`driver_exempt.txt`) and fails when a score is below
what R10 asks. A mutant is named by its file, its function and the lines that it changes, so that a
name lives as long as its line; PART is a part of such a name.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import re
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.mutation import forks, grafts
from tests.mutation.bench import ROOT, Bench, collect
from tests.mutation.grafts import Mutant

EXEMPT = Path(__file__).with_name("driver_exempt.txt")
ENGINE = [
    f"atdriver/{name}.py"
    for name in ("tokens", "framer", "textframer", "resync", "syntax", "exchange", "dialect", "events", "trailer",
                 "stages", "flight", "answering", "engine")
]  # fmt: skip
"""Parser and engine."""
DRIVERS = [
    str(path.relative_to(ROOT))
    for folder in ("modems", "modems/esp8266", "modems/bg96")
    for path in sorted((ROOT / folder).glob("*.py"))
]
"""Both modules' drivers and what they share."""
ASKED = {"atdriver": 95.0, "modems": 85.0}
"""Per cent of the mutants that change something."""
TESTS = {
    "atdriver": [
        *(f"tests/engine/test_{name}.py" for name in (
            "framer", "textframer", "engine_rules", "way_out", "doubt", "syntax", "echo", "late", "logs")),
        "tests/drivers/test_secrets.py", "tests/mesh/test_texts.py", "tests/mesh/test_riot.py",
    ],
    "modems": ["tests/drivers/test_*.py", "tests/faults/test_*.py", "tests/recovery/test_*.py"],
}  # fmt: skip
"""All in memory. The generated tests of the engine (cuts, noise, floods) take too long for this."""
MARKS = "not nightly and not gate and not serial"
JOBS = {"atdriver": 3, "modems": 6}
"""Copies at a time: a driver's tests mostly wait."""
LEAST = 15.0
"""Seconds that each test has at least."""
ENOUGH = 5.0
"""Seconds of tests (what they take unchanged: of processor time where they never wait) that a mutant
meets, the quickest first."""
LIMIT = 120.0
"""Seconds for one mutant and its tests."""


@dataclass
class Hunt:
    """The session's plugin: takes over after collection. `killers` tells by what each mutant died;
    "" when it lives."""

    mutants: list[Mutant]
    jobs: int
    waits: bool
    """Whether the tests do, in real time."""
    enough: float = ENOUGH
    progress: Callable[[str], object] = lambda text: None
    killers: dict[Mutant, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    """Tests that fail though nothing is changed."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        files = sorted({mutant.file for mutant in self.mutants})
        grafts.prepare(files)
        bench = Bench(session.items, self.jobs, LEAST)
        bench.look(lambda: grafts.watch(files))
        self.broken = bench.broken
        forks.run((self._case(each, bench) for each in self.mutants), self.jobs, LIMIT)
        return True

    def _case(self, mutant: Mutant, bench: Bench) -> forks.Case:
        chosen, seconds = [], 0.0
        for number in bench.reaching(mutant.reached_by):
            covered = bench.covered[number]
            seconds += covered.seconds if self.waits else covered.busy
            if chosen and seconds > self.enough:
                break
            chosen.append(number)
        return bench.trial(lambda: grafts.put(mutant), chosen, lambda by: self._died(mutant, by))

    def _died(self, mutant: Mutant, by: str) -> None:
        self.killers[mutant] = by
        self.progress(f"{'killed' if by else 'LIVES '} {mutant.name} {by}")


def exemptions(path: Path = EXEMPT) -> dict[str, str]:
    """Name, or `~` and a regular expression for a kind, to reason, which stands as `# …` above."""
    found: dict[str, str] = {}
    reason = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = line.lstrip("# ")
        elif line.strip():
            if not reason:
                raise ValueError(f"{path.name}: without a reason: {line}")
            found[line] = reason
    return found


def excused(name: str, exempt: Collection[str]) -> str | None:
    """The entry that excuses this mutant."""
    if name in exempt:
        return name
    kinds = (entry for entry in exempt if entry.startswith("~"))
    return next((entry for entry in kinds if re.search(entry[1:].strip(), name)), None)


def report(killers: dict[str, str], asked: float) -> bool:
    """Print the survivors and the score; True when enough died of those that change something."""
    alive = sorted(name for name, by in killers.items() if not by)
    for name in alive:
        print(f"lives: {name}")
    dead = len(killers) - len(alive)
    score = 100 * dead / len(killers) if killers else 0.0
    print(f"{dead} died, {len(alive)} live: {score:.1f} % (asked for: {asked:.0f} %)")
    return score >= asked


def hunt(
    mutants: list[Mutant],
    tests: Iterable[str],
    jobs: int,
    waits: bool,
    progress: Callable[[str], object],
    enough: float = ENOUGH,
) -> Hunt:
    """Collect the tests and try these mutants. Raises RuntimeError when there are no such tests."""
    for file in {mutant.file for mutant in mutants}:
        importlib.import_module(
            ".".join(Path(file).with_suffix("").parts).removesuffix(".__init__")
        )
    plugin = Hunt(mutants, jobs, waits, enough, progress)
    code = collect(plugin, tests, MARKS)
    if mutants and not plugin.killers:
        raise RuntimeError(f"the tests could not be collected ({code})")
    return plugin


def main() -> int:
    """Try them and judge. 0 when enough died, every one was tried and every test passes unchanged."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.driver", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", help="only these files, or mutants whose names contain one of these"
    )
    parser.add_argument("--drivers", action="store_true", help="modems/ instead of the engine")
    parser.add_argument("--sample", type=int, help="this many, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--names", type=Path, help="only the mutants that this file names")
    parser.add_argument("--tests", action="append", help="run these tests only")
    parser.add_argument("--jobs", type=int, help="copies at a time")
    parser.add_argument(
        "--enough", type=float, default=ENOUGH, help="seconds of tests that a mutant meets"
    )
    parser.add_argument("--out", type=Path, help="append every mutant and its killer here")
    options = parser.parse_args()
    os.chdir(ROOT)  # where mutmut looks for its settings
    kind = "modems" if options.drivers else "atdriver"
    files = DRIVERS if options.drivers else ENGINE
    named = [file for file in files if file in options.parts]
    every = [mutant for file in named or files for mutant in grafts.mutants(file)]
    chosen = every
    if options.parts and not named:
        chosen = [m for m in chosen if any(part in m.name for part in options.parts)]
    if options.names:
        names = set(options.names.read_text(encoding="utf-8").splitlines())
        chosen = [m for m in chosen if m.name in names]
    if options.sample is not None:
        drawn = random.Random(options.seed).sample(range(len(chosen)), options.sample)
        chosen = [chosen[n] for n in drawn]

    def progress(text: str) -> None:
        if options.out:
            with options.out.open("a", encoding="utf-8") as journal:
                journal.write(text + "\n")

    exempt = exemptions()
    hunted = [m for m in chosen if not excused(m.name, exempt)]
    tests, jobs = options.tests or TESTS[kind], options.jobs or JOBS[kind]
    found = hunt(hunted, tests, jobs, options.drivers, progress, options.enough)
    enough = report({m.name: by for m, by in found.killers.items()}, ASKED[kind])
    for name in found.broken:
        print(f"fails though nothing is changed: {name}")
    for mutant in hunted:
        if mutant not in found.killers:
            enough = False
            print(f"not tried: {mutant.name}")
    print(f"{len(chosen)} of {len(every)} mutants, {len(chosen) - len(hunted)} of them exempt")
    if len(chosen) == len(every) and not named:
        for entry in sorted(exempt.keys() - {excused(m.name, exempt) for m in every}):
            print(f"exempt, and not met: {entry}")
    return 0 if enough and not found.broken else 1


if __name__ == "__main__":
    sys.exit(main())
