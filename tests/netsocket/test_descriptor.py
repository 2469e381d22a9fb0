"""Real descriptors: queues, back-pressure, ends of every kind. The user's end works in threads."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from netsocket import AsyncNetworkInterface
from netsocket.adapters.reasons import KEPT
from netsocket.errors import BrokenPipe, ConnectionReset, ModuleRestarted

from .certificates import serving, trusting
from .scripted import Gate, ScriptedStack
from .test_hoststack import echo

Server = Callable[..., Any]
PEER = ("192.0.2.1", 80)


def read_to_end(sock: socket.socket) -> bytes:
    received = bytearray()
    while data := sock.recv(65536):
        received += data
    return bytes(received)


async def pumps_ended(net: AsyncNetworkInterface) -> None:
    async with asyncio.timeout(5):
        await asyncio.gather(*(pump.task for pump in list(net._pumps)))


async def test_echo_in_a_thread(host: AsyncNetworkInterface, server: Server) -> None:
    sock = await host.create_socket(await server(echo), timeout=5)
    assert type(sock) is socket.socket
    assert sock.gettimeout() == 5
    payload = bytes(range(256)) * 2000

    def use() -> bytes:
        with sock:
            received = bytearray()
            for start in range(0, len(payload), 10_000):
                part = payload[start : start + 10_000]
                sock.sendall(part)
                while len(received) < start + len(part):
                    received += sock.recv(65536)
            return bytes(received)

    assert await asyncio.to_thread(use) == payload
    await pumps_ended(host)


async def test_half_close_is_passed_on_where_possible(
    host: AsyncNetworkInterface, server: Server
) -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(str(len(await reader.read())).encode())
        writer.close()

    sock = await host.create_socket(await server(count), timeout=5)

    def use() -> bytes:
        with sock:
            sock.sendall(b"x" * 100_000)
            sock.shutdown(socket.SHUT_WR)
            return read_to_end(sock)

    assert await asyncio.to_thread(use) == b"100000"
    await pumps_ended(host)


async def test_half_close_elsewhere_keeps_receiving(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    sock = await net.create_socket(PEER, timeout=5)
    with sock:
        sock.sendall(b"request")
        sock.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0.05)
        assert "close" not in stack.names()
        stack.say("recv", b"answer", b"")
        stack.change()
        assert await asyncio.to_thread(read_to_end, sock) == b"answer"
    assert stack.payloads("send") == [b"request"]
    await pumps_ended(net)


async def test_close_after_half_close_is_noticed(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    sock = await net.create_socket(PEER)
    sock.shutdown(socket.SHUT_WR)
    await asyncio.sleep(0.05)
    assert stack.open_handles
    sock.close()
    await pumps_ended(net)
    assert not stack.open_handles


async def test_close_flushes_first(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    sock = await net.create_socket(PEER)
    stack.say("send", 0)
    sock.send(b"0123456789ABC")
    sock.close()
    await asyncio.sleep(0.02)
    stack.change()
    await pumps_ended(net)
    assert b"".join(stack.payloads("send")[1:]) == b"0123456789ABC"
    assert ("close", stack.last, False) in stack.calls


async def test_close_with_unread_data_still_flushes(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    stack.say("recv", b"nobody reads this")
    sock = await net.create_socket(PEER)
    await asyncio.sleep(0.02)
    sock.send(b"last")
    sock.close()
    await pumps_ended(net)
    assert stack.payloads("send") == [b"last"]
    assert ("close", stack.last, False) in stack.calls, "in order, not aborted"


async def test_close_by_garbage_collection(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    holder = [await net.create_socket(PEER)]
    with pytest.warns(ResourceWarning):
        holder.clear()
    gc.collect()
    await pumps_ended(net)
    assert not stack.open_handles


@pytest.mark.parametrize("moved", [False, True], ids=["own number", "detached to another number"])
@pytest.mark.parametrize("pending", [b"", b"unsent"], ids=["nothing queued", "more queued"])
async def test_abnormal_end_is_data_then_reset(
    net: AsyncNetworkInterface, stack: ScriptedStack, moved: bool, pending: bytes
) -> None:
    sock = await net.create_socket(PEER, timeout=5)
    if moved:
        number = os.dup(sock.fileno())
        sock.close()
        sock = socket.socket(fileno=number)
        sock.settimeout(5)
    if pending:
        stack.say("send", 0)
        sock.send(pending)
        await asyncio.sleep(0.01)
    stack.say("recv", b"before", ConnectionReset("lost"))
    stack.change()
    await pumps_ended(net)
    with sock:
        assert sock.recv(100) == b"before"
        with pytest.raises(ConnectionResetError):
            sock.recv(100)


async def test_reset_does_not_overtake_data_that_the_user_reads_late(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    payload = bytes(range(256)) * 400
    stack.say("recv", payload, ConnectionReset("lost"))
    sock = await net.create_socket(PEER, timeout=5)
    await asyncio.sleep(0.05)

    def use() -> bytes:
        received = bytearray()
        with sock:
            while True:
                try:
                    data = sock.recv(3000)
                except ConnectionResetError:
                    return bytes(received)
                assert data, "a clean end"
                received += data

    assert await asyncio.to_thread(use) == payload
    await pumps_ended(net)


async def test_reset_never_writes_into_a_reused_number(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    sock = await net.create_socket(PEER)
    number = sock.fileno()
    gate = Gate()
    stack.say("send", gate)
    sock.send(b"x")
    await gate.entered.wait()
    sock.close()
    reading, writing = os.pipe()
    spare = os.dup2(writing, number) if number not in (reading, writing) else writing
    gate.end(ConnectionReset("lost"))
    await pumps_ended(net)
    assert select.select([reading], [], [], 0)[0] == []
    for descriptor in {reading, writing, spare}:
        os.close(descriptor)


async def test_peer_closed_while_sending(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("send", BrokenPipe("peer closed"))
    sock = await net.create_socket(PEER, timeout=2)
    with sock:
        sock.send(b"x")
        await asyncio.sleep(0.05)
        with pytest.raises(BrokenPipeError):
            sock.send(b"y")
        stack.say("recv", b"rest", b"")
        stack.change()
        assert await asyncio.to_thread(read_to_end, sock) == b"rest"
    await pumps_ended(net)


async def test_back_pressure_outward(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    stack.say("send", 0)
    sock = await net.create_socket(PEER)
    sock.setblocking(False)
    queued = 0
    try:
        while queued < 1_000_000:
            queued += sock.send(b"x" * 512)
            await asyncio.sleep(0)
    except BlockingIOError:
        pass
    assert 512 <= queued < 20_000
    stack.change()
    sock.setblocking(True)
    sock.close()
    await pumps_ended(net)
    assert sum(map(len, stack.payloads("send")[1:])) == queued


async def test_back_pressure_inward(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    for _ in range(500):
        stack.say("recv", b"y" * 1000)
    stack.say("recv", b"")
    sock = await net.create_socket(PEER, timeout=5)
    await asyncio.sleep(0.05)
    assert len(stack.answers["recv"]) > 480, "the stack is not emptied for a user who sleeps"
    with sock:
        assert await asyncio.to_thread(read_to_end, sock) == b"y" * 500_000
    await pumps_ended(net)


async def test_select_sees_room_and_data(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    sock = await net.create_socket(PEER)
    with sock:
        readable, writable, _ = select.select([sock], [sock], [], 0)
        assert (readable, writable) == ([], [sock])
        stack.say("recv", b"x")
        stack.change()
        await asyncio.sleep(0.02)
        assert select.select([sock], [], [], 1)[0] == [sock]
        assert sock.recv(5) == b"x"
    await pumps_ended(net)


async def test_interface_close_resets_the_living_and_flushes_the_closed(
    stack: ScriptedStack,
) -> None:
    interface = AsyncNetworkInterface(stack)
    await interface.up()
    alive = await interface.create_socket(PEER, timeout=2)
    closed = await interface.create_socket(PEER)
    closed.send(b"parting words")
    closed.close()
    await interface.close()
    assert b"".join(stack.payloads("send")) == b"parting words"
    with alive, pytest.raises(ConnectionResetError):
        alive.recv(1)


async def test_many_in_parallel(host: AsyncNetworkInterface, server: Server) -> None:
    address = await server(echo)

    def use(sock: socket.socket, number: int) -> bool:
        payload = bytes([number]) * 50_000
        with sock:
            received = bytearray()
            for start in range(0, len(payload), 5000):
                sock.sendall(payload[start : start + 5000])
                while len(received) < start + 5000:
                    received += sock.recv(65536)
            return bytes(received) == payload

    socks = [await host.create_socket(address, timeout=10) for _ in range(8)]
    results = await asyncio.gather(
        *(asyncio.to_thread(use, sock, number) for number, sock in enumerate(socks))
    )
    assert all(results)
    await pumps_ended(host)


async def test_user_time_out(net: AsyncNetworkInterface) -> None:
    sock = await net.create_socket(PEER, timeout=0.05)
    with sock:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert time.monotonic() - started < 10
    await pumps_ended(net)


async def test_trio_over_the_descriptor(host: AsyncNetworkInterface, server: Server) -> None:
    """trio takes a plain socket.socket and nothing else; its own loop runs in a thread here."""
    plain = await host.create_socket(await server(echo), timeout=5)
    encrypted = await host.create_socket(await server(echo, ssl=serving()), timeout=5)
    payload = bytes(range(256)) * 500

    async def exchange(stream: trio.abc.Stream) -> bytes:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, payload)
            received = bytearray()
            while len(received) < len(payload):
                received += await stream.receive_some(65536)
        await stream.aclose()
        return bytes(received)

    async def use() -> list[bytes]:
        first = trio.SocketStream(trio.socket.from_stdlib_socket(plain))
        second = trio.SSLStream(
            trio.SocketStream(trio.socket.from_stdlib_socket(encrypted)),
            trusting(),
            server_hostname="localhost",
        )
        return [await exchange(first), await exchange(second)]

    assert await asyncio.to_thread(trio.run, use) == [payload, payload]
    await pumps_ended(host)


async def test_a_child_process_talks_through_the_module(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    sock = await net.create_socket(PEER)  # with a time-out it would be non-blocking, as any socket
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", "read line; echo heard $line"), stdin=sock, stdout=sock
    )
    sock.close()
    stack.say("recv", b"hello\n")
    stack.change()
    assert await asyncio.wait_for(child.wait(), 10) == 0
    await pumps_ended(net)
    assert b"".join(stack.payloads("send")) == b"heard hello\n"
    assert ("close", stack.last, False) in stack.calls, "closed when the last copy was"


# -- why -------------------------------------------------------------------------------------


async def test_last_error_has_what_the_kernel_cannot_carry(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    sock = await net.create_socket(PEER, timeout=5)
    assert net.last_error(sock) is None
    stack.say("recv", b"some", ModuleRestarted("watchdog"))
    stack.change()
    await pumps_ended(net)
    with sock, sock.dup() as copy:
        assert sock.recv(100) == b"some"
        with pytest.raises(ConnectionResetError):
            sock.recv(100)
        assert isinstance(net.last_error(copy), ModuleRestarted)
    error = net.last_error(sock)  # closed
    assert isinstance(error, ModuleRestarted)
    assert error.reason == "watchdog"
    with socket.socket() as stranger:
        assert net.last_error(stranger) is None


async def test_last_error_of_a_flush_that_failed_after_close(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    sock = await net.create_socket(PEER)
    stack.say("send", ConnectionReset("nobody took it"))
    sock.send(b"parting words")
    sock.close()
    await pumps_ended(net)
    assert "nobody took it" in str(net.last_error(sock))


async def test_last_error_is_none_after_an_orderly_end(
    net: AsyncNetworkInterface, stack: ScriptedStack
) -> None:
    stack.say("recv", b"all", b"")
    with await net.create_socket(PEER, timeout=5) as sock:
        assert await asyncio.to_thread(read_to_end, sock) == b"all"
    await pumps_ended(net)
    assert net.last_error(sock) is None


async def test_last_errors_are_bounded(net: AsyncNetworkInterface, stack: ScriptedStack) -> None:
    socks = []
    for _ in range(KEPT + 3):
        stack.say("recv", ConnectionReset("lost"))
        socks.append(await net.create_socket(PEER))
        await pumps_ended(net)
    assert net.last_error(socks[0]) is None
    assert net.last_error(socks[-1]) is not None
    assert len(net._reasons._ended) == KEPT
    assert not net._reasons._living
    for sock in socks:
        sock.close()


async def test_last_error_of_an_accepted_connection(host: AsyncNetworkInterface) -> None:
    listener = await host.create_listening_socket(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname(), 5)
    connection, _peer = await asyncio.to_thread(listener.accept)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    with listener, connection:
        with pytest.raises(ConnectionResetError):
            await asyncio.to_thread(connection.recv, 1)
        assert isinstance(host.last_error(connection), ConnectionReset)
    await pumps_ended(host)
