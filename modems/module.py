"""What every AT module's stack has in common.

A vendor's driver derives from `ModuleStack` and supplies the steps that differ: how the module is
configured and attached, how a link is opened, read, written and closed, what its notices mean. The
class comes in layers: the socket table, listening, options, transfers, identity, and, here, the
life of the module.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import Mapping

from atdriver.channel import Channel
from atdriver.dialect import Probe, Step
from atdriver.engine import ECHO
from atdriver.errors import RestartSeen
from atdriver.events import (
    Anomaly,
    Deaf,
    Doubted,
    Event,
    InStep,
    OutOfStep,
    Received,
    Restarted,
    Unsolicited,
)
from atdriver.flight import START
from modems.clock import now
from modems.identity import Identity
from modems.lifecycle import ModuleState
from modems.rate import AFTER_RESET, LineRate
from modems.recovering import Recovery
from modems.recovery import (
    CONFIGURE_LIMIT,
    HEALTH,
    NETWORK_LOOK,
    RESET_PATIENCE,
    RESYNC_SECONDS,
    Trouble,
)
from modems.table import log
from netsocket import errors
from netsocket.stack import InterfaceStatus, StackStatus

CLOSE_LIMIT, RESTORE_LIMIT, RATE_LIMIT, UNWIND_LIMIT = 5.0, 3.0, 1.0, 1.0
"""Seconds in which the module may, when all is taken down, reset its sockets (what it does not, the
next start does), take its settings and its baud rate back, and be told what cancelled calls leave
behind."""


class ModuleStack(Identity):
    """A Stack (see netsocket.stack) inside a module behind an AT channel."""

    network_trouble: Trouble
    """What a lost network is to this kind of module."""
    reset_steps: tuple[Step, ...] = ()
    """How to reset a module that does not answer as it should."""

    def __init__(self, channel: Channel, *, line: LineRate, reconnect: bool = True) -> None:
        super().__init__(channel)
        self._line = line
        channel.listener = self._on_event
        channel.engine.resync_limit = RESYNC_SECONDS
        self.anomalies = 0
        self._recovery = Recovery(self, self._spawn, automatic=reconnect)
        self._health: asyncio.Task[None] | None = None
        self._wanted_up = False
        self._configured = False  # the module holds settings of ours

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _configure(self) -> None:
        """Identify it, make the settings, close sockets that a previous program left."""

    @abc.abstractmethod
    async def _attach(self) -> None:
        """Join or register, and get an address."""

    @abc.abstractmethod
    async def _attach_again(self, attempt: int) -> None:
        """Get the network back that a configured module lost; `attempt` counts from 0."""

    @abc.abstractmethod
    async def _look_at_network(self) -> None:
        """Ask whether the network is still there; a loss is met as if it had been told."""

    @abc.abstractmethod
    async def _restore(self) -> None:
        """Leave the settings as they were found."""

    @abc.abstractmethod
    def _notice(self, name: str, text: bytes) -> None:
        """An unsolicited line of the dialect's table."""

    @abc.abstractmethod
    def _verify(self, name: str, text: bytes) -> bool:
        """A notice that may be a piece of somebody's payload: True when it was dealt with, by
        asking the module or by not believing it. False: it can do no harm."""

    @abc.abstractmethod
    def _pushed(self, event: Received) -> None:
        """A payload that no command asked for."""

    @abc.abstractmethod
    async def status(self) -> StackStatus:
        """See Stack.status."""

    # -- interface ----------------------------------------------------------------------------

    async def up(self) -> None:
        """See Stack.up."""
        if self.life.state is ModuleState.IP_READY:
            return
        self._wanted_up = False
        self._recovery.end()  # this takes over
        async with self._up_lock:
            if self.state is ModuleState.IP_READY:
                return  # another caller's `up` ended meanwhile
            self._set_status(InterfaceStatus.CONNECTING)
            try:
                await self._bring_up()
            except BaseException as error:
                self._recovery.failure = error if isinstance(error, OSError) else None
                self.life.fire("failed")
                self._set_status(InterfaceStatus.DISCONNECTED)
                raise
            self._wanted_up = True
            self._recovery.up(by_hand=True)
            self._set_status(InterfaceStatus.GLOBAL_UP)
        if self._health is None or self._health.done():
            self._health = self._spawn(self._look_after())

    async def configure(self) -> None:
        """Only find and configure the module: enough to ask it questions (`info`, `at`)."""
        async with self._up_lock:
            if self.life.state in (ModuleState.OFF, ModuleState.REBOOTED, ModuleState.FAULT):
                await self._configure_only()

    async def _configure_only(self) -> None:
        self.life.begin()
        await self.channel.open()
        if not self.channel.reachable:
            await self.channel.reopen()
        await self._find()
        epoch = self.epoch
        self.life.fire("found")
        await self._check_identity()
        self._configured = True
        await self._configure()
        await self._line.raise_it(self.name)
        self._still(epoch)
        self.life.fire("configured")

    async def _bring_up(self) -> None:
        if self.life.state is not ModuleState.CONFIGURED:
            await self._configure_only()
        epoch = self.epoch
        self.life.fire("searching")
        await self._attach()
        self._still(epoch)
        self.life.fire("attached")

    def _still(self, epoch: int) -> None:
        """A restart that hit no command spoils a bring-up all the same."""
        if self.epoch != epoch:
            raise RestartSeen(f"the {self.name} restarted while it was brought up")

    async def down(self) -> None:
        """See Stack.down."""
        self._wanted_up = False
        self._forget_identity()
        self._recovery.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT):
                for sock in list(self._sockets.values()):
                    await self.close(sock.handle, abort=True)
        if self._configured:
            self._configured = False
            try:
                async with asyncio.timeout(RATE_LIMIT):
                    await self._line.put_back()
            except (OSError, TimeoutError) as error:
                log.debug("%s: the baud rate could not be put back: %s", self.name, error)
            try:
                async with asyncio.timeout(RESTORE_LIMIT):
                    await self._restore()
            except (OSError, TimeoutError) as error:
                log.debug("%s: settings could not be restored: %s", self.name, error)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=UNWIND_LIMIT)
        self.life.end()
        await self.channel.close()  # whoever still waits for a deaf module fails by that
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._set_status(InterfaceStatus.DISCONNECTED)

    # -- what happens by itself ---------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Unsolicited):  # the most frequent one
            if not event.doubtful or not self._verify(event.name, event.text):
                self._notice(event.name, event.text)
        elif isinstance(event, Received):
            self._pushed(event)
        elif isinstance(event, Restarted):
            self._line.restarted(self._spawn)
            self._on_restart()
        elif isinstance(event, OutOfStep):
            if event.reason != START:
                self._line.lost(self._spawn)
                self._recovery.out_of_step()
        elif isinstance(event, InStep):
            self._line.settled()
            self._recovery.in_step()
        elif isinstance(event, Deaf):
            self._line.settled()
            self._on_silence()
        elif isinstance(event, Doubted):
            self._on_doubt(event.command)
        else:
            assert isinstance(event, Anomaly), "how a command ends is told to who asked for it"
            self.anomalies += 1
            if event.reason == ECHO:
                self._spawn(self._silence_echo())
            self._on_anomaly(event)

    async def _silence_echo(self) -> None:
        """Should the module turn out to have restarted, its bring-up does the same."""
        with contextlib.suppress(OSError):
            await self._try("ATE0")

    def _on_anomaly(self, event: Anomaly) -> None:
        """Something no rule covers. Where data is pushed, bytes may be missing: see drivers."""

    def _on_restart(self) -> None:
        self.epoch += 1
        self.life.fire("rebooted")
        self._trouble(Trouble.RESTART, errors.ModuleRestarted(f"the {self.name} restarted"))

    def _on_silence(self) -> None:
        self._configured = False
        self.life.fire("failed")
        where = self.channel.link.name
        if self.channel.reachable:
            text = f"the {self.name} at {where} does not answer any more"
            self._trouble(Trouble.SILENT, errors.ConnectionReset(text))
        else:
            text = f"{where}: the port of the {self.name} is gone"
            self._trouble(Trouble.UNPLUGGED, errors.ConnectionReset(text))

    def _trouble(self, trouble: Trouble, error: OSError) -> None:
        """Every socket ends at once, and what can be done is done."""
        self._lost(error)
        if self._wanted_up:
            self._recovery.meet(trouble, error)
        elif self._status is not InterfaceStatus.CONNECTING:  # `up` tells by itself
            self._set_status(InterfaceStatus.DISCONNECTED)

    async def _look_after(self) -> None:
        """A module that restarts, dies, or loses its network without a word is found out all the
        same, also while nobody uses it."""
        looked = now()
        while True:
            since = self.channel.quiet_since
            await asyncio.sleep(HEALTH if since is None else max(since + HEALTH - now(), 0.1))
            since = self.channel.quiet_since
            if self._recovery.running:
                continue
            with contextlib.suppress(OSError):
                if self.told is InterfaceStatus.GLOBAL_UP and now() - looked >= NETWORK_LOOK:
                    looked = now()
                    await self._look_at_network()
                elif since is not None and now() - since >= HEALTH:
                    await self.channel.look()

    # -- what the recovery does, see modems.recovering.Patient -----------------------------------

    @property
    def state(self) -> ModuleState:
        """How far the bring-up has come."""
        return self.life.state

    @property
    def told(self) -> InterfaceStatus:
        """What the interface was told last."""
        return self._status

    def tell(self, status: InterfaceStatus) -> None:
        """Tell the interface."""
        self._set_status(status)

    def given_up(self) -> None:
        """Nothing more is tried: sockets end, a call says why."""
        self._wanted_up = self._wanted_up and self._recovery.automatic
        self._lost(self._recovery.failure or errors.NetworkDown(f"the {self.name} failed"))
        self.life.fire("failed")

    async def again(self, attempt: int) -> None:
        """Bring up what is down, nothing more."""
        async with self._up_lock:
            if self.life.state is ModuleState.IP_READY:
                await self._attach_again(attempt)
            else:
                await self._bring_up_bounded()

    async def reset(self) -> None:
        """Make it start anew, and bring it up."""
        async with self._up_lock:
            self._begin_anew()
            self.channel.set_probe(Probe(self.channel.engine.dialect.hello))
            self._line.lost(self._spawn, AFTER_RESET)
            await self.channel.synchronise(RESET_PATIENCE, self.reset_steps)
            await self._bring_up_bounded()

    async def reopen(self) -> None:
        """Open its port anew, and bring it up."""
        async with self._up_lock:
            self._begin_anew()
            await self.channel.reopen()
            await self._bring_up_bounded()

    def _begin_anew(self) -> None:
        """What the module knew is gone; what comes from it now is of a new life."""
        self.epoch += 1
        self._lost(errors.ModuleRestarted(f"the {self.name} is started anew"))
        self.life.fire("rebooted")

    async def _bring_up_bounded(self) -> None:
        """As `_bring_up`; the network has limits of its own, the module has this one."""
        if self.life.state is not ModuleState.CONFIGURED:
            async with asyncio.timeout(CONFIGURE_LIMIT):
                await self._configure_only()
        await self._bring_up()

    # -- see netsocket.stack.RecoveringStack ----------------------------------------------------

    @property
    def failure(self) -> OSError | None:
        """Why it is not up; None while it is, or was never brought up."""
        return self._recovery.failure

    @property
    def recovery(self) -> Mapping[str, int]:
        """How often what failed, and what was done about it."""
        return dict(self._recovery.counts)

    @property
    def address(self) -> str | None:
        """Own address as last known."""
        return self._address or None

    def _recovery_details(self) -> dict[str, str]:
        account = self._recovery.account
        return {"recovery": account} if account else {}
