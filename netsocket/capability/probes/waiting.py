"""Waiting: time-outs, non-blocking calls, events, close and cancellation from elsewhere."""

from __future__ import annotations

import asyncio
import errno

from netsocket.capability.farend import FarEnd
from netsocket.capability.probes.tools import (
    LIMIT,
    connected,
    difference,
    echo,
    pattern,
    raises,
    receive,
    recv_in_vain,
    stopwatch,
    within,
)
from netsocket.capability.verdict import Verdict, check, passed, probe
from netsocket.interface import AsyncNetworkInterface


@probe("TCPSOCKET_RECV_TIMEOUT", "wait.timeout")
async def recv_timeout(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """0.1 s on a silent connection, looked at with a clock (defect 1); then echoes still work."""
    async with connected(net, far, "echo") as (sock, _seen):
        return passed(await recv_in_vain(sock, 3))


@probe("UDPSOCKET_RECV_TIMEOUT", "wait.timeout")
async def datagram_timeout(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The same for datagrams."""
    async with net.udp_socket() as sock:
        await sock.sendto(b"x", far.datagram_address("discard"))
        sock.settimeout(0.1)
        async with stopwatch() as watch:
            with raises(TimeoutError, call="recvfrom"):
                await sock.recvfrom(100)
    watch.check(0.1)
    return passed(f"TimeoutError after {watch.took:.2f} s with 0.1 s")


@probe("TCPSOCKET_CONNECT_TIMEOUT", "wait.connect_timeout")
async def connect_timeout(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A peer that never answers; the socket is usable afterwards."""
    async with net.tcp_socket() as sock:
        sock.settimeout(0.5)
        async with stopwatch() as watch:
            with raises(TimeoutError, call="connect"):
                await sock.connect(far.silent())
    watch.check(0.5)
    return passed(f"TimeoutError after {watch.took:.2f} s with 0.5 s")


@probe("TCPSOCKET_SEND_TIMEOUT", "wait.nonblocking")
async def nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Ten non-blocking sends, each within the plan's 800 ms; recv with nothing there."""
    slowest = 0.0
    async with connected(net, far, "discard") as (sock, _seen):
        sock.setblocking(False)
        for _ in range(10):
            async with stopwatch() as watch:
                try:
                    check(await sock.send(b"hello") == 5, "send took less than 5 bytes")
                except BlockingIOError:
                    await asyncio.sleep(0.02)
            slowest = max(slowest, watch.worked)
        with raises(BlockingIOError, call="recv"):
            await sock.recv(10)
    check(slowest <= 0.8, f"a non-blocking send took {slowest:.2f} s")
    return passed(f"10 sends, the slowest {slowest * 1000:.0f} ms; recv raised EAGAIN")


@probe("TCPSOCKET_SIGIO", "wait.event")
async def event(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """An event for new data, one for data before registration, one at close."""
    async with connected(net, far, "echo") as (sock, _seen):
        called = asyncio.Event()
        await sock.sendall(b"early")
        await asyncio.sleep(0.2)
        sock.sigio(called.set)
        await within(5.0, called.wait())
        check(await receive(sock, 5) == b"early", "the early bytes differ")
        sock.setblocking(False)  # an event is due only after "nothing there" was answered
        with raises(BlockingIOError, call="recv after everything was read"):
            await sock.recv(1)
        sock.settimeout(LIMIT)
        called.clear()
        await asyncio.sleep(0.2)  # a driver that has to ask for data does so by now
        await sock.sendall(b"late!")
        await within(5.0, called.wait())
        check(await receive(sock, 5) == b"late!", "the late bytes differ")
        called.clear()
        await sock.close()
        await within(5.0, called.wait())
    return passed("called for data before registration, for new data and at close")


@probe("TCPSOCKET_SIGIO_REMOVED", "wait.event_removed")
async def event_removed(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A removed callback stays silent, a replacing one is called instead."""
    calls: list[str] = []
    async with connected(net, far, "echo") as (sock, _seen):
        sock.sigio(lambda: calls.append("first"))
        await asyncio.sleep(0.05)
        sock.sigio(lambda: calls.append("second"))
        calls.clear()
        await echo(sock, b"one")
        check("first" not in calls and "second" in calls, f"called: {calls}")
        sock.sigio(None)
        calls.clear()
        await echo(sock, b"two")
    check(not calls, f"called after removal: {calls}")
    return passed("only the callback in force was called")


@probe("TCPSOCKET_CLOSE_DURING_READ", "wait.close_wakes")
async def close_wakes(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """close while another caller waits in recv."""
    async with connected(net, far, "discard") as (sock, _seen):
        sock.settimeout(None)
        waiting = asyncio.create_task(sock.recv(10))
        await asyncio.sleep(0.1)
        await sock.close()
        done, _ = await asyncio.wait({waiting}, timeout=5.0)
        if not done:
            waiting.cancel()
        check(bool(done), "recv still waits 5 s after close")
        error = waiting.exception()
    check(isinstance(error, OSError) and error.errno == errno.EBADF, f"recv raised {error!r}")
    return passed("recv raised EBADF")


@probe("TCPSOCKET_CANCEL", "wait.cancel")
async def cancel(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """recv is cancelled at many moments while a stream comes in."""
    data = pattern(8000)
    got = bytearray()
    async with connected(net, far, "echo") as (sock, _seen):
        writing = asyncio.create_task(sock.sendall(data))
        for number in range(400):
            if len(got) >= len(data):
                break
            try:
                async with asyncio.timeout(0.0005 * (number % 12)):
                    got += await sock.recv(700)
            except TimeoutError:
                continue
        await writing
        got += await receive(sock, len(data) - len(got))
    check(bytes(got) == data, difference(data, bytes(got)))
    return passed("8000 bytes complete over cancelled calls")


@probe("TCPSOCKET_DUPLEX", "wait.duplex")
async def duplex(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A writer and a reader on one socket."""
    data = pattern(30_000)
    async with connected(net, far, "echo") as (sock, _seen):
        _, got = await asyncio.gather(sock.sendall(data), receive(sock, len(data)))
    check(got == data, difference(data, got))
    return passed("30000 bytes out and back at the same time")


@probe("TCPSOCKET_ISOLATION", "wait.isolation")
async def isolation(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One socket is flooded and never read, the other goes on."""
    async with connected(net, far, "chargen"), connected(net, far, "echo") as (sock, _seen):
        await asyncio.sleep(0.2)
        sock.settimeout(5.0)
        for number in range(5):
            await echo(sock, pattern(500, number))
    return passed("5 echoes beside a flooded socket that nobody reads")
