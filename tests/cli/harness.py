"""Helpers: command lines as processes, running fakes, real servers on loopback."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds for what comes at once on an idle machine: only a hang takes longer."""
COMMAND = (sys.executable, "-W", "error", "-m", "atdriver")


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    clean = {key: text for key, text in os.environ.items() if not key.startswith("ATDRIVER_")}
    return {**clean, **(more or {})}


@dataclass(frozen=True)
class Result:
    status: int
    out: bytes
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("atdriver: "), self.err
        return lines[0]


Cli = Callable[..., Result]


@dataclass
class Fake:
    """A running `atdriver fake`; `spec` opens it by its link."""

    module: str
    link: Path
    process: subprocess.Popen[bytes]
    first_line: str

    @property
    def spec(self) -> str:
        return f"{self.module}:{self.link}"

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def start_fake(folder: Path, module: str, *arguments: str) -> Fake:
    link = folder / f"{module}-{time.monotonic_ns()}"
    process = subprocess.Popen(
        [*COMMAND, "fake", module, "--link", str(link), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = read_line(process.stdout)
    assert first.startswith("port: /dev/pts/"), first + process.stderr.read().decode()
    deadline = time.monotonic() + PATIENCE
    while not link.is_symlink() and time.monotonic() < deadline:
        time.sleep(0.01)
    return Fake(module, link, process, first)


def read_line(stream: Any, limit: float = PATIENCE) -> str:
    text = b""
    deadline = time.monotonic() + limit
    while not text.endswith(b"\n") and time.monotonic() < deadline:
        if select.select([stream], [], [], 0.1)[0]:
            data = os.read(stream.fileno(), 1)
            if not data:
                break
            text += data
    return text.decode().strip()


Starter = Callable[..., Fake]


class TcpServer:
    """Hands every connection to `serve(connection)` in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._serve = serve
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(5)


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)
