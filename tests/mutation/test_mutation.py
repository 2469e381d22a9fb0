"""The mutation machinery, and a sample of what it hunts (all of it: `make mutation`)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation import driver
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
    ("fates", "enough"),
    [
        (["killed"] * 19 + ["survived"], True),
        (["killed"] * 18 + ["survived"] * 2, False),
        (["killed"] * 19 + ["not checked"], False),
        ([], False),
    ],
    ids=["enough", "too many live", "one was not tried", "none was made"],
)
def test_a_score_counts_when_every_mutant_of_the_driver_was_tried(
    fates: list[str], enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.Mutant, "name", property(lambda each: each.number))
    found = [driver.Mutant("atdriver/x.py", str(n), fate) for n, fate in enumerate(fates)]
    assert driver.report(found) is enough


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
