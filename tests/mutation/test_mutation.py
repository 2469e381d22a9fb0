"""The mutation machinery, and a sample of what it hunts (all of it: `make mutation`)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from atdriver.exchange import mask
from tests.mutation import driver, forks, grafts
from tests.mutation.__main__ import everything, sample
from tests.mutation.lists import exemptions, known_survivors
from tests.mutation.mutants import mutants

ROOT = Path(__file__).parents[2]
SAMPLE = 25

SOURCE = '''
"""Text."""

__all__ = ["Fake"]
LIMIT: int = 5
ROWS = {"a": 1, "b": 2}
Handler = Callable[[int], int]


class Fake(Base):
    """Text."""

    @rule(r"AT")
    def answer(self, text: str = "x") -> None:
        """Text."""
        self.note("seen", text)
        if text and self.profile.nonos:
            self.raw(b"\\r\\nOK\\r\\n")
        raise SettingError("for the caller")
'''


def test_what_is_changed(tmp_path: Path) -> None:
    """Literals, numbers, rows, rules and conditions; no docstrings, journal entries or annotations."""
    file = tmp_path / "fake.py"
    file.write_text(SOURCE)
    found = mutants(file, tmp_path)
    assert [(each.place, each.words) for each in found] == [
        ("", "5 → 6"), ("", "5 → 4"), ("", "no row 'a'"), ("", "no row 'b'"), ("", "'a' → 'x'"),
        ("", "'b' → 'x'"), ("", "1 → 2"), ("", "1 → 0"), ("", "2 → 3"), ("", "2 → 1"),
        ("Fake.answer", "no rule 'AT'"), ("Fake.answer", "'x' → 'y'"),
        ("Fake.answer", "if not (text and self.profile.nonos)"),
        ("Fake.answer", "or: text and self.profile.nonos"),
        ("Fake.answer", "b'\\r\\nOK\\r\\n' → b'\\r\\nXK\\r\\n'"),
    ]  # fmt: skip
    assert [each.loading for each in found] == [True] * 12 + [False] * 3
    originals = ast.unparse(ast.parse(SOURCE))
    changed = [ast.unparse(each.tree(SOURCE)) for each in found]
    assert len(set(changed)) == len(found)
    assert originals not in changed


def test_names_are_unique_and_the_lists_name_what_there_is() -> None:
    names = [mutant.name for mutant in everything()]
    assert len(set(names)) == len(names) > 4000
    assert not exemptions().keys() & known_survivors()
    assert exemptions().keys() <= set(names), "take what is gone off exempt.txt"


@pytest.mark.parametrize(
    ("dead", "alive", "enough"),
    [(19, 1, True), (18, 2, False), (0, 0, False)],
    ids=["enough", "too many live", "none was tried"],
)
def test_a_score_of_the_driver_is_what_it_says(dead: int, alive: int, enough: bool) -> None:
    killers = {str(n): "a test" if n < dead else "" for n in range(dead + alive)}
    assert driver.report(killers, 95.0) is enough


def test_a_mutant_takes_the_place_of_its_function_in_a_copy_of_this_process() -> None:
    """Who had imported the function meets the changed one; this process keeps its own."""
    mutant = next(
        each
        for each in grafts.mutants("atdriver/exchange.py")
        if each.function == "mask" and "+text = None" in each.changed
    )
    assert mutant.reached_by == {f"{mutant.file}:{mutant.line}"}
    found: list[object] = []

    def case(change: Callable[[], None]) -> forks.Case:
        found.append((yield lambda: (change(), mask(b"a secret", [b"secret"]) == b"a ***")[1]))

    forks.run(map(case, (lambda: None, lambda: grafts.put(mutant))), 1, 60.0)
    assert found == [True, False]
    assert mask(b"a secret", [b"secret"]) == b"a ***"


def test_a_change_in_a_head_meets_the_tests_that_call_the_function() -> None:
    heads = [each for each in grafts.mutants("atdriver/exchange.py") if not each.line]
    assert {each.function for each in heads} == {"with_secret"}
    assert heads[0].reached_by == {"atdriver/exchange.py:with_secret"}


def hunt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--no-probes", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=540,
    )  # fmt: skip


@pytest.mark.gate
@pytest.mark.serial
@pytest.mark.timeout(600)
def test_without_the_test_that_kills_it_a_mutant_lives() -> None:
    """The score is not vacuous: the same mutant dies by one file of tests and survives another that
    runs the same line."""
    mutant = "fakes/bg96/transfer.py | Transfer._send_command | 65535 → 65536 | 0"
    assert mutant in {each.name for each in everything()}
    parameters = hunt(mutant, "--tests", "tests/fakes/test_bg96_parameters.py")
    assert parameters.returncode == 0, parameters.stdout + parameters.stderr
    assert "1 mutants: 1 killed" in parameters.stdout
    others = hunt(mutant, "--tests", "tests/fakes/test_bg96_udp.py")
    assert others.returncode == 1
    assert f"lives: {mutant}" in others.stdout


@pytest.mark.gate
@pytest.mark.serial
@pytest.mark.timeout(600)
def test_a_sample_of_the_mutants_dies() -> None:
    assert len(sample(SAMPLE, set())) == SAMPLE
    found = hunt("--sample", str(SAMPLE))
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{SAMPLE} mutants: {SAMPLE} killed" in found.stdout
