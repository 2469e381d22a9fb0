"""What all adapters share: small, importable only with their library, traps of single libraries."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import io
import ssl
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from netsocket.adapters.extras import CONNECTIONS, most_connections
from tests.adapters.bench import bench
from tests.adapters.farends import far_end
from tests.netsocket.certificates import serving, trusting

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted((ROOT / "netsocket" / "adapters").glob("for_*.py"))
LINES = 40
EXTRA = {
    "for_httpx": ("httpx", "httpx"),
    "for_httpcore": ("httpcore", "httpx"),
    "for_httpcore_async": ("httpcore", "httpx"),
    "for_requests": ("requests", "requests"),
    "for_aiohttp": ("aiohttp", "aiohttp"),
    "for_anyio": ("anyio", "anyio"),
    "for_paho": ("paho", "mqtt"),
    "for_aiomqtt": ("aiomqtt", "mqtt"),
    "for_websockets": ("websockets", "websockets"),
}


def lines_of_code(path: Path) -> int:
    """Logical lines without imports and docstrings: what a reader has to understand."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    apart = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            apart.add(node.end_lineno)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Try):
            apart.update(range(node.lineno, (node.end_lineno or 0) + 1))
    ends = tokenize.generate_tokens(io.StringIO(source).readline)
    return len({token.start[0] for token in ends if token.type == tokenize.NEWLINE} - apart)


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_small(path: Path) -> None:
    assert lines_of_code(path) <= LINES


@pytest.mark.parametrize("name", EXTRA)
def test_without_the_library_the_import_names_the_extra(name: str) -> None:
    library, extra = EXTRA[name]
    program = f"import sys; sys.modules[{library!r}] = None; import netsocket.adapters.{name}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert f'pip install "atdriver[{extra}]"' in run.stderr.splitlines()[-1]
    assert run.stderr.splitlines()[-1].startswith("ImportError: ")


def test_every_adapter_has_its_extra_and_the_package_needs_none() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert {path.stem for path in ADAPTERS} == {*EXTRA, "for_asyncssh"}
    assert {extra for _library, extra in EXTRA.values()} | {"asyncssh"} <= set(extras)
    program = "import sys, atdriver, netsocket.adapters; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert not loaded & {library for library, _extra in EXTRA.values()}
    assert not {each for each in loaded if "adapters.for_" in each}


async def test_a_pool_holds_as_many_connections_as_the_module_has_sockets() -> None:
    import httpx

    from netsocket.adapters.for_httpx import AsyncTransport

    async with bench("esp8266", asynchronous=True) as made, far_end("http", "echo") as end:
        assert most_connections(made.net.capabilities) == 5
        transport = AsyncTransport(made.net, verify=False)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            bodies = [bytes([number]) * 500 for number in range(20)]
            asked = (client.post(f"http://srv:{end.port}/", content=body) for body in bodies)
            assert [each.content for each in await asyncio.gather(*asked)] == bodies
        assert end.connections <= 5
        await made.empty()
    async with bench("host", asynchronous=True) as made:
        assert most_connections(made.net.capabilities) == CONNECTIONS


