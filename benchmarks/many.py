"""What a process with many modems costs: memory, and CPU while they are silent and at work.

The simulated modules are served by this process; the driver is a process of its own (`python -m
benchmarks.many FAR_PORT SECONDS SPEC…`), whose memory and CPU are measured. Everything is simulated.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

from atdriver import aopen_modem
from benchmarks.transfers import process
from fakes import build
from fakes.running import RunningFake
from netsocket import AsyncTCPSocket

ROUNDS = 30
"""Round trips of each modem."""
SIZE = 100
"""Bytes of each, both ways."""


class Row(NamedTuple):
    """A driver process with `modems` modems: MiB it grew by for each, its share of a core while
    each has a silent connection, and CPU milliseconds of a round trip while all make them."""

    modems: int
    memory: float
    idle: float
    cpu: float


def resident() -> float:
    """MiB of this process in memory (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def drive(far: int, seconds: float, specs: list[str]) -> Row:
    """In the driver's process. The first modem brings the driver's code: it is not counted."""
    async with aopen_modem(specs[0]):
        before = resident()
    async with AsyncExitStack() as stack:
        opening = [stack.enter_async_context(aopen_modem(spec)) for spec in specs]
        nets = await asyncio.gather(*opening)
        memory = (resident() - before) / len(specs)
        socks = [await net.connect(("far", far), timeout=30) for net in nets]
        began = time.process_time()
        await asyncio.sleep(seconds)
        idle = (time.process_time() - began) / seconds
        began = time.process_time()
        await asyncio.gather(*map(round_trips, socks))
        cpu = (time.process_time() - began) / ROUNDS / len(socks)
    return Row(len(specs), memory, idle, 1000 * cpu)


async def round_trips(sock: AsyncTCPSocket) -> None:
    """One behind the other: the far end sends everything back."""
    await sock.sendall(f"PING {ROUNDS * SIZE}\n".encode())
    for _ in range(ROUNDS):
        await sock.sendall(bytes(SIZE))
        left = SIZE
        while left:
            part = await sock.recv(left)
            assert part, "the far end closed"
            left -= len(part)


def measure(counts: tuple[int, ...] = (1, 16), seconds: float = 3.0) -> list[Row]:
    """A row for each number of modems, ESP8266 and BG96 in turn."""
    with process("benchmarks.farend") as far:
        return [measure_one(int(far), count, seconds) for count in counts]


def measure_one(far: int, count: int, seconds: float) -> Row:
    """One driver process with `count` modems on ptys."""
    with ExitStack() as fakes:
        specs = []
        for number in range(count):
            module = ("esp8266", "bg96")[number % 2]
            wifi = {"access_points": {"lab": "secret99"}} if module == "esp8266" else {}
            fake = build(module, time_scale=0.0, resolve={"far": "127.0.0.1"}, **wifi)
            port = fakes.enter_context(RunningFake(fake)).port
            own = ",ssid=lab,password=secret99" if wifi else ""
            specs.append(f"{module}{own}:{port}")
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.many", str(far), str(seconds), *specs],
            stdout=subprocess.PIPE, check=True, timeout=120,
        )  # fmt: skip
    return Row(*json.loads(done.stdout))


def section(rows: list[Row]) -> str:
    """What docs/performance.md says of it."""
    lines = [
        "## Many modems in one process (simulated)\n\n"
        "One driver process, its modems on ptys, ESP8266 and BG96 in turn, each with a connection: "
        "silent, then 100 bytes there and back on all of them at the same time. Memory is what the "
        "process grew by; the driver's code, which the first modem brings, is not counted.\n\n"
        "| modems | memory, MiB each | silent: CPU of all | round trip: CPU ms |\n"
        "| --- | --- | --- | --- |\n"
    ]
    for row in rows:
        lines.append(
            f"| {row.modems} | {row.memory:.2f} | {row.idle:.1%} of a core | {row.cpu:.2f} |\n"
        )
    return "".join(lines)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))))
