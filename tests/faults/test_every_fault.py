"""R1: every fault of the catalogue has a test that names the one-line change which it catches."""

from __future__ import annotations

from pathlib import Path

import pytest

from .catalogue import FAULTS
from .changes import HERE, ROOT, FaultTest, fault_tests

PENDING = HERE / "pending.txt"
TESTS = list(fault_tests())


def pending() -> set[str]:
    """Faults whose test is still to be written; the file goes when it is empty."""
    return set(PENDING.read_text(encoding="utf-8").split()) if PENDING.exists() else set()


def test_every_fault_has_a_test() -> None:
    covered = {test.fault for test in TESTS}
    assert covered <= FAULTS.keys()
    assert FAULTS.keys() - covered == pending()


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_it_names_what_it_catches_and_counts_the_fault(test: FaultTest) -> None:
    assert test.changes, "give it @pytest.mark.catches(path, old, new)"
    assert test.counts, "it must take the fixture `injected` and count"
    for change in test.changes:
        source = (ROOT / change.path).read_text(encoding="utf-8")
        assert change.path.split("/")[0] in ("atdriver", "modems", "netsocket"), change
        assert source.count(change.old) == 1, f"{change.path}: not exactly once: {change.old!r}"
        assert change.old != change.new


def test_helpers_are_no_tests() -> None:
    assert Path(HERE, "bench.py").exists()
    assert len({test.name for test in TESTS}) == len(TESTS)
