"""Limits: the claimed numbers hold, and nothing leaks."""

from __future__ import annotations

import contextlib

from netsocket.address import SocketAddress
from netsocket.capability.farend import TAIL, FarEnd, chargen, until
from netsocket.capability.probes.tools import (
    LIMIT,
    connected,
    difference,
    echo,
    pattern,
    raises,
    receive,
)
from netsocket.capability.verdict import Verdict, check, passed, probe
from netsocket.errors import NoSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.stack import Kind

MANY = 64
"""Sockets opened where no limit is claimed."""
MINIMUM = 4
"""The plan's fewest sockets."""


@probe("TCPSOCKET_OPEN_LIMIT", "sockets.max")
async def open_limit(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Two rounds, half TCP connections and half UDP; then one close makes room for one (defect 8).
    Every socket really talks: a number that only a table believes is no limit."""
    limit = net.capabilities["sockets.max"].limit
    for _ in range(2):
        async with contextlib.AsyncExitStack() as stack:
            opened = 0
            last = None
            with contextlib.suppress(NoSocket):
                while opened < (limit + 1 if limit is not None else MANY):
                    if opened % 2:
                        datagram = await stack.enter_async_context(net.udp_socket())
                        datagram.settimeout(LIMIT)
                        known = len(far.udp["discard"].received)
                        await datagram.sendto(b"x", far.datagram_address("discard"))
                        await _more_than(far, known)
                    else:
                        last = await stack.enter_async_context(net.tcp_socket())
                        last.settimeout(LIMIT)
                        await last.connect(far.address("echo"))
                        await echo(last, b"number %d" % opened)
                    opened += 1
            check(limit is None or opened == limit, f"{opened} sockets, {limit} are claimed")
            check(opened >= MINIMUM, f"only {opened} sockets")
            assert last is not None
            await last.close()
            again = await stack.enter_async_context(net.tcp_socket())
            again.settimeout(LIMIT)
            await again.connect(far.address("echo"))
            await echo(again, b"in the free place")
    return passed(f"{opened} sockets twice, all talking" + ("; the next raised EMFILE" if limit
                  else "; no limit met"))  # fmt: skip


async def _more_than(far: FarEnd, known: int) -> None:
    await until(lambda: len(far.udp["discard"].received) > known)


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
    """One transaction of the stack with twice the claimed frame, then byte by byte compared."""
    limit = net.capabilities["frame.max_send"].limit
    data = pattern(2 * limit if limit else 20_000)
    stack = net.stack
    known = len(far.tcp["discard"].connections)
    handle = await stack.open(Kind.TCP)
    try:
        await stack.connect(handle, SocketAddress(*far.address("discard")))
        seen = await far.tcp["discard"].connection(known)
        taken = await stack.send(handle, data)
        check(limit is None or taken == limit, f"{taken} bytes taken at once, {limit} are claimed")
        await until(lambda: len(seen.received) >= taken, LIMIT)
        check(bytes(seen.received) == data[:taken], difference(data[:taken], bytes(seen.received)))
    finally:
        await stack.close(handle)
    return passed(f"{taken} bytes in one transaction")


@probe("TCPSOCKET_FRAME_RECV", "frame.max_recv")
async def frame_recv(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Reads far larger than the claimed frame lose nothing, nor do reads of one byte."""
    async with connected(net, far, "tail") as (sock, _seen):
        got = bytearray()
        while part := await sock.recv(65536 if len(got) % 2 else 1):
            got += part
    check(bytes(got) == TAIL, difference(TAIL, bytes(got)))
    async with connected(net, far, "chargen") as (sock, _seen):
        first = await sock.recv(1)
        rest = await receive(sock, 20_000)
    check(first + rest == chargen(20_001), "chargen differs")
    return passed(f"{len(TAIL)} and 20001 bytes in reads of 1 to 65536")


@probe("UDPSOCKET_MAX_SEND", "datagram.max_send")
async def datagram_send(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A datagram of exactly the claimed limit arrives whole."""
    limit = net.capabilities["datagram.max_send"].limit or 1200
    service = far.udp["discard"]
    known = len(service.received)
    async with net.udp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.sendto(pattern(limit), far.datagram_address("discard"))
        await until(lambda: len(service.received) > known)
    got = service.received[known][0]
    check(got == pattern(limit), difference(pattern(limit), got))
    return passed(f"{limit} bytes arrived in one datagram")


@probe("UDPSOCKET_MAX_RECV", "datagram.max_recv")
async def datagram_recv(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A datagram of exactly the claimed limit is received whole (65507 at most over IPv4)."""
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
