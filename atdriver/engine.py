"""The sans-IO heart: bytes in, events and bytes to send out, synchronously.

One command is in flight at a time. The payload that follows a prompt leaves in the same `feed` call
that saw the prompt. A late answer of a command that was given up can never complete another one:
after every doubt the engine goes through RESYNC and accepts nothing as an answer until a probe has
been answered twice with silence in between.

Times are seconds on whatever monotonic clock the caller uses; the engine never reads a clock.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto

from atdriver.dialect import Dialect, Probe, Step
from atdriver.errors import (
    ATError,
    CommandFailed,
    CommandTimeout,
    ModuleBusy,
    ModuleSilent,
    PortLost,
    ReplyCorrupt,
    RestartSeen,
)
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
from atdriver.exchange import Command, Reply, mask
from atdriver.framer import Data, Framer, Head, Line, Noise, Prompt
from atdriver.resync import RESYNC_LIMIT, Judgement, Resync, Verdict
from atdriver.trailer import Trailer


class Stage(Enum):
    """Where the exchange is."""

    IDLE = auto()
    """No command in flight."""
    PROMPT = auto()
    """Command line written, waiting for the prompt."""
    RESULT = auto()
    """Waiting for the final result."""
    BUSY = auto()
    """The module said busy; the answer may come all the same, for a moment."""
    SETTLE = auto()
    """The command has ended, but one stray line of it may still come."""
    RESYNC = auto()
    """Out of step: probing, nothing counts as an answer."""
    DEAF = auto()
    """Probing was given up; only `restart_probing` leaves this stage."""


class Token(Enum):
    """What a line means to the exchange in flight."""

    GOOD = auto()
    BAD = auto()
    PROMPT = auto()
    BUSY = auto()


# (stage, token) -> what to do; a pair that is missing is an anomaly: counted, shown, ignored.
STEPS: dict[tuple[Stage, Token], str] = {
    (Stage.PROMPT, Token.PROMPT): "send_payload",
    (Stage.PROMPT, Token.BAD): "fail",
    (Stage.PROMPT, Token.BUSY): "wait_busy",
    (Stage.RESULT, Token.GOOD): "succeed",
    (Stage.RESULT, Token.BAD): "fail",
    (Stage.RESULT, Token.BUSY): "wait_busy",
    (Stage.BUSY, Token.GOOD): "succeed",
    (Stage.BUSY, Token.BAD): "fail",
    (Stage.BUSY, Token.PROMPT): "send_payload",
    (Stage.BUSY, Token.BUSY): "wait_busy",
    (Stage.RESYNC, Token.PROMPT): "escape",
}

TRAILER = "payload does not end at its trailer"
SHIFTED = "odd line end behind a payload"
BANNER = "banner in a damaged answer"
ECHO = "the echo came back"
START = "start"
"""Why the engine probes when it was told to, not out of doubt."""

STALL = 2.0
"""A counted payload that gets no byte for so long will not complete."""
BUSY_PATIENCE = 1.0
"""After "busy": how long the answer may still come (esp-at issue 731: it does)."""
BUSY_ATTEMPTS = 8
"""How often a command is offered to a module that keeps being busy."""
FOREIGN_QUIET = 0.3
"""How long nothing must follow a result among text that strangers have chosen."""
ANSWER_CAP = 65_536
"""Most bytes of text in one answer; the longest known, a list of access points, has some 10 KiB."""
CUT_PATIENCE = 1.0
"""How long a result may still come after a notice that makes it unlikely."""


class Engine:
    """See the module's docstring. The caller drains `writes` and `events` after each call."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.framer = Framer(dialect.heads)
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
        self._pushed = False  # the last token was a payload that nobody had asked for
        self._counted: Command | None = None
        self._attempts = 0
        self._stray = b""
        self._block: Head | None = None
        self._resync = Resync(dialect)
        self._retry: Command | None = None
        self._suspicion = ""
        self._unprompted: Command | None = None  # a send that was given up before its prompt came
        self._mistrust = False  # an answer was damaged, and pieces of it may still come
        self._behind = False  # the last token was a counted payload
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
        return self.stage is Stage.IDLE

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
        if command.payload is None:
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
            others = (head for head in self.dialect.heads if head.prefix != prefix)
            self.framer.set_heads((command.block, *others))
        self.writes.append(command.text + self.dialect.terminator)

    def _drop_stale_line(self) -> None:
        """What is left of a line that broke off long ago must not become the head of an answer."""
        if self._now - self._progress >= STALL and (begun := self.framer.abandon_line()):
            self._count("line broke off", begun)

    def abort(self, error: ATError) -> None:
        """The port is gone or the owner gives up: fail what is in flight."""
        for command in (self._command, self._retry):
            if command is not None:
                self.events.append(Failed(command, error))
        self._command = self._retry = None
        self._go_deaf()

    def forget(self) -> None:
        """The port is another one: what had begun to come from the former is dropped."""
        self.framer.abandon_payload()
        self.framer.abandon_line()
        self._mistrust = False
        self._unprompted = None

    # -- time ---------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest, or None."""
        times = [self._deadline] if self._deadline is not None else []
        if self.framer.mid_payload:
            times.append(self._progress + STALL)
        return min(times, default=None)

    def tick(self, now: float) -> None:
        """Let time pass. Call only when the port has been read empty at `now`."""
        self._now = now
        if self.framer.mid_payload and now >= self._progress + STALL:
            self._stalled()
        if self._deadline is None or now < self._deadline:
            return
        if self._settle_held():
            return
        if self.stage in (Stage.PROMPT, Stage.RESULT):
            self._timed_out()
        elif self.stage is Stage.BUSY:
            self._offer_again()
        elif self.stage is Stage.SETTLE:
            self._rest()
        else:  # RESYNC: the others have no deadline
            self._continue_resync()

    def _timed_out(self) -> None:
        command = self._command
        assert command is not None
        limit = command.prompt_timeout if self.stage is Stage.PROMPT else command.timeout
        steps = self.dialect.unstick(command, self._payload_written)
        self._mistrust = command.block is not None
        self._unprompted = command if self.stage is Stage.PROMPT else None
        self._fail(CommandTimeout(str(command), limit, self._payload_written))
        self._enter_resync("an answer did not come in time", steps)

    def _stalled(self) -> None:
        abandoned = self.framer.abandon_payload()
        assert abandoned is not None
        head, partial = abandoned
        self._count("payload stalled", partial)
        lines = [line.strip(b"\r\0") for line in partial.split(b"\n")]
        if self.probe.restarted is None and any(map(self.dialect.banner.fullmatch, lines)):
            self._restarted(b"banner inside a payload")  # else the canary tells: peers can write it
        elif self._command is not None:
            self._mistrust = True
            self._fail(ReplyCorrupt(f"{self._command}: the {head.name} block broke off"))
            self._enter_resync("a payload broke off")
        elif self.stage is Stage.IDLE:
            self._enter_resync("a payload broke off")

    # -- input --------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes as read from the port."""
        self._now = now
        self._progress = now
        framer = self.framer
        framer.push(data)
        while (token := framer.next()) is not None:
            if self._pushed:
                self._look_behind(token)
            if isinstance(token, Line):
                self._line(token)
            elif isinstance(token, Data):
                self._data(token)
            elif isinstance(token, Prompt):
                self._step(Token.PROMPT, b">")
            else:
                self._noise(token)
            self._behind = isinstance(token, Data)
        if self._held is not None and self._command is not None:
            self._wait_for_quiet()

    def _look_behind(self, token: object) -> None:
        """A pushed payload that lost a byte takes the CR of the line end behind it, and one with a
        byte too many leaves its last one there."""
        self._pushed = False
        if isinstance(token, Line) and token.text.isspace():
            self._count(SHIFTED, token.lead + token.text)
        elif isinstance(token, Line | Data) and token.lead.startswith(b"\n"):
            self._count(SHIFTED, token.lead)

    def _noise(self, noise: Noise) -> None:
        if not self._damaged(noise.reason, noise.sample):
            self._count(noise.reason, noise.sample)

    def _data(self, data: Data) -> None:
        command = self._command
        trailer = self._trailer
        if trailer is not None and not trailer.admits(data.lead, framed=True):
            self._damaged(TRAILER, data.payload[:16])
        if command is not None and command.block is not None and command.block is data.head:
            if self._reply.block is not None or len(data.payload) > command.block_max:
                self._damaged("more data than asked for", data.payload[:16])
                return
            self._answer_began()
            self._reply.block = data
            self._trailer = Trailer(command.block_lead, empty=not data.payload)
            return
        if self.stage is Stage.RESYNC:
            self._resync.disturb()
            if self._retry is not None and self._retry.block is data.head:
                self._taken_after_all()
        if trailer is not None:
            trailer.passed(data.lead, frames=2)
        self._pushed = True
        self.events.append(Received(data, self._doubtful))

    def _line(self, line: Line) -> None:
        text = line.text
        command = self._command
        if self._trailer is not None:
            self._trailer_line(line, self._trailer)
            return
        if not text.strip():
            return
        if command is not None:
            if text in command.ok:
                if command.block is None:
                    self._step(Token.GOOD, text)
                else:
                    self._doubt(text)
                    self._damaged("result without its payload", text)
                return
            if text in command.error or self.dialect.failures.fullmatch(text):
                if self._strange is None or command.block is None:
                    self._step(Token.BAD, text)
                else:  # the head of the block may be what could not be read
                    self._damaged("result behind unknown text", self._strange)
                return
            if not self._payload_written and text in command.before_prompt:
                return
            if command.confirm == text and self._payload_written:
                self._confirmed = True
                return
            if command.info is not None and command.info.fullmatch(text):
                self._answer_began()
                self._keep(self._reply.lines, text)
                return
            if text == command.text:
                self._echo()
                return
        elif self.stage is Stage.RESYNC and self._resync_line(text):
            return
        elif self.stage is Stage.SETTLE and text == self._stray:
            self._rest()
            return
        self._other_line(line)

    def _keep(self, kept: list[bytes], text: bytes) -> None:
        """Into the reply; one that does not end is given up."""
        self._kept += len(text)
        if self._kept <= ANSWER_CAP:
            kept.append(text)
            return
        reason = "answer too long"
        self._count(reason, text)
        self._fail(ReplyCorrupt(f"{self._command}: more than {ANSWER_CAP} bytes of answer"))
        self._enter_resync(reason)

    @property
    def _doubtful(self) -> bool:
        """Whether lines may be the payload of a block whose head was damaged."""
        command = self._command
        if self._mistrust or command is None:
            return self._mistrust
        return command.foreign or (command.block is not None and self._strange is not None)

    def _echo(self) -> None:
        """Nobody needs to know, unless the settings were made: those of the module are gone then,
        as after a restart without a word."""
        self._quiet = False
        if self.probe.restarted is None or self._echoing:
            return
        self._echoing = True
        self.suspect(ECHO)

    def suspect(self, reason: str) -> None:
        """Look as soon as no command is in flight whether the module lost its settings."""
        if self.stage is not Stage.DEAF:
            self._suspicion = reason
        if self.stage is Stage.IDLE:
            self._rest()

    def _other_line(self, line: Line) -> None:
        """A line that neither ends nor belongs to the command by its own grammar."""
        text = line.text
        command = self._command
        dialect = self.dialect
        if match := dialect.notices.fullmatch(text):
            self.events.append(Unsolicited(match.lastgroup or "", text, self._doubtful))
            if command is not None and command.cut is not None and command.cut.fullmatch(text):
                self._result_deadline = min(self._result_deadline, self._now + CUT_PATIENCE)
                self._deadline = self._result_deadline
        elif dialect.busy.fullmatch(text):
            self._step(Token.BUSY, text)
        elif dialect.banner.fullmatch(text):
            if not self._doubtful or self.probe.restarted is None:
                self._restarted(text)
            elif not self._damaged(BANNER, text):  # the canary will tell
                self._count(BANNER, text)
        elif command is not None and dialect.reasons.fullmatch(text):
            self._keep(self._reply.reasons, text)
        elif dialect.glued is not None and (match := dialect.glued.search(text)):
            self._strange = text
            self._unknown(line, "notice glued to other text")
            name = match.lastgroup or ""
            self.events.append(Unsolicited(name, match[match.lastgroup or 0], self._doubtful))
        elif command is not None and command.bare:
            self._keep(self._reply.lines, text)
        else:
            self._strange = text
            self._unknown(line, "unknown line")
            if command is None:
                self._doubt(text)

    def _unknown(self, line: Line, reason: str) -> None:
        behind = self._behind and not line.lead
        self.anomalies[reason] += 1
        self.events.append(Anomaly(reason, line.text, behind))

    def _trailer_line(self, line: Line, trailer: Trailer) -> None:
        """Behind a counted payload: notices, exact line ends, the result. All else is damage."""
        command = self._command
        assert command is not None
        framed = self.dialect.framed.fullmatch(line.text) is not None
        if line.text in command.ok and trailer.ends(line.lead):
            self._step(Token.GOOD, line.text)
        elif self.dialect.notices.fullmatch(line.text) and trailer.admits(line.lead, framed=framed):
            trailer.passed(line.lead, frames=1)
            self._other_line(line)
        else:
            self._damaged(TRAILER, line.lead + line.text)

    def _damaged(self, reason: str, sample: bytes) -> bool:
        """An anomaly that proves a counted answer wrong fails the command at once."""
        if self._command is None or not (self._trailer or self._command.block):
            return False
        self._count(reason, sample)
        self._mistrust = True
        self._fail(ReplyCorrupt(f"{self._command}: {reason}: {sample[:32]!r}"))
        self._enter_resync(reason)
        return True

    def _doubt(self, text: bytes) -> None:
        """A result that belongs to no command: some answer ended earlier than was believed, and
        the last counted one is the only kind whose end a peer can write."""
        counted = self._counted
        if counted is not None and text in counted.ok:
            self._counted = None
            self.events.append(Doubted(counted))

    # -- what a token does to the exchange ----------------------------------------------------

    def _step(self, token: Token, text: bytes) -> None:
        action = STEPS.get((self.stage, token))
        command = self._command
        if command is not None and command.foreign and token in (Token.GOOD, Token.BAD):
            self._held = token, text
            self._wait_for_quiet()
        elif action == "succeed":
            self._succeed(text)
        elif action == "send_payload":
            self._send_payload()
        elif action == "fail":
            self._refused(text)
        elif action == "wait_busy":
            self._wait_busy(text)
        elif action == "escape":
            self._escape()
        else:
            self._count("result without a command", text)

    def _escape(self) -> None:
        """The prompt of a send that was given up comes at last: what is written now is payload."""
        command, self._unprompted = self._unprompted, None
        if command is not None:
            self._enter_resync("a prompt came late", self.dialect.unstick(command, False))

    def _wait_for_quiet(self) -> None:
        """A result may be a piece of a name: the last one counts, when nothing follows."""
        self._deadline = min(self._now + FOREIGN_QUIET, self._result_deadline)

    def _settle_held(self) -> bool:
        """Whether a result that was held back has ended the command: nothing has followed it."""
        if self._held is None or self._command is None or self._now >= self._result_deadline:
            return False
        token, text = self._held
        if token is Token.GOOD:
            self._succeed(text)
        else:
            self._refused(text)
        return True

    def _succeed(self, text: bytes) -> None:
        command = self._command
        assert command is not None
        if not self._confirmed or command.ends_at_banner:
            if not command.ends_at_banner:
                self._count("stray result", text)
            return
        self._reply.final = text
        self._echoing = self._echoing and not self._quiet
        self.events.append(Completed(command, self._reply))
        if self._reply.block is not None:
            self._counted = command
        self._rest()

    def _send_payload(self) -> None:
        command = self._command
        assert command is not None
        assert command.payload is not None
        self.writes.append(command.payload)
        self._payload_written = True
        if command.may_echo:
            self.framer.expect_echo(command.payload)
        self.stage = Stage.RESULT
        self._deadline = self._result_deadline = self._now + command.timeout

    def _refused(self, text: bytes) -> None:
        command = self._command
        assert command is not None
        match = self.dialect.failures.fullmatch(text)
        digits = (match.groupdict().get("code") or b"") if match else b""
        code = int(digits) if digits.isdigit() and len(digits) < 6 else None
        final, *reasons = (mask(line, command.hidden) for line in (text, *self._reply.reasons))
        failure = CommandFailed(str(command), final, tuple(reasons), code, self._payload_written)
        self._fail(failure)
        if command.stray is not None and self._payload_written and self.stage is Stage.IDLE:
            self._stray, patience = command.stray
            self.stage = Stage.SETTLE
            self._deadline = self._now + patience

    def _wait_busy(self, text: bytes) -> None:
        if self._payload_written:
            self._count("busy behind a payload", text)
            return
        self.stage = Stage.BUSY
        self._deadline = min(self._now + BUSY_PATIENCE, self._result_deadline)

    def _answer_began(self) -> None:
        """Busy, and the answer comes all the same: it has its whole time."""
        if self.stage is Stage.BUSY:
            self.stage = Stage.RESULT
            self._deadline = self._result_deadline

    def _offer_again(self) -> None:
        """Busy and no answer since: prove that the line was not taken, then offer it again."""
        command = self._command
        assert command is not None
        if self.framer.mid_payload:  # perhaps its block; a payload that stalls is ended elsewhere
            self._deadline = self._now + BUSY_PATIENCE
            return
        if command.block is not None and self._strange is not None:
            self._damaged("result behind unknown text", self._strange)  # as with an error
            return
        if self._attempts >= BUSY_ATTEMPTS or not command.repeatable:
            self._fail(ModuleBusy(f"{command}: the module stays busy"))
            self._enter_resync("the module stays busy")
            return
        self._command = None
        self._retry = command
        self._enter_resync("the module was busy")

    def _taken_after_all(self) -> None:
        """A result or a block that no probe asked for: the busy command was carried out. To offer
        it again would do it twice."""
        command, self._retry = self._retry, None
        if command is not None:
            error = ModuleBusy(f"{command}: the module was busy and carried it out too late")
            self.events.append(Failed(command, error))

    def _fail(self, error: ATError) -> None:
        command = self._command
        assert command is not None
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

    def _restarted(self, text: bytes) -> None:
        command = self._command
        if command is not None and command.ends_at_banner:
            self._reply.final = text
            self.events.append(Completed(command, self._reply))
            self._rest()
            return
        self._counted = self._unprompted = None
        self._suspicion = ""
        self._mistrust = False
        written = self._payload_written
        for failed in (command, self._retry):
            if failed is not None:
                self.events.append(
                    Failed(failed, RestartSeen(f"{failed}: the module restarted", written))
                )
        self._retry = None
        self.events.append(Restarted(text))
        if self.stage is Stage.RESYNC:
            self.probe = Probe(b"AT")
            self._enter_resync("the module restarted")
        elif self.stage is not Stage.DEAF:
            self._rest()
            self.probe = Probe(b"AT")

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
        self._enter_resync(START, steps, limit)

    def _enter_resync(
        self, reason: str, steps: tuple[Step, ...] = (), limit: float | None = None
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
        self._resync.begin(self._now, limit, steps, answers_owed=reason != START)
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

    def _count(self, reason: str, sample: bytes) -> None:
        self.anomalies[reason] += 1
        self.events.append(Anomaly(reason, bytes(sample)))
