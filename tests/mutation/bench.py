"""The collected tests as a bench for changes: which lines does each reach, and which of them fails?

pytest collects once; everything else happens in forked copies of the collected session. First each
test runs unchanged and tells which lines it reaches. A change meets the tests that reach its line,
the quickest first. A kill counts only when the killing test passes without the change right
afterwards.
"""

from __future__ import annotations

import ast
import gc
import resource
import signal
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mutation import forks

ROOT = Path(__file__).parents[2]
SHARDS = 6
TIMES = 10
"""A test that takes this many times what it took unchanged, in processor time and over all, has
failed."""
BUSY = 2.0
"""Seconds of processor time that each test has at least."""
MEMORY = 4 << 30
"""Bytes of address space, after which a change has lost its way."""

called: set[str] = set()
"""What `telling` code notes: "file:line" of a statement, "file:name" of a function."""


@dataclass
class Covered:
    """What one test did when nothing was changed."""

    seconds: float
    busy: float
    """Seconds of processor time."""
    reached: set[str]


class Bench:
    """The tests of a collected session."""

    def __init__(self, items: list[pytest.Item], jobs: int, least: float) -> None:
        """`jobs` copies at a time; no test is stopped before `least` seconds are over."""
        self.items = items
        self.jobs = jobs
        self.least = least
        self.covered: dict[int, Covered] = {}
        self.order: list[int] = []
        """Tests that pass unchanged, the quickest first."""
        self.broken: list[str] = []
        """Tests that fail though nothing is changed."""

    def look(self, watch: Callable[[], object]) -> None:
        """Run all unchanged; `watch` puts telling code in place."""

        def shard(numbers: list[int]) -> forks.Case:
            found = yield lambda: (watch(), [(n, *self._watched(n)) for n in numbers])[1]
            for number, passed, seconds, busy, reached in found or ():
                if passed:
                    self.covered[number] = Covered(seconds, busy, set(reached))

        gc.collect()
        gc.freeze()  # or each copy would write on all pages that it shares with this process
        everything = list(range(len(self.items)))
        forks.run((shard(everything[n::SHARDS]) for n in range(SHARDS)), SHARDS, 900.0)
        missing = [n for n in everything if n not in self.covered]
        forks.run((shard([n]) for n in missing), 1, 60.0)
        self.broken = sorted({self.items[n].nodeid for n in missing if n not in self.covered})
        self.order = sorted(self.covered, key=lambda n: self.covered[n].seconds)

    def reaching(self, places: Collection[str]) -> list[int]:
        """Tests that reach one of these places, the quickest first."""
        return [n for n in self.order if not self.covered[n].reached.isdisjoint(places)]

    def trial(
        self, change: Callable[[], object], chosen: list[int], died: Callable[[str], object]
    ) -> forks.Case:
        """Run the chosen tests under a change, and tell by what it died; "" when it lives."""
        while True:
            killer = yield lambda: self._kill(change, chosen)
            if killer is None:  # is it the change, or is this computer too slow?
                fine = yield lambda: all(self._passes(n) for n in chosen)
                died("a crash, or endless" if fine else "")
                return
            if killer == -1:
                died("")
                return
            if killer == -2:
                died("cannot be imported")
                return
            passed = yield lambda: self._passes(killer)
            if passed:
                died(self.items[killer].nodeid)
                return
            chosen = [n for n in chosen if n != killer]

    def _watched(self, number: int) -> tuple[bool, float, float, list[str]]:
        called.clear()
        begun, busy = time.perf_counter(), time.process_time()
        passed = self._passes(number)
        seconds = time.perf_counter() - begun
        return passed, seconds, time.process_time() - busy, sorted(called)

    def _kill(self, change: Callable[[], object], chosen: Iterable[int]) -> int:
        """The first test that fails, -1 when none does, -2 when the change breaks the import."""
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            change()
        except Exception:
            return -2
        return next((n for n in chosen if not self._passes(n)), -1)

    def _passes(self, number: int) -> bool:
        item, failures = self.items[number], _Failures()
        if unchanged := self.covered.get(number):
            limit = max(self.least, TIMES * unchanged.seconds)
            item.add_marker(pytest.mark.timeout(limit), append=False)
            busy = max(BUSY, TIMES * unchanged.busy)
            signal.signal(signal.SIGPROF, _too_busy)
            signal.setitimer(signal.ITIMER_PROF, busy, busy)
        item.config.pluginmanager.register(failures)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            item.config.pluginmanager.unregister(failures)
        return failures.count == 0


def _too_busy(number: int, frame: object) -> None:
    raise TimeoutError("too much processor time")


class _Failures:
    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count += report.failed


def collect(plugin: object, tests: Iterable[str], marks: str = "not nightly") -> int:
    """Collect these tests (patterns below the root) and let the plugin's `pytest_runtestloop` take
    over. Returns pytest's exit code."""
    arguments = [str(file) for each in tests for file in sorted(ROOT.glob(each))]
    return pytest.main(
        ["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-qq", "--no-summary",
         "-s", "--timeout=120", "-m", marks, *arguments],
        plugins=[plugin],
    )  # fmt: skip


def telling(file: Path) -> ast.Module:
    """The file's tree in which every function and every statement notes in `called` that it runs."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    _tell(tree.body, f"{file.relative_to(ROOT)}:", "")
    return tree


def _tell(body: list[ast.stmt], path: str, place: str) -> None:
    for inner in body:
        if isinstance(inner, ast.ClassDef):
            _tell(inner.body, path, f"{place}{inner.name}.")
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            _tell_lines(inner, path)
            inner.body[:0] = ast.parse(f"_called.add({path + place + inner.name!r})").body


def _tell_lines(node: ast.AST, path: str) -> None:
    for name in ("body", "orelse", "finalbody"):
        statements = getattr(node, name, [])
        if not isinstance(statements, list):
            continue  # a lambda's, a condition's
        for index in range(len(statements) - 1, -1, -1):
            _tell_lines(statements[index], path)
            words = f"_called.add('{path}{statements[index].lineno}')"
            statements[index:index] = ast.parse(words).body
    for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        _tell_lines(handler, path)
