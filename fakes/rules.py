"""Command rules: a pattern beside the method that answers it, and what a command may raise."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["CommandError", "Handler", "Record", "Rule", "collect", "rule"]

Handler = Callable[..., Awaitable[None] | None]


class CommandError(Exception):
    """Ends the running command; `reason` and `code` mean what the module makes of them."""

    def __init__(self, reason: str = "", code: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """One journal entry: loop time in seconds, kind of event, detail."""

    at: float
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A command pattern and the method that answers it; `tag` is free for the module."""

    pattern: re.Pattern[str]
    handler: Handler
    tag: str = ""


def rule(pattern: str, *, tag: str = "", flags: int = 0) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to command lines that match `pattern` completely.

    Args:
        pattern: regular expression for the whole command line.
        tag: free text for `FakeModem.rule_allowed`.
        flags: flags of `re` in addition to DOTALL.
    """

    def mark(handler: Handler) -> Handler:
        found: list[Rule] = getattr(handler, "rules", [])
        found.insert(0, Rule(re.compile(pattern, flags | re.DOTALL), handler, tag))
        handler.rules = found  # type: ignore[attr-defined]
        return handler

    return mark


def collect(cls: type) -> tuple[Rule, ...]:
    """The rules of a class: its own first, then those of its bases, in order of definition."""
    rules: list[Rule] = []
    seen: set[str] = set()
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if name not in seen:  # else overridden nearer to the subclass
                seen.add(name)
                rules.extend(getattr(member, "rules", ()))
    return tuple(rules)
