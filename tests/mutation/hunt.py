"""Which mutants live? The fakes' own tests are run against each, then the probes through the driver.

How tests meet a change, `bench.py` tells. A mutant inside a function meets the tests that reach it, one
outside of every function those that call a function that uses its constant.
"""

from __future__ import annotations

import ast
import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType

import pytest

from tests.mutation import forks
from tests.mutation.bench import ROOT, SHARDS, Bench, collect, telling
from tests.mutation.loading import apply, holders
from tests.mutation.mutants import Mutant

FACT_TESTS = (
    "tests/fakes/test_bg96_*.py", "tests/fakes/test_esp8266_*.py",
    "tests/fakes/test_quectel_siblings.py", "tests/fakes/test_command_tables.py",
    "tests/fakes/test_actions.py", "tests/fakes/test_peers.py", "tests/fakes/test_mesh.py",
    "tests/fakes/test_openthread*.py", "tests/fakes/test_riot*.py", "tests/fakes/test_skstack*.py",
)  # fmt: skip
"""What holds the facts of the modules; the other tests of the fakes are about their engine, and the
ready-made scenarios inject what no module ought to do."""
PATIENCE = "1.5"
LEAST = 15.0
"""Seconds that each test has."""
LIMIT = 120.0
"""Seconds for one mutant and its tests in one process."""
PROBE_LIMIT = 600.0
"""Seconds for all probes on all modules of a vendor; an idle computer takes 60."""
FEW = 20
SLOW = 0.5
"""Where more than FEW tests reach a line, those of the slowest quarter that take longer than SLOW
seconds are not needed."""
PROBED = {
    "esp8266": [("esp8266", "N17", "pull"), ("esp8266", "E2", "pull"), ("esp8266", "E33", "pull"),
                ("esp8266", "E24", "push")],
    "bg96": [("bg96", "bg96", "")],
}  # fmt: skip
"""Modules on which the probes run; those of a mesh's nodes take minutes each."""


