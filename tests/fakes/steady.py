"""An event loop on whose clock a machine that stood still has not stood still.

The fakes keep a module's times, and the tests judge in which order things come. On a loaded
machine a process may get no CPU for half a second: two things that lie 20 ms apart are then due at
once. Here they are not, as the clock leaves such a halt out: within one turn of the loop, and past
the end of a wait, it goes on by no more than `GRAIN`.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Final

GRAIN: Final = 0.005
"""Seconds: less than what any test takes for a while, more than the work of a turn."""


class SteadyLoop(asyncio.SelectorEventLoop):
    """Real time without the halts; time that is waited through counts in full."""

    def __init__(self) -> None:
        self._clock = self._read = time.monotonic()
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._clock + min(time.monotonic() - self._read, GRAIN)

    def passed(self, most: float | None) -> None:
        """Begin anew: since the last time `most` seconds went by, or (None) those that did."""
        now = time.monotonic()
        real = now - self._read
        self._clock += real if most is None else min(real, most)
        self._read = now


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: SteadyLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.passed(GRAIN)
        try:
            return super().select(timeout)
        finally:
            self._loop.passed(None if timeout is None else max(timeout, 0) + GRAIN)
