"""Ctrl-C and SIGTERM for a command that makes blocking calls.

A signal that raised wherever the program happens to be could leave half-made things behind. So it
is only remembered, and acted on at the next step; a step that takes too long is broken off.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from atdriver.cli.failure import Terminated

GRACE = 3.0
"""Seconds that the step under way gets to end by itself."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Whether somebody asked to end."""

    def __init__(self) -> None:
        self.asked = 0
        self._told = False

    def check(self) -> None:
        """Between two steps: raise KeyboardInterrupt or Terminated when somebody asked."""
        if self.asked:
            self._raise()

    def accept(self) -> None:
        """The program ends anyway: no signal breaks that off."""
        self._told = True

    def _raise(self) -> None:
        if not self._told:
            self._told = True
            raise KeyboardInterrupt if self.asked == signal.SIGINT else Terminated

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self._raise()  # asked twice: now
            return
        self.asked = number
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _overdue(self, _number: int, _frame: FrameType | None) -> None:
        self._raise()


@contextlib.contextmanager
def orderly() -> Iterator[Ending]:
    """Take the signals over for the block; the main thread only."""
    ending = Ending()
    former = {signal.SIGALRM: signal.signal(signal.SIGALRM, ending._overdue)}
    for number in _SIGNALS:
        former[number] = signal.signal(number, ending._asked)
    try:
        yield ending
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in former.items():
            signal.signal(number, handler)
