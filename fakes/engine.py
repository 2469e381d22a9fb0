"""`FakeModem`: the pull-style command interpreter every fake module is written on.

How a module is written
-----------------------
Subclass `FakeModem`, set the class attributes of the line discipline and write one method
per command, marked with its pattern::

    class Example(FakeModem):
        kind = "example"
        terminator = b"\\r\\n"            # what ends a command line (part of the echo)
        max_command = 256                 # bytes without terminator; longer -> overlong_line()

        @rule(r"AT")
        async def attention(self, _: re.Match[str]) -> None:
            self.final("OK")

        @rule(r"AT\\+SEND=(\\d+)")
        async def send(self, match: re.Match[str]) -> None:
            self.raw(b"> ")                              # one literal = one write
            data = await self.take(int(match[1]))        # payload; commands are not seen
            await self.sleep(0.05)                       # model time, scaled by time_scale
            self.final("SEND OK")

* Rules: full match on the decoded command line; scenario steps first, then rules of the
  subclass before those of its bases, in order of definition; the first match whose
  `rule_allowed(rule)` is true wins.  No match -> `unknown_command(line)`.
* Every command runs as its own task.  A handler ends with `final(text)` (marks the command
  as finished *before* the text is written, so that the host may answer at once), or raises
  `CommandError(...)` which goes to `command_failed`.
* Lines arriving meanwhile: with `queue_while_busy = True` they wait; otherwise each goes to
  `line_while_busy(line)`.
* `take(n)` claims the input for payload; `take(n, escape=b"+++")` gives None when the escape
  came as a packet of its own; `take_until(stops, limit=n)` reads up to a stop byte.
* Output: `raw(bytes)` one literal, one write; `say(line, ...)` lines in the module's format
  (`format_line`); `urc(text)` (`format_urc`).  Hooks in `before_write` are called before each
  literal and may return bytes to be written first: that is where injection between writes
  happens.  `await output_room()` waits while the host does not take the output.
* Time: `await sleep(s)`, `later(s, callable)`, `spawn(coroutine)`; all end at a restart.
* Sockets: `self.sockets` (a `SocketSet`) after `start`.
* Restart: `restart()` cancels everything, calls `power_on()` (settings to power-on values)
  and runs `boot()` (what is printed until the module is ready; input is lost meanwhile).
* Override for the dialect: `format_line`, `format_urc`, `echo_text`, `is_blank`,
  `overlong_line`, `line_while_busy`, `unknown_command`, `command_failed`, `power_on`, `boot`.

Nothing here knows the driver.  Attributes used from outside have fixed names: `start`,
`receive`, `stop`, `set_line_rate`, `pause_output`, `resume_output`, `serve_pty`, `journal`,
`facts`.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import re
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .errors import FakeError
from .scenario import Scenario, ScenarioRunner
from .sockets import SocketSet
from .wire import Wire
from .world import World

__all__ = ["CommandError", "FakeModem", "Record", "Rule", "rule"]

Handler = Callable[..., Awaitable[None] | None]

_JOURNAL_LIMIT = 50_000  # records; the older half is dropped beyond it
_ROOM = 4096  # bytes of output waiting for the host before output_room() waits
_INPUT_LIMIT = 1 << 16  # bytes of unread input before further bytes are lost
_ESCAPE_GUARD = 0.02  # seconds of silence around an escape sequence (line time, not scaled)


class CommandError(Exception):
    """Ends the running command; `reason` and `code` mean what the module makes of them."""

    def __init__(self, reason: str = "", code: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """One journal entry: loop time in seconds, kind of event, detail."""

    at: float
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A command pattern and the method that answers it; `tag` is free for the module."""

    pattern: re.Pattern[str]
    handler: Handler
    tag: str = ""


def rule(pattern: str, *, tag: str = "", flags: int = 0) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to command lines that match `pattern` completely."""

    def mark(handler: Handler) -> Handler:
        found: list[Rule] = getattr(handler, "rules", [])
        found.insert(0, Rule(re.compile(pattern, flags | re.DOTALL), handler, tag))
        handler.rules = found  # type: ignore[attr-defined]
        return handler

    return mark


class Signal:
    """Wakes every coroutine that waits at the moment of `notify`."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        """Wake all present waiters."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for the next `notify`."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


