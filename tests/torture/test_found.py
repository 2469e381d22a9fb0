"""What torture found in the drivers, each by itself."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.errors import NetsocketError
from tests.faults.bench import opened, virtual


@virtual
async def test_a_setting_whose_answer_came_late_is_not_guessed() -> None:
    """CIPDINFO=1 had been carried out: each TCP block of ESP-AT begins with its sender then."""
    async with opened("esp8266", names={"one.test": "198.51.100.1"}) as bench:
        bench.step(on=r"AT\+CIPDINFO=1", after=3.0, times=1, passes=True)
        async with bench.net.udp_socket() as datagrams:
            datagrams.settimeout(20)
            with pytest.raises(NetsocketError):
                await datagrams.sendto(b"ping", ("echo.test", 7))
        async with await bench.net.connect(("echo.test", 7), timeout=20) as sock:
            sock.settimeout(20)
            await sock.sendall(b"service")
            assert await sock.recv(100) == b"service"


@virtual
async def test_a_datagram_socket_that_is_closed_while_it_opens_leaves_nothing_open() -> None:
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+CIPDINFO=1", after=0.5, times=1, passes=True)
        datagrams = bench.net.udp_socket()
        sending = asyncio.create_task(datagrams.sendto(b"ping", ("192.0.2.1", 7)))
        await asyncio.sleep(0.1)
        sending.cancel()
        await datagrams.close()
        await asyncio.sleep(5)
        async with await bench.net.connect(("echo.test", 7), timeout=20) as sock:
            await sock.sendall(b"service")
            assert await sock.recv(100) == b"service"


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_a_cancelled_down_goes_on_to_its_end(module: str) -> None:
    """Half of it would leave an interface that says it is up, and is not."""
    async with opened(module) as bench:
        for waited in range(1, 12):
            falling = asyncio.create_task(bench.net.down())
            for _ in range(waited):
                await asyncio.sleep(0)
            falling.cancel()
            await asyncio.wait({falling})
            await bench.net.up()
            async with await bench.net.connect(("echo.test", 7), timeout=20) as sock:
                await sock.sendall(b"service")
                assert await sock.recv(100) == b"service"
        closing = asyncio.create_task(bench.net.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        await bench.net.close()  # waits for what the first has begun
        assert bench.channel.mode.name == "CLOSED"
