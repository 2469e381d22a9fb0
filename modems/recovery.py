"""What is done when a module fails, in which order, how often and how long: one table.

A trouble is met with its ladder, from the gentlest step to the last; each step is tried within its
number and its time, with growing pauses, and counted. Whoever comes to the end of a ladder has
failed for good, and says why. `Ladder` walks the table; `modems.recovering` carries the steps out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Trouble(Enum):
    """What went wrong. A later one in this list takes over from an earlier, which is part of it."""

    AIR = "wifi lost"
    """The module says that it left its WiFi network."""
    CONTEXT = "context lost"
    """The cellular network took the data context away, or the cell is gone."""
    SILENT = "silent"
    """It did not get in step: it answers nothing, or says busy to everything."""
    RESTART = "restart"
    """The module started anew, with a banner or found out by the canary."""
    UNPLUGGED = "unplugged"
    """Its port is gone, or cannot be opened."""


class Rung(Enum):
    """What can be done, the gentlest first."""

    RETRY = "retry"
    """The same again: join, activate, configure."""
    RESYNC = "resync"
    """The engine's own: nothing counts as an answer until a probe was answered twice."""
    RESET = "reset"
    """The module is told to start anew: AT+RST, AT+CFUN=1,1."""
    REOPEN = "reopen"
    """The port is closed and opened anew, wherever the module is plugged in now."""
    FAILED = "failed"
    """Given up, with a reason; or nothing but a look now and then."""


class Step(NamedTuple):
    """One row of a ladder. Times in seconds."""

    rung: Rung
    times: int | None
    """Tries at most; None: for ever, as "failed" (the cause lies outside and may end)."""
    seconds: float
    """Time for all tries: none begins later."""
    pause: float
    """Before the first try; doubled from try to try."""
    longest: float
    """The longest pause."""


RESYNC_SECONDS = 60.0
"""A module that is not in step by then is silent (radio trouble keeps modules busy for 20 to 30 s,
fault H05)."""

LADDERS: Mapping[Trouble, tuple[Step, ...]] = {
    Trouble.AIR: (  # most firmware joins again by itself: the first tries only look
        Step(Rung.RETRY, 12, 60.0, 5.0, 5.0),
        Step(Rung.RESET, 1, 30.0, 0.0, 0.0),
        Step(Rung.RETRY, 4, 60.0, 5.0, 5.0),
        Step(Rung.FAILED, None, 0.0, 5.0, 5.0),
    ),
    Trouble.CONTEXT: (  # a try waits for the network by itself, as long as `register_timeout`
        Step(Rung.RETRY, 20, 100.0, 0.2, 4.0),
        Step(Rung.RESET, 1, 30.0, 0.0, 0.0),
        Step(Rung.RETRY, 10, 60.0, 1.0, 4.0),
        Step(Rung.FAILED, None, 0.0, 4.0, 4.0),
    ),
    Trouble.RESTART: (
        Step(Rung.RETRY, 2, 60.0, 0.1, 1.0),
        Step(Rung.RESET, 2, 60.0, 0.5, 1.0),
        Step(Rung.REOPEN, 2, 30.0, 1.0, 2.0),
    ),
    Trouble.SILENT: (
        Step(Rung.RESYNC, 1, RESYNC_SECONDS, 0.0, 0.0),
        Step(Rung.RESET, 2, 60.0, 0.1, 1.0),
        Step(Rung.REOPEN, 2, 30.0, 1.0, 2.0),
    ),
    Trouble.UNPLUGGED: (  # a module on USB that resets is away for some 10 s
        Step(Rung.REOPEN, None, 30.0, 0.5, 1.0),
        Step(Rung.FAILED, None, 0.0, 1.0, 1.0),
    ),
}

STALLED = 10.0
"""Seconds out of step after which an interface is no longer called up."""
HEALTH = 8.0
"""Seconds of silence after which the module is asked whether it is still there, and the same."""
NETWORK_LOOK = 60.0
"""Seconds after which it is asked whether the network is still there, whose loss was perhaps told
while nobody could hear it."""
STEADY = 60.0
"""Seconds of service after which earlier restarts are forgotten."""
RESTART_PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds to wait in addition, by the number of restarts in a row before this one; one more restart
is a failure."""
POWER_AT = 4
"""Restarts in a row that make the power supply suspect."""
CONFIGURE_LIMIT = 45.0
"""Seconds in which a module that is brought up again must be found and configured."""
RESET_PATIENCE = 20.0
"""Seconds for a module to come back from a reset and answer."""
POWER = (
    "the {name} restarted {count} times in a row: is its power supply strong enough, also while it "
    "transmits (a capacitor at the module, a shorter or better cable, a powered hub)?"
)


class Ladder:
    """The way up for one trouble. `now` is in seconds on any steady clock."""

    def __init__(self, trouble: Trouble) -> None:
        self._rest = list(LADDERS[trouble])
        self._tries = 0
        self._began: float | None = None

    def next(self, now: float) -> tuple[Step, float] | None:
        """What to do, and after which pause; None at the end."""
        while self._rest:
            step = self._rest[0]
            if self._began is None:
                self._began = now
            late = step.rung is not Rung.FAILED and now - self._began >= step.seconds
            if not late and (step.times is None or self._tries < step.times):
                pause = min(step.pause * 2.0**self._tries, step.longest)
                self._tries = min(self._tries + 1, 1000)
                return step, pause
            self.climb()
        return None

    def climb(self) -> None:
        """Leave the step: it is of no use."""
        del self._rest[0]
        self._tries = 0
        self._began = None
