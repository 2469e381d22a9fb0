"""A port of this computer whose clients go through a pool of modules: who may come, how many.

What a client wants is a subclass's: `Proxy` asks it, `Forward` knows. The log tells which client
came and how it ended, never where it went or what it said.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket as _socket
from abc import ABC, abstractmethod
from typing import Final, Generic, Self, TypeVar

from netsocket.adapters.client import set_up, shrink
from netsocket.adapters.ending import end_task
from netsocket.adapters.passage import Figures, Limits, Passage, Phase
from netsocket.adapters.pool import Pool
from netsocket.adapters.pump import Meter
from netsocket.adapters.server import NO_ROOM, RETRY
from netsocket.address import SocketAddress
from netsocket.table import log

LOOK: Final = 0.25
"""Seconds between looks for silent tunnels while clients wait."""
BACKLOG: Final = 128
"""Connections that the kernel keeps until they are accepted."""

V = TypeVar("V", bound=Passage)


class Front(ABC, Generic[V]):
    """Listens, admits clients and serves each in a task. It belongs to one event loop."""

    def __init__(self, pool: Pool, limits: Limits | None = None) -> None:
        self.pool = pool
        self.limits = limits or Limits()
        self.meter = Meter()
        self.figures = Figures()
        self._listeners: list[tuple[_socket.socket, asyncio.Task[None]]] = []
        self._visits: dict[asyncio.Task[None], V] = {}
        self._numbers = itertools.count(1)
        self._steward: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> SocketAddress:
        """Serve clients that connect there, from now on; returns the address, with the port that
        0 chose. Raises ValueError for a host that is no literal, OSError (EADDRINUSE,
        EADDRNOTAVAIL)."""
        literal = ipaddress.ip_address(host)
        family = _socket.AF_INET6 if literal.version == 6 else _socket.AF_INET
        listener = _socket.socket(family, _socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            if family == _socket.AF_INET6:
                listener.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            shrink(listener)
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        loop = asyncio.get_running_loop()
        if self.limits.idle is not None and self._steward is None:
            self._steward = loop.create_task(self._make_room(self.limits.idle))
        task = loop.create_task(self._accept(listener))
        self._listeners.append((listener, task))
        return SocketAddress.coerce(listener.getsockname())

    async def close(self) -> None:
        """Accept no more, and end every conversation: clients see a reset. Idempotent."""
        for listener, task in self._listeners:
            task.cancel()
            listener.close()
        accepting = [task for _listener, task in self._listeners]
        self._listeners.clear()
        if self._steward is not None:
            self._steward.cancel()
            accepting.append(self._steward)
            self._steward = None
        visits = list(self._visits)
        for task in visits:
            end_task(task)
        if accepting or visits:
            await asyncio.wait([*accepting, *visits])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def phases(self) -> dict[Phase, int]:
        """How many clients are where."""
        counts = dict.fromkeys(Phase, 0)
        for visit in self._visits.values():
            counts[visit.phase] += 1
        return counts

    # -- inside -------------------------------------------------------------------------------

    async def _accept(self, listener: _socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    log.debug("a client left before it was accepted: %s", error)
                    continue
                log.warning("no client can be accepted now: %s", error)
                await asyncio.sleep(RETRY)
                continue
            number = next(self._numbers)
            if len(self._visits) >= self.limits.clients:
                self.figures.turned_away += 1
                log.warning("client %d from %s is one too many", number, peer[0])
                await self._turn_away(client)
                continue
            log.info("client %d from %s", number, peer[0])
            visit = self._welcome(client, number)
            task = loop.create_task(self._serve(visit))
            self._visits[task] = visit
            task.add_done_callback(self._visits.pop)

    async def _make_room(self, idle: float) -> None:
        """For each client that waits longer than a moment, the tunnel that has been silent longest
        ends."""
        before = 0
        while True:
            await asyncio.sleep(LOOK)
            queued = self.pool.status().queued
            on_the_way = sum(visit.making_room for visit in self._visits.values())
            for _ in range(min(before, queued) - on_the_way):
                visit = max(self._visits.values(), key=lambda one: one.silent, default=None)
                if visit is None or visit.silent < idle:
                    break
                visit.make_room()
            before = queued

    async def _turn_away(self, client: _socket.socket) -> None:
        """Close the connection of one client too many."""
        client.close()

    @abstractmethod
    def _welcome(self, client: _socket.socket, number: int) -> V:
        """The record of a client that was accepted."""

    async def _serve(self, visit: V) -> None:
        """One client from its first byte to its end; it is closed behind."""
        orderly = False
        try:
            set_up(visit.client)
            orderly = await self._answer(visit)
        except asyncio.CancelledError:
            await visit.finish(orderly=False, hurried=True)
            raise
        except (OSError, EOFError) as error:
            log.info("client %d: %s", visit.number, type(error).__name__)
        except Exception:
            log.exception("client %d could not be served", visit.number)
        finally:
            await visit.finish(orderly=orderly)
            log.info("client %d has ended", visit.number)

    @abstractmethod
    async def _answer(self, visit: V) -> bool:
        """Give a client what it wants. False when the end should look abnormal; raises OSError,
        EOFError."""
