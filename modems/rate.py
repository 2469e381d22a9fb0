"""The baud rate of one module's line: where it is at home, and the faster one in between.

The faster rate is never stored: a module that restarts is at home again, and is heard there
because both rates are listened at while nothing answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from atdriver.channel import Channel
from atdriver.dialect import Step
from atdriver.errors import (
    CommandFailed,
    CommandTimeout,
    ModuleBusy,
    PortLost,
    ReplyCorrupt,
    SpecificationError,
)
from atdriver.exchange import Command
from atdriver.link import Link
from atdriver.startup import find_module
from modems.table import log

SWITCH = 0.05
"""Seconds after the OK: the module switches when its transmitter is empty."""
PROOF = 4.0
"""Seconds in which it must answer at the new rate."""
BLIND = 0.8
"""Seconds for a way back that is not answered."""
RETURN = 10.0
"""Seconds in which it must answer at the old one."""
ELSEWHERE = 10.0
"""Seconds out of step, at either rate, before the other one is tried: a busy module loses what it
is asked at the wrong one."""
AFTER_RESET = 3.0
"""The same once it was told to start anew."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class LineRate:
    """`rates` in baud: the expected one, then the others to look at; `fast`: the one to use once
    the module is configured, 0 for none; `command`: what makes it change to a rate, answered at the
    old one. Raises SpecificationError for a rate below 0."""

    def __init__(
        self,
        channel: Channel,
        rates: tuple[int, ...],
        fast: int,
        command: Callable[[int], Command],
    ) -> None:
        if fast < 0:
            raise SpecificationError(f"setting fast={fast}: a baud rate, or 0, is expected")
        self._channel = channel
        self._rates = rates
        self._fast = fast
        self._command = command
        self._link: Link | None = None
        self._now = self._home = rates[0]
        self._raised = False
        self._refused = False
        self._search: asyncio.Task[None] | None = None

    async def find(self, escape: tuple[Step, ...]) -> None:
        """See `find_module`; the rate where this was left comes first."""
        self.settled()
        link = self._channel.link
        if link is not self._link:  # a port that was opened anew is at the expected rate
            self._link, self._now = link, self._rates[0]
        near = (self._now, self._home, self._fast or self._home)
        rates = tuple(dict.fromkeys((*near, *self._rates)))
        found = await find_module(self._channel, rates, escape)
        if found is None:
            return
        self._now = found
        self._raised = found == self._fast  # by a program that was killed, maybe
        if not self._raised:
            self._home = found

    async def raise_it(self, name: str) -> None:
        """Change to the faster rate; where that does not work, a warning, and on at the old one.

        Raises ModuleSilent for a module that is heard at neither, and as `Channel.run`.
        """
        link, fast = self._channel.link, self._fast
        if not link.has_rate or fast in (0, self._now) or self._refused:
            return
        try:
            self._try_port(link)
            await self._ask(fast)
        except (PortLost, ValueError, CommandFailed, ModuleBusy) as error:
            self._refused = True
            log.warning("%s: it stays at %d baud: %s", name, self._now, error)
            return
        link.set_rate(fast)
        if await self._answers_here():
            self._now, self._raised = fast, True
            self._channel.note(f"the line is at {fast} baud")
            return
        self._refused = True
        log.warning("%s: nothing is heard at %d baud, back to %d", name, fast, self._now)
        await self._return(link)

    async def _ask(self, rate: int) -> None:
        """An answer that is lost says neither that it switches nor that it does not."""
        with contextlib.suppress(CommandTimeout, ReplyCorrupt):
            await self._channel.run(self._command(rate))

    def _try_port(self, link: Link) -> None:
        """Whether the port takes the rate, before the module does."""
        try:
            link.set_rate(self._fast)
        finally:
            link.set_rate(self._now)

    async def _answers_here(self) -> bool:
        try:
            async with asyncio.timeout(PROOF):  # the engine goes on: it is not deaf for good
                await asyncio.sleep(SWITCH)
                await self._channel.synchronise()
        except TimeoutError:
            return False
        return True

    async def _return(self, link: Link) -> None:
        """It may hear us though we do not hear it."""
        end = self._channel.engine.dialect.terminator
        # An empty line first, for what noise left there; it is answered before the next is sent.
        steps = ((0.1, end), (0.3, self._command(self._now).text + end), (BLIND, b""))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BLIND):
                await self._channel.synchronise(RETURN, steps)
        link.set_rate(self._now)
        await self._channel.synchronise(RETURN)

    async def put_back(self) -> None:
        """At the end, to where it was found. Raises as `Channel.run`."""
        if self._raised and self._channel.link.has_rate:
            await self._channel.run(self._command(self._home))
            self._move(self._home)
            self._raised = False
            await asyncio.sleep(SWITCH)

    # -- a module that has restarted is at home again, and its banner was noise -------------------

    def lost(self, spawn: Spawn, after: float = ELSEWHERE) -> None:
        """Nothing answers: from now on listen at both rates in turn, `after` seconds each."""
        self.settled()
        if self._raised:
            self._move(self._fast)
            self._search = spawn(self._listen(after))

    def restarted(self, spawn: Spawn) -> None:
        """It says so at this rate; it may say the rest at the other one."""
        if self._now == self._home:
            self.settled()
        else:
            self.lost(spawn, AFTER_RESET)

    def settled(self) -> None:
        """It answers, or is given up: stay at this rate."""
        if self._search is not None:
            self._search.cancel()
            self._search = None

    async def _listen(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._move(self._home if self._now == self._fast else self._fast)

    def _move(self, rate: int) -> None:
        if self._link is not None and rate != self._now:
            self._channel.note(f"the line changes to {rate} baud")
            self._link.set_rate(rate)
            self._now = rate
