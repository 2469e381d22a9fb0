"""Data mode of a dialling module: what the host sends goes elsewhere, until it escapes.

ITU-T V.250 and the vendors' manuals: three escape characters within one guard time, with a guard
time of silence before and behind them. The three are held back meanwhile, so that what they were
in truth (payload) comes through whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["DataMode"]

_ESCAPE: Final = b"+++"


class DataMode:
    """Watches the host's bytes for the escape.

    Args:
        deliver: takes what is payload.
        escaped: called when the host has escaped.
        guard: seconds of line time.
    """

    def __init__(
        self, deliver: Callable[[bytes], None], escaped: Callable[[], None], *, guard: float
    ) -> None:
        self._deliver = deliver
        self._escaped = escaped
        self._guard = guard
        self._held = b""
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Bytes from the host."""
        now = self._loop.time()
        quiet = now - self._last >= self._guard
        self._last = now
        if not self._held and not quiet:
            self._deliver(data)
            return
        whole = self._held + data
        if not _ESCAPE.startswith(whole):
            self.close()
            self._deliver(whole)
            return
        if not self._held or whole == _ESCAPE:
            self._arm()
        self._held = whole

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._guard, self._silent)

    def _silent(self) -> None:
        held = self._held
        self.close()
        if held == _ESCAPE:
            self._escaped()
        else:
            self._deliver(held)

    def close(self) -> None:
        """Forget what is held back."""
        self._held = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
