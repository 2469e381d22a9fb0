"""What becomes of calls that wait when their socket, its interface or its peer ends."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Coroutine
from typing import Any

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import until
from netsocket.capability.probes.tools import LIMIT, connected, pattern
from netsocket.capability.verdict import Verdict, check, partial, passed, probe, unjudged
from netsocket.errors import NoSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

UNREAD = 16 * 1024 * 1024
"""Bytes that no stack holds for a peer that does not read them."""
PATIENCE = 5.0
"""Seconds until a call that should have been woken counts as forgotten."""


async def _woken(waiting: asyncio.Task[Any], sock: AsyncTCPSocket, call: str) -> asyncio.Task[None]:
    """Close the socket under a call that waits; it must end soon, with EBADF.

    The close itself, which is returned, may have to wait until the module's port is free.
    """
    await asyncio.sleep(0.2)
    check(not waiting.done(), f"{call} did not wait: {waiting}")
    closing = asyncio.create_task(sock.close())
    done, _ = await asyncio.wait({waiting}, timeout=PATIENCE)
    if not done:
        waiting.cancel()
    check(bool(done), f"{call} still waits {PATIENCE:g} s after close")
    error = waiting.exception()
    check(isinstance(error, OSError) and error.errno == errno.EBADF, f"{call} raised {error!r}")
    return closing


@probe("TCPSOCKET_CLOSE_DURING_SEND", "wait.close_wakes")
async def close_wakes_send(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """close while another caller waits for a peer that does not read."""
    async with connected(net, far, "slow") as (sock, seen):
        sock.settimeout(None)
        try:
            closing = await _woken(
                asyncio.create_task(sock.sendall(bytes(UNREAD))), sock, "sendall"
            )
        finally:
            seen.release.set()
        await closing
    return passed("sendall raised EBADF")


@probe("TCPSOCKET_CLOSE_DURING_ACCEPT", "wait.close_wakes")
async def close_wakes_accept(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """close while another caller waits for a connection."""
    if not net.capabilities["tcp.listen"].supported:
        return unjudged("no listening here")
    async with net.tcp_socket() as sock:
        await sock.bind(("", far.free_port()))
        await sock.listen()
        await (await _woken(asyncio.create_task(sock.accept()), sock, "accept"))
    return passed("accept raised EBADF")


@probe("TCPSOCKET_CLOSE_DURING_CONNECT", "wait.close_wakes")
async def close_wakes_connect(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """close while another caller waits for a peer that never answers."""
    async with net.tcp_socket() as sock:
        connecting = asyncio.create_task(sock.connect(far.silent()))
        await (await _woken(connecting, sock, "connect"))
    return passed("connect raised EBADF")


@probe("NETWORKINTERFACE_DOWN_DURING_CALLS", "interface.again")
async def down_wakes(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """The interface goes down under calls that wait: all end with ENETDOWN. A module that has one
    connection need not listen beside it."""
    async with (
        connected(net, far, "discard") as (stream, _seen),
        net.udp_socket() as datagrams,
        net.tcp_socket() as listener,
    ):
        stream.settimeout(None)
        await datagrams.sendto(b"x", far.datagram_address("discard"))
        listening = await _listens(net, listener, far.free_port())
        calls: dict[str, Coroutine[Any, Any, object]] = {
            "recv": stream.recv(10),
            "recvfrom": datagrams.recvfrom(10),
        }
        if listening:
            calls["accept"] = listener.accept()
        waiting = {name: asyncio.create_task(call) for name, call in calls.items()}
        await asyncio.sleep(0.2)
        try:
            await net.down()
            await asyncio.wait(waiting.values(), timeout=PATIENCE)
        finally:
            for task in waiting.values():
                task.cancel()
            found = await asyncio.gather(*waiting.values(), return_exceptions=True)
            await net.up()
    for name, error in zip(waiting, found, strict=True):
        good = isinstance(error, OSError) and error.errno == errno.ENETDOWN
        check(good, f"{name} ended with {error!r}")
    return passed(f"ENETDOWN from {', '.join(waiting)}")


async def _listens(net: AsyncNetworkInterface, listener: AsyncTCPSocket, port: int) -> bool:
    """Whether it does now, beside a stream. Raises NoSocket where there ought to be place."""
    if not net.capabilities["tcp.listen"].supported:
        return False
    await listener.bind(("", port))
    try:
        await listener.listen()
    except NoSocket:
        if net.capabilities["sockets.max"].supported:
            raise
        return False
    return True


@probe("TCPSOCKET_SEND_OUTCOME", "send.outcome")
async def send_outcome(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
    """A peer that stops reading, takes a little and resets the connection: the failed send must
    not claim fewer bytes than reached the peer, and should know how many were accepted."""
    block = pattern(2048)
    accepted = 0
    async with connected(net, far, "breaks") as (sock, seen):
        sock.settimeout(1.0)
        try:
            while accepted < UNREAD:
                accepted += await sock.send(block)
        except TimeoutError:
            pass
        else:
            return unjudged(f"{UNREAD} bytes were accepted that nobody read: it would not fail")
        seen.release.set()
        sock.settimeout(4 * LIMIT)
        try:
            accepted += await sock.settle()
            while True:
                accepted += await sock.send(block)
        except ConnectionError as error:
            accepted += getattr(error, "accepted", 0)
            unknown = getattr(error, "unknown", 0)
            kind = type(error).__name__
        await until(lambda: bool(seen.ended))
        arrived = len(seen.received)
    check(arrived <= accepted + unknown, f"{arrived} bytes arrived, {accepted} + {unknown} told")
    if unknown:
        return partial(f"{kind}: {accepted} bytes accepted, of {unknown} more nobody knows")
    return passed(f"{kind}: {accepted} bytes accepted, {arrived} of them taken by the peer")
