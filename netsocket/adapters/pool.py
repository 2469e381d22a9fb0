"""Pool: the sockets of one or several network interfaces, shared out among more clients.

    async with Pool({"wifi": lambda: aopen_modem("esp8266:/dev/ttyUSB0"),
                     "cell": lambda: aopen_modem("bg96:/dev/ttyUSB2")}) as pool:
        async with await pool.lease(timeout=10) as lease:
            sock = await lease.connect(("example.org", 80), timeout=20)
            ...

A lease is one socket of one member, reserved in its stack: `lease.socket`. Use that one, by
`lease.connect`, `lease.net.connect(…, socket=lease.socket)`, or directly (bind, listen; sendto);
another socket of `lease.net` would be one more than was leased. Anything may be built over it (a
transport, a descriptor, TLS): the slot is free for the next client when the lease was released
*and* the stack has taken the socket back.

Clients wait in one queue for all members and are served in the order in which they came. Counting
comes from the claim `sockets.max`; the stack has the last word: where it has no socket after all,
because a program beside the pool holds it, the client goes back to its old place in the queue.

A member whose interface ends leaves at once. Its connections fail with their own errors; it is
opened again after 1, 2 … 30 seconds. One that attaches again by itself gets clients when it has.
"""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self, overload

from netsocket.adapters.balance import RULES, Balance
from netsocket.adapters.lease import Lease, S
from netsocket.adapters.member import REST, Life, Member, Opener
from netsocket.adapters.pool_status import MemberStatus, PoolBusy, PoolEmpty, PoolStatus
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NetworkDown, NotSupported
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

__all__ = ["Lease", "MemberStatus", "Pool", "PoolBusy", "PoolEmpty", "PoolStatus"]

_LEAST: Final = 0.1
"""Seconds that the stack gets to reserve a socket, however short the client's time is."""


@dataclass(order=True, slots=True)
class _Waiter:
    number: int
    served: asyncio.Future[Life] = field(compare=False)


