"""More clients than the module has sockets, all at once."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.drivers.rig import echo_server, until

from .rig import served


@pytest.mark.parametrize("how", ["socks", "connect"])
async def test_64_clients_on_5_sockets_each_get_their_own_bytes(how: str) -> None:
    blocks = [number.to_bytes(2, "big") + os.urandom(1500) for number in range(64)]
    most = 0

    async with served("esp8266", limits={"wait": 60.0}) as proxy, echo_server() as echo:

        async def one(block: bytes) -> bytes:
            nonlocal most
            through = proxy.through_socks if how == "socks" else proxy.through_connect
            client = await through("srv", echo.port)
            most = max(most, proxy.in_use)
            await client.send(block)
            back = await client.exactly(len(block))
            client.close()
            return back

        assert await asyncio.gather(*map(one, blocks)) == blocks
        assert most == 5
        assert sorted(map(bytes, echo.received)) == blocks
        assert (proxy.proxy.figures.served, proxy.proxy.figures.failed) == (64, 0)
        await until(lambda: proxy.in_use == 0, 5)


async def test_64_clients_that_wait_too_long_get_a_clean_error() -> None:
    async with served("esp8266", limits={"wait": 0.5}) as proxy, echo_server() as echo:

        async def one(number: int) -> int:
            client = await proxy.client()
            code, _ = await client.socks("srv", echo.port)
            if code == 0:
                await client.send(b"%d" % number)
                assert await client.exactly(len(str(number))) == b"%d" % number
            else:
                assert await client.everything() == b""
            return code

        async with asyncio.timeout(30):
            codes = await asyncio.gather(*map(one, range(64)))
        assert sorted(codes) == [0] * 5 + [1] * 59
