"""The reference device (`device.c`): built with the system's C compiler, run on a pty of its own."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("device.c")
OUT = Path("out") / "benchmarks"
SOURCE_PORT, SINK_PORT, BOTH_PORT, ECHO_PORT = 19, 9, 20, 7
"""What a connection reaches in the device: a source, a sink, both at once, an echo."""
FRAME = {("esp", "down"): 1460, ("esp", "up"): 2048, ("bg96", "down"): 1500, ("bg96", "up"): 1460}
"""Bytes of a full frame: what one read gives, what one send takes."""
_PERIOD = 251
PATTERN = bytes(range(_PERIOD)) * 300
"""What passes in both directions; `pattern_at` says where it goes on."""


def pattern_at(position: int, size: int) -> bytes:
    """The bytes of a stream from this position on, at most 65,000."""
    start = position % _PERIOD
    return PATTERN[start : start + size]


def is_pattern(data: bytes, position: int) -> bool:
    """Whether these are the bytes of the stream at this position."""
    return PATTERN.startswith(data, position % _PERIOD)


_CORES = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []


def _pin(process: int, cores: list[int]) -> None:
    if sys.platform == "linux" and cores and len(_CORES) > 1:
        os.sched_setaffinity(process, cores)


def apart() -> None:
    """This process and what it starts leave the last core to the device: watching for the host, it
    must never keep the host from moving. Nothing with one core, and where there is no such call."""
    _pin(0, _CORES[:-1])


@dataclass(frozen=True, slots=True)
class Report:
    """What the device saw between the opening of its first link and the closing of its last.

    Attributes:
        down, up: payload bytes to and from the host; wrong: pieces that were not the pattern.
        window: bytes down, bytes up, seconds: from the end of the first frame to the end of the
            last, that is without what opening and closing takes.
        turnarounds: how often the host had to move in the window; sum_us, p10_us, median_us,
            p99_us, max_us: how long it took, in microseconds from the last byte out to the first byte in.
        links: (link, bytes down, bytes up); when_first_done: the same at the moment when the first
            of them had all its bytes.
    """

    down: int
    up: int
    wrong: int
    window: tuple[int, int, float]
    turnarounds: int
    sum_us: float
    p10_us: float
    median_us: float
    p99_us: float
    max_us: float
    links: tuple[tuple[int, int, int], ...]
    when_first_done: tuple[tuple[int, int, int], ...]


class Device:
    """A running device; `path` is its port."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._out = process.stdout
        self.path = self._out.readline().strip()

    def report(self, timeout: float = 10.0) -> Report:
        """After the last link was closed. Raises TimeoutError if none comes."""
        if not select.select([self._out], [], [], timeout)[0]:
            raise TimeoutError("the device has reported nothing: is a link still open?")
        found = json.loads(self._out.readline())
        for name in ("links", "when_first_done"):
            found[name] = tuple(map(tuple, found[name]))
        return Report(**{**found, "window": tuple(found["window"])})


def compiler() -> str | None:
    """The system's C compiler."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build() -> Path:
    """The compiled device. Raises FileNotFoundError without a C compiler."""
    made = OUT / "device"
    if made.exists() and made.stat().st_mtime >= SOURCE.stat().st_mtime:
        return made
    found = compiler()
    if found is None:
        raise FileNotFoundError("the benchmarks need a C compiler (cc)")
    OUT.mkdir(parents=True, exist_ok=True)
    fresh = OUT / f"device.{os.getpid()}"  # whoever builds at the same time has another
    subprocess.run([found, "-O2", "-Wall", "-Wextra", "-o", fresh, SOURCE, "-lutil"], check=True)
    return fresh.replace(made)


@contextmanager
def running(
    kind: str,
    baud: int = 0,
    latency: float = 0.0,
    *,
    read_size: int = 0,
    frame: int = 0,
    each: int = 0,
    idle: bool = False,
) -> Iterator[Device]:
    """A device of this kind ("esp", "bg96"). baud 0: no line; latency in seconds before each
    answer; read_size: the most that one read gives; frame: the most that one send takes (an ESP takes
    2048, and with 8192 says so, as since v2.4), 0 in both: as usual; each: bytes that a source has, 0 without end;
    idle: sleep for the host's move instead of watching for it (many devices at once)."""
    arguments = ["-b", baud, "-l", latency * 1e6, "-r", read_size, "-f", frame, "-e", each]
    with subprocess.Popen(
        [build().resolve(), *map(str, arguments), *(["-i"] if idle else []), kind],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        _pin(process.pid, _CORES[-1:])
        try:
            yield Device(process)
        finally:
            process.terminate()
