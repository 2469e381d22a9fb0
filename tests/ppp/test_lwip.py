"""The whole way: sockets, lwIP, PPP, a port (or one channel of it), the other end of PPP, lwIP again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atdriver.channel import Channel
from atdriver.cmux import multiplexed
from atdriver.engine import Engine
from atdriver.links.memory import MemoryLink
from atdriver.registry import load_driver, load_fake
from modems.ppp.backends import backend
from netsocket import errors
from netsocket.interface_kinds import interface_for
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip import LwipStack
from netsocket.stack import InterfaceStatus
from tests.ip.rig import LWIP
from tests.ppp.modem import Port
from tests.ppp.test_beside import Muxed

pytestmark = LWIP

THERE = "10.64.64.64"


class Plain:
    """A module with one port: a simulated BG96 for AT, the Port of these tests once it has dialled."""

    async def start(self, deliver: Any) -> None:
        self.at = load_fake("bg96")(time_scale=0.0, seed=1)
        await self.at.start(deliver)
        self.modem = Port()
        self.modem.receiver = self
        self._deliver = deliver

    def data_received(self, data: bytes) -> None:
        """From the Port."""
        self._deliver(data)

    def receive(self, data: bytes) -> None:
        if self.modem.mode == "data" or data.startswith(b"ATD"):
            self.modem.write(data)
        else:
            self.at.receive(data)

    async def stop(self) -> None:
        await self.at.stop()


class World:
    """A module, and an lwIP at the other end of its PPP."""

    def __init__(self, kind: type[Plain] | type[Muxed]) -> None:
        driver: Any = load_driver("bg96")
        values = {setting.name: setting.default for setting in driver.settings}
        values.update(data="ppp", apn="internet", ip="lwip")
        self.modules: list[Any] = []
        self.kind = kind
        make = self._link
        channel = Channel(
            Engine(driver.dialect), multiplexed(make, 115200) if kind is Muxed else make
        )
        self.net = interface_for(driver.create(channel, "bg96", values))
        self._there, mine = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.setblocking(False)
        self._packets = mine
        link = IpPacketLink(
            "far", self._there, IpSettings((f"{THERE}/32", "fe80::1/64"), (), ("10.1.2.3",), 1500)
        )
        self.far = interface_for(LwipStack(link))

    def _link(self) -> MemoryLink:
        self.modules.append(self.kind())
        return MemoryLink(self.modules[-1], "port")

    def _to_far(self, packet: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            self._packets.send(packet)

    def _from_far(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while packet := self._packets.recv(65_535):
                far = self.modules[-1].modem.far
                if far is not None:
                    far.on_packet = self._to_far
                    far.put(0x57 if packet[0] >> 4 == 6 else 0x21, packet, accm=0)

    async def __aenter__(self) -> World:
        assert backend("lwip")
        asyncio.get_running_loop().add_reader(self._packets, self._from_far)
        await self.far.up()
        await self.net.up()
        self.modules[-1].modem.far.on_packet = self._to_far
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.net.close()
        await self.far.close()
        asyncio.get_running_loop().remove_reader(self._packets)
        self._packets.close()

    @contextlib.asynccontextmanager
    async def echoing(self) -> AsyncIterator[int]:
        """A TCP echo at the other end; its port."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        server = await self.far.start_server(serve, "", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("kind", [Plain, Muxed], ids=["port", "channel"])
async def test_bytes_there_and_back(kind: Any) -> None:
    async with World(kind) as world, world.echoing() as port:
        reader, writer = await world.net.open_connection(THERE, port)
        data = random.Random(1).randbytes(64 * 1024)
        writer.write(data)
        writer.write_eof()
        back = await reader.read(-1)
        assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
        writer.close()
        if kind is Muxed:
            assert (await world.net.cellular()).registration.registered  # type: ignore[attr-defined]


async def test_datagrams_and_a_connection_that_comes_in() -> None:
    async with World(Plain) as world:
        async with world.far.udp_socket() as there, world.net.udp_socket() as here:
            await there.bind(("", 4000))
            await here.sendto(b"out", (THERE, 4000))
            data, peer = await there.recvfrom(100)
            assert data == b"out"
            await there.sendto(b"back", peer)
            assert (await here.recvfrom(100))[0] == b"back"
        async with world.net.tcp_socket() as listener:
            await listener.bind(("", 5000))
            await listener.listen()
            async with world.far.tcp_socket() as caller:
                await caller.connect(("10.1.2.3", 5000))
                accepted, _ = await listener.accept()
                await caller.sendall(b"knock")
                assert await accepted.recv(100) == b"knock"
                await accepted.close()


async def test_the_link_dies_in_the_middle_and_comes_back() -> None:
    async with World(Plain) as world, world.echoing() as port:
        reader, writer = await world.net.open_connection(THERE, port)
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        world.modules[-1].modem.no_carrier()
        with pytest.raises(errors.ConnectionReset, match="the PPP link is gone"):
            await asyncio.wait_for(reader.read(1), 10)
        writer.close()
        async with asyncio.timeout(30):
            while world.net.status is not InterfaceStatus.GLOBAL_UP:
                await asyncio.sleep(0.02)
        world.modules[-1].modem.far.on_packet = world._to_far
        reader, writer = await world.net.open_connection(THERE, port)
        writer.write(b"after")
        assert await reader.readexactly(5) == b"after"
        writer.close()
