"""The host's end of an in-memory wire to a fake: bytes in, bytes out, no parsing."""

from __future__ import annotations

import asyncio
import re
from typing import Any

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
        """What was said since the last time."""
        data = bytes(self.said)
        self.said.clear()
        return data

    async def until(self, pattern: bytes, timeout: float = PATIENCE) -> bytes:
        """Take everything up to and including the first match of `pattern`."""
        compiled = re.compile(pattern, re.DOTALL)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    found = compiled.search(self.said)
                    if found:
                        data = bytes(self.said[: found.end()])
                        del self.said[: found.end()]
                        return data
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} in {bytes(self.said)!r}") from None
