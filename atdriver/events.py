"""What the engine reports: one record for each thing that happened."""

from __future__ import annotations

from typing import NamedTuple

from atdriver.errors import ATError
from atdriver.exchange import Command, Reply
from atdriver.tokens import Data


class Unsolicited(NamedTuple):
    """A line of the dialect's notice table; `name` is the table's name for it.

    `doubtful`: an answer was damaged just before, so this may be a piece of its payload."""

    name: str
    text: bytes
    doubtful: bool = False


class Received(NamedTuple):
    """A counted payload that no command asked for; `doubtful` as for Unsolicited."""

    data: Data
    doubtful: bool = False


class Completed(NamedTuple):
    """The command in flight ended well."""

    command: Command
    reply: Reply


class Failed(NamedTuple):
    """The command in flight ended otherwise."""

    command: Command
    error: ATError


class Restarted(NamedTuple):
    """The module started anew: all its sockets and volatile settings are gone."""

    evidence: bytes


class Anomaly(NamedTuple):
    """Something that no rule covers; never fatal by itself. `reason` is a fixed phrase.

    `behind`: text that stands straight behind a counted payload, without a line end. Modules glue
    their notices there, but hardly anything else: it may be the rest of a payload whose length was
    damaged."""

    reason: str
    sample: bytes
    behind: bool = False


class Doubted(NamedTuple):
    """One result too many came after this command had ended well with a counted block. Its length
    may have lost a digit, and its payload may hold what looks like the end of an answer: then only
    the beginning of the payload was handed over."""

    command: Command


class OutOfStep(NamedTuple):
    """RESYNC began; `reason` says why."""

    reason: str


class InStep(NamedTuple):
    """RESYNC ended well."""


class Deaf(NamedTuple):
    """RESYNC was given up."""


Event = (
    Unsolicited
    | Received
    | Completed
    | Doubted
    | Failed
    | Restarted
    | Anomaly
    | OutOfStep
    | InStep
    | Deaf
)
