"""One client of a proxy or a forward: what it may take, where it is, and the steps on its way."""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, TypeVar

from netsocket.adapters.client import ClientPump, farewell, gone, reset
from netsocket.adapters.ending import end_task
from netsocket.adapters.pool import Lease
from netsocket.address import SocketAddress
from netsocket.datagram import AsyncUDPSocket
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

if TYPE_CHECKING:
    from netsocket.adapters.front import Front

S = TypeVar("S", AsyncTCPSocket, AsyncUDPSocket)

READ: Final = 64 * 1024
"""Most bytes of one read from a client."""
HURRY: Final = 1.0
"""Seconds that a client gets to take what waits for it when its connection ends by our fault."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all together, may take."""

    wait: float = 30.0
    """Seconds in the queue for one of the module's sockets."""
    connect: float = 75.0
    """Seconds for a connection to come about."""
    handshake: float = 15.0
    """Seconds for a client to say what it wants; also between two HTTP requests."""
    head: int = 64 * 1024
    """Bytes of an HTTP request's or answer's head."""
    clients: int = 256
    """Clients at the same time; more are turned away."""
    denied: float = 1.0
    """Seconds until a wrong password is answered."""
    bind: float = 120.0
    """Seconds that a SOCKS BIND waits for its peer."""
    patience: float | None = None
    """Seconds of silence, see ClientPump; None computes them."""
    idle: float | None = None
    """Seconds of silence after which a tunnel gives its socket to a client that waits; None: it
    keeps it."""


class Phase(Enum):
    """Where a client is."""

    ASKING = auto()
    """It has not said yet what it wants."""
    QUEUED = auto()
    """It waits for one of the module's sockets."""
    CONNECTING = auto()
    """It waits for its connection."""
    RELAYING = auto()
    """Bytes go to and fro."""


@dataclass(slots=True)
class Figures:
    """What was counted since it began."""

    served: int = 0
    """Clients that got their connection (HTTP: each request)."""
    failed: int = 0
    """Connections that did not come about."""
    denied: int = 0
    """Wrong or missing passwords."""
    turned_away: int = 0
    """Clients above the limit."""
    dropped: int = 0
    """Datagrams that were not passed on."""


class ClientGone(ConnectionAbortedError):
    """The client left before it had what it asked for."""


class Passage:
    """One client's connection, and its way through a module."""

    def __init__(self, front: Front[Any], client: _socket.socket, number: int) -> None:
        self.front = front
        self.client = client
        self.number = number
        self.phase = Phase.ASKING
        self.limits = front.limits
        self.served = False
        """Whether it was told that it has what it asked for."""
        self._round_trip = 0.0
        self._pump: ClientPump | None = None
        self._room = asyncio.timeout(None)
        self.making_room = False
        """Whether its tunnel gives its socket to another client, and has not yet."""
        self._ending: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        """What the client says next, b"" at its end. Raises OSError."""
        return await asyncio.get_running_loop().sock_recv(self.client, READ)

    async def write(self, data: bytes) -> None:
        """Everything, as fast as the client takes it. Raises OSError."""
        if data:
            await asyncio.get_running_loop().sock_sendall(self.client, data)

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Limit the time in which the client must say what it wants. Raises ClientGone."""
        scope = asyncio.timeout(self.limits.handshake)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise ClientGone("the client did not say in time what it wants") from None

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """End the block with ClientGone when the client leaves."""
        scope = asyncio.timeout(None)
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with scope:
                    watcher = asyncio.create_task(self._watch(scope))
                    stack.callback(watcher.cancel)
                    yield
            except TimeoutError:
                if not scope.expired():
                    raise
                raise ClientGone("the client has left") from None

    async def _watch(self, scope: asyncio.Timeout) -> None:
        await gone(self.client)
        with contextlib.suppress(RuntimeError):  # it is over already
            scope.reschedule(asyncio.get_running_loop().time())

    @contextlib.asynccontextmanager
    async def leased(self, waiting: Awaitable[Lease[S]]) -> AsyncIterator[Lease[S]]:
        """What `Pool.lease` gives, for as long as the block. Raises ClientGone, and what that
        raises."""
        lease: Lease[S] | None = None
        self.phase = Phase.QUEUED
        try:
            async with self.watching():
                lease = await waiting
            self.phase = Phase.CONNECTING
            assert lease is not None
            yield lease
        finally:
            self.phase = Phase.ASKING
            if lease is not None:
                await lease.release()
            self.making_room = False

    def stream(self) -> Awaitable[Lease[AsyncTCPSocket]]:
        """A stream socket of the pool, for `leased`."""
        return self.front.pool.lease(self.limits.wait)

    def datagram(self) -> Awaitable[Lease[AsyncUDPSocket]]:
        """A datagram socket of the pool, for `leased`."""
        return self.front.pool.lease(self.limits.wait, datagram=True)

    async def connect(self, lease: Lease[AsyncTCPSocket], address: SocketAddress) -> AsyncTCPSocket:
        """The connection that the client asked for. Raises ClientGone, OSError."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self.watching():
            socket = await self.reach(lease, address)
        self._round_trip = loop.time() - begun
        self.relaying()
        return socket

    async def reach(self, lease: Lease[AsyncTCPSocket], address: SocketAddress) -> AsyncTCPSocket:
        """The leased socket, connected there, within `limits.connect`. Raises OSError."""
        return await lease.connect(address, timeout=self.limits.connect)

    async def pump(self, socket: AsyncTCPSocket, first: bytes) -> None:
        """Pass bytes to and fro until the end, or `make_room`; `finish` waits for the client's."""
        self._room = asyncio.timeout(None)
        self._pump = pump = ClientPump(
            socket,
            self.client,
            first=first,
            meter=self.front.meter,
            round_trip=self._round_trip,
            patience=self.limits.patience,
        )
        try:
            async with self._room:
                await pump.run()
        except TimeoutError:
            if not self._room.expired():
                raise
            log.info("client %d was silent, its socket goes to another", self.number)
        finally:
            self._pump = None
            self._ending = pump.ending

    @property
    def silent(self) -> float:
        """Seconds since anything passed, 0 while something does or there is no tunnel."""
        return self._pump.silent if self._pump is not None else 0.0

    def make_room(self) -> None:
        """End the tunnel, abnormally: nobody knows whether it was at its end."""
        self._pump = None
        self.making_room = True
        self._room.reschedule(asyncio.get_running_loop().time())

    async def finish(self, *, orderly: bool, hurried: bool = False) -> None:
        """Close the client's connection, if `pump` has not begun to; bounded, and shorter when
        `hurried`."""
        if self._ending is None:
            if self.client.fileno() == -1:
                return
            end = farewell(self.client) if orderly else reset(self.client, HURRY)
            self._ending = asyncio.create_task(end)
        try:
            await asyncio.wait({self._ending}, timeout=HURRY if hurried else None)
        finally:
            end_task(self._ending)
            await asyncio.wait({self._ending})

    def relaying(self) -> None:
        """The client has what it asked for."""
        self.phase = Phase.RELAYING
        self.served = True
        self.front.figures.served += 1
        log.info("client %d: connected", self.number)

    def failed(self, error: BaseException) -> None:
        """It cannot have it."""
        self.front.figures.failed += 1
        log.info("client %d: %s", self.number, type(error).__name__)
