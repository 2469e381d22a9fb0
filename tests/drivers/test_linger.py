"""close waits longer when it was asked to linger (SO_LINGER), and no longer than that."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

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
