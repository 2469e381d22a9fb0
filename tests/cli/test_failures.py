"""What goes wrong in a user's first ten minutes: one clear line each, and the right status."""

from __future__ import annotations

import contextlib
import errno
import grp
import logging
import os
import signal
import socket
import stat
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atdriver import resync, startup
from atdriver.channel import Channel
from atdriver.cli import main
from atdriver.links import serial as serial_link

from .harness import COMMAND, PATIENCE, Cli, Fake, Starter, TcpServer, read_line

Begin = Callable[..., subprocess.Popen[bytes]]


def test_no_such_port(cli: Cli) -> None:
    done = cli("info", "bg96:/dev/ttyUSB97")
    assert done.status == 1
    assert "/dev/ttyUSB97: no such port (plugged in? see `atdriver ports`)" in done.line


def test_what_v_switches_on_ends_with_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that calls `main` had the log on its stderr for ever after."""
    loggers = [logging.getLogger(name) for name in ("atdriver", "netsocket")]
    own = logging.NullHandler()
    loggers[0].addHandler(own)
    try:
        for _ in range(2):
            assert main(["info", "bg96:fake", "-v"]) == 0
            assert " ms " in capsys.readouterr().err
            assert not any(each.isEnabledFor(logging.DEBUG) for each in loggers)
            assert [each.handlers for each in loggers] == [[own], []]
            assert all(each.propagate for each in loggers)
    finally:
        loggers[0].removeHandler(own)


def test_a_file_is_no_port(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("x")
    done = cli("nc", f"bg96:{file}", "srv", 80)
    assert done.status == 1
    assert "this is not a serial port" in done.line


def test_no_permission_names_the_group(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Group:
        gr_name = "dialout"

    def denied(_port: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial_link.serial.Serial, "open", denied)
    monkeypatch.setattr(grp, "getgrgid", lambda _gid: Group)
    master, slave = os.openpty()
    try:
        assert main(["info", f"bg96:{os.ttyname(slave)}"]) == 1
    finally:
        os.close(master)
        os.close(slave)
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert "permission denied (it belongs to group 'dialout': sudo usermod -aG dialout" in line


def test_a_busy_port_names_its_holder(begin: Begin, cli: Cli) -> None:
    master, slave = os.openpty()
    try:
        path = os.ttyname(slave)
        process = begin("info", f"bg96:{path}")
        _read_some(master, PATIENCE)  # it has asked something: the port is its own
        os.close(slave)
        slave = -1
        done = cli("info", f"bg96:{path}")
        assert done.status == 1
        assert f"{path}: the port is in use by " in done.line
        assert f"(pid {process.pid})" in done.line
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def _read_some(master: int, limit: float) -> bytes:
    os.set_blocking(master, False)
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            return os.read(master, 1000)
        time.sleep(0.02)
    raise AssertionError("nothing was written to the port")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience with ports that no module answers on."""
    monkeypatch.setattr(startup, "FIRST_PATIENCE", 0.2)
    monkeypatch.setattr(startup, "RATE_PATIENCE", 0.2)
    monkeypatch.setattr(resync, "PROBE_TIMEOUT", 0.1)
    synchronise = Channel.synchronise

    async def at_once(channel: Channel, limit: float, _steps: object = ()) -> None:
        await synchronise(channel, limit)

    monkeypatch.setattr(Channel, "synchronise", at_once)


@contextlib.contextmanager
def device(says: bytes) -> Iterator[str]:
    """A pty behind which something answers every read with `says`."""
    master, slave = os.openpty()
    tty.setraw(slave)
    ended = threading.Event()

    def serve() -> None:
        os.set_blocking(master, False)
        while not ended.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                if os.read(master, 1000):
                    os.write(master, says)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        ended.set()
        thread.join()
        os.close(master)
        os.close(slave)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("says", "shown"),
    [
        (b"", "nothing came back at all (powered? right port? RX and TX swapped?)"),
        (b"\xf8\x80\x00\xfe\x83", "what came back looks like another baud rate: \\xf8\\x80\\x00"),
        (b"login: ", "what came back is no AT answer: login:"),
    ],
    ids=["silent", "garbage", "no module"],
)
def test_no_answer_tells_what_was_tried_and_seen(
    capfd: pytest.CaptureFixture[str], says: bytes, shown: str
) -> None:
    with device(says) as path:
        assert main(["info", f"bg96:{path}"]) == 1
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert "no AT module answers at 115200, 921600, 460800, 230400, 57600, 9600 baud" in line
    assert shown in line


@pytest.mark.parametrize(
    ("module", "says", "shown"),
    [
        ("bg96", b"AT\r", "only the echo came back"),
        ("riot", b"what?\n", "no RIOT shell answers at 115200 baud"),
        ("openthread", b"ERROR\r\n", "no OpenThread command line answers at 115200 baud"),
        ("skstack", b"ERROR\r\n", "no SKSTACK-IP module answers at 115200 baud"),
    ],
)
def test_another_kind_of_module(
    capfd: pytest.CaptureFixture[str], module: str, says: bytes, shown: str
) -> None:
    with device(says) as path:
        assert main(["info", f"{module}:{path}"]) == 1
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert shown in line


