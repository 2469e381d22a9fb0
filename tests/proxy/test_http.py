"""Plain HTTP through the proxy: what is passed on, what is changed, and every way it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.drivers.rig import until
from tests.ports import free_port

from .rig import Client, Served, served

Script = Callable[["Origin", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Origin:
    """A web server that keeps what it was asked and answers by a script."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)
    """Head and body of each request, as they came."""


@asynccontextmanager
async def origin(script: Script) -> AsyncIterator[Origin]:
    state = Origin()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(state, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    yield state
    server.close()


def answering(raw: bytes, body: int = 0) -> Script:
    """Take a head and `body` bytes, answer these bytes, close."""

    async def script(
        state: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        state.asked.append(await reader.readuntil(b"\r\n\r\n"))
        state.asked[-1] += await reader.readexactly(body)
        writer.write(raw)
        await writer.drain()

    return script


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def test_a_page_by_name_through_a_module() -> None:
    async with served("esp8266") as proxy, origin(answering(OK)) as web:
        client = await proxy.client()
        await client.send(
            f"GET http://srv:{web.port}/a/b?c=d#e HTTP/1.1\r\nHost: other\r\n"
            "Accept: */*\r\nX-Own: 1\r\n\r\n".encode()
        )
        status, headers, body = await client.answer()
        assert (status, body, headers["via"]) == (200, b"hi", "1.1 atdriver")
        first, *rest = web.asked[0].decode().split("\r\n")
        assert first == "GET /a/b?c=d HTTP/1.1"
        assert rest[:-2] == [
            f"Host: srv:{web.port}",
            "Accept: */*",
            "X-Own: 1",
            "Via: 1.1 atdriver",
            "Connection: close",
        ]


async def test_a_client_keeps_its_connection_for_many_pages() -> None:
    async with served("esp8266") as proxy, origin(answering(OK)) as web:
        client = await proxy.client()
        page = f"GET http://srv:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for _ in range(3):
            await client.send(page)
            assert (await client.answer())[2] == b"hi"
            await until(lambda: proxy.in_use == 0, 5)
        await client.send(page + page)  # two at once: answered in turn
        for _ in range(2):
            assert (await client.answer())[2] == b"hi"
        assert proxy.proxy.figures.served == len(web.asked) == 5


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("http://127.0.0.1:{port}", "/", "127.0.0.1:{port}"),
        ("HTTP://127.0.0.1:{port}?a", "/?a", "127.0.0.1:{port}"),
        ("http://127.0.0.1:{port}#a/b?c", "/", "127.0.0.1:{port}"),
        ("http://LOCALHOST:{port}/%20/..//", "/%20/..//", "LOCALHOST:{port}"),
    ],
)
async def test_targets(target: str, path: str, host: str) -> None:
    async with served() as proxy, origin(answering(OK)) as web:
        client = await proxy.client()
        await client.send(
            f"GET {target.format(port=web.port)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        )
        assert (await client.answer())[0] == 200
        lines = web.asked[0].decode().split("\r\n")
        assert lines[:2] == [f"GET {path} HTTP/1.1", f"Host: {host.format(port=web.port)}"]


async def test_what_is_for_the_next_hop_only_is_not_passed_on() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        b"Keep-Alive: timeout=5\r\nX-Stays: 1\r\n\r\nhi"
    )
    async with served() as proxy, origin(answering(raw)) as web:
        client = await proxy.client()
        await client.send(
            f"GET http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\nProxy-Connection: keep-alive\r\n"
            "Connection: keep-alive, X-Mine\r\nX-Mine: 1\r\nTE: trailers\r\nUpgrade: websocket\r\n"
            "Proxy-Authorization: Basic eDp5\r\nX-Stays: 1\r\n\r\n".encode()
        )
        _status, headers, _body = await client.answer()
        assert set(headers) == {"content-length", "x-stays", "via"}
        asked = web.asked[0].decode().lower()
        for word in ("x-mine", "te:", "upgrade", "proxy", "keep-alive"):
            assert word not in asked
        assert "x-stays: 1" in asked