class Pool:
    """See the module's docstring. It belongs to one event loop.

    `on_change(status)` is called in the loop's thread when a member came up, went down, or is down
    for another reason. Raises ValueError for no members at all, or an unknown `balance` (see
    `netsocket.adapters.balance`).
    """

    def __init__(
        self,
        openers: Mapping[str, Opener],
        balance: Balance = "least-busy",
        *,
        on_change: Callable[[MemberStatus], object] | None = None,
    ) -> None:
        if not openers:
            raise ValueError("a pool needs a member")
        if balance not in RULES:
            raise ValueError(f"balance {balance!r}: {', '.join(RULES)} are possible")
        self._rule = RULES[balance]
        self._openers = dict(openers)
        self._members = [
            Member(name, order, self._changed) for order, name in enumerate(self._openers)
        ]
        self._on_change = on_change
        self._told = {member.name: (False, member.reason) for member in self._members}
        self._queue: list[_Waiter] = []
        self._numbers = itertools.count(1)
        self._grants = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._opened = False
        self._was_up = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def of(cls, net: AsyncNetworkInterface, name: str = "") -> Self:
        """A pool of one interface that its owner opens and closes; it is ready at once."""
        pool = cls({name or net.name: _never})
        pool._opened = pool._was_up = True
        pool._loop = asyncio.get_running_loop()
        pool._members[0].borrow(net)
        return pool

    # -- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Open every member; returns when the first is up, the others may come later.

        Again: waits with who opens it, and does nothing when a member has been up.

        When none can be opened, the only member's own error, or PoolEmpty; NetworkDown when the
        pool is closed meanwhile.
        """
        self._check_open()
        if not self._opened:
            self._opened = True
            self._loop = asyncio.get_running_loop()
            for member in self._members:
                member.keep(self._openers[member.name])
        while not (self._was_up or any(member.up for member in self._members)):
            if all(member.failure is not None for member in self._members):
                await self.close()
                if len(self._members) == 1 and self._members[0].failure is not None:
                    raise self._members[0].failure
                raise PoolEmpty({member.name: _said(member.failure) for member in self._members})
            self._news.clear()
            await self._news.wait()
            self._check_open()
        self._was_up = True

    async def close(self) -> None:
        """Close every member that the pool has opened; who waits gets NetworkDown. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for waiter in self._queue:
            waiter.served.set_exception(_closed())
        self._queue.clear()
        self._news.set()
        await asyncio.gather(*(member.end() for member in self._members))
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def __aenter__(self) -> Self:
        """Open it."""
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def status(self) -> PoolStatus:
        """How it is now; nothing is asked of a module."""
        return PoolStatus(
            tuple(MemberStatus.of(member) for member in self._members), len(self._queue)
        )

    # -- leases -------------------------------------------------------------------------------

    @overload
    async def lease(
        self, timeout: float, *, datagram: Literal[False] = False
    ) -> Lease[AsyncTCPSocket]: ...
    @overload
    async def lease(self, timeout: float, *, datagram: Literal[True]) -> Lease[AsyncUDPSocket]: ...
    async def lease(
        self, timeout: float, *, datagram: bool = False
    ) -> Lease[AsyncTCPSocket] | Lease[AsyncUDPSocket]:
        """A free stream or datagram socket, within `timeout` seconds, first come, first served.

        Raises PoolBusy, PoolEmpty; NetworkDown when the pool is closed, NotSupported.
        """
        self._check_open()
        if not self._opened:
            raise NetworkDown("the pool is not open")
        loop = asyncio.get_running_loop()
        began = loop.time()
        number = next(self._numbers)
        refusal: OSError | None = None
        while True:
            life = await self._turn(number, began, began + timeout, refusal)
            limit = max(began + timeout - loop.time(), _LEAST)
            try:
                if datagram:
                    return await self._reserve(life, life.net.udp_socket, limit)
                return await self._reserve(life, life.net.tcp_socket, limit)
            except NotSupported:
                raise
            except OSError as error:
                log.debug("%s has no socket: %s", life.member.name, error)
                refusal = error

    async def _turn(
        self, number: int, began: float, deadline: float, refusal: OSError | None
    ) -> Life:
        """Wait in the queue, at the place that belongs to `number`."""
        self._check_open()
        loop = asyncio.get_running_loop()
        waiter = _Waiter(number, loop.create_future())
        insort(self._queue, waiter)
        self._serve()
        try:
            if not waiter.served.done():
                await asyncio.wait({waiter.served}, timeout=max(0.0, deadline - loop.time()))
        except BaseException:
            if waiter.served.done() and waiter.served.exception() is None:
                self._vacate(waiter.served.result())
            raise
        finally:
            queued = len(self._queue)
            if waiter in self._queue:
                self._queue.remove(waiter)
        if waiter.served.done():
            return waiter.served.result()
        if not any(member.up for member in self._members):
            raise PoolEmpty({m.name: m.reason for m in self._members}) from refusal
        raise PoolBusy(loop.time() - began, queued, self.status().capacity) from refusal

    def _serve(self) -> None:
        """Give what is free to those who wait longest."""
        while self._queue:
            now = asyncio.get_running_loop().time()
            up = {member.order: member for member in self._members if member.up}
            chosen = self._rule([member.load(now) for member in up.values()])
            if chosen is None:
                return
            member = up[chosen.order]
            assert member.life is not None
            member.life.in_use += 1
            member.served = next(self._grants)
            self._queue.pop(0).served.set_result(member.life)

    async def _reserve(self, life: Life, make: Callable[[], S], limit: float) -> Lease[S]:
        """Open a socket in the stack; a stack that refuses rests a while."""
        socket: S | None = None
        try:
            socket = made = make()
            made.settimeout(limit)
            await made.open()
            made.settimeout(None)
            return Lease(
                life,
                made,
                lambda: self._begin(self._take_back(life, made)),
                lambda: self._dropped(life, made),
            )
        except BaseException as error:
            if isinstance(error, OSError):
                loop = asyncio.get_running_loop()
                life.rest_until = loop.time() + REST
                loop.call_later(REST, self._changed)
            self._begin(self._discard(life, socket))
            raise

    async def _discard(self, life: Life, socket: AsyncTCPSocket | AsyncUDPSocket | None) -> None:
        """Close a socket and, when the stack has it back, free its slot."""
        try:
            if socket is not None:
                await socket.close()
                await socket.wait_closed()
        except OSError as error:
            log.debug("%s: closing a leased socket: %s", life.member.name, error)
        finally:
            self._vacate(life)

    async def _take_back(self, life: Life, socket: AsyncTCPSocket | AsyncUDPSocket) -> None:
        """The end of a lease: where the stack had refused a socket before, there is one now."""
        try:
            await self._discard(life, socket)
        finally:
            life.rest_until = 0.0
            self._serve()

    def _vacate(self, life: Life) -> None:
        life.in_use -= 1
        self._serve()

    def _dropped(self, life: Life, socket: AsyncTCPSocket | AsyncUDPSocket) -> bool:
        """A lease went to the garbage collector, in any thread."""
        if self._closed or self._loop is None or self._loop.is_closed():
            return False
        self._loop.call_soon_threadsafe(lambda: self._begin(self._take_back(life, socket)))
        return True

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` to its end, whatever happens to the caller."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _changed(self) -> None:
        self._news.set()
        if not self._closed:
            self._serve()
            self._tell()

    def _tell(self) -> None:
        for member in self._members:
            now = (member.up, member.reason)
            if self._told[member.name] == now:
                continue
            self._told[member.name] = now
            log.info("%s: %s", member.name, "up" if member.up else f"down: {member.reason}")
            if self._on_change is not None:
                try:
                    self._on_change(MemberStatus.of(member))
                except Exception:
                    log.exception("on_change of a pool failed")

    def _check_open(self) -> None:
        if self._closed:
            raise _closed()


def _closed() -> NetworkDown:
    return NetworkDown("the pool was closed")


def _said(error: BaseException | None) -> str:
    return getattr(error, "strerror", None) or str(error)


async def _never() -> AsyncNetworkInterface:
    raise NetworkDown("its owner opens it")