def test_the_users_own_time_limit(cli: Cli) -> None:
    with device(b"") as path:
        begun = time.monotonic()
        done = cli("info", f"bg96:{path}", "--timeout", "0.5")
    assert done.status == 1
    assert "not ready within 0.5 s (--timeout)" in done.line
    assert time.monotonic() - begun < 15  # trying every rate would take 15 s


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({"ATDRIVER_SSID": "cafe", "ATDRIVER_PASSWORD": "wrong-one"}, "'cafe': wrong password"),
        (
            {"ATDRIVER_SSID": "lost", "ATDRIVER_PASSWORD": "xxxxxxxx"},
            "'lost': no such network in reach",
        ),
    ],
    ids=["password", "network"],
)
def test_wifi_that_cannot_be_joined(
    cli: Cli, esp8266: Fake, settings: dict[str, str], shown: str
) -> None:
    done = cli("resolve", esp8266.spec, "srv", env=settings)
    assert done.status == 1
    assert shown in done.line
    assert "wrong-one" not in done.err


def test_a_sim_that_wants_its_pin(cli: Cli, locked: Fake) -> None:
    needed = cli("resolve", locked.spec, "srv")
    assert needed.status == 1
    assert "the SIM wants its PIN (3 tries left): give pin=…" in needed.line
    wrong = cli("resolve", locked.spec, "srv", env={"ATDRIVER_PIN": "9999"})
    assert wrong.status == 1
    assert "the SIM refused the PIN (2 tries left" in wrong.line
    assert "9999" not in wrong.err


def test_no_registration(cli: Cli, fake: Starter) -> None:
    module = fake("bg96", "--set", "reg=searching", "--time-scale", "0.02")
    done = cli("resolve", module.spec, "srv", "--set", "register_timeout=0.6")
    assert done.status == 1
    assert "no registration in 1 s (searching; no signal): is the antenna" in done.line


def test_a_name_that_does_not_exist(cli: Cli, bg96: Fake) -> None:
    done = cli("nc", bg96.spec, "nowhere", 80)
    assert done.status == 1
    assert "nowhere: name not found" in done.line


def test_connection_refused(cli: Cli, bg96: Fake, esp8266: Fake, closed_port: int) -> None:
    wifi = {"ATDRIVER_SSID": "lab", "ATDRIVER_PASSWORD": "secret99"}
    for spec, env in ((bg96.spec, {}), (esp8266.spec, wifi), ("host", {})):
        done = cli("nc", spec, "127.0.0.1", closed_port, stdin=b"x", env=env)
        assert done.status == 1
        assert "refused" in done.line


def test_no_connection_in_time(cli: Cli, fake: Starter, tmp_path: Path) -> None:
    scenario = tmp_path / "undecided.yaml"
    scenario.write_text("modem: bg96\nsteps: [{on: 'AT\\+QIOPEN=.*', say: [OK]}]\n")
    module = fake("bg96", "--time-scale", "0", "--scenario", str(scenario))
    done = cli("nc", module.spec, "192.0.2.1", 80, "--timeout", "5")
    assert done.status == 1
    assert "no connection to 192.0.2.1:80 within" in done.line


def test_a_broken_connection(cli: Cli, tcp_server: Callable[..., TcpServer]) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    done = cli("nc", "host", "127.0.0.1", tcp_server(reset).port, stdin=b"xyz")
    assert done.status == 1
    assert "reset" in done.line


def test_secrets_on_the_command_line_are_warned_of_once(
    cli: Cli, esp8266: Fake, tmp_path: Path
) -> None:
    spec = f"esp8266,ssid=cafe,password=coffee99:{esp8266.link}"
    trace = tmp_path / "trace"
    done = cli("resolve", spec, "srv", "--trace", trace)
    assert (done.status, done.out) == (0, b"127.0.0.1\n")
    assert "ATDRIVER_PASSWORD" in done.line
    assert "coffee99" not in done.err + trace.read_text()
    assert "CWJAP" in trace.read_text()
    again = cli("info", esp8266.spec, "--set", "password=coffee99")
    assert again.status == 0
    assert "ATDRIVER_PASSWORD" in again.line


def test_a_trace_that_cannot_be_written(cli: Cli, bg96: Fake) -> None:
    done = cli("info", bg96.spec, "--trace", "/nowhere/trace")
    assert done.status == 1
    assert "/nowhere/trace: No such file or directory" in done.line


def test_the_port_goes_away(cli: Cli, fake: Starter, begin: Begin) -> None:
    module = fake("bg96", "--time-scale", "0.02")
    process = begin("at", module.spec)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"AT\n")
    process.stdin.flush()
    assert read_line(process.stdout) == "OK"
    module.stop()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"AT\n")
        process.stdin.close()
    assert process.wait(PATIENCE) == 1
    assert process.stderr is not None
    shown = process.stderr.read().decode()
    assert shown.count("\n") == 1
    assert "the port is gone" in shown


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_signals_end_quietly(begin: Begin, bg96: Fake, number: int, status: int) -> None:
    process = begin("at", bg96.spec)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"AT\n")
    process.stdin.flush()
    assert read_line(process.stdout) == "OK"
    process.send_signal(number)
    assert process.wait(PATIENCE) == status
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_a_bug_is_one_line_and_a_traceback_only_with_v(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atdriver.discovery as d\n"
        "def broken():\n    raise RuntimeError('something\\nodd')\n"
        "d.list_serial_ports = broken\n"
    )
    env = {"PYTHONPATH": str(tmp_path)}
    done = cli("ports", env=env)
    assert done.status == 1
    assert "unexpected RuntimeError: something odd (this is a bug of atdriver" in done.line
    loud = cli("ports", "-v", env=env)
    assert loud.status == 1
    assert "Traceback" in loud.err


def test_a_full_disk_is_one_line(cli: Cli) -> None:
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    done = subprocess.run(
        ["sh", "-c", "exec \"$@\" > /dev/full", "sh", *COMMAND, "info", "host"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode() == "atdriver: No space left on device\n"
