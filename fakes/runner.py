"""Running a scenario on a fake."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from .actions import perform
from .errors import ScenarioError
from .faults import Faults
from .scenario import Scenario, Step

if TYPE_CHECKING:
    from .engine import FakeModem

__all__ = ["ScenarioRunner"]


class ScenarioRunner:
    """Runs one scenario on one fake; counts how often each step was used.

    Attributes:
        used: number of the step (from 0) -> how often it acted.
    """

    def __init__(self, modem: FakeModem, scenario: Scenario) -> None:
        if scenario.modem and scenario.modem not in (modem.kind, *modem.aliases):
            raise ScenarioError(f"written for {scenario.modem!r}, not for {modem.kind!r}")
        self.modem = modem
        self.used: dict[int, int] = {}
        self._matched: dict[int, int] = {}  # a step may act later than that, or never
        self._disarmed = 0
        self._steps: list[Step] = []
        self._held: list[tuple[re.Pattern[bytes], bytes]] = []
        for step in scenario.steps:
            self.add(step)
        plan = scenario.wire
        if plan.seed is not None:
            modem.wire.outward.reseed(plan.seed)
        modem.wire.outward.configure(
            chunk=plan.chunk, faults=Faults(drop=plan.drop, dup=plan.dup, flip=plan.corrupt)
        )

    def add(self, step: Step) -> int:
        """One more step, with the lowest precedence; its number. Its time counts from now."""
        index = len(self._steps)
        self._steps.append(step)
        if step.before is not None:
            self.modem.rewrite = self._rewrite
        if (step.until or step.behind) and self._written not in self.modem.written_hooks:
            self.modem.written_hooks.append(self._written)
        if step.at_byte is not None:
            self.modem.add_mark(step.at_byte, lambda: self._act(index))
        elif step.at is not None and self.modem.started_at is not None:
            self.modem.always(self._timed(index, step))
        return index

    def disarm(self) -> None:
        """No step that there is matches any more; what has matched and waits still comes."""
        self._disarmed = len(self._steps)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them, in order of precedence."""
        return tuple(self._steps)

    def begin(self) -> None:
        """Arm the timed steps (they survive a restart of the module)."""
        for index, step in enumerate(self._steps):
            if step.at is not None:
                self.modem.always(self._timed(index, step))

    async def _timed(self, index: int, step: Step) -> None:
        delay = (step.at or 0.0) + step.after
        if delay:
            await self.modem.sleep(delay)
        for _ in range(step.times or 1):
            self._act(index)

    async def command(self, line: str) -> bool:
        """Play the first step that matches; True when it replaces the built-in answer."""
        for index, step in enumerate(self._steps):
            if step.on is None or not re.fullmatch(step.on, line, re.DOTALL):
                continue
            if not self._counts(index, step):
                continue
            if step.after:
                await self.modem.sleep(step.after)
            if not step.passes:
                self.modem.running = False
            self._act(index)
            return not step.passes
        return False

    def _rewrite(self, literal: bytes) -> bytes:
        """What is written for a literal, after what stands before it."""
        for index, step in enumerate(self._steps):
            if step.before is None:
                continue
            match = re.fullmatch(step.before.encode("latin-1"), literal, re.DOTALL)
            if match is None or not self._counts(index, step):
                continue
            self._act(index)
            if step.until is not None:
                held = re.compile(step.until.encode("latin-1"), re.DOTALL)
                self._held.append((held, literal))
                return b""
            if step.instead is not None:
                return match.expand(step.instead.encode("latin-1"))
            break
        return literal

    def _written(self, literal: bytes) -> None:
        """A literal was written: what waited for it, and what follows it."""
        due = [data for pattern, data in self._held if pattern.fullmatch(literal)]
        self._held = [each for each in self._held if not each[0].fullmatch(literal)]
        for data in due:
            self.modem.raw(data)
        for index, step in enumerate(self._steps):
            if step.behind is None:
                continue
            if re.fullmatch(step.behind.encode("latin-1"), literal, re.DOTALL) is None:
                continue
            if self._counts(index, step):
                if step.after:
                    self.modem.later(step.after, partial(self._act, index))
                else:
                    self._act(index)
                break

    def _counts(self, index: int, step: Step) -> bool:
        before = self._matched.get(index, 0)
        if index < self._disarmed or (step.times is not None and before >= step.times):
            return False
        if step.chance < 1 and self.modem.random.random() >= step.chance:
            return False
        self._matched[index] = before + 1
        return True

    def _act(self, index: int) -> None:
        self.used[index] = self.used.get(index, 0) + 1
        self.modem.note("scenario", f"step {index + 1}")
        for name, value in self._steps[index].actions:
            perform(self.modem, name, value)
