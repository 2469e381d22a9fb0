"""A fault test counts only when its fault was really there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .bench import Injected


@pytest.fixture
def injected() -> Iterator[Injected]:
    """Counts the faults of one test; with none, the test fails."""
    counter = Injected()
    yield counter
    assert counter.count > 0, "the fault was never injected: this test shows nothing"
