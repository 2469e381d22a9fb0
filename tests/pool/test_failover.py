"""Two modems on pseudo terminals, one of which is unplugged in the middle and comes back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from atdriver import aopen_modem
from fakes import build
from fakes.running import RunningFake
from netsocket import Lease, Pool
from netsocket.adapters.balance import Balance
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

from .stamped import exchange, stamped_server

AWAY = 0.2
"""Seconds for which it is unplugged."""


def started(stack: ExitStack, module: str) -> RunningFake:
    wifi = {"access_points": {"lab": "secret99"}} if module == "esp8266" else {}
    fake = build(module, time_scale=0.0, resolve={"srv": "127.0.0.1"}, **wifi)
    return stack.enter_context(RunningFake(fake))


def unplug(fake: RunningFake, seconds: float) -> None:
    def pull() -> None:
        assert fake.modem.on_unplug is not None
        fake.modem.on_unplug(seconds)

    fake.call(pull)


@pytest.mark.parametrize("balance", ["least-busy", "round-robin", "failover"])
async def test_clients_go_on_over_the_other_and_the_first_gets_work_again(balance: Balance) -> None:
    served: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    ended = asyncio.Event()
    plugged = asyncio.Event()
    plugged.set()
    with ExitStack() as stack:
        first, second = started(stack, "esp8266"), started(stack, "bg96")

        async def open_first() -> AsyncNetworkInterface:
            await plugged.wait()
            port = first.port  # another one after it was unplugged, as auto finds it
            wifi = {"ssid": "lab", "password": "secret99"}
            return await aopen_modem(f"esp8266:{port}", reconnect="never", **wifi)

        openers = {"first": open_first, "second": lambda: aopen_modem(f"bg96:{second.port}")}
        async with stamped_server() as server, Pool(openers, balance) as pool:

            async def use(lease: Lease[AsyncTCPSocket], number: int) -> None:
                sock = await lease.connect(("srv", server.port), timeout=30)
                await exchange(sock, number, 800, 1200)

            async def client(number: int) -> None:
                while not ended.is_set():
                    async with await pool.lease(30) as lease:
                        try:
                            await use(lease, number)
                            served[lease.member] += 1
                        except OSError:
                            failed[lease.member] += 1

            async def until(condition: Callable[[], object]) -> None:
                async with asyncio.timeout(30):
                    while not condition():
                        await asyncio.sleep(0.01)

            def up() -> list[bool]:
                return [member.up for member in pool.status().members]

            await until(lambda: up() == [True, True])
            async with asyncio.TaskGroup() as group:
                for number in range(8):
                    group.create_task(client(number))
                await until(lambda: served["first"] > 20)
                plugged.clear()
                unplug(first, AWAY)
                await until(lambda: not up()[0])
                before = served.copy()
                await until(lambda: served["second"] > before["second"] + 20)
                assert served["first"] <= before["first"] + 5
                plugged.set()
                await until(lambda: up()[0])
                before = served.copy()
                await until(lambda: served["first"] > before["first"] + 20)
                ended.set()
            assert pool.status().in_use == 0
    assert not server.wrong
    assert failed["second"] == 0
    assert failed["first"] <= 5, "those that were under way, and no other"