@pytest.mark.parametrize("framing", ["length", "chunks"])
async def test_a_body_up_and_one_down(framing: str) -> None:
    body = bytes(range(256)) * 200

    async def script(
        state: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        got = b""
        if framing == "length":
            assert b"content-length: %d" % len(body) in head
            got = await reader.readexactly(len(body))
        else:
            assert b"transfer-encoding: chunked" in head
            while size := int(await reader.readuntil(b"\r\n"), 16):
                got += await reader.readexactly(size)
                await reader.readexactly(2)
            assert await reader.readuntil(b"\r\n") == b"X-Sum: 7\r\n"
        state.asked.append(got)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
        for at in range(0, len(got), 1000):
            part = got[at : at + 1000]
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        writer.write(b"0\r\nX-End: yes\r\n\r\n")
        await writer.drain()

    async with served("esp8266") as proxy, origin(script) as web:
        client = await proxy.client()
        head = f"POST http://srv:{web.port}/ HTTP/1.1\r\nHost: x\r\n"
        if framing == "length":
            await client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        else:
            await client.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            await client.send(b"%x\r\n%s\r\n0\r\nX-Sum: 7\r\n\r\n" % (len(body), body))
        status, headers = await client.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        got = b""
        while size := int(await line(client), 16):
            got += await client.exactly(size)
            assert await line(client) == b"\r\n"
        assert (await line(client), await line(client)) == (b"X-End: yes\r\n", b"\r\n")
        assert got == body == web.asked[0]


async def line(client: Client) -> bytes:
    got = b""
    while not got.endswith(b"\r\n"):
        got += await client.exactly(1)
    return got


async def test_a_body_that_ends_with_the_connection_is_chunked_for_the_client() -> None:
    raw = b"HTTP/1.0 200 OK\r\n\r\nuntil the end"
    async with served() as proxy, origin(answering(raw)) as web:
        client = await proxy.client()
        await client.send(f"GET http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        status, headers = await client.head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        assert await client.exactly(23) == b"d\r\nuntil the end\r\n0\r\n\r\n"
        client = await proxy.client()
        await client.send(f"GET http://127.0.0.1:{web.port}/ HTTP/1.0\r\n\r\n".encode())
        assert (await client.head())[0] == 200
        assert await client.everything() == b"until the end"


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
    ],
)
async def test_answers_without_a_body(method: str, raw: bytes) -> None:
    async with served() as proxy, origin(answering(raw)) as web:
        client = await proxy.client()
        ask = f"{method} http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for _ in range(2):  # on the same connection
            await client.send(ask)
            assert (await client.head())[0] == int(raw.split()[1])


