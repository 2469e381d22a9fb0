"""The sockets of one stack: who gets which notice, and which background work is under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from netsocket.stack import Handle, InterfaceStatus, Stack

log = logging.getLogger("netsocket")

T = TypeVar("T")
Followed = TypeVar("Followed", bound="asyncio.Future[Any]")

SETTLE_LIMIT = 5.0
"""Seconds that transactions left behind by their callers get to end when the table closes."""


class Noticed(Protocol):
    """What the table tells a socket."""

    def notice(self) -> None:
        """Something about this socket may be different now."""

    def break_off(self, error: OSError) -> None:
        """The stack below is gone; `error` says why."""


class SocketTable:
    """Routes a stack's notices to its sockets and keeps the tasks nobody waits for.

    Sockets are held weakly: one that the program drops is given back to the stack.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.closed = False
        self._pid = os.getpid()
        self.on_status: Callable[[InterfaceStatus], None] | None = None
        self._sockets: WeakValueDictionary[Handle, Noticed] = WeakValueDictionary()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        stack.attach(self._changed, self._status_changed)

    @property
    def alive(self) -> bool:
        """False once closed, and in a forked child."""
        return not self.closed and os.getpid() == self._pid

    def register(self, handle: Handle, socket: Noticed) -> None:
        """From now on notices about `handle` reach `socket`."""
        self._sockets[handle] = socket

    def forget(self, handle: Handle) -> None:
        """Notices about `handle` reach nobody any more."""
        self._sockets.pop(handle, None)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a transaction in its own task, so that no caller's end can cut it short."""
        return self.follow(asyncio.get_running_loop().create_task(work))

    def follow(self, task: Followed) -> Followed:
        """Have an eye on a transaction that runs by itself."""
        self._loop = task.get_loop()
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def abandon(self, handle: Handle) -> None:
        """Give back the handle of a socket that was dropped without close; from any thread."""
        loop = self._loop
        if loop is None or not self.alive:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed: so is the stack
            loop.call_soon_threadsafe(self._close_later, handle)

    async def close(self, error: OSError) -> None:
        """Break every socket with `error`; `settle` ends what is still under way."""
        self.closed = True
        for socket in list(self._sockets.values()):
            socket.break_off(error)
        self._sockets.clear()

    async def settle(self, limit: float = SETTLE_LIMIT) -> None:
        """Wait for transactions left behind, at most `limit` seconds, then cancel them."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        if not tasks:
            return
        _done, late = await asyncio.wait(tasks, timeout=limit)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=limit)

    def _close_later(self, handle: Handle) -> None:
        if not self.closed:
            self.spawn(self.stack.close(handle))

    def _changed(self, handle: Handle, generation: int) -> None:
        socket = self._sockets.get(handle)
        if socket is not None and generation == handle.generation:
            socket.notice()

    def _status_changed(self, status: InterfaceStatus) -> None:
        if self.on_status is not None:
            self.on_status(status)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()  # marks it as seen; callers get it by themselves
            if error is not None and not isinstance(error, OSError):
                log.error("a transaction failed in an unforeseen way", exc_info=error)
