"""Carrying out the ladders of `modems.recovery` for one module; the policy and the account."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from atdriver.channel import Channel
from atdriver.errors import ModuleSilent, RestartSeen, WrongModule
from modems.clock import now
from modems.lifecycle import ModuleState
from modems.recovery import (
    LADDERS,
    POWER,
    POWER_AT,
    RESTART_PAUSES,
    STALLED,
    STEADY,
    Ladder,
    Rung,
    Step,
    Trouble,
)
from netsocket import errors
from netsocket.stack import InterfaceStatus

log = logging.getLogger("atdriver.modems")

GRAVITY = {trouble: rank for rank, trouble in enumerate(Trouble)}
NETWORK = (Trouble.AIR, Trouble.CONTEXT)
OWN_DOING = {
    Trouble.RESTART: (Rung.RESET, Rung.REOPEN),
    Trouble.SILENT: (Rung.RETRY, Rung.RESET, Rung.REOPEN),
    Trouble.UNPLUGGED: (Rung.RETRY, Rung.RESET, Rung.REOPEN),
    Trouble.AIR: (Rung.RETRY, Rung.RESET, Rung.REOPEN),
    Trouble.CONTEXT: (Rung.RETRY, Rung.RESET, Rung.REOPEN),
}
"""What a step brings about, or ends with: no trouble beside the one that it is to mend."""


class Patient(Protocol):
    """The module, as far as its recovery goes."""

    name: str
    channel: Channel
    network_trouble: Trouble

    @property
    def state(self) -> ModuleState:
        """How far the bring-up has come."""

    @property
    def told(self) -> InterfaceStatus:
        """What the interface was told last."""

    def tell(self, status: InterfaceStatus) -> None:
        """Tell the interface."""

    def given_up(self) -> None:
        """Nothing more is tried."""

    async def again(self, attempt: int) -> None:
        """Bring up what is down, nothing more; `attempt` counts the tries from 0."""

    async def reset(self) -> None:
        """Make it start anew, and bring it up."""

    async def reopen(self) -> None:
        """Open its port anew, and bring it up."""


class Recovery:
    """One module's. `counts` has every trouble and every rung by its name, `failure` says why the
    module is not up; None while it is, or was never brought up."""

    def __init__(
        self,
        patient: Patient,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        *,
        automatic: bool,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.failure: OSError | None = None
        self.automatic = automatic
        self._patient = patient
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self._trouble = Trouble.RESTART
        self._ladders: dict[Trouble, Ladder] = {}
        self._rung: Rung | None = None  # what is being carried out
        self._cut = asyncio.Event()  # ends a pause
        self._restarts = 0  # in a row
        self._restarted_at = -STEADY
        self._up_at: float | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._stalled = False

    # -- what happened ------------------------------------------------------------------------

    def meet(self, trouble: Trouble, failure: OSError) -> None:
        """Something failed while the module was up, or is being met already."""
        if self._rung in OWN_DOING.get(trouble, ()):
            return
        self._count(trouble.value)
        self._in_step()
        if trouble is Trouble.RESTART and not self._may_follow(failure):
            return
        if self._running:
            self._goes_on(trouble, failure)
            return
        self.failure = failure
        if not self.automatic:
            self._give_up(failure)
            return
        self._trouble = trouble
        self._ladders = {}
        self._patient.tell(InterfaceStatus.CONNECTING)
        self._task = self._spawn(self._run())

    def _goes_on(self, trouble: Trouble, failure: OSError) -> None:
        graver = GRAVITY[trouble] > GRAVITY[self._trouble]
        if graver:
            self._trouble = trouble
        if trouble is Trouble.RESTART:  # bounded by their number, not by the ladder
            self._ladders.pop(trouble, None)
        self.failure = failure
        if graver or self._patient.told is InterfaceStatus.GLOBAL_UP:
            self._patient.tell(InterfaceStatus.CONNECTING)
        self._cut.set()

    def out_of_step(self) -> None:
        """The engine has begun a resynchronisation."""
        self._count(Rung.RESYNC.value)
        if self._stall is None:
            loop = asyncio.get_running_loop()
            self._stall = loop.call_later(STALLED, self._stalls)

    def in_step(self) -> None:
        """The engine has ended one."""
        if self._in_step() and not self._running:
            self._patient.tell(InterfaceStatus.GLOBAL_UP)

    def up(self, *, by_hand: bool = False) -> None:
        """The module is up: brought there by `Stack.up` (by hand), by this, or by itself."""
        self._in_step()
        self.failure = None
        self._up_at = now()
        if by_hand:
            self._restarts = 0
        self._cut.set()

    def end(self) -> None:
        """The interface is taken down."""
        self._in_step()
        if self._task is not None:
            self._task.cancel()
        self.failure = None
        self._restarts = 0
        self._up_at = None

    @property
    def running(self) -> bool:
        """Whether a ladder is being climbed."""
        return self._running

    @property
    def account(self) -> str:
        """The counts as one line, "" when nothing ever failed."""
        return ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))

    # -- inside -------------------------------------------------------------------------------

    @property
    def _running(self) -> bool:
        return self._task is not None and not self._task.done()

    def _count(self, name: str) -> None:
        self.counts[name] += 1
        self._patient.channel.note(f"recovery: {name} ({self.counts[name]})")

    def _stalls(self) -> None:
        self._stall = None
        if self._patient.told is InterfaceStatus.GLOBAL_UP:
            self._stalled = True
            self._patient.channel.note("recovery: it stalls")
            self._patient.tell(InterfaceStatus.CONNECTING)

    def _in_step(self) -> bool:
        """No longer stalled; returns whether the interface had been told that it is."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        stalled, self._stalled = self._stalled, False
        return stalled

    def _may_follow(self, failure: OSError) -> bool:
        """Count restarts in a row; False when there were too many (G05: a brown-out loop)."""
        moment = now()
        steady = self._up_at is not None and moment - self._up_at >= STEADY
        if steady or moment - self._restarted_at >= 2 * STEADY:
            self._restarts = 0
        self._restarted_at = moment
        self._up_at = None
        self._restarts += 1
        if self._restarts <= len(RESTART_PAUSES):
            return True
        if self._running or self._restarts == len(RESTART_PAUSES) + 1:
            if self._task is not None:
                self._task.cancel()
            self._give_up(self._power() or failure)
        return False

    def _power(self) -> OSError | None:
        if self._restarts < POWER_AT:
            return None
        text = POWER.format(name=self._patient.name, count=self._restarts)
        return errors.DeviceError(text)

    def _give_up(self, failure: OSError) -> None:
        self._count(Rung.FAILED.value)
        log.warning("%s: given up: %s", self._patient.name, failure)
        self.failure = failure
        self._patient.given_up()
        self._patient.tell(InterfaceStatus.DISCONNECTED)

    async def _run(self) -> None:
        try:
            await self._climb()
        except WrongModule as error:
            self._give_up(error)
        except Exception as error:  # a mistake of ours must not leave it attaching for ever
            log.exception("%s: the recovery failed", self._patient.name)
            self._give_up(errors.DeviceError(f"the recovery failed: {error!r}"))

    async def _climb(self) -> None:
        attempt = 0
        while not self._is_up():
            trouble = self._trouble
            ladder = self._ladders.setdefault(trouble, Ladder(trouble))
            found = ladder.next(now())
            if found is None:
                self._give_up(self.failure or errors.DeviceError("it does not come up"))
                return
            step, pause = found
            if step.rung is Rung.RESYNC:
                continue  # carried out by the engine; that it failed is why we are here
            if trouble is Trouble.RESTART:
                pause += RESTART_PAUSES[max(0, self._restarts - 1)]
                if (power := self._power()) is not None:
                    self.failure = power
                    log.warning("%s: %s", self._patient.name, power)
            if step.rung is Rung.FAILED:
                self._stand_by()
            if await self._paused(pause):
                continue
            if self._is_up() or await self._try(step, trouble, attempt):
                return
            attempt += 1

    def _is_up(self) -> bool:
        return self._patient.told is InterfaceStatus.GLOBAL_UP

    async def _paused(self, seconds: float) -> bool:
        """Wait; True when something happened meanwhile that changes what is to be done, or when."""
        before = self._trouble
        restarts = self._restarts
        self._cut.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._cut.wait()
        except TimeoutError:
            return False
        again = self._trouble is Trouble.RESTART and self._restarts != restarts
        return again or self._trouble is not before

    def _stand_by(self) -> None:
        """Given up, but the cause lies outside: when it ends, the module comes back."""
        if self._patient.told is not InterfaceStatus.DISCONNECTED:
            self._count(Rung.FAILED.value)
            log.warning("%s: %s", self._patient.name, self.failure)
            self._patient.tell(InterfaceStatus.DISCONNECTED)

    async def _try(self, step: Step, trouble: Trouble, attempt: int) -> bool:
        """Carry out one step; True when the module is up."""
        rung = step.rung
        if rung is Rung.FAILED:
            rung = LADDERS[trouble][0].rung  # a look, by the gentlest way
        else:
            self._count(rung.value)
        self._rung = rung
        try:
            if rung is Rung.RETRY:
                await self._patient.again(attempt)
            elif rung is Rung.RESET:
                await self._patient.reset()
            else:
                await self._patient.reopen()
        except WrongModule:
            raise
        except OSError as error:
            log.info("%s: %s did not help: %s", self._patient.name, rung.value, error)
            if self._power() is None:
                self.failure = error
            self._now_it_is(error, trouble)
            return False
        finally:
            self._rung = None
        if self._patient.state is not ModuleState.IP_READY:
            return False  # it restarted at the last moment: that has been noticed
        self.up()
        self._patient.tell(InterfaceStatus.GLOBAL_UP)
        return True

    def _now_it_is(self, error: OSError, trouble: Trouble) -> None:
        """What a step met may be another trouble, with a ladder of its own: one that was begun is
        gone on with, so that the whole has an end."""
        patient = self._patient
        if not patient.channel.reachable:
            found = Trouble.UNPLUGGED
        elif trouble is Trouble.UNPLUGGED:
            found = Trouble.RESTART  # the port is there again
            self._ladders = {trouble: Ladder(trouble)}
            patient.tell(InterfaceStatus.CONNECTING)
        elif patient.state is ModuleState.SEARCHING:
            found = patient.network_trouble
        elif isinstance(error, RestartSeen):
            found = Trouble.RESTART
        elif trouble in NETWORK and isinstance(error, ModuleSilent):
            found = Trouble.SILENT
        else:
            return
        self._trouble = found
