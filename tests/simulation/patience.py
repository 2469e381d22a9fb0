"""Applications that call without a time-out: what they wait for must come, or end, by itself.

When the faults are over every peer ends its connection; whoever still waits then waits for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import TypeVar

from netsocket.stream import AsyncTCPSocket

from .history import NearEnd
from .run import CLOSE_LIMIT, Simulation

T = TypeVar("T")
FOR_EVER = 1e6
GOODBYE = 5.0
"""Seconds between two rounds in which peers that are still there end their connections."""


class Patience(Simulation):
    """A run in which half of the connections last until somebody ends them."""

    async def _converse(self, sock: AsyncTCPSocket, near: NearEnd, source: random.Random) -> None:
        loop = asyncio.get_running_loop()
        sock.settimeout(None)
        both = {
            loop.create_task(self._write(sock, near, source)),
            loop.create_task(self._read(sock, near, source)),
        }
        await asyncio.wait(both, timeout=source.choice((None, None, 10.0, 30.0)))
        await self._limited("close", sock.close(), CLOSE_LIMIT)
        await self._limited("calls of a closed socket", asyncio.wait(both), 1.0)

    async def _limited(self, what: str, call: Awaitable[T], limit: float) -> T | None:
        return await super()._limited(what, call, limit or FOR_EVER)

    def _calm(self) -> None:
        super()._calm()
        self._end_all()

    def _end_all(self) -> None:
        for far in self.history.far:
            if not far.conversation.over:
                far.conversation.fin()
        if not self._clean:
            asyncio.get_running_loop().call_later(GOODBYE, self._end_all)
