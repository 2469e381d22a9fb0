"""A Link for modules that lose what comes too fast: long writes leave in pieces, with pauses."""

from __future__ import annotations

import asyncio

from atdriver.link import Link, Receiver


class PacedLink:
    """At most `size` bytes at once, the next ones `pause` seconds later; the order stays."""

    def __init__(self, link: Link, size: int, pause: float) -> None:
        self.name = link.name
        self.has_rate = link.has_rate
        self._link = link
        self._size = size
        self._pause = pause
        self._waiting = bytearray()
        self._free_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, receiver: Receiver) -> None:
        """See Link.open."""
        await self._link.open(receiver)

    def write(self, data: bytes) -> None:
        """See Link.write."""
        self._waiting += data
        if self._timer is None:
            self._go_on()

    def _go_on(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._free_at:
            piece = bytes(self._waiting[: self._size])
            del self._waiting[: self._size]
            self._free_at = now + self._pause
            self._link.write(piece)
        if self._waiting:
            self._timer = loop.call_at(self._free_at, self._go_on)

    def set_rate(self, baud: int) -> None:
        """See Link.set_rate."""
        self._link.set_rate(baud)

    async def close(self) -> None:
        """See Link.close; what waits is dropped."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._link.close()
