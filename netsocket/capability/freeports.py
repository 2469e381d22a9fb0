"""Ports of this computer that two who ask at the same time never both get.

A port that was found free and is bound only later is anybody's in between, and so is one that the
system gave (port 0) and that was closed again: each is given once, until all of the range were.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket


class FreePorts:
    """Hands out the ports of a range, in an order of its own.

    Args:
        ports: below those that systems choose by themselves (32768 and up on Linux), so that no
            other program is given one by chance in the meantime.
    """

    def __init__(self, ports: range) -> None:
        self.ports = ports
        # Not the program's own generator: one that it seeds would begin alike in each process.
        self._next = itertools.cycle(random.Random().sample(ports, len(ports)))

    def take(self, address: str = "127.0.0.1") -> int:
        """A port of an address of this computer at which nobody listens, neither TCP nor UDP.

        Raises:
            OSError: every port is taken.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for port in itertools.islice(self._next, len(self.ports)):
            with (
                contextlib.suppress(OSError),
                socket.socket(family) as stream,
                socket.socket(family, socket.SOCK_DGRAM) as datagram,
            ):
                stream.bind((address, port))
                datagram.bind((address, port))
                return port
        raise OSError(f"no port of {self.ports.start} to {self.ports.stop - 1} is free")


SHARES = 16
FAR_PORTS = FreePorts(range(20_000, 32_000)[os.getpid() % SHARES :: SHARES])
"""For every far end of this process. One that was begun beside it mostly has another share."""
