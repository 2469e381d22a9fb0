"""Far ends on loopback that remember what they received."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

REACTION = 0.1
"""Seconds until a far end answers, as a network would: two of the drivers throw away what comes
together with the module's own ``SEND OK``."""


class TcpFar:
    """Accepts connections; answers `reply` once a connection has brought `expected` bytes.

    Attributes:
        port: where it listens, on 127.0.0.1.
        received: what each connection brought, in the order they came.
        ended: of each connection, whether the other side has closed it.
    """

    def __init__(self, reply: bytes, *, expected: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._reply, self._expected = reply, expected
        self.port: int = self._listener.getsockname()[1]
        self.received: list[bytearray] = []
        self.ended: list[threading.Event] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.received.append(bytearray())
                self.ended.append(threading.Event())
                work = (connection, self.received[-1], self.ended[-1])
                self._threads.append(threading.Thread(target=self._serve, args=work, daemon=True))
                self._threads[-1].start()

    def _serve(
        self, connection: socket.socket, received: bytearray, ended: threading.Event
    ) -> None:
        connection.settimeout(30)
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                before = len(received)
                received += data
                if before < self._expected <= len(received):
                    time.sleep(REACTION)
                    connection.sendall(self._reply)
            ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5)


def udp_far() -> socket.socket:
    """A bound UDP socket on 127.0.0.1 that waits at most 5 s."""
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    far.settimeout(5)
    return far
