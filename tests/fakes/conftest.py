"""A host side for the fakes, and far ends on loopback."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
import pytest_asyncio

from fakes import FakeModem
from fakes.esp8266 import build
from tests.fakes.patience import PATIENCE
from tests.fakes.steady import SteadyLoop

FINAL = re.compile(rb"\r\n(OK|ERROR|FAIL|SEND OK|SEND FAIL)\r\n")


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of every asynchronous test in this folder."""
    return {"steady": SteadyLoop}


class Host:
    """Collects the module's output; `expect` compares it byte for byte."""

    def __init__(self, modem: FakeModem) -> None:
        self.modem = modem
        self.output = bytearray()
        self._news = asyncio.Event()

    def deliver(self, data: bytes) -> None:
        self.output += data
        self._news.set()

    def send(self, data: bytes) -> None:
        self.modem.receive(data)

    async def until(self, test: Callable[[], Any], timeout: float = PATIENCE) -> Any:
        async with asyncio.timeout(timeout):
            while not (result := test()):
                self._news.clear()
                await self._news.wait()
            return result

    async def expect(self, wanted: bytes, timeout: float = PATIENCE) -> None:
        """The next bytes are exactly `wanted`."""
        try:
            await self.until(lambda: len(self.output) >= len(wanted), timeout)
        except TimeoutError:
            raise AssertionError(f"got {bytes(self.output)!r}, wanted {wanted!r}") from None
        got = bytes(self.output[: len(wanted)])
        assert got == wanted
        del self.output[: len(wanted)]

    async def quiet(self, seconds: float = 0.05) -> None:
        """Nothing more comes."""
        await asyncio.sleep(seconds)
        assert bytes(self.output) == b""

    async def read_until(self, mark: bytes, timeout: float = PATIENCE) -> bytes:
        """Everything up to and including `mark`."""
        try:
            await self.until(lambda: mark in self.output, timeout)
        except TimeoutError:
            raise AssertionError(f"no {mark!r} in {bytes(self.output)!r}") from None
        end = self.output.index(mark) + len(mark)
        got = bytes(self.output[:end])
        del self.output[:end]
        return got

    async def command(self, line: str, timeout: float = PATIENCE) -> bytes:
        """Send a command line, return everything up to its final."""
        self.send(line.encode("latin-1") + b"\r\n")
        try:
            await self.until(lambda: FINAL.search(self.output), timeout)
        except TimeoutError:
            raise AssertionError(f"{line}: no final in {bytes(self.output)!r}") from None
        found = FINAL.search(self.output)
        assert found is not None
        got = bytes(self.output[: found.end()])
        del self.output[: found.end()]
        return got

    async def ok(self, line: str) -> bytes:
        got = await self.command(line)
        assert got.endswith(b"\r\nOK\r\n"), (line, got)
        return got[: -len(b"\r\nOK\r\n")]

    async def error(self, line: str) -> bytes:
        got = await self.command(line)
        assert got.endswith(b"\r\nERROR\r\n"), (line, got)
        return got[: -len(b"\r\nERROR\r\n")]

    def journal(self, kind: str) -> list[str]:
        return [record.detail for record in self.modem.journal if record.kind == kind]


class FarEnd:
    """A TCP server on loopback; subclasses or `handler` decide what it does."""

    def __init__(self) -> None:
        self.server: asyncio.Server | None = None
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.writers: list[asyncio.StreamWriter] = []
        self.received = bytearray()

    async def open(self, handler: Callable[..., Any], host: str = "127.0.0.1") -> None:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(run(reader, writer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        self.server = await asyncio.start_server(accepted, host, 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for writer in self.writers:
            if not writer.transport.is_closing():
                writer.transport.abort()
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
        await asyncio.sleep(0)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@pytest_asyncio.fixture
async def far() -> AsyncIterator[Callable[..., Any]]:
    """Factory: `await far(handler)` gives a running FarEnd."""
    opened: list[FarEnd] = []

    async def make(handler: Callable[..., Any] = echo, host: str = "127.0.0.1") -> FarEnd:
        end = FarEnd()
        await end.open(handler, host)
        opened.append(end)
        return end

    yield make
    for end in opened:
        await end.close()


class UdpEcho(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self.got: list[tuple[bytes, tuple[str, int]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append((data, addr))
        assert self.transport is not None
        self.transport.sendto(data, addr)

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])


@pytest_asyncio.fixture
async def udp_far() -> AsyncIterator[Callable[..., Any]]:
    opened: list[UdpEcho] = []

    async def make(host: str = "127.0.0.1") -> UdpEcho:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(UdpEcho, local_addr=(host, 0))
        opened.append(protocol)
        return protocol

    yield make
    for protocol in opened:
        assert protocol.transport is not None
        protocol.transport.close()
    await asyncio.sleep(0)


@pytest_asyncio.fixture
async def attach() -> AsyncIterator[Callable[..., Any]]:
    """Factory: `await attach(modem)` starts a fake and gives its Host; crashes fail the test."""
    hosts: list[Host] = []

    async def make(modem: FakeModem) -> Host:
        host = Host(modem)
        await modem.start(host.deliver)
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        await host.modem.stop()
        assert host.journal("crash") == []


@pytest_asyncio.fixture
async def esp(attach: Callable[..., Any]) -> Callable[..., Any]:
    """Factory: a joined module of a generation, echo off, AT+CIPMUX=1 (unless raw=True)."""

    async def make(firmware: str = "E22", *, raw: bool = False, mux: int = 1, **more: Any) -> Host:
        more.setdefault("time_scale", 0)
        more.setdefault("access_points", {"lab": "secret"})
        if not raw:
            more.setdefault("joined", "lab")
        host: Host = await attach(build(firmware=firmware, **more))
        if not raw:
            await host.ok("ATE0")
            if mux:
                await host.ok("AT+CIPMUX=1")
            host.output.clear()
        return host

    return make


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """Factory: `await connect(port)` is a client connection, closed at the end."""
    writers: list[asyncio.StreamWriter] = []

    async def make(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    yield make
    for writer in writers:
        if not writer.transport.is_closing():
            writer.transport.abort()
    await asyncio.sleep(0)
