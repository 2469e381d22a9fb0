"""Nothing waits for ever, also what has no time-out: see `patience`."""

from __future__ import annotations

import pytest

import modems.esp8266.notices

from .__main__ import Job
from .patience import Patience

SILENT_ENDS = (21, 43)
"""Runs in which a notice that a connection has ended was lost, and a reader waited for ever."""


def patience(seed: int) -> Patience:
    run = Job.nth(seed).simulation()
    return Patience(run.module, run.firmware, run.seed, run.faults, slots=run.slots)


@pytest.mark.parametrize(
    "seed",
    [
        *SILENT_ENDS,
        *(pytest.param(seed, marks=pytest.mark.gate) for seed in range(100, 120)),
        *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(120, 520)),
    ],
)
def test_who_has_no_time_out_does_not_wait_for_ever(seed: int) -> None:
    result = patience(seed).run()
    assert not result.violations
    assert result.connections > 4


def test_a_reader_that_waits_for_ever_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modems.esp8266.notices, "LOOK_AT", 1 << 31)
    assert any("V4" in each for each in patience(SILENT_ENDS[0]).run().violations)
