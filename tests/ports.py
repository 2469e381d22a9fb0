"""Ports of this computer that nobody else is given by chance.

A port that the system gave (port 0) and that was closed again may be somebody else's a moment later:
another worker of the tests binds port 0, too, and a test that connects there meets a stranger, or itself.
These lie below all that systems give by themselves, and each worker has its share of them.
"""

from __future__ import annotations

import os

from netsocket.capability.freeports import FreePorts

SHARED = range(10_000, 20_000)
"""Of all workers, and of their far ends (tests/conftest.py). Those of programs that a test starts take
theirs above."""
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
MINE = FreePorts(SHARED[_worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))])


def free_port(address: str = "127.0.0.1") -> int:
    """A port of an address at which nobody listens, neither TCP nor UDP; each call gives another."""
    return MINE.take(address)
