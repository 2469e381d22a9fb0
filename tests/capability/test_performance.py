"""The figures: taken at the far end, bounded in time, and honest about what went wrong."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings

import pytest

from netsocket.capability import run
from netsocket.capability.performance import AT_LEAST, BUDGET, SAMPLES, SIZES, Latency, measure
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from tests.capability.measured import far_end


class Slow(HostStack):
    """Sends and connects like a radio: 30 ms each."""

    async def connect(self, handle, address):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.03)
        return await super().connect(handle, address)

    async def send(self, handle, data):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.03)
        return await super().send(handle, data)


class Mute(HostStack):
    """Has no UDP, and its streams break."""

    async def open(self, kind):  # type: ignore[no-untyped-def]
        if kind.name == "UDP":
            raise OSError(97, "no datagrams here")
        return await super().open(kind)

    async def send(self, handle, data):  # type: ignore[no-untyped-def]
        raise ConnectionResetError(104, "the radio is gone")


async def figures(stack: HostStack):  # type: ignore[no-untyped-def]
    async with far_end("host") as far, AsyncNetworkInterface(stack) as net:
        return await measure(net, far)


@pytest.mark.serial
async def test_a_slow_stack_is_seen_to_be_slow_and_costs_no_more_time() -> None:
    begun = time.monotonic()
    found = await figures(Slow())
    assert time.monotonic() - begun < 12
    connect, tcp, _ = found.latency
    for series in (connect, tcp):
        assert min(series.samples) >= 30
        assert AT_LEAST <= len(series.samples) < SAMPLES, "time was over before"
    for one in found.throughput:
        if one.direction == "up":
            assert one.rate is not None
            assert one.rate <= one.size / 0.03 * 1.05, "timed where it arrived"
            assert one.bytes >= AT_LEAST * one.size
        else:
            assert one.bytes <= BUDGET + one.size


async def test_what_fails_says_so_and_the_rest_is_taken() -> None:
    found = await figures(Mute())
    connect, tcp, udp = found.latency
    assert connect.samples
    assert "the radio is gone" in tcp.error
    assert "no datagrams here" in udp.error
    assert [one.size for one in found.throughput] == [size for size in SIZES for _ in "ud"]
    for one in found.throughput:
        assert (one.rate is None) == (one.direction == "up")
        assert ("the radio is gone" in one.error) == (one.direction == "up")


async def test_only_leaves_the_figures_out_unless_they_are_named() -> None:
    async with far_end("host") as far:
        found = await run(HostStack(), far, only=["tcp.peer_name"])
        assert found.performance is None
        found = await run(HostStack(), far, only=["performance"])
    assert found.results == []
    assert found.performance is not None


@pytest.mark.parametrize(
    ("samples", "median", "p95"),
    [([], None, None), ([3.0], 3.0, 3.0), ([2.0, 1.0], 1.5, 2.0),
     (list(map(float, range(1, 101))), 50.5, 95.0), (list(map(float, range(1, 51))), 25.5, 48.0)],
)  # fmt: skip
def test_statistics(samples: list[float], median: float | None, p95: float | None) -> None:
    series = Latency("x", "x", samples)
    assert (series.median, series.p95) == (median, p95)


@pytest.mark.parametrize("steps", range(6))
async def test_a_far_end_that_is_cancelled_while_it_starts_leaves_no_socket(steps: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # what other tests have left is not judged here
    far = far_end("host")
    task = asyncio.create_task(far.__aenter__())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del far
    gc.collect()  # an open socket would warn, which is an error
