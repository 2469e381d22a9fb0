"""What the engine must know about one vendor's way of speaking AT, as one record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from atdriver.exchange import Command
from atdriver.tokens import Head

Step = tuple[float, bytes]
"""Wait so many seconds, then write these bytes (none: just wait)."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A harmless command that proves whether host and module are in step.

    `answer` is the line that only this command brings, None when a bare OK has to do (before the
    module is configured). `restarted` matches the answer of a module that has lost its settings:
    the canary for a restart that nobody announced.
    """

    text: bytes
    answer: re.Pattern[bytes] | None = None
    restarted: re.Pattern[bytes] | None = None


class WayOut(NamedTuple):
    """How to lead the module out of a data phase."""

    steps: tuple[Step, ...] = ()
    """As soon as there is doubt. A probe follows: in the same breath where the last step is bytes,
    not a wait."""
    again: tuple[Step, ...] = ()
    """Before each further probe, until an answer shows that the module hears: a deaf one may have
    missed the steps, and would take the probe for payload."""


NO_WAY_OUT = WayOut()


def no_unsticking(command: Command, payload_written: bool) -> WayOut:
    """For dialects without a data phase."""
    del command, payload_written
    return NO_WAY_OUT


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """Literals of one vendor's line protocol; every pattern is a full match on a line."""

    name: str
    terminator: bytes
    """What ends a command line."""
    heads: tuple[Head, ...]
    """Counted payloads, solicited and unsolicited."""
    notices: re.Pattern[bytes]
    """Unsolicited lines; the matching group's name becomes the event's name."""
    glued: re.Pattern[bytes] | None
    """Finds (search) a notice at the end of a line it was glued to; named groups as above."""
    reasons: re.Pattern[bytes]
    """Lines that explain a result and never end a command."""
    failures: re.Pattern[bytes]
    """Error results beside the command's own, with an optional group `code`."""
    busy: re.Pattern[bytes]
    """"Your line was not taken": never a final result."""
    banner: re.Pattern[bytes]
    """Lines that only a starting module prints."""
    max_command: int
    """Longest command line, bytes, terminator included."""
    framed: re.Pattern[bytes] = re.compile(b"(?!)")
    """Notices that always have a line end before them too, whatever comes before."""
    unstick: Callable[[Command, bool], WayOut] = no_unsticking
    """How to get the module out of a data phase: (command, payload was written) → way."""
    kind: str = "AT module"
    """What speaks it, in messages to people."""
    hello: bytes = b"AT"
    """A harmless command that every module of this dialect answers with `good`."""
    good: bytes = b"OK"
    """How a probe ends well."""
    shell: bool = False
    """A command line for people: texts may be shorter than announced, prompts stand anywhere."""
    prompt: bytes = b""
    """What a shell prints when it wants a line; means nothing by itself."""
    short_lines: re.Pattern[bytes] = re.compile(rb"(?!)")
    """Lines of a shell that may end with a CR alone."""
    prompt_ends: bool = False
    """The shell has no results: the prompt behind a command's echo ends it well."""
    echoes: bool = False
    """Whether the echo stays on, so that it tells nothing about lost settings."""
    pace: tuple[int, float] | None = None
    """Most bytes written at once, and seconds between, for modules that lose longer bursts."""
