"""One process drives sixteen modems; what becomes of one is nothing to the others."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest

from atdriver import aopen_modem, open_modem
from atdriver.errors import PortLost
from fakes import build
from fakes.running import RunningFake
from netsocket import InterfaceStatus
from netsocket.interface import AsyncNetworkInterface
from tests.drivers.rig import echo_server

from .stamped import exchange, payload, stamped_server

SIXTEEN = ["esp8266,firmware=E22:fake", "bg96:fake"] * 8
VICTIM = 5


def link_of(net: AsyncNetworkInterface) -> Any:
    return net.stack.channel.link  # type: ignore[attr-defined]


def pull_the_plug(net: AsyncNetworkInterface) -> None:
    link_of(net).drop(PortLost("unplugged"))


def hang(net: AsyncNetworkInterface) -> None:
    """The module hears nothing any more."""
    link_of(net)._module.deaf_until = float("inf")


async def test_sixteen_at_once_each_with_its_own_data() -> None:
    async with AsyncExitStack() as stack, stamped_server() as server:
        opening = [stack.enter_async_context(aopen_modem(spec)) for spec in SIXTEEN]
        nets = await asyncio.gather(*opening)

        async def use(net: AsyncNetworkInterface, number: int) -> None:
            async with await net.connect(("127.0.0.1", server.port), timeout=60) as sock:
                await exchange(sock, number, 2000, 3000)

        await asyncio.gather(
            *(use(net, 10 * modem + each) for modem, net in enumerate(nets) for each in range(3))
        )
        assert sorted(server.served) == sorted(10 * m + e for m in range(16) for e in range(3))
    assert not server.wrong


@pytest.mark.serial
@pytest.mark.parametrize("misfortune", [pull_the_plug, hang])
async def test_fifteen_do_not_notice_what_happens_to_one(
    misfortune: Callable[[AsyncNetworkInterface], None],
) -> None:
    """Nor do their round trips take longer."""
    async with AsyncExitStack() as stack, echo_server() as server:
        nets = await asyncio.gather(
            *(stack.enter_async_context(aopen_modem(spec)) for spec in SIXTEEN)
        )
        socks = await asyncio.gather(
            *(net.connect(("127.0.0.1", server.port), timeout=60) for net in nets)
        )

        async def round_trips(number: int) -> list[float]:
            times = []
            for turn in range(10):
                data = payload(number, str(turn), 100)
                began = time.perf_counter()
                await socks[number].sendall(data)
                got = b""
                while len(got) < len(data):
                    got += await socks[number].recv(100)
                assert got == data
                times.append(time.perf_counter() - began)
            return times

        async def all_of(numbers: list[int]) -> list[float]:
            async with asyncio.timeout(60):
                each = await asyncio.gather(*(round_trips(number) for number in numbers))
            return [time for times in each for time in times]

        others = [number for number in range(16) if number != VICTIM]
        before = await all_of(list(range(16)))
        misfortune(nets[VICTIM])
        victim = asyncio.create_task(round_trips(VICTIM))
        after = [time for _ in range(3) for time in await all_of(others)]
        assert statistics.median(after) < 2 * statistics.median(before) + 0.01
        assert max(after) < 2 * max(before) + 0.5  # one that waited for the victim: 3 s
        assert [net.status for net in nets].count(InterfaceStatus.GLOBAL_UP) >= 15
        pull_the_plug(nets[VICTIM])  # one that hangs would let its users wait for long
        with pytest.raises(OSError, match=r"gone|unplugged"):
            await victim
        assert nets[VICTIM].status is InterfaceStatus.CONNECTING
        for sock in socks:
            await sock.close()


def test_sixteen_threads_with_a_modem_each() -> None:
    """`open_modem` from sixteen threads; the modem of one of them dies in the middle."""
    together = threading.Barrier(len(SIXTEEN))

    def work(number: int, port: int) -> str:
        with open_modem(SIXTEEN[number]) as net:
            sock = net.create_connection(("127.0.0.1", port), timeout=60)
            with sock:
                together.wait(60)
                if number == VICTIM:
                    net._portal.loop.call_soon_threadsafe(pull_the_plug, net._async)
                for turn in range(10):
                    data = payload(number, str(turn), 300)
                    sock.sendall(data)
                    got = b""
                    while len(got) < len(data):
                        part = sock.recv(300)
                        if not part:
                            return "end"
                        got += part
                    if got != data:
                        return "wrong"
            return "own"

    def guarded(number: int, port: int) -> str:
        try:
            return work(number, port)
        except OSError as error:
            return type(error).__name__

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        async with echo_server() as server:
            with ThreadPoolExecutor(len(SIXTEEN)) as threads:
                return await asyncio.gather(
                    *(
                        loop.run_in_executor(threads, guarded, number, server.port)
                        for number in range(len(SIXTEEN))
                    )
                )

    outcomes = asyncio.run(run())
    assert outcomes.pop(VICTIM) in ("ConnectionResetError", "BrokenPipeError")
    assert outcomes == ["own"] * 15


@pytest.mark.parametrize("baud", [115200])
async def test_four_on_pseudo_terminals_in_real_time(baud: int) -> None:
    specs = [("esp8266", "E22"), ("esp8266", "N17"), ("bg96", "bg96"), ("bg96", "bg96")]
    with ExitStack() as fakes:
        ports = []
        for module, firmware in specs:
            wifi = {"access_points": {"lab": "secret99"}} if module == "esp8266" else {}
            fake = build(module, firmware=firmware, time_scale=0.1, baud=baud, **wifi)
            ports.append(fakes.enter_context(RunningFake(fake)).port)
        settings: list[dict[str, Any]] = [
            {"ssid": "lab", "password": "secret99"} if module == "esp8266" else {}
            for module, _ in specs
        ]
        async with AsyncExitStack() as stack, stamped_server() as server, asyncio.timeout(120):
            nets = await asyncio.gather(
                *(
                    stack.enter_async_context(aopen_modem(f"{module}:{port}", **own))
                    for (module, _), port, own in zip(specs, ports, settings, strict=True)
                )
            )

            async def use(net: AsyncNetworkInterface, number: int) -> None:
                async with await net.connect(("127.0.0.1", server.port), timeout=60) as sock:
                    await exchange(sock, number, 3000, 3000)

            await asyncio.gather(*(use(net, number) for net in nets for number in range(2)))
            assert len(server.served) == 8
        assert not server.wrong
