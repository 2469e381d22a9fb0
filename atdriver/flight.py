"""The command in flight, and RESYNC: how an exchange begins and ends. The engine's lowest layer.

After every doubt nothing counts as an answer until a probe has been answered twice with silence in
between, so a late answer of a command that was given up can never complete another one. Whether an
answer is good, and when one is late, is decided above.
"""

from __future__ import annotations

from collections import Counter

from atdriver.dialect import NO_WAY_OUT, Dialect, Probe, Step, WayOut
from atdriver.errors import ATError, ModuleBusy, ModuleSilent, PortLost, ReplyCorrupt, RestartSeen
from atdriver.events import Anomaly, Completed, Deaf, Event, Failed, InStep, OutOfStep, Restarted
from atdriver.exchange import Command, Reply
from atdriver.framer import Framer
from atdriver.resync import RESYNC_LIMIT, Judgement, Resync, Verdict
from atdriver.stages import Stage, Token
from atdriver.textframer import TextFramer
from atdriver.tokens import Head
from atdriver.trailer import Trailer

START = "start"
"""Why the engine probes when it was told to, not out of doubt."""
STALL = 2.0
"""A counted payload that gets no byte for so long will not complete."""


class Flight:
    """Base of Engine: one command at a time, from its line to its end, and the probing."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.framer = (
            TextFramer(dialect.heads, dialect.prompt, dialect.short_lines)
            if dialect.shell
            else Framer(dialect.heads)
        )
        self.heads = dialect.heads
        """Payloads that come by themselves; `expect` changes them."""
        self.stage = Stage.IDLE
        self.writes: list[bytes] = []
        self.events: list[Event] = []
        self.anomalies: Counter[str] = Counter()
        self.resync_limit = RESYNC_LIMIT
        """Seconds in which a module must be in step again after a doubt."""
        self._command: Command | None = None
        self._reply = Reply()
        self._deadline: float | None = None
        self._result_deadline = 0.0
        self._progress = 0.0
        self._now = 0.0
        self._payload_written = False
        self._confirmed = True
        self._trailer: Trailer | None = None
        self._strange: bytes | None = None
        self._held: tuple[Token, bytes] | None = None  # a result among text of strangers
        self._kept = 0  # bytes of text in the reply
        self._counted: Command | None = None
        self._attempts = 0
        self._stray = b""
        self._block: Head | None = None
        self._resync = Resync(dialect)
        self._retry: Command | None = None
        self._suspicion = ""
        self._unprompted: Command | None = None  # a send that was given up before its prompt came
        self._denied = False  # and was told to be not carried out
        self._mistrust = False  # an answer was damaged, and pieces of it may still come
        self._echoing = False
        self._quiet = True  # the command in flight was not repeated

    @property
    def probe(self) -> Probe:
        """What proves that host and module are in step."""
        return self._resync.probe

    @probe.setter
    def probe(self, probe: Probe) -> None:
        self._resync.probe = probe
        self._echoing = False

    # -- commands -----------------------------------------------------------------------------

    @property
    def heard(self) -> float:
        """When the last bytes came from the module."""
        return self._progress

    @property
    def ready(self) -> bool:
        """Whether `begin` may be called."""
        return self.stage is Stage.IDLE and not self.framer.mid_text

    def expect(self, heads: tuple[Head, ...]) -> None:
        """Payloads that come by themselves have these heads from now on: their form depends on a
        setting of the module."""
        self.heads = heads
        self.framer.set_heads(heads)

    def begin(self, command: Command, now: float) -> None:
        """Write a command line. The engine must be `ready`; the line was checked by its maker."""
        if self.stage is not Stage.IDLE:
            raise RuntimeError(f"a command is in flight ({self.stage.name})")
        self._attempts = 0
        self._write_command(command, now)

    def _write_command(self, command: Command, now: float) -> None:
        self._now = now
        self._drop_stale_line()
        self._command = command
        self._reply = Reply()
        self._kept = 0
        self._payload_written = False
        self._confirmed = command.confirm is None
        self._strange = None
        self._held = None
        self._quiet = True
        self._trailer = None
        self._attempts += 1
        self._result_deadline = now + command.timeout
        if command.payload is None or command.inline:
            self.stage = Stage.RESULT
            self._deadline = self._result_deadline
        else:
            self.stage = Stage.PROMPT
            self._deadline = now + command.prompt_timeout
            self.framer.armed = True
        if command.block is not None and command.block is not self._block:
            self._block = command.block  # stays until the next one: a late block is still counted
            # Instead of the dialect's head of the same prefix: with both, a cut behind the shorter
            # of two forms (CIPRECVDATA with and without sender) would decide which one is seen.
            prefix = command.block.prefix
            others = (head for head in self.heads if head.prefix != prefix)
            self.framer.set_heads((command.block, *others))
        if command.inline and command.payload is not None:
            self.writes.append(command.text + command.payload)
            self._payload_written = True
        else:
            self.writes.append(command.text + self.dialect.terminator)

    def _drop_stale_line(self) -> None:
        """What is left of a line that broke off long ago must not become the head of an answer."""
        if self._now - self._progress >= STALL and (begun := self.framer.abandon_line()):
            self._count("line broke off", begun)

    @property
    def payload_written(self) -> bool:
        """Whether payload of the command that was begun last has gone out."""
        return self._payload_written

    def abort(self, error: ATError) -> None:
        """The port is gone or the owner gives up: fail what is in flight."""
        for command in (self._command, self._retry):
            if command is not None:
                self.events.append(Failed(command, error))
        self._command = self._retry = None
        self._go_deaf()

    def forget(self) -> None:
        """The port is another one: what had begun to come from the former is dropped. What leads
        out of a data phase is kept: behind the new port may be the same module, still waiting."""
        self.framer.abandon_payload()
        self.framer.abandon_line()
        self._mistrust = False
        self._unprompted = None

    # -- how it ends --------------------------------------------------------------------------

    def _fail(self, error: ATError) -> None:
        command = self._command
        assert command is not None
        error.payload_written = self._payload_written
        self.events.append(Failed(command, error))
        self._rest()

    def _rest(self) -> None:
        self._command = None
        self.stage = Stage.IDLE
        self._deadline = None
        self._trailer = None
        self.framer.armed = False
        self.framer.expect_echo(b"")
        if self._suspicion:
            self._count(self._suspicion, b"")
            self._enter_resync(self._suspicion)

    def _damaged(self, reason: str, sample: bytes) -> bool:
        """An anomaly that proves a counted answer wrong fails the command at once."""
        if self._command is None or not (self._trailer or self._command.block):
            return False
        self._count(reason, sample)
        self._mistrust = True
        self._fail(ReplyCorrupt(f"{self._command}: {reason}: {sample[:32]!r}"))
        self._enter_resync(reason)
        return True

    def _taken_after_all(self) -> None:
        """A result or a block that no probe asked for: the busy command was carried out. To offer
        it again would do it twice."""
        command, self._retry = self._retry, None
        if command is not None:
            self._denied = True
            error = ModuleBusy(f"{command}: the module was busy and carried it out too late")
            self.events.append(Failed(command, error))

    def _restarted(self, text: bytes) -> None:
        command = self._command
        if command is not None and command.ends_at_banner:
            self._reply.final = text
            self.events.append(Completed(command, self._reply))
            self._rest()
            return
        self._counted = self._unprompted = None
        self._resync.free()
        self._suspicion = ""
        self._mistrust = False
        written = self._payload_written
        for failed in (command, self._retry):
            if failed is not None:
                error = RestartSeen(f"{failed}: the module restarted")
                error.payload_written = written
                self.events.append(Failed(failed, error))
        self._retry = None
        self.events.append(Restarted(text))
        if self.stage is Stage.RESYNC:
            self.probe = Probe(self.dialect.hello)
            self._enter_resync("the module restarted")
        elif self.stage is not Stage.DEAF:
            self._rest()
            self.probe = Probe(self.dialect.hello)

    def suspect(self, reason: str, now: float) -> None:
        """Look as soon as no command is in flight whether the module lost its settings."""
        self._now = now
        if self.stage is not Stage.DEAF:
            self._suspicion = reason
        if self.stage is Stage.IDLE:
            self._rest()

    def _count(self, reason: str, sample: bytes) -> None:
        self.anomalies[reason] += 1
        self.events.append(Anomaly(reason, bytes(sample)))

    # -- RESYNC -------------------------------------------------------------------------------

    def restart_probing(
        self, now: float, limit: float = RESYNC_LIMIT, steps: tuple[Step, ...] = ()
    ) -> None:
        """Get in step now (start-up, after a reopened port); ends with InStep or Deaf.

        `limit` is this probing's own: those that doubts begin have `resync_limit`."""
        self._now = now
        if self._command is not None:
            self._fail(PortLost("the port was opened anew"))
        self._rest()
        self._enter_resync(START, steps=steps, limit=limit)

    def _enter_resync(
        self,
        reason: str,
        way_out: WayOut = NO_WAY_OUT,
        *,
        steps: tuple[Step, ...] = (),
        limit: float | None = None,
    ) -> None:
        afresh = self.stage is not Stage.RESYNC
        if afresh:
            self.events.append(OutOfStep(reason))
        self.stage = Stage.RESYNC
        self._suspicion = ""
        self._counted = None  # from here on results too many are expected
        self.framer.armed = self._unprompted is not None
        self._trailer = None
        if limit is None and afresh:
            limit = self.resync_limit
        self._resync.begin(self._now, limit, way_out, steps, answers_owed=reason != START)
        self._deadline = self._resync.deadline

    def _continue_resync(self) -> None:
        verdict = self._resync.tick(self._now, mid_payload=self.framer.mid_payload)
        self.writes += self._resync.take_writes()
        self._deadline = self._resync.deadline
        if verdict is Verdict.IN_STEP:
            self._in_step()
        elif verdict is Verdict.DEAF:
            self._give_up()

    def _in_step(self) -> None:
        self._mistrust = False
        self._unprompted = None
        self._rest()
        if self.stage is not Stage.IDLE:
            return  # something became suspect meanwhile: look once more
        self.events.append(InStep())
        if self._retry is not None:
            command, self._retry = self._retry, None
            self._write_command(command, self._now)

    def _give_up(self) -> None:
        if self._retry is not None:
            error = ModuleSilent(f"{self._retry}: the module does not answer any more")
            self.events.append(Failed(self._retry, error))
            self._retry = None
        self._go_deaf()
        self.events.append(Deaf())

    def _go_deaf(self) -> None:
        self.stage = Stage.DEAF
        self._deadline = None
        self.framer.armed = False

    def _resync_line(self, text: bytes) -> bool:
        """Judge a line while probing; True when it is done with."""
        judgement = self._resync.line(text, self._now)
        self._deadline = self._resync.deadline
        if judgement is Judgement.RESTARTED:
            self._restarted(text)
        elif judgement is Judgement.LATE:
            self._count("late answer discarded", text)
            self._taken_after_all()
        return judgement is not Judgement.FOREIGN
