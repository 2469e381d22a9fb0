"""The life of a network interface: up, down, status and its notices, and what ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Self

from netsocket.capability.model import CapabilityTable
from netsocket.errors import NetworkDown, NetworkTimeout
from netsocket.names import Names
from netsocket.stack import InterfaceStatus, RecoveringStack, Stack, StackStatus
from netsocket.table import SocketTable, log
from netsocket.waiting import Waiters, wake

FLUSH_LIMIT = 5.0
"""Seconds that streams and descriptors get, at close, to end before the stack is taken from them;
closed ones send what they had queued."""


class InterfaceLife:
    """Base of AsyncNetworkInterface: a stack, its sockets' table and its state.

    Status notices: `on_status` callbacks get each new InterfaceStatus once, in the order
    CONNECTING, (LOCAL_UP), GLOBAL_UP, DISCONNECTED of a life; CONNECTING after GLOBAL_UP means
    that the module attaches again by itself: old sockets are broken, wait for GLOBAL_UP. What
    cannot be mended, or lasts too long, ends in DISCONNECTED, and `failure` says why; from there it
    may still come back by itself when the cause lay outside and is over.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._table = SocketTable(stack)
        self._table.on_status = self._status_noticed
        self.names = Names(self._table)
        """The cache of names: `size`, `lifetime` in seconds, `clear()`."""
        self._state = InterfaceStatus.DISCONNECTED
        self._snapshot = StackStatus(InterfaceStatus.DISCONNECTED)
        self._callbacks: list[Callable[[InterfaceStatus], object]] = []
        self._state_watchers: Waiters = {}
        self._dependants: dict[object, Callable[[OSError], Coroutine[Any, Any, None]]] = {}
        self._closed = False
        self._ending: asyncio.Task[None] | None = None
        self.ups = 0
        """How often the interface has come up, by itself or by `up`."""

    # -- life ---------------------------------------------------------------------------------

    async def up(self) -> None:
        """Bring the interface up; nothing when it is. Raises AuthenticationFailed,
        NetworkNotFound, NetworkTimeout, DhcpFailed, OSError."""
        self._check_open()
        if self._ending is not None and not self._ending.done():
            await asyncio.wait({self._ending})
        if self._state is InterfaceStatus.DISCONNECTED:
            self._status_noticed(InterfaceStatus.CONNECTING)
        try:
            await self.stack.up()
            await self.refresh()
        except BaseException:
            self._status_noticed(InterfaceStatus.DISCONNECTED)
            raise

    async def down(self) -> None:
        """Close every socket and take the interface down; `up` may follow."""
        await self._end("the interface was taken down")

    async def close(self) -> None:
        """Take the interface down for good; nothing of it is left running. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._end("the interface was closed")
        elif self._ending is not None:
            await asyncio.wait({self._ending})

    async def _end(self, reason: str) -> None:
        """Once begun it runs to its end, whatever becomes of the caller: half of it would leave an
        interface that is neither up nor down."""
        if not self._dependants:  # they may have something to send yet
            await self._table.close(NetworkDown(reason))  # at once, before anybody else's turn
        ending = asyncio.get_running_loop().create_task(self._fall(reason, self._ending))
        ending.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._ending = ending
        await asyncio.shield(ending)

    async def _fall(self, reason: str, former: asyncio.Task[None] | None) -> None:
        if former is not None:
            await asyncio.wait({former})
        await self._end_sockets(reason)
        self._table.closed = self._closed
        self._status_noticed(InterfaceStatus.DISCONNECTED)

    async def _end_sockets(self, reason: str) -> None:
        error = NetworkDown(reason)
        ending = asyncio.gather(*(end(error) for end in list(self._dependants.values())))
        await asyncio.wait({ending}, timeout=FLUSH_LIMIT)
        await self._table.close(error)
        self.names.end()
        try:
            await self.stack.down()
        finally:
            await self._table.settle()
            await ending  # what still waited for the stack does not any more

    async def __aenter__(self) -> Self:
        """Bring the interface up."""
        try:
            await self.up()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    # -- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Short name of the stack."""
        return self.stack.name

    @property
    def capabilities(self) -> CapabilityTable:
        """What the stack claims."""
        return self.stack.capabilities

    @property
    def status(self) -> InterfaceStatus:
        """The state as last noticed; nothing is asked."""
        return self._state

    @property
    def snapshot(self) -> StackStatus:
        """The last answer to `refresh`."""
        return self._snapshot

    @property
    def ip_address(self) -> str | None:
        """Own address as of the last `refresh`, or of when it came up; None while not attached."""
        return self._snapshot.ip_address

    @property
    def failure(self) -> OSError | None:
        """Why it is not up, as far as the stack tells; None while it is."""
        return self.stack.failure if isinstance(self.stack, RecoveringStack) else None

    @property
    def recovery(self) -> Mapping[str, int]:
        """How often what failed and how often what was done about it, by name ("restart", "retry",
        "reset", "reopen" …); empty for a stack that does not recover by itself."""
        return self.stack.recovery if isinstance(self.stack, RecoveringStack) else {}

    async def refresh(self) -> StackStatus:
        """Ask the stack how it is."""
        self._check_open()
        before = self._snapshot
        now = self._snapshot = await self.stack.status()
        if (now.ip_address, now.epoch) != (before.ip_address, before.epoch):
            self.names.clear()
        self._status_noticed(now.state)
        return self._snapshot

    def on_status(self, callback: Callable[[InterfaceStatus], object]) -> Callable[[], None]:
        """Call `callback(status)` at each change, in the loop's thread; returns its removal.

        It must return soon. What it raises is logged and goes no further.
        """
        self._callbacks.append(callback)

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    # -- inside -------------------------------------------------------------------------------

    def _ends_with_me(
        self, dependant: object, end: Callable[[OSError], Coroutine[Any, Any, None]]
    ) -> None:
        """`end(error)` is run before the sockets are closed, unless forgotten before."""
        self._dependants[dependant] = end

    def _forget(self, dependant: object) -> None:
        self._dependants.pop(dependant, None)

    def _check_open(self) -> None:
        if self._closed:
            raise NetworkDown("the interface was closed")

    async def wait_attached(self, timeout: float | None = None) -> None:
        """Return at once, or when an interface that is attaching has done so or given up. Raises
        NetworkTimeout after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        await self._wait_attached(None if timeout is None else loop.time() + timeout)

    async def _wait_attached(self, deadline: float | None) -> None:
        while self._state is InterfaceStatus.CONNECTING:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._state_watchers[waiter] = None
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                raise NetworkTimeout("the interface is still attaching") from None
            finally:
                self._state_watchers.pop(waiter, None)
            self._check_open()

    def _status_noticed(self, status: InterfaceStatus) -> None:
        if status is self._state:
            return
        self._state = status
        if status is InterfaceStatus.GLOBAL_UP:
            self.ups += 1
        else:
            self.names.clear()
        if status is not self._snapshot.state:
            keeps = status in (InterfaceStatus.GLOBAL_UP, InterfaceStatus.LOCAL_UP)
            address = self._snapshot.ip_address
            if isinstance(self.stack, RecoveringStack):
                address = self.stack.address
            self._snapshot = StackStatus(
                status,
                address if keeps else None,
                self._snapshot.epoch,
                self._snapshot.details,
            )
        wake(self._state_watchers)
        for callback in list(self._callbacks):
            try:
                callback(status)
            except Exception:
                log.exception("status callback of %r failed", self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._state.name.lower()}>"
