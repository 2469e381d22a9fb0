"""However much the module prints: memory stays flat, what is dropped is counted, commands go on
being answered (figure R13 of docs/reliability.md)."""

from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atdriver.engine import ANSWER_CAP, Engine
from atdriver.errors import ReplyCorrupt
from atdriver.events import Completed, Failed, Unsolicited
from atdriver.exchange import Command
from atdriver.stages import Stage
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp
from tests.faults.bench import BOTH, opened, virtual

MB = 1 << 20
GROWTH = 8 * MB


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


NOTICES = {
    "esp8266": [b"2,CONNECT\r\n", b"3,CLOSED\r\n", b"\r\n+IPD,4,1460\r\n", b"+TIME_UPDATED\r\n"],
    "bg96": [
        *[b'\r\n+QIURC: "recv",11\r\n', b'\r\n+QIURC: "closed",10\r\n'],
        *[b"\r\n+QIND: SMS DONE\r\n", b"\r\nRING\r\n"],
    ],
}
UNKNOWN = b"\r\n#nobody knows this\r\n"


class Mute:
    """A tracer that keeps nothing."""

    def record(self, direction: str, data: bytes) -> None: ...
    def note(self, text: str) -> None: ...
    def begin(self, command: Command) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


async def flood(module: str, chunks: int) -> tuple[int, int]:
    """`chunks` of a thousand notices, one unknown line in each hundred, into a driver that works;
    returns the growth of memory and the notices told."""
    names = {"one.test": "198.51.100.1"}
    chunk = (b"".join(NOTICES[module]) * 250) + UNKNOWN * 10
    async with opened(module, names=names, tracer=Mute()) as bench:
        told = unknown = 0
        listener = bench.channel.listener
        assert listener is not None

        def count(event: object) -> None:
            nonlocal told
            told += isinstance(event, Unsolicited)
            listener(event)  # type: ignore[arg-type]

        bench.channel.listener = count
        sock = await bench.net.connect(("echo.test", 7))
        before = 0
        for number in range(chunks):
            bench.channel.data_received(chunk)
            unknown += 10
            if number % 50 == 0:
                assert await bench.net.resolve("one.test") == ["198.51.100.1"]
                await sock.sendall(b"%06d" % number)
                assert await sock.recv(100) == b"%06d" % number
            if number == chunks // 10:
                before = resident()
        assert len(bench.stack._tasks) < 20, "a task for each notice"
        assert bench.engine.anomalies["unknown line"] == bench.stack.anomalies == unknown
        return resident() - before, told


@pytest.mark.gate
@pytest.mark.parametrize("module", [module for module, _ in BOTH])
@virtual
async def test_half_a_million_notices_each(module: str) -> None:
    growth, told = await flood(module, 500)
    assert told >= 500_000
    assert growth <= GROWTH


@virtual
async def test_twenty_thousand_notices() -> None:
    growth, told = await flood("esp8266", 20)
    assert told >= 20_000
    assert growth <= GROWTH


def endless(filler: bytes, size: int) -> Iterator[bytes]:
    chunk = (filler * (65536 // len(filler) + 1))[:65536]
    for _ in range(size // len(chunk)):
        yield chunk


@pytest.mark.parametrize(
    "size", [4 * MB, pytest.param(100_000_000, marks=pytest.mark.gate)], ids=["4MiB", "100MB"]
)
@pytest.mark.parametrize("filler", [b"x", b"+IPD,0,1", b"OK"])
def test_a_line_without_end_is_dropped_counted_and_over_with_its_end(
    filler: bytes, size: int
) -> None:
    engine = Engine(esp.DIALECT)
    now = 0.0
    engine.feed(filler, now)
    before = resident()
    tracemalloc.start()
    for chunk in endless(filler, size):
        now += 0.001
        engine.feed(chunk, now)
    assert len(engine.events) == engine.anomalies.total() == 1
    assert engine.anomalies["line too long"] == 1
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MB
    assert kept < MB
    assert resident() - before < GROWTH
    question = esp_at.waiting()
    engine.begin(question, now)
    engine.feed(b"\r\n+CIPRECVLEN:1,2,3,4,5\r\n\r\nOK\r\n", now)
    done = engine.events[-1]
    assert isinstance(done, Completed)
    assert done.reply.lines == [b"+CIPRECVLEN:1,2,3,4,5"]


ANSWERS: list[tuple[Command, Callable[[int], bytes]]] = [
    (esp_at.links(), lambda n: b'+CIPSTATUS:0,"TCP",%d\r\n' % n),
    (esp_at.VERSION, lambda n: b"compiled %d\r\n" % n),
    (esp_at.VERSION, lambda n: b"ERR CODE:0x%08x\r\n" % n),
    (Command(b"AT+X", 3.0, info=re.compile(rb"\d")), lambda n: b"%d\r\n" % (n % 10)),
]


@pytest.mark.parametrize(("command", "line"), ANSWERS)
def test_an_answer_without_end_is_given_up(command: Command, line: Callable[[int], bytes]) -> None:
    engine = Engine(esp.DIALECT)
    engine.begin(command, 0.0)
    fed = 0
    while fed <= ANSWER_CAP:
        assert engine.stage is Stage.RESULT
        said = line(fed)
        engine.feed(said, 0.0)
        fed += len(said.strip())
    failed = next(event for event in engine.events if isinstance(event, Failed))
    assert isinstance(failed.error, ReplyCorrupt)
    assert engine.anomalies["answer too long"] == 1
    assert engine.stage is Stage.RESYNC


def test_a_long_answer_is_no_answer_without_end() -> None:
    engine = Engine(esp.DIALECT)
    engine.begin(esp_at.scan(), 0.0)
    rows = [b'+CWLAP:(3,"neighbour %d",-71,"02:00:00:00:00:01",6)' % n for n in range(500)]
    engine.feed(b"".join(row + b"\r\n" for row in rows) + b"\r\nOK\r\n", 0.0)
    engine.tick(1.0)
    (done,) = engine.events
    assert isinstance(done, Completed)
    assert done.reply.lines == rows
