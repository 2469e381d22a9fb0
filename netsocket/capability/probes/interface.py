"""The interface: up and down, address, and what it offers besides sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from netsocket.capability.farend import FarEnd
from netsocket.capability.model import Level
from netsocket.capability.probes.tools import LIMIT, connected, echo, raises, receive
from netsocket.capability.verdict import Outcome, Verdict, check, passed, probe, unjudged
from netsocket.interface import AsyncNetworkInterface
from netsocket.stack import InterfaceStatus

ROUNDS = 5
"""How often the plan goes up and down."""
_ORDER = (
    InterfaceStatus.CONNECTING,
    InterfaceStatus.LOCAL_UP,
    InterfaceStatus.GLOBAL_UP,
    InterfaceStatus.DISCONNECTED,
)


@asynccontextmanager
async def down_first(net: AsyncNetworkInterface) -> AsyncIterator[list[InterfaceStatus]]:
    """The interface is down at the beginning and up at the end; what it tells in between."""
    seen: list[InterfaceStatus] = []
    await net.down()
    remove = net.on_status(seen.append)
    try:
        yield seen
    finally:
        remove()
        await net.up()


def check_order(seen: list[InterfaceStatus]) -> None:
    """One round of the plan: CONNECTING, perhaps LOCAL_UP, GLOBAL_UP, DISCONNECTED, repeats
    allowed."""
    places = [_ORDER.index(each) for each in seen]
    told = " → ".join(each.name for each in seen) or "nothing"
    check(places == sorted(places), f"told {told}")
    wanted = set(_ORDER) - {InterfaceStatus.LOCAL_UP}
    check(wanted <= set(seen), f"told only {told}")


@probe("NETWORKINTERFACE_STATUS", "interface.status")
async def status(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Five rounds of up and down."""
    del far
    count = 0
    async with down_first(net) as seen:
        for _ in range(ROUNDS):
            seen.clear()
            await net.up()
            check(net.status is InterfaceStatus.GLOBAL_UP, f"after up: {net.status.name}")
            await net.down()
            check(net.status is InterfaceStatus.DISCONNECTED, f"after down: {net.status.name}")
            check_order(seen)
            count += len(seen)
    check(count < 100, f"{count} events")
    return passed(f"{ROUNDS} rounds, {count} notices, in order")


@probe("NETWORKINTERFACE_STATUS_NONBLOCK", "interface.status")
async def status_nonblock(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The same, with other work done while the interface comes up."""
    del far
    async with down_first(net) as seen:
        for _ in range(ROUNDS):
            seen.clear()
            coming = asyncio.create_task(net.up())
            await asyncio.sleep(0.001)
            begun = list(seen)
            await coming
            check(InterfaceStatus.CONNECTING in begun, f"told at once: {begun}")
            await net.down()
            check_order(seen)
    return passed(f"{ROUNDS} rounds in order")


@probe("NETWORKINTERFACE_STATUS_GET", "interface.status")
async def status_get(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Five rounds, with the status asked for instead of told."""
    del far
    async with down_first(net):
        for _ in range(ROUNDS):
            check(net.status is InterfaceStatus.DISCONNECTED, f"before up: {net.status.name}")
            await net.up()
            state = (await net.refresh()).state
            check(state is InterfaceStatus.GLOBAL_UP, f"asked after up: {state.name}")
            check(net.status is state, f"status {net.status.name}, asked {state.name}")
            await net.down()
        check(net.status is InterfaceStatus.DISCONNECTED, f"after down: {net.status.name}")
    return passed(f"{ROUNDS} rounds")


@probe("NETWORKINTERFACE_CONN_DISC_REPEAT", "interface.again")
async def repeat(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """Five times up and down; a connection works after the last."""
    async with down_first(net):
        for _ in range(ROUNDS):
            await net.up()
            await net.down()
    await far.admit(net)  # the own address may be another one now
    async with connected(net, far, "echo") as (sock, _seen):
        await echo(sock, b"after five rounds")
    return passed(f"{ROUNDS} rounds, then a socket echoed")


@probe("NETWORKINTERFACE_OLD_SOCKETS", "interface.again")
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


@probe("NETWORKINTERFACE_PING", "interface.ping")
async def ping(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A round trip to the far end."""
    seconds = await net.ping(far.host)
    check(0 <= seconds < LIMIT, f"{seconds} s")
    return passed(f"{seconds * 1000:.0f} ms")


@probe("NETWORKINTERFACE_IPV6", "ipv6")
async def ipv6(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A connection to the far end's IPv6 address, ::1 where that is on this computer."""
    if net.capabilities["tcp.connect"].level is Level.NONE:
        return unjudged("this stack has no streams")
    async with far.greeter(b"six") as address:
        if address is None:
            return unjudged("the far end has no IPv6 address")
        async with net.tcp_socket() as sock:
            sock.settimeout(LIMIT)
            await sock.connect(address)
            word = await receive(sock, 3)
    check(word == b"six", f"got {word!r}")
    return passed("connected over IPv6")
