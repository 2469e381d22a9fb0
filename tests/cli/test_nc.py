"""`atdriver nc`: bytes through fakes on ptys to real servers, and every way a conversation ends."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.ports import free_port

from .harness import COMMAND, PATIENCE, Cli, Fake, Starter, TcpServer, environment, read_line

WIFI = {"ATDRIVER_SSID": "lab", "ATDRIVER_PASSWORD": "secret99"}
APN = ("--set", "apn=internet")


def test_hi_through_a_bg96(cli: Cli, bg96: Fake, tcp_echo: TcpServer) -> None:
    done = cli("nc", bg96.spec, "srv", tcp_echo.port, *APN, "-q", "2", stdin=b"hi\n")
    assert (done.status, done.out) == (0, b"hi\n")
    assert "nothing has come for 2 s: connection closed" in done.line


@pytest.mark.parametrize(
    "firmwares",
    [("N17", "E33"), pytest.param(("E2", "E22", "E24"), marks=pytest.mark.gate)],
    ids="-".join,
)
def test_hi_through_every_esp8266(
    cli: Cli, fake: Starter, tcp_echo: TcpServer, firmwares: tuple[str, ...]
) -> None:
    def one(firmware: str) -> tuple[int, bytes, str]:
        module = fake(
            "esp8266", "--firmware", firmware, "--ap", "lab:secret99",
            "--resolve", "srv=127.0.0.1", "--time-scale", "0.02",
        )  # fmt: skip
        done = cli(
            "nc", module.spec, "srv", tcp_echo.port, "--set", "ssid=lab", "-q", "2",
            stdin=b"hi\n", env={"ATDRIVER_PASSWORD": "secret99"},
        )  # fmt: skip
        return done.status, done.out, done.line

    with ThreadPoolExecutor(2) as threads:
        for firmware, (status, out, line) in zip(
            firmwares, threads.map(one, firmwares), strict=True
        ):
            assert (status, out) == (0, b"hi\n"), firmware
            assert "connection closed" in line


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
def test_big_binary_data_comes_back_unchanged(
    cli: Cli, request: pytest.FixtureRequest, tcp_echo: TcpServer, module: str
) -> None:
    data = os.urandom(1 << 20 if module == "esp8266" else 1 << 18)
    fake: Fake = request.getfixturevalue(module)
    extra = () if module == "esp8266" else APN
    done = cli(
        "nc", fake.spec, "srv", tcp_echo.port, *extra, "-q", "3",
        stdin=data, env=WIFI if module == "esp8266" else {}, timeout=50,
    )  # fmt: skip
    assert done.status == 0
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()


def test_a_mebibyte_up_and_its_hash_down(
    cli: Cli, esp8266: Fake, tcp_server: Callable[..., TcpServer]
) -> None:
    data = os.urandom(1 << 20)

    def digest(connection: socket.socket) -> None:
        found = hashlib.sha256()
        left = len(data)
        while left and (part := connection.recv(65536)):
            found.update(part)
            left -= len(part)
        connection.sendall(found.hexdigest().encode())

    done = cli("nc", esp8266.spec, "srv", tcp_server(digest).port, stdin=data, env=WIFI, timeout=40)
    assert (done.status, done.err) == (0, "")
    assert done.out.decode() == hashlib.sha256(data).hexdigest()


def test_a_file_as_input_and_as_output(tmp_path: Path, bg96: Fake, tcp_echo: TcpServer) -> None:
    given, taken = tmp_path / "in", tmp_path / "out"
    given.write_bytes(os.urandom(20_000))
    with given.open("rb") as source, taken.open("wb") as sink:
        done = subprocess.run(
            [*COMMAND, "nc", bg96.spec, "127.0.0.1", str(tcp_echo.port), "-q", "2"],
            stdin=source, stdout=sink, stderr=subprocess.PIPE, env=environment(), check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert taken.read_bytes() == given.read_bytes()


def test_closed_stdin_is_an_empty_one(bg96: Fake, tcp_server: Callable[..., TcpServer]) -> None:
    server = tcp_server(lambda connection: connection.sendall(b"welcome"))
    words = " ".join([*COMMAND, "nc", bg96.spec, "127.0.0.1", str(server.port)])
    done = subprocess.run(
        ["sh", "-c", f"{words} <&-"], capture_output=True, env=environment(), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"welcome", b"")


def test_the_peer_ends_it_while_stdin_is_open(
    begin: Callable[..., subprocess.Popen[bytes]],
    bg96: Fake,
    tcp_server: Callable[..., TcpServer],
) -> None:
    server = tcp_server(lambda connection: connection.sendall(b"bye"))
    process = begin("nc", bg96.spec, "srv", server.port)
    assert process.wait(PATIENCE) == 0
    assert process.stdout is not None
    assert process.stdout.read() == b"bye"


def test_the_peer_closes_before_everything_was_sent(
    cli: Cli, bg96: Fake, tcp_server: Callable[..., TcpServer]
) -> None:
    server = tcp_server(lambda connection: connection.sendall(b"no more"))
    done = cli("nc", bg96.spec, "srv", server.port, stdin=bytes(400_000))
    assert done.status == 1
    assert done.out == b"no more"
    assert "the peer closed the connection before everything was sent" in done.line


def test_host_half_closes(cli: Cli, tcp_server: Callable[..., TcpServer]) -> None:
    def answer_at_the_end(connection: socket.socket) -> None:
        size = 0
        while data := connection.recv(65536):
            size += len(data)
        time.sleep(0.3)
        connection.sendall(b"%d" % size)

    server = tcp_server(answer_at_the_end)
    done = cli("nc", "host", "127.0.0.1", server.port, stdin=b"x" * 1000)
    assert (done.status, done.out, done.err) == (0, b"1000", "")


def test_big_inputs_take_no_memory(
    begin: Callable[..., subprocess.Popen[bytes]], tcp_echo: TcpServer
) -> None:
    process = begin("nc", "host", "127.0.0.1", tcp_echo.port)
    block = os.urandom(1 << 20)
    feeding = threading.Thread(target=_feed, args=(process, block, 16))
    feeding.start()
    found, most = hashlib.sha256(), 0
    assert process.stdout is not None
    while data := process.stdout.read(1 << 20):
        found.update(data)
        most = max(most, _resident(process.pid))
    feeding.join()
    assert process.wait(PATIENCE) == 0
    assert found.digest() == hashlib.sha256(block * 16).digest()
    assert 0 < most < 60_000


def _feed(process: subprocess.Popen[bytes], block: bytes, count: int) -> None:
    assert process.stdin is not None
    for _ in range(count):
        process.stdin.write(block)
    process.stdin.close()


def _resident(pid: int) -> int:
    """Kilobytes in memory; 0 when the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def test_datagrams(cli: Cli, bg96: Fake, udp_echo: int) -> None:
    done = cli("nc", bg96.spec, "srv", udp_echo, "-u", "-q", "2", stdin=b"one datagram\n")
    assert (done.status, done.out) == (0, b"one datagram\n")
    assert "nothing has come for 2 s: closed" in done.line


