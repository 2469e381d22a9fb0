"""ClientPump: a local client and a socket of a stack become one connection, to the very end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from netsocket import AsyncNetworkInterface, AsyncTCPSocket
from netsocket.adapters import client as client_module
from netsocket.adapters.client import ClientPump, set_up, shrink
from netsocket.adapters.pump import Meter, UserReset
from netsocket.errors import BrokenPipe, ConnectionReset

from .scripted import Gate, ScriptedStack
from .test_hoststack import echo

RESET = struct.pack("ii", 1, 0)


class Joined:
    """A client, a plain blocking socket used in threads, and the pump behind it."""

    def __init__(self, client: socket.socket, pump: ClientPump, meter: Meter) -> None:
        self.client = client
        self.pump = pump
        self.meter = meter
        self.task = asyncio.create_task(self._whole())

    async def _whole(self) -> None:
        try:
            await self.pump.run()
        finally:
            assert self.pump.ending is not None
            await self.pump.ending

    async def say(self, data: bytes) -> None:
        await asyncio.to_thread(self.client.sendall, data)

    async def hear(self, received: bytearray | None = None, step: int = 65536) -> bytes:
        """Everything up to the end of file, collected in `received`. Raises ConnectionResetError."""
        found = bytearray() if received is None else received

        def read() -> bytes:
            while data := self.client.recv(step):
                found.extend(data)
            return bytes(found)

        return await asyncio.to_thread(read)

    async def done(self) -> OSError | None:
        async with asyncio.timeout(10):
            await self.task
        return self.pump.error


Join = Callable[..., Any]


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """`await join(sock, …)` gives sock a local client."""
    made: list[Joined] = []

    async def start(sock: AsyncTCPSocket, local: str = "127.0.0.1", **options: Any) -> Joined:
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        with socket.socket(family) as listener:
            shrink(listener)
            listener.bind((local, 0))
            listener.listen()
            client = socket.create_connection(listener.getsockname()[:2], 5)
            accepted, _ = listener.accept()
        set_up(accepted)
        meter = Meter()
        made.append(Joined(client, ClientPump(sock, accepted, meter=meter, **options), meter))
        return made[-1]

    yield start
    for each in made:
        each.client.close()
        await asyncio.wait({each.task}, timeout=5)
        assert each.task.done(), "the pump hangs"


async def test_a_megabyte_each_way_and_half_close(
    host: AsyncNetworkInterface, server: Any, join: Join
) -> None:
    both = await join(await host.connect(await server(echo)))
    payload = os.urandom(1 << 20)

    async def send() -> None:
        await both.say(payload)
        both.client.shutdown(socket.SHUT_WR)

    sending = asyncio.create_task(send())
    assert await both.hear() == payload
    await sending
    both.client.close()
    assert await both.done() is None
    assert both.meter == Meter(len(payload), len(payload))


async def test_answers_come_after_a_half_close_that_cannot_be_passed_on(
    tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join
) -> None:
    both = await join(tcp, first=b"what was read before, ")
    await both.say(b"request")
    both.client.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.05)
    stack.say("recv", b"late ", b"answer", b"")
    stack.change()
    assert await both.hear() == b"late answer"
    both.client.close()
    assert await both.done() is None
    assert b"".join(stack.payloads("send")) == b"what was read before, request"
    assert both.meter == Meter(29, 11)


async def test_silence_after_a_half_close_is_no_end_of_file(
    tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join
) -> None:
    both = await join(tcp, patience=0.2)
    stack.say("recv", b"some")
    stack.change()
    both.client.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionResetError):
        await both.hear()
    assert "silent for 0.2 s" in str(await both.done())
    assert "close" in stack.names()


@pytest.mark.parametrize("local", ["127.0.0.1", "::1"])
async def test_a_client_that_closed_altogether_is_not_waited_for(
    tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join, local: str
) -> None:
    both = await join(tcp, local, patience=60)
    await both.say(b"fire and forget, more than a frame")
    both.client.close()
    assert await both.done() is None
    assert b"".join(stack.payloads("send")) == b"fire and forget, more than a frame"
    assert ("close", stack.last, False) in stack.calls, "in order: the peer gets everything"


async def test_an_abnormal_end_is_data_and_then_a_reset(
    tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join
) -> None:
    payload = os.urandom(2 << 20)
    for start in range(0, len(payload), 1 << 16):
        stack.say("recv", payload[start : start + (1 << 16)])
    stack.say("recv", ConnectionReset("lost"))
    both = await join(tcp)
    stack.change()
    await asyncio.sleep(0.2)
    received = bytearray()
    with pytest.raises(ConnectionResetError):
        await both.hear(received, 50_000)
    assert bytes(received) == payload
    assert isinstance(await both.done(), ConnectionReset)
    assert both.meter.down == len(payload)
    assert ("close", stack.last, True) in stack.calls


async def test_a_slow_reader_gets_everything_before_the_reset(
    tcp: AsyncTCPSocket,
    stack: ScriptedStack,
    join: Join,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as it takes something, however long the whole takes; the stack's socket is free."""
    monkeypatch.setattr(client_module, "LINGER", 0.2)
    both = await join(tcp)
    both.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stack.say("recv", bytes(60_000), ConnectionReset("lost"))
    stack.change()
    async with asyncio.timeout(5):
        while stack.open_handles:
            await asyncio.sleep(0.01)
    assert not both.task.done()
    received = 0
    with pytest.raises(ConnectionResetError):
        while True:
            received += len(await asyncio.to_thread(both.client.recv, 4000))
            await asyncio.sleep(0.05)
    assert received == 60_000
    assert isinstance(await both.done(), ConnectionReset)


