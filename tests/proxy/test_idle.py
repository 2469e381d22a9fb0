"""`--idle`: a tunnel that is silent makes room for a client that waits."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.adapters import front
from tests.drivers.rig import echo_server

from .rig import Client, served

SOCKETS = 5  # of an ESP8266


async def says(client: Client, text: bytes) -> None:
    await client.send(text)
    assert await client.exactly(len(text)) == text


@pytest.mark.parametrize("tunnel", ["through_socks", "through_connect"])
async def test_the_one_that_is_silent_longest_gives_way(
    tunnel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It alone, though the module takes its time to close it; to nobody as long as nobody waits;
    with a reset, because nobody knows whether it was at its end."""
    monkeypatch.setattr(front, "LOOK", 0.0001)
    async with served("esp8266", limits={"idle": 0.4}) as proxy, echo_server() as echo:
        clients = [await getattr(proxy, tunnel)("srv", echo.port) for _ in range(SOCKETS)]
        for number in (3, 1, 0, 2, 4):
            await says(clients[number], b"%d" % number)
        await asyncio.sleep(1.0)
        assert proxy.in_use == SOCKETS
        await says(await getattr(proxy, tunnel)("srv", echo.port), b"another")
        assert await clients[3].until_reset() == b""
        for number in (1, 0, 2, 4):
            await says(clients[number], b"still here")


async def test_one_that_talks_gives_way_to_nobody() -> None:
    async with served("esp8266", limits={"idle": 2.5, "wait": 4.0}) as proxy, echo_server() as echo:
        clients = [await proxy.through_socks("srv", echo.port) for _ in range(SOCKETS)]
        another = await proxy.client()
        asking = asyncio.create_task(another.socks("srv", echo.port))
        while not asking.done():
            for client in clients:
                await says(client, b"talking")
            await asyncio.sleep(0.1)
        assert (await asking)[0] == 1
        assert proxy.in_use == SOCKETS


async def test_none_gives_way_unasked() -> None:
    async with served("esp8266", limits={"wait": 1.0}) as proxy, echo_server() as echo:
        clients = [await proxy.through_socks("srv", echo.port) for _ in range(SOCKETS)]
        assert (await (await proxy.client()).socks("srv", echo.port))[0] == 1
        for client in clients:
            await says(client, b"still here")
