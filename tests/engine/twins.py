"""A second engine in the very same state, and the whole of an engine's state in comparable form.

With both, one feed after another can be cut in every possible way: when each way ends in the same
events, the same writes and the same state, whatever comes later is the same as well.

Nothing is forgotten when the engine grows: both walk over all attributes, and a kind that is listed
neither as a part nor as a container nor as immutable is a TypeError.
"""

from __future__ import annotations

import copy
import functools
import re
from collections import Counter, deque
from enum import Enum
from typing import Any

from atdriver.dialect import Dialect, Probe
from atdriver.engine import Engine
from atdriver.exchange import Command, Reply
from atdriver.framer import Framer
from atdriver.resync import Resync
from atdriver.tokens import Data, Head
from atdriver.trailer import Trailer

PARTS = (Engine, Framer, Resync, Reply, Trailer)
CONTAINERS = (list, deque, Counter, bytearray)
IMMUTABLE = (
    *(bytes, str, int, float, bool, type(None), tuple, frozenset, Enum),
    *(Command, Dialect, Probe, Head, Data, re.Match, re.Pattern),
)


@functools.cache
def names(kind: type) -> tuple[str, ...] | None:
    """The slots of a class that has some."""
    return getattr(kind, "__slots__", None)


def attributes(part: Any) -> list[tuple[str, Any]]:
    slots = names(type(part))
    if slots is None:
        return list(vars(part).items())
    return [(name, getattr(part, name)) for name in slots]


@functools.cache
def is_plain(kind: type) -> bool:
    """Whether values of this type are shown and shared as they are."""
    if issubclass(kind, (*PARTS, *CONTAINERS)):
        return False
    if not issubclass(kind, IMMUTABLE):
        raise TypeError(f"is a {kind.__name__} mutable?")
    return not issubclass(kind, re.Match | Probe)


def twin(part: Any) -> Any:
    """A copy that shares nothing that can change."""
    copied = copy.copy(part)
    for name, value in attributes(part):
        if is_plain(type(value)):
            continue
        if isinstance(value, PARTS):
            setattr(copied, name, twin(value))
        elif isinstance(value, CONTAINERS):
            setattr(copied, name, copy.copy(value))
    return copied


def state(part: Any) -> dict[str, Any]:
    """All attributes; bytes that the framer has done with do not count."""
    found: dict[str, Any] = {}
    for name, value in attributes(part):
        if is_plain(type(value)):
            shown: Any = value
        elif isinstance(value, PARTS):
            shown = state(value)
        elif isinstance(value, re.Match):
            shown = value.re.pattern, value[0], value.groups()
        elif isinstance(value, Probe):  # one like another
            shown = value.text, value.answer, value.restarted
        else:
            shown = copy.copy(value)
        found[name] = shown
    if isinstance(part, Framer):
        found["_buffer"] = found["_buffer"][found.pop("_position") :]
        if found["_head"] is None:  # what is left of the last payload's head
            del found["_match"], found["_needed"]
    return found
