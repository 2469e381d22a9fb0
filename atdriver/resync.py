"""RESYNC: proving that host and module are in step again.

After every doubt nothing counts as an answer until a probe was answered twice, each time with
silence behind it. A result that no probe accounts for is late and starts the count anew.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from atdriver.dialect import Dialect, Probe, Step, WayOut

PROBE_TIMEOUT = 2.0
"""Seconds to wait for a probe's answer."""
PROBE_PAUSE = 0.5
"""Seconds until the next probe after one that was refused; each time a quarter of a second more,
or a module that refuses lines and queues them all the same gets them as fast as it works."""
LONGEST_PAUSE = 2.0
QUIET = 0.1
"""Silence that must follow a probe's answer before it counts."""
DOUBTFUL_QUIET = 1.0
"""The same where answers may still be on their way, to a probe that came to nothing or to the
command that was given up: what a module has queued comes in shorter steps (300 ms a line)."""
RESYNC_LIMIT = 60.0
"""A module that does not get in step within this time is deaf."""


class Verdict(Enum):
    """Where the probing stands after time has passed."""

    PROBING = auto()
    IN_STEP = auto()
    DEAF = auto()


class Judgement(Enum):
    """What a line means to the probing."""

    FOREIGN = auto()
    """Nothing: look at it otherwise."""
    TAKEN = auto()
    """It belongs to a probe."""
    LATE = auto()
    """A result that no probe accounts for."""
    RESTARTED = auto()
    """The module has lost its settings."""


class Resync:
    """One probing after another; `deadline` is when `tick` must be called."""

    def __init__(self, dialect: Dialect) -> None:
        self.probe = Probe(dialect.hello)
        self.deadline: float | None = None
        self._dialect = dialect
        self._writes: list[bytes] = []
        self._script: deque[Step] = deque()
        self._again: tuple[Step, ...] = ()  # the way out of a data phase, while it may be in one
        self._proofs = 0
        self._asked = False
        self._leading = False  # the script is a way out, and nothing else
        self._answer_seen = False
        self._doubt = False
        self._quiet = False
        self._pause = PROBE_PAUSE
        self._end = 0.0

    def begin(
        self,
        now: float,
        limit: float | None,
        way_out: WayOut,
        steps: tuple[Step, ...],
        *,
        answers_owed: bool,
    ) -> None:
        """Start from the beginning: first `way_out`, then `steps`, then probes.

        Without a way out of its own it begins with the one of last time, if nothing has shown since
        that the module hears.
        `limit` seconds until the module counts as deaf, None to keep the running limit.
        `answers_owed`: a command was given up, so its answer may still come.
        """
        if limit is not None:
            self._end = now + limit
        if way_out.again:
            self._again = way_out.again
        self._script = deque((*(way_out.steps or self._again), *steps))
        self._leading = not steps
        self._proofs = 0
        self._asked = False
        self._doubt = self.probe.answer is None and answers_owed
        self._quiet = False
        self._pause = PROBE_PAUSE
        self._plan(now)

    def free(self) -> None:
        """The module hears, and takes what comes for commands."""
        self._again = ()

    def take_writes(self) -> list[bytes]:
        """What is to be written now."""
        writes, self._writes = self._writes, []
        return writes

    def tick(self, now: float, *, mid_payload: bool) -> Verdict:
        """The deadline has passed. `mid_payload`: a counted payload is incomplete."""
        if self._script:
            _, data = self._script.popleft()
            if data:
                self._writes.append(data)
            if self._script or not (data and self._leading):  # else: in one breath with the probe
                self._plan(now)
                return Verdict.PROBING
        if self._quiet:
            self._quiet = False
            self._doubt = False
            self._proofs += 1
            if self._proofs == 2:
                return Verdict.IN_STEP
        elif now >= self._end:
            return Verdict.DEAF
        if mid_payload:  # the answer would be counted as payload, and keep it alive
            self.deadline = now + QUIET
            return Verdict.PROBING
        self._doubt = self._doubt or self._asked
        if self._asked and self._again:
            self._asked, self._leading = False, True
            self._script = deque(self._again)
            self._plan(now)
            return Verdict.PROBING
        self._asked = True
        self._answer_seen = False
        self._writes.append(self.probe.text + self._dialect.terminator)
        self.deadline = now + PROBE_TIMEOUT
        return Verdict.PROBING

    def line(self, text: bytes, now: float) -> Judgement:
        """A line came."""
        probe = self.probe
        if probe.restarted is not None and probe.restarted.fullmatch(text):
            return Judgement.RESTARTED
        if probe.answer is not None and probe.answer.fullmatch(text):
            self._answer_seen = True
            self.free()
            return Judgement.TAKEN
        if text == self._dialect.good:
            answered = probe.answer is None or self._answer_seen
            if self._script or self._quiet or not answered:
                return self._late(now)
            self.free()
            self._asked = False
            self._quiet = True
            self.deadline = now + (DOUBTFUL_QUIET if self._doubt else QUIET)
            return Judgement.TAKEN
        busy = self._dialect.busy.fullmatch(text)
        if busy or self._refused(text):
            if not busy:  # what it is busy with may end in waiting for payload
                self.free()
            if not self._script:
                self._quiet = False
                self.deadline = now + self._pause
                self._pause = min(self._pause + 0.25, LONGEST_PAUSE)
            return Judgement.TAKEN
        return Judgement.TAKEN if text == probe.text else Judgement.FOREIGN

    def disturb(self) -> None:
        """Something else came: the silence behind an answer does not count."""
        self._quiet = False

    def _late(self, now: float) -> Judgement:
        self._doubt = True
        self._proofs = 0
        if self._quiet:
            self._quiet = False
            self.deadline = now + PROBE_PAUSE
        return Judgement.LATE

    def _refused(self, text: bytes) -> bool:
        return text == b"ERROR" or self._dialect.failures.fullmatch(text) is not None

    def _plan(self, now: float) -> None:
        self.deadline = now + (self._script[0][0] if self._script else QUIET)
