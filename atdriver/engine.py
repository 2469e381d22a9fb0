"""The sans-IO heart: bytes in, events and bytes to send out, synchronously.

One command is in flight at a time. The payload that follows a prompt leaves in the same `feed` call
that saw the prompt. The engine comes in layers: `stages` (its table), `flight` (how an exchange
begins and ends, RESYNC), `answering` (what a token or the time does to it) and, here, what a line
or a payload means.

Times are seconds on whatever monotonic clock the caller uses; the engine never reads a clock.
"""

from __future__ import annotations

from atdriver.answering import TEXT_STALL, Answering
from atdriver.dialect import Dialect
from atdriver.errors import ReplyCorrupt
from atdriver.events import Anomaly, Doubted, Received, Unsolicited
from atdriver.exchange import Command
from atdriver.framer import SAMPLE
from atdriver.stages import Stage, Token
from atdriver.tokens import Data, Line, Noise, Prompt
from atdriver.trailer import Trailer

TRAILER = "payload does not end at its trailer"
SHIFTED = "odd line end behind a payload"
BANNER = "banner in a damaged answer"
ECHO = "the echo came back"
CUT = "text shorter than announced"

ANSWER_CAP = 65_536
"""Most bytes of text in one answer; the longest known, a list of access points, has some 10 KiB."""
CUT_PATIENCE = 1.0
"""How long a result may still come after a notice that makes it unlikely."""


class Engine(Answering):
    """See the module's docstring. The caller drains `writes` and `events` after each call."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect)
        self._pushed = False  # the last token was a payload that nobody had asked for
        self._behind = False  # the last token was a counted payload

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes as read from the port."""
        self._now = now
        self._progress = now
        self.framer.push(data)
        self._take_tokens()

    def tick(self, now: float) -> None:
        """See Answering.tick."""
        if now >= self._progress + TEXT_STALL and (text := self.framer.cut_short()) is not None:
            self._now = now
            self._data(text)
            self._take_tokens()
        super().tick(now)

    def _take_tokens(self) -> None:
        framer = self.framer
        while (token := framer.next()) is not None:
            if self._pushed:
                self._look_behind(token)
            if isinstance(token, Line):
                self._line(token)
                self._behind = False
            elif isinstance(token, Data):
                self._data(token)
                self._behind = True
            elif isinstance(token, Prompt):
                self._prompted()
                self._behind = False
            else:
                self._noise(token)
                self._behind = False
        if self._held is not None and self._command is not None:
            self._wait_for_quiet()

    def _prompted(self) -> None:
        if not self.dialect.prompt_ends:
            self._step(Token.PROMPT, b">")
        elif self._command is not None:
            self._step(Token.GOOD, self.dialect.prompt)
        else:  # of a probe: nothing else arms it between commands
            self._resync_line(self.dialect.good)

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
        if data.head.end and self._cut(data):
            return
        self.events.append(Received(data, self._doubtful))

    def _cut(self, data: Data) -> bool:
        """Judge a text; True when it took the command in flight with it."""
        resync = data.swallowed  # perhaps a result
        if data.whole and data.head.text and self._like_output(data):
            data.whole, data.swallowed = False, True
        if data.whole:
            return False
        self._count(CUT, data.payload[:SAMPLE])
        self.events.append(Received(data, self._doubtful))
        if resync and self._command is not None:
            self._fail(ReplyCorrupt(f"{self._command}: its answer came behind a text cut short"))
        if resync and self.stage is Stage.IDLE:
            self._enter_resync(CUT)
        return True

    def _like_output(self, data: Data) -> bool:
        """Whether a text that ended early, and output of the module behind it, would look the same:
        its last line may be one of the module's, or another text."""
        line = b""
        inner = data.payload.split(data.head.end)[1:]
        prompt = self.dialect.prompt
        for line in inner:
            while prompt and line.startswith(prompt):
                line = line[len(prompt) :]  # noqa: PLW2901
            if any(head.pattern.match(line) for head in self.heads):
                return True
        return bool(inner) and self._own(line.rstrip(b"\r"))

    def _own(self, text: bytes) -> bool:
        """Whether the module itself may print this line now."""
        command, dialect = self._command, self.dialect
        if command is not None:
            if text in (*command.ok, *command.error, command.text):
                return True
            if command.bare or (command.info is not None and command.info.fullmatch(text)):
                return True
        own = (dialect.failures, dialect.notices, dialect.banner, dialect.reasons)
        return any(pattern.fullmatch(text) for pattern in own)

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
            if self._payload_written:
                if text == command.confirm:
                    self._confirmed = True
                    return
            elif text in command.before_prompt:
                return
            if text in command.error or self.dialect.failures.fullmatch(text):
                if self._strange is None or command.block is None:
                    self._step(Token.BAD, text)
                else:  # the head of the block may be what could not be read
                    self._damaged("result behind unknown text", self._strange)
                return
            if command.info is not None and command.info.fullmatch(text):
                self._answer_began()
                self._keep(self._reply.lines, text)
                return
            if text == command.text:
                self._echo()
                return
        elif self.stage is Stage.RESYNC and self._resync_line(text):
            if self.dialect.prompt_ends and text == self.probe.text:
                self.framer.armed = True
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
        if self.dialect.prompt_ends:
            self.framer.armed = True
        if self.dialect.echoes:
            return
        if self.probe.restarted is None or self._echoing:
            return
        self._echoing = True
        self.suspect(ECHO, self._now)

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
        text = line.text
        if text in command.ok and trailer.ends(line.lead):
            self._step(Token.GOOD, text)
            return
        framed = self.dialect.framed.fullmatch(text) is not None
        if self.dialect.notices.fullmatch(text) and trailer.admits(line.lead, framed=framed):
            trailer.passed(line.lead, frames=1)
            self._other_line(line)
        else:
            self._damaged(TRAILER, line.lead + text)

    def _doubt(self, text: bytes) -> None:
        """A result that belongs to no command: some answer ended earlier than was believed, and
        the last counted one is the only kind whose end a peer can write."""
        if self._counted is not None and text in self._counted.ok:
            self.events.append(Doubted(self._counted))
            self._counted = None

    def disown(self) -> Command | None:
        """The command whose counted answer ended well last, for who has seen what cannot stand
        behind it: it ended elsewhere than was believed. None when there is none, or no more."""
        counted, self._counted = self._counted, None
        return counted
