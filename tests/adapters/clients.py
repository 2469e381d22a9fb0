"""What the table needs of each adapter: `echo` and `collect`, and the errors of its library.

`echo` sends pieces and gives back what came, `collect` appends what comes to `into` until the
end. Both open a connection of their own and close it. Blocking clients are called in a thread.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.adapters.bench import NAME, Bench

LIMIT = 20.0
"""Seconds for everything that is not told to fail sooner."""


@dataclass
class Call:
    """What one call of a client is to do."""

    bench: Bench
    port: int
    host: str = NAME
    context: ssl.SSLContext | None = None
    host_key: Any = None
    connecting: float = LIMIT
    reading: float = LIMIT
    pieces: int = 1
    size: int = 3000
    into: bytearray = field(default_factory=bytearray)
    got: Callable[[], Any] = lambda: None
    """Called after `into` has grown."""

    def sending(self) -> Iterator[bytes]:
        """The pieces; each counts as given when the library asks for the next."""
        for number in range(self.pieces):
            piece = number.to_bytes(4, "big") + bytes([number % 251]) * (self.size - 4)
            self.bench.meter.given += len(piece)
            yield piece

    async def asending(self) -> Any:
        for piece in self.sending():
            yield piece

    def take(self, data: bytes) -> None:
        self.bench.meter.taken += len(data)
        self.into += data
        self.got()

    @property
    def total(self) -> int:
        return self.pieces * self.size

    def url(self, scheme: str) -> str:
        return f"{scheme}{'s' if self.context else ''}://{self.host}:{self.port}/"


@dataclass(frozen=True)
class Client:
    """One adapter in the table."""

    name: str
    protocol: str
    asynchronous: bool
    run: Callable[[Call, bool], Any]
    """`run(call, echo)`: a coroutine function, or a function for a thread."""
    errors: dict[str, Any]
    """Kind of failure -> exception, or tuple of them."""
    cannot: dict[str, str] = field(default_factory=dict)
    """Case -> why this library cannot express it."""
    litters: bool = False
    """Whether the library leaves a descriptor to the garbage collector after a failed handshake."""
    inward: int = 256 * 1024
    """Bytes that may wait between the stack and the program, in its direction."""
    outward: int = 256 * 1024
    """The same, towards the stack."""

    async def do(self, call: Call, *, echo: bool) -> bytearray:
        if self.asynchronous:
            await self.run(call, echo)
        else:
            await asyncio.to_thread(self.run, call, echo)
        return call.into


# -- streams of bytes ---------------------------------------------------------------------------


async def streams(call: Call, echo: bool) -> None:
    reader, writer = await call.bench.net.open_connection(
        call.host, call.port, ssl=call.context, timeout=call.connecting
    )
    try:
        await _both(call, echo, writer, lambda: reader.read(65536))
    finally:
        writer.close()
        await writer.wait_closed()


async def _both(call: Call, echo: bool, writer: Any, read: Callable[[], Any]) -> None:
    async def send() -> None:
        for piece in call.sending():
            writer.write(piece)
            await writer.drain()

    sending = asyncio.create_task(send())
    try:
        while len(call.into) < call.total or not echo:
            async with asyncio.timeout(call.reading):
                data = await read()
            if not data:
                return
            call.take(data)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def descriptor(call: Call, echo: bool) -> None:
    sock = call.bench.net.create_connection(
        (call.host, call.port), call.connecting, ssl=call.context
    )
    with sock:
        sock.settimeout(call.reading)
        if not echo or call.pieces == 1:
            sock.sendall(next(call.sending()))
        else:
            sender = threading.Thread(target=lambda: [sock.sendall(p) for p in call.sending()])
            sender.start()
        while len(call.into) < call.total or not echo:
            data = sock.recv(65536)
            if not data:
                break
            call.take(data)


async def with_anyio(call: Call, echo: bool) -> None:
    import anyio

    from netsocket.adapters.for_anyio import connect_tcp

    with anyio.fail_after(call.connecting):
        tls: Any = {"tls": True, "ssl_context": call.context} if call.context else {}
        stream = await connect_tcp(call.bench.net, call.host, call.port, **tls)

    async def send() -> None:
        for piece in call.sending():
            await stream.send(piece)

    async with stream, anyio.create_task_group() as group:
        group.start_soon(send)
        while len(call.into) < call.total or not echo:
            with anyio.fail_after(call.reading):
                try:
                    call.take(await stream.receive())
                except anyio.EndOfStream:
                    break
        group.cancel_scope.cancel()


# -- HTTP ---------------------------------------------------------------------------------------


def with_httpcore(call: Call, echo: bool) -> None:
    import httpcore

    from netsocket.adapters.for_httpcore import Backend

    pool = httpcore.ConnectionPool(
        ssl_context=call.context, network_backend=Backend(call.bench.net)
    )
    times = {"timeout": {"connect": call.connecting, "read": call.reading, "write": LIMIT}}
    headers = {"Content-Length": str(call.total)}
    with (
        pool,
        pool.stream(
            "POST", call.url("http"), headers=headers, content=call.sending(), extensions=times
        ) as answer,
    ):
        for data in answer.iter_stream():
            call.take(data)


async def with_httpcore_async(call: Call, echo: bool) -> None:
    import httpcore

    from netsocket.adapters.for_httpcore_async import AsyncBackend

    pool = httpcore.AsyncConnectionPool(
        ssl_context=call.context, network_backend=AsyncBackend(call.bench.net)
    )
    times = {"timeout": {"connect": call.connecting, "read": call.reading, "write": LIMIT}}
    headers = {"Content-Length": str(call.total)}
    async with (
        pool,
        pool.stream(
            "POST", call.url("http"), headers=headers, content=call.asending(), extensions=times
        ) as answer,
    ):
        async for data in answer.aiter_stream():
            call.take(data)


def with_httpx(call: Call, echo: bool) -> None:
    import httpx

    from netsocket.adapters.for_httpx import Transport

    times = httpx.Timeout(LIMIT, connect=call.connecting, read=call.reading)
    transport = Transport(call.bench.net, verify=call.context or False)
    with httpx.Client(transport=transport, timeout=times, trust_env=False) as client:
        with client.stream("POST", call.url("http"), content=call.sending()) as answer:
            for data in answer.iter_raw():
                call.take(data)


async def with_httpx_async(call: Call, echo: bool) -> None:
    import httpx

    from netsocket.adapters.for_httpx import AsyncTransport

    times = httpx.Timeout(LIMIT, connect=call.connecting, read=call.reading)
    transport = AsyncTransport(call.bench.net, verify=call.context or False)
    async with httpx.AsyncClient(transport=transport, timeout=times, trust_env=False) as client:
        async with client.stream("POST", call.url("http"), content=call.asending()) as answer:
            async for data in answer.aiter_raw():
                call.take(data)


def with_requests(call: Call, echo: bool) -> None:
    import requests

    from netsocket.adapters.for_requests import Adapter

    with requests.Session() as session:
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _trusting(Adapter, call))
        with session.post(
            call.url("http"),
            data=call.sending(),
            stream=True,
            timeout=(call.connecting, call.reading),
        ) as answer:
            for data in answer.iter_content(500):
                call.take(data)


def _trusting(adapter: Any, call: Call) -> Any:
    class Trusting(adapter):  # type: ignore[misc]  # the way requests documents for a context
        def init_poolmanager(self, *args: Any, **settings: Any) -> None:
            super().init_poolmanager(*args, **settings, ssl_context=call.context)

    return Trusting(call.bench.net)


async def with_aiohttp(call: Call, echo: bool) -> None:
    import aiohttp

    from netsocket.adapters.for_aiohttp import Connector

    times = aiohttp.ClientTimeout(sock_connect=call.connecting, sock_read=call.reading)
    async with aiohttp.ClientSession(connector=Connector(call.bench.net), timeout=times) as session:
        async with session.post(
            call.url("http"), data=call.asending(), ssl=call.context or True
        ) as answer:
            async for data in answer.content.iter_any():
                call.take(data)


# -- messages -----------------------------------------------------------------------------------


def with_paho(call: Call, echo: bool) -> None:
    import paho.mqtt.client as mqtt

    from netsocket.adapters.for_paho import Client as Paho

    progress = threading.Condition()
    ended: list[Any] = []
    subscribed: list[int] = []

    def note(what: Callable[[], Any]) -> None:
        with progress:
            what()
            progress.notify_all()

    def wait(condition: Callable[[], Any], seconds: float) -> None:
        with progress:
            if not progress.wait_for(lambda: condition() or ended, seconds):
                raise TimeoutError
        if ended and not condition():
            raise ConnectionError(ended[0])

    client = Paho(call.bench.net, mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
    client.connect_timeout = call.connecting
    if call.context is not None:
        client.tls_set_context(call.context)
    client.on_connect = lambda *_all: note(lambda: None)
    client.on_subscribe = lambda _c, _u, mid, *_rest: note(lambda: subscribed.append(mid))
    client.on_message = lambda _c, _u, message: note(lambda: call.take(message.payload))
    client.on_disconnect = lambda _c, _u, _f, reason, _p: note(lambda: ended.append(reason))
    client.connect(call.host, call.port)
    client.loop_start()
    try:
        wait(client.is_connected, call.reading)
        client.subscribe("reply")
        if not echo:
            wait(lambda: False, call.reading)
        wait(lambda: subscribed, call.reading)
        for piece in call.sending():
            client.publish("echo", piece, qos=1).wait_for_publish(LIMIT)
        wait(lambda: len(call.into) >= call.total, call.reading)
    finally:
        client.disconnect()
        client.loop_stop()


async def with_aiomqtt(call: Call, echo: bool) -> None:
    import math

    from netsocket.adapters.for_aiomqtt import Client as Aiomqtt

    client = Aiomqtt(
        call.bench.net,
        call.host,
        call.port,
        tls_context=call.context,
        timeout=min(call.connecting, call.reading),
    )
    async with client:
        await client.subscribe("reply", timeout=math.inf)

        async def send() -> None:
            for piece in call.sending():
                await client.publish("echo", piece, qos=1, timeout=math.inf)

        sending = asyncio.create_task(send()) if echo else None
        try:
            messages = aiter(client.messages)
            while len(call.into) < call.total or not echo:
                async with asyncio.timeout(call.reading):
                    message = await anext(messages)
                call.take(message.payload)
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)


async def with_websockets(call: Call, echo: bool) -> None:
    from netsocket.adapters.for_websockets import connect

    async with await connect(
        call.bench.net,
        call.url("ws"),
        ssl=call.context,
        open_timeout=call.connecting,
        close_timeout=1,
        compression=None,
        max_queue=2,
    ) as connection:

        async def send() -> None:
            for piece in call.sending():
                await connection.send(piece)

        sending = asyncio.create_task(send())
        try:
            while len(call.into) < call.total or not echo:
                async with asyncio.timeout(call.reading):
                    call.take(await connection.recv())
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def with_websockets_blocking(call: Call, echo: bool) -> None:
    from netsocket.adapters.for_websockets import connect_blocking

    with connect_blocking(
        call.bench.net,
        call.url("ws"),
        ssl=call.context,
        open_timeout=call.connecting,
        close_timeout=1,
        compression=None,
        max_queue=2,
    ) as connection:
        for piece in call.sending():
            connection.send(piece)
            want = len(call.into) + len(piece)
            while len(call.into) < want or not echo:
                call.take(connection.recv(timeout=call.reading))


async def with_asyncssh(call: Call, echo: bool) -> None:
    import asyncssh

    from netsocket.adapters.for_asyncssh import Tunnel

    key = call.host_key.export_public_key().decode() if call.host_key else ""
    known = asyncssh.import_known_hosts(f"[{call.host}]:{call.port} {key}" if key else "")
    async with (
        asyncssh.connect(
            call.host,
            call.port,
            tunnel=Tunnel(call.bench.net),
            username="me",
            known_hosts=known,
            client_keys=None,
            config=None,
            connect_timeout=call.connecting,
        ) as connection,
        connection.create_process(encoding=None, window=128 * 1024) as process,
    ):

        async def send() -> None:
            for piece in call.sending():
                process.stdin.write(piece)
                await process.stdin.drain()

        sending = asyncio.create_task(send())
        try:
            while len(call.into) < call.total or not echo:
                async with asyncio.timeout(call.reading):
                    data = await process.stdout.read(65536)
                if not data:
                    await connection.wait_closed()  # raises why
                    return
                call.take(data)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
