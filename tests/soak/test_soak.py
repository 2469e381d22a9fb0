"""R16: memory is flat over hours of use with faults, and every byte stays right."""

from __future__ import annotations

import pytest

from tests.faults.bench import BOTH

from .soak import Soak


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
