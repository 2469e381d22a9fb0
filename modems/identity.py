"""Which module it is, and the settings that it keeps over a restart.

The last but one of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from atdriver.channel import Channel
from atdriver.errors import CommandFailed, WrongModule
from atdriver.exchange import Command
from modems.commands import BASIC
from modems.lifecycle import ModuleState
from modems.transfer import Transfers

IDENTITY_ATTEMPTS = 3
"""How often a module that says something new of itself is asked again, until it says so twice."""


class Identity(Transfers):
    """What can be asked of a module that is not configured."""

    identity: tuple[Command, ...]
    """Questions for what no other module answers (IMEI, MAC address), the first that is known."""
    keeps: tuple[Command, ...] = ()
    """Questions about settings that the module keeps over a restart and that this driver, or the
    firmware by itself, may touch: the answers must be the same before and after."""
    rewrites: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """How an answer to one of them is written back: its head, and what stands there instead."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._me = ""  # what this module answered to `identity`
        self._up_lock = asyncio.Lock()

    @abc.abstractmethod
    async def _find(self) -> None:
        """Get in step with the module; the channel is open."""

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

    # -- which module it is -------------------------------------------------------------------

    async def _check_identity(self) -> None:
        """Where a port was opened anew another module of the same type may answer: it is left
        alone. Raises WrongModule. What is new is asked for until it is said twice in a row: once it
        may be damaged."""
        found = await self._ask_identity()
        if found in ("", self._me):
            return
        for _ in range(IDENTITY_ATTEMPTS):
            said, found = found, await self._ask_identity()
            if found == said:
                break
        if not self._me:
            self._me = found
        elif found not in ("", self._me):
            where = self.channel.link.name
            await self.channel.close()
            text = f"{where}: another {self.name} answers here ({found}, not {self._me})"
            raise WrongModule(text, self._me, found)

    async def _ask_identity(self) -> str:
        for command in self.identity:
            with contextlib.suppress(CommandFailed):  # not of this firmware
                reply = await self.channel.run(command)
                if reply.lines:
                    return reply.lines[0].decode("ascii", "backslashreplace").strip()
        return ""

    def _forget_identity(self) -> None:
        """The next module that answers here may be another one."""
        self._me = ""
