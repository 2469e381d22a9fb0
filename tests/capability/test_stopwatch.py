"""The clock of the probes: a computer that stands still is not the module's doing."""

from __future__ import annotations

import asyncio
import time

import pytest

from netsocket.capability.probes.tools import SLACK, stopwatch
from netsocket.capability.verdict import Broken


async def test_a_halt_of_the_computer_is_told_apart() -> None:
    async with stopwatch() as watch:
        asyncio.get_running_loop().call_later(0.1, time.sleep, SLACK)
        await asyncio.sleep(0.2)
    assert watch.took > SLACK + 0.05
    assert watch.stood_still > SLACK - 0.05
    watch.check(0.2)


async def test_who_waits_too_long_by_himself_is_found_out() -> None:
    async with stopwatch() as watch:
        await asyncio.sleep(SLACK + 0.2)
    with pytest.raises(Broken, match=r"with 0\.1 s"):
        watch.check(0.1)
    with pytest.raises(Broken, match="with 60 s"):
        watch.check(60)
