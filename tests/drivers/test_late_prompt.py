"""A prompt that comes after its send was given up: no probe may become the peer's data."""

from __future__ import annotations

import contextlib

import pytest

from netsocket.errors import SendUnknown
from tests.faults.bench import opened, virtual


@pytest.mark.parametrize(
    ("module", "late"), [("esp8266", 12.0), ("esp8266", 40.0), ("bg96", 65.0), ("bg96", 90.0)]
)
@virtual
async def test_no_probe_reaches_the_peer(module: str, late: float) -> None:
    async with opened(module) as bench:
        sock = await bench.net.connect(("sink.test", 9))
        (talk,) = bench.talks("sink.test:9")
        bench.step(on=r"AT\+(CIPSEND|QISEND)=0,40", after=late, passes=True, times=1)
        with contextlib.suppress(SendUnknown):  # a BG96 takes it after all, and its counters tell
            await sock.sendall(b"a" * 40)
        await sock.close()
        other = await bench.net.connect(("echo.test", 7), timeout=240)
        await other.sendall(b"still there")
        assert await other.recv(100) == b"still there"
        await other.close()
        assert not bytes(talk.told).strip(b"a\0+")
        assert b"AT" not in talk.told
