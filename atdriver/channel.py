"""The asyncio shell around the engine: a queue, a timer, a link. All logic is in the engine.

`run` hands a command to the engine when its turn comes and returns its reply. A caller that is
cancelled, or stops waiting, never cancels an exchange: the engine finishes it and the answer is
dropped, so the wire stays in step.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable

from atdriver.command_queue import CommandQueue, Done, Outcome, Waiting
from atdriver.company import Company
from atdriver.dialect import Probe, Step
from atdriver.engine import Engine
from atdriver.errors import (
    ATError,
    CommandDropped,
    EncodeError,
    ModuleBusy,
    ModuleSilent,
    PortLost,
)
from atdriver.events import (
    Anomaly,
    Completed,
    Deaf,
    Event,
    Failed,
    InStep,
    OutOfStep,
    Restarted,
    Unsolicited,
)
from atdriver.exchange import Command, Reply
from atdriver.lifecycle import ChannelLife, ChannelMode
from atdriver.link import Link, Receiver
from atdriver.recording import Recording
from atdriver.resync import RESYNC_LIMIT
from atdriver.tokens import Head
from atdriver.trace import Trace, printable

log = logging.getLogger("atdriver.channel")

Listener = Callable[[Event], None]
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
LOOK_TIMEOUT = 5.0
"""Seconds for the canary's answer when nothing else is going on."""
SAMPLE_CAP = 256
"""Bytes kept of what a silent port printed, for the error message."""


