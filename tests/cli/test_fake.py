"""`atdriver fake`: a module on a pty that leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import PATIENCE, Cli, Starter, read_line

Begin = Callable[..., subprocess.Popen[bytes]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ends_in_order(begin: Begin, tmp_path: Path, number: int) -> None:
    link = tmp_path / "m"
    process = begin("fake", "bg96", "--link", link)
    assert process.stdout is not None
    port = read_line(process.stdout).removeprefix("port: ")
    assert read_line(process.stdout) == f"link: {link}"
    assert os.readlink(link) == port
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    assert not link.is_symlink()
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_a_taken_link_is_told(cli: Cli, tmp_path: Path) -> None:
    link = tmp_path / "m"
    link.write_text("mine")
    done = cli("fake", "esp8266", "--link", link)
    assert done.status == 1
    assert f"{link}: exists and is not a stale link" in done.line
    assert link.read_text() == "mine"


def test_every_option(cli: Cli, fake: Starter) -> None:
    module = fake(
        "esp8266", "--firmware", "N17", "--seed", "7", "--baud", "115200", "--time-scale", "0",
        "--resolve", "a=127.0.0.1", "--resolve", "b=127.0.0.2", "--ap", "one",
        "--ap", "two:12345678", "--set", "join_time=1",
    )  # fmt: skip
    done = cli("resolve", module.spec, "b", "--set", "ssid=two",
               env={"ATDRIVER_PASSWORD": "12345678"})  # fmt: skip
    assert (done.status, done.out) == (0, b"127.0.0.2\n")


def test_two_of_them_with_one_module_each(cli: Cli, fake: Starter) -> None:
    first = fake("bg96", "--time-scale", "0")
    second = fake("esp32", "--time-scale", "0")
    assert first.first_line != second.first_line
    assert b"BG96" in cli("info", first.spec).out
    assert b"ESP32" in cli("info", second.spec).out


def test_a_control_socket(begin: Begin, tmp_path: Path) -> None:
    place = tmp_path / "ctl"
    process = begin("fake", "bg96", "--control", place)
    assert process.stdout is not None
    assert read_line(process.stdout).startswith("port: ")
    assert read_line(process.stdout) == f"control: {place}"
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(place))
        control.settimeout(5)
        control.sendall(b'{"do": "facts"}\n{"do": "stop"}\n')
        answers = control.makefile("rb")
        assert json.loads(answers.readline())["module"] == "bg96"
        assert json.loads(answers.readline()) == {"ok": True}
        answers.close()
    assert process.wait(PATIENCE) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert not place.exists()


def test_a_taken_control_path_is_told(cli: Cli, tmp_path: Path) -> None:
    place = tmp_path / "ctl"
    place.write_text("mine")
    done = cli("fake", "bg96", "--control", place)
    assert done.status == 1
    assert f"{place}: exists and is no socket; remove it first" in done.line
