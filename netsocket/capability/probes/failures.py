"""Errors: the right one, at the right call, and the socket usable or not as promised."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable

from netsocket.capability.farend import FarEnd
from netsocket.capability.probes.tools import LIMIT, connected, echo, errno_of, raises
from netsocket.capability.verdict import Verdict, check, passed, probe
from netsocket.errors import AddressNotAvailable, AlreadyConnected
from netsocket.interface import AsyncNetworkInterface


@probe("TCPSOCKET_CONNECT_REFUSED", "error.refused")
async def refused(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A port at which nobody listens."""
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        with raises(ConnectionRefusedError, call="connect to a closed port"):
            await sock.connect(far.refusing())
    return passed("ConnectionRefusedError")


@probe("TCPSOCKET_CONNECT_TWICE", "error.connected_twice")
async def connected_twice(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """connect on a connected socket; the connection must survive it."""
    async with connected(net, far, "echo") as (sock, _seen):
        with raises(AlreadyConnected, call="the second connect"):
            await sock.connect(far.address("discard"))
        await echo(sock, b"still the same")
    return passed("EISCONN, and the connection went on")


@probe("TCPSOCKET_SEND_UNCONNECTED", "error.not_connected")
async def not_connected(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """send, recv and getpeername before connect."""
    del far
    async with net.tcp_socket() as sock:
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "send": lambda: sock.send(b"x"),
            "recv": lambda: sock.recv(1),
            "getpeername": sock.getpeername,
        }
        for name, call in calls.items():
            number = await errno_of(call())
            check(number == errno.ENOTCONN, f"{name} raised errno {number}")
    return passed("ENOTCONN from send, recv and getpeername")


@probe("TCPSOCKET_SEND_CLOSED", "error.closed")
async def closed(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Calls after close, of a socket that was connected."""
    async with connected(net, far, "echo") as (sock, _seen):
        await sock.close()
        await sock.close()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "send": lambda: sock.send(b"x"),
            "recv": lambda: sock.recv(1),
            "bind": lambda: sock.bind(("", 0)),
            "connect": lambda: sock.connect(far.address("echo")),
        }
        for name, call in calls.items():
            number = await errno_of(call())
            check(number == errno.EBADF, f"{name} raised errno {number}")
    return passed("EBADF from send, recv, bind and connect; close twice raised nothing")


@probe("UDPSOCKET_SEND_NO_PEER", "error.no_destination")
async def no_destination(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """send on a datagram socket without a peer."""
    del far
    async with net.udp_socket() as sock:
        number = await errno_of(sock.send(b"x"))
    check(number == errno.EDESTADDRREQ, f"send raised errno {number}")
    return passed("EDESTADDRREQ")


@probe("UDPSOCKET_TOO_LONG", "error.too_long")
async def too_long(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One byte more than the claimed limit (70000 where none is claimed)."""
    size = (net.capabilities["datagram.max_send"].limit or 69_999) + 1
    known = len(far.udp["discard"].received)
    async with net.udp_socket() as sock:
        number = await errno_of(sock.sendto(bytes(size), far.datagram_address("discard")))
        check(number == errno.EMSGSIZE, f"sendto of {size} bytes raised errno {number}")
        await asyncio.sleep(0.05)
        await far.settled()
    check(len(far.udp["discard"].received) == known, "something left nevertheless")
    return passed(f"EMSGSIZE for {size} bytes, nothing at the far end")


@probe("UDPSOCKET_BIND_ADDRESS_INVALID", "error.foreign_address")
async def foreign_address(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """bind to the plan's 190.2.3.4."""
    del far
    async with net.udp_socket() as sock:
        with raises(AddressNotAvailable, call="bind to 190.2.3.4"):
            await sock.bind(("190.2.3.4", 1024))
    return passed("EADDRNOTAVAIL")
