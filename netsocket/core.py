"""What stream and datagram sockets share: time, waiting, turns, notices, options, close.

How waiting works. Every call to the stack is one bounded transaction and runs in a task of its
own; a caller waits *for* it, and a caller's time-out, cancellation or close never reaches *into*
it. "Nothing now" makes the caller wait for the stack's notice. A notice counter is read before
each attempt, so a notice that comes in between is never missed; every waiter is woken by every
notice and tries again.

How time works. One monotonic deadline per call. When it strikes, callbacks that are already due
run first: a loop that slept does not turn an answer that has arrived into a time-out.
"""

from __future__ import annotations

import asyncio
import copy
import errno
import math
import socket as _socket
import warnings
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, Level
from netsocket.errors import (
    BadHandle,
    CallTimeout,
    InvalidArgument,
    ModuleRestarted,
    NetworkDown,
    NotSupported,
    WouldBlock,
)
from netsocket.lifecycle import SocketEvent, SocketLife, SocketState
from netsocket.stack import Handle, Kind
from netsocket.table import SocketTable, log

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

T = TypeVar("T")

READ_LIMIT: Final = 256 * 1024
"""Most bytes asked of the stack at once, so that recv(2**30) allocates nothing absurd."""
_HOPS: Final = 16
"""Turns of the event loop granted after a deadline, for answers that have already arrived."""

_FLAGS: Final = Capability("flags", Level.NONE, "MSG_ flags have no counterpart in this API")


class Direction:
    """Sending or receiving: whose turn it is, and the transaction a caller left behind."""

    __slots__ = ("task", "turn")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.task: asyncio.Task[Any] | None = None


def as_bytes(data: ReadableBuffer) -> memoryview:
    """A flat view of any bytes-like object. Raises TypeError for anything else, text included."""
    return memoryview(data).cast("B")


