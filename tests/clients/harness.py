"""A proxy over a simulated module, the clients in front of it, and what watches the proxy."""

from __future__ import annotations

import ast
import contextlib
import ipaddress
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.cli.harness import PATIENCE, environment, read_line, start_fake

HERE = Path(__file__).parent
MODULE_ADDRESS = "127.66.0.1"
"""What the servers see as their peer: the simulated ESP8266's own address, and no one else's."""
HOSTS = tuple(f"host{number}.test" for number in range(8))
NAMES = (
    *("web.test", "git.test", "shell.test", "index.test", "call.test", "broker.test", "srv"),
    *HOSTS,
)
"""Known to the simulated module alone (RFC 6761: no name server knows them); `srv` is that of the
certificate in tests/netsocket/certs."""
UNKNOWN = "nowhere.test"
PASSWORD = "open sesame"
"""Of a proxy with --user."""


@dataclass(frozen=True)
class Event:
    """One line of `monitored.py`: what the interpreter was about to do."""

    event: str
    what: str

    @property
    def outgoing(self) -> bool:
        """Whether it reaches for another computer, asks a resolver or starts another program."""
        value: Any = None
        with contextlib.suppress(ValueError, SyntaxError):
            value = ast.literal_eval(self.what)
        match self.event:
            case "socket.bind":
                return False
            case "socket.getaddrinfo":
                return not _literal(value)
            case "socket.connect":
                return not isinstance(value, (str, bytes))  # AF_UNIX: within this computer
            case _:
                return True


def _literal(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return True


class Proxy:
    """A monitored `atdriver proxy SPEC`; a context manager.

    Args:
        folder: for what it writes.
        spec: of the modem.
        prefix: of its command line.
        options: behind it.
    """

    def __init__(
        self, folder: Path, spec: str, prefix: Sequence[object] = (), options: Sequence[str] = ()
    ) -> None:
        self.log = folder / f"events-{spec.partition(':')[0]}.jsonl"
        self._complaints = (folder / f"stderr-{spec.partition(':')[0]}").open("w+b")
        self.process = subprocess.Popen(
            [*map(str, prefix), sys.executable, "-W", "error", str(HERE / "monitored.py")]
            + [
                str(self.log),
                "proxy",
                spec,
                "--listen",
                "127.0.0.1:0",
                "--allow",
                "loopback",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment({"ATDRIVER_PROXY_PASSWORD": PASSWORD}),
        )
        line = read_line(self.process.stdout)
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        try:
            assert found is not None, f"{line!r}; {self.complaints()}"
        except BaseException:
            self.__exit__()
            raise
        self.port = int(found[1])

    @property
    def socks(self) -> str:
        return f"socks5h://127.0.0.1:{self.port}"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def events(self) -> list[Event]:
        """What it did so far."""
        return [Event(**json.loads(line)) for line in self.log.read_text().splitlines()]

    def outgoing(self) -> list[Event]:
        return [one for one in self.events() if one.outgoing]

    def complaints(self) -> str:
        """What it said on stderr."""
        self._complaints.seek(0)
        return self._complaints.read().decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self._complaints.close()


@dataclass(frozen=True)
class Through:
    """A proxy and the simulated module behind it."""

    proxy: Proxy
    control: Path

    def commands(self) -> list[str]:
        """The AT commands that the module received."""
        answer = self.tell({"do": "journal", "kinds": ["command"]})
        return [record["detail"] for record in answer["records"]]

    def tell(self, request: dict[str, object]) -> dict[str, Any]:
        """Ask the module's control socket."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.control))
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
        assert answer["ok"], answer
        return answer


def typed(program: str, proxy: Proxy) -> str:
    """What the README says to type for a program, with this proxy's port."""
    text = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^\| {re.escape(program)} \| `([^`]+)`", text, re.MULTILINE)
    assert found is not None, program
    assert "1080" in found[1]
    return found[1].replace("1080", str(proxy.port))


def command(program: str, proxy: Proxy) -> tuple[dict[str, str], list[str]]:
    """As `typed`, taken apart as a shell does: the environment, and the command without its last
    word, the example."""
    words = shlex.split(typed(program, proxy).removeprefix("export "))
    assignments = list(itertools.takewhile(lambda word: re.match(r"\w+=", word), words))
    variables = dict(word.split("=", 1) for word in assignments)
    return variables, words[len(assignments) : -1]


ESP8266 = ("esp8266", "esp8266,ssid=lab", "--ap", "lab:", "--set", f"station_ip={MODULE_ADDRESS}")
BG96 = ("bg96", "bg96,apn=internet")


@contextlib.contextmanager
def through(
    folder: Path,
    module: str,
    spec: str,
    *arguments: str,
    prefix: Sequence[object] = (),
    options: Sequence[str] = (),
) -> Iterator[Through]:
    """Start the simulated module and the proxy over it, each a process of its own.

    At the end the proxy has made no connection, asked no resolver, and started no program.
    """
    control = folder / f"{module}.control"
    names = [part for name in NAMES for part in ("--resolve", f"{name}=127.0.0.1")]
    fake = start_fake(
        folder, module, "--time-scale", "0.02", "--control", str(control), *names, *arguments
    )
    try:
        with Proxy(folder, f"{spec}:{fake.link}", prefix, options) as proxy:
            yield Through(proxy, control)
        assert proxy.outgoing() == []
        assert proxy.process.returncode in (0, 130, 143)
    finally:
        fake.stop()
        for pipe in (fake.process.stdout, fake.process.stderr):
            assert pipe is not None
            pipe.close()


class Clients:
    """Runs programs with an empty home, and nothing of the tester's own settings."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "PIP_CONFIG_FILE": os.devnull,
        }

    def run(
        self,
        *command: object,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        status: int | None = 0,
        timeout: float = PATIENCE,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it in the home; its status must be `status` (None: any)."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.home,
            env={**self.environment, **(env or {})},
            input=stdin,
            capture_output=True,
            timeout=timeout,
        )
        told = f"{command}: {done.returncode}\n{done.stderr.decode(errors='replace')}"
        assert status is None or done.returncode == status, told
        return done


def installed(*programs: str) -> bool:
    return all(map(shutil.which, programs))


def tunnel_for_ssh() -> bool:
    """Whether `nc` is that of OpenBSD, which knows proxies."""
    if not installed("ssh", "scp", "nc"):
        return False
    done = subprocess.run(["nc", "-h"], capture_output=True)
    return b"-X" in done.stdout + done.stderr
