"""Names, pings and network time, and the rest of the TCP/IP commands.

TCP(IP) manual V1.1 sections 3.1.12-3.1.16; formats and timing from real logs.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from fakes.bg96.codes import (
    DNS_BUSY,
    DNS_PARSE_FAILED,
    OPEN_PDP_FAILED,
    OPERATION_TIMEOUT,
    TcpipRejected,
)
from fakes.bg96.core import command
from fakes.bg96.links import written
from fakes.bg96.profile import CONTEXT_IDS
from fakes.bg96.settings import round_trips
from fakes.bg96.syntax import Fields
from fakes.bg96.transfer import Transfer

_LOOKUP: Final = 0.2  # seconds for an answer of the name server; not documented
_LOOKUP_TTL: Final = 600  # seconds; a literal address has 0 (real log)
_PING_BYTES: Final = 32
_PING_TTL: Final = 255
_PING_FAST: Final = 50  # ms; Cat M1 in good coverage takes 50-150 ms
_PING_SLOW: Final = 150
_NTP: Final = 1.0
_NTP_TIMEOUT: Final = 125.0


class Names(Transfer):
    """Asynchronous services of a context; each ends with it."""

    def power_on(self) -> None:
        """No service runs."""
        super().power_on()
        self.name_servers: dict[int, tuple[str, str]] = {}
        self._services: dict[asyncio.Task[None], tuple[int, Callable[[int], None]]] = {}
        self._lookup: asyncio.Task[None] | None = None
        times = round_trips(self.settings.ping)
        self._round_trips = itertools.cycle(times) if times else None

    @property
    def lookup_running(self) -> bool:
        """An AT+QIDNSGIP has not answered yet."""
        return self._lookup is not None and not self._lookup.done()

    def _active(self, fields: Fields) -> int:
        context = fields.integer(0, 1, CONTEXT_IDS)
        if not self.is_active(context):
            raise TcpipRejected(OPEN_PDP_FAILED)
        return context

    def _known_addresses(self, name: str) -> list[str]:
        return [] if self.settings.link == "dead" else self.world.lookup_all(name)

    def _serve(
        self,
        context: int,
        work: Callable[[], asyncio.Task[None]],
        broken: Callable[[int], None],
    ) -> None:
        """Start a service behind the OK; `broken(code)` is its last line if the context ends."""

        def begin() -> None:
            task = work()
            self._services[task] = (context, broken)
            task.add_done_callback(lambda done: self._services.pop(done, None))

        self.after_result(begin)

    def context_down(self, context: int, code: int) -> None:
        """Running services end with the context's error (real log: ``+QPING: 570``)."""
        super().context_down(context, code)
        for task, (of, broken) in list(self._services.items()):
            if of == context:
                del self._services[task]
                task.cancel()
                broken(code)

    # ---- names -----------------------------------------------------------------------

    @command(r"\+QIDNSCFG=(.*)")
    async def _name_servers(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(3)
        context = self._active(fields)
        if len(fields) == 1:
            first, second = self.name_servers.get(context, (self.own_address(context), "0.0.0.0"))
            self.info(f'+QIDNSCFG: {context},"{first}","{second}"')
        else:
            self.name_servers[context] = (fields.string(1), fields.string(2, "0.0.0.0"))

    @command(r"\+QIDNSGIP=(.*)")
    async def _resolve_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        context = self._active(fields)
        name = fields.string(1)
        if self.lookup_running:
            raise TcpipRejected(DNS_BUSY)  # one query at a time

        def begin() -> asyncio.Task[None]:
            self._lookup = self.spawn(self._resolve(name))
            return self._lookup

        self._serve(context, begin, self._unresolved)

    async def _resolve(self, name: str) -> None:
        literal = self.world.is_literal(name)
        await self.sleep(0.0 if literal else _LOOKUP)
        found = self._known_addresses(name)
        self._lookup = None
        if not found:
            self._unresolved(DNS_PARSE_FAILED)
            return
        self.last_error = 0
        self.urc(f'+QIURC: "dnsgip",0,{len(found)},{0 if literal else _LOOKUP_TTL}')
        for address in found:
            self.urc(f'+QIURC: "dnsgip","{written(address)}"')

    def _unresolved(self, code: int) -> None:
        self._lookup = None
        self.last_error = code
        self.urc(f'+QIURC: "dnsgip",{code}')

    # ---- ping ------------------------------------------------------------------------

    @command(r"\+QPING=(.*)")
    async def _ping_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(4)
        context = self._active(fields)
        host = fields.string(1)
        timeout = fields.integer(2, 1, 255, 4)
        count = fields.integer(3, 1, 10, 4)
        self._serve(
            context, lambda: self.spawn(self._ping(host, timeout, count)), self._ping_failed
        )

    def _ping_failed(self, code: int) -> None:
        self.last_error = code
        self.asynchronous(f"+QPING: {code}")

    async def _ping(self, host: str, timeout: int, count: int) -> None:
        address = self.world.lookup(host)
        if address is None:
            await self.sleep(_LOOKUP)
            self._ping_failed(DNS_PARSE_FAILED)
            return
        if self.settings.link == "dead" or not self.world.reaches(address):
            # Failing pings follow each other by the timeout; the summary repeats the code, so
            # four pings give five lines (real log).
            for _ in range(count):
                await self.sleep(timeout)
                self._ping_failed(OPERATION_TIMEOUT)
            self._ping_failed(OPERATION_TIMEOUT)
            return
        times: list[int] = []
        average = 0
        for index in range(count):
            elapsed = self._round_trip()
            await self.sleep(elapsed / 1000)
            # The module's mean is incremental in integers (all thirteen logged summaries).
            average = (average * index + elapsed) // (index + 1)
            times.append(elapsed)
            self.asynchronous(f'+QPING: 0,"{written(address)}",{_PING_BYTES},{elapsed},{_PING_TTL}')
        self.last_error = 0
        self.asynchronous(f"+QPING: 0,{count},{count},0,{min(times)},{max(times)},{average}")

    def _round_trip(self) -> int:
        if self._round_trips is not None:
            return next(self._round_trips)
        return self.random.randint(_PING_FAST, _PING_SLOW)

    # ---- time ------------------------------------------------------------------------

    @command(r"\+QNTP=(.*)")
    async def _time_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(4)
        context = self._active(fields)
        server = fields.string(1)
        fields.integer(2, 1, 65535, 123)
        self._serve(context, lambda: self.spawn(self._ask_time(server)), self._no_time)

    def _no_time(self, code: int) -> None:
        self.last_error = code
        self.asynchronous(f"+QNTP: {code}")

    async def _ask_time(self, server: str) -> None:
        address = self.world.lookup(server)
        if address is None:
            await self.sleep(_LOOKUP)
            self._no_time(DNS_PARSE_FAILED)
        elif self.settings.link == "dead" or not self.world.reaches(address):
            await self.sleep(_NTP_TIMEOUT)
            self._no_time(OPERATION_TIMEOUT)
        else:
            await self.sleep(_NTP)
            self.last_error = 0
            # UTC although it carries a zone mark; four digits of year (two real logs).
            self.asynchronous(f'+QNTP: 0,"{datetime.now(UTC):%Y/%m/%d,%H:%M:%S}+32"')
