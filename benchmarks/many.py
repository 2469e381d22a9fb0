"""What a process with many modems costs: throughput, CPU per MB, memory, and CPU while all are silent.

The driver is a process of its own (`python -m benchmarks.many SECONDS SPEC…`) with one connection on
each modem; the modems are reference devices without a line that think for 3 ms (as over USB), ESP and
BG96 in turn. Everything is simulated.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack

from atdriver import aopen_modem
from benchmarks import doors, plain
from benchmarks.device import apart, is_pattern, running

LATENCY = 0.003
SPECS = {"esp": "esp8266,ssid=lab,password=secret99:{}", "bg96": "bg96:{}"}
MB = 2**20


def resident() -> float:
    """MiB of this process in memory (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def drive(seconds: float, specs: list[str]) -> dict[str, float]:
    """In the driver's process. What the first modems of each kind bring, the driver's code, is not
    counted."""
    for spec in specs[:2]:
        async with aopen_modem(spec):
            before = resident()
    async with AsyncExitStack() as stack:
        nets = await asyncio.gather(
            *[stack.enter_async_context(aopen_modem(spec)) for spec in specs]
        )
        quiet = [await doors.socket(net, plain.PORTS["echo"]) for net in nets]
        memory = (resident() - before) / len(specs)
        began = time.process_time()
        await asyncio.sleep(seconds)
        idle = (time.process_time() - began) / seconds
        for connection in quiet:
            await connection.close()
        busy = [await doors.socket(net, plain.PORTS["down"]) for net in nets]
        until = time.monotonic() + seconds
        began = time.process_time()
        moved = sum(await asyncio.gather(*[download(connection, until) for connection in busy]))
        used = time.process_time() - began
        for connection in busy:
            await connection.close()
        memory = max(memory, (resident() - before) / len(specs))
    return {
        "rate": moved / seconds,
        "cpu_ms_per_mb": used * 1e3 * MB / moved,
        "core": used / seconds,
        "memory_mib_each": memory,
        "idle_core": idle,
    }


async def download(connection: doors.Connection, until: float) -> int:
    """Bytes that came until then."""
    at = 0
    while time.monotonic() < until:
        data = await connection.receive()
        if not data or not is_pattern(data, at):
            raise plain.wrong(at)
        at += len(data)
    return at


def measure(count: int, seconds: float) -> dict[str, float]:
    """One driver process with `count` modems."""
    with ExitStack() as devices:
        specs = []
        for number in range(count):
            kind = ("esp", "bg96")[number % 2]
            device = devices.enter_context(running(kind, latency=LATENCY, idle=True))
            specs.append(SPECS[kind].format(device.path))
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.many", str(seconds), *specs],
            stdout=subprocess.PIPE, check=True, timeout=120,
        )  # fmt: skip
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    apart()
    print(json.dumps(asyncio.run(drive(float(sys.argv[1]), sys.argv[2:]))))
