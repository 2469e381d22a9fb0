"""asyncio streams and transport over the Socket API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface
from netsocket.errors import ConnectionReset

from .scripted import Gate, ScriptedStack
from .test_hoststack import echo

Server = Callable[..., Any]
PEER = ("192.0.2.1", 80)


async def test_streams_echo_a_megabyte(host: AsyncNetworkInterface, server: Server) -> None:
    reader, writer = await host.open_connection(*await server(echo), timeout=5)
    payload = bytes(range(256)) * 4096

    async def send() -> None:
        for start in range(0, len(payload), 50_000):
            writer.write(payload[start : start + 50_000])
            await writer.drain()
        writer.write_eof()

    sending = asyncio.create_task(send())
    assert await reader.read() == payload
    await sending
    assert writer.get_extra_info("peername")[0] == "127.0.0.1"
    assert writer.get_extra_info("socket") is None
    writer.close()
    await writer.wait_closed()


async def test_no_half_close_is_said(net: AsyncNetworkInterface) -> None:
    _reader, writer = await net.open_connection(*PEER)
    assert not writer.can_write_eof()
    with pytest.raises(NotImplementedError):
        writer.write_eof()
    writer.close()
    await writer.wait_closed()


async def test_close_sends_what_was_written(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    _reader, writer = await net.open_connection(*PEER)
    stack.say("send", 3)
    writer.write(b"0123456789ABCDEF")
    writer.close()
    await writer.wait_closed()
    assert stack.payloads("send") == [b"0123456789", b"3456789ABC", b"DEF"]
    assert stack.names()[-1] == "close"


async def test_back_pressure_tells_what_the_stack_accepts(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    _reader, writer = await net.open_connection(*PEER)
    gate = Gate()
    stack.say("send", gate)
    assert writer.transport.get_write_buffer_limits() == (10, 40)
    writer.write(b"x" * 60)
    draining = asyncio.create_task(writer.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    gate.end(10)
    await draining
    assert writer.transport.get_write_buffer_size() <= 10
    writer.transport.abort()
    await writer.wait_closed()


async def test_abnormal_end_is_no_eof(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("recv", b"some", ConnectionReset("lost"))
    reader, writer = await net.open_connection(*PEER)
    assert await reader.readexactly(4) == b"some"
    with pytest.raises(ConnectionResetError, match="lost"):
        await reader.read()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_send_failure_ends_the_transport(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    reader, writer = await net.open_connection(*PEER)
    stack.say("send", ConnectionReset("lost"))
    writer.write(b"x")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.events: list[Any] = []
        self.ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.events.append(data)

    def eof_received(self) -> bool:
        self.events.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(("lost", exc))
        self.ended.set()


class Buffered(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self.space = bytearray(3)
        self.got = b""
        self.ended = asyncio.Event()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.space

    def buffer_updated(self, nbytes: int) -> None:
        self.got += self.space[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def test_protocol_sees_made_data_eof_lost(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    stack.say("recv", b"a", b"")
    transport, protocol = await net.create_connection(Recorder, *PEER)
    await protocol.ended.wait()
    assert protocol.events == ["made", b"a", "eof", ("lost", None)]
    assert transport.is_closing()
    assert not stack.open_handles


async def test_pause_reading_stops_receiving(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    transport, protocol = await net.create_connection(Recorder, *PEER)
    await asyncio.sleep(0.01)
    transport.pause_reading()
    assert not transport.is_reading()
    stack.say("recv", b"1", b"2", b"3")
    stack.change()
    await asyncio.sleep(0.02)
    assert protocol.events == ["made"]
    assert list(stack.answers["recv"]) == [b"2", b"3"], "at most one piece waits in the transport"
    transport.resume_reading()
    await asyncio.sleep(0.02)
    assert protocol.events == ["made", b"1", b"2", b"3"]
    transport.close()
    await protocol.ended.wait()


async def test_buffered_protocol(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("recv", b"abcdefgh", b"")
    _transport, protocol = await net.create_connection(Buffered, *PEER)
    await protocol.ended.wait()
    assert protocol.got == b"abcdefgh"


async def test_interface_close_ends_transports(stack: ScriptedStack) -> None:
    interface = AsyncNetworkInterface(stack)
    await interface.up()
    transports = [await interface.create_connection(Recorder, *PEER) for _ in range(3)]
    await asyncio.sleep(0.01)
    (_reading, first), (paused, second), (closing, third) = transports
    paused.pause_reading()
    stack.say("send", 0)
    closing.write(b"parting words")
    closing.close()
    asyncio.get_running_loop().call_later(0.02, stack.change)
    await asyncio.wait_for(interface.close(), 2)
    for protocol in (first, second):
        assert isinstance(protocol.events[-1][1], OSError)
    assert third.events[-1] == ("lost", None)
    assert b"".join(stack.payloads("send")[1:]) == b"parting words"
    assert len(asyncio.all_tasks()) == 1
