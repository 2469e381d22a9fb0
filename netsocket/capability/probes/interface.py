"""The interface: up and down, address, and what it offers besides sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket

from netsocket.capability.farend import FarEnd
from netsocket.capability.probes.tools import LIMIT, connected, echo, raises
from netsocket.capability.verdict import Outcome, Verdict, check, passed, probe, unjudged
from netsocket.interface import AsyncNetworkInterface
from netsocket.stack import InterfaceStatus


@probe("NETWORKINTERFACE_STATUS", "interface.status")
async def status(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """One round of down and up; repeated statuses do not count."""
    del far
    seen: list[InterfaceStatus] = []
    remove = net.on_status(seen.append)
    try:
        await net.down()
        check(net.status is InterfaceStatus.DISCONNECTED, f"after down: {net.status}")
        await net.up()
        await asyncio.sleep(0)
    finally:
        remove()
    check(net.status is InterfaceStatus.GLOBAL_UP, f"after up: {net.status}")
    check(InterfaceStatus.DISCONNECTED in seen, f"told: {seen}")
    check(seen[-1] is InterfaceStatus.GLOBAL_UP, f"told: {seen}")
    check(len(seen) < 20, f"{len(seen)} events")
    return passed(" → ".join(each.name for each in seen))


@probe("NETWORKINTERFACE_CONN_DISC_REPEAT", "interface.again")
async def again(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A caller waits in recv while the interface goes down; then a new socket works."""
    async with connected(net, far, "discard") as (sock, _seen):
        sock.settimeout(None)
        waiting = asyncio.create_task(sock.recv(10))
        await asyncio.sleep(0.05)
        await net.down()
        done, _ = await asyncio.wait({waiting}, timeout=5.0)
        if not done:
            waiting.cancel()
        await net.up()
        check(bool(done), "recv hangs after the interface went down")
        error = waiting.exception()
        check(isinstance(error, OSError), f"recv ended with {error!r}")
        with raises(OSError, call="send on the old socket"):
            await sock.send(b"x")
    await far.admit(net)  # the address may be another one now
    async with connected(net, far, "echo") as (sock, _seen):
        await echo(sock, b"after up")
    return passed("the old socket was broken, a new one echoed")


@probe("NETWORKINTERFACE_ADDRESS", "interface.address")
async def address(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The own address as of a fresh question."""
    del far
    found = (await net.refresh()).ip_address
    if found is None and net.name == "host":
        return unjudged("this computer has no route to anywhere")
    check(bool(found), "no address though the interface is up")
    assert found is not None
    with contextlib.suppress(OSError):
        _socket.inet_pton(_socket.AF_INET6 if ":" in found else _socket.AF_INET, found)
        return passed("an address in the usual form")
    return Verdict(Outcome.FAIL, f"{found!r} is no address")


@probe("WIFI-SCAN", "interface.scan")
async def scan(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """At least one network, with a plausible signal."""
    del far
    found = await net.scan()
    check(len(found) >= 1, "no network in reach")
    check(all(-120 <= each.rssi < 0 for each in found), "signals out of range")
    return passed(f"{len(found)} network(s)")


@probe("NETWORKINTERFACE_PING", "interface.ping")
async def ping(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A round trip to the far end."""
    seconds = await net.ping(far.host)
    check(0 <= seconds < LIMIT, f"{seconds} s")
    return passed(f"{seconds * 1000:.0f} ms")


@probe("NETWORKINTERFACE_IPV6", "ipv6")
async def ipv6(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A connection to ::1, where the far end is on this computer."""
    if not far.loopback:
        return unjudged("the far end has no IPv6 address")
    try:
        server = await asyncio.start_server(_one_word, "::1", 0)
    except OSError:
        return unjudged("this computer has no IPv6")
    try:
        async with net.tcp_socket() as sock:
            sock.settimeout(LIMIT)
            await sock.connect(("::1", server.sockets[0].getsockname()[1]))
            word = await sock.recv(10)
    finally:
        server.close()
        await asyncio.sleep(0)
    check(word == b"six", f"got {word!r}")
    return passed("connected over IPv6")


async def _one_word(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"six")
    writer.close()
