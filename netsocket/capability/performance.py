"""How fast a stack is: connecting, round trips, throughput.

Figures, not promises: nothing here can contradict a claim. What was sent is timed where it
arrived, at the far end. Each series ends after a fixed number, or earlier after `SECONDS`, so that
a slow radio costs neither minutes nor much of its data allowance.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from netsocket.capability.farend import FarEnd
from netsocket.capability.farend_services import until
from netsocket.capability.probes.tools import connected, pattern, receive
from netsocket.errors import CallTimeout
from netsocket.interface import AsyncNetworkInterface

SAMPLES: Final = 50
"""Most samples of one kind of latency."""
AT_LEAST: Final = 4
"""Samples, or messages, whatever they take."""
SECONDS: Final = 0.4
"""After this time a series takes no further sample."""
MESSAGE: Final = 32
"""Bytes of a message that goes there and back."""
SIZES: Final = (16, 128, 1024, 4096)
"""Bytes of one send or recv; the last is longer than one frame of any module known here."""
BUDGET: Final = 128 * 1024
"""Most bytes in one direction with one size."""
PATIENCE: Final = 3.0
"""Seconds after which a datagram counts as lost."""
LIMIT: Final = 30.0
"""Seconds for one series, whatever happens."""


@dataclass
class Latency:
    """Durations in milliseconds, in the order in which they were taken."""

    name: str
    what: str
    samples: list[float] = field(default_factory=list)
    lost: int = 0
    error: str = ""

    @property
    def median(self) -> float | None:
        """None without samples."""
        return statistics.median(self.samples) if self.samples else None

    @property
    def p95(self) -> float | None:
        """The least sample that 95 % of all do not exceed; None without samples."""
        if not self.samples:
            return None
        return sorted(self.samples)[-(-len(self.samples) * 95 // 100) - 1]


@dataclass
class Throughput:
    """Bytes in one direction, moved by calls of `size` bytes each."""

    direction: str
    size: int
    bytes: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def rate(self) -> float | None:
        """Bytes in a second; None when nothing was moved."""
        return self.bytes / self.seconds if self.bytes and self.seconds > 0 else None


@dataclass
class Performance:
    """All figures of one stack."""

    latency: list[Latency]
    throughput: list[Throughput]


async def measure(net: AsyncNetworkInterface, far: FarEnd) -> Performance:
    """Take all figures. What fails says so in its `error`. Raises FarEndLost, and what the far
    end raises when it does not admit this stack."""
    await far.admit(net)
    latency = [
        Latency("connect", "TCP connect"),
        Latency("tcp", f"TCP round trip, {MESSAGE} B"),
        Latency("udp", f"UDP round trip, {MESSAGE} B"),
    ]
    for series, work in zip(latency, (_connect, _tcp, _udp), strict=True):
        await _guarded(series, work(net, far, series))
    throughput = []
    for size in SIZES:
        for direction, move in (("up", _up), ("down", _down)):
            throughput.append(Throughput(direction, size))
            await _guarded(throughput[-1], move(net, far, throughput[-1]))
    far.check()
    return Performance(latency, throughput)


async def _guarded(series: Latency | Throughput, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(LIMIT):
            await work
    except (OSError, ValueError) as error:
        late = isinstance(error, TimeoutError) and not str(error)
        series.error = f"not finished within {LIMIT:g} s" if late else str(error) or repr(error)


async def _sample(series: Latency, once: Callable[[], Awaitable[float]]) -> None:
    """Take samples until there are enough, or the time is over."""
    begun = time.monotonic()
    while (taken := len(series.samples) + series.lost) < SAMPLES:
        if taken >= AT_LEAST and time.monotonic() - begun > SECONDS:
            return
        try:
            series.samples.append(await once() * 1000)
        except CallTimeout:
            series.lost += 1


async def _connect(net: AsyncNetworkInterface, far: FarEnd, series: Latency) -> None:
    async def once() -> float:
        async with net.tcp_socket() as sock:
            await sock.open()
            begun = time.monotonic()
            await sock.connect(far.address("discard"))
            return time.monotonic() - begun

    await _sample(series, once)


async def _tcp(net: AsyncNetworkInterface, far: FarEnd, series: Latency) -> None:
    async with connected(net, far, "echo") as (sock, _):
        sock.settimeout(None)  # a late answer would be taken for the next one's

        async def once() -> float:
            begun = time.monotonic()
            await sock.sendall(pattern(MESSAGE))
            if len(await receive(sock, MESSAGE)) < MESSAGE:
                raise ConnectionError("the connection ended")
            return time.monotonic() - begun

        await _sample(series, once)


async def _udp(net: AsyncNetworkInterface, far: FarEnd, series: Latency) -> None:
    async with net.udp_socket() as sock:
        await sock.connect(far.datagram_address("echo"))
        sock.settimeout(PATIENCE)

        async def once() -> float:
            message = pattern(MESSAGE, len(series.samples) + series.lost)
            begun = time.monotonic()
            await sock.send(message)
            while await sock.recv(MESSAGE) != message:
                pass  # one that was given up came late
            return time.monotonic() - begun

        await _sample(series, once)


def _enough(moved: int, size: int, begun: float) -> bool:
    if moved < AT_LEAST * size:
        return False
    return moved >= BUDGET or time.monotonic() - begun > SECONDS


async def _up(net: AsyncNetworkInterface, far: FarEnd, found: Throughput) -> None:
    data, sent = pattern(found.size), 0
    async with connected(net, far, "discard") as (sock, seen):
        begun = time.monotonic()
        while not _enough(sent, found.size, begun):
            await sock.sendall(data)
            sent += found.size
        await until(lambda: len(seen.received) >= sent, LIMIT)
        ended = seen.last or time.monotonic()  # a far end elsewhere has a clock of its own
        found.bytes, found.seconds = sent, ended - begun


async def _down(net: AsyncNetworkInterface, far: FarEnd, found: Throughput) -> None:
    async with connected(net, far, "chargen") as (sock, _):
        await sock.recv(found.size)  # the clock starts when data flows
        begun, got = time.monotonic(), 0
        while not _enough(got, found.size, begun):
            data = await sock.recv(found.size)
            if not data:
                raise ConnectionError("the connection ended")
            got += len(data)
        found.bytes, found.seconds = got, time.monotonic() - begun
