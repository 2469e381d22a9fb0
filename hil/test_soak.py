"""`--soak HOURS`."""

from __future__ import annotations

import pytest

from hil.bench import Bench
from hil.soak import soak


@pytest.fixture
def hours(pytestconfig: pytest.Config) -> float:
    given: float = pytestconfig.getoption("--soak")
    return given


@pytest.mark.timeout(0)  # it keeps its own time, and each of its calls is limited
def test_soak(hil: Bench, hours: float) -> None:
    counts = hil.run(soak(hil.net, hil.far, hours * 3600))
    hil.told.append(f"soak: {counts}")
    assert counts.messages > 0, str(counts)
