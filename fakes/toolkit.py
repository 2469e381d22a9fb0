"""What a module's command handlers work with: output, time, payload, journal."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from .chores import Chores
from .intake import ESCAPE_GUARD, Intake, Signal
from .rules import Record
from .wire import Wire
from .world import World

__all__ = ["Toolkit"]

_JOURNAL_LIMIT = 50_000  # records; the older half is dropped beyond it
_ROOM = 4096  # bytes, default of output_limit


class Toolkit:
    """Base of `FakeModem`: everything but the interpreter and the life of the module.

    Args:
        world: surroundings.
        seed: origin of every random decision (default: the world's).
        time_scale: factor on model delays (default: the world's).
        rate: the module's rate in baud.
        paced: bytes take their time at that rate.

    Attributes:
        journal: what happened, for tests; bounded.
        journal_dropped: records that are not kept any more.
        counts: how many records of each kind there were.
        before_write: hooks called before each literal; bytes they return are written first.
        rewrite: gives what is written for a literal (b"": nothing); None: the literal.
        written_hooks: called with each literal that was written.
        written: bytes of output so far.
        started_at: loop time of `start`, None before.
        running: a command has begun and not given its final.
        deaf_until: loop time until which input is ignored.
        generation: number of restarts so far.
        output_limit: bytes of output that may wait before `output_room` waits.
    """

    encoding: ClassVar[str] = "latin-1"

    def __init__(
        self,
        world: World,
        *,
        seed: int | None,
        time_scale: float | None,
        rate: int,
        paced: bool,
    ) -> None:
        self.world = world
        self.seed = world.seed if seed is None else seed
        self.time_scale = world.time_scale if time_scale is None else time_scale
        self.random = random.Random(self.seed)
        self.wire = Wire(self._to_carrier, self._arrived, seed=self.seed, rate=rate, paced=paced)
        self.intake = Intake()
        self.journal: list[Record] = []
        self.journal_dropped = 0
        self.counts: Counter[str] = Counter()
        self.before_write: list[Callable[[bytes], bytes | None]] = []
        self.rewrite: Callable[[bytes], bytes] | None = None
        self.written_hooks: list[Callable[[bytes], None]] = []
        self.written = 0
        self.started_at: float | None = None
        self._marks: list[tuple[int, Callable[[], None]]] = []
        self._occupied = 0
        self.running = False
        self.deaf_until = 0.0
        self.generation = 0
        self.output_limit = _ROOM
        self._room = Signal()
        self._in_hook = False
        self._chores = Chores(lambda text: self.note("crash", text))
        self._loop: asyncio.AbstractEventLoop | None = None

    def _to_carrier(self, data: bytes) -> None:
        raise NotImplementedError

    def _arrived(self, data: bytes) -> None:
        raise NotImplementedError

    # ---- output ------------------------------------------------------------------------

    def format_line(self, line: str) -> bytes:
        """Bytes of one answer line."""
        return f"\r\n{line}\r\n".encode(self.encoding)

    def format_urc(self, text: str) -> bytes:
        """Bytes of one unsolicited line."""
        return self.format_line(text)

    def note(self, kind: str, detail: str = "") -> None:
        """Add a journal record."""
        if len(self.journal) >= _JOURNAL_LIMIT:
            del self.journal[: _JOURNAL_LIMIT // 2]
            self.journal_dropped += _JOURNAL_LIMIT // 2
        self.counts[kind] += 1
        at = self._loop.time() if self._loop is not None else 0.0
        self.journal.append(Record(at, kind, detail))

    def raw(self, literal: bytes) -> None:
        """Write one literal to the host."""
        if not literal:
            return
        if self._in_hook:
            self._emit(literal)
            return
        generation = self.generation
        whole = literal
        self._in_hook = True
        try:
            for hook in tuple(self.before_write):
                self._emit(hook(literal) or b"")
            if self.rewrite is not None:
                literal = self.rewrite(literal)
            if generation == self.generation:
                self._emit(literal)
            if generation == self.generation:
                for written in tuple(self.written_hooks):
                    written(whole)
        finally:
            self._in_hook = False
        if generation != self.generation and self._chores.is_mine():
            # The module was reset meanwhile: whoever wrote this is gone.
            raise asyncio.CancelledError

    def add_mark(self, position: int, action: Callable[[], None]) -> None:
        """Call `action` when `position` bytes of output have been written, cutting there."""
        self._marks.append((max(position, self.written), action))
        self._marks.sort(key=lambda mark: mark[0])

    def _emit(self, data: bytes) -> None:
        generation = self.generation
        while self._marks and self._marks[0][0] <= self.written + len(data):
            position, action = self._marks.pop(0)
            cut = max(0, position - self.written)
            self._put(data[:cut])
            data = data[cut:]
            outer, self._in_hook = self._in_hook, True
            try:
                action()
            finally:
                self._in_hook = outer
            if generation != self.generation:
                return
        self._put(data)

    def _put(self, data: bytes) -> None:
        if data:
            self.written += len(data)
            self.wire.send_to_host(data)

    @property
    def occupied(self) -> bool:
        """A command runs, or the module pretends so (`keep_busy`)."""
        return self.running or self._occupied > 0

    def keep_busy(self, seconds: float) -> None:
        """Behave for `seconds` of model time as if a command were running; a restart ends it, as it
        ends any command."""
        self._occupied += 1
        self.spawn(self.sleep(seconds)).add_done_callback(self._free)

    def _free(self, _: object) -> None:
        self._occupied -= 1
        self.intake.activity.notify()

    def say(self, *lines: str) -> None:
        """Write lines in the module's format, one literal each."""
        for line in lines:
            self.raw(self.format_line(line))

    def urc(self, text: str) -> None:
        """Write an unsolicited line in the module's format."""
        self.raw(self.format_urc(text))

    def final(self, *lines: str) -> None:
        """Mark the command as finished, then write its last line(s)."""
        self.running = False
        self.say(*lines)

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of model time (at least one turn of the loop)."""
        await asyncio.sleep(seconds * self.time_scale)

    @staticmethod
    async def pause(seconds: float = 0.02) -> None:
        """Wait real seconds; keeps a repeated action from spinning when time_scale is 0."""
        await asyncio.sleep(seconds)

    def later(self, delay: float, action: Callable[[], object]) -> asyncio.TimerHandle:
        """Call `action` after `delay` seconds of model time, unless a restart comes first."""
        return self._chores.later(delay * self.time_scale, action)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine until it ends or the module restarts or stops."""
        return self._chores.spawn(work)

    def always(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine until it ends or the fake stops; a restart does not end it."""
        return self._chores.spawn(work, lasting=True)

    async def output_room(self) -> None:
        """Wait until the host has taken enough of the output."""
        while self.output_full:
            if self.wire.outward.paused:
                await self._room.wait()
            else:
                # Not until it is empty: a transmitter with a buffer never pauses.
                await self.wire.outward.drained(self.output_limit // 2)

    @property
    def line_backlog(self) -> int:
        """Bytes that wait for the host."""
        return self.wire.outward.backlog

    def on_carrier(self, on: bool) -> None:
        """A call begins or ends on this port: its DCD."""

    def reset_port(self) -> None:
        """The settings that each port has for itself, as after a start."""

    def port_closing(self) -> None:
        """A further port (`fakes.ports`) is about to close."""

    @property
    def output_full(self) -> bool:
        """The host does not take the output fast enough (RTS of the host is off)."""
        return self.wire.outward.paused or self.wire.outward.backlog >= self.output_limit

    async def output_sent(self) -> None:
        """Wait until the transmitter is empty."""
        while self.wire.outward.backlog:
            await self.wire.outward.drained()

    async def take(
        self,
        count: int,
        *,
        prompt: bytes = b"",
        escape: bytes | None = None,
        guard: float = ESCAPE_GUARD,
    ) -> bytes | None:
        """Claim exactly `count` bytes of payload from the host.

        Args:
            count: bytes.
            prompt: literal written once the input is claimed (nothing that the host sends
                after it can be mistaken for a command).
            escape: sequence that ends the payload phase when it stands alone between two
                pauses of `guard` seconds; what was collected is dropped.
            guard: seconds of line time.

        Returns:
            The bytes, or None after the escape sequence.
        """
        return await self.intake.take(count, lambda: self.raw(prompt), escape=escape, guard=guard)

    async def take_some(
        self, limit: int, *, escape: bytes | None = None, guard: float = ESCAPE_GUARD
    ) -> bytes | None:
        """Claim what the host sends next: 1 to `limit` bytes, collected until a pause.

        Args:
            limit: bytes.
            escape: sequence that counts when it stands alone between two pauses.
            guard: seconds of line time without a byte that make a pause.

        Returns:
            The bytes, or None when they were the escape sequence.
        """
        return await self.intake.take_some(limit, escape=escape, guard=guard)

    async def take_until(
        self, stops: bytes, *, limit: int, prompt: bytes = b""
    ) -> tuple[bytes, int]:
        """Claim payload up to the first byte that is in `stops`.

        Args:
            stops: single-byte terminators.
            limit: bytes kept; further ones before the stop are dropped.
            prompt: literal written once the input is claimed.

        Returns:
            (payload without the stop byte, the stop byte's value).
        """
        return await self.intake.take_until(stops, lambda: self.raw(prompt), limit=limit)

    def be_deaf(self, seconds: float) -> None:
        """Ignore input for `seconds` of model time."""
        loop = asyncio.get_running_loop()
        self.deaf_until = max(self.deaf_until, loop.time() + seconds * self.time_scale)
