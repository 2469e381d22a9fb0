"""What a fake has going on: tasks and timers, ended together at a restart or a stop."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["Chores"]


class Chores:
    """Tasks and timers of one fake.

    Args:
        crashed: called with the traceback of a task that ended with an exception.
    """

    def __init__(self, crashed: Callable[[str], None]) -> None:
        self._crashed = crashed
        self._tasks: set[asyncio.Task[None]] = set()
        self._lasting: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    def spawn(
        self, work: Coroutine[Any, Any, None], *, lasting: bool = False
    ) -> asyncio.Task[None]:
        """Run a coroutine; a `lasting` one survives `cancel`."""
        task = asyncio.get_running_loop().create_task(work)
        (self._lasting if lasting else self._tasks).add(task)
        task.add_done_callback(self._ended)
        return task

    def later(self, delay: float, action: Callable[[], object]) -> asyncio.TimerHandle:
        """Call `action` after `delay` seconds unless `cancel` comes first."""
        loop = asyncio.get_running_loop()

        def fire() -> None:
            self._timers.discard(handle)
            action()

        handle = loop.call_at(loop.time() + delay, fire)
        self._timers.add(handle)
        return handle

    def is_mine(self) -> bool:
        """Whether the running task is one that `cancel` would end."""
        try:
            return asyncio.current_task() in self._tasks
        except RuntimeError:
            return False

    def cancel(self) -> None:
        """End all but the lasting tasks and the task that calls."""
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        for handle in self._timers:
            handle.cancel()
        self._timers.clear()
        for task in tuple(self._tasks):
            if task is not current:
                task.cancel()

    async def close(self) -> None:
        """End everything but the task that calls, and wait for it."""
        current = asyncio.current_task()
        self.cancel()
        tasks = [task for task in (*self._tasks, *self._lasting) if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.cancel()  # what the ending tasks may have begun

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._lasting.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                self._crashed("".join(traceback.format_exception(error)))
