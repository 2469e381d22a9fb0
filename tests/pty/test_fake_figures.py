"""The fakes' own speed and clock. `make bench` measures; this notices when a factor is lost.

The guards leave room for a machine that does other work; the goals are 20 MB/s, 1 % and 0.5 %.
"""

from __future__ import annotations

import pytest

from benchmarks.fakes import download, idle, pacing

pytestmark = pytest.mark.serial


def test_unpaced_download() -> None:
    assert download(20_000_000) > 5e6


@pytest.mark.parametrize("baud", [115200, 921600, 3_000_000])
def test_pacing(baud: int) -> None:
    """Once of three times: a computer that does something else meanwhile is late."""
    assert any(abs(pacing(baud, 2.0)) < 0.03 for _ in range(3))


@pytest.mark.nightly
@pytest.mark.parametrize("baud", [115200, 921600, 3_000_000])
def test_pacing_over_ten_seconds(baud: int) -> None:
    assert abs(pacing(baud, 10.0)) < 0.01


def test_idle() -> None:
    assert idle("bg96", 2.0) <= 0.01
