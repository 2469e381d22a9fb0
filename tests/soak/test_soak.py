"""R16: memory is flat over hours of use with faults, and every byte stays right."""

from __future__ import annotations

import pytest

from tests.faults.bench import BOTH

from .soak import WARM, Soak


@pytest.mark.parametrize("module", [module for module, _ in BOTH])
@pytest.mark.parametrize(
    "hours", [pytest.param(24, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])]
)
def test_memory_is_flat(module: str, hours: int) -> None:
    done = Soak(module, hours).run()
    print(done)
    assert not done.violations
    assert done.exchanges > 1000 * hours
    assert done.faults > 5 * hours
    assert done.slope < 1024


def test_what_grows_is_seen_through_what_comes_and_goes() -> None:
    """Four of 24 samples catch a transfer, at the worst places; 1.1 KiB an hour are seen beside them."""
    flat = [630_000 + 4000 * (hour % 3) for hour in range(WARM + 24)]
    for hour in (12, 16, 20, 24):
        flat[hour] += 70_000
    soak = Soak("bg96", 24)
    soak.sizes = flat
    assert abs(soak.slope) < 300
    soak.sizes = [size + 1100 * hour for hour, size in enumerate(flat)]
    assert soak.slope > 1024
