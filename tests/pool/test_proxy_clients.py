"""64 programs through `atdriver proxy` on the 5 sockets of an ESP8266, over a pseudo terminal."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from fakes.running import RunningFake
from tests.cli.harness import COMMAND, environment

from .stamped import StampedServer, payload, stamped_server
from .test_many_clients import CLIENTS, SOCKETS, esp8266

DEADLINE = 120.0
"""Seconds in which each client must know how it went."""


class Refused(Exception):
    """The proxy answered in its protocol that it cannot."""


@asynccontextmanager
async def proxy(fake: RunningFake, wait: float) -> AsyncIterator[int]:
    """The command in a process of its own; its port."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "proxy", f"esp8266:{fake.port}", "--listen", "127.0.0.1:0", "--wait", str(wait),
        "--allow", "loopback",
        env=environment({"ATDRIVER_SSID": "lab", "ATDRIVER_PASSWORD": "secret99"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line.startswith(b"proxy: 127.0.0.1:"), line
        yield int(line.rpartition(b":")[2])
    finally:
        process.terminate()
        _out, told = await process.communicate()
        assert b"Traceback" not in told, told.decode()
        assert process.returncode in (0, 143), told.decode()


@dataclass
class Client:
    """A program that knows SOCKS5, or HTTP CONNECT, and nothing else."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def come(cls, number: int, port: int, target: int) -> Client:
        """Connect to the proxy and ask for `srv`; who has come before has asked before."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        client = cls(number, reader, writer)
        if client.speaks_socks:
            writer.write(b"\5\1\0")
            assert await reader.readexactly(2) == b"\5\0"
            writer.write(b"\5\1\0\3\3srv" + struct.pack("!H", target))
        else:
            writer.write(f"CONNECT srv:{target} HTTP/1.1\r\nHost: srv\r\n\r\n".encode())
        return client

    @property
    def speaks_socks(self) -> bool:
        return self.number % 2 == 0

    async def answered(self) -> None:
        """Raises Refused."""
        if self.speaks_socks:
            reply = await self.reader.readexactly(10)
            if reply[1]:
                raise Refused(f"SOCKS {reply[1]}")
        else:
            head = await self.reader.readuntil(b"\r\n\r\n")
            if head.split()[1] != b"200":
                raise Refused(f"HTTP {head.split()[1].decode()}")

    async def work(self, up: int, down: int) -> None:
        self.writer.write(f"{self.number} {up} {down}\n".encode())
        self.writer.write(payload(self.number, "up", up))
        got = await self.reader.readexactly(down)
        assert got == payload(self.number, "down", down), f"client {self.number} got other bytes"


async def outcomes(port: int, server: StampedServer) -> Counter[str]:
    """Let them all come, one behind the other, and do their work at the same time."""

    async def one(client: Client) -> str:
        try:
            async with asyncio.timeout(DEADLINE):
                await client.answered()
                await client.work(900, 1400)
        except Refused as error:
            return str(error)
        finally:
            client.writer.close()
        return "own bytes"

    clients = [await Client.come(number, port, server.port) for number in range(CLIENTS)]
    return Counter(await asyncio.gather(*map(one, clients)))


@pytest.mark.timeout(240)
async def test_each_gets_its_own_bytes_in_the_order_of_coming() -> None:
    with esp8266() as fake:
        async with stamped_server(pause=0.05) as server, proxy(fake, DEADLINE) as port:
            assert await outcomes(port, server) == {"own bytes": CLIENTS}
    assert not server.wrong
    assert sorted(server.begun) == list(range(CLIENTS))
    late = [place - number for place, number in enumerate(server.begun)]
    assert max(map(abs, late)) <= 2 * SOCKETS, server.begun


@pytest.mark.timeout(240)
async def test_who_waits_too_long_gets_an_error_in_the_protocol_it_speaks() -> None:
    with esp8266() as fake:
        async with stamped_server(pause=0.5) as server, proxy(fake, 1.5) as port:
            told = await outcomes(port, server)
    assert not server.wrong
    assert told["own bytes"] >= SOCKETS
    assert told["own bytes"] == len(server.served)
    busy = {what for what in told if what != "own bytes"}
    assert len(busy) == 2, told
    assert "HTTP 503" in busy
    assert told.total() == CLIENTS
