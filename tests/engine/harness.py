"""Runs an engine through scripted steps and tells what came out, in a form that can be compared.

A step list says what host and module do; how a feed is cut into reads is decided by the run, so the
same list is played whole, byte by byte and cut at every position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from atdriver.answering import FOREIGN_QUIET
from atdriver.dialect import Dialect, Probe, Step
from atdriver.engine import Engine
from atdriver.errors import CommandFailed, CommandTimeout, RestartSeen
from atdriver.events import (
    Anomaly,
    Completed,
    Deaf,
    Doubted,
    Event,
    Failed,
    InStep,
    OutOfStep,
    Received,
    Restarted,
    Unsolicited,
)
from atdriver.exchange import Command
from atdriver.stages import Stage

Seen = tuple[Any, ...]
"""One event in comparable form."""

LATENCY = 0.004
"""Seconds between a line and its answer, where a step list does not care."""


# -- events as they are expected ---------------------------------------------------------------


def done(
    command: Command,
    *lines: bytes,
    reasons: tuple[bytes, ...] = (),
    block: bytes | None = None,
    fields: dict[str, bytes] | None = None,
    final: bytes = b"OK",
) -> Seen:
    shown = None if block is None else (block, tuple(sorted((fields or {}).items())))
    return ("done", command.text, lines, reasons, shown, final)


def refused(
    command: Command,
    final: bytes = b"ERROR",
    *,
    reasons: tuple[bytes, ...] = (),
    code: int | None = None,
    payload_written: bool = False,
) -> Seen:
    return ("failed", command.text, "CommandFailed", final, reasons, code, payload_written)


def timed_out(command: Command, *, payload_written: bool = False) -> Seen:
    return ("failed", command.text, "CommandTimeout", payload_written)


def restart_seen(command: Command, *, payload_written: bool = False) -> Seen:
    return ("failed", command.text, "RestartSeen", payload_written)


def failed(command: Command, error: str) -> Seen:
    """Any other failure, by the name of its class."""
    return ("failed", command.text, error)


def urc(name: str, text: bytes) -> Seen:
    return ("urc", name, text)


def received(head: str, payload: bytes, **fields: bytes) -> Seen:
    return ("received", head, payload, tuple(sorted(fields.items())))


def doubted(command: Command) -> Seen:
    return ("doubted", command.text)


def restarted(evidence: bytes) -> Seen:
    return ("restarted", evidence)


def odd(reason: str, sample: bytes) -> Seen:
    """An anomaly."""
    return ("odd", reason, sample)


def unknown(text: bytes) -> Seen:
    return odd("unknown line", text)


def glued(text: bytes) -> Seen:
    return odd("notice glued to other text", text)


def out_of_step(reason: str) -> Seen:
    return ("out of step", reason)


IN_STEP: Seen = ("in step",)
DEAF: Seen = ("deaf",)


def normal(event: Event) -> Seen:
    """An event of the engine in the form of the functions above."""
    if isinstance(event, Completed):
        reply = event.reply
        block = reply.block
        return done(
            event.command,
            *reply.lines,
            reasons=tuple(reply.reasons),
            block=None if block is None else block.payload,
            fields=None if block is None else shown_fields(block.fields),
            final=reply.final,
        )
    if isinstance(event, Failed):
        error = event.error
        if isinstance(error, CommandFailed):
            assert error.command == str(event.command)
            return refused(
                event.command,
                error.final,
                reasons=error.reasons,
                code=error.code,
                payload_written=error.payload_written,
            )
        if isinstance(error, CommandTimeout):
            return timed_out(event.command, payload_written=error.payload_written)
        if isinstance(error, RestartSeen):
            return restart_seen(event.command, payload_written=error.payload_written)
        return failed(event.command, type(error).__name__)
    if isinstance(event, Unsolicited):
        return urc(event.name, event.text)
    if isinstance(event, Received):
        data = event.data
        return received(data.head.name, data.payload, **shown_fields(data.fields))
    if isinstance(event, Restarted):
        return restarted(event.evidence)
    if isinstance(event, Anomaly):
        return odd(event.reason, event.sample)
    if isinstance(event, Doubted):
        return doubted(event.command)
    if isinstance(event, OutOfStep):
        return out_of_step(event.reason)
    if isinstance(event, InStep):
        return IN_STEP
    assert isinstance(event, Deaf)
    return DEAF


def shown_fields(fields: dict[str, bytes]) -> dict[str, bytes]:
    """A head's groups without the absent ones and without the length, which the payload shows."""
    return {name: value for name, value in fields.items() if value and name != "n"}


# -- steps ---------------------------------------------------------------------------------------


class Send(NamedTuple):
    """The host begins a command."""

    command: Command


class Feed(NamedTuple):
    """The module prints. `gaps`: where it could have printed a notice as well, if known."""

    data: bytes
    gaps: tuple[int, ...] = ()


class Tick(NamedTuple):
    """Time passes, the port stays silent."""

    seconds: float


class Expect(NamedTuple):
    """All events since the last Expect, in order."""

    events: tuple[Seen, ...]


class Writes(NamedTuple):
    """All writes since the last Writes, in order."""

    data: tuple[bytes, ...]


class Probing(NamedTuple):
    """The host begins to get in step."""

    limit: float = 60.0
    probe: Probe | None = None


class InSync(NamedTuple):
    """The module answers every probe from here on, until the engine is in step."""

    answer: bytes = b"\r\nOK\r\n"


Action = Send | Feed | Tick | Expect | Writes | Probing | InSync


