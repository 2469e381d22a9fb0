"""Time, waiting and turns: what happens while a call of a socket cannot go on.

How waiting works. Every call to the stack is one bounded transaction and runs in a task of its
own; a caller waits *for* it, and a caller's time-out, cancellation or close never reaches *into*
it. "Nothing now" makes the caller wait for the stack's notice. A notice counter is read before
each attempt, so a notice that comes in between is never missed; every waiter is woken by every
notice and tries again.

How time works. One monotonic deadline per call. When it strikes, callbacks that are already due
run first: a loop that slept does not turn an answer that has arrived into a time-out. The time-out
is read when a call begins: who changes it later changes the calls after that.
"""

from __future__ import annotations

import asyncio
import copy
import errno
import math
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from netsocket.errors import (
    BadHandle,
    CallTimeout,
    ModuleRestarted,
    NetsocketError,
    WouldBlock,
    from_os_error,
)
from netsocket.lifecycle import SocketEvent, SocketLife
from netsocket.table import SocketTable

T = TypeVar("T")

Waiters = dict[asyncio.Future[None], None]
"""Who waits for the same thing, in the order in which they came: a set would wake them by address,
differently in each run."""
NOW: Final = -math.inf
"""The deadline of a non-blocking call: it waits for its one transaction, which the stack bounds,
and for nothing else."""
_HOPS: Final = 16
"""Turns of the event loop granted after a deadline, for answers that have already arrived."""


class Direction:
    """Sending or receiving: whose turn it is, and the transaction a caller left behind."""

    __slots__ = ("task", "turn")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.task: asyncio.Future[Any] | None = None


