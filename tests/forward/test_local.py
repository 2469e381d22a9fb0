"""Ports of this computer that lead through a module: bytes, queueing, every way it ends."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from netsocket.adapters.forward import Forward
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import Pool
from netsocket.interface import AsyncNetworkInterface
from tests.drivers.rig import echo_server, noise, until
from tests.ports import free_port
from tests.proxy.rig import MODULES, Client, interface, name_on

every = pytest.mark.parametrize("module", MODULES)


@dataclass
class Served:
    forward: Forward
    pool: Pool
    net: AsyncNetworkInterface
    clients: list[Client]
    address: tuple[str, int]

    async def client(self) -> Client:
        sock = socket.socket()
        sock.setblocking(False)
        self.clients.append(Client(sock))
        await asyncio.get_running_loop().sock_connect(sock, self.address)
        return self.clients[-1]

    @property
    def in_use(self) -> int:
        return self.pool.status().in_use


@asynccontextmanager
async def served(module: str, port: int, host: str = "", **limits: Any) -> AsyncIterator[Served]:
    async with interface(module) as net:
        pool = Pool.of(net)
        forward = Forward(pool, (host or name_on(net), port), limits=Limits(**limits))
        clients: list[Client] = []
        try:
            address = await forward.listen("127.0.0.1", free_port())
            yield Served(forward, pool, net, clients, tuple(address))
        finally:
            await forward.close()
            await pool.close()
            for client in clients:
                client.close()


@every
async def test_every_byte_there_and_back(module: str) -> None:
    data = noise(60_000)
    async with echo_server() as echo, served(module, echo.port) as here:
        client = await here.client()
        sending = asyncio.create_task(client.send(data))
        assert await client.exactly(len(data)) == data
        await sending
        client.close()
        await until(lambda: here.in_use == 0, 10)
        assert echo.ended == ["eof"]
        assert (here.forward.meter.up, here.forward.meter.down) == (len(data), len(data))
        assert here.forward.figures.served == 1


@every
async def test_said_and_closed_before_the_module_had_connected(module: str) -> None:
    async with echo_server(echo=False) as far, served(module, far.port) as here:
        client = await here.client()
        await client.send(b"fire and forget")
        client.close()
        await until(lambda: far.ended, 20)
        assert (bytes(far.received[0]), far.ended) == (b"fire and forget", ["eof"])
        await until(lambda: here.in_use == 0, 10)


async def test_left_before_it_said_anything() -> None:
    async with served("host", 9, "192.0.2.1", connect=60.0) as here:
        client = await here.client()
        await until(lambda: here.in_use == 1, 10)
        client.close()
        await until(lambda: here.in_use == 0 and here.forward.figures.failed == 1, 10)


@every
async def test_nobody_listens_there(module: str) -> None:
    async with served(module, free_port()) as here:
        client = await here.client()
        assert await client.until_reset() == b""
        await until(lambda: here.in_use == 0, 10)
        assert here.forward.figures.failed == 1


@every
async def test_the_peer_says_something_and_closes(module: str) -> None:
    async with echo_server(echo=False) as far, served(module, far.port) as here:
        client = await here.client()
        await client.send(b"?")
        await until(lambda: far.received and far.received[0])
        far.writers[0].write(b"good bye")
        far.writers[0].close()
        assert await client.everything() == b"good bye"
        async with asyncio.timeout(3):  # it does not wait for a client that does not close
            await here.forward.close()


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_more_clients_than_the_module_has_sockets(module: str) -> None:
    """Each gets its own bytes, in the order in which they came."""
    async with echo_server() as echo, served(module, echo.port, wait=60.0) as here:
        limit = here.net.capabilities["sockets.max"].limit
        assert limit is not None
        clients = [await here.client() for _ in range(limit + 4)]

        async def one(client: Client) -> None:
            data = os.urandom(3000)
            await client.send(data)
            assert await client.exactly(len(data)) == data
            client.close()

        await asyncio.gather(*map(one, clients))
        await until(lambda: here.in_use == 0, 10)
        assert here.forward.figures.served == limit + 4


async def test_no_socket_in_time_is_a_reset() -> None:
    async with echo_server() as echo, served("esp8266", echo.port, wait=0.2) as here:
        holders = [await here.client() for _ in range(5)]
        for client in holders:
            await client.send(b"x")
            assert await client.exactly(1) == b"x"
        assert await (await here.client()).until_reset() == b""
        await holders[0].send(b"y")
        assert await holders[0].exactly(1) == b"y"


async def test_one_client_too_many_is_reset() -> None:
    async with echo_server() as echo, served("host", echo.port, clients=1) as here:
        first = await here.client()
        await first.send(b"x")
        assert await first.exactly(1) == b"x"
        assert await (await here.client()).until_reset() == b""
        assert here.forward.figures.turned_away == 1


async def test_close_resets_everybody_and_frees_the_port() -> None:
    async with echo_server() as echo, served("esp8266", echo.port) as here:
        client = await here.client()
        await client.send(b"x")
        assert await client.exactly(1) == b"x"
        await here.forward.close()
        assert await client.until_reset() == b""
        await until(lambda: here.in_use == 0, 10)
        with pytest.raises(ConnectionRefusedError):
            await here.client()
