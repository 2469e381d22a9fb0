"""lwIP as a stack: two processes of it joined by a socket pair, no privilege, no network."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import socket
import struct
import time
from typing import Any

import pytest
import uvloop

from netsocket import AsyncNetworkInterface
from netsocket.address import SocketAddress
from netsocket.errors import (
    AddressNotAvailable,
    BadHandle,
    ConnectionRefused,
    ConnectionReset,
    NetworkDown,
    NotSupported,
)
from netsocket.interface_kinds import interface_for
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip import LwipStack
from netsocket.ip.pair import HERE, HERE_6, THERE, THERE_6, packet_pair
from netsocket.stack import InterfaceStatus, Kind
from tests.ip.hostile import checksum, hostile
from tests.ip.rig import LWIP, joined, stack_of

pytestmark = LWIP


async def accepted(far: AsyncNetworkInterface, near: AsyncNetworkInterface, host: str = "") -> Any:
    """A connection, both of its ends."""
    async with far.tcp_socket() as listener:
        await listener.bind((host, 0))
        await listener.listen()
        mine = near.tcp_socket()
        target = THERE_6 if ":" in host else THERE
        await mine.connect((target, (await listener.getsockname()).port))
        its, peer = await listener.accept()
        return mine, its, peer


@pytest.mark.parametrize(("host", "own"), [("", HERE), ("::", HERE_6)], ids=["v4", "v6"])
async def test_both_ways_with_half_close(host: str, own: str) -> None:
    async with joined() as (near, far):
        mine, its, peer = await accepted(far, near, host)
        async with mine, its:
            assert peer == await mine.getsockname()
            assert peer.host == own
            await mine.sendall(b"ask" * 1000)
            await mine.shutdown(socket.SHUT_WR)
            got = b""
            while data := await its.recv(65536):
                got += data
            assert got == b"ask" * 1000
            await its.sendall(b"answer")
            await its.close()
            assert await mine.recv(100) == b"answer"
            assert await mine.recv(100) == b""


@pytest.mark.parametrize("size", [2 << 20, pytest.param(16 << 20, marks=pytest.mark.gate)])
async def test_each_direction_by_hash(size: int) -> None:
    async with joined() as (near, far):
        mine, its, _ = await accepted(far, near)
        payload = random.Random(8).randbytes(size)

        async def send(sock: Any) -> None:
            await sock.sendall(payload)
            await sock.shutdown(socket.SHUT_WR)

        async def take(sock: Any) -> str:
            seen = hashlib.sha256()
            while data := await sock.recv(65536):
                seen.update(data)
            return seen.hexdigest()

        async with mine, its:
            found = await asyncio.gather(send(mine), send(its), take(mine), take(its))
        assert found[2:] == [hashlib.sha256(payload).hexdigest()] * 2


async def test_nothing_is_lost_when_readers_are_cancelled() -> None:
    async with joined() as (near, far):
        mine, its, _ = await accepted(far, near)
        async with mine, its:
            handle, stack = mine._handle, near.stack
            sent = b"".join(b"%06d" % n for n in range(2000))
            sending = asyncio.create_task(its.sendall(sent))
            got = b""
            while len(got) < len(sent):
                reading = asyncio.create_task(stack.recv(handle, 100))
                await asyncio.sleep(0)
                if len(got) % 5 == 0:
                    reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    got += await reading or b""
            await sending
            assert got == sent


@pytest.mark.gate
async def test_packets_that_nobody_sends_by_mistake_end_no_process() -> None:
    """20000 of them, checksums right and contents wrong, and ordinary work between them."""
    mine, its = packet_pair()
    own = IpSettings((f"{HERE}/24", f"{HERE_6}/64", "fe80::2/64"))
    its.setblocking(False)
    async with interface_for(LwipStack(IpPacketLink("storm", mine, own))) as net:
        async with net.tcp_socket() as listener, net.udp_socket() as four, net.udp_socket() as six:
            await listener.bind(("", 80))
            await listener.listen()
            await four.bind(("", 5000))
            await six.bind(("::", 7))
            for seed in range(20_000):
                while not _sent(its, hostile(seed)):
                    await asyncio.sleep(0.001)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        its.recv(70_000)
                if seed % 500 == 0:
                    await net.refresh()
                    assert net.status is InterfaceStatus.GLOBAL_UP, (seed, net.failure)
    its.close()


async def test_an_ipv6_address_from_the_networks_router() -> None:
    """PPP gives a link-local address alone; a router advertisement gives the prefix (RFC 4862)."""
    mine, its = packet_pair()
    its.setblocking(False)
    loop = asyncio.get_running_loop()
    stack = LwipStack(IpPacketLink("radio", mine, IpSettings(("fe80::1:2:3:4/64",))))

    async def router() -> None:
        while True:
            packet = await loop.sock_recv(its, 2000)
            if packet[6] == 58 and packet[40] == 133:
                prefix = bytes((3, 4, 64, 0xC0)) + struct.pack("!III", 3600, 3600, 0)
                prefix += socket.inet_pton(socket.AF_INET6, "fd99::")
                message = bytes((134, 0, 0, 0, 64, 0)) + struct.pack("!HII", 1800, 0, 0) + prefix
                source, target = "fe80::ff", "ff02::1"
                await loop.sock_sendall(its, advertised(message, source, target))

    answering = asyncio.create_task(router())
    async with interface_for(stack) as net:
        assert net.ip_address == "fd99::1:2:3:4"
        assert net.status is InterfaceStatus.GLOBAL_UP
    answering.cancel()
    its.close()


def advertised(message: bytes, source: str, target: str) -> bytes:
    ends = b"".join(socket.inet_pton(socket.AF_INET6, each) for each in (source, target))
    total = checksum(ends + struct.pack("!IHBB", len(message), 0, 0, 58) + message)
    body = message[:2] + total + message[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + ends + body


async def test_a_handle_is_not_that_of_the_next_socket_with_its_number() -> None:
    async with joined() as (near, _):
        stack = stack_of(near)
        old = await stack.open(Kind.UDP)
        await stack.close(old)
        fresh = await stack.open(Kind.UDP)
        with pytest.raises(BadHandle):
            await stack.recvfrom(old, 1)
        await stack.close(old)
        assert await stack.recvfrom(fresh, 1) is None
        await stack.close(fresh)


async def test_a_socket_that_was_being_opened_for_nobody_is_closed() -> None:
    async with joined() as (near, _):
        stack = stack_of(near)
        for _ in range(20):
            opening = asyncio.create_task(stack.open(Kind.TCP))
            await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        await stack.status()
        handle = await stack.open(Kind.TCP)
        assert stack._entries[handle].number == 1, "lwIP gives the lowest free number"


def _sent(carrier: socket.socket, packet: bytes) -> bool:
    try:
        carrier.send(packet)
    except BlockingIOError:
        return False
    return True


async def test_refused_then_the_same_socket_connects() -> None:
    async with joined() as (near, far), far.tcp_socket() as listener, near.tcp_socket() as mine:
        await mine.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with pytest.raises(ConnectionRefused):
            await mine.connect((THERE, 9))
        await listener.bind(("", 80))
        await listener.listen()
        await mine.connect((THERE, 80))
        assert await mine.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize("way", ["abort", "linger"])
async def test_a_reset_comes_after_the_data(way: str) -> None:
    async with joined() as (near, far):
        mine, its, _ = await accepted(far, near)
        async with mine, its:
            await its.sendall(b"before")
            await asyncio.sleep(0.02)
            if way == "linger":
                off = struct.pack("ii", 1, 0)
                await its.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, off)
                await its.close()
            else:
                await its.abort()
            await asyncio.sleep(0.02)
            assert await mine.recv(100) == b"before"
            for _ in range(2):
                with pytest.raises(ConnectionReset):
                    await mine.recv(100)


async def test_what_was_queued_before_the_interface_closed_arrives() -> None:
    payload = bytes(60_000)
    async with joined() as (near, far):
        mine, its, _ = await accepted(far, near)
        await mine.sendall(payload)
        await mine.close()
        await near.close()
        got = 0
        async with its:
            while data := await its.recv(65536):
                got += len(data)
        assert got == len(payload)


async def test_a_hundred_sockets_at_once() -> None:
    async with joined() as (near, far), far.tcp_socket() as listener:
        await listener.bind(("", 7))
        await listener.listen(100)

        async def serve() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(100):
                    sock, _ = await listener.accept()
                    group.create_task(back(sock))

        async def back(sock: Any) -> None:
            async with sock:
                while data := await sock.recv(1000):
                    await sock.sendall(data)

        async def one(number: int) -> None:
            async with near.tcp_socket() as sock:
                await sock.connect((THERE, 7))
                await barrier.wait()
                text = b"%d" % number * 100
                await sock.sendall(text)
                got = b""
                while len(got) < len(text):
                    got += await sock.recv(1000)
                assert got == text

        barrier = asyncio.Barrier(100)
        await asyncio.gather(serve(), *map(one, range(100)))


async def test_datagrams_keep_their_boundaries_and_their_senders() -> None:
    async with joined() as (near, far), far.udp_socket() as its, near.udp_socket() as mine:
        await its.bind(("", 5000))
        for data in (b"", b"x", bytes(14_792)):
            await mine.sendto(data, (THERE, 5000))
            assert await its.recvfrom(65_535) == (data, await mine_address(mine))
        await mine.sendto(b"0123456789", (THERE, 5000))
        await mine.sendto(b"next", (THERE, 5000))
        assert (await its.recvfrom(4))[0] == b"0123"
        assert (await its.recvfrom(10))[0] == b"next"


async def mine_address(sock: Any) -> SocketAddress:
    return SocketAddress(HERE, (await sock.getsockname()).port)


async def test_the_carrier_holds_datagrams_back_instead_of_losing_them() -> None:
    """Nobody reads the packets for a while: sendto waits, and nothing that it took is lost."""
    mine, its = packet_pair()
    stack = LwipStack(IpPacketLink("held", mine, IpSettings((f"{HERE}/24",))))
    async with interface_for(stack) as net, net.udp_socket() as sock:
        sock.settimeout(0.3)
        count = 0
        with pytest.raises(TimeoutError):
            while True:
                await sock.sendto(b"%05d" % count + bytes(995), (THERE, 9))
                count += 1
        assert 20 < count < 2000
        its.setblocking(False)
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(its.recv(2000)[28:33])
        assert got == [b"%05d" % n for n in range(count)]
        sock.settimeout(5.0)
        await sock.sendto(b"again", (THERE, 9))
        its.settimeout(5.0)
        while not (await asyncio.to_thread(its.recv, 2000)).endswith(b"again"):
            pass
    its.close()


async def test_only_own_addresses_can_be_bound() -> None:
    async with joined() as (near, _), near.udp_socket() as sock:
        with pytest.raises(AddressNotAvailable):
            await sock.bind((THERE, 0))
        await sock.bind((HERE, 0))


async def test_an_option_that_lwip_has_not() -> None:
    async with joined() as (near, _), near.tcp_socket() as sock:
        for name in (socket.SO_SNDBUF, socket.SO_BINDTODEVICE, 54321):
            with pytest.raises(NotSupported):
                await sock.setsockopt(socket.SOL_SOCKET, name, 1)


async def test_a_process_that_is_killed_ends_everything_with_the_reason() -> None:
    async with joined() as (near, far):
        told: list[InterfaceStatus] = []
        near.on_status(told.append)
        mine, _its, _ = await accepted(far, near)
        async with near.tcp_socket() as listener, near.udp_socket() as datagrams:
            await listener.bind(("", 80))
            await listener.listen()
            waiting = [
                asyncio.create_task(work)
                for work in (mine.recv(1), listener.accept(), datagrams.recvfrom(1),
                             near.tcp_socket().connect((THERE, 9)))
            ]  # fmt: skip
            waiting.append(asyncio.create_task(mine.sendall(bytes(1 << 20))))
            await asyncio.sleep(0.05)
            pid = stack_of(near)._process.pid  # type: ignore[union-attr]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(5.0):
                ended = await asyncio.gather(*waiting, return_exceptions=True)
            assert all(isinstance(each, OSError) for each in ended), ended
            assert "ended by signal 9" in str(ended[0])
            assert near.status is InterfaceStatus.DISCONNECTED
            assert told == [InterfaceStatus.DISCONNECTED]
            with pytest.raises(NetworkDown, match="signal 9"):
                await near.udp_socket().sendto(b"x", (THERE, 9))
        await near.up()  # on another descriptor of the same carrier
        mine, its, _ = await accepted(far, near)
        async with mine, its:
            await mine.sendall(b"again")
            assert await its.recv(10) == b"again"


async def test_a_carrier_that_ends_takes_the_interface_down() -> None:
    mine, its = packet_pair()
    stack = LwipStack(IpPacketLink("cut", mine, IpSettings((f"{HERE}/24",))))
    async with interface_for(stack) as net:
        async with net.udp_socket() as sock:
            waiting = asyncio.create_task(sock.recvfrom(1))
            await asyncio.sleep(0.05)
            its.close()
            with pytest.raises(NetworkDown, match="carrier"):
                await waiting
        assert net.status is InterfaceStatus.DISCONNECTED
        assert mine.fileno() == -1
        with pytest.raises(NetworkDown):
            await net.up()


async def test_down_closes_the_link_and_its_handles_are_stale() -> None:
    mine, its = packet_pair()
    stack = LwipStack(IpPacketLink("down", mine, IpSettings((f"{HERE}/24",))))
    stack.attach(lambda *_: None, lambda _: None)
    await stack.up()
    handle = await stack.open(Kind.UDP)
    pid = stack._process.pid  # type: ignore[union-attr]
    await stack.down()
    await stack.down()
    assert mine.fileno() == -1
    with pytest.raises(OSError, match="no such socket"):
        await stack.recvfrom(handle, 1)
    await stack.close(handle)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    its.close()


@pytest.mark.parametrize("seconds", [1.0, pytest.param(60.0, marks=pytest.mark.nightly)])
async def test_a_stream_survives_hostile_packets_on_its_carrier(seconds: float) -> None:
    """A megabyte a second of them beside the real ones: bytes stay right, lwIP stays up."""
    near_end, near_other = packet_pair()
    far_end, far_other = packet_pair()
    settings = IpSettings((f"{HERE}/24", f"{HERE_6}/64"))
    its = IpSettings((f"{THERE}/24", f"{THERE_6}/64"))
    near = interface_for(LwipStack(IpPacketLink("noisy", near_end, settings)))
    far = interface_for(LwipStack(IpPacketLink("quiet", far_end, its)))
    loop = asyncio.get_running_loop()
    for each in (near_other, far_other):
        each.setblocking(False)

    async def carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while packet := await loop.sock_recv(source, 70_000):
                await loop.sock_sendall(target, packet)

    async def noise() -> int:
        count, ends, sent = 0, time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            packet = hostile(count)
            count += 1
            sent += len(packet)
            with contextlib.suppress(BlockingIOError):
                near_other.send(packet)
            if sent > 20_000:
                sent = 0
                await asyncio.sleep(0.02)
        return count

    async with near, far:
        carriers = [
            asyncio.create_task(carry(near_other, far_other)),
            asyncio.create_task(carry(far_other, near_other)),
        ]
        mine, theirs, _ = await accepted(far, near)
        payload = random.Random(1).randbytes(100_000)
        async with mine, theirs:
            making = asyncio.create_task(noise())
            rounds = 0
            while not making.done():
                sending = asyncio.create_task(theirs.sendall(payload))
                got = b""
                while len(got) < len(payload):
                    got += await mine.recv(65_536)
                await sending
                assert got == payload
                rounds += 1
            assert making.result() > 20
            assert rounds > 0
        assert near.status is InterfaceStatus.GLOBAL_UP
        for task in carriers:
            task.cancel()
    for each in (near_other, far_other):
        each.close()


def test_on_uvloop() -> None:
    async def work() -> None:
        async with joined() as (near, far):
            mine, its, _ = await accepted(far, near)
            async with mine, its:
                await mine.sendall(b"word")
                assert await its.recv(10) == b"word"

    uvloop.run(work())
