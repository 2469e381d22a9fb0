"""All command groups together, and the commands about commands."""

from __future__ import annotations

import re

from ..engine import CommandError, rule
from .arguments import Code
from .events import EVENTS
from .tls import TlsCommands

__all__ = ["EspressifModem"]

_SUFFIXED = {
    "UART",
    "CWMODE",
    "CWJAP",
    "CWSAP",
    "CWDHCP",
    "CIPSTA",
    "CIPAP",
    "CIPSTAMAC",
    "CIPAPMAC",
    "CIPDNS",
}


class EspressifModem(TlsCommands):
    """A simulated Espressif AT module."""

    EVENTS = EVENTS

    # Test commands come first: the set patterns below would match "=?" too.
    @rule(r"AT\+(\w+)=\?")
    def test_command(self, match: re.Match[str]) -> None:
        """``AT+X=?`` of a known command: only OK (the ranges printed vary by build)."""
        name, suffix = re.fullmatch(r"(\w+?)(_CUR|_DEF)?", match[1]).groups()  # type: ignore[union-attr]
        suffixed = _SUFFIXED if self.profile.nonos else {"UART"}
        wanted = name if suffix and name in suffixed else match[1]
        if not any(entry.tag == wanted and self.rule_allowed(entry) for entry in self._class_rules):
            raise CommandError(code=Code.UNKNOWN)
        self.ok()

    @rule(r"AT\+CMD\?", tag="CMD")
    def list_commands(self, _: re.Match[str]) -> None:
        """``AT+CMD?``: index, name, and whether test, query, set, execute exist."""
        kinds: dict[str, list[int]] = {}
        for entry in reversed(self._class_rules):  # basic commands first
            if not entry.tag or not self.rule_allowed(entry):
                continue
            flags = kinds.setdefault(entry.tag, [1, 0, 0, 0])
            body = entry.pattern.pattern
            flags[1 if body.endswith(r"\?") else 2 if "=" in body else 3] = 1
        for index, (name, flags) in enumerate(kinds.items()):
            if name in ("AT", "E"):
                flags[0] = 0
            text = {"AT": "AT", "E": "ATE"}.get(name, f"AT+{name}")
            self.say(f'+CMD:{index},"{text}",{",".join(map(str, flags))}')
        self.ok()
