"""Who may use the proxy, how many, for how long; the PAC file."""

from __future__ import annotations

import asyncio
import base64
import socket

import pytest

from netsocket.adapters.pac import text_for
from netsocket.adapters.proxy import Proxy
from netsocket.address import SocketAddress
from tests.drivers.rig import echo_server, until

from .rig import asked, served

SECRET = {"user": "me", "password": "pass:wörd"}


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_socks_with_a_password() -> None:
    async with served(**SECRET) as proxy, echo_server() as echo:
        for user, password, right in (
            ("me", "pass:wörd", True),
            ("me", "x", False),
            ("", "", False),
        ):
            client = await proxy.client()
            await client.send(b"\x05\x02\x00\x02")
            assert await client.exactly(2) == b"\x05\x02"
            one, two = user.encode(), password.encode()
            await client.send(bytes((1, len(one))) + one + bytes((len(two),)) + two)
            assert await client.exactly(2) == (b"\x01\x00" if right else b"\x01\x01")
            if right:
                await client.send(asked("127.0.0.1", echo.port))
                assert (await client.reply())[0] == 0
            else:
                assert await client.everything() == b""
        client = await proxy.client()
        await client.send(b"\x05\x01\x00")
        assert await client.everything() == b"\x05\xff"
        assert proxy.proxy.figures.denied == 2
        assert len(echo.received) == 1


@pytest.mark.parametrize("ask", ["CONNECT 127.0.0.1:{port}", "GET http://127.0.0.1:{port}/"])
async def test_http_with_a_password(ask: str) -> None:
    async with served(**SECRET) as proxy, echo_server() as echo:
        first = f"{ask.format(port=echo.port)} HTTP/1.1\r\nHost: x\r\n"
        for given in (
            "",
            f"Proxy-Authorization: Basic {basic('me', 'wrong')}\r\n",
            f"Proxy-Authorization: Bearer {basic('me', 'pass:wörd')}\r\n",
            "Proxy-Authorization: Basic !!!\r\n",
            f"Authorization: Basic {basic('me', 'pass:wörd')}\r\n",
        ):
            client = await proxy.client()
            await client.send((first + given + "\r\n").encode())
            status, headers, _text = await client.answer()
            assert (status, headers["proxy-authenticate"].split()[0]) == (407, "Basic")
            assert await client.everything() == b""
        assert echo.received == []
        client = await proxy.client()
        right = f"Proxy-Authorization: basic {basic('me', 'pass:wörd')}\r\n"
        await client.send((first + right + "\r\n").encode())
        await until(lambda: echo.received, 5)


async def test_a_wrong_password_costs_time() -> None:
    async with served(limits={"denied": 0.3}, **SECRET) as proxy:
        loop = asyncio.get_running_loop()
        client = await proxy.client()
        begun = loop.time()
        await client.send(b"\x05\x01\x02\x01\x02me\x01x")
        assert await client.exactly(4) == b"\x05\x02\x01\x01"
        assert loop.time() - begun >= 0.3


async def test_beyond_loopback_only_with_a_password() -> None:
    async with served() as proxy:
        for host in ("0.0.0.0", "::", "192.0.2.1"):
            with pytest.raises(PermissionError, match="anybody"):
                await proxy.proxy.listen(host, 0)
        assert (await proxy.proxy.listen("127.0.0.2", 0)).host == "127.0.0.2"
        with pytest.raises(OSError, match="in use"):
            await proxy.proxy.listen("127.0.0.1", proxy.address.port)
        with pytest.raises(ValueError, match="example"):
            await proxy.proxy.listen("example.org", 0)
        for wrong in ({"user": "me"}, {"password": "x"}, {"user": "", "password": "x"},
                      {"user": "me", "password": ""}):  # fmt: skip
            with pytest.raises(ValueError, match="belong together"):
                Proxy(proxy.pool, **wrong)  # type: ignore[arg-type]
    async with served(**SECRET) as proxy:
        assert (await proxy.proxy.listen("0.0.0.0", 0)).port


async def test_over_ipv6_loopback() -> None:
    async with served() as proxy, echo_server() as echo:
        address = await proxy.proxy.listen("::1", 0)
        with socket.socket(socket.AF_INET6) as sock:
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, tuple(address))
            await loop.sock_sendall(sock, b"\x05\x01\x00" + asked("127.0.0.1", echo.port))
            got = b""
            while len(got) < 12:
                got += await loop.sock_recv(sock, 100)
            assert got[2:4] == b"\x05\x00"


@pytest.mark.parametrize("said", [b"", b"\x05", b"\x05\x01\x00\x05", b"GET http://x/ HT"])
async def test_a_client_that_never_says_what_it_wants(said: bytes) -> None:
    async with served(limits={"handshake": 0.2}) as proxy:
        client = await proxy.client()
        await client.send(said)
        try:
            assert len(await client.everything()) <= 2
        except ConnectionResetError:
            pass
        await until(lambda: not any(proxy.proxy.phases().values()), 5)


async def test_one_byte_at_a_time_is_no_way_round_the_limit() -> None:
    async with served(limits={"handshake": 0.3}) as proxy:
        client = await proxy.client()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(100):
                await client.send(b"G")
                await asyncio.sleep(0.05)


async def test_one_client_too_many_is_turned_away() -> None:
    async with served(limits={"clients": 2}) as proxy, echo_server() as echo:
        held = [await proxy.through_socks("127.0.0.1", echo.port) for _ in range(2)]
        late = await proxy.client()
        assert await late.everything() == b""
        assert proxy.proxy.figures.turned_away == 1
        held[0].close()
        await until(lambda: sum(proxy.proxy.phases().values()) == 1, 5)
        await proxy.through_socks("127.0.0.1", echo.port)


async def test_socks4_is_told_so() -> None:
    async with served() as proxy:
        client = await proxy.client()
        await client.send(b"\x04\x01\x00\x50\x7f\x00\x00\x01me\x00")
        assert await client.everything() == b"\x00\x5b" + bytes(6)


async def test_the_pac_file_needs_no_password() -> None:
    async with served(pac=text_for, **SECRET) as proxy:
        client = await proxy.client()
        await client.send(b"GET /proxy.pac?x HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, text = await client.answer()
        assert (status, headers["content-type"].split(";")[0]) == (
            200,
            "application/x-ns-proxy-autoconfig",
        )
        assert f'"PROXY {proxy.address}"' in text.decode()
        client = await proxy.client()
        await client.send(b"HEAD /proxy.pac HTTP/1.0\r\n\r\n")
        assert int((await client.head())[1]["content-length"]) == len(text)
        client = await proxy.client()
        await client.send(b"POST /proxy.pac HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert (await client.answer())[0] == 405
    async with served() as proxy:
        client = await proxy.client()
        await client.send(b"GET /proxy.pac HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[0] == 400


def test_the_pac_file_makes_no_browser_ask_for_a_name() -> None:
    text = text_for(SocketAddress("::1", 1080))
    assert '"PROXY [::1]:1080"' in text
    for word in ("dnsResolve", "isInNet", "isResolvable", "myIpAddress", "SOCKS"):
        assert word not in text
