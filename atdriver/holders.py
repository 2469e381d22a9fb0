"""Which other programs have a port open, from what the system tells, and what to do about them."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_PTMX = os.makedev(5, 2) if hasattr(os, "makedev") else -1
_PTS = range(136, 144)
"""Device numbers of Linux's pseudo terminals: the master's, the majors of the others."""


def advice(holder: str) -> str:
    """What to do about the programs that `port_holders` named, to stand behind them."""
    if "ModemManager" not in holder:
        return ""
    return (
        "; ModemManager probes every serial port that it does not know: `atdriver udev` prints "
        "rules that keep it away (ID_MM_DEVICE_IGNORE)"
    )


def port_holders(path: str) -> list[str]:
    """ "name (pid N)" of every other process that has the port open, by process id.

    Reads /proc; without the rights for other users' processes only one's own are seen. Empty where
    the system does not tell. Who serves a pseudo terminal is its other end and no holder.
    """
    proc = Path("/proc")
    try:
        target = os.stat(path).st_rdev
        processes = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    except OSError:
        return []
    found = []
    for number in processes:
        process = proc / str(number)
        if number != os.getpid() and _has_open(process, target):
            try:
                name = (process / "comm").read_text().strip()
            except OSError:
                continue
            found.append(f"{name} (pid {number})")
    return found


def _has_open(process: Path, target: int) -> bool:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return False
    holds = False
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed meanwhile
            device = descriptor.stat().st_rdev
            holds = holds or device == target
            if device == _PTMX and _serves(process / "fdinfo" / descriptor.name, target):
                return False
    return holds


def _serves(description: Path, target: int) -> bool:
    """Whether this master of a pseudo terminal belongs to the terminal `target` (Linux 4.15)."""
    index = re.search(r"^tty-index:\s*(\d+)", description.read_text(), re.MULTILINE)
    return index is not None and os.major(target) in _PTS and int(index[1]) == os.minor(target)
