"""What the proxy costs: a program through it against the direct API, in one run."""

from __future__ import annotations

import pytest

from benchmarks.proxied import measure_one
from benchmarks.transfers import MB, MODULES, process


@pytest.mark.serial
@pytest.mark.parametrize("module", [MODULES[0], MODULES[2]], ids=lambda module: module[1])
async def test_the_proxy_is_hardly_slower_than_the_direct_api(
    module: tuple[str, str, str, dict[str, str]],
) -> None:
    with process("benchmarks.farend") as far:
        paced = await measure_one(*module, int(far), baud=921600, size=60_000, rounds=2)
        unpaced = await measure_one(*module, int(far), baud=None, size=2 * MB, rounds=2)
    assert min(paced.ratios()) >= 0.9, paced
    assert min(unpaced.ratios()) >= 0.6, unpaced
