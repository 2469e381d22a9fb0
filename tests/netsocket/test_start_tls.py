"""TLS from the middle of a connection: streams, transports, both sides, every event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface

from .certificates import serving, trusting
from .scripted import ScriptedStack, until
from .test_adapters import Recorder
from .test_hoststack import echo

Server = Callable[..., Any]
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LOCAL = "127.0.0.1"


async def upgraded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server's side: plain at first."""
    assert await reader.readline() == b"STARTTLS\n"
    writer.write(b"go\n")
    await writer.start_tls(serving())
    await echo(reader, writer)


async def begun(net: AsyncNetworkInterface, address: Any) -> Pair:
    reader, writer = await net.open_connection(*address)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go\n"
    return reader, writer


@pytest.fixture
async def far(host: AsyncNetworkInterface, server: Server) -> Server:
    """`await far(handler)`: a server of asyncio's. That of uvloop misses a client that says its
    first TLS bytes before start_tls was called, so there it is ours."""

    async def start(handler: Any) -> Any:
        if type(asyncio.get_running_loop()).__module__.startswith("asyncio"):
            return await server(handler)
        return (await host.start_server(handler, LOCAL, 0)).sockets[0].getsockname()

    return start


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    payload = os.urandom(200_000)
    writer.write(payload)
    assert await reader.readexactly(len(payload)) == payload
    writer.close()
    await writer.wait_closed()


async def test_the_client(host: AsyncNetworkInterface, far: Server) -> None:
    reader, writer = await begun(host, await far(upgraded))
    await writer.start_tls(trusting(), server_hostname="localhost")
    assert writer.get_extra_info("ssl_object").version().startswith("TLSv1.")
    assert writer.get_extra_info("peercert")
    await exchange(reader, writer)


