"""The reference device (`device.c`): built with the system's C compiler, run on a pty of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("device.c")
OUT = Path("out") / "benchmarks"
SOURCE_PORT, SINK_PORT, ECHO_PORT = 19, 9, 7
"""What a connection reaches in the device: an endless source, a sink, an echo."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the device saw between the opening of its first link and the closing of its last.

    Attributes:
        down, up: payload bytes to and from the host.
        seconds: from the first payload byte on the line to the last.
        turnarounds: how often the host had to move; sum_us, median_us, p99_us, max_us: how long it
            took, in microseconds from the last byte written to the first byte read.
        links: (link, bytes down, bytes up).
    """

    down: int
    up: int
    seconds: float
    turnarounds: int
    sum_us: float
    median_us: float
    p99_us: float
    max_us: float
    links: tuple[tuple[int, int, int], ...]


class Device:
    """A running device; `path` is its port."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._out = process.stdout
        self.path = self._out.readline().strip()

    def report(self) -> Report:
        """After the last link was closed."""
        found = json.loads(self._out.readline())
        return Report(**{**found, "links": tuple(map(tuple, found["links"]))})


def build() -> Path:
    """The compiled device. Raises FileNotFoundError without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise FileNotFoundError("the benchmarks need a C compiler (cc)")
    made = OUT / "device"
    if not made.exists() or made.stat().st_mtime < SOURCE.stat().st_mtime:
        OUT.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [compiler, "-O2", "-Wall", "-Wextra", "-o", made, SOURCE, "-lutil"], check=True
        )
    return made


@contextmanager
def running(
    kind: str, baud: int = 0, latency: float = 0.0, read_size: int | None = None
) -> Iterator[Device]:
    """A device of this kind ("esp", "bg96"). baud 0: no line; latency in seconds before each
    answer; read_size: the most that one read gives."""
    arguments = [str(build().resolve()), kind, str(baud), str(latency * 1e6)]
    if read_size is not None:
        arguments.append(str(read_size))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Device(process)
        finally:
            process.terminate()
