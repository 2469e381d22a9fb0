"""The two plainest shapes of a command, for every vendor's list; limits in seconds."""

from __future__ import annotations

import re

from atdriver.exchange import Command

BASIC = 3.0
"""What only touches settings answers within milliseconds (Espressif), 300 ms at the most (BG96 AT
Commands Manual V2.2, "Maximum Response Time"): this forgives a busy CPU or USB stack."""
SLOWEST_LINE = 960.0
"""Bytes per second at 9600 baud: the time a long payload needs on the slowest usual line."""


def simple(text: str, timeout: float = BASIC) -> Command:
    """A setting: OK or ERROR."""
    return Command(text.encode("ascii"), timeout)


def query(text: str, info: bytes, timeout: float = BASIC) -> Command:
    """A question whose answer lines match `info`."""
    return Command(text.encode("ascii"), timeout, info=re.compile(info))
