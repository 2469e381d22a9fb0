"""Cancel a coroutine at its n-th await."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class Steps:
    """Awaits a coroutine and counts how often it waits; at the n-th time its task is cancelled.

    Args:
        coroutine: what to run.
        at: the await at which to cancel, from 1; 0: never.
        late: cancel when what it waits for has just ended, and it has not noticed yet.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None], at: int = 0, *, late: bool) -> None:
        self.count = 0
        self._coroutine = coroutine
        self._at = at
        self._late = late

    def __await__(self) -> Generator[Any, None, None]:
        thrown: BaseException | None = None
        while True:
            try:
                if thrown is None:
                    waits = self._coroutine.send(None)
                else:
                    waits = self._coroutine.throw(thrown)
            except StopIteration:
                return
            self.count += 1
            if self.count == self._at:
                self._cancel(waits)
            try:
                yield waits
                thrown = None
            except BaseException as error:
                thrown = error

    def _cancel(self, waits: asyncio.Future[Any] | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._late and waits is not None:
            waits.add_done_callback(lambda _: task.cancel())  # before the task hears of it
        else:
            task.cancel()
