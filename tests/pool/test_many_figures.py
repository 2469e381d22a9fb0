"""What many modems in one process cost; figures of a busy machine, so the bounds are wide."""

from __future__ import annotations

import pytest

from benchmarks.many import measure

pytestmark = pytest.mark.serial


def test_many_modems_are_cheap() -> None:
    one, eight = measure((1, 8), seconds=1.0)
    assert eight.modems == 8
    assert eight.memory < 4.0, "MiB of each"
    assert eight.idle < 0.1, "of a core: they wait, and look now and then"
    assert eight.cpu < 3 * one.cpu + 2.0, "ms of a round trip: the others cost it nothing"
