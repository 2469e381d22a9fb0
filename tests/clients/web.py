"""HTTP servers on loopback: pages and uploads, a package index, git over HTTP; all of them note who
asked for what under which name."""

from __future__ import annotations

import gzip
import os
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as the server received it."""

    method: str
    path: str
    host: str
    """The Host header, without the port."""
    peer: str
    """The address that the connection came from."""
    body: bytes = b""


class Web:
    """Serves `pages` (path -> content); PUT adds one. A context manager.

    Args:
        context: for HTTPS.
        repositories: folder of git repositories, served below /git/ by `git http-backend`.
    """

    def __init__(
        self, context: ssl.SSLContext | None = None, repositories: Path | None = None
    ) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.repositories = repositories
        self._server = _Server(("127.0.0.1", 0), _Handler, bind_and_activate=True)
        self._server.web = self
        self._server.context = context
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of(self, path: str) -> list[Asked]:
        """The requests for this path."""
        return [one for one in self.asked if one.path == path]


class _Server(ThreadingHTTPServer):
    web: Web
    context: ssl.SSLContext | None
    block_on_close = False  # a browser keeps its connections
    request_queue_size = 64

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        if self.context is None:
            super().finish_request(request, client_address)  # type: ignore[arg-type]
        else:  # here, in the connection's own thread
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none; the tests judge what arrived."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        web = self.server.web
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        host = (self.headers.get("Host") or "").partition(":")[0]
        web.asked.append(Asked(self.command, path, host, self.client_address[0], body))
        if web.repositories is not None and path.startswith("/git/"):
            self._git(web.repositories, path, body)
        elif self.command == "PUT":
            web.pages[path] = body
            self._say(201, b"stored\n")
        elif path in web.pages:
            self._say(200, web.pages[path])
        else:
            self._say(404, b"not here\n")

    do_GET = do_HEAD = do_PUT = do_POST = _answer  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _say(self, status: int, body: bytes, kind: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or _kind(self.path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _git(self, folder: Path, path: str, body: bytes) -> None:
        """One CGI call (RFC 3875) of `git http-backend`."""
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        meta = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path.removeprefix("/git"),
            "QUERY_STRING": urlsplit(self.path).query,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": self.client_address[0],
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "GIT_PROJECT_ROOT": str(folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            ["git", "http-backend"], env=meta, input=body, capture_output=True, check=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.get("Status", "200").split()[0])
        self._say(status, content, fields["Content-Type"])

    def log_message(self, format: str, *_: object) -> None:
        """The tests read `Web.asked`."""


def _kind(path: str) -> str:
    ending = urlsplit(path).path.rpartition(".")[2]
    kinds = {
        "html": "text/html",
        "css": "text/css",
        "js": "text/javascript",
        "svg": "image/svg+xml",
    }
    return kinds.get(ending, "text/html" if path.endswith("/") else "application/octet-stream")
