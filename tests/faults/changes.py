"""The one-line changes of the driver that the fault tests must catch, and a run that applies each.

    python -m tests.faults.changes              # all of them: part of `make mutation`
    python -m tests.faults.changes C01 D04      # those of some faults

A change is made in a copy of the tree, never here; the test it belongs to must fail then.
"""

from __future__ import annotations

import argparse
import ast
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COPIED = ("atdriver", "modems", "netsocket", "fakes", "hil", "tests", "pyproject.toml")
LIMIT = 300
"""Seconds for one test in pytest's own judgement: a driver that hangs is caught, too."""
BUSY = 60
"""Seconds of CPU for all runs of one test: in virtual time a driver that hangs may turn for ever,
and a clock on the wall would take a computer that does much else for one."""


@dataclass(frozen=True)
class Change:
    """`old` becomes `new` in the file `path` of the tree."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class FaultTest:
    """One test function of this folder that is named after a fault."""

    file: str
    name: str
    changes: tuple[Change, ...]
    counts: bool

    @property
    def fault(self) -> str:
        return self.name.split("_")[1]


def fault_tests() -> Iterator[FaultTest]:
    """Every `test_<id>_…` below this folder, read without importing it."""
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            parts = node.name.split("_")
            if len(parts) > 2 and parts[1][:1].isupper() and parts[1][1:].isdigit():
                names = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
                yield FaultTest(path.name, node.name, tuple(_changes(node)), "injected" in names)


def _changes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Change]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("mark.catches"):
            yield Change(*(ast.literal_eval(argument) for argument in decorator.args))


def caught(test: FaultTest, change: Change, tree: Path) -> str:
    """ "" when the test fails on the changed driver, else what happened."""
    target = tree / change.path
    before = target.read_text(encoding="utf-8")
    target.write_text(before.replace(change.old, change.new), encoding="utf-8")
    try:
        # A compiled copy of the unchanged file could be taken for this one: same second, same size.
        with subprocess.Popen(
            [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:xdist",
             f"--timeout={LIMIT}", f"tests/faults/{test.file}", "-k", f"{test.name} or {test.name}["],
            cwd=tree, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as run:  # fmt: skip
            resource.prlimit(run.pid, resource.RLIMIT_CPU, (BUSY, BUSY + 1))
            said, _ = run.communicate()
    finally:
        target.write_text(before, encoding="utf-8")
    if run.returncode in (1, -signal.SIGXCPU):
        return ""
    if run.returncode == 0:
        return "lives"
    return f"pytest ended with {run.returncode}: {said[-800:]}"


def main() -> int:
    """Apply them; 0 when every one is caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.changes", description=__doc__)
    parser.add_argument("faults", nargs="*", help="ids; without, all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    work = [
        (test, change)
        for test in fault_tests()
        for change in test.changes
        if not options.faults or test.fault in options.faults
    ]
    trees: SimpleQueue[Path] = SimpleQueue()
    living = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(options.jobs):
            trees.put(_copy(Path(scratch) / str(number)))

        def try_out(each: tuple[FaultTest, Change]) -> str:
            tree = trees.get()
            try:
                return caught(*each, tree)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(options.jobs) as pool:
            for (test, change), outcome in zip(work, pool.map(try_out, work), strict=True):
                if outcome:
                    living += 1
                    sys.stdout.write(f"{test.name}: {outcome}: {change}\n")
                    sys.stdout.flush()
    sys.stdout.write(f"{len(work)} changes of the driver: {len(work) - living} caught\n")
    return 1 if living or not work else 0


def _copy(tree: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=ignore)
        else:
            tree.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tree / name)
    return tree


if __name__ == "__main__":
    sys.exit(main())
