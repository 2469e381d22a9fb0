"""`python -m fakes`: the fakes as a program that knows nothing of the driver."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
import serial

PROGRAM = (sys.executable, "-W", "error", "-m", "fakes")


def first_line(stream: IO[bytes]) -> str:
    assert select.select([stream], [], [], 10)[0], "it says nothing"
    return stream.readline().decode().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_and_ends_in_order(tmp_path: Path, number: signal.Signals) -> None:
    link = tmp_path / "module"
    arguments = ("esp32", "--firmware", "E33", "--link", link, "--ap", "lab:secret99",
                 "--resolve", "srv=127.0.0.1", "--set", "joined=lab", "--seed", "3",
                 "--time-scale", "0", "--control", tmp_path / "control")  # fmt: skip
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=-1, stderr=-1, bufsize=0)
    try:
        assert process.stdout is not None
        assert first_line(process.stdout).startswith("port: /dev/pts/")
        assert first_line(process.stdout) == f"link: {link}"
        assert first_line(process.stdout) == f"control: {tmp_path / 'control'}"
        with serial.Serial(str(link), timeout=5) as port:
            port.write(b'AT+CIPDOMAIN="srv"\r\n')
            answer = port.read_until(b"\r\nOK\r\n")
            assert answer.endswith(b'+CIPDOMAIN:"127.0.0.1"\r\n\r\nOK\r\n')
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (0, b"")
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["bg77"], 2, "invalid choice: 'bg77'"),
        (["bg96", "--firmware", "N17"], 2, "unknown firmware 'N17'; valid: bg96,"),
        (["bg96", "--set", "seed=1"], 2, "--set seed: it has an option of its own"),
        (["bg96", "--resolve", "x"], 2, "--resolve x: NAME=VALUE is expected"),
        (["esp8266", "--ap", ":x"], 2, "--ap :x: NAME:VALUE is expected"),
        (["bg96", "--link", os.devnull], 1, "/dev/null: exists and is not a stale link"),
    ],
)
def test_a_wrong_argument_is_told(arguments: list[str], status: int, told: str) -> None:
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nothing_of_the_driver_is_loaded() -> None:
    script = (
        "import sys, fakes.__main__, fakes.running, fakes.esp8266, fakes.bg96\n"
        "top = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(top & {'atdriver', 'modems', 'netsocket', 'serial', 'typer', 'msgspec'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
