"""What a token, or the time, does to the command in flight: the rows of `STEPS`, carried out.

The middle layer of the engine. It sees no bytes: which token a line is, is decided above.
"""

from __future__ import annotations

from atdriver.dialect import NO_WAY_OUT, WayOut
from atdriver.errors import CommandFailed, CommandTimeout, ModuleBusy, ReplyCorrupt
from atdriver.events import Completed, Failed
from atdriver.exchange import Command, mask
from atdriver.flight import STALL, Flight
from atdriver.stages import STEPS, Stage, Token

BUSY_PATIENCE = 1.0
"""After "busy": how long the answer may still come (esp-at issue 731: it does)."""
BUSY_ATTEMPTS = 8
"""How often a command is offered to a module that keeps being busy."""
TEXT_STALL = 0.5
"""A text that may have ended early has, when no byte follows for so long: modules print one without
a pause."""
FOREIGN_QUIET = 0.3
"""How long nothing must follow a result among text that strangers have chosen."""


class Answering(Flight):
    """Base of Engine: results, prompts, busy, deadlines."""

    # -- time ---------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest, or None."""
        deadline = self._deadline
        if self.framer.mid_payload:
            stalled = self._progress + (TEXT_STALL if self.framer.ended_early else STALL)
            return stalled if deadline is None else min(deadline, stalled)
        return deadline

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
        way_out = self.dialect.unstick(command, self._payload_written)
        self._mistrust = command.block is not None
        self._unprompted = command if self.stage is Stage.PROMPT else None
        self._denied = False
        self._fail(CommandTimeout(str(command), limit))
        self._enter_resync("an answer did not come in time", way_out)

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
        """The prompt of a send that was given up comes at last: what is written now is payload. Its
        own bytes must not be, when it was told to be not carried out."""
        command, self._unprompted = self._unprompted, None
        assert command is not None, "only its prompt is looked for while probing"
        if self._retry is not None:
            self._retry = None
            self.events.append(Failed(command, CommandTimeout(str(command), BUSY_PATIENCE)))
        self._enter_resync("a prompt came late", self.dialect.unstick(command, self._denied))

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
        failure = CommandFailed(str(command), final, tuple(reasons), code)
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
            way_out = self._perhaps_prompted(command, denied=True)
            self._fail(ModuleBusy(f"{command}: the module stays busy"))
            self._enter_resync("the module stays busy", way_out)
            return
        self._command = None
        self._retry = command
        self._enter_resync("the module was busy", self._perhaps_prompted(command, denied=False))

    def _perhaps_prompted(self, command: Command, *, denied: bool) -> WayOut:
        """A line that was answered with "busy" may be carried out all the same (ESP-AT 4.1.1 did):
        the prompt of a send may come yet, or be lost. The way out is one that sends nothing."""
        if command.payload is None:
            return NO_WAY_OUT
        self._unprompted, self._denied = command, denied
        return WayOut(again=self.dialect.unstick(command, True).again)
