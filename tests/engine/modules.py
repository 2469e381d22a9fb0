"""Small modules with bad habits, and a simulation that lets one talk with an engine.

They are written from the description of the fault, not from the engine: a module knows nothing of
commands in flight, it executes lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from atdriver.dialect import Dialect
from atdriver.exchange import Command

from .harness import Bench


class Habit(Enum):
    """What a module does with a line that comes while another one is executed."""

    QUEUES = auto()
    """Executes it afterwards."""
    REFUSES = auto()
    """Says busy and forgets it."""
    REFUSES_AND_QUEUES = auto()
    """Says busy and executes it afterwards all the same."""
    IS_DEAF = auto()
    """Forgets it."""


@dataclass
class SlowModule:
    """Executes one line at a time; every answer carries a number that only this execution has."""

    terminator: bytes
    habit: Habit
    slow: float
    """How long the first line of `slow_line` takes, seconds."""
    slow_line: bytes
    first_answer: Callable[[int], bytes]
    """What a line of `slow_line` prints before its OK."""
    other: dict[bytes, bytes] = field(default_factory=dict)
    """Line → what it prints before its OK."""
    latency: float = 0.003
    executed: list[tuple[bytes, int]] = field(default_factory=list)
    outbox: list[tuple[float, bytes]] = field(default_factory=list)
    _free_at: float = 0.0
    _count: int = 0
    _slow_done: bool = False

    def block_until(self, when: float) -> None:
        """Busy with something that prints nothing."""
        self._free_at = when

    def receive(self, line: bytes, now: float) -> None:
        if not line.endswith(self.terminator):
            return
        line = line[: -len(self.terminator)]
        if now < self._free_at:
            if self.habit in (Habit.REFUSES, Habit.REFUSES_AND_QUEUES):
                self._say(now + 0.001, b"\r\nbusy p...\r\n")
            if self.habit in (Habit.REFUSES, Habit.IS_DEAF):
                return
        start = max(now, self._free_at)
        duration = self.latency
        if line == self.slow_line and not self._slow_done:
            self._slow_done = True
            duration = self.slow
        self._free_at = start + duration
        self._count += 1
        self.executed.append((line, self._count))
        said = self.other.get(line, b"")
        if line == self.slow_line:
            said = self.first_answer(self._count)
        self._say(self._free_at, said + b"\r\nOK\r\n")

    def _say(self, when: float, data: bytes) -> None:
        self.outbox.append((when, data))
        self.outbox.sort(key=lambda item: item[0])  # stable: same time, same order


@dataclass
class Simulation:
    """An engine and a module on one clock. What the module has printed is read before a deadline
    is judged, as the channel does it."""

    dialect: Dialect
    module: SlowModule

    def __post_init__(self) -> None:
        self.bench = Bench(self.dialect)
        self._looked = 0

    def hand_over(self) -> None:
        bench = self.bench
        for data in bench.written[self._looked :]:
            self.module.receive(data, bench.now)
        self._looked = len(bench.written)

    def send(self, command: Command) -> None:
        self.bench.send(command)
        self.hand_over()

    def step(self) -> None:
        """The next thing that happens: bytes, or else a deadline."""
        bench, module = self.bench, self.module
        deadline = bench.engine.next_deadline()
        said = module.outbox[0][0] if module.outbox else None
        if said is not None and (deadline is None or said <= deadline):
            _, data = module.outbox.pop(0)
            bench.now = max(bench.now, said)
            bench.feed(data)
        else:
            assert deadline is not None, "nothing will ever happen"
            bench.tick(max(deadline - bench.now, 0.0))
        self.hand_over()

    def until_ready(self, limit: float = 300.0) -> None:
        """Until the engine takes the next command."""
        end = self.bench.now + limit
        while not self.bench.engine.ready:
            assert self.bench.now < end, f"not ready after {limit} s"
            self.step()

    def quiet(self, seconds: float) -> None:
        """Let time pass for both."""
        end = self.bench.now + seconds
        while self.module.outbox and self.module.outbox[0][0] <= end:
            self.step()
        self.bench.tick(max(end - self.bench.now, 0.0))
        self.hand_over()
