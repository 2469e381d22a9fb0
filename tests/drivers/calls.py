"""What the tests share that make the Stack protocol's calls themselves, on both modules, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from netsocket.address import SocketAddress
from netsocket.stack import Handle, InterfaceStatus, Kind
from tests.faults.bench import BOTH, Bench

both = pytest.mark.parametrize("module", [module for module, _ in BOTH])
READS = {"esp8266": r"AT\+CIPRECVDATA=\d,[1-9].*", "bg96": r"AT\+QIRD=\d+,[1-9].*"}
"""The commands that ask for data."""
ECHO, SINK = SocketAddress("echo.test", 7), SocketAddress("sink.test", 9)
UDP_PEER = SocketAddress("192.0.2.1", 7)
START = r'AT\+CIPSTART=\d,"TCP".*'
OPEN = r'AT\+QIOPEN=1,\d+,"{}".*'
"""The commands that open a link, on Espressif and on a BG96 (its kind to be filled in)."""


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


def port(number: int, host: str = "0.0.0.0") -> SocketAddress:
    """A port of our own."""
    return SocketAddress(host, number)


async def listening(bench: Bench, backlog: int = 4, host: str = "0.0.0.0") -> Handle:
    """A listener on port 8000."""
    handle = await bench.stack.open(Kind.TCP)
    await bench.stack.bind(handle, port(8000, host))
    await bench.stack.listen(handle, backlog)
    return handle


def statuses(bench: Bench) -> list[InterfaceStatus]:
    """What is told of the interface from now on."""
    found: list[InterfaceStatus] = []
    bench.stack.attach(lambda _handle, _generation: None, found.append)
    return found


# -- what passes on the wire -------------------------------------------------------------------------


def written(bench: Bench, since: int = 0) -> list[str]:
    """The command lines that the driver wrote; payload is written apart from them."""
    found = [data for _, way, data in bench.wire.lines[since:] if way == ">"]
    return [line.decode("latin-1").strip() for line in found]


def commands(bench: Bench, name: str, since: int = 0) -> list[str]:
    """Those that begin so."""
    return [line for line in written(bench, since) if line.startswith(name)]


def tells(bench: Bench, *lines: str) -> None:
    """The module says so by itself."""
    lead = b"\r\n" if bench.fake.kind == "bg96" else b""
    bench.fake.raw(b"".join(lead + line.encode() + b"\r\n" for line in lines))


def fails(bench: Bench, on: str, code: int, times: int | None = 1) -> int:
    """A command of a BG96 that ends in ERROR, and AT+QIGETERROR says why."""
    bench.step(on=r"AT\+QIGETERROR", say=(f"+QIGETERROR: {code},whatever", "OK"), times=times)
    return bench.step(on=on, say=("ERROR",), times=times)
