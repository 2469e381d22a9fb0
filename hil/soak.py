"""Soak: echo traffic for hours, every byte of which says what it is.

A message is a head (number, length) and a filler that follows from the number, so that a lost,
doubled, swapped or foreign byte is known as such wherever it turns up. Connections are given up
and opened again all the time; one that breaks is counted and opened again.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import struct
from dataclasses import asdict, dataclass
from typing import Final

from hil.seam import BudgetSpent
from netsocket.capability.farend import FarEnd
from netsocket.capability.probes.tools import receive
from netsocket.interface import AsyncNetworkInterface

HEAD: Final = struct.Struct(">IH")
SIZES: Final = (1, 64, 500, 1220, 1460, 3000, 7, 1461)
PER_CONNECTION: Final = 24
"""Messages before a connection is given up for the next one."""
LIMIT: Final = 60.0
"""Seconds for one message there and back."""
IN_A_ROW: Final = 10
"""Connections that fail one after the other before the module is taken for dead."""
PAUSE: Final = 1.0


class Corrupt(Exception):
    """Bytes came back that were not sent, or not all of them."""


@dataclass
class Counts:
    """What a soak has seen."""

    messages: int = 0
    bytes: int = 0
    connections: int = 0
    broken: int = 0
    datagrams: int = 0
    datagrams_lost: int = 0
    seconds: float = 0.0
    ended: str = "time is up"

    def __str__(self) -> str:
        shown = {**asdict(self), "seconds": round(self.seconds, 1)}
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def message(number: int) -> bytes:
    """The message of that number: head and filler."""
    size = SIZES[number % len(SIZES)]
    block = hashlib.sha256(b"%d" % number).digest()
    return HEAD.pack(number, size) + (block * (size // len(block) + 1))[:size]


async def soak(net: AsyncNetworkInterface, far: FarEnd, seconds: float) -> Counts:
    """Run for so long. Raises Corrupt, ConnectionError (dead), FarEndLost."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    counts = Counts()
    numbers = itertools.count()
    failures = 0
    while loop.time() - begun < seconds:
        far.check()
        try:
            await far.admit(net)
            await _connection(net, far, numbers, counts, begun + seconds)
            await _datagram(net, far, next(numbers), counts)
            failures = 0
        except OSError as error:
            if error.errno == BudgetSpent.number:
                counts.ended = str(error.strerror)
                break
            counts.broken += 1
            failures += 1
            if failures >= IN_A_ROW:
                raise ConnectionError(f"{failures} connections failed in a row: {error}") from error
            await asyncio.sleep(PAUSE)
        for service in (*far.tcp.values(), *far.udp.values()):
            _forget(service)
    counts.seconds = loop.time() - begun
    return counts


async def _connection(
    net: AsyncNetworkInterface,
    far: FarEnd,
    numbers: itertools.count[int],
    counts: Counts,
    end: float,
) -> None:
    async with net.tcp_socket() as sock:
        sock.settimeout(LIMIT)
        await sock.connect(far.address("echo"))
        counts.connections += 1
        for number in itertools.islice(numbers, PER_CONNECTION):
            data = message(number)
            await sock.sendall(data)
            back = await receive(sock, len(data))
            if back != data:
                if data.startswith(back):
                    raise ConnectionResetError("the connection ended early")
                raise Corrupt(_wrong(number, data, back))
            counts.messages += 1
            counts.bytes += 2 * len(data)
            if asyncio.get_running_loop().time() > end:
                return


async def _datagram(net: AsyncNetworkInterface, far: FarEnd, number: int, counts: Counts) -> None:
    """One datagram there and back; the network may lose it, nobody may change it."""
    data = HEAD.pack(number, 100) + hashlib.sha256(b"%d" % number).digest()
    async with net.udp_socket() as sock:
        sock.settimeout(5.0)
        await sock.sendto(data, far.datagram_address("echo"))
        counts.datagrams += 1
        try:
            back = await sock.recv(2000)
        except TimeoutError:
            counts.datagrams_lost += 1
            return
    if back != data:
        raise Corrupt(_wrong(number, data, back))
    counts.bytes += 2 * len(data)


def _wrong(number: int, data: bytes, back: bytes) -> str:
    at = next((n for n, (a, b) in enumerate(zip(data, back, strict=False)) if a != b), len(back))
    return (
        f"message {number} of {len(data)} bytes came back as {len(back)}, different from byte {at} "
        f"on: {back[at : at + 16]!r} instead of {data[at : at + 16]!r}"
    )


def _forget(service: object) -> None:
    """A soak lasts for days: what the far end has seen is not kept."""
    connections = getattr(service, "connections", None)
    if connections is None:
        service.received.clear()  # type: ignore[attr-defined]
        return
    for each in connections:
        if each.ended:
            each.received.clear()
