"""Ports of the module that lead to this computer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from netsocket.adapters import forward_remote
from netsocket.adapters.forward_remote import RemoteForward
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import Pool
from netsocket.errors import AddressInUse, NotSupported
from netsocket.stack import InterfaceStatus
from tests.drivers import rig as drivers
from tests.drivers.rig import echo_server, noise, until
from tests.netsocket.scripted import ScriptedStack
from tests.ports import free_port
from tests.proxy.rig import MODULES, Client, interface

every = pytest.mark.parametrize("module", MODULES)


@asynccontextmanager
async def forwarding(
    net: Any, *targets: tuple[str, int], **limits: Any
) -> AsyncIterator[RemoteForward]:
    pool = Pool.of(net)
    forward = RemoteForward(pool, targets, limits=Limits(**limits))
    try:
        yield forward
    finally:
        await forward.close()
        await until(lambda: pool.status().in_use == 0, 10)
        await pool.close()


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Client]:
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield Client(sock)


@every
async def test_every_byte_there_and_back(module: str) -> None:
    data = noise(40_000)
    async with interface(module) as net, echo_server() as echo:
        async with forwarding(net, ("127.0.0.1", echo.port)) as forward:
            port = (await forward.listen("", free_port())).port
            for _ in range(2):
                async with peer(port) as far:
                    sending = asyncio.create_task(far.send(data))
                    assert await far.exactly(len(data)) == data
                    await sending
            await until(lambda: echo.ended == ["eof", "eof"], 10)
            assert forward.figures.served == 2
            assert forward.meter.up == forward.meter.down == 2 * len(data)


async def test_several_peers_at_once() -> None:
    async with interface("esp8266") as net, echo_server() as echo:
        async with forwarding(net, ("127.0.0.1", echo.port)) as forward:
            port = (await forward.listen("", free_port())).port

            async def one(number: int) -> None:
                data = noise(2000) + bytes([number])
                async with peer(port) as far:
                    await far.send(data)
                    assert await far.exactly(len(data)) == data

            await asyncio.gather(*map(one, range(4)))


async def test_nobody_here_takes_it() -> None:
    async with interface("host") as net:
        async with forwarding(net, ("127.0.0.1", free_port())) as forward:
            port = (await forward.listen("127.0.0.1", 0)).port
            async with peer(port) as far:
                assert await far.until_reset() == b""
            assert forward.figures.failed == 1


async def test_one_peer_too_many_is_reset() -> None:
    async with interface("host") as net, echo_server() as echo:
        async with forwarding(net, ("127.0.0.1", echo.port), clients=1) as forward:
            port = (await forward.listen("127.0.0.1", 0)).port
            async with peer(port) as first, peer(port) as second:
                await first.send(b"x")
                assert await first.exactly(1) == b"x"
                assert await second.until_reset() == b""
            assert forward.figures.turned_away == 1


async def test_the_second_target_is_tried() -> None:
    async with interface("host") as net, echo_server() as echo:
        async with forwarding(net, ("::1", echo.port), ("127.0.0.1", echo.port)) as forward:
            port = (await forward.listen("127.0.0.1", 0)).port
            async with peer(port) as far:
                await far.send(b"x")
                assert await far.exactly(1) == b"x"


async def test_what_a_port_may_refuse() -> None:
    async with interface("host") as net, echo_server() as echo:
        async with forwarding(net, ("127.0.0.1", 1)) as forward:
            with pytest.raises(AddressInUse):
                await forward.listen("127.0.0.1", echo.port)


async def test_a_module_that_cannot_listen() -> None:
    from netsocket import AsyncNetworkInterface, Capability, CapabilityTable, Level

    table = CapabilityTable("deaf", "1", [Capability("tcp.listen", Level.NONE, "client only")])
    async with AsyncNetworkInterface(ScriptedStack(table)) as net:
        async with forwarding(net, ("127.0.0.1", 1)) as forward:
            with pytest.raises(NotSupported, match="client only"):
                await forward.listen("", 80)


async def test_it_listens_again_after_a_restart_of_the_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forward_remote, "FIRST_DELAY", 0.05)
    async with drivers.opened("esp8266", "E22") as rig, echo_server() as echo:
        async with forwarding(rig.net, ("127.0.0.1", echo.port)) as forward:
            port = (await forward.listen("", free_port())).port
            async with peer(port) as far:
                await far.send(b"x")
                assert await far.exactly(1) == b"x"
                rig.fake.restart()
                await until(lambda: rig.net.ups == 2, 30)
                await until(lambda: rig.net.status is InterfaceStatus.GLOBAL_UP, 30)

            async def served() -> bool:
                try:
                    async with peer(port) as again:
                        await again.send(b"y")
                        return await again.some() == b"y"
                except ConnectionError:
                    return False

            async with asyncio.timeout(20):
                while not await served():
                    await asyncio.sleep(0.05)
