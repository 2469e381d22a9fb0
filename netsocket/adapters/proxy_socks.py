"""What a SOCKS5 client of the proxy asks for: CONNECT, BIND, UDP ASSOCIATE."""

from __future__ import annotations

import asyncio
import socket as _socket
from typing import Final

from netsocket.adapters.pool import Lease
from netsocket.adapters.proxy_visit import Visit
from netsocket.adapters.server import accept
from netsocket.adapters.socks5 import Command, Negotiation, Request, State
from netsocket.adapters.socks5_wire import (
    Refusal,
    Reply,
    datagram_read,
    datagram_written,
    reply,
    reply_for,
)
from netsocket.address import SocketAddress
from netsocket.datagram import MAX_DATAGRAM, AsyncUDPSocket
from netsocket.lifecycle import SocketState
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

PAUSE: Final = 0.05
"""Seconds between receptions that fail, so that a lasting error does not spin."""


async def serve(visit: Visit, first: bytes) -> bool:
    """A client whose first bytes are given. False when the end should look abnormal."""
    negotiation = Negotiation(visit.proxy.check if visit.proxy.secret else None)
    async with visit.asking():
        data = first
        while data:
            answer = negotiation.feed(data)
            if negotiation.denied:
                await visit.deny()
            await visit.write(answer)
            if negotiation.over:
                break
            data = await visit.read()
    request = negotiation.request
    if negotiation.state is not State.REQUESTED or request is None:
        visit.proxy.figures.failed += bool(negotiation.problem) and not negotiation.denied
        log.info("client %d: %s", visit.number, negotiation.problem or "left")
        return True
    work = {
        Command.CONNECT: _connect,
        Command.BIND: _bind,
        Command.UDP_ASSOCIATE: _associate,
    }[request.command]
    return await work(visit, request, negotiation.rest)


async def _refuse(visit: Visit, error: OSError) -> bool:
    visit.failed(error)
    await visit.write(reply(reply_for(error)))
    return True


async def _connect(visit: Visit, request: Request, first: bytes) -> bool:
    try:
        async with visit.leased(visit.stream()) as lease:
            socket = await visit.connect(lease, request.address)
            await visit.write(reply(Reply.SUCCEEDED))
            await visit.pump(socket, first)
            return True
    except OSError as error:
        if visit.served:
            raise
        return await _refuse(visit, error)


# -- BIND -----------------------------------------------------------------------------------------


async def _bind(visit: Visit, request: Request, first: bytes) -> bool:
    """Wait on a port of the module for one peer, the one that was named if it was an address."""
    try:
        async with visit.leased(visit.stream()) as lease:
            lease.net.capabilities["tcp.listen"].require()
            listener = lease.socket
            async with visit.watching():
                await listener.bind(("", request.address.port))
                await listener.listen(1)
                own = await listener.getsockname()
            host = lease.net.ip_address or own.host
            port = own.port or request.address.port
            await visit.write(reply(Reply.SUCCEEDED, SocketAddress(host, port)))
            socket, peer = await _peer(visit, listener, request.address)
            visit.relaying()
            async with socket:
                await listener.close()
                await visit.write(reply(Reply.SUCCEEDED, peer))
                await visit.pump(socket, first)
            return True
    except OSError as error:
        if visit.served:
            raise
        return await _refuse(visit, error)


async def _peer(
    visit: Visit, listener: AsyncTCPSocket, wanted: SocketAddress
) -> tuple[AsyncTCPSocket, SocketAddress]:
    async with asyncio.timeout(visit.limits.bind), visit.watching():
        while True:
            socket, peer = await accept(listener)
            anybody = not wanted.is_literal or wanted.is_wildcard or peer.is_wildcard
            if anybody or peer.host == wanted.host:
                return socket, peer
            await socket.close(abort=True)


# -- UDP ASSOCIATE --------------------------------------------------------------------------------


async def _associate(visit: Visit, request: Request, _first: bytes) -> bool:
    """Datagrams, for as long as the client keeps its connection."""
    loop = asyncio.get_running_loop()
    own_host, client_host = visit.client.getsockname()[0], visit.client.getpeername()[0]
    try:
        async with visit.leased(visit.datagram()) as lease:
            with _socket.socket(visit.client.family, _socket.SOCK_DGRAM) as own:
                own.setblocking(False)
                own.bind((own_host, 0))
                association = _Association(visit, lease, own, (client_host, request.address.port))
                visit.relaying()
                await visit.write(
                    reply(Reply.SUCCEEDED, SocketAddress(own_host, own.getsockname()[1]))
                )
                tasks = {
                    loop.create_task(association.outward()),
                    loop.create_task(association.inward()),
                    loop.create_task(_until_end(visit)),
                }
                try:
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                    return True
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
    except OSError as error:
        if visit.served:
            raise
        return await _refuse(visit, error)


async def _until_end(visit: Visit) -> None:
    while await visit.read():
        pass


class _Association:
    """One client's datagrams. Those of strangers, fragments, and those the module cannot send are
    dropped and counted."""

    def __init__(
        self,
        visit: Visit,
        lease: Lease[AsyncUDPSocket],
        own: _socket.socket,
        client: tuple[str, int],
    ) -> None:
        self._visit = visit
        self._net = lease.net
        self._socket: AsyncUDPSocket = lease.socket
        self._own = own
        self._host = client[0]
        self._client: tuple[str, int] | None = client if client[1] else None
        self._targets: set[SocketAddress] = set()
        """Where it sent to, two at most: enough to know whether there is only one."""

    async def outward(self) -> None:
        """The client's datagrams to their destinations. Raises what broke the socket."""
        loop = asyncio.get_running_loop()
        while True:
            data, sender = await loop.sock_recvfrom(self._own, MAX_DATAGRAM)
            if self._client is None and sender[0] == self._host:
                self._client = sender[:2]
            if sender[:2] != self._client:
                self._drop("of a stranger")
                continue
            try:
                target, payload = datagram_read(data)
                await self._send(target, payload)
            except Refusal as refusal:
                self._drop(str(refusal))
            except OSError as error:
                self._raise_broken(error)
                self._drop(type(error).__name__)

    async def _send(self, target: SocketAddress, payload: bytes) -> None:
        target = (await self._visit.proxy.destinations.find(self._net, target))[0]
        if len(self._targets) < 2:
            self._targets.add(target)
        await self._socket.sendto(payload, target)
        self._visit.proxy.meter.up += len(payload)

    async def inward(self) -> None:
        """What comes, to the client. Raises what broke the socket."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                payload, sender = await self._socket.recvfrom(MAX_DATAGRAM)
            except OSError as error:
                self._raise_broken(error)
                await asyncio.sleep(PAUSE)
                continue
            if self._client is None:
                self._drop("before the client's first")
                continue
            if sender.is_wildcard and len(self._targets) == 1:
                (sender,) = self._targets  # the stack does not tell, but there is only one
            try:
                await loop.sock_sendto(self._own, datagram_written(sender, payload), self._client)
                self._visit.proxy.meter.down += len(payload)
            except OSError as error:
                self._drop(type(error).__name__)

    def _raise_broken(self, error: OSError) -> None:
        if self._socket.closed or self._socket.state is SocketState.BROKEN:
            raise error

    def _drop(self, why: str) -> None:
        self._visit.proxy.figures.dropped += 1
        log.debug("client %d: a datagram was dropped: %s", self._visit.number, why)
