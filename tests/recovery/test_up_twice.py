"""Two callers bring the same interface up at the same time: one bring-up, both are served."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.stack import InterfaceStatus
from tests.faults.bench import BOTH, assemble, virtual


@pytest.mark.parametrize(("module", "firmware"), BOTH)
@virtual
async def test_a_second_up_waits_for_the_first(module: str, firmware: str) -> None:
    bench = assemble(module, firmware)
    try:
        await asyncio.gather(bench.net.up(), bench.net.up())
        assert bench.net.status is InterfaceStatus.GLOBAL_UP
        assert bench.wire.written.count(b"AT+CWJAP=" if module == "esp8266" else b"AT+QIACT=1") == 1
    finally:
        await bench.net.close()
