"""Pacing, noise, faults and cutting on the line."""

from __future__ import annotations

import asyncio
import random

import pytest

from fakes import ScenarioError
from fakes.wire import CHUNK_PLANS, Direction, Faults, Wire, chunks, noise
from tests.engine.virtual_time import virtual


@pytest.mark.parametrize("plan", CHUNK_PLANS)
def test_chunks_keep_every_byte(plan: str) -> None:
    data = random.Random(1).randbytes(5000)
    pieces = list(chunks(data, plan, random.Random(2)))
    assert b"".join(pieces) == data
    if plan == "single":
        assert {len(piece) for piece in pieces} == {1}
    if plan == "packets64":
        assert {len(piece) for piece in pieces[:-1]} == {64}


def test_chunk_plan_names_are_checked() -> None:
    with pytest.raises(ScenarioError, match="packets64"):
        Direction(lambda data: None).configure(chunk="tiny")


def test_unpaced_line_is_synchronous() -> None:
    got: list[bytes] = []
    line = Direction(got.append)
    line.send(b"one")
    line.send(b"two")
    assert got == [b"one", b"two"]


def test_faults_at_positions() -> None:
    got = bytearray()
    line = Direction(got.extend)
    line.configure(faults=Faults(drop_at=(1, 9), dup_at=(4,), flip_at=(5,)))
    line.send(b"abc")
    line.send(b"defghij")
    assert got[:4] == b"acde"
    assert got[4:5] == b"e"
    assert bin(got[5] ^ ord("f")).count("1") == 1
    assert got[6:] == b"ghi"


def test_random_faults_repeat_by_seed_and_hit_the_rate() -> None:
    def run(seed: int) -> bytes:
        got = bytearray()
        line = Direction(got.extend, seed=seed)
        line.configure(faults=Faults(drop=0.01))
        for _ in range(100):
            line.send(bytes(1000))
        return bytes(got)

    assert run(1) == run(1)
    assert 98_500 < len(run(3)) < 99_500


def test_faults_are_probabilities() -> None:
    with pytest.raises(ScenarioError):
        Faults(drop=1.5)


def test_lose_next_bytes() -> None:
    got = bytearray()
    line = Direction(got.extend)
    line.send(b"ab")
    line.lose(3)
    line.send(b"cd")
    line.send(b"ef")
    assert got == b"abf"


@virtual
async def test_pacing_is_true_on_average() -> None:
    clock = asyncio.get_running_loop().time
    got = bytearray()
    line = Direction(got.extend)
    line.set_rate(921600)
    began = clock()
    line.send(bytes(20_000))
    line.send(bytes(7_000))
    assert not got
    await line.drained()
    took = clock() - began
    assert len(got) == 27_000
    expected = 27_000 * 10 / 921600
    assert expected <= took < expected + 0.01


@virtual
async def test_slow_rate_moves_single_bytes() -> None:
    pieces: list[bytes] = []
    line = Direction(pieces.append)
    line.set_rate(2400)
    line.send(b"0123456789")
    await line.drained()
    assert b"".join(pieces) == b"0123456789"
    assert len(pieces) >= 5


@virtual
async def test_rate_change_under_way_and_pause() -> None:
    got = bytearray()
    line = Direction(got.extend)
    line.set_rate(1200)
    line.send(bytes(200_000))
    await asyncio.sleep(0.02)
    assert len(got) < 20
    line.set_rate(None)
    line.pause()
    await asyncio.sleep(0.01)
    assert len(got) < 20
    line.resume()
    await line.drained()
    assert len(got) == 200_000
    line.close()


async def test_close_forgets_and_wakes() -> None:
    line = Direction(lambda data: None)
    line.set_rate(300)
    line.send(bytes(1000))
    waiter = asyncio.ensure_future(line.drained())
    await asyncio.sleep(0)
    line.close()
    await asyncio.wait_for(waiter, 1)
    assert line.backlog == 0


def test_mismatched_rates_give_noise_both_ways() -> None:
    outward, inward = bytearray(), bytearray()
    wire = Wire(outward.extend, inward.extend, seed=3)
    wire.send_to_host(b"clear")
    wire.host_rate = 9600
    wire.send_to_host(b"A" * 1000)
    wire.send_to_module(b"AT\r\n")
    assert outward.startswith(b"clear")
    assert b"AAAA" not in outward
    assert b"AT" not in inward
    assert inward
    wire.host_rate = 115200 + 1000  # within the tolerance of a UART
    inward.clear()
    wire.send_to_module(b"AT\r\n")
    assert inward == b"AT\r\n"


def test_noise_is_mostly_high_bytes() -> None:
    data = noise(1000, random.Random(1))
    assert len(data) == 1000
    assert sum(byte >= 0x80 for byte in data) > 500
