"""AsyncUDPSocket over a scripted stack."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator

import pytest

from netsocket import AsyncNetworkInterface, AsyncUDPSocket, SocketAddress
from netsocket.errors import (
    CallTimeout,
    DestinationRequired,
    MessageTooLong,
    NameNotFound,
    NotConnected,
    NotSupported,
    WouldBlock,
)

from .scripted import Gate, ScriptedStack

A = SocketAddress("192.0.2.1", 53)
B = SocketAddress("192.0.2.2", 53)


@pytest.fixture
async def udp(net: AsyncNetworkInterface) -> AsyncIterator[AsyncUDPSocket]:
    async with net.udp_socket() as socket:
        yield socket


async def test_one_datagram_each_and_cut_silently(
    udp: AsyncUDPSocket, stack: ScriptedStack
) -> None:
    stack.say("recvfrom", (b"abcdef", A), (b"second", B), (b"", A), (b"taken", A), (b"x", B))
    assert await udp.recvfrom(3) == (b"abc", A)
    assert await udp.recvfrom(100) == (b"second", B)
    assert await udp.recv(10) == b"", "an empty datagram is not an end"
    assert await udp.recv(0) == b""
    assert await udp.recvfrom(10) == (b"x", B), "recv(0) consumed one"
    assert {call[2] for call in stack.calls if call[0] == "recvfrom"} == {50}


async def test_fixed_peer_filters(udp: AsyncUDPSocket, stack: ScriptedStack) -> None:
    with pytest.raises(DestinationRequired):
        await udp.send(b"x")
    with pytest.raises(NotConnected):
        await udp.getpeername()
    await udp.connect(A)
    assert await udp.getpeername() == A
    stack.say("recvfrom", (b"stranger", B), (b"friend", A))
    assert await udp.recv(10) == b"friend"
    assert await udp.send(b"hello") == 5
    assert await udp.sendto(b"elsewhere", B) == 9
    assert stack.names()[-2:] == ["send", "sendto"]


async def test_limits_come_before_writing(udp: AsyncUDPSocket, stack: ScriptedStack) -> None:
    with pytest.raises(MessageTooLong, match="at most 20") as caught:
        await udp.sendto(b"x" * 21, A)
    assert caught.value.errno == errno.EMSGSIZE
    with pytest.raises(NotSupported, match="empty payload"):
        await udp.sendto(b"", A)
    assert "sendto" not in stack.names()
    assert await udp.sendto(b"x" * 20, 0, A) == 20
    with pytest.raises(TypeError):
        await udp.sendto(b"x")
    with pytest.raises(NotSupported):
        await udp.sendto(b"x", socket.MSG_DONTROUTE, A)


async def test_names_are_resolved_by_the_stack(udp: AsyncUDPSocket, stack: ScriptedStack) -> None:
    await udp.sendto(b"x", ("a.example", 99))
    assert stack.calls[-1][3] == ("192.0.2.7", 99)
    stack.say("resolve", NameNotFound("no such name"))
    with pytest.raises(socket.gaierror):
        await udp.sendto(b"x", ("b.example", 99))
    await udp.connect(("c.example", 5))
    assert await udp.getpeername() == ("192.0.2.7", 5)


async def test_no_room_waits_and_a_late_send_is_not_repeated(
    udp: AsyncUDPSocket, stack: ScriptedStack
) -> None:
    stack.say("sendto", 0)
    sending = asyncio.create_task(udp.sendto(b"one", A))
    await asyncio.sleep(0.01)
    stack.change()
    assert await sending == 3
    udp.settimeout(0.02)
    gate = Gate()
    stack.say("sendto", gate)
    with pytest.raises(CallTimeout) as caught:
        await udp.sendto(b"two", A)
    assert caught.value.unknown == 3
    gate.end(3)
    assert await udp.sendto(b"three", A) == 5
    assert stack.payloads("sendto") == [b"one", b"one", b"two", b"three"]


async def test_non_blocking_and_time_out(udp: AsyncUDPSocket) -> None:
    udp.setblocking(False)
    with pytest.raises(WouldBlock):
        await udp.recv(1)
    udp.settimeout(0.01)
    with pytest.raises(TimeoutError):
        await udp.recv(1)
    with pytest.raises(NotSupported):
        await udp.listen()
    with pytest.raises(NotSupported):
        await udp.accept()


async def test_recvfrom_into(udp: AsyncUDPSocket, stack: ScriptedStack) -> None:
    buffer = bytearray(3)
    stack.say("recvfrom", (b"abcdef", A))
    assert await udp.recvfrom_into(buffer) == (3, A)
    assert buffer == b"abc"
    with pytest.raises(NotConnected):
        await udp.shutdown(socket.SHUT_RDWR)
