"""curl through a module that dies meanwhile: a plain error, and the next one is served."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.harness import PATIENCE, TcpServer

from .harness import ESP8266, Clients, installed, through
from .web import Web

pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(not installed("curl"), reason="no curl here (apt-get install curl)"),
]
BROKEN, REFUSED = 56, 97  # curl: failure in receiving; an error of the proxy


def endless(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    with contextlib.suppress(OSError):
        while connection.send(b"x" * 1000):
            time.sleep(0.02)


def test_a_restart_a_silent_one_and_no_power(tmp_path: Path, clients: Clients, web: Web) -> None:
    """What was under way breaks off, never looking whole. What comes later waits until the module is
    back; a plain error is for who asks in that instant, and finds out about a silent restart."""
    web.pages["/"] = b"a page"
    server = TcpServer(endless)
    with through(tmp_path, *ESP8266) as module:
        curl = ("curl", "--silent", "--max-time", "40", "--proxy", module.proxy.socks)
        try:
            for what in ({"reset": True}, {"reset": "silent"}, {"unplug": 1}):
                with subprocess.Popen(
                    [*curl, f"http://web.test:{server.port}/"],
                    env=clients.environment, stdout=subprocess.PIPE,
                ) as under_way:  # fmt: skip
                    assert under_way.stdout is not None
                    assert under_way.stdout.read(5000)
                    [(action, value)] = what.items()
                    module.tell({"do": action, "value": value})
                    time.sleep(0.5)  # in which it boots
                    deadline = time.monotonic() + PATIENCE
                    while True:
                        done = clients.run(*curl, f"http://web.test:{web.port}/", status=None)
                        if done.returncode == 0:
                            break
                        assert done.returncode == REFUSED, what
                        assert time.monotonic() < deadline, what
                    assert done.stdout == b"a page"
                    under_way.stdout.read()
                    assert under_way.wait(PATIENCE) == BROKEN
        finally:
            server.close()
