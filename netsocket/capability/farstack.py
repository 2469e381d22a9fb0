"""StackFarEnd: the far end's services on another stack of this package.

Two stacks that are connected by nothing but packets (`netsocket.ip.pair`) need no network of this
computer. The far stack's own listeners, datagram sockets and name server are the peers.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket as _socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from netsocket.capability.farend import FarEnd, Serve
from netsocket.capability.farend_services import Datagrams, Service
from netsocket.capability.gate import Gate
from netsocket.capability.nameserver import NameServer
from netsocket.datagram import AsyncUDPSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

WAITING = 64
"""Connections that may wait for a service."""


class _StackDatagrams(Datagrams):
    """One UDP service over a socket of the far stack."""

    def __init__(
        self, answer: Callable[[bytes], tuple[bytes, ...]], gate: Gate, sock: AsyncUDPSocket
    ) -> None:
        super().__init__(answer, gate)
        self._sock = sock
        self._queue: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    async def take(self) -> None:
        """Hear datagrams until cancelled."""
        while True:
            data, sender = await self._sock.recvfrom(65_535)
            self.datagram_received(data, sender)

    async def give(self) -> None:
        """Send what is queued, in order, until cancelled."""
        while True:
            data, address = await self._queue.get()
            with contextlib.suppress(OSError):
                await self._sock.sendto(data, address)

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """One datagram from this service's port."""
        self._queue.put_nowait((data, address))

    def close(self) -> None:
        """The socket ends with its tasks."""


class StackFarEnd(FarEnd):
    """The test services over `net`, which is brought up and closed here.

    `host` is its address; `host_6` its IPv6 one; `nowhere` one that nobody has. It answers
    questions for names (port 53) itself: `name`, and one with several addresses.
    """

    def __init__(self, net: AsyncNetworkInterface, host: str, host_6: str, nowhere: str) -> None:
        super().__init__(
            host, name="far.example", unknown_name="nosuch.example", gate=Gate(everybody=True)
        )
        self.host_6 = host_6
        self._net = net
        self._nowhere = nowhere
        several = frozenset({host, "192.0.2.1", "192.0.2.2"})
        self.several = ("several.example", several)
        self._names = NameServer({self.name: [host], "several.example": sorted(several)})

    async def _start(self) -> None:
        await self._net.up()
        await super()._start()
        await self._answer_names()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        await self._net.close()

    async def _listen(self, service: Service, serve: Serve, offset: int) -> None:
        del offset
        service.port = await self._accept(
            0, lambda sock, peer: self._serve(service, serve, peer, sock)
        )

    async def _accept(
        self,
        port: int,
        one: Callable[[AsyncTCPSocket, tuple[str, int]], Awaitable[None]],
        host: str = "",
    ) -> int:
        """Serve each connection by `one`; returns the port."""
        listener: AsyncTCPSocket = self._net.tcp_socket()
        await listener.bind((host, port))
        await listener.listen(WAITING)

        async def serve(sock: AsyncTCPSocket, peer: tuple[str, int]) -> None:
            async with sock:
                await one(sock, peer)

        async def accept() -> None:
            async with listener:
                while True:
                    sock, peer = await listener.accept()
                    await sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                    self._keep(serve(sock, (peer.host, peer.port)))

        self._keep(accept())
        return int((await listener.getsockname()).port)

    async def _datagrams(self, name: str, answer: Callable[[bytes], tuple[bytes, ...]]) -> None:
        sock = self._net.udp_socket()
        await sock.bind(("", 0))
        service = self.udp[name] = _StackDatagrams(answer, self.gate, sock)
        service.port = (await sock.getsockname()).port
        self._hold(sock, service.take(), service.give())

    async def _answer_names(self) -> None:
        sock = self._net.udp_socket()
        await sock.bind(("", 53))

        async def answer() -> None:
            while True:
                question, sender = await sock.recvfrom(65_535)
                reply = self._names.answer(question)
                if reply is not None:
                    await sock.sendto(reply, sender)

        self._hold(sock, answer())

    def _hold(self, sock: AsyncUDPSocket, *work: Any) -> None:
        """Run these until the end, and close the socket then."""

        async def together() -> None:
            async with sock, asyncio.TaskGroup() as group:
                for each in work:
                    group.create_task(each)

        self._keep(together())

    # -- addresses ----------------------------------------------------------------------------

    def refusing(self) -> tuple[str, int]:
        """A port at which nobody listens: its stack resets who tries."""
        taken = {each.port for each in self.tcp.values()} | {
            each.port for each in self.udp.values()
        }
        while (port := 20_000 + secrets.randbelow(12_000)) in taken:
            pass
        return self.host, port

    def silent(self) -> tuple[str, int]:
        """An address that nobody has: the far stack drops what is sent there."""
        return self._nowhere, 9

    @asynccontextmanager
    async def greeter(self, word: bytes) -> AsyncIterator[tuple[str, int] | None]:
        """A service on the far stack's IPv6 address, until the far end ends."""
        yield (
            self.host_6,
            await self._accept(0, lambda sock, _peer: sock.sendall(word), self.host_6),
        )

    async def dial(self, host: str, port: int) -> Any:
        """Connect to a listener of the stack under test, through the far stack."""
        return await self._net.open_connection(host, port)
