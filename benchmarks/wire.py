"""One measurement against the reference device, in a process of its own; prints JSON.

    python -m benchmarks.wire esp --baud 921600 --what down --sockets 5 --seconds 4

The driver is whatever `atdriver` this interpreter finds: `compare` runs it on two trees. What went in
at one end has come out at the other, byte for byte, or there is no figure but an error (status 1).
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
from pathlib import Path
from typing import Any

import atdriver
from atdriver.modem import Modem, assemble
from benchmarks import limits, plain
from benchmarks.device import FRAME, Report, apart, is_pattern, pattern_at, running
from benchmarks.doors import DOORS, Connection
from netsocket.blocking_interface import NetworkInterface
from netsocket.interface import AsyncNetworkInterface

MODULES = {"esp": "esp8266", "bg96": "bg96"}
KINDS = {
    "down": ["down"],
    "up": ["up"],
    "both": ["down", "up"],
    "duplex": ["duplex"],
    "echo": ["echo"],
    "mixed": ["down"],
}
"""What a socket does, "duplex" both at once; of "mixed" one more socket makes exchanges."""
TWO_WAY = ("both", "duplex")
UNPACED = 8 << 20
"""Bytes of a transfer without a line."""
MB = 2**20


async def download(connection: Connection, size: int) -> list[float]:
    """Take `size` bytes and look at them."""
    at = 0
    while at < size:
        data = await connection.receive()
        if not data or not is_pattern(data, at):
            raise plain.wrong(at)
        at += len(data)
    return []


async def upload(connection: Connection, size: int) -> list[float]:
    """Send `size` bytes."""
    for at in range(0, size, plain.PIECE):
        await connection.send(pattern_at(at, min(plain.PIECE, size - at)))
    return []


async def duplex(connection: Connection, size: int) -> list[float]:
    """Take `size` bytes and send as many meanwhile."""
    await asyncio.gather(download(connection, size), upload(connection, size))
    return []


async def echo(connection: Connection, count: int) -> list[float]:
    """A few bytes there and back, again and again: seconds of each."""
    times = []
    for at in range(0, count * plain.SMALL, plain.SMALL):
        begun = time.perf_counter()
        await connection.send(pattern_at(at, plain.SMALL))
        got = b""
        while len(got) < plain.SMALL:
            part = await connection.receive()
            if not part:
                raise plain.wrong(at)
            got += part
        times.append(time.perf_counter() - begun)
        if not is_pattern(got, at):
            raise plain.wrong(at)
    return times


WORK = {"down": download, "up": upload, "duplex": duplex, "echo": echo}
Found = tuple[list[float], float]
"""Seconds of each exchange, if any; CPU seconds of this process."""


async def by_asyncio(modem: Modem, options: argparse.Namespace, amount: int) -> Found:
    """On so many sockets at once."""
    kinds = KINDS[options.what] * options.sockets
    async with AsyncNetworkInterface(modem.stack) as net:
        opened = [await DOORS[options.through](net, plain.PORTS[kind]) for kind in kinds]
        beside = None
        if options.what == "mixed":
            beside = await DOORS[options.through](net, plain.PORTS["echo"])
        began = time.process_time()
        work = [
            asyncio.create_task(WORK[kind](connection, amount))
            for kind, connection in zip(kinds, opened, strict=True)
        ]
        if beside is None:
            times = [one for found in await asyncio.gather(*work) for one in found]
        else:  # the others go on without end
            times = await echo(beside, options.exchanges)
            opened.append(beside)
            for task in work:
                task.cancel()
            ended = await asyncio.gather(*work, return_exceptions=True)
            bad = [one for one in ended if not isinstance(one, asyncio.CancelledError)]
            if bad:
                raise RuntimeError(f"a download ended by itself: {bad}")
        used = time.process_time() - began
        for connection in opened:
            await connection.close()
    return times, used


def by_blocking_face(modem: Modem, options: argparse.Namespace, amount: int) -> Found:
    """One plain socket of the blocking interface."""
    with NetworkInterface(modem.stack) as net:
        with net.create_connection(("far", plain.PORTS[options.what]), timeout=20) as sock:
            began = time.process_time()
            times = plain.WORK[options.what](sock, amount)
        # Behind the closing: what an upload has handed over is sent by then.
        used = time.process_time() - began
    return times, used


async def by_proxy(modem: Modem, options: argparse.Namespace, amount: int) -> Found:
    """A program of its own behind the proxy; the CPU is that of driver and proxy."""
    from netsocket.adapters.destinations import Destinations
    from netsocket.adapters.pool import Pool
    from netsocket.adapters.proxy import Proxy

    async with (
        AsyncNetworkInterface(modem.stack) as net,
        Pool.of(net) as pool,
        Proxy(pool, destinations=Destinations.of(allow=["private"])) as proxy,
    ):
        address = await proxy.listen(port=0)
        began = time.process_time()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.plain", str(address.port), options.what, str(amount),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, _ = await child.communicate()
        if child.returncode:
            raise RuntimeError("the program behind the proxy has failed")
        while pool.status().in_use:  # noqa: ASYNC110  # what an upload has handed over is on its way
            await asyncio.sleep(0.002)
        used = time.process_time() - began
    return json.loads(told), used


def amounts(options: argparse.Namespace) -> tuple[int, int]:
    """What each socket does (bytes or exchanges), and the device's own limit for a link."""
    kind, latency = options.kind, options.latency
    if options.what == "mixed":
        return 1 << 40, 0
    if options.what == "echo":
        return options.exchanges, 0
    sockets = options.sockets * len(KINDS[options.what])
    size = options.size
    if options.baud or latency:
        two_way = options.what in TWO_WAY
        down, up = options.what != "up" or two_way, options.what == "up" or two_way
        rate = 1 / limits.seconds(kind, options.baud, latency, down, up, push=options.push)
        size = int(rate * options.seconds) * len(KINDS[options.what])
    # Whole frames; of both directions at once nearly.
    if options.what in TWO_WAY:
        frame = 10220 if kind == "esp" else 52500
    else:
        frame = options.frame or FRAME[kind, options.what]
    each = max(2, round(size / sockets / frame)) * frame
    return each, each


