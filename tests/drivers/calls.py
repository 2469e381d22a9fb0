"""What the tests share that make the Stack protocol's calls themselves, on both modules, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind
from tests.faults.bench import BOTH, Bench

both = pytest.mark.parametrize("module", [module for module, _ in BOTH])
READS = {"esp8266": r"AT\+CIPRECVDATA=\d,[1-9].*", "bg96": r"AT\+QIRD=\d+,[1-9].*"}
"""The commands that ask for data."""
ECHO, SINK = SocketAddress("echo.test", 7), SocketAddress("sink.test", 9)
UDP_PEER = SocketAddress("192.0.2.1", 7)


def held(bench: Bench) -> Any:
    """The one socket of the driver."""
    (sock,) = bench.stack._sockets.values()
    return sock


async def stream(bench: Bench, place: SocketAddress = SINK) -> Handle:
    """A connected stream."""
    handle = await bench.stack.open(Kind.TCP)
    await bench.stack.connect(handle, place)
    return handle


async def tell(call: Callable[[], Any]) -> Any:
    """What a call of the stack says as soon as that is not "nothing now"."""
    async with asyncio.timeout(30):
        while (found := await call()) is None:
            await asyncio.sleep(0.01)
    return found


async def line_is_busy(bench: Bench) -> asyncio.Task[object]:
    """The module needs a second for something else; what is asked for now waits in line."""
    bench.step(on=r"AT\+(CWJAP\?|QCSQ)", passes=True, after=1.0, times=1)
    asking = asyncio.ensure_future(bench.net.refresh())
    await asyncio.sleep(0.5)
    return asking


def nobody() -> None:
    """Is told."""