class AsyncSocket:
    """Base of `AsyncTCPSocket` and `AsyncUDPSocket`; belongs to one event loop.

    Attributes follow Python's socket: `family`, `type`, `proto`, `timeout`. There is no file
    descriptor: `fileno()` is -1.
    """

    kind: Kind
    type: _socket.SocketKind
    proto = 0

    def __init__(self, table: SocketTable) -> None:
        self._table = table
        self._stack = table.stack
        self._life = SocketLife()
        self._handle: Handle | None = None
        self._closed = False
        self._timeout: float | None = None
        self._peer: SocketAddress | None = None
        self._bound: SocketAddress | None = None
        self._options: dict[tuple[int, int], int | bytes] = {}
        self._reserving: asyncio.Task[Handle] | None = None
        self._receiving = Direction()
        self._sending = Direction()
        self._kept: OSError | None = None
        self._broken: OSError | None = None
        self._notices = 0
        self._watchers: set[asyncio.Future[None]] = set()
        self._callers: set[asyncio.Future[None]] = set()
        self._sigio: Callable[[], object] | None = None
        self._sigio_pending = False
        self._sigio_failed = False

    # -- attributes ---------------------------------------------------------------------------

    @property
    def state(self) -> SocketState:
        """Where the socket is in its life."""
        return self._life.state

    @property
    def family(self) -> _socket.AddressFamily:
        """AF_INET6 once an IPv6 address was used, AF_INET otherwise."""
        for address in (self._peer, self._bound):
            if address is not None and address.family == _socket.AF_INET6:
                return _socket.AF_INET6
        return _socket.AF_INET

    @property
    def timeout(self) -> float | None:
        """Seconds a call may take; None = for ever, 0.0 = non-blocking."""
        return self._timeout

    @property
    def closed(self) -> bool:
        """True after close."""
        return self._closed

    def fileno(self) -> int:
        """Always -1: there is no descriptor behind this object."""
        return -1

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

    # -- notices ------------------------------------------------------------------------------

    def sigio(self, callback: Callable[[], object] | None) -> None:
        """Call `callback()` in the loop's thread when something may have changed.

        It carries no reason and may be spurious: try the operation again. After one call it stays
        silent until the socket was used again. It is called once soon after registration, for
        what happened before. Exceptions are logged once and go no further. None removes it.
        """
        self._sigio = callback
        self._sigio_failed = False
        self._sigio_pending = False
        if callback is not None and not self._closed:
            asyncio.get_running_loop().call_soon(self._signal)

    def notice(self) -> None:
        """From the stack: something may be different now."""
        self._notices += 1
        _wake(self._watchers)
        self._signal()

    def break_off(self, error: OSError) -> None:
        """The stack below is gone: every call raises `error` from now on."""
        self._break(error)
        _wake(self._callers)
        self.notice()

    def _signal(self) -> None:
        callback = self._sigio
        if callback is None or self._sigio_pending:
            return
        self._sigio_pending = True
        try:
            callback()
        except Exception:
            if not self._sigio_failed:
                self._sigio_failed = True
                log.exception("sigio callback of %r failed; further failures stay silent", self)

    # -- options ------------------------------------------------------------------------------

    async def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option in the stack. Raises NotSupported (errno ENOPROTOOPT)."""
        self._enter()
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        await self._call(lambda: self._stack.set_option(handle, level, name, value), deadline)
        self._options[level, name] = value

    async def getsockopt(self, level: int, name: int) -> int:
        """SO_TYPE, SO_ERROR and SO_ACCEPTCONN are answered here, the rest by the stack."""
        self._enter()
        if level == _socket.SOL_SOCKET:
            if name == _socket.SO_TYPE:
                return int(self.type)
            if name == _socket.SO_ERROR:
                kept, self._kept = self._kept, None
                return (kept.errno or errno.EIO) if kept else 0
            if name == _socket.SO_ACCEPTCONN:
                return int(self._life.state is SocketState.LISTENING)
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        return await self._call(lambda: self._stack.get_option(handle, level, name), deadline)

    # -- addresses ----------------------------------------------------------------------------

    async def bind(self, address: object) -> None:
        """Fix the local port; ("", port) is any address, port 0 lets the stack choose.

        Raises AddressInUse, AddressNotAvailable, NotSupported, EINVAL when already bound.
        """
        local = SocketAddress.coerce(address)
        self._enter()
        if self._bound is not None or self._life.state not in _BINDABLE:
            raise InvalidArgument("the socket already has a local address")
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        await self._call(lambda: self._stack.bind(handle, local), deadline)
        self._bound = local

    async def getsockname(self) -> SocketAddress:
        """Own address; the port is 0 where the stack does not tell it."""
        self._enter()
        handle = self._handle
        if handle is None:
            return SocketAddress("0.0.0.0", 0)
        return await self._call(lambda: self._stack.local_address(handle), self._deadline())

    # -- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Reserve the stack's socket now instead of at the first use. Raises NoSocket (EMFILE)."""
        self._enter()
        await self._reserve(self._deadline())

    async def close(self, *, abort: bool = False) -> None:
        """Give the socket back; wakes every blocked caller with EBADF. Idempotent, never waits
        for callers. `abort` resets the connection where the stack can."""
        if self._closed:
            return
        self._closed = True
        handle, self._handle = self._handle, None
        self._life.happened(SocketEvent.CLOSE_BEGUN)
        _wake(self._callers)
        self.notice()
        self._sigio = None
        try:
            if handle is not None:
                self._table.forget(handle)
                if not self._table.closed:
                    await asyncio.shield(self._table.spawn(self._stack.close(handle, abort=abort)))
        finally:
            self._life.happened(SocketEvent.CLOSE_DONE)

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or self._handle is None or not self._table.alive:
            return
        text = f"unclosed {self!r}"
        self._closed = True
        warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
        self._table.abandon(self._handle)

    def __repr__(self) -> str:
        state = "closed" if self._closed else self._life.state.name.lower()
        peer = f" peer={self._peer}" if self._peer is not None else ""
        return f"<{type(self).__name__} {state} on {self._stack.name}{peer}>"

    # -- for subclasses -----------------------------------------------------------------------

    def _enter(self) -> None:
        """Every call starts here: closed sockets refuse, events may be signalled again."""
        if self._closed:
            raise BadHandle("the socket is closed")
        self._sigio_pending = False

    def _deadline(self) -> float | None:
        """When this call must have ended, in the loop's time; None also for non-blocking calls,
        whose single transaction is bounded by the stack."""
        if not self._timeout:
            return None
        return asyncio.get_running_loop().time() + self._timeout

    def _check_flags(self, flags: int) -> None:
        if flags:
            raise NotSupported(_FLAGS)

    async def _reserve(self, deadline: float | None) -> Handle:
        """The handle; opens one when there is none (first use, or after a given-up connect)."""
        if self._broken is not None:
            raise copy.copy(self._broken)
        if self._table.closed:
            raise NetworkDown("the interface is closed")
        if self._handle is not None:
            return self._handle
        if self._reserving is None:
            self._reserving = self._table.spawn(self._open_handle())
        return await self._outcome(self._reserving, deadline)

    async def _open_handle(self) -> Handle:
        try:
            handle = await self._stack.open(self.kind)
            try:
                for (level, name), value in self._options.items():
                    await self._stack.set_option(handle, level, name, value)
                if self._bound is not None:
                    await self._stack.bind(handle, self._bound)
                if self._closed or self._table.closed:
                    raise BadHandle("closed while the socket was being opened")
            except BaseException:
                await self._stack.close(handle)
                raise
            self._adopt(handle)
            return handle
        finally:
            self._reserving = None

    def _adopt(self, handle: Handle) -> None:
        self._handle = handle
        self._table.register(handle, self)
        self._life.happened(SocketEvent.RESERVED)

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
        task: asyncio.Task[T] | None = direction.task
        if task is None:
            task = direction.task = self._table.spawn(start())
        return await self._settled(direction, task, deadline)

    async def _settled(
        self, direction: Direction, task: asyncio.Task[T], deadline: float | None
    ) -> T:
        try:
            await self._until_done(task, deadline)
        except BaseException:
            task.add_done_callback(self._left_behind_ended)
            raise
        direction.task = None  # from here to the caller there is no await: it gets the outcome
        return self._taken(task)

    async def _outcome(self, task: asyncio.Task[T], deadline: float | None) -> T:
        """The outcome of a task, which is never cancelled by this.

        Raises BadHandle when the socket is closed meanwhile, CallTimeout, or the task's error.
        """
        await self._until_done(task, deadline)
        return self._taken(task)

    async def _until_done(self, task: asyncio.Task[Any], deadline: float | None) -> None:
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
        if self._closed:
            raise BadHandle("the socket was closed during the call")
        if not task.done():
            if self._broken is not None:
                raise copy.copy(self._broken)
            raise CallTimeout("timed out")

    def _taken(self, task: asyncio.Task[T]) -> T:
        if task.cancelled():
            raise BadHandle("the interface was closed during the call")
        error = task.exception()
        if error is None:
            return task.result()
        raise self._judged(error)

    def _left_behind_ended(self, task: asyncio.Task[Any]) -> None:
        """Nobody waited for it, but a broken connection concerns the other direction too."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ConnectionResetError):
            self._break(error)
        self.notice()

    async def _pause(self, seen: int, deadline: float | None) -> None:
        """After "nothing now": wait for a notice later than `seen`.

        Raises WouldBlock in non-blocking mode, CallTimeout, BadHandle.
        """
        if self._timeout == 0.0:
            raise WouldBlock("the operation would block")
        if self._notices == seen:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            await self._wait(waiter, self._watchers, deadline)
        if self._closed:
            raise BadHandle("the socket was closed during the call")
        if self._notices == seen:
            raise CallTimeout("timed out")

    async def _take_turn(self, direction: Direction, deadline: float | None) -> None:
        """One caller at a time and direction. Raises CallTimeout, WouldBlock, BadHandle."""
        turn = direction.turn
        if not turn.locked():
            await turn.acquire()
        elif self._timeout == 0.0:
            raise WouldBlock("another caller is at work on this socket")
        else:
            try:
                async with asyncio.timeout_at(deadline):
                    await turn.acquire()
            except TimeoutError:
                raise CallTimeout("timed out behind another caller") from None
        if self._closed:
            turn.release()
            raise BadHandle("the socket was closed during the call")

    async def _wait(
        self,
        waiter: asyncio.Future[None],
        group: set[asyncio.Future[None]],
        deadline: float | None,
    ) -> None:
        group.add(waiter)
        loop = asyncio.get_running_loop()
        timer = None if deadline is None else loop.call_at(deadline, _expire, loop, waiter, _HOPS)
        try:
            await waiter
        finally:
            group.discard(waiter)
            if timer is not None:
                timer.cancel()

    def _judged(self, error: BaseException) -> BaseException:
        """The error a caller sees; breaks the socket when the error means that."""
        if isinstance(error, OSError) and error.errno == errno.EBADF:
            if self._broken is not None:
                return copy.copy(self._broken)
            error = ModuleRestarted("the stack no longer knows this socket")
        if isinstance(error, ConnectionResetError):
            first = self._broken is None
            self._break(error)
            if first:
                self.notice()
        return error

    def _break(self, error: OSError) -> None:
        if self._broken is None and not self._closed:
            self._broken = error
            if self._life.may(SocketEvent.BROKE):
                self._life.happened(SocketEvent.BROKE)


_BINDABLE: Final = frozenset({SocketState.CLOSED, SocketState.READY})


def _wake(group: set[asyncio.Future[None]]) -> None:
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
