"""Real command lines in processes of their own, against fakes on ptys and servers on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .harness import (
    COMMAND,
    PATIENCE,
    Cli,
    Fake,
    Result,
    Starter,
    TcpServer,
    echo,
    environment,
    start_fake,
)


@pytest.fixture(scope="session")
def cli() -> Cli:
    def run(
        *arguments: object,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        timeout: float = PATIENCE,
    ) -> Result:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=environment(env),
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run


@pytest.fixture
def begin() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command line that is to be signalled, fed or watched; killed at the end."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object, env: dict[str, str] | None = None, **more: Any) -> Any:
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)], env=environment(env), **{**pipes, **more}
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def _fakes(folder: Path) -> Iterator[Starter]:
    started: list[Fake] = []

    def start(module: str, *arguments: str) -> Fake:
        started.append(start_fake(folder, module, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()
        for pipe in (one.process.stdout, one.process.stderr):
            assert pipe is not None
            pipe.close()
        assert one.process.returncode == 0
        assert not one.link.is_symlink()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Starter]:
    """Start fakes; each must end in order and take its link with it."""
    yield from _fakes(tmp_path)


@pytest.fixture(scope="session")
def lasting_fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    yield from _fakes(tmp_path_factory.mktemp("fakes"))


@pytest.fixture(scope="session")
def bg96(lasting_fake: Starter) -> Fake:
    """A BG96 that most tests share."""
    return lasting_fake("bg96", "--time-scale", "0.02", "--resolve", "srv=127.0.0.1")


@pytest.fixture(scope="session")
def esp8266(lasting_fake: Starter) -> Fake:
    """An ESP8266 that most tests share."""
    return lasting_fake(
        "esp8266", "--time-scale", "0.02", "--resolve", "srv=127.0.0.1",
        "--ap", "lab:secret99", "--ap", "cafe:coffee99", "--firmware", "E24",
    )  # fmt: skip


@pytest.fixture(scope="session")
def locked(lasting_fake: Starter) -> Fake:
    """A BG96 whose SIM wants a PIN."""
    return lasting_fake("bg96", "--time-scale", "0.02", "--set", "pin=1234")


@pytest.fixture
def tcp_server() -> Iterator[Callable[[Callable[[socket.socket], None]], TcpServer]]:
    servers: list[TcpServer] = []

    def start(serve: Callable[[socket.socket], None]) -> TcpServer:
        servers.append(TcpServer(serve))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def tcp_echo(tcp_server: Callable[..., TcpServer]) -> TcpServer:
    return tcp_server(echo)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A TCP port that refuses."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture
def udp_echo() -> Iterator[int]:
    """The port of a server that sends every datagram back."""
    ended = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    data, sender = sock.recvfrom(65535)
                    sock.sendto(data, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        yield sock.getsockname()[1]
        ended.set()
        thread.join()
