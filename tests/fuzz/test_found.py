"""What the fuzzer has found stays found, and a short run of it at each commit.

The inputs in `found` are named after their target. The short runs are subprocesses, because the
fuzzer ends its process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from atdriver.framer import Framer

from .corpus import inputs
from .targets import TARGETS, differential

FOUND = sorted(path for path in (Path(__file__).parent / "found").iterdir() if path.suffix != ".md")
ROOT = Path(__file__).parent.parent.parent
NIGHT = {"parser": 10_000_000, "differential": 1_000_000}


def test_what_was_found_passes() -> None:
    for path in FOUND:
        try:
            TARGETS[path.name.partition("-")[0]](path.read_bytes())
        except Exception as error:
            raise AssertionError(path.name) from error


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_the_fuzzer_begins_with_inputs_that_pass(target: str) -> None:
    count = 0
    for data in inputs():
        TARGETS[target](data)
        count += 1
    assert count > 90


def test_a_framer_that_depends_on_the_cuts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    skip = Framer._skip_blanks

    def forgetful(self: Framer) -> bool:
        """Does not know any more, after a read, that a blank may belong to the prompt."""
        self._swallow_blank = self._swallow_blank and self._position > 0
        return skip(self)

    send = b"\0\1" + b"\xfe\3\r\nOK\r\n" + b"> Recv 4 bytes\r\n"
    differential(send)
    monkeypatch.setattr(Framer, "_skip_blanks", forgetful)
    with pytest.raises(AssertionError):
        differential(send.replace(b"\0\1", b"\0\4", 1))


def fuzz(target: str, runs: int, seed: int, found: Path) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz", target, "--runs", str(runs)]
    command += ["--seed", str(seed), "--found", str(found)]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}  # the fuzzer patches the interpreter
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    told = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(command)}\n{told[-3000:]}"
    executed = re.search(r"number_of_executed_units:\s*(\d+)", told)
    assert executed, told[-3000:]
    assert int(executed[1]) >= runs, told[-3000:]
    assert not list(found.iterdir())


@pytest.mark.gate
@pytest.mark.parametrize(("target", "runs"), [("parser", 8_000), ("differential", 4_000)])
def test_some_seconds_of_fuzzing(target: str, runs: int, tmp_path: Path) -> None:
    fuzz(target, runs, 1, tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(8 * 3600)
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_a_night_of_fuzzing(target: str, tmp_path: Path) -> None:
    fuzz(target, NIGHT[target], 2, tmp_path)