class Waiting:
    """The time-out, the waiters and the transactions of one socket."""

    def __init__(self, table: SocketTable) -> None:
        self._table = table
        self._life = SocketLife()
        self._closed = False
        self._broken: OSError | None = None
        self._gone: OSError | None = None
        self._timeout: float | None = None
        self._notices = 0
        self._watchers: Waiters = {}
        self._callers: Waiters = {}

    # -- time-outs ----------------------------------------------------------------------------

    @property
    def timeout(self) -> float | None:
        """Seconds a call may take; None = for ever, 0.0 = non-blocking."""
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        """Seconds for each call as a whole; 0 = non-blocking, None = for ever. ValueError."""
        if value is not None:
            value = float(value)
            if math.isnan(value):
                raise ValueError("Invalid value NaN (not a number)")
            if value < 0:
                raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        """The time-out in seconds, see settimeout."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """True = settimeout(None), False = settimeout(0)."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """False in non-blocking mode only."""
        return self._timeout != 0.0

    def _deadline(self) -> float | None:
        """When this call must have ended, in the loop's time; NOW for non-blocking calls."""
        if self._timeout is None:
            return None
        return asyncio.get_running_loop().time() + self._timeout if self._timeout else NOW

    # -- notices ------------------------------------------------------------------------------

    def notice(self) -> None:
        """From the stack: something may be different now."""
        self._notices += 1
        wake(self._watchers)

    def break_off(self, error: OSError) -> None:
        """The stack below is gone: every call raises `error` from now on."""
        if self._gone is None:
            self._gone = error
        self._break(error)
        wake(self._callers)
        self.notice()

    # -- transactions -------------------------------------------------------------------------

    async def _call(self, start: Callable[[], Coroutine[Any, Any, T]], deadline: float | None) -> T:
        """One transaction of neither direction."""
        return await self._outcome(self._table.spawn(start()), deadline)

    async def _transact(
        self,
        direction: Direction,
        start: Callable[[], Coroutine[Any, Any, T]],
        deadline: float | None,
    ) -> T:
        """Start a transaction of this direction, or take over the one left behind.

        A time-out or cancellation leaves it running, or its outcome waiting, in `direction.task`.
        """
        self._check_gone()
        if direction.task is None:
            task = direction.task = self._table.spawn(start())
            return await self._settled(direction, task, deadline)
        outcome: T = await self._left_behind(direction, direction.task, deadline)
        return outcome

    async def _left_behind(
        self, direction: Direction, task: asyncio.Future[T], deadline: float | None
    ) -> T:
        """The outcome of the transaction that an earlier call left in `direction`.

        Raises WouldBlock in non-blocking mode while it is still under way.
        """
        self._check_gone()
        if deadline == NOW and not task.done():
            raise WouldBlock("an earlier call's transaction is still under way")
        return await self._settled(direction, task, deadline)

    async def _settled(
        self, direction: Direction, task: asyncio.Future[T], deadline: float | None
    ) -> T:
        try:
            await self._until_done(task, deadline)
        except BaseException:
            self._leave_behind(direction)
            raise
        direction.task = None  # from here to the caller there is no await: it gets the outcome
        return self._taken(task)

    def _leave_behind(self, direction: Direction) -> None:
        """The caller goes before its transaction has ended, or without its outcome."""
        task = direction.task
        if task is not None:
            if not isinstance(task, asyncio.Task):
                self._table.follow(task)
            task.add_done_callback(self._ended_unwatched)

    async def _outcome(self, task: asyncio.Future[T], deadline: float | None) -> T:
        """The outcome of a task, which is never cancelled by this.

        Raises BadHandle when the socket is closed meanwhile, CallTimeout, or the task's error.
        """
        await self._until_done(task, deadline)
        return self._taken(task)

    async def _until_done(self, task: asyncio.Future[Any], deadline: float | None) -> None:
        if not task.done():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def ended(_task: object) -> None:
                if not waiter.done():
                    waiter.set_result(None)

            task.add_done_callback(ended)
            try:
                await self._wait(waiter, self._callers, deadline)
            finally:
                task.remove_done_callback(ended)
        self._check_done(task)

    def _check_done(self, task: asyncio.Future[Any] | None) -> None:
        """Why a caller that waited goes on although this has not ended."""
        if self._closed:
            raise BadHandle("the socket was closed during the call")
        if task is not None and not task.done():
            self._check_gone()
            if self._broken is not None:
                raise copy.copy(self._broken)
            raise CallTimeout("timed out")

    def _taken(self, task: asyncio.Future[T]) -> T:
        if task.cancelled():
            raise BadHandle("the interface was closed during the call")
        error = task.exception()
        if error is None:
            return task.result()
        raise self._judged(error)

    def _ended_unwatched(self, task: asyncio.Future[Any]) -> None:
        """Nobody waited for it, but a broken connection concerns the other direction too."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ConnectionResetError):
            self._break(error)
        self.notice()

    async def _pause(self, seen: int, deadline: float | None) -> None:
        """After "nothing now": wait for a notice later than `seen`.

        Raises WouldBlock in non-blocking mode, CallTimeout, BadHandle.
        """
        if deadline == NOW:
            raise WouldBlock("the operation would block")
        if self._notices == seen:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            await self._wait(waiter, self._watchers, deadline)
        if self._closed:
            raise BadHandle("the socket was closed during the call")
        self._check_gone()
        if self._notices == seen:
            raise CallTimeout("timed out")

    async def _take_turn(self, direction: Direction, deadline: float | None) -> None:
        """One caller at a time and direction. Raises CallTimeout, WouldBlock, BadHandle."""
        await take_turn(direction.turn, deadline)
        if self._closed:
            direction.turn.release()
            raise BadHandle("the socket was closed during the call")

    async def _wait(
        self,
        waiter: asyncio.Future[None],
        group: Waiters,
        deadline: float | None,
    ) -> None:
        group[waiter] = None
        loop = asyncio.get_running_loop()
        timer = None
        if deadline is not None and deadline != NOW:
            timer = loop.call_at(deadline, _expire, loop, waiter, _HOPS)
        try:
            await waiter
        finally:
            group.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def _judged(self, error: BaseException) -> BaseException:
        """The error a caller sees; breaks the socket when the error means that."""
        if isinstance(error, OSError) and error.errno == errno.EBADF:
            if self._broken is not None:
                return copy.copy(self._broken)
            error = ModuleRestarted("the stack no longer knows this socket")
        if isinstance(error, OSError) and not isinstance(error, NetsocketError):
            error = from_os_error(error)
        if isinstance(error, ConnectionResetError) and self._can_break():
            first = self._broken is None
            self._break(error)
            if first:
                self.notice()
        return error

    def _can_break(self) -> bool:
        """Whether there is something that a reset ends."""
        return True

    def _check_gone(self) -> None:
        """Raise why the stack below is gone, if it is."""
        if self._gone is not None:
            raise copy.copy(self._gone)

    def _break(self, error: OSError) -> None:
        if self._broken is None and not self._closed:
            self._broken = error
            if self._life.may(SocketEvent.BROKE):
                self._life.happened(SocketEvent.BROKE)


async def take_turn(turn: asyncio.Lock, deadline: float | None) -> None:
    """Acquire `turn` before `deadline`. Raises WouldBlock in non-blocking mode, CallTimeout."""
    if not turn.locked():
        await turn.acquire()
    elif deadline == NOW:
        raise WouldBlock("another caller is at work on this socket")
    else:
        try:
            async with asyncio.timeout_at(deadline):
                await turn.acquire()
        except TimeoutError:
            raise CallTimeout("timed out behind another caller") from None


def wake(group: Waiters) -> None:
    """Let every waiter of a group look again, the first first."""
    for waiter in group:
        if not waiter.done():
            waiter.set_result(None)


def _expire(loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None], hops: int) -> None:
    if waiter.done():
        return
    if hops:
        loop.call_soon(_expire, loop, waiter, hops - 1)
    else:
        waiter.set_result(None)
