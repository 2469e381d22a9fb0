"""An MQTT session through the proxy that is silent but for its keep-alives."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.harness import PATIENCE, read_line
from tests.ports import free_port

from .harness import HERE, MODULE_ADDRESS, Clients, Through, typed

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
pytestmark = [
    pytest.mark.xdist_group("clients for a minute"),  # beside the others, not behind them
    pytest.mark.skipif(MOSQUITTO is None, reason="no Mosquitto here (apt-get install mosquitto)"),
]
INTERVAL = 2.0


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[tuple[int, Path]]:
    """Mosquitto, with everything that it sees in a log; gives its port and the log."""
    port = free_port()
    log, file = folder / "broker.log", folder / "mosquitto.conf"
    user = "user root\n" if os.geteuid() == 0 else ""
    file.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        f"log_type all\nlog_dest file {log}\n{user}"
    )
    assert MOSQUITTO is not None
    with subprocess.Popen([MOSQUITTO, "-c", file]) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not (log.exists() and "running" in log.read_text()):
                assert process.poll() is None, log.read_text() if log.exists() else "no log"
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield port, log
        finally:
            process.terminate()


@pytest.mark.parametrize("rounds", [5, pytest.param(30, marks=pytest.mark.gate)])
def test_keep_alives(esp8266: Through, clients: Clients, tmp_path: Path, rounds: int) -> None:
    """So many of 2 s each, counted by the broker, which ends a session that misses them: one that says
    nothing is ended meanwhile. Behind them the session still carries a message each way."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [
        sys.executable,
        HERE / "programs" / "keepalives.py",
        typed("MQTT (paho)", esp8266.proxy),
    ]
    with broker(tmp_path) as (port, log):
        began = time.monotonic()
        with (
            subprocess.Popen(
                [*command, "broker.test", str(port)], env=clients.environment, **pipes
            ) as client,
            socket.create_connection(("127.0.0.1", port)) as silent,
        ):
            silent.sendall(b"\x10\x12\0\4MQTT\4\2\0\2\0\6silent")
            assert read_line(client.stdout) == "subscribed"
            while pings(log) < rounds:
                assert client.poll() is None, log.read_text()
                assert time.monotonic() - began < rounds * INTERVAL * 1.5 + PATIENCE, (
                    log.read_text()
                )
                time.sleep(0.2)
            lasted = time.monotonic() - began
            out, _ = client.communicate(b"still here\n", PATIENCE)
            silent.settimeout(PATIENCE)
            assert silent.recv(100) == b"\x20\x02\0\0"  # accepted
            assert silent.recv(100) == b""  # and ended
        told = log.read_text()
    assert (out, client.returncode) == (b"still here\n", 0)
    assert lasted >= (rounds - 1) * INTERVAL
    assert re.findall(r"New client connected from (\S+):\d+ as quiet", told) == [MODULE_ADDRESS]
    assert "Client silent has exceeded timeout" in told
    assert "Client quiet has exceeded timeout" not in told


def pings(log: Path) -> int:
    return log.read_text().count("Received PINGREQ from quiet")
