"""kill -9 in the middle of transfers: the next program frees the module by itself, and works.

Not promised, because nobody can: what the dead program had announced to the module and not handed
over. So the last frame of a stream that it had begun may be filled with anything.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from typing import Any

import pytest

from fakes import Peer, build
from fakes.running import RunningFake
from tests.simulation.payload import Stream, serial_of

from .program import SENDERS

PEERS = {
    "echo.test:7": Peer("echo"),
    "sink.test:9": Peer("discard"),
    "source.test:19": Peer("chargen", rate=200_000),
}
WORLD: dict[str, Any] = {"esp8266": {"access_points": {"lab": "secret99"}}, "bg96": {}}
PATIENCE = 60.0
"""Seconds for a program to find the module, to free it and to be served by it."""
FRAME = 2920
"""The longest frame that either module takes."""


async def program(module: str, port: str, first: int) -> asyncio.subprocess.Process:
    """One that is in the middle of its transfers."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.killed.program", module, port, str(first),
        stdout=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    assert made.stdout is not None
    for word in (b"served\n", b"busy\n"):
        async with asyncio.timeout(PATIENCE):
            assert await made.stdout.readline() == word
    return made


def wrong(talks: list[Any]) -> list[str]:
    """What is wrong with what the peers were told by all programs so far."""
    found = []
    for talk in talks:
        told = bytes(talk.told)
        stream = Stream(serial_of(told) or 0)
        right = stream.right(told)
        if len(told) >= 4 and len(told) - right > FRAME:
            found.append(f"{stream.serial}: {right} bytes of {len(told)} are right")
    return found


async def killed(module: str, times: int) -> None:
    chance = random.Random(module)
    fake = build(module, peers=PEERS, offline=True, time_scale=0.0, **WORLD[module])
    talks: list[Any] = []
    with RunningFake(fake) as running:
        fake.world.peers.opened = talks.append
        resets = running.call(lambda: fake.generation)
        cut = 0
        for number in range(times + 1):
            before = list(talks)
            living = await program(module, running.port, 1 + SENDERS * number)
            try:
                # It works, and of the one before it nothing is open any more.
                assert not [talk for talk in before if not talk.over and not talk.ended]
                async with asyncio.timeout(PATIENCE):
                    while sum(len(talk.told) for talk in talks[len(before) :]) < 2000:
                        await asyncio.sleep(0.005)
                await asyncio.sleep(0.05 * chance.random())
            finally:
                living.kill()
                await living.wait()
            cut += running.call(lambda: fake.intake._claimed > 0)
        told = [talk for talk in talks if talk.remote[1] == 9]
        assert len(told) == SENDERS * (times + 1)
        assert not wrong(told)
        assert running.call(lambda: fake.generation) == resets, "the module was reset"
        print(f"{module}: {cut} of {times + 1} were killed within an announced send")


@pytest.mark.parametrize(
    ("module", "times"),
    [
        pytest.param("esp8266", 3, marks=pytest.mark.gate),
        pytest.param("bg96", 3, marks=pytest.mark.gate),
        pytest.param("esp8266", 50, marks=[pytest.mark.nightly, pytest.mark.timeout(1500)]),
        pytest.param("bg96", 50, marks=[pytest.mark.nightly, pytest.mark.timeout(1500)]),
    ],
)
async def test_killed_in_the_middle_of_transfers(module: str, times: int) -> None:
    await killed(module, times)
