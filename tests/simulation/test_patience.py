"""Nothing waits for ever, also what has no time-out: see `patience`."""

from __future__ import annotations

import pytest

import modems.esp8266.notices

from .__main__ import Job
from .patience import Patience

DAMAGED = 422
"""A damaged answer to the question whether a connection stands was believed: an end that was none."""
COMPLETED_WITH_NULS = 43
"""The prompt of a BG96 was lost, so its payload filled up the count, and two bytes of that were lost
on the way to the module as well: the NULs behind it completed the frame. The counters said that all
was taken, and the application was told so (V2)."""
SILENT_ENDS = (77, 30)
"""Runs in which a notice that a connection has ended was lost, and a reader waited for ever."""


def patience(seed: int) -> Patience:
    run = Job.nth(seed).simulation()
    return Patience(run.module, run.firmware, run.seed, run.faults, slots=run.slots)


@pytest.mark.parametrize(
    "seed",
    [
        *SILENT_ENDS,
        pytest.param(DAMAGED, marks=pytest.mark.gate),
        pytest.param(COMPLETED_WITH_NULS, marks=pytest.mark.gate),
        *(pytest.param(seed, marks=pytest.mark.gate) for seed in range(100, 120)),
        *(
            pytest.param(seed, marks=pytest.mark.nightly)
            for seed in range(120, 520)
            if seed != DAMAGED
        ),
    ],
)
def test_who_has_no_time_out_does_not_wait_for_ever(seed: int) -> None:
    result = patience(seed).run()
    assert not result.violations
    assert result.connections > 4


def test_a_reader_that_waits_for_ever_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modems.esp8266.notices, "LOOK_AT", 1 << 31)
    assert any("V4" in each for each in patience(SILENT_ENDS[0]).run().violations)
