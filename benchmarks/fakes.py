"""What the simulated modules cost and how true they keep time: raw `os.read` at their pty."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PEERS = 'peers:\n  "srv:19": chargen\n'
ESP = ("ATE0", "AT+CWMODE=1", 'AT+CWJAP="lab","secret99"', "AT+CIPMUX=1",
       'AT+CIPSTART=0,"TCP","srv",19')  # fmt: skip


@dataclass(frozen=True, slots=True)
class Port:
    """An open pty of a fake in a process of its own."""

    descriptor: int
    process: subprocess.Popen[str]

    def ask(self, line: str) -> None:
        """One command; returns behind its OK."""
        os.write(self.descriptor, line.encode() + b"\r\n")
        got = b""
        while b"OK\r\n" not in got:
            if not select.select([self.descriptor], [], [], 10)[0]:
                raise TimeoutError(f"{line}: {got[-80:]!r}")
            got += os.read(self.descriptor, 65536)

    def cpu(self) -> float:
        """Seconds of processor that the fake has used."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def fake(module: str, *arguments: str) -> Iterator[Port]:
    """`python -m fakes` with a flooding peer at srv:19."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder, "peers.yaml")
        scenario.write_text(PEERS)
        with subprocess.Popen(
            [sys.executable, "-m", "fakes", module, "--time-scale", "0", "--scenario",
             str(scenario), *arguments], stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                path = process.stdout.readline().strip().removeprefix("port: ")
                descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
                tty.setraw(descriptor)
                yield Port(descriptor, process)
                os.close(descriptor)
            finally:
                process.terminate()


def download(size: int, baud: int | None = None) -> float:
    """Bytes a second that a reader gets from an ESP8266 in push mode, of at least `size` bytes."""
    pace = ("--baud", str(baud)) if baud else ()
    with fake("esp8266", "--ap", "lab:secret99", *pace) as port:
        for line in ESP:
            port.ask(line)
        os.read(port.descriptor, 65536)
        begun = time.monotonic()
        got = 0
        while got < size:
            got += len(os.read(port.descriptor, 65536))
        return got / (time.monotonic() - begun)


def pacing(baud: int, seconds: float) -> float:
    """By what share the bytes of `seconds` are too fast (or, below 0, too slow) for `baud`."""
    return download(int(baud / 10 * seconds), baud) / (baud / 10) - 1


def idle(module: str, seconds: float) -> float:
    """Share of one core that an idle fake uses."""
    with fake(module) as port:
        port.ask("AT")
        before = port.cpu()
        time.sleep(seconds)
        return (port.cpu() - before) / seconds