async def test_a_length_beside_chunks_is_nobodys_way_to_smuggle() -> None:
    async def script(
        state: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        state.asked.append(await reader.readuntil(b"\r\n0\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nyes\r\n0\r\n\r\n"
        )

    async with served() as proxy, origin(script) as web:
        client = await proxy.client()
        await client.send(
            f"POST http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()
        )
        _status, headers = await client.head()
        assert "content-length" not in headers
        assert await client.exactly(13) == b"3\r\nyes\r\n0\r\n\r\n"
        assert b"content-length" not in web.asked[0].lower()


async def test_a_length_stays_whatever_connection_says() -> None:
    async with served() as proxy, origin(answering(OK, body=4)) as web:
        client = await proxy.client()
        await client.send(
            f"PUT http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            "Connection: Content-Length, Host\r\n\r\nbody".encode()
        )
        assert (await client.answer())[2] == b"hi"
        assert web.asked[0].startswith(f"PUT / HTTP/1.1\r\nHost: 127.0.0.1:{web.port}\r\n".encode())
        assert web.asked[0].endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize("status", [b"101 Switching Protocols", b"99 Odd"])
async def test_a_status_that_cannot_be_passed_on(status: bytes) -> None:
    async with served() as proxy, origin(answering(b"HTTP/1.1 " + status + b"\r\n\r\nx")) as web:
        client = await proxy.client()
        await client.send(f"GET http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await client.answer())[0] == 502


async def test_100_continue_is_the_servers_own() -> None:
    async def script(
        state: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assert b"expect: 100-continue" in (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        state.asked.append(await reader.readexactly(4))
        writer.write(OK)

    async with served() as proxy, origin(script) as web:
        client = await proxy.client()
        await client.send(
            f"PUT http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert (await client.head())[0] == 100
        await client.send(b"body")
        assert (await client.answer())[2] == b"hi"
        assert web.asked == [b"body"]


async def test_an_answer_before_the_whole_request() -> None:
    raw = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!"

    async def script(
        state: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        await reader.read()

    async with served() as proxy, origin(script) as web:
        client = await proxy.client()
        await client.send(
            f"POST http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n"
            "Content-Length: 100000\r\n\r\nsome".encode()
        )
        status, _headers, body = await client.answer()
        assert (status, body) == (413, b"no!")
        assert await client.everything() == b""
        await until(lambda: proxy.in_use == 0, 5)


# -- what breaks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    ],
)
async def test_half_an_answer_is_never_a_whole_one(raw: bytes) -> None:
    async with served() as proxy, origin(answering(raw)) as web:
        client = await proxy.client()
        await client.send(f"GET http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await client.head())[0] == 200
        assert b"part" in await client.until_reset()


@pytest.mark.parametrize(
    "raw", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000]
)
async def test_what_is_no_answer_is_a_bad_gateway(raw: bytes) -> None:
    async with served() as proxy, origin(answering(raw)) as web:
        client = await proxy.client()
        await client.send(f"GET http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await client.answer())[0] == 502


async def test_nobody_there() -> None:
    async with served("esp8266") as proxy:
        for host, port in (("nowhere.invalid", 80), ("srv", free_port())):
            client = await proxy.client()
            await client.send(f"GET http://{host}:{port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            status, _headers, text = await client.answer()
            assert (status, bool(text)) == (502, True)
            assert await client.everything() == b""


async def test_a_client_that_leaves_ends_the_page() -> None:
    ended = asyncio.Event()

    async def script(
        state: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        state.asked.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()
        ended.set()

    async with served() as proxy, origin(script) as web:
        client = await proxy.client()
        await client.send(f"GET http://127.0.0.1:{web.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await until(lambda: web.asked, 5)
        client.close()
        async with asyncio.timeout(5):
            await ended.wait()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://a:b/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://me:secret@a/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b'GET http://a",1/ HTTP/1.1\r\nHost: x\r\n\r\n', 400),
        (b"GET https://a/ HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"GET ftp://a/ HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"CONNECT a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT a:99999 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT a:1/x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT :1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://a/ HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (
            b"GET http://a/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            400,
        ),
        (b"GET http://a/ HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
async def test_bad_requests(raw: bytes, status: int) -> None:
    async with served() as proxy:
        client = await proxy.client()
        await client.send(raw)
        found, _headers, text = await client.answer()
        assert (found, bool(text)) == (status, True)
        assert await client.everything() == b""
        assert proxy.in_use == 0


def test_garbage_gets_an_answer_or_an_end() -> None:
    limits = {"handshake": 5.0, "connect": 0.5, "bind": 0.1}

    async def talk(proxy: Served, data: bytes) -> None:
        client = await proxy.client()
        await client.send(data)
        client.end()
        try:
            await client.everything()
        except ConnectionResetError:
            pass
        client.close()
        await until(lambda: not any(proxy.proxy.phases().values()), 10)

    @settings(max_examples=60, deadline=None)
    @given(
        data=st.binary(min_size=1, max_size=200),
        prefix=st.sampled_from([b"", b"GET http://", b"CONNECT ", b"\x05\x01\x00\x05"]),
    )
    def garbage(data: bytes, prefix: bytes) -> None:
        runner.run(talk(proxy, prefix + data))

    with asyncio.Runner() as runner:
        context = served("esp8266", limits=limits)  # its world is loopback
        proxy = runner.run(context.__aenter__())
        garbage()
        runner.run(context.__aexit__(None, None, None))
