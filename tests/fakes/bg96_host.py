"""The host's end of the in-memory wire for the BG96 tests: bytes in, bytes out, no parsing.

Tags in the tests name the public log of a real module that shows the behaviour:

L1, L2    Azure/embedded-wireless-framework#20 (byte counts printed by the host)
L4, L5    vshymanskyy/TinyGSM#157
L7, L8    vshymanskyy/TinyGSM#475
L10, L11  iot-middleware-freertos-samples#381
L13       ARMmbed/mbed-os#9345
L14-L22   wwxxyx/Quectel_BG96, TCP_IP_Protocol log (USB modem port, January 2019)
L25-L35   JeffreyRed/BG96_NB-IoT_STM32, QCOM_LOG2 and QCOM_LOG3 (May 2018); also L61
L37       sixfab/atcom#14
L41, L43  zephyrproject-rtos/zephyr#35175 and pull request 57110 (BG95)
L44       FreeRTOS/FreeRTOS-Cellular-Interface#109
L47       an EC200A with a public address; L49, L50: an EG800K; L62: an EC200U
L53, L64  README and driver texts of the same command set
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fakes.bg96 import build
from tests.fakes.patience import PATIENCE
from tests.fakes.terminal import Terminal


class Bench(Terminal):
    """A started BG96 and everything it has said."""

    async def wait_for(self, literal: str | bytes, timeout: float = PATIENCE) -> bytes:
        wanted = literal.encode("latin-1") if isinstance(literal, str) else literal
        return await self.until(re.escape(wanted), timeout)

    async def command(self, line: str, timeout: float = PATIENCE) -> bytes:
        """One command with its whole answer up to the final result (echo included)."""
        self.type(line + "\r")
        return await self.until(
            rb"\r\n(?:OK|ERROR|SEND OK|SEND FAIL|\+CME ERROR: [^\r]*)\r\n", timeout
        )

    async def ok(self, line: str, timeout: float = PATIENCE) -> bytes:
        answer = await self.command(line, timeout)
        assert answer.endswith(b"\r\nOK\r\n"), (line, answer)
        return answer

    async def info(self, line: str) -> str:
        """The information of a successful command, frames removed."""
        answer = await self.ok(line)
        return answer[: -len(b"\r\nOK\r\n")].decode("latin-1").strip("\r\n")

    async def quiet(self, seconds: float = 0.03) -> bytes:
        """Nothing more is expected: what was said all the same."""
        await asyncio.sleep(seconds)
        return self.take()

    async def ready(self) -> None:
        """Echo off, notices here, payload echo off, context 1 active."""
        await self.ok("ATE0")
        await self.ok(f'AT+QURCCFG="urcport","{self.modem.settings.port}"')
        await self.ok("AT+QISDE=0")
        await self.ok("AT+QIACT=1")
        self.take()

    async def open(
        self, number: int, kind: str, host: str, port: int, local: int = 0, mode: int = 0
    ) -> None:
        await self.ok(f'AT+QIOPEN=1,{number},"{kind}","{host}",{port},{local},{mode}')
        result = await self.until(rb"\+QIOPEN: \d+,\d+\r\n")
        assert result == f"\r\n+QIOPEN: {number},0\r\n".encode(), result

    async def send(self, number: int, data: bytes, target: str = "") -> bytes:
        """Counted AT+QISEND; returns the result line."""
        self.type(f"AT+QISEND={number},{len(data)}{target}\r")
        await self.wait_for("\r\n> ")
        self.type(data)
        return (await self.until(rb"\r\n(?:SEND OK|SEND FAIL|ERROR)\r\n")).strip()

    async def read(self, number: int, length: int = 1500) -> bytes:
        """One AT+QIRD; returns the payload, forgets notices that came before the answer."""
        self.type(f"AT+QIRD={number},{length}\r")
        header = await self.until(rb"\r\n\+QIRD: \d+[^\r]*\r\n")
        count = int(re.search(rb"\+QIRD: (\d+)", header)[1])  # type: ignore[index]
        data = b""
        if count:
            while len(self.said) < count + 2:
                self._news.clear()
                await asyncio.wait_for(self._news.wait(), PATIENCE)
            data = bytes(self.said[:count])
            assert self.said[count : count + 2] == b"\r\n"
            del self.said[: count + 2]
        assert await self.until(rb"^\r\nOK\r\n") == b"\r\nOK\r\n"
        return data

    async def read_all(self, number: int, count: int) -> bytes:
        """Exactly `count` bytes by as many AT+QIRD as it takes."""
        collected = bytearray()
        while len(collected) < count:
            data = await self.read(number)
            collected += data
            if not data:
                await asyncio.sleep(0.002)
        return bytes(collected)


@asynccontextmanager
async def bench(*, ready: bool = False, **options: Any) -> AsyncIterator[Bench]:
    """A started fake with time_scale 0 unless told otherwise; no handler may have crashed."""
    options.setdefault("time_scale", 0.0)
    host = Bench(build(**options))
    await host.modem.start(host.hear)
    try:
        if ready:
            await host.ready()
        yield host
    finally:
        await host.modem.stop()
    crashes = [record.detail for record in host.modem.journal if record.kind == "crash"]
    assert not crashes, crashes[0]


async def refuse(host: Bench, lines: list[str], code: int = 552) -> None:
    """ERROR, explained by AT+QIGETERROR."""
    wrong = []
    for line in lines:
        host.modem.last_error = 0
        answer = await host.command(line)
        if answer != b"\r\nERROR\r\n" or host.modem.last_error != code:
            wrong.append((line, answer, host.modem.last_error))
    assert not wrong, "\n".join(map(str, wrong))


async def take(host: Bench, lines: list[str]) -> None:
    """OK, and nothing before it."""
    wrong = [
        (line, answer) for line in lines if (answer := await host.command(line)) != b"\r\nOK\r\n"
    ]
    assert not wrong, "\n".join(map(str, wrong))


async def show(host: Bench, rows: dict[str, str]) -> None:
    """The information of a command, exactly."""
    found = {line: await host.info(line) for line in rows}
    assert found == rows


def watch_time(host: Bench) -> list[float]:
    """Seconds that the module spends (nothing is really waited for)."""
    spent: list[float] = []
    real = host.modem.sleep

    async def sleep(seconds: float) -> None:
        spent.append(seconds)
        await real(seconds)

    host.modem.sleep = sleep  # type: ignore[method-assign]
    return spent


class Server:
    """A TCP server on loopback with its connections."""

    def __init__(self) -> None:
        self.port = 0
        self.connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.arrived = asyncio.Event()

    async def connection(self, index: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(5):
            while len(self.connections) <= index:
                self.arrived.clear()
                await self.arrived.wait()
        return self.connections[index]


@asynccontextmanager
async def tcp_server(*, echo: bool = False) -> AsyncIterator[Server]:
    """Accepts on 127.0.0.1; echoes when asked."""
    state = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections.append((reader, writer))
        state.arrived.set()
        if not echo:
            return
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in state.connections:
            writer.transport.abort()
        await asyncio.sleep(0)


class Datagrams(asyncio.DatagramProtocol):
    """A UDP peer: keeps what arrives, echoes when asked."""

    def __init__(self, echo: bool) -> None:
        self.echo = echo
        self.received: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait((data, addr))
        if self.echo:
            self.transport.sendto(data, addr)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    async def next(self) -> tuple[bytes, tuple[str, int]]:
        return await asyncio.wait_for(self.received.get(), PATIENCE)


@asynccontextmanager
async def udp_peer(*, echo: bool = False) -> AsyncIterator[Datagrams]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Datagrams(echo), local_addr=("127.0.0.1", 0)
    )
    try:
        yield protocol
    finally:
        transport.close()
        await asyncio.sleep(0)