@asynccontextmanager
async def keeping_alive(seen: list[asyncio.StreamWriter]) -> AsyncIterator[str]:
    """A server that answers "hello" as often as it is asked; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://srv:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def _idle(get: Callable[[], Awaitable[str]], seen: list[asyncio.StreamWriter]) -> None:
    for _ in range(3):
        assert await get() == "hello"
    used = len(seen)  # a notice that crosses a read may cost a connection on a busy machine
    assert used < 3, "one connection for all"
    seen[-1].close()
    await asyncio.sleep(0.2)
    assert await get() == "hello", "a request on the closed connection would have failed"
    assert len(seen) == used + 1


@pytest.mark.parametrize("module", ["host", "esp8266", "bg96"])
async def test_an_idle_connection_that_the_peer_closed_is_not_used_again(module: str) -> None:
    import httpx

    from netsocket.adapters.for_httpx import AsyncTransport

    seen: list[asyncio.StreamWriter] = []
    async with keeping_alive(seen) as url, bench(module, asynchronous=True) as made:
        transport = AsyncTransport(made.net, verify=False)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:

            async def get() -> str:
                return (await client.get(url)).text

            await _idle(get, seen)
        await made.empty()


@pytest.mark.parametrize("library", ["httpx", "requests"])
async def test_an_idle_connection_of_a_blocking_client(library: str) -> None:
    import httpx
    import requests

    from netsocket.adapters.for_httpx import Transport
    from netsocket.adapters.for_requests import Adapter

    seen: list[asyncio.StreamWriter] = []
    async with keeping_alive(seen) as url, bench("esp8266", asynchronous=False) as made:
        if library == "httpx":
            transport = Transport(made.net, verify=False)
            client: Any = httpx.Client(transport=transport, trust_env=False)
        else:
            client = requests.Session()
            client.mount("http://", Adapter(made.net))

        async def get() -> str:
            answer = await asyncio.to_thread(client.get, url)
            text: str = answer.text
            return text

        await _idle(get, seen)
        await asyncio.to_thread(client.close)
        await made.empty()


async def test_requests_takes_no_cut_tls_stream_for_a_whole_body() -> None:
    """Without a length only the end says that a body is complete, and anybody can cut."""
    import requests

    from netsocket.adapters.for_requests import Adapter

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nthe first half")
        await writer.drain()
        writer.transport.abort()  # no close_notify

    class Trusting(Adapter):
        def init_poolmanager(self, *args: Any, **settings: Any) -> None:
            super().init_poolmanager(*args, **settings, ssl_context=trusting())

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving())
    url = f"https://srv:{server.sockets[0].getsockname()[1]}/"
    async with bench("esp8266", asynchronous=False) as made:

        def use() -> None:
            with requests.Session() as session:
                session.mount("https://", Trusting(made.net))
                with pytest.raises(requests.exceptions.RequestException):
                    print(session.get(url, timeout=10).text)

        await asyncio.to_thread(use)
        await made.empty()
    server.close()


async def test_requests_reaches_a_proxy_through_the_module() -> None:
    """Otherwise HTTP_PROXY would lead around it."""
    import requests

    from netsocket.adapters.for_requests import Adapter

    async with bench("esp8266", asynchronous=False) as made, far_end("http", "echo") as end:

        def use() -> bytes:
            with requests.Session() as session:
                session.trust_env = False
                session.proxies = {"http": f"http://srv:{end.port}"}  # a name of the module's
                session.mount("http://", Adapter(made.net))
                return session.post("http://elsewhere.example/", data=b"hello", timeout=10).content

        assert await asyncio.to_thread(use) == b"hello"
        await made.empty()


async def test_aiohttp_fingerprint() -> None:
    """aiohttp's own way to refuse one asks a socket that is not there."""
    import aiohttp

    from netsocket.adapters.for_aiohttp import Connector

    async with (
        bench("esp8266", asynchronous=True) as made,
        far_end("http", "echo", serving()) as end,
    ):
        _reader, writer = await made.net.open_connection("srv", end.port, ssl=trusting())
        certificate = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        await writer.wait_closed()
        url = f"https://srv:{end.port}/"
        right = aiohttp.Fingerprint(hashlib.sha256(certificate).digest())
        wrong: Any = aiohttp.Fingerprint(bytes(32))
        async with aiohttp.ClientSession(connector=Connector(made.net)) as session:
            async with session.post(url, data=b"hello", ssl=right) as answer:
                assert await answer.read() == b"hello"
        await made.empty()
        async with aiohttp.ClientSession(connector=Connector(made.net)) as session:
            with pytest.raises(aiohttp.ServerFingerprintMismatch):
                await session.post(url, data=b"hello", ssl=wrong)
            await made.empty()


async def test_paho_gives_the_socket_back_after_a_failed_handshake() -> None:
    """Not only when the garbage collector finds what paho left; the error keeps it alive here."""
    from paho.mqtt.enums import CallbackAPIVersion

    from netsocket.adapters.for_paho import Client

    async with bench("bg96", asynchronous=False) as made, far_end("mqtt", "echo", serving()) as end:
        client = Client(made.net, CallbackAPIVersion.VERSION2)
        client.tls_set_context(ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            await asyncio.to_thread(client.connect, "srv", end.port)
        await made.empty()
        left = caught.traceback[-1].frame.f_locals["self"]
        left.close()  # paho's descriptor, not the module's socket


async def test_anyio_tells_closed_and_busy_from_broken() -> None:
    import anyio
    from anyio.abc import SocketAttribute

    from netsocket.adapters.for_anyio import connect_tcp

    async with bench("esp8266", asynchronous=True) as made, far_end("raw", "stall") as end:
        stream = await connect_tcp(made.net, "srv", end.port)
        assert stream.extra(SocketAttribute.remote_port) == end.port
        assert stream.extra(SocketAttribute.raw_socket, None) is None
        waiting = asyncio.create_task(stream.receive())
        await asyncio.sleep(0.02)
        with pytest.raises(anyio.BusyResourceError):
            await stream.receive()
        await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await waiting
        with pytest.raises(anyio.ClosedResourceError):
            await stream.send(b"late")
        await made.empty()


async def test_aiomqtt_cancelled_while_entering_leaves_nothing() -> None:
    from netsocket.adapters.for_aiomqtt import Client

    async with bench("esp8266", asynchronous=True) as made, far_end("raw", "stall") as end:
        entering = asyncio.create_task(Client(made.net, "srv", end.port).__aenter__())
        while not end.connections:
            await asyncio.sleep(0.005)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        await made.empty()
