"""UDP ASSOCIATE and BIND."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from netsocket.adapters.socks5_wire import datagram_read, datagram_written
from netsocket.address import SocketAddress
from tests.drivers.rig import udp_echo, until
from tests.ports import free_port

from .rig import MODULES, PATIENT, Client, Served, name_on, served


class Datagrams:
    """A client's own UDP socket."""

    def __init__(self, relay: tuple[str, int]) -> None:
        self.relay = relay
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("127.0.0.1", 0))

    async def send(self, host: str, port: int, payload: bytes) -> None:
        await self.raw(datagram_written(SocketAddress(host, port), payload))

    async def raw(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendto(self.sock, data, self.relay)

    async def get(self, limit: float = PATIENT) -> tuple[SocketAddress, bytes]:
        async with asyncio.timeout(limit):
            return datagram_read(await asyncio.get_running_loop().sock_recv(self.sock, 65535))


@asynccontextmanager
async def associated(proxy: Served, port: int = 0) -> AsyncIterator[tuple[Client, Datagrams]]:
    control = await proxy.client()
    code, relay = await control.socks("0.0.0.0", port, command=3)
    assert (code, relay[0]) == (0, "127.0.0.1")
    own = Datagrams(relay)
    try:
        yield control, own
    finally:
        own.sock.close()


@pytest.mark.parametrize("module", MODULES)
async def test_datagrams_there_and_back(module: str) -> None:
    async with served(module) as proxy, udp_echo(b"<") as (port, _echo):
        async with associated(proxy) as (control, own):
            assert proxy.in_use == 1
            for payload in (b"x", bytes(1000), b"\r\nOK\r\n"):
                await own.send(name_on(proxy.net), port, payload)
                sender, got = await own.get()
                assert got == b"<" + payload
                assert sender == ("127.0.0.1", port)
            meter = proxy.proxy.meter
            await until(lambda: (meter.up, meter.down) == (1007, 1010), 5)
            control.close()
            await until(lambda: proxy.in_use == 0, 5)
            await until(lambda: not any(proxy.proxy.phases().values()), 5)


async def test_several_peers_by_one_association() -> None:
    async with served("bg96") as proxy, udp_echo(b"1") as (one, _), udp_echo(b"2") as (two, _):
        async with associated(proxy) as (_control, own):
            for port, mark in ((one, b"1"), (two, b"2"), (one, b"1")):
                await own.send("srv", port, b"x")
                assert await own.get() == (("127.0.0.1", port), mark + b"x")


async def test_what_cannot_be_passed_on_is_dropped_and_counted() -> None:
    async with served("bg96") as proxy, udp_echo() as (port, echo):
        async with associated(proxy) as (_control, own):
            await own.send("srv", port, b"first")
            await own.get()
            whole = datagram_written(SocketAddress("127.0.0.1", port), b"fragment")
            longest = proxy.net.capabilities["datagram.max_send"].limit
            assert longest is not None
            await own.raw(whole[:2] + b"\x01" + whole[3:])
            await own.raw(b"")
            await own.raw(b"\x00\x00\x00\x09")
            await own.send("nowhere.invalid", port, b"x")
            await own.send("127.0.0.1", port, bytes(longest + 1))
            await own.send("127.0.0.1", 0, b"x")
            stranger = Datagrams(own.relay)
            await stranger.send("127.0.0.1", port, b"stranger")
            await until(lambda: proxy.proxy.figures.dropped == 7, 10)
            stranger.sock.close()
            await own.send("srv", port, bytes(longest))
            assert (await own.get())[1] == bytes(longest)
            assert echo.received == [b"first", bytes(longest)]


async def test_only_the_port_that_the_client_named() -> None:
    async with served() as proxy, udp_echo() as (port, echo):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
            reserved.bind(("127.0.0.1", 0))
            async with associated(proxy, reserved.getsockname()[1]) as (_control, own):
                await own.send("127.0.0.1", port, b"another port")
                await until(lambda: proxy.proxy.figures.dropped == 1, 5)
                own.sock.close()
                own.sock = reserved
                reserved.setblocking(False)
                await own.send("127.0.0.1", port, b"right")
                assert (await own.get())[1] == b"right"
        assert echo.received == [b"right"]


async def test_a_module_that_dies_ends_the_association() -> None:
    async with served("esp8266") as proxy, udp_echo() as (port, _echo):
        async with associated(proxy) as (control, own):
            await own.send("srv", port, b"x")
            await own.get()
            await proxy.net.close()
            assert await control.until_reset() == b""


@pytest.mark.parametrize("module", MODULES)
async def test_bind_waits_for_one_peer(module: str) -> None:
    async with served(module) as proxy:
        port = free_port()
        client = await proxy.client()
        code, own = await client.socks("0.0.0.0", port, command=2)
        assert (code, own[1]) == (0, port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        code, peer = await client.reply()
        assert code == 0
        if proxy.net.capabilities["tcp.peer_name"].supported:
            assert peer[0] == "127.0.0.1"
        writer.write(b"question")
        assert await client.exactly(8) == b"question"
        await client.send(b"answer")
        assert await reader.readexactly(6) == b"answer"
        writer.close()
        assert await client.everything() == b""
        client.close()
        await until(lambda: proxy.in_use == 0, 10)


async def test_bind_for_a_peer_that_does_not_come() -> None:
    async with served(limits={"bind": 0.2}) as proxy:
        client = await proxy.client()
        assert (await client.socks("0.0.0.0", 0, command=2))[0] == 0
        assert (await client.reply())[0] == 6
        assert await client.everything() == b""
        client = await proxy.client()
        await client.socks("0.0.0.0", 0, command=2)
        client.close()
        await until(lambda: proxy.in_use == 0, 5)


async def test_bind_turns_others_away() -> None:
    async with served() as proxy:
        client = await proxy.client()
        code, own = await client.socks("127.0.0.9", 0, command=2)
        assert code == 0
        reader, writer = await asyncio.open_connection("127.0.0.1", own[1])
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        writer = (await asyncio.open_connection(
            "127.0.0.1", own[1], local_addr=("127.0.0.9", 0)))[1]  # fmt: skip
        assert await client.reply() == (0, writer.get_extra_info("sockname"))
        writer.close()
