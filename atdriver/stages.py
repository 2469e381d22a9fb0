"""The engine's table: where the exchange is, what a line means to it, and what is done then."""

from __future__ import annotations

from enum import Enum, auto


class Stage(Enum):
    """Where the exchange is."""

    __hash__ = object.__hash__  # Enum's own takes a call of Python for each look at the table

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

    __hash__ = object.__hash__

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
