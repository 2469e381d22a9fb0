"""What makes a run of the tests fail, beside a failing test: the rules of tests/conftest.py and the
two halves of `make test`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPING = {
    "test_one.py": """
import pytest

def test_runs() -> None: ...

@pytest.mark.skip
def test_skipped() -> None: ...

@pytest.mark.xfail
def test_expected_to_fail() -> None:
    assert False
""",
    "test_whole.py": """
import pytest

pytest.skip("a whole file", allow_module_level=True)
""",
}


def run(tests: Path, *arguments: str) -> tuple[int, str]:
    """pytest over files of our own, with our rules and nothing else."""
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "pytest.ini").write_text("[pytest]\nmarkers = serial\n")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHONWARNINGS"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", *arguments],
        cwd=tests, env={**clean, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["one process", "workers"])
def test_a_skip_without_leave_fails_the_run(tmp_path: Path, processes: tuple[str, ...]) -> None:
    for name, text in SKIPPING.items():
        (tmp_path / name).write_text(text)

    def skipped(allowed: str) -> tuple[int, list[str]]:
        (tmp_path / "allowed-skips.txt").write_text(allowed)
        status, said = run(tmp_path, *processes)
        mark = "skipped without leave: "
        return status, sorted(line.removeprefix(mark) for line in said.splitlines() if mark in line)

    assert skipped("# none\n") == (1, ["test_one.py::test_skipped", "test_whole.py"])
    assert skipped("test_one.py::test_sk why\ntest_whole why\n") == (0, [])


def test_a_name_that_differs_in_each_worker_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "allowed-skips.txt").touch()
    (tmp_path / "test_named.py").write_text("""
import pytest

@pytest.mark.parametrize("of", [object()], ids=str)
def test_one(of: object) -> None: ...
""")
    status, said = run(tmp_path)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "without addresses" in said


@pytest.mark.parametrize("goal", ["test", "nightly"])
def test_both_halves_are_run_and_each_can_fail_the_command(tmp_path: Path, goal: str) -> None:
    log = tmp_path / "calls"
    stub = tmp_path / "stub"
    stub.write_text(f'echo "$*" >> {log}; ! echo "$*" | grep -q -e "$FAIL"\n')
    (tmp_path / ".runtime").touch()
    (tmp_path / ".test").touch()

    def make(fail: str) -> tuple[int, list[str]]:
        log.unlink(missing_ok=True)
        done = subprocess.run(
            ["make", goal, f"VENV={tmp_path}", f"PYTEST=sh {stub}"],
            cwd=ROOT, env={**os.environ, "FAIL": fail}, capture_output=True, timeout=150, check=False,
        )  # fmt: skip
        return done.returncode, log.read_text().splitlines()

    status, calls = make("nothing that is there")
    assert status == 0
    assert ["-m not serial" in calls[0], "-m serial" in calls[1], len(calls)] == [True, True, 2]
    assert ["-n auto" in call for call in calls] == [True, False]
    assert all(("not nightly" in call) is (goal == "test") for call in calls)
    for half in ("-m not serial", "-m serial"):
        status, again = make(half)
        assert status != 0
        assert again == calls