async def test_the_peer_closes(tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join) -> None:
    both = await join(tcp)
    stack.say("recv", b"bye", b"")
    stack.change()
    assert await both.hear() == b"bye"
    both.client.close()
    assert await both.done() is None


async def test_the_peer_closes_before_everything_was_sent(
    tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join
) -> None:
    stack.say("send", 4, BrokenPipe("the peer has closed"))
    stack.say("recv", None, b"go away", b"")
    both = await join(tcp)
    await both.say(b"0123456789")
    await asyncio.sleep(0.05)
    stack.change()
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        await both.hear(received)
    assert bytes(received) == b"go away"
    with pytest.raises(ConnectionError):  # what is sent now goes nowhere, and that is told
        for _ in range(50):
            await both.say(b"more")
            await asyncio.sleep(0.01)
    await both.done()
    assert both.meter == Meter(4, 7)


async def test_the_client_resets(tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join) -> None:
    both = await join(tcp)
    await both.say(b"x")
    await asyncio.sleep(0.05)
    both.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    both.client.close()
    assert isinstance(await both.done(), UserReset)
    assert ("close", stack.last, True) in stack.calls


async def test_a_client_that_resets_while_it_is_told_something(
    tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join
) -> None:
    both = await join(tcp)
    for _ in range(1000):
        stack.say("recv", bytes(1 << 16))
    stack.change()
    await asyncio.to_thread(both.client.recv, 100)
    both.client.close()  # with unread data: a reset
    await both.done()
    assert ("close", stack.last, True) in stack.calls
    assert len(stack.answers["recv"]) > 500


async def test_back_pressure_up(tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join) -> None:
    stack.say("send", Gate())
    both = await join(tcp)
    both.client.setblocking(False)
    queued = 0
    for _ in range(40):
        try:
            queued += both.client.send(bytes(1 << 20))
        except BlockingIOError:
            await asyncio.sleep(0.005)
    assert queued < 8 << 20, "somebody keeps what the stack did not take"
    assert len(stack.payloads("send")) == 1
    both.task.cancel()


async def test_back_pressure_down(tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join) -> None:
    for _ in range(1000):
        stack.say("recv", bytes(1 << 16))
    both = await join(tcp)
    stack.change()
    await asyncio.sleep(0.2)
    assert len(stack.answers["recv"]) > 800, "the stack is not emptied for a client who sleeps"
    both.task.cancel()


async def test_cancelled_resets_both(tcp: AsyncTCPSocket, stack: ScriptedStack, join: Join) -> None:
    both = await join(tcp)
    await asyncio.sleep(0.02)
    both.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both.done()
    with pytest.raises(ConnectionResetError):
        await both.hear()
    assert ("close", stack.last, True) in stack.calls
