"""IPv6 where the module has it: ESP-AT since v2.2. Far ends are on ::1."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from netsocket import errors
from netsocket.capability.model import Level
from tests.drivers.rig import UdpEcho, noise, opened, receive
from tests.ports import free_port

with_ipv6 = pytest.mark.parametrize("firmware", ["E22", "E24", "E33"])
without = pytest.mark.parametrize(
    ("module", "firmware"), [("esp8266", "N17"), ("esp8266", "E2"), ("bg96", "bg96")]
)


async def echo6() -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "::1", 0)
    return server, server.sockets[0].getsockname()[1]


@with_ipv6
async def test_stream(firmware: str) -> None:
    data = noise(20_000)
    server, port = await echo6()
    async with server, opened("esp8266", firmware) as rig:
        assert rig.net.capabilities["ipv6"].supported
        sock = await rig.net.connect(("::1", port), timeout=60)
        back, _ = await asyncio.gather(receive(sock, len(data)), sock.sendall(data))
        assert back == data
        assert sock.family == socket.AF_INET6
        assert tuple(await sock.getpeername()) == ("::1", port)
        assert (await sock.getsockname()).host == "::1"
        await sock.close()


@with_ipv6
async def test_datagrams(firmware: str) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: UdpEcho(b"6"), ("::1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        async with opened("esp8266", firmware) as rig, rig.net.udp_socket() as sock:
            sock.settimeout(5)
            await sock.sendto(b"hello", ("::1", port))
            payload, sender = await sock.recvfrom(100)
            assert payload == b"6hello"
            assert tuple(sender) == ("::1", port)
            with pytest.raises(OSError) as caught:
                await sock.sendto(b"hello", ("127.0.0.1", port))
            assert caught.value.errno == errno.EAFNOSUPPORT
    finally:
        transport.close()
        await asyncio.sleep(0)


@with_ipv6
async def test_bound_datagrams(firmware: str) -> None:
    async with opened("esp8266", firmware, receive="push") as rig, rig.net.udp_socket() as sock:
        sock.settimeout(5)
        await sock.bind(("::", 0))
        port = (await sock.getsockname()).port
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as far:
            far.bind(("::1", 0))
            far.sendto(b"knock", ("::1", port))
            payload, sender = await sock.recvfrom(100)
            assert payload == b"knock"
            assert tuple(sender) == far.getsockname()[:2]


@with_ipv6
async def test_listener(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        listener = rig.net.tcp_socket()
        listener.settimeout(5)
        await listener.bind(("::", 0))
        await listener.listen()
        port = (await listener.getsockname()).port
        reader, writer = await asyncio.open_connection("::1", port)
        sock, peer = await listener.accept()
        assert tuple(peer) == writer.get_extra_info("sockname")[:2]
        writer.write(b"six")
        assert await receive(sock, 3) == b"six"
        await sock.close()
        assert await reader.read() == b""
        writer.close()
        await listener.close()


@with_ipv6
async def test_refused(firmware: str) -> None:
    async with opened("esp8266", firmware) as rig:
        with pytest.raises(ConnectionRefusedError):
            await rig.net.connect(("::1", free_port("::1")), timeout=60)


@without
async def test_modules_without(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        assert rig.net.capabilities["ipv6"].level is Level.NONE
        attempts: list[Any] = [rig.net.connect(("::1", 80), timeout=60)]
        sock, datagrams = rig.net.tcp_socket(), rig.net.udp_socket()
        attempts += [sock.bind(("::", 0)), datagrams.bind(("::", 0))]
        attempts.append(datagrams.sendto(b"x", ("::1", 9)))
        for attempt in attempts:
            with pytest.raises(errors.NotSupported) as caught:
                await attempt
            assert caught.value.errno == errno.EAFNOSUPPORT
            assert caught.value.capability.id == "ipv6"
        await sock.close()
        await datagrams.close()
