"""Error numbers of the CLI and their names (fact sheet 4.1; OpenThread, error.h)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fakes.rules import CommandError

__all__ = [
    "ALREADY",
    "BUSY",
    "FAILED",
    "INVALID_ARGS",
    "INVALID_COMMAND",
    "INVALID_STATE",
    "NAMES",
    "NOT_FOUND",
    "PARSE",
    "RESPONSE_TIMEOUT",
    "Rejected",
]

FAILED: Final = 1
BUSY: Final = 5
PARSE: Final = 6
INVALID_ARGS: Final = 7
INVALID_STATE: Final = 13
NOT_FOUND: Final = 23
ALREADY: Final = 24
RESPONSE_TIMEOUT: Final = 28
INVALID_COMMAND: Final = 35

NAMES: Final[Mapping[int, str]] = {
    FAILED: "Failed",
    BUSY: "Busy",
    PARSE: "Parse",
    INVALID_ARGS: "InvalidArgs",
    INVALID_STATE: "InvalidState",
    NOT_FOUND: "NotFound",
    ALREADY: "Already",
    RESPONSE_TIMEOUT: "ResponseTimeout",
    INVALID_COMMAND: "InvalidCommand",
}


class Rejected(CommandError):
    """A command ends with ``Error <number>: <Name>``."""

    def __init__(self, code: int) -> None:
        super().__init__(NAMES[code], code)
