"""Clients that leave at any moment and modems that die at any moment: what is left is whole."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from atdriver import aopen_modem
from atdriver.errors import PortLost
from netsocket import Pool
from netsocket.adapters import member
from netsocket.interface import AsyncNetworkInterface

from .stamped import StampedServer, exchange, stamped_server

MODULES = ("esp8266,firmware=E22:fake", "esp8266,firmware=N17:fake", "bg96:fake")
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(2, 30))]
CLIENTS = 80


class Storm:
    """Clients of every kind: patient or not, with free or refusing peers, cancelled or not."""

    def __init__(self, seed: int, pool: Pool, server: StampedServer) -> None:
        self.random = random.Random(seed)
        self.pool = pool
        self.server = server
        self.mixed: list[AssertionError] = []

    async def client(self, number: int) -> None:
        chance = self.random
        try:
            async with await self.pool.lease(chance.choice([0.01, 0.5, 30])) as lease:
                port = self.server.port if chance.random() < 0.9 else 1
                sock = await lease.connect(
                    ("127.0.0.1", port), timeout=chance.choice([0.005, 0.1, 20])
                )
                await exchange(sock, number, chance.randrange(1, 3000), chance.randrange(1, 3000))
        except OSError:
            pass
        except AssertionError as error:
            self.mixed.append(error)

    async def rage(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Every client comes to an end, whichever; no end is anything but an OSError."""
        loop = asyncio.get_running_loop()
        tasks = []
        for number in range(CLIENTS):
            tasks.append(asyncio.create_task(self.client(number)))
            if self.random.random() < 0.4:
                loop.call_later(self.random.uniform(0, 0.6), tasks[-1].cancel)
            if self.random.random() < 0.3:
                await asyncio.sleep(self.random.uniform(0, 0.01))
                meanwhile()
        async with asyncio.timeout(100):
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [end for end in ends if isinstance(end, Exception)]
        assert not self.mixed
        assert not self.server.wrong

    async def is_over(self) -> None:
        """Every socket of every modem can be had, and works."""
        capacity = self.pool.status().capacity
        assert capacity is not None
        async with asyncio.timeout(60):
            leases = [await self.pool.lease(50) for _ in range(capacity)]
            for number, lease in enumerate(leases):
                await lease.connect(("127.0.0.1", self.server.port), timeout=30)
                await exchange(lease.socket, number, 10, 10)
            for lease in leases:
                await lease.release()
        assert (self.pool.status().in_use, self.pool.status().queued) == (0, 0)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("seed", SEEDS)
async def test_clients_that_leave_at_any_moment_cost_no_socket(module: str, seed: int) -> None:
    async with stamped_server(pause=0.002) as server, aopen_modem(module) as net:
        async with Pool.of(net) as pool:
            storm = Storm(seed, pool, server)
            await storm.rage()
            await storm.is_over()


@pytest.mark.parametrize("seed", SEEDS)
async def test_modems_that_die_at_any_moment_come_back(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(member, "LONGEST_DELAY", 0.1)
    living: dict[str, AsyncNetworkInterface] = {}
    opened: list[str] = []

    def opener(module: str) -> Callable[[], asyncio.Task[AsyncNetworkInterface]]:
        async def open_one() -> AsyncNetworkInterface:
            living[module] = await aopen_modem(module, reconnect="never")
            opened.append(module)
            return living[module]

        return lambda: asyncio.ensure_future(open_one())

    async with (
        stamped_server(pause=0.002) as server,
        Pool({module: opener(module) for module in MODULES}) as pool,
    ):
        storm = Storm(seed, pool, server)

        def kill() -> None:
            if living and storm.random.random() < 0.3:
                victim = living.pop(storm.random.choice(sorted(living)))
                victim.stack.channel.link.drop(PortLost("unplugged"))  # type: ignore[attr-defined]

        await storm.rage(kill)
        async with asyncio.timeout(60):
            while not all(each.up for each in pool.status().members):
                await asyncio.sleep(0.01)
        assert len(opened) > len(MODULES), "none died"
        await storm.is_over()
