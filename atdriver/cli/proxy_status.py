"""What a running proxy shows: a live line on a terminal, plain lines elsewhere, or JSON.

Nothing of it names where a client went.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final

from atdriver.cli import output
from atdriver.cli.failure import note, safe
from netsocket.adapters.passage import Phase
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy import Proxy

TICK: Final = 0.5
"""Seconds between two looks."""
SPAN: Final = 2.0
"""Seconds over which a rate is measured."""
PLAIN: Final = 60.0
"""Seconds between plain lines while something goes on."""
ASKED: Final = 30.0
"""Seconds between questions for the signal; each is a command or two of the module."""


@dataclass(frozen=True, slots=True)
class Modem:
    """One module, as shown."""

    name: str
    up: bool
    reason: str
    in_use: int
    capacity: int | None
    signal: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """A proxy and its pool at one moment."""

    asking: int
    queued: int
    connecting: int
    relaying: int
    up: int
    down: int
    served: int
    failed: int
    denied: int
    turned_away: int
    dropped: int
    modems: tuple[Modem, ...]

    def text(self, rates: tuple[float, float]) -> str:
        """One line for people; rates up and down in bytes a second."""
        parts = [f"{self.relaying} connected"]
        if self.connecting:
            parts.append(f"{self.connecting} connecting")
        if self.queued:
            parts.append(f"{self.queued} queued")
        parts.append(f"up {_amount(rates[0])}/s  down {_amount(rates[1])}/s")
        parts.append(f"{_amount(self.up + self.down)} in all")
        for number, word in (
            (self.failed, "failed"),
            (self.denied, "denied"),
            (self.turned_away, "turned away"),
            (self.dropped, "datagrams dropped"),
        ):
            if number:
                parts.append(f"{number} {word}")
        return " | ".join([*parts, *map(_modem, self.modems)])


def _modem(modem: Modem) -> str:
    if not modem.up:
        return f"{modem.name}: {modem.reason}"
    sockets = "" if modem.capacity is None else f" {modem.in_use}/{modem.capacity}"
    signal = "" if modem.signal is None else f" {modem.signal}"
    return f"{modem.name}{sockets}{signal}"


def _amount(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} GB"


def look(proxy: Proxy, pool: Pool) -> Status:
    """How it is now; nothing is asked of a module."""
    phases = proxy.phases()
    modems = []
    for member in pool.status().members:
        details = {} if member.net is None else member.net.snapshot.details
        signal = details.get("rssi") or details.get("signal")
        modems.append(
            Modem(member.name, member.up, member.reason, member.in_use, member.capacity, signal)
        )
    return Status(
        phases[Phase.ASKING],
        phases[Phase.QUEUED],
        phases[Phase.CONNECTING],
        phases[Phase.RELAYING],
        proxy.meter.up,
        proxy.meter.down,
        **asdict(proxy.figures),
        modems=tuple(modems),
    )


class Rates:
    """Bytes a second, over about the last SPAN."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int, int]] = []

    def after(self, now: float, up: int, down: int) -> tuple[float, float]:
        """The rates, when these are the totals at `now` (seconds)."""
        self._seen.append((now, up, down))
        while len(self._seen) > 2 and now - self._seen[1][0] >= SPAN:
            del self._seen[0]
        then, up_then, down_then = self._seen[0]
        span = max(now - then, 0.001)
        return (up - up_then) / span, (down - down_then) / span


async def show(proxy: Proxy, pool: Pool, *, as_json: bool) -> None:
    """Show how it goes, until cancelled."""
    asking = asyncio.create_task(_ask(pool))
    try:
        if as_json:
            await _json(proxy, pool)
        elif sys.stderr is not None and sys.stderr.isatty():
            await _live(proxy, pool)
        else:
            await _plain(proxy, pool)
    finally:
        asking.cancel()


async def _ask(pool: Pool) -> None:
    while True:
        for member in pool.status().members:
            if member.up and member.net is not None:
                with contextlib.suppress(OSError):
                    await member.net.refresh()
        await asyncio.sleep(ASKED)


async def _json(proxy: Proxy, pool: Pool) -> None:
    before: Status | None = None
    while True:
        now = look(proxy, pool)
        if now != before:
            event("status", **asdict(now))
        before = now
        await asyncio.sleep(2 * TICK)


def event(kind: str, **values: Any) -> None:
    """One line of JSON."""
    output.flushed(json.dumps({"event": kind, **values}))


async def _live(proxy: Proxy, pool: Pool) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    rates, loop = Rates(), asyncio.get_running_loop()
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        while True:
            now = look(proxy, pool)
            text = now.text(rates.after(loop.time(), now.up, now.down))
            live.update(Text(safe(text), overflow="ellipsis", no_wrap=True), refresh=True)
            await asyncio.sleep(TICK)


async def _plain(proxy: Proxy, pool: Pool) -> None:
    """A line when somebody is turned away, and now and then the figures."""
    rates, loop = Rates(), asyncio.get_running_loop()
    before, told, last = look(proxy, pool), look(proxy, pool), loop.time()
    while True:
        await asyncio.sleep(2 * TICK)
        now = look(proxy, pool)
        rate = rates.after(loop.time(), now.up, now.down)
        if now.denied > before.denied:
            note(f"user or password wrong or missing, {now.denied} times by now")
        if now.turned_away > before.turned_away:
            note(f"too many clients, {now.turned_away} were turned away by now")
        moved = (now.served, now.failed, now.up, now.down) != (
            told.served, told.failed, told.up, told.down,
        )  # fmt: skip
        if moved and loop.time() - last >= PLAIN:
            note(now.text(rate))
            told, last = now, loop.time()
        before = now
