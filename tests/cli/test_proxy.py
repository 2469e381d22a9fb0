"""`atdriver proxy` as a process: what it says, whom it refuses, how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from atdriver.cli import main

from .harness import COMMAND, PATIENCE, Cli, TcpServer, environment, read_line

FAKE = "esp8266,resolve=srv=127.0.0.1:fake"


@contextlib.contextmanager
def running(
    *arguments: str, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*COMMAND, "proxy", *arguments, "--allow", "loopback"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(env),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def port_of(line: str) -> int:
    name, _, address = line.strip().partition(": ")
    assert name == "proxy"
    assert address.startswith("127.0.0.1:")
    return int(address.rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_in_order(
    number: signal.Signals, tcp_echo: TcpServer
) -> None:
    with running(FAKE, "--listen", "127.0.0.1:0", "--pac") as process:
        port = port_of(read_line(process.stdout))
        assert read_line(process.stdout).strip() == f"PAC: http://127.0.0.1:{port}/proxy.pac"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://127.0.0.1:{port}/proxy.pac", timeout=PATIENCE) as page:
            assert f"PROXY 127.0.0.1:{port}" in page.read().decode()
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(f"CONNECT srv:{tcp_echo.port} HTTP/1.1\r\nHost: srv\r\n\r\nhi".encode())
            got = b""
            while not got.endswith(b"\r\n\r\nhi"):
                got += client.recv(1000)
            assert got.startswith(b"HTTP/1.1 200 ")
            process.send_signal(number)
            with pytest.raises(ConnectionResetError):
                client.recv(10)
        _out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (0, b"")


def test_json_and_a_password(tcp_echo: TcpServer) -> None:
    with running(
        FAKE, "--listen", "127.0.0.1:0", "--user", "me", "--json",
        env={"ATDRIVER_PROXY_PASSWORD": "secret-word"},
    ) as process:  # fmt: skip
        first = json.loads(read_line(process.stdout))
        assert (first["event"], first["host"], first["pac"]) == ("listening", "127.0.0.1", None)
        assert (
            json.loads(read_line(process.stdout))["modems"][0]["name"]
            == FAKE.partition(",")[0] + ":fake"
        )
        with socket.create_connection(("127.0.0.1", first["port"]), PATIENCE) as client:
            client.sendall(b"CONNECT srv:1 HTTP/1.1\r\nHost: srv\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 407 ")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert b"secret-word" not in out + err


def test_what_is_refused_before_anything_is_opened(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments, env, words in (
        (("--listen", "0.0.0.0:0"), {}, "could be used by anybody"),
        (("--listen", "[::]:0"), {}, "could be used by anybody"),
        (("--listen", "*:0"), {}, "could be used by anybody"),
        (("--listen", "192.0.2.1:0"), {}, "could be used by anybody"),
        (("--listen", "[::ffff:0.0.0.0]:0"), {}, "could be used by anybody"),
        (("--listen", "[2001:db8::1]:0"), {}, "could be used by anybody"),
        (("--allow", "moon"), {}, "loopback, own, unspecified"),
        (("--allow", "own", "--refuse", "own"), {}, "allowed or refused"),
        (("--listen", "0.0.0.0:0", "--user", "me"), {}, "ATDRIVER_PROXY_PASSWORD"),
        (("--user", "me:x"), {"ATDRIVER_PROXY_PASSWORD": "x"}, "no colon"),
        (("--listen", "example.org:1"), {}, "an address of this computer"),
        (("--listen", "127.0.0.1:99999"), {}, "a port from 0 to 65535"),
        (("--wait", "-1"), {}, "--wait -1"),
        (("--pac-file", "/nowhere/at/all"), {}, "No such file"),
    ):
        monkeypatch.delenv("ATDRIVER_PROXY_PASSWORD", raising=False)
        for name, text in env.items():
            monkeypatch.setenv(name, text)
        assert main(["proxy", "esp8266:/dev/nowhere", *arguments]) == 2
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert words in err


def test_a_port_that_is_taken(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("proxy", FAKE, "--listen", f"127.0.0.1:{port}")
        assert (done.status, done.out) == (1, b"")
        assert f"port {port} of 127.0.0.1 is taken" in done.line


def test_a_module_that_is_not_there(cli: Cli) -> None:
    done = cli("proxy", "esp8266:/dev/nowhere", "--listen", "127.0.0.1:0")
    assert (done.status, done.out) == (1, b"")
    assert "/dev/nowhere" in done.line