class Channel:
    """One AT command channel over one link, used from one event loop."""

    def __init__(
        self,
        engine: Engine,
        make_link: Callable[[], Link],
        make_trace: Callable[[], Trace] | None = None,
    ) -> None:
        self.engine = engine
        self.link = make_link()
        self._make_link = make_link
        self.max_command = engine.dialect.max_command
        """Longest command line, bytes with its terminator; a driver may lower it."""
        self.listener: Listener | None = None
        self.sample = b""
        self._recording = Recording(self.link.name, make_trace)
        self._company = Company()
        self._life: ChannelLife | None = None
        self._used = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue = CommandQueue()
        self._current: Done | None = None
        self._ended: deque[tuple[Done, Outcome]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._received = 0
        self._in_step: asyncio.Future[None] | None = None
        self._failure: ATError | None = None
        self._answering = False
        self._working = False
        self._lent = False
        self._guest: Receiver | None = None
        self._quiet: asyncio.Future[None] | None = None

    def trace_with(self, make_trace: Callable[[], Trace] | None) -> None:
        """From the next `open` on, record into what this makes; None: record nothing."""
        self._recording.make = make_trace

    def link_with(self, around: Callable[[Link], Link]) -> None:
        """From the next `open` on, put something around the link: to listen, or to hold apart."""
        make = self._make_link
        self._make_link = lambda: around(make())
        self._used = True

    @property
    def mode(self) -> ChannelMode:
        """Whether commands pass; see ChannelMode."""
        return ChannelMode.CLOSED if self._life is None else self._life.state

    @property
    def reachable(self) -> bool:
        """Whether the port is still there, whatever the module does."""
        return self._life is not None and not isinstance(self._failure, PortLost)

    async def open(self) -> None:
        """Open the link. Commands wait until `synchronise` has succeeded once.

        A closed channel may be opened again. Raises what Link.open raises.
        """
        if self._life is not None:
            return
        self._loop = asyncio.get_running_loop()
        if self._used:
            self.link = self._make_link()
        self._used = True
        self._recording.open()
        try:
            await self.link.open(self)
        except BaseException:
            self._recording.close()
            raise
        self._failure = None
        self._life = ChannelLife()
        self._life.fire("opened")

    async def reopen(self) -> None:
        """Give the link back and open it anew, wherever it is now; the trace goes on.

        What waits fails with PortLost. Commands wait until `synchronise` has succeeded again.
        Raises PortLost when the channel is closed, and what Link.open raises: then every command
        fails at once until `reopen` succeeds.
        """
        if self._life is None:
            raise PortLost(f"{self.link.name}: the channel is closed")
        self._end_loan(PortLost(f"{self.link.name}: the port is opened anew"))
        self._fail_all(PortLost(f"{self.link.name}: the port is opened anew"))
        self._fire("lost")
        await self.link.close()
        link = self._make_link()
        self.note(f"opening {link.name} anew")
        try:
            await link.open(self)
        except OSError as error:
            self._failure = PortLost(str(error))
            raise
        if self.mode is ChannelMode.CLOSED:  # meanwhile
            await link.close()
            raise PortLost(f"{link.name}: the channel was closed")
        self.link = link
        self._failure = None
        self.engine.forget()
        self._fire("reopened")

    def _fire(self, trigger: str) -> None:
        assert self._life is not None
        self._life.fire(trigger)

    async def synchronise(self, limit: float = RESYNC_LIMIT, steps: tuple[Step, ...] = ()) -> None:
        """Probe until host and module are in step. Raises ModuleSilent after `limit` seconds."""
        if self.mode is ChannelMode.CLOSED or isinstance(self._failure, PortLost):
            raise self._failure or PortLost(f"{self.link.name}: the channel is closed")
        assert self._loop is not None
        self._failure = None
        self.sample = b""
        self._settle_synchronise(PortLost(f"{self.link.name}: probing began anew"))
        self._in_step = self._loop.create_future()
        self.engine.restart_probing(self._loop.time(), limit, steps)
        self._work()
        await self._in_step

    async def run(
        self,
        command: Command,
        *,
        urgent: bool = False,
        began: Callable[[], object] | None = None,
        still: Callable[[], bool] | None = None,
    ) -> Reply:
        """Carry out one command when its turn comes, if it is `still()` wanted then.

        `urgent` commands (closes) pass those that wait. `began()` is called just before it
        is written: a notice that comes earlier answers an older one. Raises CommandFailed,
        CommandTimeout, CommandDropped, ReplyCorrupt, ModuleBusy, RestartSeen, ModuleSilent,
        PortLost, and EncodeError, before anything is written, for a line longer than the module
        takes, and for one that would be more than a line.
        """
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if future.done():
                return  # the caller has left
            if isinstance(outcome, Reply):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        line = self._queue.urgent if urgent else self._queue.others
        self._submit(Waiting(command, done, began, future, still), line)
        return await future

    def submit(
        self,
        command: Command,
        done: Done,
        *,
        quick: bool = False,
        still: Callable[[], bool] | None = None,
    ) -> None:
        """As `run`, without a task: `done` is called with the reply or the error as soon as it is
        there, and what it submits leaves in the same turn of the loop. It must not raise.
        `quick`: it takes next to no time, and somebody waits; it takes turns with what is queued,
        so that what came later may pass it: `still()` says then whether it is still wanted.

        Raises PortLost, ModuleSilent and EncodeError, when nothing is begun.
        """
        line = self._queue.quick if quick else self._queue.others
        self._submit(Waiting(command, done, None, None, still), line)

    def _submit(self, waiting: Waiting, line: deque[Waiting]) -> None:
        text = waiting.command.text
        if _CONTROL.search(text):
            raise EncodeError("a control character would end or extend the command")
        length = len(text) + len(self.engine.dialect.terminator)
        if length > self.max_command:
            raise EncodeError(
                f"the command would be {length} bytes long, the module takes {self.max_command}"
            )
        if self._failure is not None or self._life is None:
            raise self._failure or PortLost(f"{self.link.name}: the channel is closed")
        line.append(waiting)
        self._work()

    def expect(self, heads: tuple[Head, ...]) -> None:
        """How payloads that come by themselves announce themselves from now on, where that depends
        on a setting of the module."""
        self.engine.expect(heads)

    def set_probe(self, probe: Probe) -> None:
        """What proves being in step from now on (a canary once settings are made)."""
        self.engine.probe = probe

    def suspect(self, reason: str) -> None:
        """Something happened that a module with its settings would not do: look, soon, whether it
        still has them. Nothing while it is known to be lost."""
        if self.mode is not ChannelMode.CLOSED and self._failure is None:
            assert self._loop is not None
            self.engine.suspect(reason, self._loop.time())
            self._work()

    @property
    def quiet_since(self) -> float | None:
        """When the module was last heard, while nothing is asked of it; None while something is,
        or while it cannot be asked."""
        idle = self.mode is ChannelMode.COMMAND and self.engine.ready
        return self.engine.heard if idle and not self._queue and not self._lent else None

    async def look(self) -> None:
        """Ask the canary once, between other commands: a module that has lost its settings without
        a word is found out. Nothing before there is a canary. Raises as `run`."""
        probe = self.engine.probe
        if probe.answer is None or probe.restarted is None:
            return
        either = re.compile(b"(?:%b)|(?:%b)" % (probe.answer.pattern, probe.restarted.pattern))
        reply = await self.run(Command(probe.text, LOOK_TIMEOUT, info=either))
        if any(probe.restarted.fullmatch(line) for line in reply.lines):
            self.suspect("the settings are gone")

    async def lend(self, guest: Receiver) -> None:
        """Give the port to something else than commands (a data mode): when what is under way has
        ended, all bytes go to `guest`, which writes to `link`. Commands wait until `take_back`.

        What the guest's bytes are is not traced. Raises ModuleBusy when it is lent already, and as
        `run`.
        """
        if self._lent:
            raise ModuleBusy(f"{self.link.name}: the port carries something else already")
        if self._failure is not None or self._life is None:
            raise self._failure or PortLost(f"{self.link.name}: the channel is closed")
        self._lent = True
        self._quiet = asyncio.get_running_loop().create_future()
        self._work()
        try:
            await self._quiet
        except BaseException:
            self.take_back()
            raise
        finally:
            self._quiet = None
        self._guest = guest

    def take_back(self) -> None:
        """The module takes commands again; who knows better calls `synchronise` next."""
        self._lent = False
        self._guest = None
        if self._life is not None:
            self._work()

    def _end_loan(self, error: OSError | None) -> None:
        """There is no port any more that could be lent."""
        guest, self._guest = self._guest, None
        self._lent = False
        if guest is not None:
            guest.link_lost(error)

    def note(self, text: str) -> None:
        """A remark in the trace, beside the bytes."""
        self._recording.note(text)

    def flush_trace(self) -> None:
        """Put what was traced so far into its file, for who reads it meanwhile."""
        self._recording.flush()

    async def close(self) -> None:
        """Fail what waits and close the link. Idempotent."""
        if self.mode is ChannelMode.CLOSED:
            self._recording.close()
            return
        self._end_loan(None)
        self._fail_all(PortLost(f"{self.link.name}: the channel was closed"))
        life, self._life = self._life, None
        assert life is not None
        life.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.link.close()
        self._recording.close()

    # -- Receiver -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """From the link."""
        self._received += len(data)
        if self._guest is not None:
            self._guest.data_received(data)
            return
        if self._recording.trace is not None:
            self._recording.passed("<", data)
        if len(self.sample) < SAMPLE_CAP and self.mode is ChannelMode.RESYNC:
            self.sample = (self.sample + data)[:SAMPLE_CAP]
        assert self._loop is not None
        self.engine.feed(data, self._loop.time())
        self._work()

    def link_lost(self, error: OSError | None) -> None:
        """From the link: gone for good."""
        if self.mode is ChannelMode.CLOSED or error is None:
            return
        self._end_loan(error)
        lost = error if isinstance(error, ATError) else PortLost(str(error))
        self._fail_all(lost)
        self._fire("lost")
        self._tell(Deaf())

    # -- the one loop -------------------------------------------------------------------------

    def _work(self) -> None:
        """Write what the engine wants written, tell what happened, start what waits."""
        if self._working:
            self._go_on_at_once()
            return
        self._working = True
        try:
            while True:
                self._drain()
                may_start = self._may_start
                if may_start and self._lent:
                    _settle(self._quiet, None)
                if not may_start or self._lent or not (self._start_next() or self._ended):
                    break
        finally:
            self._working = False
        self._set_timer()

    def _drain(self) -> None:
        """What a read of the port brought is told in full before the command that it ended goes
        on: a notice or a doubt that came with an answer is known to whoever gets the answer."""
        engine = self.engine
        while engine.writes or engine.events or self._ended:
            if engine.writes:
                self._write()
            events, engine.events = engine.events, []
            for event in events:
                self._handle(event)
            while self._ended:
                done, outcome = self._ended.popleft()
                self._answering = True
                self._call(done, outcome)
                self._answering = False

    def _write(self) -> None:
        writes, self.engine.writes = self.engine.writes, []
        for data in writes:
            if self._recording.trace is not None:
                self._recording.passed(">", data)
            self.link.write(data)

    def _go_on_at_once(self) -> None:
        """Somebody who is being told something asks for more: behind an answer the port is free,
        and what is next leaves before anybody else is told. Else `_work` goes on with it."""
        if not self._answering or self._ended or self.engine.events:
            return
        if self._may_start and not self._lent and self._start_next():
            self._write()

    @property
    def _may_start(self) -> bool:
        return self.engine.ready and self.mode is ChannelMode.COMMAND

    def _start_next(self) -> bool:
        while waiting := self._queue.take():
            command, done, began, _, still = waiting
            if still is not None and not still():
                self._ended.append((done, CommandDropped(f"{command}: not wanted any more")))
                continue
            self._current = done
            if began is not None:
                began()
            self._recording.begin(command)
            assert self._loop is not None
            self.engine.begin(command, self._loop.time())
            return True
        return False

    def _handle(self, event: Event) -> None:
        if isinstance(event, Completed):
            self._end(event.reply)
            return
        if isinstance(event, Unsolicited):  # the most frequent one
            self._tell(event)
            return
        if isinstance(event, Failed):
            log.debug("%s", event.error)
            self._end(event.error)
            return
        if isinstance(event, OutOfStep):
            log.debug("%s: out of step: %s", self.link.name, event.reason)
            self._fire("out_of_step")
        elif isinstance(event, InStep):
            self._fire("in_step")
            self._settle_synchronise(None)
        elif isinstance(event, Deaf):
            self.sample = self._recording.masked(self.sample)
            error = ModuleSilent(f"{self.link.name}: the module does not answer", (), self.sample)
            self._fire("deaf")
            self._settle_synchronise(error)
            self._fail_all(error)
        elif isinstance(event, Anomaly):
            sample = self._recording.masked(event.sample)[:80]
            log.debug("%s: %s: %s", self.link.name, event.reason, printable(sample))
            assert self._loop is not None
            self._company.look(self._loop, self.link.name, event.reason)
        elif isinstance(event, Restarted):
            self._recording.note("the module restarted")
        self._tell(event)

    def _end(self, outcome: Outcome) -> None:
        """The command in flight has ended; who asked for it gets to know in a moment."""
        done, self._current = self._current, None
        if done is not None:
            self._ended.append((done, outcome))

    def _call(self, done: Done, outcome: Outcome) -> None:
        try:
            done(outcome)
        except Exception:
            log.exception("%s: who asked failed on the outcome", self.link.name)

    def _tell(self, event: Event) -> None:
        if self.listener is None:
            return
        try:
            self.listener(event)
        except Exception:
            log.exception("%s: listener failed on %s", self.link.name, type(event).__name__)

    def _settle_synchronise(self, error: ATError | None) -> None:
        waiter, self._in_step = self._in_step, None
        _settle(waiter, error)

    def _fail_all(self, error: ATError) -> None:
        self._failure = error
        self.engine.abort(error)
        self.engine.events.clear()
        self._settle_synchronise(error)
        _settle(self._quiet, error)
        waiting, current = self._queue.clear(), self._current
        self._current = None
        for each in waiting:
            self._call(each.done, error)
        if current is not None:
            written = self.engine.payload_written
            self._call(current, PortLost(str(error), payload_written=True) if written else error)

    # -- time ---------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        deadline = self.engine.next_deadline()
        if self._timer is not None:
            if deadline is not None and self._timer_at <= deadline:
                return  # it rings early enough and looks again then
            self._timer.cancel()
            self._timer = None
        if deadline is not None and self._loop is not None:
            self._timer_at = deadline
            self._timer = self._loop.call_at(deadline, self._ring, -1)

    def _ring(self, received_before: int) -> None:
        """Judge deadlines only after a pass of the loop in which the port had nothing to read."""
        assert self._loop is not None
        self._timer = None
        if received_before != self._received:
            self._timer_at = 0.0
            self._timer = self._loop.call_later(0, self._ring, self._received)
            return
        self.engine.tick(self._loop.time())
        self._work()


def _settle(waiter: asyncio.Future[None] | None, error: ATError | None) -> None:
    if waiter is None or waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
