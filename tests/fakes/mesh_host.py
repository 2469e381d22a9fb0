"""The host's end of the mesh fakes' wires: bytes in, bytes out; and a mesh under virtual time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from fakes import FakeModem
from fakes.virtualtime import VirtualTimeLoop
from tests.fakes.patience import PATIENCE


class Terminal:
    """A started fake, and what it has said since it was last asked."""

    def __init__(self, modem: Any) -> None:
        self.modem = modem
        self.said = bytearray()
        self._news = asyncio.Event()

    def hear(self, data: bytes) -> None:
        self.said += data
        self._news.set()

    def type(self, text: str | bytes) -> None:
        self.modem.receive(text.encode("latin-1") if isinstance(text, str) else text)

    def take(self) -> bytes:
        data = bytes(self.said)
        self.said.clear()
        return data

    async def until(self, pattern: bytes, timeout: float = PATIENCE) -> bytes:
        """Take everything up to and including the first match."""
        compiled = re.compile(pattern, re.DOTALL)
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            found = compiled.search(self.said)
            if found:
                data = bytes(self.said[: found.end()])
                del self.said[: found.end()]
                return data
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                raise AssertionError(f"no {pattern!r} in {bytes(self.said)!r}") from None

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
            terminal = Terminal(modem)
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
