"""The pytest plugins as a stranger's project uses them: a pytest of its own in a fresh folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str]]

TALK = """
import os, select, termios, time, tty

def ask(port, data, until=b"OK", seconds=5):
    line = os.open(port, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    os.write(line, data)
    got = b""
    limit = time.monotonic() + seconds
    while until not in got and time.monotonic() < limit:
        if select.select([line], [], [], 0.1)[0]:
            got += os.read(line, 4096)
    os.close(line)
    return got
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(text: str, *arguments: str, **files: str) -> tuple[int, str]:
        (tmp_path / "talk.py").write_text(TALK)
        (tmp_path / "test_it.py").write_text("import pytest\nfrom talk import ask\n" + text)
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_text(content)
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False,
            env={**os.environ, "PYTEST_ADDOPTS": "", "PYTHONPATH": ""},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return start


def test_a_port_any_program_can_open(run: Run) -> None:
    status, text = run(
        """
@pytest.mark.fake_modem("bg96")
def test_one(modem_port, fake_modem):
    assert b"OK" in ask(modem_port, b"AT\\r")
    assert fake_modem.commands() == ["AT"]

@pytest.mark.fake_modem("esp8266", firmware="N17")
def test_two(modem_port):
    assert b"1.7" in ask(modem_port, b"AT+GMR\\r\\n")

def test_three(modem_port):
    assert b"BG96" in ask(modem_port, b"ATI\\r")
""",
        "--at-module", "bg96", "--strict-markers",
    )  # fmt: skip
    assert status == 0, text
    assert "3 passed" in text


def test_strict_and_what_went_over_the_wire(run: Run) -> None:
    status, text = run(
        """
@pytest.mark.fake_modem("bg96")
def test_wrong(modem_port):
    ask(modem_port, b"AT+NOSUCH=1\\r", b"ERROR")

@pytest.mark.fake_modem("bg96", strict=False)
def test_allowed(modem_port):
    ask(modem_port, b"AT+NOSUCH=1\\r", b"ERROR")

@pytest.mark.fake_modem("esp8266")
def test_stray(modem_port):
    ask(modem_port, b"hello\\r\\n", b"ERROR")

@pytest.mark.fake_modem("bg96")
def test_failing(modem_port):
    assert ask(modem_port, b"AT+CGMI\\r") == b"something else"
"""
    )
    assert status == 1
    assert "unknown: +NOSUCH=1" in text
    assert "a real module would not have understood this" in text
    assert "stray: hello" in text
    assert "> b'AT+CGMI\\r'" in text
    assert "< b'AT+CGMI\\r\\r\\nQuectel" in text
    assert "3 passed" in text  # test_allowed, and the bodies of two whose teardown failed
    assert "1 failed" in text
    assert "2 errors" in text


def test_scenario_files(run: Run) -> None:
    status, text = run(
        """
@pytest.mark.fake_modem("bg96")
@pytest.mark.at_scenario("other.yaml")
def test_one(modem_port):
    assert b"+CSQ: 99,99" in ask(modem_port, b"AT+CSQ\\r")

@pytest.mark.fake_modem("bg96")
@pytest.mark.at_scenario("C12")
def test_ready_made(modem_port):
    assert b"OK" not in ask(modem_port, b"AT+QISTATE?\\r", b"NEVER", 0.5)[10:]

@pytest.mark.fake_modem("bg96")
@pytest.mark.at_scenario("absent.yaml")
def test_two(modem_port):
    pass

@pytest.mark.fake_modem("bg97")
def test_three(modem_port):
    pass

def test_four(modem_port):
    pass
""",
        other__yaml="modem: bg96\nsteps:\n  - on: 'AT\\+CSQ'\n    say: ['+CSQ: 99,99', OK]\n",
    )
    assert status == 1
    assert "2 passed" in text
    assert "absent.yaml: cannot be read" in text
    assert "bg97" in text
    assert "say which module to simulate" in text


def test_the_driver_over_the_fake(run: Run) -> None:
    status, text = run(
        """
import socket, threading

def serve_one(listener):
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(100):
            connection.sendall(data.upper())

@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)

@pytest.mark.modem_settings(apn="internet")
@pytest.mark.fake_modem("bg96")
def test_one(modem, fake_modem, port):
    with modem.create_connection(("localhost", port), 5) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"HELLO"
    assert any(line.startswith("AT+QIOPEN=") for line in fake_modem.commands())

@pytest.mark.fake_modem("esp8266", access_points={"lab": "secret99"})
def test_two(modem, port):
    with modem.create_connection(("localhost", port), 5) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"HELLO"
"""
    )
    assert status == 0, text
    assert "2 passed" in text


def test_the_fakes_plugin_is_free_of_the_driver() -> None:
    code = (
        "import sys, fakes.pytest_plugin, fakes.running; fakes.build('bg96'); "
        "sys.exit(any(name.split('.')[0] in {'atdriver', 'modems', 'netsocket'} "
        "for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
