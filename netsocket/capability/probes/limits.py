"""Limits: the claimed numbers are the true ones, neither more nor less, and nothing leaks."""

from __future__ import annotations

import asyncio
import contextlib

from netsocket.address import SocketAddress
from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import TAIL, chargen, until
from netsocket.capability.probes.tools import (
    LIMIT,
    claiming,
    connected,
    difference,
    echo,
    pattern,
    raises,
    receive,
)
from netsocket.capability.verdict import Broken, Verdict, check, passed, probe
from netsocket.errors import NoSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.stack import Kind
from netsocket.stream import AsyncTCPSocket

MANY = 64
"""Sockets opened where no limit is claimed."""
MINIMUM = 4
"""The plan's fewest sockets."""


@probe("TCPSOCKET_OPEN_LIMIT", "sockets.max")
async def open_limit(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two rounds, half TCP connections and half UDP; then one close makes room for one (defect 8).
    Every socket really talks: a number that only a table believes is no limit. Nor is one that the
    module goes beyond when the stack is made to try."""
    limit = net.capabilities["sockets.max"].limit
    for _ in range(2):
        async with contextlib.AsyncExitStack() as stack:
            opened = 0
            last = None
            with contextlib.suppress(NoSocket):
                while opened < (limit + 1 if limit is not None else MANY):
                    if opened % 2:
                        await _datagram(net, far, stack)
                    else:
                        last = await _stream(net, far, stack)
                    opened += 1
            check(limit is None or opened == limit, f"{opened} sockets, {limit} are claimed")
            check(opened >= MINIMUM, f"only {opened} sockets")
            if limit is not None:
                with claiming(net, "sockets.max", limit + 1), contextlib.suppress(OSError):
                    async with contextlib.AsyncExitStack() as surplus:
                        await _datagram(net, far, surplus)
                    raise Broken(f"{limit + 1} sockets work, {limit} are claimed")
            assert last is not None
            await last.close()
            await _stream(net, far, stack)
    return passed(f"{opened} sockets twice, all talking" + ("; the next raised EMFILE" if limit
                  else "; no limit met"), limit and opened)  # fmt: skip


async def _datagram(
    net: AsyncNetworkInterface, far: FarEnd, stack: contextlib.AsyncExitStack
) -> None:
    datagram = await stack.enter_async_context(net.udp_socket())
    datagram.settimeout(LIMIT)
    known = len(far.udp["discard"].received)
    await datagram.sendto(b"x", far.datagram_address("discard"))
    await until(lambda: len(far.udp["discard"].received) > known)


async def _stream(
    net: AsyncNetworkInterface, far: FarEnd, stack: contextlib.AsyncExitStack
) -> AsyncTCPSocket:
    sock = await stack.enter_async_context(net.tcp_socket())
    sock.settimeout(LIMIT)
    await sock.connect(far.address("echo"))
    await echo(sock, b"here")
    return sock


@probe("TCPSOCKET_OPEN_DESTRUCT", "sockets.reuse")
async def open_close(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """100 sockets of each kind in turn, some of them used."""
    for number in range(100):
        async with net.tcp_socket() as sock:
            if number % 10 == 0:
                sock.settimeout(LIMIT)
                await sock.connect(far.address("echo"))
                await echo(sock, b"%d" % number)
        async with net.udp_socket() as datagram:
            if number % 10 == 0:
                await datagram.sendto(b"%d" % number, far.datagram_address("discard"))
    return passed("100 streams and 100 datagram sockets, every tenth used")


@probe("TCPSOCKET_FRAME_SEND", "frame.max_send")
async def frame_send(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One transaction of the stack with twice the claimed frame, then byte by byte compared; then
    one byte more than claimed, which the module must not take at once."""
    limit = net.capabilities["frame.max_send"].limit
    taken = await _send_once(net, far, 2 * limit if limit else 20_000)
    check(limit is None or taken == limit, f"{taken} bytes taken at once, {limit} are claimed")
    if limit is not None:
        with claiming(net, "frame.max_send", limit + 1), contextlib.suppress(OSError):
            more = await _send_once(net, far, limit + 1)
            check(more <= limit, f"{more} bytes taken at once, {limit} are claimed")
    return passed(f"{taken} bytes in one transaction, no more", limit and taken)


async def _send_once(net: AsyncNetworkInterface, far: FarEnd, size: int) -> int:
    """How many of `size` bytes the stack takes in one call; they must arrive."""
    data = pattern(size)
    known = len(far.tcp["discard"].connections)
    handle = await net.stack.open(Kind.TCP)
    try:
        await net.stack.connect(handle, SocketAddress(*far.address("discard")))
        seen = await far.tcp["discard"].connection(known)
        taken = await net.stack.send(handle, data)
        await until(lambda: len(seen.received) >= taken, LIMIT)
        check(bytes(seen.received) == data[:taken], difference(data[:taken], bytes(seen.received)))
    finally:
        await net.stack.close(handle)
    return taken


@probe("TCPSOCKET_FRAME_RECV", "frame.max_recv")
async def frame_recv(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Reads far larger than the claimed frame lose nothing, nor do reads of one byte. One
    transaction returns the claimed frame when the module is full, and never more."""
    async with connected(net, far, "tail") as (sock, _seen):
        got = bytearray()
        while part := await sock.recv(65536 if len(got) % 2 else 1):
            got += part
    check(bytes(got) == TAIL, difference(TAIL, bytes(got)))
    async with connected(net, far, "chargen") as (sock, _seen):
        first = await sock.recv(1)
        rest = await receive(sock, 20_000)
    check(first + rest == chargen(20_001), "chargen differs")
    limit = net.capabilities["frame.max_recv"].limit
    found = None
    if limit is not None:
        found = await _recv_once(net, far)
        check(found == limit, f"{found} bytes in one transaction, {limit} are claimed")
        with claiming(net, "frame.max_recv", limit + 1), contextlib.suppress(OSError):
            more = await _recv_once(net, far)
            check(more <= limit, f"{more} bytes in one transaction, {limit} are claimed")
    size = f"; {found} at once, no more" if found else ""
    return passed(f"{len(TAIL)} and 20001 bytes in reads of 1 to 65536{size}", found)


async def _recv_once(net: AsyncNetworkInterface, far: FarEnd) -> int:
    """Bytes of the first read from a module that had time to fill; 0 when it gives none."""
    known = len(far.tcp["chargen"].connections)
    handle = await net.stack.open(Kind.TCP)
    try:
        await net.stack.connect(handle, SocketAddress(*far.address("chargen")))
        seen = await far.tcp["chargen"].connection(known)
        before = -1
        while seen.sent != before:  # until the peer is held back
            before = seen.sent
            await asyncio.sleep(0.2)
        for _ in range(20):
            if data := await net.stack.recv(handle, 65_536):
                check(data == chargen(len(data)), "chargen differs")
                return len(data)
            await asyncio.sleep(0.02)
        return 0
    finally:
        await net.stack.close(handle, abort=True)


@probe("UDPSOCKET_MAX_SEND", "datagram.max_send")
async def datagram_send(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A datagram of exactly the claimed limit arrives whole, one of a byte more does not."""
    limit = net.capabilities["datagram.max_send"].limit
    size = limit or 1200
    check(await _arrives(net, far, size), f"a datagram of {size} bytes did not arrive")
    if limit is not None:
        with claiming(net, "datagram.max_send", limit + 1), contextlib.suppress(OSError):
            more = await _arrives(net, far, limit + 1, 1.0)
            check(not more, f"{limit + 1} bytes arrived in one datagram, {limit} are claimed")
    beyond = ", one more does not" if limit else ""
    return passed(f"{size} bytes arrived in one datagram{beyond}", limit)


async def _arrives(
    net: AsyncNetworkInterface, far: FarEnd, size: int, patience: float = LIMIT
) -> bool:
    service = far.udp["discard"]
    known = len(service.received)
    async with net.udp_socket() as sock:
        sock.settimeout(patience)
        await sock.sendto(pattern(size), far.datagram_address("discard"))
        try:
            await until(lambda: len(service.received) > known, patience)
        except TimeoutError:
            return False
    return service.received[known][0] == pattern(size)


@probe("UDPSOCKET_MAX_RECV", "datagram.max_recv")
async def datagram_recv(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A datagram of exactly the claimed limit is received whole (65507 at most over IPv4). What
    becomes of longer ones no manual says, so nothing is judged beyond it."""
    limit = min(net.capabilities["datagram.max_recv"].limit or 1200, 65_507)
    service = far.udp["discard"]
    known = len(service.received)
    async with net.udp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.sendto(b"me", far.datagram_address("discard"))
        await until(lambda: len(service.received) > known)
        service.send(pattern(limit), service.received[known][1])
        got = await sock.recv(65_535)
    check(got == pattern(limit), difference(pattern(limit), got))
    return passed(f"{limit} bytes received in one piece")


@probe("TCPSOCKET_OPEN_TWICE", "sockets.reuse")
async def open_twice(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """open is repeated without harm; after close it raises (a Python socket is always open)."""
    async with net.tcp_socket() as sock:
        await sock.open()
        sock.settimeout(LIMIT)
        await sock.connect(far.address("echo"))
        await echo(sock, b"x")
    with raises(OSError, call="open after close"):
        await sock.open()
    return passed("open twice, then EBADF after close")
