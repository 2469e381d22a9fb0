"""The cost of the lower layers alone, in memory: framer, engine, channel. CPU only, no pty, no line.

Each layer takes the same answers of a BG96: reads of 1500 bytes (CPU ms per MB) and bare commands
(CPU microseconds each). What a layer adds is the difference to the one below it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

from atdriver.channel import Channel
from atdriver.engine import Engine
from atdriver.exchange import Command
from atdriver.link import Receiver
from benchmarks import framer
from modems.bg96 import commands
from modems.bg96.dialect import DIALECT
from modems.commands import simple

MB = 2**20
PAYLOAD = framer.esp_push(1500)[:1500]
READ = commands.read(0, 1500, datagram=False)
BARE = simple("AT+QICSGP=1")
OK = b"\r\nOK\r\n"
ANSWER = b"\r\n+QIRD: 1500\r\n" + PAYLOAD + b"\r\n\r\nOK\r\n"


def answer(line: bytes) -> bytes:
    """What a BG96 says to it; what it says while it is probed does not count."""
    if line.startswith(b"AT+QIRD"):
        return ANSWER
    return OK if line.endswith(b"\r") else b""


class _Prompt:
    """A link to a module that answers in the same turn of the event loop."""

    name = "memory"
    has_rate = False
    _receiver: Receiver

    async def open(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        said = answer(data)
        if said:
            self._loop.call_soon(self._receiver.data_received, said)

    def set_rate(self, baud: int) -> None:
        del baud

    async def close(self) -> None:
        pass


def _ready_engine() -> Engine:
    engine = Engine(DIALECT)
    engine.restart_probing(0.0, 30.0, ())
    now = 0.0
    while not engine.ready:
        writes, engine.writes = engine.writes, []
        for data in writes:
            engine.feed(answer(data), now)
        now += 0.05
        engine.tick(now)
    engine.events.clear()
    return engine


def through_engine(command: Command, count: int) -> float:
    """CPU seconds of so many exchanges."""
    engine, data = _ready_engine(), answer(command.text + b"\r")
    began = time.process_time()
    for _ in range(count):
        engine.begin(command, 0.0)
        engine.writes.clear()
        engine.feed(data, 0.0)
        engine.events.clear()
    used = time.process_time() - began
    assert engine.ready, "the engine did not take an answer"
    return used


def through_channel(command: Command, count: int) -> float:
    """CPU seconds of so many exchanges, with queue, timer, future and one turn of the loop."""

    async def run() -> float:
        channel = Channel(Engine(DIALECT), _Prompt)
        await channel.open()
        await channel.synchronise()
        began = time.process_time()
        for _ in range(count):
            await channel.run(command)
        used = time.process_time() - began
        await channel.close()
        return used

    return asyncio.run(run())


def cost(layer: Callable[[Command, int], float], count: int) -> dict[str, float]:
    """CPU ms per MB of reads, CPU microseconds of a command."""
    gc.collect()
    reads = layer(READ, count)
    return {
        "cpu_ms_per_mb": reads * 1e3 / (count * 1500 / MB),
        "command_us": layer(BARE, count) * 1e6 / count,
    }


LAYERS = {"engine": through_engine, "channel": through_channel}
