"""A module in virtual time whose ailment, and what cures it, a test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from atdriver.errors import PortLost, PortMissing
from atdriver.link import Receiver
from atdriver.links.memory import MemoryLink
from fakes import FakeModem
from netsocket.stack import InterfaceStatus
from tests.faults.bench import Bench, assemble

RESETS = {"esp8266": b"AT+RST", "bg96": b"AT+CFUN=1,1"}
UP = InterfaceStatus.GLOBAL_UP


class Cable(MemoryLink):
    """The wire to whatever the bed holds now."""

    def __init__(self, bed: Sickbed) -> None:
        super().__init__(bed.module, f"{bed.kind}:fake")
        self._bed = bed

    async def open(self, receiver: Receiver) -> None:
        if not self._bed.plugged:
            raise PortMissing(f"{self.name}: no such port")
        self._bed.opened += 1
        if self._bed.cure == "reopen":
            self._bed.heal()
        await super().open(receiver)

    def write(self, data: bytes) -> None:
        bed = self._bed
        if bed.cure == "reset" and RESETS[bed.kind] in data:
            bed.heal()
            bed.module.restart()
        elif not bed.ailing:
            super().write(data)


class Sickbed:
    """`ail(cure)`: the module hears nothing any more, until what is named is done to it."""

    def __init__(self, kind: str, bench: Bench) -> None:
        self.kind = kind
        self.bench = bench
        self.net = bench.net
        self.module: FakeModem = bench.fake
        self.plugged = True
        self.ailing = False
        self.cure = ""
        self.opened = 0
        self.seen: list[tuple[float, str]] = []
        """(seconds since `zero`, status)"""
        self._zero = 0.0
        bench.channel.link_with(lambda _: Cable(self))
        bench.net.on_status(lambda status: self.seen.append((self.elapsed, status.name)))

    def ail(self, cure: str = "nothing") -> None:
        self.cure = cure
        self.ailing = True
        self.start_clock()

    def heal(self) -> None:
        self.cure = ""
        self.ailing = False

    def unplug(self) -> None:
        self.plugged = False
        link: Any = self.bench.channel.link
        link.drop(PortLost(f"{link.name}: the port is gone (unplugged)"))

    def start_clock(self) -> None:
        self._zero = asyncio.get_running_loop().time()
        self.seen.clear()

    @property
    def elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._zero

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.net.recovery)

    async def until(self, *statuses: str, limit: float = 400.0) -> float:
        """Wait for the status; seconds on the clock."""
        async with asyncio.timeout(limit):
            while self.net.status.name not in statuses:
                await asyncio.sleep(0.01)
        return self.elapsed

    async def recovers(self, within: float) -> None:
        """It is noticed, and up again so many seconds after the clock was started."""
        await self.until("CONNECTING")
        assert await self.until("GLOBAL_UP") <= within

    async def serves(self) -> None:
        """A whole exchange goes through."""
        async with await self.net.connect(("echo.test", 7), timeout=30) as sock:
            await sock.sendall(b"well")
            assert await sock.recv(4) == b"well"


@asynccontextmanager
async def bed(kind: str, firmware: str = "", **settings: Any) -> AsyncIterator[Sickbed]:
    made = Sickbed(kind, assemble(kind, firmware, **settings))
    async with made.net:
        made.opened = 0
        made.start_clock()
        yield made