def test_each_read_is_one_datagram(
    begin: Callable[..., subprocess.Popen[bytes]], bg96: Fake
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE)
        process = begin("nc", bg96.spec, "127.0.0.1", peer.getsockname()[1], "-u", "-q", "0.2")
        assert process.stdin is not None
        for text in (b"first", b"second"):
            process.stdin.write(text)
            process.stdin.flush()
            data, sender = peer.recvfrom(2000)
            assert data == text
        peer.sendto(b"answer\n", sender)
        assert process.stdout is not None
        assert read_line(process.stdout) == "answer"
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
def test_listening_for_one_peer(
    begin: Callable[..., subprocess.Popen[bytes]],
    request: pytest.FixtureRequest,
    module: str,
) -> None:
    fake: Fake = request.getfixturevalue(module)
    port = free_port()
    process = begin(
        "nc", fake.spec, "-l", port, "-q", "0.3",
        env=WIFI if module == "esp8266" else {"ATDRIVER_APN": "internet"},
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stdout is not None
    assert process.stdin is not None
    assert f"port {port} (TCP)" in read_line(process.stderr)
    data = os.urandom(20_000)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
        process.stdin.write(b"welcome")
        process.stdin.flush()
        assert peer.recv(100) == b"welcome"
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        assert process.stdout.read() == data
        assert process.wait(PATIENCE) == 0
    assert "connection from 127.0.0.1" in process.stderr.read().decode()


def test_listening_for_datagrams(begin: Callable[..., subprocess.Popen[bytes]], bg96: Fake) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(PATIENCE)
        port = free_port()
        process = begin("nc", bg96.spec, "-u", "-l", port, *APN, "-q", "0.2")
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stdin is not None
        assert f"port {port} (UDP)" in read_line(process.stderr)
        peer.sendto(b"first\n", ("127.0.0.1", port))
        assert read_line(process.stdout) == "first"
        process.stdin.write(b"answer")
        process.stdin.flush()
        assert peer.recvfrom(100)[0] == b"answer"
        peer.sendto(b"second\n", ("127.0.0.1", port))
        assert read_line(process.stdout) == "second"
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_mistakes_while_listening(cli: Cli, bg96: Fake) -> None:
    port = free_port()
    done = cli("nc", bg96.spec, "-l", port, *APN, "--timeout", "4")
    assert done.status == 1
    assert "nobody connected within 4 s (--timeout)" in done.err
    done = cli("nc", bg96.spec, "example.org", "-l", port)
    assert done.status == 2
    assert "takes no HOST" in done.line
    done = cli("nc", bg96.spec, "-l", "70000")
    assert done.status == 2
    assert "70000" in done.line


def test_a_reader_that_leaves_is_no_news(
    begin: Callable[..., subprocess.Popen[bytes]],
    bg96: Fake,
    tcp_server: Callable[..., TcpServer],
) -> None:
    def endless(connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(1000))

    process = begin("nc", bg96.spec, "srv", tcp_server(endless).port)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(PATIENCE) == 1
    assert process.stderr is not None
    assert process.stderr.read() == b""