@dataclass
class Hunt:
    """The session's plugin: takes over after collection. `killers` tells by what each mutant died;
    "" when it lives."""

    mutants: list[Mutant]
    jobs: int = SHARDS
    probes: bool = True
    without: frozenset[str] = frozenset()
    """Ids of tests to leave out (a test of this very machinery)."""
    killers: dict[Mutant, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    """Tests that fail though nothing is changed."""
    progress: Callable[[str], object] = lambda text: None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        holders(ROOT / "tests")
        items = [item for item in session.items if item.nodeid not in self.without]
        bench = Bench(items, self.jobs, LEAST)
        bench.look(_watch)
        self.broken = bench.broken
        names = _names()
        cases = (self._case(each, bench, names) for each in self.mutants)
        forks.run(cases, self.jobs, LIMIT)
        if self.probes:
            living = [mutant for mutant, by in self.killers.items() if not by]
            self._probe([mutant for mutant in living if _vendor(mutant) in PROBED])
        return True

    # -- changed ------------------------------------------------------------------------------

    def _case(self, mutant: Mutant, bench: Bench, names: dict[str, set[str]]) -> forks.Case:
        covered = bench.covered
        users = {f"{mutant.path}:{mutant.statement}"}
        if mutant.loading:
            vendor = "/".join(Path(mutant.path).parts[:2])
            named = {user for user in names.get(mutant.about, ()) if user.startswith(vendor)}
            users = {f"{mutant.path}:{mutant.place}"} | named
        chosen = bench.reaching(users)
        if mutant.loading and not chosen:
            chosen = [
                n for n in bench.order if any(f.startswith(vendor) for f in covered[n].reached)
            ]
        if len(chosen) > FEW:
            quick = len(chosen) * 3 // 4
            chosen = [n for i, n in enumerate(chosen) if i < quick or covered[n].seconds < SLOW]
        return bench.trial(lambda: _change(mutant), chosen, lambda by: self._died(mutant, by))

    def _died(self, mutant: Mutant, by: str) -> None:
        self.killers[mutant] = by
        self.progress(f"{'killed' if by else 'LIVES '} {mutant.name} {by}")

    # -- the probes ---------------------------------------------------------------------------

    def _probe(self, living: list[Mutant]) -> None:
        usual: dict[str, dict[str, str]] = {}

        def unchanged(vendor: str) -> forks.Case:
            usual[vendor] = yield lambda: _outcomes(vendor)

        vendors = {_vendor(mutant) for mutant in living}
        forks.run((unchanged(vendor) for vendor in vendors), 2, PROBE_LIMIT)
        silent = {vendor for vendor in vendors if not usual[vendor]}
        self.broken += [f"the probes of {vendor}" for vendor in sorted(silent)]

        def case(mutant: Mutant) -> forks.Case:
            vendor = _vendor(mutant)
            found = yield lambda: _outcomes(vendor, mutant)
            if found is None:  # is it the mutant, or is this computer too slow?
                fine = yield lambda: _outcomes(vendor)
                self._died(mutant, "the driver cannot bring it up" if fine else "")
                return
            other = {name for name in usual[vendor] if found.get(name) != usual[vendor][name]}
            if other:
                again = yield lambda: _outcomes(vendor, mutant, other)
                without = yield lambda: _outcomes(vendor, None, other)
                for name in sorted(other):
                    changed, same = (again or {}).get(name), (without or {}).get(name)
                    if changed == found.get(name) and same == usual[vendor][name]:
                        self._died(mutant, f"probe {name}")
                        return

        cases = (case(mutant) for mutant in living if _vendor(mutant) not in silent)
        forks.run(cases, max(2, self.jobs // 2), PROBE_LIMIT)


def _vendor(mutant: Mutant) -> str:
    return Path(mutant.path).parts[1]


def _names() -> dict[str, set[str]]:
    """Name of a constant or attribute to the functions that depend on it: those that mention it, or
    mention a constant that is made from it."""
    found: dict[str, set[str]] = {}
    made: dict[str, set[str]] = {}

    def look(code: CodeType, path: str, place: str) -> None:
        for name in code.co_names if place else ():
            found.setdefault(name, set()).add(f"{path}:{place}")
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                look(inner, path, inner.co_qualname.partition(".<locals>")[0])

    for file in (ROOT / "fakes").glob("*/*.py"):
        path = str(file.relative_to(ROOT))
        tree = ast.parse(file.read_text(encoding="utf-8"))
        look(compile(tree, path, "exec"), path, "")
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                for part in ast.walk(node):
                    if isinstance(part, ast.Name) and isinstance(target, ast.Name):
                        made.setdefault(part.id, set()).add(target.id)
    for _ in range(3):
        for name, others in made.items():
            for other in others:
                found.setdefault(name, set()).update(found.get(other, ()))
    return found


def _watch() -> None:
    """Make every function of the fakes tell that it is called."""
    changed = {}
    for file in (ROOT / "fakes").glob("*/*.py"):
        tree = telling(file)
        place = 1 + max(
            n
            for n, each in enumerate(tree.body)
            if isinstance(each, ast.ImportFrom) and each.module == "__future__"
        )
        words = "from tests.mutation.bench import called as _called"
        tree.body[place:place] = ast.parse(words).body
        changed[file] = ast.fix_missing_locations(tree)
    apply(changed, ROOT)


def _change(mutant: Mutant) -> None:
    path = ROOT / mutant.path
    apply({path: mutant.tree(path.read_text(encoding="utf-8"))}, ROOT)


def _outcomes(
    vendor: str, mutant: Mutant | None = None, only: Iterable[str] | None = None
) -> dict[str, str]:
    """What every probe finds through the driver, by generation and probe."""
    from netsocket.capability import run
    from tests.capability.measured import far_end, settings
    from tests.drivers.rig import opened

    if mutant is not None:
        _change(mutant)
    probes = None if only is None else {name.partition(" ")[2] for name in only}

    async def measure(module: str, firmware: str, receive: str) -> dict[str, str]:
        async with far_end(module) as far, opened(module, firmware, **settings(receive)) as rig:
            found = await run(rig.net, far, kind="simulated", only=probes)
        return {f"{firmware}/{receive} {r.probe}": r.outcome.value for r in found.results}

    async def measure_all() -> dict[str, str]:
        parts = await asyncio.gather(*(measure(*each) for each in PROBED[vendor]))
        return {name: outcome for part in parts for name, outcome in part.items()}

    return asyncio.run(measure_all())


def hunt(
    mutants: list[Mutant],
    *,
    tests: Iterable[str] = FACT_TESTS,
    jobs: int = SHARDS,
    probes: bool = True,
    without: Iterable[str] = (),
    progress: Callable[[str], object] = lambda text: None,
) -> Hunt:
    """Collect the tests and hunt these mutants."""
    os.environ["FAKES_PATIENCE"] = PATIENCE
    plugin = Hunt(mutants, jobs, probes, frozenset(without), progress=progress)
    code = collect(plugin, tests)
    if not plugin.killers and mutants:
        raise RuntimeError(f"the tests could not be collected ({code})")
    return plugin
