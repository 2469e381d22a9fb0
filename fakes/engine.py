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
            data = await self.take(int(match[1]), prompt=b"> ")   # payload, not commands
            self.raw(b"\\r\\nRecv\\r\\n")                  # one literal = one write
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
import traceback
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from .errors import FakeError
from .rules import CommandError, Record, Rule, collect, rule
from .runner import ScenarioRunner
from .scenario import Scenario
from .sockets import SocketSet
from .toolkit import Toolkit
from .world import World

__all__ = ["CommandError", "FakeModem", "Record", "Rule", "rule"]

_STUCK = 1 << 16  # bytes of output waiting for the host before no further command is read


class FakeModem(Toolkit):
    """A simulated module; see the module docstring for how to write one.

    Args:
        world: surroundings; a default one reaches loopback and resolves nothing.
        seed: origin of every random decision (default: the world's).
        time_scale: factor on model delays (default: the world's).
        baud: the module's rate in baud, and bytes are paced at it; None: 115200, not paced.
        scenario: steps that go before the built-in rules.
    """

    kind: ClassVar[str] = "modem"
    aliases: ClassVar[tuple[str, ...]] = ()  # further names a scenario may say for it
    FACTS: ClassVar[Mapping[str, int]] = {}
    EVENTS: ClassVar[Mapping[str, Callable[[Any], object]]] = {}  # of the world, by name
    terminator: bytes = b"\r"
    max_command: int = 256
    queue_while_busy: bool = False
    default_rate: int = 115200
    _class_rules: ClassVar[tuple[Rule, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._class_rules = collect(cls)

    def __init__(
        self,
        world: World | None = None,
        *,
        seed: int | None = None,
        time_scale: float | None = None,
        baud: int | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        super().__init__(
            world or World(),
            seed=seed,
            time_scale=time_scale,
            rate=baud or self.default_rate,
            paced=baud is not None,
        )
        self.echo = True
        self.dtr = True
        self.command = ""  # the running (or last) command line
        self.on_unplug: Callable[[float], object] | None = None
        self.on_failure: Callable[[FakeError], object] | None = None
        self._deliver: Callable[[bytes], None] | None = None
        self._booting = False
        self._command_task: asyncio.Task[None] | None = None
        self._sockets: SocketSet | None = None
        self.scenario = ScenarioRunner(self, scenario or Scenario())

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
        self.started_at = self._loop.time()
        self._deliver = deliver
        self._sockets = SocketSet(self.world, self._loop)
        self._chores.spawn(self._interpret(), lasting=True)
        self.scenario.begin()
        self.started()

    async def stop(self) -> None:
        """End all tasks and close all sockets; harmless when repeated."""
        if self._loop is None:
            return
        await self._chores.close()
        self._command_task = None
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

    def set_dtr(self, on: bool) -> None:
        """The host's DTR line; a module with a dial command may hang up."""
        self.dtr = on

    def pause_output(self) -> None:
        """The carrier is full: emit nothing until `resume_output`."""
        self.wire.outward.pause()

    def resume_output(self) -> None:
        """The carrier takes bytes again."""
        self.wire.outward.resume()
        self._room.notify()

    async def serve_pty(
        self,
        *,
        link: str | None = None,
        announce: Callable[[str], None] = print,
        follow_rate: bool = False,
        control: str | None = None,
    ) -> None:
        """Run on a fresh pseudo terminal until cancelled (see `fakes.ptyport.serve`)."""
        from .ptyport import serve

        await serve(self, link=link, announce=announce, follow_rate=follow_rate, control=control)

    def restart(self, *, silent: bool = False) -> None:
        """Reset the module: everything ends, settings to power-on, then `boot()`.

        Args:
            silent: print nothing (a module that comes back without a banner).
        """
        self.note("restart")
        self.generation += 1
        self._chores.cancel()
        self._command_task = None
        self.running = False
        self.intake.clear()
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

    def give_up(self, error: FakeError) -> None:
        """The fake cannot go on: tell who serves it."""
        if self.on_failure is not None:
            self.on_failure(error)

    # ---- overridden by dialects ------------------------------------------------------

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
        lost = self.intake.arrived(data, now)
        if lost:
            self.note("overrun", f"{lost} bytes")

    async def _interpret(self) -> None:
        while True:
            while self.queue_while_busy and self.occupied:
                task = self._command_task
                if not self._occupied and (task is None or task.done()):
                    break
                await self.intake.activity.wait()
            # A host that sends and never reads: the transmitter is stuck, so is the module.
            while self.wire.outward.backlog > _STUCK:
                await self.output_room()
            received = await self.intake.read_line(
                self.terminator, self.max_command, self._echo_block
            )
            if received is None:
                self.note("overlong", f"more than {self.max_command} bytes")
                if self.occupied:
                    self.line_while_busy("")
                else:
                    self.overlong_line()
                continue
            line = self.clean_line(received.decode(self.encoding))
            if self.occupied:
                self.note("busy", line)
                self.line_while_busy(line)
                continue
            if self.is_blank(line):
                continue
            self.note("command", line)
            self.running = True
            self.command = line
            self._command_task = self.spawn(self._execute(line))

    def _echo_block(self, block: bytes) -> None:
        if self.echo_now:
            echoed = self.echo_text(block)
            if echoed:
                self.raw(echoed)

    async def _execute(self, line: str) -> None:
        try:
            if await self.scenario.command(line):
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
            self.intake.activity.notify()