class FakeModem:
    """A simulated module; see the module docstring for how to write one.

    Args:
        world: surroundings; a default one reaches loopback and resolves nothing.
        seed: origin of every random decision (default: the world's).
        time_scale: factor on model delays (default: the world's).
        baud: the module's rate in baud, and bytes are paced at it; None: 115200, not paced.
        scenario: steps that go before the built-in rules.
    """

    kind: ClassVar[str] = "modem"
    FACTS: ClassVar[Mapping[str, int]] = {}
    terminator: bytes = b"\r"
    max_command: int = 256
    queue_while_busy: bool = False
    default_rate: int = 115200
    encoding: ClassVar[str] = "latin-1"
    _class_rules: ClassVar[tuple[Rule, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        rules: list[Rule] = []
        seen: set[str] = set()
        for base in cls.__mro__:
            for name, member in vars(base).items():
                if name in seen:
                    continue  # overridden nearer to the subclass
                seen.add(name)
                rules.extend(getattr(member, "rules", ()))
        cls._class_rules = tuple(rules)

    def __init__(
        self,
        world: World | None = None,
        *,
        seed: int | None = None,
        time_scale: float | None = None,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        self.world = world or World()
        self.seed = self.world.seed if seed is None else seed
        self.time_scale = self.world.time_scale if time_scale is None else time_scale
        self.random = random.Random(self.seed)
        self.wire = Wire(
            self._to_carrier,
            self._arrived,
            seed=self.seed,
            rate=baud or self.default_rate,
            paced=baud is not None,
        )
        self.journal: list[Record] = []
        self.before_write: list[Callable[[bytes], bytes | None]] = []
        self.echo = True
        self.running = False  # a command has begun and not given its final
        self.command = ""  # the running (or last) command line
        self.deaf_until = 0.0
        self._deliver: Callable[[bytes], None] | None = None
        self._input = bytearray()
        self._line = bytearray()
        self._overlong = False
        self._claimed = 0
        self._packet = bytearray()
        self._last_arrival = 0.0
        self._activity = Signal()
        self._room = Signal()
        self._in_hook = False
        self._booting = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._lasting: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._command_task: asyncio.Task[None] | None = None
        self._interpreter: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sockets: SocketSet | None = None
        self._scenario = ScenarioRunner(self, scenario or Scenario())

    # ---- what others use -------------------------------------------------------------

    @property
    def facts(self) -> Mapping[str, int]:
        """Limits of the module from its manual, as this fake enforces them."""
        return self.FACTS

    @property
    def sockets(self) -> SocketSet:
        """The real sockets of this fake.

        Raises:
            FakeError: not started.
        """
        if self._sockets is None:
            raise FakeError(107, "the fake is not running")
        return self._sockets

    async def start(self, deliver: Callable[[bytes], None]) -> None:
        """Start in the running loop; module output goes to `deliver(bytes)`.

        Raises:
            FakeError: already started.
        """
        if self._loop is not None:
            raise FakeError(114, "the fake is already running")
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._sockets = SocketSet(self.world, self._loop)
        self._interpreter = self._loop.create_task(self._interpret())
        self._scenario.begin()
        self.started()

    async def stop(self) -> None:
        """End all tasks and close all sockets; harmless when repeated."""
        if self._loop is None:
            return
        tasks = [*self._tasks, *self._lasting]
        if self._interpreter is not None:
            tasks.append(self._interpreter)
        self._cancel_timers()
        current = asyncio.current_task()
        tasks = [task for task in tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._cancel_timers()
        self._tasks.clear()
        self._lasting.clear()
        self._interpreter = self._command_task = None
        self.wire.close()
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None
        self._loop = None
        self._deliver = None

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""
        if data and self._loop is not None:
            self.wire.send_to_module(bytes(data))

    def set_line_rate(self, baud: int) -> None:
        """The host's baud rate changed; a mismatch turns bytes into noise both ways."""
        self.wire.host_rate = baud

    def pause_output(self) -> None:
        """The carrier is full: emit nothing until `resume_output`."""
        self.wire.outward.pause()

    def resume_output(self) -> None:
        """The carrier takes bytes again."""
        self.wire.outward.resume()
        self._room.notify()

    async def serve_pty(
        self, *, link: str | None = None, announce: Callable[[str], None] = print
    ) -> None:
        """Run on a fresh pseudo terminal until cancelled (see `fakes.ptyport`)."""
        from .ptyport import serve

        await serve(self, link=link, announce=announce)

    # ---- for modules -----------------------------------------------------------------

    def note(self, kind: str, detail: str = "") -> None:
        """Add a journal record."""
        if len(self.journal) >= _JOURNAL_LIMIT:
            del self.journal[: _JOURNAL_LIMIT // 2]
        at = self._loop.time() if self._loop is not None else 0.0
        self.journal.append(Record(at, kind, detail))

    def raw(self, literal: bytes) -> None:
        """Write one literal to the host."""
        if not literal:
            return
        if self.before_write and not self._in_hook:
            self._in_hook = True
            try:
                for hook in tuple(self.before_write):
                    first = hook(literal)
                    if first:
                        self.wire.send_to_host(first)
            finally:
                self._in_hook = False
        self.wire.send_to_host(literal)

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
        loop = asyncio.get_running_loop()

        def fire() -> None:
            self._timers.discard(handle)
            action()

        handle = loop.call_at(loop.time() + delay * self.time_scale, fire)
        self._timers.add(handle)
        return handle

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine until it ends or the module restarts or stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def always(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine until it ends or the fake stops; a restart does not end it."""
        task = asyncio.get_running_loop().create_task(work)
        self._lasting.add(task)
        task.add_done_callback(self._ended)
        return task

    async def output_room(self) -> None:
        """Wait until the host has taken enough of the output."""
        while self.output_full:
            if self.wire.outward.paused:
                await self._room.wait()
            else:
                await self.wire.outward.drained()

    @property
    def output_full(self) -> bool:
        """The host does not take the output fast enough (RTS of the host is off)."""
        return self.wire.outward.paused or self.wire.outward.backlog >= _ROOM

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
        guard: float = _ESCAPE_GUARD,
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
        self._claimed += 1
        try:
            self.raw(prompt)
            while len(self._input) < count:
                if escape and self._packet == escape and self._input.endswith(escape):
                    try:
                        async with asyncio.timeout(guard):
                            await self._activity.wait()
                    except TimeoutError:
                        self._input.clear()
                        return None
                    continue
                await self._activity.wait()
            data = bytes(memoryview(self._input)[:count])
            del self._input[:count]
            return data
        finally:
            self._release()

    async def take_some(
        self, limit: int, *, escape: bytes | None = None, guard: float = _ESCAPE_GUARD
    ) -> bytes | None:
        """Claim what the host sends next: 1 to `limit` bytes, collected for `guard` seconds.

        Returns:
            The bytes, or None when they were exactly the escape sequence, alone between two
            pauses of `guard` seconds.
        """
        self._claimed += 1
        try:
            while not self._input:
                await self._activity.wait()
            while len(self._input) < limit:
                try:
                    async with asyncio.timeout(guard):
                        await self._activity.wait()
                except TimeoutError:
                    break
            if escape and self._packet == escape and self._input == escape:
                self._input.clear()
                return None
            data = bytes(self._input[:limit])
            del self._input[:limit]
            return data
        finally:
            self._release()

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
        pattern = re.compile(b"[" + re.escape(stops) + b"]")
        kept = bytearray()
        self._claimed += 1
        try:
            self.raw(prompt)
            while True:
                found = pattern.search(self._input)
                end = found.start() if found else len(self._input)
                kept += self._input[: min(end, limit - len(kept))]
                if found:
                    stop = self._input[end]
                    del self._input[: end + 1]
                    return bytes(kept), stop
                self._input.clear()
                await self._activity.wait()
        finally:
            self._release()

    def _release(self) -> None:
        self._claimed -= 1
        self._activity.notify()

    def be_deaf(self, seconds: float) -> None:
        """Ignore input for `seconds` of model time."""
        loop = asyncio.get_running_loop()
        self.deaf_until = max(self.deaf_until, loop.time() + seconds * self.time_scale)

    def restart(self, *, silent: bool = False) -> None:
        """Reset the module: everything ends, settings to power-on, then `boot()`.

        Args:
            silent: print nothing (a module that comes back without a banner).
        """
        self.note("restart")
        self._cancel_timers()
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        for task in tuple(self._tasks):
            if task is not current:
                task.cancel()
        self._command_task = None
        self.running = False
        self._input.clear()
        self._line.clear()
        self._overlong = False
        if self._sockets is not None:
            self._sockets.close_all()
        self.echo = True
        self.power_on()
        self._booting = True
        self.spawn(self._boot(silent))

    async def _boot(self, silent: bool) -> None:
        try:
            if silent:
                await self.sleep(0.5)
                self._booting = False
            else:
                await self.boot()
        finally:
            self._booting = False
        self.started()

    def boot_done(self) -> None:
        """The command interpreter listens again; `boot` calls it before the ready line."""
        self._booting = False

    # ---- overridden by dialects ------------------------------------------------------

    def format_line(self, line: str) -> bytes:
        """Bytes of one answer line."""
        return f"\r\n{line}\r\n".encode(self.encoding)

    def format_urc(self, text: str) -> bytes:
        """Bytes of one unsolicited line."""
        return self.format_line(text)

    def echo_text(self, data: bytes) -> bytes:
        """What is echoed for command bytes `data` (terminator included)."""
        return data

    @property
    def echo_now(self) -> bool:
        """Whether arriving command bytes are echoed at this moment."""
        return self.echo

    def is_blank(self, line: str) -> bool:
        """Whether a line is to be ignored altogether."""
        return not line

    def clean_line(self, line: str) -> str:
        """What of a received line counts as the command."""
        return line

    def overlong_line(self) -> None:
        """A line longer than `max_command` ended (its text is gone)."""
        self.say("ERROR")

    def line_while_busy(self, line: str) -> None:
        """A line came while a command runs (only without `queue_while_busy`)."""

    def rule_allowed(self, entry: Rule) -> bool:  # noqa: ARG002
        """Whether a rule exists in this firmware."""
        return True

    async def unknown_command(self, line: str) -> None:  # noqa: ARG002
        """No rule matched."""
        self.final("ERROR")

    def command_failed(self, error: CommandError) -> None:  # noqa: ARG002
        """A handler raised `CommandError`."""
        self.final("ERROR")

    def command_ended(self) -> None:
        """The task of a command ended, whatever its outcome."""

    def power_on(self) -> None:
        """Put the settings to their power-on values (sockets are closed already)."""

    async def boot(self) -> None:
        """Print what the module prints between reset and ready."""

    def started(self) -> None:
        """The module runs (after `start` and after each boot)."""

    # ---- the interpreter -------------------------------------------------------------

    def _to_carrier(self, data: bytes) -> None:
        if self._deliver is not None:
            self._deliver(data)

    def _arrived(self, data: bytes) -> None:
        loop = self._loop
        if loop is None:
            return
        now = loop.time()
        if self._booting or now < self.deaf_until:
            self.note("lost", f"{len(data)} bytes while deaf")
            return
        if now - self._last_arrival >= _ESCAPE_GUARD:
            self._packet.clear()
        self._last_arrival = now
        if len(self._packet) < 8:
            self._packet += data[:8]
        space = _INPUT_LIMIT - len(self._input)
        if not self._claimed and len(data) > space:
            self.note("overrun", f"{len(data) - space} bytes")
            data = data[: max(0, space)]
        self._input += data
        self._activity.notify()

    async def _interpret(self) -> None:
        while True:
            while self.queue_while_busy and self.running:
                task = self._command_task
                if task is None or task.done():
                    break
                await self._activity.wait()
            line = await self._read_line()
            if line is None:
                if self.running:
                    self.line_while_busy("")
                else:
                    self.overlong_line()
                continue
            if self.running:
                self.note("busy", line)
                self.line_while_busy(line)
                continue
            if self.is_blank(line):
                continue
            self.note("command", line)
            self.running = True
            self.command = line
            self._command_task = self.spawn(self._execute(line))

    async def _read_line(self) -> str | None:
        """The next command line without terminator; None for an overlong one."""
        while True:
            if self._claimed or not self._input:
                await self._activity.wait()
                continue
            # The terminator may straddle what was moved before and what is new.
            joined = len(self._line)
            tail = len(self.terminator) - 1
            start = max(0, joined - tail)
            self._line += self._input
            end = self._line.find(self.terminator, start)
            if end >= 0:
                end += len(self.terminator)
                taken = end - joined
            else:
                end = len(self._line)
                taken = len(self._input)
            del self._line[end:]
            block = bytes(self._input[:taken])
            del self._input[:taken]
            self._echo_block(block)
            complete = self._line.endswith(self.terminator)
            length = len(self._line) - (len(self.terminator) if complete else 0)
            if length > self.max_command:
                self._overlong = True
            if complete:
                text = self._line[:length].decode(self.encoding)
                overlong, self._overlong = self._overlong, False
                self._line.clear()
                return None if overlong else self.clean_line(text)
            if self._overlong:
                del self._line[: max(0, len(self._line) - tail)]  # keep a half terminator

    def _echo_block(self, block: bytes) -> None:
        if self.echo_now:
            echoed = self.echo_text(block)
            if echoed:
                self.raw(echoed)

    async def _execute(self, line: str) -> None:
        try:
            if await self._scenario.command(line):
                return
            for entry in self._class_rules:
                match = entry.pattern.fullmatch(line)
                if match is not None and self.rule_allowed(entry):
                    result = entry.handler(self, match)
                    if inspect.isawaitable(result):
                        await result
                    return
            await self.unknown_command(line)
        except CommandError as error:
            self.command_failed(error)
        except asyncio.CancelledError:
            raise
        except Exception:
            self.note("crash", traceback.format_exc())
            self.final("ERROR")
        finally:
            self.command_ended()
            # After a restart another command may already be running in its own task.
            if self._command_task is None or self._command_task is asyncio.current_task():
                self.running = False
            self._activity.notify()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._lasting.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                text = "".join(traceback.format_exception(error))
                self.note("crash", text)

    def _cancel_timers(self) -> None:
        for handle in self._timers:
            handle.cancel()
        self._timers.clear()
