"""What is written where a module may be waiting for payload as well as for a command."""

from __future__ import annotations

import re

_COMMAND = re.compile(rb"(?i)at|a/")


def filler(payload: bytes) -> bytes:
    """What completes a send whose prompt was missed: the real bytes, unless a module that is not
    waiting for data could take them for a command: its prefix somewhere (V.250, 5.2.1: what stands
    before it is ignored), or `A/`, which repeats the last one. A line end comes behind them."""
    return bytes(len(payload)) if _COMMAND.search(payload) else payload
