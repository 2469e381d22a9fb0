"""A driver on a simulated module in the same event loop, and real far ends on 127.0.0.1."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from atdriver.channel import Channel
from atdriver.engine import Engine
from atdriver.links.memory import MemoryLink
from atdriver.registry import load_driver, load_fake
from modems.module import ModuleStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.interface_kinds import interface_for

ESP = ("N17", "E2", "E22", "E24", "E33")
ALL = [("esp8266", generation) for generation in ESP] + [("bg96", "bg96")]
NAMES = {
    "srv": "127.0.0.1",
    "other.example": "127.0.0.2",
    "several.example": "127.0.0.1,127.0.0.2,127.0.0.3",
}


@dataclass
class Rig:
    net: AsyncNetworkInterface
    stack: ModuleStack
    channel: Channel
    fakes: list[Any]

    @property
    def fake(self) -> Any:
        """The module on the other end of the wire now."""
        return self.fakes[-1]

    @property
    def engine(self) -> Engine:
        return self.channel.engine


def assemble(
    module: str, firmware: str, fake_settings: dict[str, str] | None = None, **settings: Any
) -> Rig:
    driver, build = load_driver(module), load_fake(module)
    values = {setting.name: setting.default for setting in driver.settings}
    aps = {}
    if driver.kind == "wifi":
        aps = {"lab": "secret99", "cafe": ""}
        values.update(ssid="lab", password="secret99")
    values.update(settings)
    fakes: list[Any] = []

    def make_link() -> MemoryLink:
        fake = build(firmware=firmware, resolve=NAMES, access_points=aps, time_scale=0.0, seed=1,
                     **(fake_settings or {}))  # fmt: skip
        fakes.append(fake)
        return MemoryLink(fake, f"{module}:fake")

    channel = Channel(Engine(driver.dialect), make_link)
    stack = driver.create(channel, module, values)
    return Rig(interface_for(stack), stack, channel, fakes)


@asynccontextmanager
async def opened(
    module: str, firmware: str, fake_settings: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[Rig]:
    rig = assemble(module, firmware, fake_settings, **settings)
    async with rig.net:
        yield rig


@dataclass
class EchoServer:
    """A TCP server that sends everything back and remembers what it got."""

    port: int = 0
    received: list[bytearray] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """How each connection ended at this end: "eof" or "reset"."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    echo: bool = True


@asynccontextmanager
async def echo_server(*, echo: bool = True) -> AsyncIterator[EchoServer]:
    state = EchoServer(echo=echo)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        state.received.append(got)
        state.writers.append(writer)
        try:
            while data := await reader.read(65536):
                got.extend(data)
                if state.echo:
                    writer.write(data)
                    await writer.drain()
            state.ended.append("eof")
        except ConnectionError:
            state.ended.append("reset")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in state.writers:
            writer.close()
        await asyncio.sleep(0)


class UdpEcho(asyncio.DatagramProtocol):
    """Sends each datagram back with a mark in front."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.received: list[bytes] = []
        self.peers: list[Any] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.received.append(data)
        self.peers.append(addr)
        self.transport.sendto(self.mark + data, addr)


@asynccontextmanager
async def udp_echo(mark: bytes = b"") -> AsyncIterator[tuple[int, UdpEcho]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: UdpEcho(mark), ("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1], protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


async def until(condition: Any, seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def receive(sock: Any, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        part = await sock.recv(65536)
        if not part:
            break
        got += part
    return bytes(got)


def noise(count: int) -> bytes:
    """Random bytes with protocol text in between, which no parser may take for its own."""
    traps = (b"\r\nOK\r\n", b"+IPD,0,5:", b"0,CLOSED\r\n", b'\r\n+QIURC: "closed",0\r\n', b"> ",
             b"\r\nERROR\r\n", b"SEND OK", b"\x00\x1a\x1b\x11\x13", b"+++", b"\r\nready\r\n",
             b"\r\nRDY\r\n")  # fmt: skip
    made = bytearray()
    while len(made) < count:
        made += os.urandom(300) + traps[len(made) % len(traps)]
    return bytes(made[:count])
