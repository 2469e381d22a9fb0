"""What many modems in one process cost; figures of a busy machine, so the bounds are wide."""

from __future__ import annotations

import pytest

from benchmarks.device import compiler
from benchmarks.many import measure

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(compiler() is None, reason="this machine has no C compiler"),
]


def test_many_modems_are_cheap() -> None:
    one, eight = measure(1, 0.5), measure(8, 0.5)
    assert eight["memory_mib_each"] < 4.0
    assert eight["idle_core"] < 0.1, "of a core: they wait, and look now and then"
    assert eight["rate"] > one["rate"]
    assert eight["cpu_ms_per_mb"] < 3 * one["cpu_ms_per_mb"], "the others cost it nothing"
