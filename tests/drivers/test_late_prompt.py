"""A prompt that comes after its send was given up, or never: no probe may become the peer's data."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from netsocket.errors import SendUnknown
from tests.drivers.calls import both, tells
from tests.faults.bench import opened, virtual
from tests.faults.ends import PROMPT


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


@pytest.mark.parametrize("size", [2, 8, 12, 40, 700])
@both
@virtual
async def test_no_probe_reaches_the_peer_of_a_module_that_was_deaf(module: str, size: int) -> None:
    """The prompt is lost, and the module hears nothing for a time: whenever that ends, the next that
    it hears must not be a question."""
    async with opened(module) as bench:
        for tenths in range(0, 40):
            sock = await bench.net.connect(("sink.test", 9), timeout=240)
            talk = bench.talks("sink.test:9")[-1]
            deaf = {"esp8266": 15.0, "bg96": 65.0}[module] + tenths / 10
            bench.step(before=PROMPT, instead="", deaf=deaf, times=1)
            with contextlib.suppress(SendUnknown):
                await sock.sendall(b"a" * size)
            await sock.close()
            other = await bench.net.connect(("echo.test", 7), timeout=240)
            await other.close()
            assert not bytes(talk.told).strip(b"a"), (deaf, bytes(talk.told))
            assert len(talk.told) <= size


@pytest.mark.parametrize(
    ("size", "lost"), [(4, False), (12, False), (40, False), (700, False), (40, True), (700, True)]
)
@virtual
async def test_a_send_that_was_answered_with_busy_and_is_carried_out_all_the_same(
    size: int, lost: bool
) -> None:
    """ESP-AT 4.1.1 (log L37). The peer gets the stream from its beginning, once, and nothing else. Not
    so when its prompt is lost as well and a probe completes it (16 bytes at the most): see
    docs/reliability.md."""
    async with opened("esp8266", "E33") as bench:
        for late in (0.5, 1.5, 2.5, 3.0, 3.6, 4.2, 7.0, 15.0):
            sock = await bench.net.connect(("sink.test", 9), timeout=240)
            talk = bench.talks("sink.test:9")[-1]
            bench.step(on=r"AT\+CIPSEND=\d,\d+", after=late, passes=True, times=1)
            if lost:
                bench.step(before=PROMPT, instead="", times=1)
            data = bytes(range(size % 251)) * (size // (size % 251))
            sending = asyncio.ensure_future(sock.sendall(data))
            await asyncio.sleep(0.01)
            tells(bench, "busy p...")
            with contextlib.suppress(SendUnknown):
                await sending
            await asyncio.sleep(1.0)
            await sock.close()
            other = await bench.net.connect(("echo.test", 7), timeout=240)
            await other.close()
            assert data.startswith(bytes(talk.told)), (late, bytes(talk.told))
            if sending.exception() is None:
                assert talk.told == data
