"""What is measured: one task for each figure's place, by part of the suite.

Every task is run several times, all tasks of a part in turn, so that a slow minute of the machine
falls on all of them alike.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

Figures = dict[str, float]
ROOT = Path(__file__).resolve().parent.parent


class Task(NamedTuple):
    """One measurement: where it stands in the tables, and how it is taken."""

    part: str
    name: str
    take: Callable[[], Figures]


class Failed(Exception):
    """A measurement ended with an error: a byte out of its place, or no figures at all."""


LINES = {
    "esp": {"115200": 2.2, "921600": 1.5, "3000000": 1.0, "unpaced": 0.0},
    "bg96": {"115200": 2.2, "921600": 1.5, "usb": 1.5, "unpaced": 0.0},
}
"""Lines of each module, and seconds of a transfer. usb: no baud, 3 ms before each answer."""
SOCKETS = {"esp": (1, 5), "bg96": (1, 5, 12)}
LATENCY = 0.003
MB = 2**20
UNPACED = 8 << 20
FIGURES = (
    "rate", "share", "typical_share", "of_line", "line_share", "spread", "turnarounds", "p10_us", "median_us", "p99_us",
    "max_us", "up_by_down", "cpu_ms_per_mb", "echo_median_ms", "echo_p99_ms", "echo_frames", "memory_mib",
)  # fmt: skip
"""What is kept of a measurement of `wire`."""


def wire(*arguments: str, folder: Path | None = None) -> Figures:
    """One run of `benchmarks.wire`. Raises Failed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.wire", *arguments],
        check=False, capture_output=True, text=True, timeout=180, cwd=folder or ROOT,
    )  # fmt: skip
    if done.returncode:
        raise Failed(f"benchmarks.wire {' '.join(arguments)}:\n{done.stderr.strip()}")
    found = json.loads(done.stdout)
    if folder is not None and Path(found["driver"]).resolve() != (folder / "atdriver").resolve():
        raise Failed(f"{folder}: the driver was taken from {found['driver']}")
    return {name: found[name] for name in FIGURES if found[name] is not None}


def line(name: str, seconds: float, scale: float) -> tuple[str, ...]:
    """The options of `wire` for a line of this name."""
    if name == "unpaced":
        return ("--size", str(int(UNPACED * scale)))
    pace = ("--latency", str(LATENCY)) if name == "usb" else ("--baud", name)
    return (*pace, "--seconds", str(seconds * scale))


def wires(scale: float) -> Iterator[Task]:
    """Every module on every line, up and down, on one and on more sockets."""
    for kind, lines in LINES.items():
        for name, seconds in lines.items():
            options = line(name, seconds, scale)
            for what in ("down", "up", "both", "duplex", "echo"):
                for count in SOCKETS[kind] if what in ("down", "up") else (1,):
                    if count == 5 and kind == "bg96" and name in ("115200", "unpaced"):
                        continue  # 1 and 12 frame it
                    if what == "duplex" and name not in ("921600", "unpaced"):
                        continue
                    own = ("--exchanges", "40") if what == "echo" and name == "115200" else ()
                    yield Task("wire", f"{kind} {name} {what} {count}", partial(
                        wire, kind, "--what", what, "--sockets", str(count), *options, *own))  # fmt: skip


def push(scale: float) -> Iterator[Task]:
    """ESP with active receive: the port has flow control (a pty holds back as RTS/CTS does)."""
    for name, seconds in LINES["esp"].items():
        yield Task("push", f"esp {name} down 1", partial(
            wire, "esp", "--what", "down", *line(name, seconds, scale), "--setting", "receive=push"))  # fmt: skip


def large(scale: float) -> Iterator[Task]:
    """Frames of 8192 bytes, as ESP-AT takes them since v2.4, except on an ESP8266."""
    for name, seconds in LINES["esp"].items():
        yield Task("large", f"esp {name} up 1", partial(
            wire, "esp", "--what", "up", *line(name, seconds, scale), "--frame", "8192"))  # fmt: skip


def fast(scale: float) -> Iterator[Task]:
    """Found at 115200; the driver raises the rate after bring-up and puts it back at the end."""
    for kind, rate in (("esp", "3000000"), ("bg96", "921600")):
        for what in ("down", "up"):
            yield Task("fast", f"{kind} 115200 to {rate} {what} 1", partial(
                wire, kind, "--what", what, *line("115200", 1.0, scale), "--setting", f"fast={rate}"))  # fmt: skip


