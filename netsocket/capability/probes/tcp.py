"""Streams: connecting, data in both directions, flow control, names."""

from __future__ import annotations

import asyncio

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import chargen, until
from netsocket.capability.probes.tools import (
    BURSTS,
    LIMIT,
    SIZED,
    TRAPS,
    connected,
    difference,
    echo,
    echo_by_events,
    pattern,
    raises,
    receive,
    send_often,
)
from netsocket.capability.verdict import Verdict, check, partial, passed, probe
from netsocket.errors import AlreadyInProgress, InProgress
from netsocket.interface import AsyncNetworkInterface

STANDS = 5
"""Looks in a row, 0.1 s apart, at which a writer that stands still has sent nothing: a slow radio
or a busy computer pauses for one or two."""


@probe("TCPSOCKET_CONNECT_INVALID", "tcp.connect")
async def connect(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A bad address raises ValueError and leaves the socket usable; then connect works."""
    known = len(far.tcp["discard"].connections)
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        with raises(ValueError, call="connect to a host name with a blank"):
            await sock.connect(("no such", 9))
        check(len(far.tcp["discard"].connections) == known, "something connected by itself")
        await sock.connect(far.address("discard"))
        await far.tcp["discard"].connection(known)
    return passed("the far end saw one connection by the time data could flow")


@probe("TCPSOCKET_CONNECT_NONBLOCK", "tcp.connect_nonblocking")
async def connect_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """EINPROGRESS, EALREADY while under way, sigio and an echo at the end."""
    async with net.tcp_socket() as sock:
        ended = asyncio.Event()
        sock.setblocking(False)
        with raises(InProgress, call="the first connect"):
            await sock.connect(far.address("echo"))
        with raises(AlreadyInProgress, call="the second connect"):
            await sock.connect(far.address("echo"))
        sock.sigio(ended.set)
        for _ in range(200):
            if sock.state.name == "OPEN":
                break
            await asyncio.sleep(0.02)
        check(ended.is_set(), "no event told of the end of the attempt")
        sock.settimeout(LIMIT)
        await echo(sock, b"now")
    return passed("EINPROGRESS, EALREADY, an event, then an echo")


@probe("TCPSOCKET_RECONNECT", "tcp.connect_again")
async def connect_again(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A refused socket is used again."""
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        with raises(OSError, call="connect to a closed port"):
            await sock.connect(far.refusing())
        await sock.connect(far.address("echo"))
        await echo(sock, b"second attempt")
    return passed("refused, then connected and echoed on the same object")


@probe("TCPSOCKET_SEND_REPEAT", "tcp.send")
async def send_repeat(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 sends of 5 bytes, each answering 5."""
    async with connected(net, far, "discard") as (sock, seen):
        await send_often(sock, seen)
    return passed("100 sends, 500 bytes at the far end in order")


@probe("TCPSOCKET_ECHOTEST", "tcp.sizes")
async def sizes(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The plan's 22 sizes; an early end is a failure, not a loop (defect 5)."""
    async with connected(net, far, "echo") as (sock, _seen):
        for message in SIZED:
            await echo(sock, message)
    return passed(f"{len(SIZED)} sizes from 1 to 1200 bytes echoed")


@probe("TCPSOCKET_ECHOTEST_NONBLOCK", "tcp.sizes")
async def sizes_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The same without ever blocking, driven by events alone."""
    async with connected(net, far, "echo") as (sock, _seen):
        await echo_by_events(sock, SIZED)
    return passed(f"{len(SIZED)} sizes echoed with EAGAIN and events only")


@probe("TCPSOCKET_ECHOTEST_BURST", "tcp.burst")
async def burst(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """20 x 1220 bytes."""
    async with connected(net, far, "echo") as (sock, _seen):
        for message in BURSTS:
            await echo(sock, message)
    return passed("20 bursts of 1220 bytes echoed")


@probe("TCPSOCKET_ECHOTEST_BURST_NONBLOCK", "tcp.burst")
async def burst_nonblocking(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """20 x 1220 bytes by events; asks for what is missing only (defect 6)."""
    async with connected(net, far, "echo") as (sock, _seen):
        await echo_by_events(sock, BURSTS)
    return passed("20 bursts of 1220 bytes echoed with events only")


@probe("TCPSOCKET_RECV_100K", "tcp.bulk")
async def bulk(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """102400 bytes of chargen, compared by offset."""
    async with connected(net, far, "chargen") as (sock, _seen):
        got = await receive(sock, 102_400)
    expected = chargen(102_400)
    check(got == expected, difference(expected, got))
    return passed("102400 bytes of RFC 864 pattern in order")


@probe("TCPSOCKET_RECV_100K_NONBLOCK", "tcp.bulk")
async def bulk_by_events(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """102400 bytes of chargen with EAGAIN and events only; at most 20 s without a byte."""
    got = bytearray()
    async with connected(net, far, "chargen") as (sock, _seen):
        event = asyncio.Event()
        sock.setblocking(False)
        sock.sigio(event.set)
        while len(got) < 102_400:
            event.clear()
            try:
                part = await sock.recv(min(1220, 102_400 - len(got)))
            except BlockingIOError:
                await asyncio.wait_for(event.wait(), 20.0)
                continue
            check(part != b"", f"the end after {len(got)} bytes")
            got += part
    expected = chargen(102_400)
    check(bytes(got) == expected, difference(expected, bytes(got)))
    return passed("102400 bytes of RFC 864 pattern in order")


@probe("TCPSOCKET_TRANSPARENT", "tcp.transparent")
async def transparent(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """All byte values and the words of AT modules, cut at several places."""
    text = bytes(range(256)) + b"".join(TRAPS) + bytes(reversed(range(256)))
    async with connected(net, far, "echo") as (sock, seen):
        for trap in TRAPS:
            await echo(sock, trap)
        await echo(sock, text * 2)
        await far.settled()
        check(bytes(seen.received) == b"".join(TRAPS) + text * 2, "the far end got other bytes")
    return passed("256 byte values and 10 protocol texts unchanged both ways")


@probe("TCPSOCKET_PEER_NAME", "tcp.peer_name")
async def peer_name(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """getpeername of a connected socket."""
    async with connected(net, far, "discard") as (sock, _seen):
        name = await sock.getpeername()
    check(tuple(name) == far.address("discard"), f"getpeername says {name}")
    return passed(f"{name}")


@probe("TCPSOCKET_LOCAL_NAME", "tcp.local_name")
async def local_name(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """getsockname compared with the port that the far end sees (NAT may change it)."""
    async with connected(net, far, "discard") as (sock, seen):
        name = await sock.getsockname()
    if name.port == 0:
        return partial(f"address {name.host}, but the port is not told (0)")
    check(name.port == seen.peer[1], f"getsockname says {name}, the far end sees {seen.peer[1]}")
    return passed(f"port {name.port} at both ends")


@probe("TCPSOCKET_BIND_PORT", "tcp.bind_port")
async def bind_port(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A free port of our choice, then connect."""
    port = far.free_port()
    known = len(far.tcp["discard"].connections)
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.bind(("", port))
        await sock.connect(far.address("discard"))
        seen = await far.tcp["discard"].connection(known)
    check(seen.peer[1] == port, f"bound to {port}, the far end sees {seen.peer[1]}")
    return passed(f"the far end sees port {port}")


@probe("TCPSOCKET_RECV_BACKPRESSURE", "receive.backpressure")
async def receive_backpressure(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Nothing is read for a while: the writer must stall; then every byte must be there."""
    async with connected(net, far, "chargen") as (sock, seen):
        held, still = -1, 0
        for _ in range(60):
            await asyncio.sleep(0.1)
            await far.settled()
            still = still + 1 if seen.sent == held else 0
            held = seen.sent
            if still == STANDS:
                break
        check(still == STANDS, f"{held} bytes were taken though nobody read, and no end")
        got = await receive(sock, 60_000)
        expected = chargen(60_000)
        check(got == expected, difference(expected, got))
    return passed(f"the writer stood still after {held} bytes; all were there later")


@probe("TCPSOCKET_SEND_BACKPRESSURE", "send.backpressure")
async def send_backpressure(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The far end does not read for a while, then everything accepted must arrive."""
    data = pattern(120_000)
    async with connected(net, far, "slow") as (sock, seen):
        sock.settimeout(80.0)  # a slow stack has nearly all the time of the probe
        writing = asyncio.create_task(sock.sendall(data))
        await asyncio.sleep(0.3)
        await far.settled()
        check(not seen.received, "the far end read already")
        seen.release.set()
        await writing
        await until(lambda: len(seen.received) >= len(data), LIMIT)
        check(bytes(seen.received) == data, difference(data, bytes(seen.received)))
    return passed("120000 bytes complete after 0.3 s without a reader")


@probe("TCPSOCKET_LISTEN_ACCEPT", "tcp.listen")
async def listen(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two clients one after the other, echoes in both directions."""
    port = far.free_port()
    async with net.tcp_socket() as listener:
        listener.settimeout(LIMIT)
        await listener.bind(("", port))
        await listener.listen(2)
        for text in (b"first", b"second"):
            reader, writer = await far.dial(net.ip_address or far.host, port)
            taken, _peer = await listener.accept()
            try:
                async with taken, asyncio.timeout(LIMIT):
                    writer.write(text)
                    check(await receive(taken, len(text)) == text, "the client's bytes differ")
                    await taken.sendall(text[::-1])
                    check(await reader.readexactly(len(text)) == text[::-1], "the answer differs")
            finally:
                writer.close()
                await asyncio.sleep(0)
    return passed("two clients were accepted and answered")


@probe("TCPSOCKET_LISTEN_BACKLOG", "tcp.listen")
async def backlog(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Three clients before the first accept, backlog 1: those beyond it wait, none is turned away.

    (Linux lets the surplus client repeat its SYN until there is room.)
    """
    port = far.free_port()
    host = net.ip_address or far.host
    served = 0
    async with net.tcp_socket() as listener:
        listener.settimeout(2.5)
        await listener.bind(("", port))
        await listener.listen(1)
        dialling = [asyncio.create_task(far.dial(host, port)) for _ in range(3)]
        try:
            await asyncio.sleep(0.3)
            for _ in dialling:
                taken, _peer = await listener.accept()
                async with taken:
                    await taken.sendall(b"welcome")
                served += 1
        except TimeoutError:
            pass
        finally:
            welcomed = 0
            # Who was accepted may hear of it a moment later; who was not hears nothing for long.
            await asyncio.wait(dialling, timeout=LIMIT if served == len(dialling) else 1.0)
            for task in dialling:
                task.cancel()
            for found in await asyncio.gather(*dialling, return_exceptions=True):
                if not isinstance(found, BaseException):
                    welcomed += await _welcomed(*found)
    check(welcomed == served, f"{served} were accepted, {welcomed} got their welcome")
    check(served >= 1, "nobody was accepted")
    if served < len(dialling):
        return partial(f"{len(dialling) - served} of 3 clients were turned away, backlog 1")
    return passed("3 clients were served, those beyond the backlog after waiting")


async def _welcomed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    try:
        async with asyncio.timeout(3.0):
            return await reader.readexactly(7) == b"welcome"
    except (OSError, EOFError):
        return False
    finally:
        writer.close()
        await asyncio.sleep(0)
