"""An event loop whose clock jumps: minutes of waiting pass in no time, and nothing else changes."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Where the real loop would sleep until its next timer, this one moves its clock there."""

    def __init__(self) -> None:
        self._virtual = 1000.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._virtual

    def advance(self, seconds: float) -> None:
        """Time passes at once: a callback that blocks, or a jump to the next timer."""
        self._virtual += seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits and nothing is scheduled")
        self._loop.advance(timeout)
        return []


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Turns a coroutine function into a test that runs in virtual time."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(test(*arguments, **named))

    return run