def expect(*events: Seen) -> Expect:
    return Expect(events)


def writes(*data: bytes) -> Writes:
    return Writes(data)


@dataclass(frozen=True)
class Case:
    """One scripted exchange. `log` is the number of the log it comes from."""

    log: int
    title: str
    steps: tuple[Action, ...]
    dialect: Dialect | None = None
    """Another dialect than the file's own."""

    @property
    def fed(self) -> int:
        return sum(len(step.data) for step in self.steps if isinstance(step, Feed))


def case(log: int, title: str, *steps: Action, dialect: Dialect | None = None) -> Case:
    return Case(log, title, steps, dialect)


# -- playing -------------------------------------------------------------------------------------

Cutter = Callable[[bytes, int], Iterator[bytes]]
"""(data, number of bytes fed before it) → the reads in which it arrives."""


def whole(data: bytes, before: int) -> Iterator[bytes]:
    yield data


def bytewise(data: bytes, before: int) -> Iterator[bytes]:
    for index in range(len(data)):
        yield data[index : index + 1]


def cut_at(position: int) -> Cutter:
    def cut(data: bytes, before: int) -> Iterator[bytes]:
        here = position - before
        if 0 < here < len(data):
            yield data[:here]
            yield data[here:]
        else:
            yield data

    return cut


class Bench:
    """One engine, a clock, and what came out so far."""

    def __init__(self, dialect: Dialect, cutter: Cutter = whole) -> None:
        self.engine = Engine(dialect)
        self.now = 100.0
        self.seen: list[Seen] = []
        self.events: list[Event] = []
        self.written: list[bytes] = []
        self._cutter = cutter
        self._fed = 0

    def _collect(self) -> None:
        engine = self.engine
        self.written += engine.writes
        engine.writes = []
        for event in engine.events:
            self.events.append(event)
            self.seen.append(normal(event))
        engine.events = []

    def send(self, command: Command) -> None:
        self.engine.begin(command, self.now)
        self._collect()

    def feed(self, data: bytes) -> None:
        """The module prints; cut as this bench was told."""
        for piece in self._cutter(data, self._fed):
            self.engine.feed(piece, self.now)
            self._collect()
        self._fed += len(data)

    def tick(self, seconds: float) -> None:
        """Let time pass, ringing at every deadline on the way, as the channel does."""
        end = self.now + seconds
        for _ in range(10_000):
            deadline = self.engine.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.engine.tick(self.now)
            self._collect()
            following = self.engine.next_deadline()
            assert following is None or following > self.now, "a deadline that is never served"
        else:
            raise AssertionError("the engine asks to be called for ever")
        self.now = end
        self.engine.tick(end)
        self._collect()

    def wait(self, seconds: float) -> None:
        """Let time pass up to an instant at which bytes arrive: a port is read before a deadline of
        that same instant is judged."""
        end = self.now + seconds
        while (deadline := self.engine.next_deadline()) is not None and deadline < end:
            self.tick(max(deadline - self.now, 0.0))
        self.now = end

    def probing(self, limit: float = 60.0, steps: tuple[Step, ...] = ()) -> None:
        self.engine.restart_probing(self.now, limit, steps)
        self._collect()

    def take(self) -> tuple[Seen, ...]:
        """The events since the last call."""
        seen, self.seen = tuple(self.seen), []
        return seen

    def take_writes(self) -> tuple[bytes, ...]:
        written, self.written = tuple(self.written), []
        return written

    def in_sync(
        self, answer: Callable[[bytes], bytes], latency: float = LATENCY, limit: float = 200.0
    ) -> None:
        """Answer what is written, until the engine is out of RESYNC."""
        end = self.now + limit
        looked = len(self.written)
        while self.engine.stage is Stage.RESYNC:
            deadline = self.engine.next_deadline()
            assert deadline is not None
            assert self.now < end, f"not in step after {limit} s"
            self.tick(max(deadline - self.now, 0.0))
            for line in self.written[looked:]:
                if said := answer(line):
                    self.wait(latency)
                    self.feed(said)
            looked = len(self.written)


def answers(probe: Probe, said: bytes, terminator: bytes) -> Callable[[bytes], bytes]:
    """A module in sound health: it answers the probe and nothing else."""
    line = probe.text + terminator
    return lambda written: said if written == line else b""


def perform(bench: Bench, step: Action, where: str = "") -> None:
    """Do one step; an Expect and a Writes are asserted."""
    if isinstance(step, Send):
        bench.send(step.command)
    elif isinstance(step, Feed):
        bench.feed(step.data)
        if bench.engine._held is not None:  # a result that counts when nothing follows
            bench.tick(FOREIGN_QUIET)
    elif isinstance(step, Tick):
        bench.tick(step.seconds)
    elif isinstance(step, Expect):
        assert bench.take() == step.events, where
    elif isinstance(step, Writes):
        assert bench.take_writes() == step.data, where
    elif isinstance(step, Probing):
        if step.probe is not None:
            bench.engine.probe = step.probe
        bench.probing(step.limit)
    else:
        engine = bench.engine
        bench.in_sync(answers(engine.probe, step.answer, engine.dialect.terminator))


def play(item: Case, dialect: Dialect, cutter: Cutter) -> None:
    """Run the steps; every Expect and Writes is asserted, and nothing may be left over."""
    bench = Bench(item.dialect or dialect, cutter)
    for number, step in enumerate(item.steps):
        perform(bench, step, f"step {number}")
    assert bench.take() == (), "events that the case does not expect"
