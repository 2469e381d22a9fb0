"""One measurement against the reference device, in a process of its own; prints JSON.

    python -m benchmarks.wire esp --baud 921600 --what down --sockets 5 --seconds 4

The driver is whatever `atdriver` this interpreter finds: `bench-compare` runs it on two trees.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import time
from dataclasses import asdict
from typing import Any

from atdriver.modem import assemble
from benchmarks.device import ECHO_PORT, SINK_PORT, SOURCE_PORT, running
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

MODULES = {"esp": "esp8266", "bg96": "bg96"}
UNPACED = 16 << 20
"""Bytes of a transfer without a line."""
BLOCK = bytes(64 * 1024)


async def download(sock: AsyncTCPSocket, size: int) -> None:
    """Take `size` bytes or a little more."""
    while size > 0:
        size -= len(await sock.recv(65536))


async def upload(sock: AsyncTCPSocket, size: int) -> None:
    """Send `size` bytes."""
    while size > 0:
        await sock.sendall(BLOCK[:size])
        size -= len(BLOCK)


async def echo(sock: AsyncTCPSocket, count: int) -> list[float]:
    """32 bytes there and back, again and again: seconds of each."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        await sock.sendall(BLOCK[:32])
        left = 32
        while left:
            left -= len(await sock.recv(left))
        times.append(time.perf_counter() - begun)
    return times


async def transfer(net: AsyncNetworkInterface, what: str, sockets: int, size: int) -> list[float]:
    """Do it on so many sockets at once; echo times, if any."""
    ports = {"down": [SOURCE_PORT], "up": [SINK_PORT], "both": [SOURCE_PORT, SINK_PORT],
             "echo": [ECHO_PORT], "mixed": [SOURCE_PORT]}[what]  # fmt: skip
    socks = [
        await net.connect(("far", port), timeout=20)
        for port in (*ports * sockets, *([ECHO_PORT] if what == "mixed" else []))
    ]
    share = max(1, size // len(socks))
    work: list[Any] = []
    for number, sock in enumerate(socks):
        port = ECHO_PORT if number >= len(ports) * sockets else ports[number % len(ports)]
        if port == SOURCE_PORT:
            work.append(download(sock, share))
        elif port == SINK_PORT:
            work.append(upload(sock, share))
        else:
            work.append(echo(sock, 200 if what == "mixed" else size // 64))
    found = await asyncio.gather(*work)
    for sock in socks:
        await sock.close()
    return [one for times in found if times for one in times]


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The device's report with the cost to this process."""
    size = int(options.baud / 10 * options.seconds) if options.baud else options.size
    kind = options.kind
    keywords: dict[str, Any] = {"ssid": "lab", "password": "secret99"} if kind == "esp" else {}
    if options.baud:
        keywords["baud"] = options.baud
    with running(kind, options.baud, options.latency, options.read) as device:
        text = MODULES[kind] + "".join(f",{each}" for each in options.setting)
        modem = assemble(f"{text}:{device.path}", keywords=keywords)
        async with AsyncNetworkInterface(modem.stack) as net:
            used = time.process_time()
            times = await transfer(net, options.what, options.sockets, size)
            used = time.process_time() - used
        report = device.report()
    moved = report.down + report.up
    return {
        **asdict(report),
        "cpu_ms_per_mb": used * 1e3 * 2**20 / moved,
        "echo_median_ms": statistics.median(times) * 1e3 if times else None,
        "echo_p99_ms": statistics.quantiles(times, n=100)[-1] * 1e3 if len(times) > 1 else None,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire", description=__doc__)
    parser.add_argument("kind", choices=sorted(MODULES))
    parser.add_argument("--what", choices=("down", "up", "both", "echo", "mixed"), default="down")
    parser.add_argument("--baud", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--read", type=int, help="most bytes that one read gives")
    parser.add_argument("--sockets", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="of line time")
    parser.add_argument("--size", type=int, default=UNPACED, help="bytes, without a line")
    parser.add_argument("--setting", action="append", default=[], help="name=value of the driver")
    sys.stdout.write(json.dumps(asyncio.run(measure(parser.parse_args()))) + "\n")


if __name__ == "__main__":
    main()
