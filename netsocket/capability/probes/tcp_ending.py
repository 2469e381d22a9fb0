"""Streams: every way in which a connection ends."""

from __future__ import annotations

import asyncio
import socket as _socket

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import DAYTIME, TAIL, until
from netsocket.capability.probes.tools import (
    LIMIT,
    connected,
    difference,
    echo,
    pattern,
    receive,
)
from netsocket.capability.verdict import Outcome, Verdict, check, passed, probe
from netsocket.errors import CallTimeout
from netsocket.interface import AsyncNetworkInterface


@probe("TCPSOCKET_ENDPOINT_CLOSE", "tcp.recv")
async def endpoint_close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Daytime: at least 10 bytes first (defect 4), then the end."""
    async with connected(net, far, "daytime") as (sock, _seen):
        got = bytearray()
        while part := await sock.recv(30 - len(got)):
            got += part
            check(len(got) < 30, "more than the service sent")
    check(bytes(got) == DAYTIME, difference(DAYTIME, bytes(got)))
    return passed(f"{len(got)} bytes, then b''")


@probe("TCPSOCKET_DRAIN", "tcp.drain")
async def drain(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """5120 bytes and an immediate close, read late."""
    async with connected(net, far, "tail") as (sock, _seen):
        await asyncio.sleep(0.3)
        got = await receive(sock, len(TAIL) + 1)
    check(got == TAIL, difference(TAIL, got))
    return passed(f"{len(got)} bytes read after the peer had closed")


@probe("TCPSOCKET_RESET_BY_PEER", "tcp.reset_seen")
async def reset_by_peer(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The far end resets; recv must say so."""
    async with connected(net, far, "reset") as (sock, _seen):
        await sock.send(b"x")
        try:
            data = await sock.recv(10)
        except ConnectionResetError:
            return passed("recv raised ECONNRESET")
    return Verdict(Outcome.FAIL, f"recv returned {data!r} after a reset, as at an orderly end")


@probe("TCPSOCKET_HALF_CLOSE", "tcp.half_close")
async def half_close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """SHUT_WR, then the answer that the far end gives after our end."""
    async with connected(net, far, "half_close") as (sock, seen):
        await sock.sendall(pattern(1000))
        await sock.shutdown(_socket.SHUT_WR)
        answer = await receive(sock, 5)
        check(answer == b"1000", f"the far end answered {answer!r}")
        await far.settled()
        check(seen.ended == "eof", f"the far end saw {seen.ended!r}")
    return passed("the far end saw our end and answered after it")


@probe("TCPSOCKET_SHUTDOWN_READ", "tcp.shutdown_read")
async def shutdown_read(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """SHUT_RD: recv ends, sending goes on."""
    async with connected(net, far, "discard") as (sock, seen):
        await sock.shutdown(_socket.SHUT_RD)
        data = await sock.recv(10)
        check(data == b"", f"recv returned {data!r}")
        await sock.sendall(b"still here")
        await until(lambda: bytes(seen.received) == b"still here")
    return passed("recv is at its end, the far end got what was sent afterwards")


@probe("TCPSOCKET_SHUTDOWN_BOTH", "tcp.shutdown_both")
async def shutdown_both(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """SHUT_RDWR: the far end sees an orderly end while our object lives on."""
    async with connected(net, far, "discard") as (sock, seen):
        await sock.sendall(b"last words")
        await sock.shutdown(_socket.SHUT_RDWR)
        await until(lambda: seen.ended != "", LIMIT)
        check(await sock.recv(10) == b"", "recv still has something")
        check(bytes(seen.received) == b"last words", f"the far end has {bytes(seen.received)!r}")
        check(seen.ended == "eof", f"the far end saw {seen.ended}")
    return passed("the far end saw an orderly end after the last byte")


@probe("TCPSOCKET_CLOSE", "tcp.close")
async def close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """close right behind 6000 bytes."""
    data = pattern(6000)
    async with connected(net, far, "discard") as (sock, seen):
        await sock.sendall(data)
        await sock.close()
        await until(lambda: seen.ended != "", LIMIT)
        check(bytes(seen.received) == data, difference(data, bytes(seen.received)))
        check(seen.ended == "eof", f"the far end saw {seen.ended}")
    return passed("6000 bytes, then an orderly end")


@probe("TCPSOCKET_ABORT", "tcp.abort")
async def abort(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """abort: the far end sees a reset."""
    async with connected(net, far, "discard") as (sock, seen):
        await sock.send(b"x")
        await until(lambda: bytes(seen.received) == b"x")
        await sock.abort()
        await until(lambda: seen.ended != "", LIMIT)
    check(seen.ended == "reset", "the far end saw an orderly end")
    return passed("the far end saw a reset")


@probe("TCPSOCKET_END_REPEATS", "error.end_repeats")
async def end_repeats(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """recv after the end."""
    async with connected(net, far, "daytime") as (sock, _seen):
        await receive(sock, len(DAYTIME))
        for _ in range(3):
            check(await sock.recv(10) == b"", "recv had data after the end")
    return passed("b'' three times")


@probe("TCPSOCKET_SEND_AFTER_END", "error.broken_pipe")
async def send_after_end(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Sends to a peer that has closed; a few may be taken until its reset comes back."""
    async with connected(net, far, "daytime") as (sock, _seen):
        await receive(sock, len(DAYTIME) + 1)
        for number in range(50):
            try:
                await sock.send(b"anybody there?")
            except CallTimeout:
                break
            except (BrokenPipeError, ConnectionResetError) as error:
                return passed(f"{type(error).__name__} at send number {number + 1}")
            await asyncio.sleep(0.02)
    return Verdict(Outcome.FAIL, "50 sends to a closed connection raised nothing")


@probe("TCPSOCKET_THREAD_PER_SOCKET_SAFETY", "wait.sockets")
async def several_sockets(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two sockets with their own sizes at the same time."""

    async def talk(sizes: range | list[int], seed: int) -> None:
        async with connected(net, far, "echo") as (sock, _seen):
            for size in sizes:
                await echo(sock, pattern(size, seed + size))

    both = [asyncio.create_task(talk(range(1001, 0, -100), 1)),
            asyncio.create_task(talk([10] * 40, 2000))]  # fmt: skip
    try:
        await asyncio.gather(*both)
    finally:  # one that has failed leaves none behind that would be in the next probe's way
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
    return passed("sizes 1001 to 1 on one socket, 40 x 10 bytes on another, nothing mixed")
