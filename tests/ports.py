"""Ports of this computer that nobody else is given by chance.

A port that the system gave (port 0) and that was closed again may be somebody else's a moment later:
another worker of the tests binds port 0, too, and a test that connects there meets a stranger, or itself.
These lie below all that systems give by themselves, and each worker has its share of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket

SHARED = range(10_000, 20_000)
"""Of all workers; the probes' far end takes its ports above."""


def _share() -> range:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return SHARED[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


_mine = _share()
_ports = itertools.cycle(_mine)
for _ in range(random.randrange(len(_mine))):  # two runs side by side begin at different places
    next(_ports)


def free_port(address: str = "127.0.0.1") -> int:
    """A port of an address at which nobody listens, neither TCP nor UDP; each call gives another."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in itertools.islice(_ports, len(_mine)):
        with (
            contextlib.suppress(OSError),
            socket.socket(family) as stream,
            socket.socket(family, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind((address, port))
            datagram.bind((address, port))
            return port
    raise OSError(f"no port of {SHARED.start} to {SHARED.stop} is free")