def fair(scale: float) -> Iterator[Task]:
    """Five bulk sockets over 200 frames each and more; small exchanges beside four downloads."""
    for what, frame in (("down", 1460), ("up", 2048)):
        size = str(5 * 200 * frame)
        yield Task("fair", f"esp unpaced {what} 5", partial(
            wire, "esp", "--what", what, "--sockets", "5", "--size", size))  # fmt: skip
    count = str(max(20, int(60 * scale)))
    for baud in ("921600", "3000000"):
        yield Task("fair", f"esp {baud} mixed 4", partial(
            wire, "esp", "--what", "mixed", "--sockets", "4", "--baud", baud, "--exchanges", count))  # fmt: skip


def doors(scale: float) -> Iterator[Task]:
    """The same transfer through each way into the driver."""
    for name in ("unpaced", "921600"):
        for door in ("socket", "streams", "anyio", "blocking", "proxy"):
            for what in ("down", "up", "echo"):
                if name == "921600" and (door not in ("socket", "proxy") or what == "echo"):
                    continue
                yield Task("doors", f"esp {name} {what} {door}", partial(
                    wire, "esp", "--what", what, "--through", door, *line(name, 2.0, scale)))  # fmt: skip
    yield Task("doors", "esp 3000000 echo blocking", partial(
        wire, "esp", "--what", "echo", "--through", "blocking", "--baud", "3000000"))  # fmt: skip


def layers(scale: float) -> Iterator[Task]:
    """What is below the socket, in memory."""
    from benchmarks import framer
    from benchmarks.layers import LAYERS, cost

    def of_framer(make: Callable[[int], bytes], dialect: framer.Dialect, chunk: int) -> Figures:
        return {"cpu_ms_per_mb": framer.cpu_per_mb(make(2 * framer.MB), dialect, chunk, runs=3)}

    for name, make, dialect in framer.STREAMS:
        for chunk in framer.CHUNKS:
            yield Task("layers", f"framer, {name}, {chunk} B a read",
                       partial(of_framer, make, dialect, chunk))  # fmt: skip
    for name, layer in LAYERS.items():
        yield Task("layers", name, partial(cost, layer, int(10000 * scale)))


def many(scale: float) -> Iterator[Task]:
    """1 to 64 modems in one process."""
    from benchmarks.many import measure

    for count in (1, 4, 16, 64):
        yield Task("many", f"{count}", partial(measure, count, max(0.5, scale)))


STARTS = {
    "import atdriver": ("-c", "import atdriver"),
    "import atdriver, open_modem": ("-c", "from atdriver import open_modem"),
    "atdriver --help": ("-m", "atdriver", "--help"),
    "python alone": ("-c", "pass"),
}


def start(scale: float) -> Iterator[Task]:
    """Starting: whole processes."""
    del scale

    def seconds(arguments: tuple[str, ...]) -> Figures:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            times.append((time.perf_counter() - began) * 1e3)
        return {"wall_ms": min(times)}  # other work only adds

    for name, arguments in STARTS.items():
        yield Task("start", name, partial(seconds, arguments))


def fakes(scale: float) -> Iterator[Task]:
    """The simulated modules that the tests use."""
    from benchmarks import fakes as own

    yield Task("fakes", "unpaced download, ESP8266 in push mode",
               lambda: {"rate": own.download(int(40_000_000 * scale))})  # fmt: skip
    for baud in (115200, 921600, 3_000_000):
        yield Task("fakes", f"pacing at {baud} baud",
                   lambda baud=baud: {"off": own.pacing(baud, 3.0 * scale)})  # fmt: skip
    for module in ("esp8266", "bg96"):
        yield Task("fakes", f"idle {module}",
                   lambda module=module: {"core": own.idle(module, 3.0 * scale)})  # fmt: skip


def beside(scale: float) -> Iterator[Task]:
    """Other programs on the same device."""
    from benchmarks.peers import peers

    return peers(scale)


PARTS: dict[str, Callable[[float], Iterator[Task]]] = {
    "wire": wires,
    "push": push,
    "large": large,
    "fast": fast,
    "fair": fair,
    "doors": doors,
    "layers": layers,
    "many": many,
    "peers": beside,
    "start": start,
    "fakes": fakes,
}
