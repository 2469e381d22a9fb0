"""CONNECT through SOCKS5 and HTTP: bytes, names, errors, and every way a conversation ends."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from typing import Any

import pytest

from tests.drivers.rig import echo_server, until
from tests.ports import free_port

from .rig import MODULES, Client, Served, asked, name_on, served

HOW = ("socks", "connect")


async def opened(proxy: Served, how: str, host: str, port: int) -> Client:
    return await (proxy.through_socks if how == "socks" else proxy.through_connect)(host, port)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("how", HOW)
async def test_every_byte_there_and_back_by_name(module: str, how: str) -> None:
    data = os.urandom(60_000) + bytes(range(256))
    async with served(module) as proxy, echo_server() as echo:
        client = await opened(proxy, how, name_on(proxy.net), echo.port)
        sending = asyncio.create_task(client.send(data))
        assert await client.exactly(len(data)) == data
        await sending
        meter = proxy.proxy.meter
        await until(lambda: meter.up == meter.down == len(data), 5)
        client.close()
        await until(lambda: proxy.in_use == 0, 10)
        assert echo.ended == ["eof"]


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_this_host_asks_no_name_server_and_connects_nowhere(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*arguments: Any, **_more: Any) -> Any:
        raise AssertionError(f"resolved by the host: {arguments}")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "getnameinfo"):
        monkeypatch.setattr(socket, name, forbidden)
    async with served(module) as proxy, echo_server() as echo:
        for how in HOW:
            client = await opened(proxy, how, "srv", echo.port)
            await client.send(b"hi")
            assert await client.exactly(2) == b"hi"


async def test_bytes_behind_the_request_are_not_lost() -> None:
    async with served("esp8266") as proxy, echo_server() as echo:
        client = await proxy.client()
        await client.send(b"\x05\x01\x00" + asked("srv", echo.port) + b"early")
        assert (await client.exactly(2), (await client.reply())[0]) == (b"\x05\x00", 0)
        assert await client.exactly(5) == b"early"
        client = await proxy.client()
        await client.send(f"CONNECT srv:{echo.port} HTTP/1.1\r\nHost: x\r\n\r\nearly".encode())
        assert (await client.head())[0] == 200
        assert await client.exactly(5) == b"early"


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
async def test_errors_have_their_reply(module: str) -> None:
    async with served(module) as proxy:
        port = free_port()
        client = await proxy.client()
        code, _ = await client.socks(name_on(proxy.net), port)
        assert code == 5
        assert await client.everything() == b""
        client = await proxy.client()
        assert (await client.socks("nowhere.invalid", 80))[0] == 4
        client = await proxy.client()
        await client.send(f"CONNECT localhost:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, _headers, text = await client.answer()
        assert (status, bool(text)) == (502, True)
        assert proxy.proxy.figures.failed == 3
        assert proxy.in_use == 0


async def test_an_ipv6_address_where_the_module_has_none() -> None:
    async with served("bg96") as proxy:
        assert not proxy.net.capabilities["ipv6"].supported
        assert (await (await proxy.client()).socks("2001:db8::1", 80))[0] == 8
        client = await proxy.client()
        await client.send(b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _headers, text = await client.answer()
        assert status == 502
        assert b"ipv6" in text


async def test_a_connection_that_does_not_come_about_in_time() -> None:
    async with served("esp8266", limits={"connect": 0.2}) as proxy:
        never = asyncio.Event()

        async def connect(*_arguments: Any) -> None:
            await never.wait()

        proxy.net.stack.connect = connect  # type: ignore[method-assign]
        assert (await (await proxy.client()).socks("192.0.2.1", 80))[0] == 6
        client = await proxy.client()
        await client.send(b"CONNECT 192.0.2.1:80 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[0] == 504
        never.set()


async def test_more_clients_than_sockets_wait_and_then_get_an_error() -> None:
    async with served("esp8266", limits={"wait": 0.3}) as proxy, echo_server() as echo:
        held = [await proxy.through_socks("srv", echo.port) for _ in range(5)]
        late = await proxy.client()
        assert (await late.socks("srv", echo.port))[0] == 1
        late = await proxy.client()
        await late.send(f"CONNECT srv:{echo.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, headers, text = await late.answer()
        assert (status, headers["retry-after"]) == (503, "5")
        assert b"5 sockets" in text
        waiting = asyncio.create_task(proxy.through_socks("srv", echo.port))
        await asyncio.sleep(0.05)
        held[0].close()
        client = await waiting
        await client.send(b"mine")
        assert await client.exactly(4) == b"mine"


async def test_a_client_that_leaves_the_queue_holds_up_nobody() -> None:
    async with served("esp8266") as proxy, echo_server() as echo:
        held = [await proxy.through_socks("srv", echo.port) for _ in range(5)]
        gone = await proxy.client()
        await gone.send(b"\x05\x01\x00" + asked("srv", echo.port))
        await until(lambda: proxy.pool.status().queued == 1, 5)
        gone.close()
        await until(lambda: proxy.pool.status().queued == 0, 5)
        waiting = asyncio.create_task(proxy.through_socks("srv", echo.port))
        await asyncio.sleep(0.05)
        held[0].close()
        await waiting
        assert len(echo.received) == 6


async def test_a_client_that_leaves_while_it_is_connected() -> None:
    async with served("esp8266") as proxy:
        begun, never = asyncio.Event(), asyncio.Event()

        async def connect(*_arguments: Any) -> None:
            begun.set()
            await never.wait()

        proxy.net.stack.connect = connect  # type: ignore[method-assign]
        client = await proxy.client()
        await client.send(b"\x05\x01\x00" + asked("192.0.2.1", 80))
        await begun.wait()
        client.close()
        await until(lambda: not any(proxy.proxy.phases().values()), 5)
        never.set()
        await until(lambda: proxy.in_use == 0, 5)


# -- ends -----------------------------------------------------------------------------------------


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("how", HOW)
async def test_a_reset_of_the_peer_arrives_behind_the_data(how: str) -> None:
    data = os.urandom(200_000)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await told.wait()
        linger = struct.pack("ii", 1, 0)  # without it the kernel would end in order
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    told = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with served() as proxy:
        client = await opened(proxy, how, "127.0.0.1", server.sockets[0].getsockname()[1])
        await asyncio.sleep(0.1)
        first = await client.exactly(100_000)
        asyncio.get_running_loop().call_later(0.1, told.set)
        assert first + await client.until_reset() == data
    server.close()


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_a_module_that_dies_resets_the_client(module: str) -> None:
    async with served(module) as proxy, echo_server() as echo:
        client = await proxy.through_socks("srv", echo.port)
        await client.send(b"before")
        assert await client.exactly(6) == b"before"
        ending = asyncio.create_task(client.until_reset())
        await proxy.net.close()
        assert await ending == b""


async def test_a_reset_of_the_client_reaches_the_peer() -> None:
    async with served() as proxy, echo_server() as echo:
        client = await proxy.through_socks("127.0.0.1", echo.port)
        await client.send(b"x")
        await client.exactly(1)
        reset(client.sock)
        await until(lambda: echo.ended, 5)
        assert echo.ended == ["reset"]
        await until(lambda: proxy.in_use == 0, 5)


@pytest.mark.parametrize("how", HOW)
async def test_half_close_is_passed_on_where_the_stack_can(how: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.read()
        writer.write(b"%d bytes" % len(got))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with served() as proxy:
        client = await opened(proxy, how, "127.0.0.1", server.sockets[0].getsockname()[1])
        await client.send(bytes(100_000))
        client.end()
        assert await client.everything() == b"100000 bytes"
        await until(lambda: proxy.in_use == 0, 5)
    server.close()


async def test_where_it_cannot_the_answer_still_arrives() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(5) == b"quest"
        await asyncio.sleep(0.3)
        writer.write(b"answer")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with served("esp8266") as proxy:
        client = await proxy.through_socks("srv", server.sockets[0].getsockname()[1])
        await client.send(b"quest")
        client.end()
        assert await client.everything() == b"answer"
        await until(lambda: proxy.in_use == 0, 5)
    server.close()


async def test_silence_behind_an_end_that_cannot_be_passed_on_is_no_clean_end() -> None:
    async with served("bg96", limits={"patience": 0.3}) as proxy, echo_server() as echo:
        client = await proxy.through_socks("srv", echo.port)
        await client.send(b"all")
        client.end()
        assert await client.until_reset() == b"all"
        await until(lambda: proxy.in_use == 0, 5)


async def test_a_client_that_has_closed_gives_its_socket_back_at_once() -> None:
    async with served("esp8266", limits={"patience": 60.0}) as proxy, echo_server() as echo:
        client = await proxy.through_socks("srv", echo.port)
        await client.send(b"x")
        await client.exactly(1)
        client.close()
        await until(lambda: proxy.in_use == 0, 3)
        assert echo.ended == ["eof"]


async def test_what_a_client_sent_before_it_closed_arrives() -> None:
    data = os.urandom(20_000)
    async with served("esp8266") as proxy, echo_server(echo=False) as sink:
        client = await proxy.through_socks("srv", sink.port)
        await client.send(data)
        client.close()
        await until(lambda: sink.ended, 10)
        assert sink.received == [data]


async def test_a_peer_that_closes_gives_the_socket_back_although_the_client_stays() -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with served("esp8266") as proxy:
        client = await proxy.through_socks("srv", server.sockets[0].getsockname()[1])
        assert await client.everything() == b"bye"
        await until(lambda: proxy.in_use == 0, 3)
    server.close()


@pytest.mark.parametrize("module", ["host", "bg96"])
async def test_a_peer_that_does_not_read_stops_the_client(module: str) -> None:
    stay = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stay.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    for listening in server.sockets:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with served(module) as proxy:
        host = name_on(proxy.net)
        client = await proxy.through_socks(host, server.sockets[0].getsockname()[1])
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    sent += await _send_some(client.sock)
        # The kernel's buffers, on both sides of the proxy, and nothing in the process.
        assert sent - proxy.proxy.meter.up < 1_000_000
        assert sent < 8_000_000
        client.close()
    stay.set()
    server.close()


async def test_a_client_that_does_not_read_stops_the_peer() -> None:
    sent = 0

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            while True:
                writer.write(bytes(8192))
                await writer.drain()
                sent += 8192
        except ConnectionError:
            pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with served() as proxy:
        client = await proxy.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        assert (await client.socks("127.0.0.1", server.sockets[0].getsockname()[1]))[0] == 0
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.3)
        assert proxy.proxy.meter.down < 2_000_000
    server.close()


async def _send_some(sock: socket.socket) -> int:
    while True:
        try:
            return sock.send(bytes(65536))
        except BlockingIOError:
            await asyncio.sleep(0.01)


async def test_closing_the_proxy_resets_who_is_there() -> None:
    async with served("esp8266") as proxy, echo_server() as echo:
        client = await proxy.through_socks("srv", echo.port)
        asking = await proxy.client()
        await until(lambda: sum(proxy.proxy.phases().values()) == 2, 5)
        await proxy.proxy.close()
        assert await client.until_reset() == b""
        assert await asking.until_reset() == b""
        assert proxy.in_use == 0
        with pytest.raises(ConnectionRefusedError):
            await proxy.client()


async def test_the_log_names_nobody_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netsocket")
    async with served("esp8266") as proxy, echo_server() as echo:
        client = await proxy.through_socks("srv", echo.port)
        await client.send(b"payload")
        await client.exactly(7)
        client.close()
        assert (await (await proxy.client()).socks("nowhere.invalid", 80))[0] == 4
        client = await proxy.client()
        await client.send(b"GET http://elsewhere.invalid/secret HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.answer()
        port = free_port()
        assert (await (await proxy.client()).socks("other.example", port))[0] == 5
        await until(lambda: proxy.in_use == 0, 5)
    told = "\n".join(r.getMessage() for r in caplog.records if r.name == "netsocket")
    assert "client 4" in told
    for secret in ("srv", "payload", "invalid", "secret", "other", str(echo.port)):
        assert secret not in told