async def test_the_server(host: AsyncNetworkInterface) -> None:
    async with await host.start_server(upgraded, LOCAL, 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(trusting(), server_hostname="localhost")
        await exchange(reader, writer)


async def test_tls_bytes_that_came_early_are_not_lost(host: AsyncNetworkInterface) -> None:
    """The client does not wait for the server's start_tls, and the reader has got its bytes."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await asyncio.sleep(0.1)
        await writer.start_tls(serving(), ssl_handshake_timeout=5)
        await echo(reader, writer)

    async with await host.start_server(late, LOCAL, 0) as server:
        reader, writer = await begun(host, server.sockets[0].getsockname())
        await writer.start_tls(trusting(), server_hostname="localhost", ssl_handshake_timeout=5)
        await exchange(reader, writer)


async def test_transport_and_protocol(host: AsyncNetworkInterface, far: Server) -> None:
    transport, protocol = await host.create_connection(Recorder, *await far(upgraded))
    transport.write(b"STARTTLS\n")
    async with asyncio.timeout(5):
        while protocol.events[-1] != b"go\n":
            await asyncio.sleep(0.005)
    later = Recorder()
    same = await host.start_tls(transport, later, trusting(), server_hostname="localhost")
    assert same is transport
    same.write(b"hello")
    async with asyncio.timeout(5):
        while b"hello" not in later.events:
            await asyncio.sleep(0.005)
    same.close()
    await later.ended.wait()
    assert later.events == [b"hello", ("lost", None)]
    assert protocol.events == ["made", b"go\n"]


async def test_what_a_paused_transport_holds_is_not_lost(host: AsyncNetworkInterface) -> None:
    """The peer's first TLS bytes came before start_tls was called."""
    made: asyncio.Queue[Any] = asyncio.Queue()

    class Waiting(Recorder):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            transport.write(b"welcome\n")
            made.put_nowait((transport, self))

    async with await host.create_server(Waiting, LOCAL, 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.readline() == b"welcome\n"
        shaking = asyncio.create_task(
            writer.start_tls(trusting(), server_hostname="localhost", ssl_handshake_timeout=5)
        )
        transport, protocol = await made.get()
        await asyncio.sleep(0.1)
        assert not shaking.done()
        await host.start_tls(transport, protocol, serving(), server_side=True)
        await shaking
        writer.write(b"secret")
        await asyncio.sleep(0.05)
        assert protocol.events == []
        transport.resume_reading()
        async with asyncio.timeout(5):
            while not protocol.events:
                await asyncio.sleep(0.005)
        assert protocol.events == [b"secret"]
        writer.close()
        await writer.wait_closed()
        await protocol.ended.wait()


async def test_a_cut_stream_is_an_error(host: AsyncNetworkInterface) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"STARTTLS\n"
        writer.write(b"go\n")
        await writer.start_tls(serving())
        writer.write(b"the first half")
        assert await reader.readexactly(1) == b"x"
        transport: Any = writer.transport
        await transport._socket._socket.close()  # an orderly end of TCP, no close_notify
        transport.abort()

    async with await host.start_server(cut, LOCAL, 0) as server:
        reader, writer = await begun(host, server.sockets[0].getsockname())
        await writer.start_tls(trusting(), server_hostname="localhost")
        assert await reader.readexactly(14) == b"the first half"
        writer.write(b"x")
        with pytest.raises(ssl.SSLEOFError):
            await reader.read()
        with pytest.raises(ssl.SSLEOFError):
            await writer.wait_closed()


async def test_a_failed_handshake_ends_the_connection(
    host: AsyncNetworkInterface, far: Server
) -> None:
    async def refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await upgraded(reader, writer)
        writer.transport.abort()

    reader, writer = await begun(host, await far(refused))
    with pytest.raises(ssl.SSLCertVerificationError):
        await writer.start_tls(ssl.create_default_context(), server_hostname="localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        await reader.read()
    with pytest.raises(ssl.SSLCertVerificationError):
        await writer.wait_closed()
    assert writer.transport.is_closing()


async def test_wrong_uses(host: AsyncNetworkInterface, far: Server) -> None:
    _reader, writer = await begun(host, await far(upgraded))
    with pytest.raises(ValueError, match="server_hostname"):
        await writer.start_tls(trusting())  # nothing was done
    with pytest.raises(TypeError, match="SSLContext"):
        await host.start_tls(writer.transport, Recorder(), True)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="StreamTransport"):
        await host.start_tls(asyncio.Transport(), Recorder(), trusting())  # type: ignore[arg-type]
    writer.transport.abort()
    with pytest.raises(ConnectionResetError, match="ending"):
        await writer.start_tls(trusting(), server_hostname="localhost")


async def test_no_tls_inside_tls(host: AsyncNetworkInterface, far: Server) -> None:
    _reader, writer = await begun(host, await far(upgraded))
    await writer.start_tls(trusting(), server_hostname="localhost")
    with pytest.raises(NotImplementedError, match="TLS inside TLS"):
        await writer.start_tls(trusting(), server_hostname="localhost")
    writer.close()
    await writer.wait_closed()


async def test_the_loops_own_start_tls(host: AsyncNetworkInterface, far: Server) -> None:
    """asyncio's takes this transport; uvloop's says that it does not."""
    loop = asyncio.get_running_loop()
    reader, writer = await begun(host, await far(upgraded))
    protocol = writer.transport.get_protocol()

    async def upgrade() -> asyncio.Transport | None:
        return await loop.start_tls(
            writer.transport, protocol, trusting(), server_hostname="localhost"
        )

    if type(loop).__module__.startswith("uvloop"):
        with pytest.raises(TypeError, match=r"not supported by start_tls\(\)"):
            await upgrade()
        await writer.start_tls(trusting(), server_hostname="localhost")
        await exchange(reader, writer)
        return
    encrypted = await upgrade()
    assert encrypted is not None
    encrypted.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    encrypted.close()
    await writer.wait_closed()


async def test_what_was_written_before_goes_first(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    reader, writer = await net.open_connection("192.0.2.1", 80)
    stack.say("send", 3, 0)
    writer.write(b"plain words, more than one frame of the stack")
    upgrading = asyncio.create_task(writer.start_tls(trusting(), server_hostname="localhost"))

    def sent() -> bytes:
        return b"".join([b"pla", *stack.payloads("send")[2:]])

    await until(lambda: len(stack.payloads("send")) == 2)  # three bytes of it, then not one more
    await asyncio.sleep(0.02)
    assert not upgrading.done()
    stack.change()
    await until(lambda: b"\x16\x03" in sent())
    assert sent().startswith(b"plain words, more than one frame of the stack\x16\x03")
    stack.say("recv", b"")
    stack.change()
    with pytest.raises(ssl.SSLEOFError):
        await upgrading
    with pytest.raises(ssl.SSLEOFError):
        await reader.read()
    with pytest.raises(ssl.SSLEOFError):
        await writer.wait_closed()


async def test_cancelled_anywhere_it_ends_the_connection(
    host: AsyncNetworkInterface, far: Server
) -> None:
    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, AssertionError):
            await upgraded(reader, writer)
        writer.transport.abort()

    address = await far(patient)
    finished = False
    for turns in range(400):
        reader, writer = await begun(host, address)
        upgrading = asyncio.create_task(writer.start_tls(trusting(), server_hostname="localhost"))
        for _ in range(turns):
            await asyncio.sleep(0)
        finished = upgrading.done()
        upgrading.cancel()
        if finished:
            writer.close()
            await writer.wait_closed()
            break
        with pytest.raises(asyncio.CancelledError):
            await upgrading
        if turns:  # one that had not begun leaves the connection as it was
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await writer.wait_closed()
    assert finished
    async with asyncio.timeout(5):
        while any("transport" in repr(each).lower() for each in host._dependants):
            await asyncio.sleep(0.01)
