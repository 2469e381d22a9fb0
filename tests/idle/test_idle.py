"""R20: what a driver costs while nothing happens, over a pseudo terminal and in real time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from atdriver import aopen_modem
from fakes import Peer, build
from fakes.running import RunningFake

SECONDS = 10.0
CORE = 0.005
"""Of one core."""
WAKE_UPS = 20
"""A second."""
SETTINGS = {"esp8266": {"ssid": "lab", "password": "secret99"}, "bg96": {}}
WORLD: dict[str, Any] = {"esp8266": {"access_points": {"lab": "secret99"}}, "bg96": {}}


@pytest.mark.gate
@pytest.mark.serial
@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_an_idle_driver_costs_next_to_nothing(module: str) -> None:
    """With two connections open, on which nothing is said."""
    modem = build(
        module, peers={"quiet.test:7": Peer("discard")}, offline=True, time_scale=0.0,
        **WORLD[module],
    )  # fmt: skip
    with RunningFake(modem) as fake:
        async with aopen_modem(f"{module}:{fake.port}", **SETTINGS[module]) as net:
            socks = [await net.connect(("quiet.test", 7), timeout=30) for _ in range(2)]
            loop: Any = asyncio.get_running_loop()
            wait, woken = loop._selector.select, 0

            def select(limit: float | None = None) -> Any:
                nonlocal woken
                woken += 1
                return wait(limit)

            await asyncio.sleep(1.0)
            loop._selector.select = select
            begun, busy = time.monotonic(), time.thread_time()
            await asyncio.sleep(SECONDS)
            busy, took = time.thread_time() - busy, time.monotonic() - begun
            loop._selector.select = wait
            for sock in socks:
                await sock.close()
        print(
            f"{module}: {100 * busy / took:.2f} % of a core, {woken / took:.1f} wake-ups a second"
        )
        assert busy <= CORE * took
        assert woken <= WAKE_UPS * took
