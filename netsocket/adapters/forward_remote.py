"""A port of the module that leads to an address of this computer, as `ssh -R`.

    async with Pool.of(net) as pool, RemoteForward(pool, [("127.0.0.1", 80)]) as forward:
        address = await forward.listen("", 8080)

Where the module cannot listen, `listen` raises NotSupported. A listener does not survive a restart
of the module: it is made again when the module is back, on the same port.
"""

from __future__ import annotations

import asyncio
import itertools
import socket as _socket
from collections.abc import Sequence
from typing import Final, Self

from netsocket.adapters.client import ClientPump, set_up
from netsocket.adapters.ending import end_tasks
from netsocket.adapters.passage import Figures, Limits
from netsocket.adapters.pool import Lease, Pool
from netsocket.adapters.pump import Meter
from netsocket.adapters.server import accept
from netsocket.address import SocketAddress
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

BACKLOG: Final = 5
"""Connections that may wait to be accepted, where the stack lets one choose."""
FIRST_DELAY: Final = 1.0
"""Seconds until a listener that broke is made again; doubled each time."""
LONGEST_DELAY: Final = 30.0
"""Seconds between attempts, at most."""


class RemoteForward:
    """See the module's docstring. `targets` are literal addresses, tried in order. It belongs to
    one event loop, and listens once."""

    def __init__(
        self,
        pool: Pool,
        targets: Sequence[tuple[str, int]],
        *,
        limits: Limits | None = None,
    ) -> None:
        self.pool = pool
        self.limits = limits or Limits()
        self.meter = Meter()
        self.figures = Figures()
        self._targets = list(targets)
        self._own = SocketAddress("", 0)
        self._task: asyncio.Task[None] | None = None
        self._served: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    async def listen(self, host: str, port: int) -> SocketAddress:
        """Accept on this port of the module from now on; returns the address.

        Raises NotSupported, AddressInUse, and what `Pool.lease` raises.
        """
        assert self._task is None, "it listens already"
        self._own = SocketAddress(host, port)
        lease, told = await self._listening()
        self._task = asyncio.get_running_loop().create_task(self._accept(lease))
        return told

    async def close(self) -> None:
        """Accept no more, and reset every connection. Idempotent."""
        await end_tasks([*([self._task] if self._task else []), *self._served])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    # -- inside -------------------------------------------------------------------------------

    async def _listening(self) -> tuple[Lease[AsyncTCPSocket], SocketAddress]:
        lease = await self.pool.lease(self.limits.wait)
        try:
            lease.net.capabilities["tcp.listen"].require()
            await lease.socket.bind(self._own)
            await lease.socket.listen(BACKLOG)
            own = await lease.socket.getsockname()
        except BaseException:
            await lease.release()
            raise
        host = own.host if not own.is_wildcard else lease.net.ip_address or own.host
        return lease, SocketAddress(host, own.port or self._own.port)

    async def _accept(self, lease: Lease[AsyncTCPSocket] | None) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                if lease is None:
                    lease, told = await self._listening()
                    log.warning("listening on %s again", told)
                    delay = FIRST_DELAY
                while True:
                    socket, _peer = await accept(lease.socket)
                    self._take(socket)
            except OSError as error:
                log.warning("not listening on port %d: %s", self._own.port, error)
            finally:
                if lease is not None:
                    await lease.release()
                    lease = None
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    def _take(self, socket: AsyncTCPSocket) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(socket, next(self._numbers)))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, socket: AsyncTCPSocket, number: int) -> None:
        """One peer, from its connection to its end; both sides are closed behind."""
        if len(self._served) > self.limits.clients:
            self.figures.turned_away += 1
            log.warning("peer %d is one too many", number)
            await socket.close(abort=True)
            return
        try:
            client = await self._reach()
        except BaseException as error:
            self.figures.failed += 1
            await socket.close(abort=True)
            if not isinstance(error, OSError):
                raise
            log.warning("peer %d: nobody here took its connection: %s", number, error)
            return
        self.figures.served += 1
        log.info("peer %d: connected", number)
        set_up(client)
        pump = ClientPump(socket, client, meter=self.meter, patience=self.limits.patience)
        try:
            await pump.run()
        finally:
            if pump.ending is not None:
                await asyncio.wait({pump.ending})
            log.info("peer %d has ended", number)

    async def _reach(self) -> _socket.socket:
        """A connection to the first target that takes it. Raises OSError."""
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for target in self._targets:
            family = _socket.AF_INET6 if ":" in target[0] else _socket.AF_INET
            client = _socket.socket(family, _socket.SOCK_STREAM)
            try:
                client.setblocking(False)
                async with asyncio.timeout(self.limits.connect):
                    await loop.sock_connect(client, target)
                return client
            except BaseException as error:
                client.close()
                if not isinstance(error, OSError):
                    raise
                failure = failure or error
        assert failure is not None
        raise failure
