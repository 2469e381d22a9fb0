"""Commands that wait for the channel, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from atdriver.errors import ATError
from atdriver.exchange import Command, Reply

Outcome = Reply | ATError
Done = Callable[[Outcome], None]


class Waiting(NamedTuple):
    """One command and who wants it."""

    command: Command
    done: Done
    began: Callable[[], object] | None = None
    """Called just before it is written."""
    caller: asyncio.Future[Reply] | None = None
    """Who waits for it; done when he has left."""
    still: Callable[[], bool] | None = None
    """Whether it is still wanted; asked when its turn comes."""


class CommandQueue:
    """Three lines: `urgent` (closes) passes all others; `quick` ones, which take next to no time
    while somebody waits for them, take turns with `others`, so that neither waits for more than
    what is being carried out."""

    def __init__(self) -> None:
        self.urgent: deque[Waiting] = deque()
        self.quick: deque[Waiting] = deque()
        self.others: deque[Waiting] = deque()
        self._was_quick = False

    def __bool__(self) -> bool:
        return bool(self.others or self.quick or self.urgent)

    def take(self) -> Waiting | None:
        """Whose turn it is, of those whose callers have not left; None when nobody waits."""
        while line := self._line():
            waiting = line.popleft()
            if waiting.caller is None or not waiting.caller.done():
                return waiting
        return None

    def _line(self) -> deque[Waiting]:
        if self.urgent:
            return self.urgent
        self._was_quick = bool(self.quick) and not (self._was_quick and self.others)
        return self.quick if self._was_quick else self.others

    def clear(self) -> list[Waiting]:
        """Nobody waits any more; returns who did."""
        waiting = [*self.urgent, *self.quick, *self.others]
        for line in (self.urgent, self.quick, self.others):
            line.clear()
        return waiting
