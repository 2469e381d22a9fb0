"""Command round trips and transfers through a simulated module on a pty, each in its own process.

CPU is that of this process alone: the driver with pyserial-asyncio. Everything here is simulated:
the module, its radio and its latency are a program.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from atdriver.exchange import Command
from atdriver.modem import assemble
from netsocket.interface import AsyncNetworkInterface

MB = 1 << 20
MODULES = (
    ("ESP8266 (E22)", "esp8266", "E22", {"ssid": "lab", "password": "secret99"}),
    ("ESP32-C3 (E24)", "esp8266", "E24", {"ssid": "lab", "password": "secret99"}),
    ("BG96", "bg96", "bg96", {}),
)
RATES = {"esp8266": (115200, 921600, 3_000_000), "bg96": (115200, 921600)}
"""The BG96's UART ends at 921600; beyond that it has USB."""


class Transfer(NamedTuple):
    """One direction: MB/s and ms CPU per MB."""

    speed: float
    cpu: float


class Row(NamedTuple):
    """One module: microseconds per command (wall median, wall p95, CPU), both directions."""

    name: str
    command: tuple[float, float, float]
    download: Transfer
    upload: Transfer


@contextmanager
def process(*arguments: str) -> Iterator[str]:
    """Run a Python module of ours; yields its first line."""
    child = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait(10)
        child.stdout.close()


@contextmanager
def fake(module: str, firmware: str, baud: int | None) -> Iterator[str]:
    """A simulated module on a pty; yields the pty's path."""
    arguments = ["atdriver", "fake", module, "--firmware", firmware, "--time-scale", "0"]
    arguments += ["--resolve", "far=127.0.0.1"]
    if module == "esp8266":
        arguments += ["--ap", "lab:secret99"]
    if baud:
        arguments += ["--baud", str(baud)]
    with process(*arguments) as line:
        yield line.removeprefix("port: ")


async def command_cost(net: AsyncNetworkInterface, count: int) -> tuple[float, float, float]:
    """One `AT` at a time."""
    channel = net.stack.channel  # type: ignore[attr-defined]
    times = []
    cpu = time.process_time()
    for _ in range(count):
        start = time.perf_counter()
        await channel.run(Command(b"AT", 3.0))
        times.append((time.perf_counter() - start) * 1e6)
    cpu = (time.process_time() - cpu) * 1e6 / count
    return statistics.median(times), statistics.quantiles(times, n=20)[-1], cpu


async def download(net: AsyncNetworkInterface, port: int, size: int) -> Transfer:
    sock = await net.connect(("far", port), timeout=20)
    await sock.sendall(b"GET %d\n" % size)
    cpu, start, got = time.process_time(), time.perf_counter(), 0
    while got < size:
        got += len(await sock.recv(65536))
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    await sock.close()
    return Transfer(size / MB / wall, cpu * 1000 * MB / size)


async def upload(net: AsyncNetworkInterface, port: int, size: int) -> Transfer:
    sock = await net.connect(("far", port), timeout=20)
    await sock.sendall(b"PUT %d\n" % size)
    data = bytes(64 * 1024)
    cpu, start, left = time.process_time(), time.perf_counter(), size
    while left:
        part = data[:left]
        await sock.sendall(part)
        left -= len(part)
    answer = await sock.recv(2)
    assert answer == b"OK", answer
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    await sock.close()
    return Transfer(size / MB / wall, cpu * 1000 * MB / size)


async def measure_one(
    module: str, firmware: str, settings: dict[str, str], port: int, baud: int | None, size: int
) -> tuple[tuple[float, float, float], Transfer, Transfer]:
    with fake(module, firmware, baud) as path:
        keywords = dict(settings, baud=baud) if baud else dict(settings)
        modem = assemble(f"{module}:{path}", keywords=keywords)
        async with AsyncNetworkInterface(modem.stack) as net:
            cost = await command_cost(net, 2000) if baud is None else (0.0, 0.0, 0.0)
            return cost, await download(net, port, size), await upload(net, port, size)


def unpaced(size: int = 8 * MB) -> list[Row]:
    """As fast as it goes."""
    with process("benchmarks.farend") as port:
        rows = []
        for name, module, firmware, settings in MODULES:
            found = asyncio.run(measure_one(module, firmware, settings, int(port), None, size))
            rows.append(Row(name, *found))
        return rows


def paced(seconds: float = 6.0) -> list[tuple[str, int, float, float]]:
    """(module, baud, share of the line's 10 bits a byte that is payload down, up)."""
    with process("benchmarks.farend") as port:
        rows = []
        for name, module, firmware, settings in MODULES:
            for baud in RATES[module]:
                size = int(baud / 10 * seconds)
                _, down, up = asyncio.run(
                    measure_one(module, firmware, settings, int(port), baud, size)
                )
                line = baud / 10 / MB
                rows.append((name, baud, down.speed / line, up.speed / line))
        return rows
