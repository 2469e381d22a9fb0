"""The two plainest shapes of a command, for every vendor's list; limits in seconds."""

from __future__ import annotations

import re

from atdriver.errors import EncodeError
from atdriver.exchange import Command

BASIC = 3.0
"""What only touches settings answers within milliseconds (Espressif), 300 ms at the most (BG96 AT
Commands Manual V2.2, "Maximum Response Time"): this forgives a busy CPU or USB stack."""
SLOWEST_LINE = 960.0
"""Bytes per second at 9600 baud: the time a long payload needs on the slowest usual line."""


def simple(text: str, timeout: float = BASIC) -> Command:
    """A setting: OK or ERROR. Raises EncodeError."""
    return Command(_ascii(text), timeout)


def query(text: str, info: bytes, timeout: float = BASIC, *, foreign: bool = False) -> Command:
    """A question whose answer lines match `info`; `foreign`, see Command. Raises EncodeError."""
    return Command(_ascii(text), timeout, info=re.compile(info), foreign=foreign)


def _ascii(text: str) -> bytes:
    """Settings that are put back came from the module, which may have said anything."""
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise EncodeError(f"no command of this driver: {text[:40]!a}") from None
