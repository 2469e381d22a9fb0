"""The Async sockets over the operating system's own stack, on loopback only: the yardstick."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface, SocketState
from netsocket.errors import AddressInUse, ConnectionRefused, ConnectionReset, NameNotFound
from tests.ports import free_port

Server = Callable[..., Any]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_echo_with_half_close(host: AsyncNetworkInterface, server: Server) -> None:
    address = await server(echo)
    payload = bytes(range(256)) * 4096
    async with host.tcp_socket() as tcp:
        await tcp.connect(address)
        assert await tcp.getpeername() == address
        assert (await tcp.getsockname()).host == "127.0.0.1"

        async def send() -> None:
            await tcp.sendall(payload)
            await tcp.shutdown(socket.SHUT_WR)

        sending = asyncio.create_task(send())
        received = bytearray()
        while data := await tcp.recv(100_000):
            received += data
        await sending
        assert received == payload
        assert tcp.state is SocketState.PEER_CLOSED


async def test_refused_then_reused(host: AsyncNetworkInterface, server: Server) -> None:
    async with host.tcp_socket() as tcp:
        with pytest.raises(ConnectionRefused):
            await tcp.connect(("127.0.0.1", free_port()))
        await tcp.connect(await server(echo))
        await tcp.sendall(b"still works")
        assert await tcp.recv(100) == b"still works"


async def test_reset_by_peer_comes_after_the_data(
    host: AsyncNetworkInterface, server: Server
) -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"before")
        await writer.drain()
        await asyncio.sleep(0.02)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with host.tcp_socket() as tcp:
        await tcp.connect(await server(reset))
        await asyncio.sleep(0.05)
        assert await tcp.recv(100) == b"before"
        with pytest.raises(ConnectionReset):
            await tcp.recv(100)
        with pytest.raises(ConnectionReset):
            await tcp.recv(100)


async def test_reset_found_by_sending_is_never_a_clean_end(
    host: AsyncNetworkInterface, server: Server
) -> None:
    ended = asyncio.Event()

    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        ended.set()

    async with host.tcp_socket() as tcp:
        await tcp.connect(await server(reset))
        await ended.wait()
        await asyncio.sleep(0.02)
        with pytest.raises(ConnectionResetError):
            await tcp.send(b"x")
        with pytest.raises(ConnectionResetError):
            await tcp.recv(1)


async def test_abort_resets_the_peer(host: AsyncNetworkInterface, server: Server) -> None:
    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            outcome.set_result(await reader.read(1))
        except OSError as error:
            outcome.set_result(error)
        writer.close()

    tcp = host.tcp_socket()
    await tcp.connect(await server(watch))
    await tcp.abort()
    assert isinstance(await outcome, ConnectionResetError)


async def test_sending_waits_for_a_slow_peer(host: AsyncNetworkInterface, server: Server) -> None:
    go = asyncio.Event()
    total = 8_000_000

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(str(len(await reader.readexactly(total))).encode())
        writer.close()

    async with host.tcp_socket() as tcp:
        await tcp.connect(await server(slow))
        tcp.settimeout(0.1)
        with pytest.raises(TimeoutError) as caught:
            await tcp.sendall(b"x" * total)
        accepted: int = caught.value.accepted  # type: ignore[attr-defined]
        assert 0 < accepted < total
        assert caught.value.unknown == 0  # type: ignore[attr-defined]
        go.set()
        tcp.settimeout(10)
        await tcp.sendall(b"x" * (total - accepted))
        assert await tcp.recv(100) == str(total).encode()


async def test_listen_and_accept(host: AsyncNetworkInterface) -> None:
    async with host.tcp_socket() as listener, host.tcp_socket() as other:
        await listener.bind(("127.0.0.1", 0))
        await listener.listen(5)
        address = await listener.getsockname()
        with pytest.raises(AddressInUse):
            await other.bind(address)
        waiting = asyncio.create_task(listener.accept())
        reader, writer = await asyncio.open_connection(*address)
        accepted, peer = await waiting
        assert peer == writer.get_extra_info("sockname")
        async with accepted:
            await accepted.sendall(b"hello")
            assert await reader.read(5) == b"hello"
            writer.close()
            assert await accepted.recv(1) == b""


async def test_ipv6_and_names(host: AsyncNetworkInterface, server: Server) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        address = await server(echo, "::1")
    except OSError:
        pytest.skip("no IPv6 loopback here")
    async with host.tcp_socket() as tcp:
        await tcp.connect(address)
        await tcp.sendall(b"six")
        assert await tcp.recv(10) == b"six"
        assert tcp.family == socket.AF_INET6
    assert "127.0.0.1" in await host.resolve("localhost")
    assert await host.resolve("192.0.2.1") == ["192.0.2.1"]


async def test_name_falls_back_to_the_address_that_answers(
    host: AsyncNetworkInterface, server: Server
) -> None:
    _host, port = await server(echo)  # IPv4 only; localhost may also be ::1
    async with host.tcp_socket() as tcp:
        await tcp.connect(("localhost", port))
        await tcp.sendall(b"x")
        assert await tcp.recv(1) == b"x"


async def test_unknown_name(host: AsyncNetworkInterface, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_args: Any, **_kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    tcp = host.tcp_socket()
    with pytest.raises(NameNotFound):
        await tcp.connect(("no.example", 80))
    await tcp.close()


async def test_close_during_connect_wakes(
    host: AsyncNetworkInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener with a full queue leaves the attempt without answer."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        await asyncio.sleep(0.05)
        tcp = host.tcp_socket()
        tcp.settimeout(0.05)
        with pytest.raises(TimeoutError):
            await tcp.connect(full.getsockname())
        tcp.settimeout(None)
        connecting = asyncio.create_task(tcp.connect(full.getsockname()))
        await asyncio.sleep(0.02)
        await tcp.close()
        with pytest.raises(OSError, match="closed") as caught:
            await connecting
        assert caught.value.errno == errno.EBADF
        for filler in fillers:
            filler.close()


async def test_datagrams(host: AsyncNetworkInterface) -> None:
    async with host.udp_socket() as a, host.udp_socket() as b:
        await a.bind(("127.0.0.1", 0))
        await b.bind(("127.0.0.1", 0))
        to_a, to_b = await a.getsockname(), await b.getsockname()
        waiting = asyncio.create_task(b.recvfrom(3))
        await asyncio.sleep(0.01)
        assert await a.sendto(b"hello", to_b) == 5
        assert await waiting == (b"hel", to_a)
        assert await a.sendto(b"", to_b) == 0
        assert await a.sendto(b"next", to_b) == 4
        assert await b.recv(10) == b""
        assert await b.recv(10) == b"next"
        await b.connect(to_a)
        async with host.udp_socket() as stranger:
            await stranger.sendto(b"psst", to_b)
        await a.sendto(b"friend", to_b)
        assert await b.recv(10) == b"friend"
        with pytest.raises(OSError, match="at most 65507") as caught:
            await a.sendto(b"x" * 65_508, to_b)
        assert caught.value.errno == errno.EMSGSIZE
        assert await a.sendto(b"x" * 65_507, to_b) == 65_507
        assert len(await b.recv(70_000)) == 65_507


async def test_options(host: AsyncNetworkInterface) -> None:
    async with host.tcp_socket() as tcp:
        await tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert await tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        with pytest.raises(OSError, match="refuses") as caught:
            await tcp.setsockopt(socket.SOL_SOCKET, 9999, 1)
        assert caught.value.errno == errno.ENOPROTOOPT
        device = socket.SO_BINDTODEVICE
        with pytest.raises(OSError, match="No such device") as caught:
            await tcp.setsockopt(socket.SOL_SOCKET, device, b"nosuch0\0")
        assert caught.value.errno == errno.ENODEV
        with pytest.raises(OSError, match="Invalid argument") as caught:
            await tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, b"x")
        assert caught.value.errno == errno.EINVAL
