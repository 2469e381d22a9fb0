"""What `atdriver demo` plays on: two real servers on loopback, and simulated modules as processes.

The modules run as `atdriver fake` in processes of their own and are reached through pseudo
terminals only, exactly as a module on a cable would be.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import select
import socket
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Self

from atdriver.cli.failure import Failure

START_LIMIT = 60.0
"""Seconds that a simulated module gets to name its port."""
END_LIMIT = 5.0
"""Seconds it gets to end."""


def page() -> bytes:
    """The page to fetch: text, then every byte value in an order that no accident repeats."""
    text = b"<!doctype html><title>atdriver demo</title><p>This page came through a module.</p>\n"
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(600))
    return text + bytes(range(256)) + noise


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is no news; what the demo misses it tells by itself."""


class WebServer:
    """A real HTTP server that serves `page()` at /."""

    def __init__(self) -> None:
        body = page()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """The page, whatever the path."""
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Nothing on stderr."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(END_LIMIT)


class EchoServer:
    """A real UDP server that sends every datagram back."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.settimeout(0.1)
        self.port = int(self._sock.getsockname()[1])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                data, sender = self._sock.recvfrom(65535)
                self._sock.sendto(data, sender)

    def close(self) -> None:
        """Stop answering."""
        self._ended.set()
        self._thread.join(END_LIMIT)
        self._sock.close()


class FakeModule:
    """One `atdriver fake` process; `port` is its pseudo terminal. A context manager."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            # -P: a folder of the user's called like one of our packages is no obstacle.
            [sys.executable, "-P", "-m", "atdriver", "fake", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the demo, which ends it in order
        )
        try:
            self.port = self._first_line().removeprefix("port: ")
        except BaseException:
            self.close()
            raise

    def _first_line(self) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_LIMIT
        number = self._process.stdout.fileno()
        text = b""
        while b"\n" not in text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([number], [], [], left)[0]:
                raise Failure(f"the simulated module did not start within {START_LIMIT:g} s")
            data = os.read(number, 4096)
            if not data:
                assert self._process.stderr is not None
                said = self._process.stderr.read().decode("utf-8", "replace").strip()
                raise Failure(f"the simulated module did not start: {said or 'no reason given'}")
            text += data
        return text.partition(b"\n")[0].decode()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def close(self) -> None:
        """End the process; by force when it does not."""
        process = self._process
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
