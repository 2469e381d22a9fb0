"""`atdriver proxy` on two modems: the first is pulled out in the middle, and put back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.harness import COMMAND, environment

from .stamped import stamped_server
from .test_proxy_clients import Client, Refused

LOOPBACK = ("--allow", "loopback")
"""Where the simulated world is."""


@contextlib.asynccontextmanager
async def command(*arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *map(str, arguments),
        env=environment({"ATDRIVER_SSID": "lab", "ATDRIVER_PASSWORD": "secret99"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


@contextlib.asynccontextmanager
async def modem(module: str, link: Path, *arguments: str) -> AsyncIterator[None]:
    async with command(
        "fake", module, "--link", link, "--resolve", "srv=127.0.0.1", "--time-scale", 0, *arguments
    ) as process:
        assert process.stdout is not None
        for _ in range(2):  # its port and its link
            assert await process.stdout.readline()
        yield


async def line_with(stream: asyncio.StreamReader | None, text: str) -> None:
    assert stream is not None
    async with asyncio.timeout(60):
        while text not in (line := (await stream.readline()).decode()):
            assert line, f"the end came before {text!r}"


@pytest.mark.timeout(150)
async def test_clients_go_on_and_the_modem_returns(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    outside = ("--ap", "lab:secret99")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(stamped_server())
        await stack.enter_async_context(modem("bg96", second))
        plugged = contextlib.AsyncExitStack()
        await plugged.enter_async_context(modem("esp8266", first, *outside))
        stack.push_async_callback(plugged.aclose)
        proxy = await stack.enter_async_context(
            command(
                "proxy", f"esp8266:{first}", f"bg96:{second}", "--balance", "failover",
                "--listen", "127.0.0.1:0", "--set", "apn=internet", *LOOPBACK,
            )
        )  # fmt: skip
        assert proxy.stdout is not None
        port = int((await proxy.stdout.readline()).rpartition(b":")[2])
        told = proxy.stderr

        async def visit(number: int) -> None:
            client = await Client.come(number, port, server.port)
            try:
                async with asyncio.timeout(40):
                    await client.answered()
                    await client.work(500, 700)
            finally:
                client.writer.close()

        seen = {f"esp8266:{first}: up", f"bg96:{second}: up"}
        assert told is not None
        async with asyncio.timeout(60):
            while seen:
                line = (await told.readline()).decode()
                assert line
                seen = {each for each in seen if each not in line}
        await asyncio.gather(*map(visit, range(8)))

        waiting = await Client.come(90, port, server.port)
        await waiting.answered()
        await plugged.aclose()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(30):
                await waiting.reader.readexactly(1)
        waiting.writer.close()
        await line_with(told, f"esp8266:{first}: down: ")
        await asyncio.gather(*map(visit, range(10, 18)))

        await plugged.enter_async_context(modem("esp8266", first, *outside))
        await line_with(told, f"esp8266:{first}: up")
        await asyncio.gather(*map(visit, range(20, 28)))
        assert sorted(server.served) == [*range(8), *range(10, 18), *range(20, 28)]
        assert not server.wrong


async def test_nobody_is_up(tmp_path: Path) -> None:
    """A client gets its protocol's error, in time; the proxy does not even begin alone."""
    async with command(
        "proxy", f"esp8266:{tmp_path / 'a'}", f"bg96:{tmp_path / 'b'}", "--listen", "127.0.0.1:0"
    ) as proxy:
        async with asyncio.timeout(60):
            _out, told = await proxy.communicate()
    assert proxy.returncode == 1
    last = told.decode().splitlines()[-1]
    assert "no modem is up" in last
    assert last.count("no such port") == 2


@pytest.mark.timeout(120)
async def test_the_only_modem_is_gone_for_a_while(tmp_path: Path) -> None:
    link = tmp_path / "bg96"
    plugged = contextlib.AsyncExitStack()
    await plugged.enter_async_context(modem("bg96", link))
    async with (
        plugged,
        stamped_server() as server,
        command(
            "proxy", f"bg96:{link}", "--listen", "127.0.0.1:0", "--wait", 1, *LOOPBACK
        ) as proxy,
    ):
        assert proxy.stdout is not None
        port = int((await proxy.stdout.readline()).rpartition(b":")[2])
        await plugged.aclose()
        await line_with(proxy.stderr, "down: ")
        for number in (0, 1):
            client = await Client.come(number, port, server.port)
            with pytest.raises(Refused):
                async with asyncio.timeout(30):
                    await client.answered()
            client.writer.close()
        await plugged.enter_async_context(modem("bg96", link))
        await line_with(proxy.stderr, ": up")
        client = await Client.come(2, port, server.port)
        async with asyncio.timeout(30):
            await client.answered()
            await client.work(100, 100)
        client.writer.close()