def check(options: argparse.Namespace, amount: int, report: Report) -> None:
    """Every byte passed once, in its place. Raises ValueError."""
    if report.wrong:
        raise ValueError(f"the device got {report.wrong} pieces that were not sent so")
    if options.what == "mixed":
        return
    per = plain.SMALL * amount if options.what == "echo" else amount
    want = sorted(
        (per if kind != "up" else 0, per if kind != "down" else 0)
        for kind in KINDS[options.what] * options.sockets
    )
    got = sorted((down, up) for _, down, up in report.links)
    if want != got:
        raise ValueError(f"bytes down and up of each link: {want} asked, {got} at the device")


def judge(options: argparse.Namespace, report: Report, found: Found) -> dict[str, Any]:
    """The figures: those of the device, and the cost to this process.

    rate: payload bytes a second; share: of what the limits allow; typical_share: the share if every
    turnaround took as long as the median one, which other work on the machine hardly changes;
    of_line: of the bytes that a line carries in that time, how many were payload;
    line_share: of the time, how much the device did not wait for the host; spread: of the bytes of
    equal sockets when the first was done; echo_frames: the median exchange beside downloads, in
    times of a frame of 1460 bytes; up_by_down: of one socket that does both, the bytes sent by those
    received when the first of them were all there.
    """
    times, used = found
    down, up, taken = report.window
    push = options.push
    best = limits.seconds(
        options.kind, options.baud, options.latency, down, up, push=push, frame=options.frame
    )
    if options.what == "echo":
        exchange = limits.esp_exchange if options.kind == "esp" else limits.bg96_exchange
        best = exchange(options.baud, plain.SMALL, options.latency) * (len(times) - 1)
    alike = options.what in ("down", "up")
    bulk = [max(one[1:]) for one in report.when_first_done] if alike else []
    ways = report.when_first_done[0][1:] if options.what == "duplex" else (0, 1)
    paced = bool(options.baud or options.latency)
    frame = limits.seconds(options.kind, options.baud, options.latency, 1460, 0, push=push)
    middle = statistics.median(times) if times else None
    typical = best + report.turnarounds * report.median_us / 1e6
    return {
        **asdict(report),
        "rate": (down + up) / taken if taken else None,
        "share": best / taken if taken and paced else None,
        "typical_share": best / typical if typical and paced else None,
        "of_line": (down + up) / taken * 10 / options.baud if taken and options.baud else None,
        "line_share": 1 - report.sum_us / 1e6 / taken if taken else None,
        "spread": (max(bulk) - min(bulk)) / statistics.mean(bulk) if len(bulk) > 1 else None,
        "up_by_down": ways[1] / ways[0] if ways[0] else None,
        "cpu_ms_per_mb": used * 1e3 * MB / (report.down + report.up),
        "echo_median_ms": middle * 1e3 if middle else None,
        "echo_frames": middle / frame if middle and options.what == "mixed" else None,
        "echo_p99_ms": statistics.quantiles(times, n=100)[-1] * 1e3 if len(times) > 1 else None,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "driver": str(Path(atdriver.__file__).parent),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One transfer and its figures. Raises ValueError for a byte that is not in its place."""
    options.push = "receive=push" in options.setting
    home, settings = options.baud, dict(each.split("=", 1) for each in options.setting)
    if home:
        options.baud = int(settings.get("fast", home))  # on which payload passes
    amount, each = amounts(options)
    keywords: dict[str, Any] = {}
    if options.kind == "esp":
        keywords = {"ssid": "lab", "password": "secret99"}
    if home:
        keywords["baud"] = home
    with running(
        options.kind, home, options.latency,
        read_size=options.read, frame=options.frame, each=each,
    ) as device:  # fmt: skip
        text = MODULES[options.kind] + "".join(f",{each}" for each in options.setting)
        modem = assemble(f"{text}:{device.path}", keywords=keywords)
        if options.through == "blocking":
            found = by_blocking_face(modem, options, amount)
        elif options.through == "proxy":
            found = asyncio.run(by_proxy(modem, options, amount))
        else:
            found = asyncio.run(by_asyncio(modem, options, amount))
        report = device.report()
    check(options, amount, report)
    return judge(options, report, found)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire", description=__doc__)
    parser.add_argument("kind", choices=sorted(MODULES))
    parser.add_argument("--what", choices=tuple(KINDS), default="down")
    parser.add_argument("--through", choices=(*DOORS, "blocking", "proxy"), default="socket")
    parser.add_argument("--baud", type=int, default=0, help="0: no line, bytes pass at once")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--read", type=int, default=0, help="most bytes that one read gives")
    parser.add_argument("--frame", type=int, default=0, help="most bytes that one send takes")
    parser.add_argument("--sockets", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a transfer that is paced")
    parser.add_argument("--size", type=int, default=UNPACED, help="bytes of one that is not")
    parser.add_argument("--exchanges", type=int, default=200, help="of echo and mixed")
    parser.add_argument("--setting", action="append", default=[], help="name=value of the driver")
    options = parser.parse_args(arguments)
    if options.through in ("blocking", "proxy") and (
        options.sockets > 1 or options.what not in plain.WORK
    ):
        parser.error(f"{options.through}: one socket, and down, up or echo")
    return options


def main() -> None:
    """Print one JSON object."""
    apart()
    try:
        found = measure(parse())
    except ValueError as error:
        sys.exit(f"benchmarks.wire: {error}")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
