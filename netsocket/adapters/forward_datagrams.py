"""A UDP port of this computer that leads to one address beyond the module.

    async with Pool.of(net) as pool, DatagramForward(pool, ("192.0.2.1", 53)) as forward:
        address = await forward.listen("127.0.0.1", 5353)

Each local address that sends something is a *session* with a socket of the module, until nothing
has passed either way for `idle` seconds. Modules have few sockets: while a new session waits for
one, a session that has been silent for `YIELD` seconds gives its up, the longest silent first. What
the module cannot send, what comes faster than it takes, and what waits longer than `limits.wait` is
dropped and counted, as UDP may.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import deque
from typing import Any, Final, Self

from netsocket.adapters.ending import end_tasks
from netsocket.adapters.passage import Figures, Limits
from netsocket.adapters.pool import Lease, Pool
from netsocket.adapters.pump import Meter
from netsocket.address import SocketAddress
from netsocket.datagram import MAX_DATAGRAM, AsyncUDPSocket
from netsocket.lifecycle import SocketState
from netsocket.table import log

IDLE: Final = 60.0
"""Seconds without a datagram that end a session."""
YIELD: Final = 1.0
"""Seconds without a datagram after which a session gives its socket to one that waits."""
QUEUE: Final = 64
"""Datagrams of one session that wait for the module, at most."""
PAUSE: Final = 0.05
"""Seconds between receptions that fail, so that a lasting error does not spin."""

Local = tuple[Any, ...]
"""A local client's address, as the kernel tells it."""


class DatagramForward(asyncio.DatagramProtocol):
    """See the module's docstring. It belongs to one event loop, and listens once."""

    def __init__(
        self,
        pool: Pool,
        target: object,
        *,
        limits: Limits | None = None,
        idle: float = IDLE,
    ) -> None:
        self.pool = pool
        self.target = SocketAddress.coerce(target)
        self.limits = limits or Limits()
        self.idle = idle
        self.meter = Meter()
        self.figures = Figures()
        self.sessions: dict[Local, Session] = {}
        self.local: asyncio.DatagramTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> SocketAddress:
        """Take datagrams that come there, from now on; returns the address. Raises ValueError for a
        host that is no literal, OSError (EADDRINUSE, EADDRNOTAVAIL)."""
        assert self.local is None, "it listens already"
        literal = str(ipaddress.ip_address(host))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, (literal, port))
        self.local = transport
        own = transport.get_extra_info("sockname")
        return SocketAddress(own[0], own[1])

    async def close(self) -> None:
        """End every session. Idempotent."""
        if self.local is not None:
            self.local.close()
        await end_tasks(self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def drop(self, why: object) -> None:
        """Count a datagram that is not passed on."""
        self.figures.dropped += 1
        log.debug("a datagram was dropped: %s", why)

    def give_way(self) -> None:
        """Somebody waits for a socket: the session that is silent longest gives its up."""
        silent = [
            session
            for session in self.sessions.values()
            if session.has_socket and session.silence >= YIELD
        ]
        if silent:
            max(silent, key=lambda session: session.silence).over.set()

    # -- asyncio.DatagramProtocol -------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Local) -> None:
        """From a local client."""
        session = self.sessions.get(addr)
        if session is None:
            if len(self.sessions) >= self.limits.clients:
                self.figures.turned_away += 1
                self.drop("there are too many sessions")
                return
            session = self.sessions[addr] = Session(self, addr)
            task = asyncio.get_running_loop().create_task(session.run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        session.offer(data)

    def error_received(self, exc: Exception) -> None:
        """A local client has gone: its session ends when it has been idle."""
        log.debug("a local client does not take its datagrams: %s", exc)


class Session:
    """One local client's datagrams."""

    def __init__(self, forward: DatagramForward, local: Local) -> None:
        self._forward = forward
        self._local = local
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._sending = False
        self._heard = asyncio.get_running_loop().time()
        self.over = asyncio.Event()
        """Set: it ends."""
        self.has_socket = False

    @property
    def silence(self) -> float:
        """Seconds since something last passed, either way; none while a datagram is on its way."""
        if self._waiting or self._sending:
            return 0.0
        return asyncio.get_running_loop().time() - self._heard

    def offer(self, data: bytes) -> None:
        """A datagram of the client."""
        self._passed()
        if len(self._waiting) >= QUEUE:
            self._forward.drop("the module takes them too slowly")
            return
        self._waiting.append(data)
        self._filled.set()

    async def run(self) -> None:
        """From the first datagram to the end."""
        figures = self._forward.figures
        served = False
        try:
            async with await self._leased() as lease:
                await self._connect(lease)
                figures.served += 1
                served = self.has_socket = True
                await self._relay(lease.socket)
        except OSError as error:
            figures.failed += not served
            log.info("a session has ended: %s", error)
        except Exception:
            log.exception("a session could not be served")
        finally:
            del self._forward.sessions[self._local]
            for _ in self._waiting:
                self._forward.drop("its session has ended")

    # -- inside -------------------------------------------------------------------------------

    def _passed(self) -> None:
        self._heard = asyncio.get_running_loop().time()

    async def _leased(self) -> Lease[AsyncUDPSocket]:
        forward = self._forward
        leasing = asyncio.create_task(forward.pool.lease(forward.limits.wait, datagram=True))
        try:
            while not leasing.done():
                await asyncio.wait({leasing}, timeout=YIELD / 4)
                if not leasing.done():
                    forward.give_way()
            return leasing.result()
        except BaseException:
            leasing.cancel()
            await asyncio.wait({leasing})
            if not leasing.cancelled() and leasing.exception() is None:
                await leasing.result().release()
            raise

    async def _connect(self, lease: Lease[AsyncUDPSocket]) -> None:
        target = self._forward.target
        async with asyncio.timeout(self._forward.limits.connect):
            if not target.is_literal:
                target = SocketAddress((await lease.net.resolve(target.host))[0], target.port)
            await lease.socket.connect(target)

    async def _relay(self, socket: AsyncUDPSocket) -> None:
        """Until it is over, idle, or broken. Raises what broke it."""
        tasks = [
            asyncio.create_task(self._outward(socket)),
            asyncio.create_task(self._inward(socket)),
            asyncio.create_task(self._silent()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.has_socket = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _outward(self, socket: AsyncUDPSocket) -> None:
        while True:
            while self._waiting:
                data = self._waiting.popleft()
                self._sending = True
                try:
                    await socket.send(data)
                    self._forward.meter.up += len(data)
                except OSError as error:
                    _raise_broken(socket, error)
                    self._forward.drop(error)
                self._sending = False
                self._passed()
            self._filled.clear()
            await self._filled.wait()

    async def _inward(self, socket: AsyncUDPSocket) -> None:
        while True:
            try:
                data = await socket.recv(MAX_DATAGRAM)
            except OSError as error:
                _raise_broken(socket, error)
                await asyncio.sleep(PAUSE)
                continue
            self._passed()
            if self._forward.local is not None:
                self._forward.local.sendto(data, self._local)
                self._forward.meter.down += len(data)

    async def _silent(self) -> None:
        """Until it was idle, or gave way."""
        while (left := self._forward.idle - self.silence) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.over.wait()
                    return


def _raise_broken(socket: AsyncUDPSocket, error: OSError) -> None:
    if socket.closed or socket.state is SocketState.BROKEN:
        raise error
