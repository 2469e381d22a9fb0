"""What every AT module's stack has in common.

A vendor's driver derives from `ModuleStack` and supplies the steps that differ: how the module is
configured and attached, how a link is opened, read, written and closed, what its notices mean. The
class comes in layers: the socket table, listening, options, transfers, and, here, the life of the
module.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from atdriver.channel import Channel
from atdriver.dialect import Step
from atdriver.engine import ECHO
from atdriver.errors import CommandFailed, PortLost
from atdriver.events import Anomaly, Deaf, Doubted, Event, Received, Restarted, Unsolicited
from atdriver.exchange import Command
from modems.commands import BASIC
from modems.lifecycle import ModuleState
from modems.table import log
from modems.transfer import Transfers
from netsocket import errors
from netsocket.stack import Handle, InterfaceStatus, StackStatus

RECOVERY_DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds between attempts to bring a module up again that restarted by itself."""


RESET_AT = 2
"""The attempt before which the module is told to reset."""
RESET_PATIENCE = 20.0
"""Seconds for a module to come back from a reset and answer."""


class ModuleStack(Transfers):
    """A Stack (see netsocket.stack) inside a module behind an AT channel."""

    reset_steps: tuple[Step, ...] = ()
    """How to reset a module that does not answer as it should."""
    keeps: tuple[Command, ...] = ()
    """Questions about settings that the module keeps over a restart and that this driver, or the
    firmware by itself, may touch: the answers must be the same before and after."""
    rewrites: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """How an answer to one of them is written back: its head, and what stands there instead."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        channel.listener = self._on_event
        self.anomalies = 0
        self._recovery: asyncio.Task[None] | None = None
        self._wanted_up = False
        self._configured = False  # the module holds settings of ours
        self._up_lock = asyncio.Lock()

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _find(self) -> None:
        """Get in step with the module; the channel is open."""

    @abc.abstractmethod
    async def _configure(self) -> None:
        """Identify it, make the settings, close sockets that a previous program left."""

    @abc.abstractmethod
    async def _attach(self) -> None:
        """Join or register, and get an address."""

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
        async with self._up_lock:
            if self.life.state is ModuleState.IP_READY:
                return
            self._set_status(InterfaceStatus.CONNECTING)
            try:
                await self._bring_up()
            except BaseException:
                self.life.fire("failed")
                self._set_status(InterfaceStatus.DISCONNECTED)
                raise
            self._wanted_up = True
            self._set_status(InterfaceStatus.GLOBAL_UP)

    async def configure(self) -> None:
        """Only find and configure the module: enough to ask it questions (`info`, `at`)."""
        async with self._up_lock:
            if self.life.state in (ModuleState.OFF, ModuleState.REBOOTED, ModuleState.FAULT):
                await self._configure_only()

    async def kept_settings(self) -> dict[str, str]:
        """What the module answers to `keeps` now; nothing is changed. May hold secrets.

        A module that is not up is found for this and left alone again. Raises what that raises.
        """
        async with self._found():
            return await self._ask_kept()

    async def put_back(self, former: Mapping[str, str]) -> dict[str, str]:
        """Write what `kept_settings` said before, as far as `rewrites` knows how; returns what the
        module says then. Raises as `kept_settings`."""
        async with self._found():
            for question, answer in (await self._ask_kept()).items():
                if question in self.rewrites and former.get(question, answer) != answer:
                    head, command = self.rewrites[question]
                    text = command + former[question].removeprefix(head)
                    line = text.encode()
                    quoted = tuple(each.span(1) for each in re.finditer(rb'"([^"]*)"', line))
                    with contextlib.suppress(CommandFailed):
                        await self.channel.run(Command(line, BASIC, secrets=quoted))
            return await self._ask_kept()

    @contextlib.asynccontextmanager
    async def _found(self) -> AsyncIterator[None]:
        """A module that answers, nothing configured; one that is up stays so."""
        async with self._up_lock:
            if self.life.state not in (ModuleState.OFF, ModuleState.FAULT):
                yield
                return
            self.life.begin()
            try:
                await self.channel.open()
                await self._find()
                yield
            finally:
                self.life.end()
                await self.channel.close()

    async def _ask_kept(self) -> dict[str, str]:
        found = {}
        for command in self.keeps:
            with contextlib.suppress(CommandFailed):  # not of this firmware
                reply = await self.channel.run(command)
                found[str(command)] = b" / ".join(reply.lines).decode("ascii", "replace")
        return found

    async def _configure_only(self) -> None:
        self.life.begin()
        await self.channel.open()
        await self._find()
        self.life.fire("found")
        self._configured = True
        await self._configure()
        self.life.fire("configured")

    async def _bring_up(self) -> None:
        if self.life.state is not ModuleState.CONFIGURED:
            await self._configure_only()
        self.life.fire("searching")
        await self._attach()
        self.life.fire("attached")

    async def down(self) -> None:
        """See Stack.down."""
        self._wanted_up = False
        if self._recovery is not None:
            self._recovery.cancel()
        for sock in list(self._sockets.values()):
            await self.close(Handle(sock.number, sock.generation), abort=True)
        if self._configured:
            self._configured = False
            try:
                async with asyncio.timeout(5.0):
                    await self._restore()
            except (OSError, TimeoutError) as error:
                log.debug("%s: settings could not be restored: %s", self.name, error)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.life.end()
        await self.channel.close()
        self._set_status(InterfaceStatus.DISCONNECTED)

    # -- what happens by itself ---------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Received):
            self._pushed(event)
        elif isinstance(event, Unsolicited):
            if not event.doubtful or not self._verify(event.name, event.text):
                self._notice(event.name, event.text)
        elif isinstance(event, Restarted):
            self._on_restart()
        elif isinstance(event, Deaf):
            self._configured = False
            self._lost(PortLost(f"the {self.name} is gone or does not answer any more"))
            self.life.fire("failed")
            self._set_status(InterfaceStatus.DISCONNECTED)
            if self.channel.reachable:
                self._start_recovery()
        elif isinstance(event, Doubted):
            self._on_doubt(event.command)
        elif isinstance(event, Anomaly):
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
        self._lost(errors.ModuleRestarted(f"the {self.name} restarted"))
        self.life.fire("rebooted")
        self._start_recovery()

    def _start_recovery(self) -> None:
        if self._wanted_up and (self._recovery is None or self._recovery.done()):
            self._set_status(InterfaceStatus.CONNECTING)
            self._recovery = self._spawn(self._recover())

    async def _recover(self) -> None:
        """Bring the module up again; one that stays silent or busy is reset on the way."""
        for attempt, delay in enumerate(RECOVERY_DELAYS):
            await asyncio.sleep(delay)
            try:
                async with self._up_lock:
                    if attempt == RESET_AT:
                        await self.channel.synchronise(RESET_PATIENCE, self.reset_steps)
                    await self._bring_up()
            except PortLost:
                break
            except OSError as error:
                log.warning("%s: coming up again failed: %s", self.name, error)
                self.life.fire("rebooted")
                continue
            self._set_status(InterfaceStatus.GLOBAL_UP)
            return
        self.life.fire("failed")
        self._set_status(InterfaceStatus.DISCONNECTED)
