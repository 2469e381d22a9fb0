"""close waits longer when it was asked to linger (SO_LINGER), and no longer than that; an abortive
one passes what waits in line."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from tests.drivers.calls import both, line_is_busy, stream
from tests.faults.bench import opened, virtual


@pytest.mark.parametrize(("seconds", "takes"), [(0, 10.0), (25, 20.0), (5, 15.0)])
@virtual
async def test_close_lingers_as_long_as_asked(seconds: int, takes: float) -> None:
    """The module needs 20 s for its close; without lingering 10 s are waited for it."""
    async with opened("bg96") as bench:
        sock = await bench.net.connect(("echo.test", 7))
        linger = struct.pack("ii", 1 if seconds else 0, seconds)
        await sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        bench.step(on=r"AT\+QICLOSE=.*", after=20.0, passes=True, times=1)
        begun = asyncio.get_running_loop().time()
        await sock.close()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(takes, abs=0.5)
        await sock.wait_closed()


@both
@virtual
async def test_an_abortive_close_passes_what_waits_in_line(module: str) -> None:
    """So do the commands that make it a reset on Espressif: beside what is under way, each of the
    three lets one frame pass, which begins before the next one is asked for."""
    async with opened(module) as bench:
        handles = [await stream(bench) for _ in range(5 if module == "esp8266" else 8)]
        asking = await line_is_busy(bench)
        before = len(bench.wire.written)
        sends = [asyncio.ensure_future(bench.stack.send(each, bytes(1024))) for each in handles[1:]]
        await asyncio.sleep(0.1)
        await bench.stack.close(handles[0], abort=True)
        announced = {"esp8266": b"AT+CIPSEND=", "bg96": b"AT+QISEND="}[module]
        close = {"esp8266": b"AT+CIPCLOSE=0", "bg96": b"AT+QICLOSE=0,"}[module]
        passed = bench.wire.written[before:].partition(close)[0].count(announced)
        assert passed == {"esp8266": 2, "bg96": 0}[module]
        await asyncio.gather(asking, *sends)
        assert bench.wire.written[before:].count(announced) == len(sends)
