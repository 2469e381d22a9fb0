"""`atdriver forward` as a process: both directions, UDP, what it says, what it refuses."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from atdriver.cli import forward as command
from atdriver.cli import main
from atdriver.cli.failure import UsageProblem
from atdriver.cli.forward import Way
from netsocket.address import SocketAddress
from tests.ports import free_port

from .harness import COMMAND, PATIENCE, Cli, Fake, TcpServer, environment, read_line

WIFI = {"ATDRIVER_SSID": "lab", "ATDRIVER_PASSWORD": "secret99"}
BG96 = "bg96,resolve=srv=127.0.0.1:fake"


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*COMMAND, "forward", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(WIFI),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def port_of(line: str) -> int:
    found = re.match(r"forward: [^ ]+:(\d+) ", line)
    assert found, line
    return int(found[1])


def echoed(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    with socket.create_connection((host, port), PATIENCE) as client:
        client.sendall(data)
        got = bytearray()
        while len(got) < len(data):
            part = client.recv(65536)
            assert part, bytes(got)
            got += part
        return bytes(got)


def test_several_ports_and_an_orderly_end(esp8266: Fake, tcp_echo: TcpServer) -> None:
    ways = [f"0:srv:{tcp_echo.port}", f"[::1]:0:127.0.0.1:{tcp_echo.port}"]
    with running(esp8266.spec, *ways) as process:
        first, second = read_line(process.stdout), read_line(process.stdout)
        assert first.endswith(f" -> srv:{tcp_echo.port}")
        assert second.startswith("forward: [::1]:")
        for _ in range(2):
            assert echoed(port_of(first), bytes(range(256)) * 40) == bytes(range(256)) * 40
        assert echoed(port_of(second), b"over IPv6 here", "::1") == b"over IPv6 here"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_port_of_the_module_leads_here(esp8266: Fake, tcp_echo: TcpServer) -> None:
    number = free_port()
    with running(esp8266.spec, "-R", f"{number}:{tcp_echo.port}") as process:
        line = read_line(process.stdout)
        assert line.endswith(f":{number} (module) -> localhost:{tcp_echo.port}"), line
        assert echoed(number, b"from outside") == b"from outside"
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_datagrams(bg96: Fake) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(PATIENCE)
        target = f"0:127.0.0.1:{far.getsockname()[1]}"
        with running(bg96.spec, "-u", target, "--set", "apn=internet", "--json") as process:
            told = json.loads(read_line(process.stdout))
            port = told.pop("port")
            assert told == {
                "event": "listening", "where": "here", "protocol": "udp", "host": "127.0.0.1",
                "target_host": "127.0.0.1", "target_port": far.getsockname()[1],
            }  # fmt: skip
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(PATIENCE)
                client.connect(("127.0.0.1", port))
                client.send(b"ping")
                data, peer = far.recvfrom(100)
                assert data == b"ping"
                far.sendto(b"pong", peer)
                assert client.recv(100) == b"pong"


def test_a_port_that_is_taken(cli: Cli, tcp_echo: TcpServer) -> None:
    done = cli("forward", BG96, f"{tcp_echo.port}:srv:80", "--set", "apn=internet")
    assert done.status == 1
    assert f"port {tcp_echo.port} of 127.0.0.1 is taken: 0:srv:80 takes any" in done.line


def test_what_the_module_cannot_is_one_sentence(cli: Cli, esp8266: Fake) -> None:
    """An Espressif module has one server port (AT+CIPSERVER, ESP-AT user guide, TCP/IP)."""
    done = cli("forward", esp8266.spec, "-R", "8080:80", "-R", "8081:80", env=WIFI)
    assert (done.status, done.out) == (1, b"")
    assert "port" in done.line


def test_beyond_loopback_is_asked_for_and_warned_of(tcp_echo: TcpServer) -> None:
    with running(
        BG96, f"0.0.0.0:0:srv:{tcp_echo.port}", "--expose", "--set", "apn=internet"
    ) as one:
        assert echoed(port_of(read_line(one.stdout)), b"x") == b"x"
        assert "warning" in read_line(one.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing to forward"),
        (("8080:srv",), "[BIND:]PORT:HOST:PORT is expected"),
        (("::1:8080:srv:80",), "an IPv6 address in brackets"),
        (("[::1:8080:srv:80",), "an IPv6 address in brackets"),
        (("99999:srv:80",), "port 99999"),
        (("8080:srv:0",), "port 0"),
        (("8080::80",), "not an empty text"),
        (("elsewhere:8080:srv:80",), "elsewhere is no address of this computer"),
        (("0.0.0.0:8080:srv:80",), "--expose allows that"),
        (("*:8080:srv:80",), "--expose allows that"),
        ((":8080:srv:80",), "--expose allows that"),
        (("-R", "8080:nas:80"), "this computer asks no name server"),
        (("-R", "8080:192.0.2.7:80"), "--expose allows that"),
        (("-R", "0:80"), "port 0"),
        (("-u", "-R", "8080:80"), "without -R"),
        (("8080:srv:80", "--wait", "-1"), "--wait -1"),
        (("8080:srv:80", "--idle", "inf"), "--idle inf"),
    ],
)
def test_mistypes(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(["forward", "bg96:fake", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1


def test_how_ssh_writes_it() -> None:
    def local(text: str, *, expose: bool = False) -> Any:
        return command._local(text, expose=expose)

    assert local("8080:srv:80") == Way("127.0.0.1", 8080, SocketAddress("srv", 80))
    assert local("localhost:0:srv:80") == Way("127.0.0.1", 0, SocketAddress("srv", 80))
    assert local("[::1]:8080:[2001:db8::1]:80") == Way(
        "::1", 8080, SocketAddress("2001:db8::1", 80)
    )
    assert local("*:1:h:2", expose=True) == Way("0.0.0.0", 1, SocketAddress("h", 2))
    remote = command._remote("8080:80", expose=False)
    assert remote == Way("", 8080, SocketAddress("localhost", 80))
    assert command._remote("10.0.0.2:8080:[::1]:80", expose=False).host == "10.0.0.2"
    assert command._remote("8080:192.0.2.7:80", expose=True).target.host == "192.0.2.7"
    with pytest.raises(UsageProblem):
        command._remote("8080", expose=False)
