"""UDP ports of this computer that lead through a module: one session for each local client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from netsocket.adapters import forward_datagrams
from netsocket.adapters.forward_datagrams import QUEUE, DatagramForward
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import Pool
from netsocket.interface import AsyncNetworkInterface
from tests.drivers.rig import udp_echo, until
from tests.proxy.rig import MODULES, PATIENT, interface, name_on

every = pytest.mark.parametrize("module", MODULES)


class Client:
    def __init__(self, relay: tuple[str, int]) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect(relay)

    async def ask(self, data: bytes) -> bytes:
        self.sock.send(data)
        return await self.get()

    async def get(self) -> bytes:
        async with asyncio.timeout(PATIENT):
            return await asyncio.get_running_loop().sock_recv(self.sock, 65535)


@dataclass
class Served:
    forward: DatagramForward
    pool: Pool
    address: tuple[str, int]
    clients: list[Client]

    def client(self) -> Client:
        self.clients.append(Client(self.address))
        return self.clients[-1]

    @property
    def in_use(self) -> int:
        return self.pool.status().in_use


@asynccontextmanager
async def served(
    module: str, port: int, idle: float = 60.0, host: str = "", **limits: Any
) -> AsyncIterator[Served]:
    async with interface(module) as net:
        pool = Pool.of(net)
        target = (host or name_on(net), port)
        forward = DatagramForward(pool, target, limits=Limits(**limits), idle=idle)
        clients: list[Client] = []
        try:
            yield Served(forward, pool, tuple(await forward.listen("127.0.0.1", 0)), clients)
        finally:
            await forward.close()
            await pool.close()
            for client in clients:
                client.sock.close()


@every
async def test_each_client_gets_its_own_answers(module: str) -> None:
    async with udp_echo(b"re ") as (port, far), served(module, port) as here:
        first, second = here.client(), here.client()
        answers = await asyncio.gather(first.ask(b"one"), second.ask(b"two"))
        assert answers == [b"re one", b"re two"]
        assert await first.ask(b"again") == b"re again"
        assert sorted(far.received) == [b"again", b"one", b"two"]
        assert len(set(far.peers)) == 2, "one socket of the module for each"
        assert here.in_use == 2
        assert (here.forward.meter.up, here.forward.meter.down) == (11, 20)


async def test_an_idle_session_ends() -> None:
    async with udp_echo() as (port, _far), served("esp8266", port, idle=1.5) as here:
        client = here.client()
        assert await client.ask(b"x") == b"x"
        await until(lambda: here.in_use == 0 and not here.forward.sessions, 5)
        assert await client.ask(b"y") == b"y", "a new session"


async def test_a_datagram_that_waits_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name takes longer than a session may be idle: what waits for it is answered all the same."""
    looked_up = AsyncNetworkInterface.resolve

    async def slowly(net: AsyncNetworkInterface, name: str, family: int = 0) -> list[str]:
        await asyncio.sleep(1.2)
        return await looked_up(net, name, family)

    monkeypatch.setattr(AsyncNetworkInterface, "resolve", slowly)
    async with udp_echo() as (port, _far), served("esp8266", port, idle=1.0) as here:
        assert await here.client().ask(b"x") == b"x"


async def test_a_silent_session_gives_way_to_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward_datagrams, "YIELD", 0.2)
    async with udp_echo() as (port, _far), served("esp8266", port) as here:
        clients = [here.client() for _ in range(8)]
        for client in clients:
            assert await client.ask(b"x") == b"x"
        assert here.in_use == 5
        assert await clients[0].ask(b"back") == b"back"
        assert here.forward.figures.dropped == 0


async def test_sessions_that_talk_keep_their_sockets() -> None:
    async with udp_echo() as (port, _far), served("esp8266", port, wait=0.5) as here:
        clients = [here.client() for _ in range(5)]
        late = here.client()
        for client in clients:
            assert await client.ask(b"x") == b"x"
        late.sock.send(b"no room")

        async def talk() -> None:
            while not here.forward.figures.dropped:
                for client in clients:
                    assert await client.ask(b"more") == b"more"
                await asyncio.sleep(0.02)

        await asyncio.wait_for(talk(), 10)
        assert here.forward.figures.failed == 1
        assert here.forward.figures.dropped == 1


async def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    async with udp_echo() as (port, far), served("host", port, clients=2) as here:
        first, second, third = here.client(), here.client(), here.client()
        assert await first.ask(b"1") == b"1"
        assert await second.ask(b"2") == b"2"
        third.sock.send(b"3")
        await until(lambda: here.forward.figures.turned_away == 1, 5)
        session = here.forward.sessions[first.sock.getsockname()]
        for number in range(QUEUE + 10):
            session.offer(b"%d" % number)
        assert here.forward.figures.dropped == 11
        await until(lambda: len(far.received) == 2 + QUEUE, 5)


async def test_what_the_module_cannot_send_is_dropped_and_nothing_else() -> None:
    async with udp_echo() as (port, _far), served("bg96", port) as here:
        client = here.client()
        client.sock.send(bytes(5000))  # QISEND takes 1460 (Quectel BG96 TCP/IP, 2.3.8)
        assert await client.ask(b"small") == b"small"
        assert here.forward.figures.dropped == 1


async def test_a_name_that_nobody_knows() -> None:
    async with served("esp8266", 53, host="nowhere.example") as here:
        here.client().sock.send(b"x")
        await until(lambda: here.forward.figures.failed == 1, 20)
        assert here.in_use == 0
        assert here.forward.figures.dropped == 1
