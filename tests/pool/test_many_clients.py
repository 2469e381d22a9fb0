"""64 clients on the 5 sockets of an ESP8266, over a pseudo terminal: own bytes, or a clean error."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from atdriver import aopen_modem
from fakes import build
from fakes.running import RunningFake
from netsocket import Pool, PoolBusy
from tests.drivers.rig import udp_echo

from .stamped import exchange, payload, stamped_server

CLIENTS = 64
SOCKETS = 5
LAB = {"ssid": "lab", "password": "secret99"}


def esp8266(firmware: str = "E22") -> RunningFake:
    return RunningFake(
        build(
            "esp8266",
            firmware=firmware,
            time_scale=0.0,
            resolve={"srv": "127.0.0.1"},
            access_points={"lab": "secret99"},
        )
    )


@pytest.mark.parametrize("firmware", ["N17", "E22"])
async def test_each_gets_its_own_bytes_in_the_order_of_asking(firmware: str) -> None:
    order: list[int] = []
    async with stamped_server() as server:
        with esp8266(firmware) as fake:
            async with aopen_modem(f"esp8266:{fake.port}", **LAB) as net, Pool.of(net) as pool:

                async def client(number: int) -> None:
                    async with asyncio.timeout(120), await pool.lease(120) as lease:
                        order.append(number)
                        sock = await lease.connect(("srv", server.port), timeout=60)
                        await exchange(sock, number, 1500 + 20 * number, 3000 - 20 * number)

                async with asyncio.TaskGroup() as group:
                    for number in range(CLIENTS):
                        group.create_task(client(number))
                assert pool.status().in_use == 0
            assert not fake.journal("stray", "busy", "overlong", "overrun")
    assert order == list(range(CLIENTS))
    assert sorted(server.served) == order
    assert not server.wrong
    assert server.most_at_once > 1


async def test_who_cannot_be_served_gets_an_error_in_time() -> None:
    """Some leave, some are too late, some peers refuse or reset: nobody gets another one's bytes,
    nobody is without an answer, and no socket is lost."""
    outcome: dict[int, str] = {}
    chance = random.Random(5)

    async with stamped_server(pause=0.1) as server:
        with esp8266() as fake:
            async with aopen_modem(f"esp8266:{fake.port}", **LAB) as net, Pool.of(net) as pool:
                loop = asyncio.get_running_loop()

                async def client(number: int) -> None:
                    began = loop.time()
                    patience = chance.choice([0.3, 1.0, 60.0])
                    port = server.port if number % 8 else 1
                    try:
                        async with await pool.lease(patience) as lease:
                            assert loop.time() - began < patience + 5
                            sock = await lease.connect(("srv", port), timeout=30)
                            await exchange(sock, number, 700, 900)
                        outcome[number] = "served"
                    except PoolBusy as error:
                        outcome[number] = "busy"
                        assert patience <= error.waited < patience + 5
                        assert error.capacity == SOCKETS
                        assert 1 <= error.queued <= CLIENTS
                    except ConnectionRefusedError:
                        outcome[number] = "refused"

                tasks = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
                for number in range(3, CLIENTS, 10):
                    loop.call_later(chance.uniform(0, 2), tasks[number].cancel)
                async with asyncio.timeout(100):
                    await asyncio.gather(*tasks, return_exceptions=True)
                for number, task in enumerate(tasks):
                    if task.cancelled():
                        outcome[number] = "cancelled"
                    else:
                        assert task.exception() is None
                assert len(outcome) == CLIENTS
                assert pool.status().in_use == pool.status().queued == 0
                leases = [await pool.lease(20) for _ in range(SOCKETS)]
                for lease in leases:
                    await lease.connect(("srv", server.port), timeout=20)
                    await exchange(lease.socket, 1000, 10, 10)
                    await lease.release()
    told = Counter(outcome.values())
    assert told["served"] >= 10, told
    assert told["busy"] >= 5, told
    assert told["refused"] >= 1, told
    assert not server.wrong


async def test_a_program_beside_the_pool_holds_sockets() -> None:
    """The count says five, the module has three: the clients take turns on those."""
    async with stamped_server() as server:
        with esp8266() as fake:
            async with aopen_modem(f"esp8266:{fake.port}", **LAB) as net, Pool.of(net) as pool:
                beside = [await net.connect(("srv", server.port), timeout=20) for _ in range(2)]

                async def client(number: int) -> None:
                    async with await pool.lease(60) as lease:
                        sock = await lease.connect(("srv", server.port), timeout=60)
                        await exchange(sock, number, 500, 500)

                async with asyncio.timeout(100), asyncio.TaskGroup() as group:
                    for number in range(20):
                        group.create_task(client(number))
                for number, sock in enumerate(beside, 100):
                    await exchange(sock, number, 500, 500)
                    await sock.close()
    assert sorted(server.served) == [*range(20), 100, 101]
    assert not server.wrong


@pytest.mark.parametrize("module", ["esp8266,firmware=E22:fake", "bg96:fake"])
async def test_datagrams_and_streams_wait_in_one_queue(module: str) -> None:
    """Thirty clients, every other with a datagram socket of its own: each gets its own answer."""
    async with stamped_server() as server, udp_echo(b"echo ") as (port, _echo):
        async with aopen_modem(module) as net, Pool.of(net) as pool:

            async def datagrams(number: int) -> None:
                async with await pool.lease(60, datagram=True) as lease:
                    lease.socket.settimeout(20)
                    for turn in range(3):
                        data = payload(number, str(turn), 200)
                        await lease.socket.sendto(data, ("127.0.0.1", port))
                        got, _sender = await lease.socket.recvfrom(1000)
                        assert got == b"echo " + data

            async def stream(number: int) -> None:
                async with await pool.lease(60) as lease:
                    sock = await lease.connect(("127.0.0.1", server.port), timeout=60)
                    await exchange(sock, number, 300, 300)

            async with asyncio.timeout(100), asyncio.TaskGroup() as group:
                for number in range(30):
                    group.create_task((datagrams, stream)[number % 2](number))
            assert pool.status().in_use == 0
    assert sorted(server.served) == list(range(1, 30, 2))
    assert not server.wrong
