"""The host's end of the mesh fakes' wires: bytes in, bytes out; and a mesh under virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fakes import FakeModem
from fakes.virtualtime import VirtualTimeLoop
from tests.fakes.patience import PATIENCE
from tests.fakes.terminal import Terminal


class Console(Terminal):
    """A node, as its host has it."""

    async def cli(self, line: str, timeout: float = PATIENCE) -> str:
        """One command of a CLI whose results are ``Done`` or ``Error``, with all it answers."""
        self.take()
        self.type(line + "\r\n")
        answer = await self.until(rb"(?:Done|Error \d+: \w+)\r\n> ", timeout)
        text = answer.decode("latin-1").replace("\r\n", "\n")
        return text.removeprefix(line + "\n").removesuffix("> ")

    async def done(self, *lines: str) -> None:
        for line in lines:
            assert (await self.cli(line)).endswith("Done\n"), line


@asynccontextmanager
async def running(*modems: FakeModem) -> AsyncIterator[list[Any]]:
    terminals = []
    try:
        for modem in modems:
            terminal = Console(modem)
            await modem.start(terminal.hear)
            terminals.append(terminal)
        yield terminals
    finally:
        for terminal in terminals:
            await terminal.modem.stop()
            assert [each for each in terminal.modem.journal if each.kind == "crash"] == []


def virtual(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it with a clock that jumps."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(work())
