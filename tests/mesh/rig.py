"""A mesh node made of a table: what it prints for each line, as a person would see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from atdriver.modem import assemble
from netsocket.interface import AsyncNetworkInterface
from tests.engine.scripted_link import ScriptedLink

Answers = dict[bytes, bytes | list[bytes] | Callable[[bytes], bytes]]


class ShellLink(ScriptedLink):
    """Echo, prompt, and what the table says; `later` comes after the answer, by itself."""

    def __init__(
        self,
        answers: Answers,
        unknown: bytes,
        *,
        echo: bytes = b"\r\n",
        prompt: bytes = b"> ",
        piece: int | None = None,
    ) -> None:
        super().__init__()
        self.answers = answers
        self.unknown = unknown
        self.echo = echo
        self.prompt = prompt
        self.piece = piece
        """Bytes to a read; None: as it is said."""
        self.later: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self._input = b""

    def write(self, data: bytes) -> None:
        super().write(data)
        *lines, self._input = (self._input + data).split(b"\r\n")
        for line in lines:
            self.asked.append(line)
            self.tell((line + self.echo if self.echo else b"") + self._answer(line) + self.prompt)
            if later := self._match(self.later, line):
                self.tell(later, 0.02)

    def _match(self, table: Any, line: bytes) -> Any:
        found = table.get(line)
        if found is None:
            words = [key for key in table if key.endswith(b"*") and line.startswith(key[:-1])]
            found = table[max(words, key=len)] if words else None
        return found

    def _answer(self, line: bytes) -> bytes:
        found = self._match(self.answers, line)
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        if callable(found):
            return found(line)
        return self.unknown if found is None else found

    def tell(self, text: bytes, after: float = 0.001) -> None:
        step = self.piece or max(1, len(text))
        for at in range(0, len(text), step):
            self.say(text[at : at + step], after + at * 1e-6)

    def count(self, start: bytes) -> int:
        return sum(line.startswith(start) for line in self.asked)


@asynccontextmanager
async def node(
    specification: str, link: ScriptedLink, *, up: bool = True, **settings: Any
) -> AsyncIterator[AsyncNetworkInterface]:
    """An interface over the link, as a user opens one, and its stack."""
    modem = assemble(f"{specification}:tcp://127.0.0.1:1", keywords=settings)
    channel = modem.channel
    assert channel is not None
    channel.link_with(lambda _: link)
    net = modem.interface()
    try:
        if up:
            await net.up()
        yield net
    finally:
        await net.close()


async def settle(seconds: float = 0.1) -> None:
    await asyncio.sleep(seconds)
