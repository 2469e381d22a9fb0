"""Whatever is printed in whatever pieces: legal text means what it says, and nothing else harms."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from atdriver.dialect import Dialect
from atdriver.engine import Engine
from atdriver.errors import ATError
from atdriver.events import Completed, Event, Failed
from atdriver.exchange import Command
from atdriver.framer import LINE_CAP, Head
from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.commands import simple
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

from .grammar import ESP, FLAVOURS, HOSTILE, IN_FLIGHT, LEGAL, Flavour, conversations
from .harness import Action, Bench, Case, Cutter, bytewise, play, whole
from .recovery import settle, works_again

OK = b"\r\nOK\r\n"


def in_reads(sizes: list[int]) -> Cutter:
    """Reads of these sizes, over and over; the rhythm goes on from feed to feed."""
    total = sum(sizes)

    def cut(data: bytes, before: int) -> Iterator[bytes]:
        position = before % total
        at = 0
        while at < len(data):
            rest = position
            for size in sizes:
                if rest < size:
                    break
                rest -= size
            step = size - rest
            yield data[at : at + step]
            position = (position + step) % total
            at += step

    return cut


NIGHTLY = pytest.mark.nightly
READS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("number", [0, *[pytest.param(n, marks=NIGHTLY) for n in range(1, 6)]])
def test_a_legal_conversation_is_what_it_says_however_it_is_cut(
    flavour: Flavour, number: int
) -> None:
    @settings(max_examples=800 if number else 150)
    @seed(number)
    @given(conversations(flavour), READS)
    def check(steps: tuple[Action, ...], sizes: list[int]) -> None:
        item = Case(0, "generated", steps)
        play(item, flavour.dialect, whole)
        play(item, flavour.dialect, bytewise)
        play(item, flavour.dialect, in_reads(sizes))

    check()


# -- rubbish -------------------------------------------------------------------------------------

FLOODS = [b"\0" * 300, b"x" * (LINE_CAP + 10), b"\r\n" * 200, b">" * 100, b"+IPD," * 50]
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["delete", "double", "flip", "insert"]),
        st.integers(0, 400),
        st.integers(1, 24),
    ),
    max_size=6,
)


def mutated(stream: bytes, mutations: list[tuple[str, int, int]]) -> bytes:
    for kind, where, size in mutations:
        at = where % (len(stream) + 1)
        part = stream[at : at + size]
        if kind == "delete":
            stream = stream[:at] + stream[at + size :]
        elif kind == "double":
            stream = stream[:at] + part + stream[at:]
        elif kind == "flip":
            stream = stream[:at] + bytes(b ^ (1 << size % 8) for b in part) + stream[at + size :]
        else:
            stream = stream[:at] + bytes([size]) * size + stream[at:]
    return stream


def rubbish(flavour: Flavour) -> st.SearchStrategy[bytes]:
    legal = LEGAL[flavour.name.split("-", maxsplit=1)[0]]
    piece = st.sampled_from(legal) | st.sampled_from(HOSTILE) | st.binary(max_size=20)
    stream = st.lists(piece | piece | piece | st.sampled_from(FLOODS), max_size=12).map(b"".join)
    return st.tuples(stream, MUTATIONS).map(lambda both: mutated(*both))


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
@pytest.mark.parametrize("canary", [True, False], ids=["canary", "bare"])
def test_rubbish_gives_events_and_documented_errors_and_the_engine_recovers(
    flavour: Flavour, canary: bool
) -> None:
    vendor = flavour.name.split("-", maxsplit=1)[0]

    @settings(max_examples=250)
    @given(
        rubbish(flavour),
        st.sampled_from(IN_FLIGHT[vendor]),
        READS,
        st.sampled_from([0.0, 0.0, 0.05, 1.0, 2.0]),
    )
    @example(b"+IPD,0,8192:", None, [1], 0.0)
    @example(b"\r\n+QIRD: 4", None, [1], 0.0)
    @example(b"x" * 5000, None, [40], 0.0)
    @example(b"busy p...\r\n+IPD,0,8000:", simple("AT"), [40], 0.0)
    def check(stream: bytes, command: Command | None, sizes: list[int], pause: float) -> None:
        events: list[Event] = []
        for cutter in (whole, in_reads(sizes)):
            bench = Bench(flavour.dialect, cutter)
            if canary:
                bench.engine.probe = esp.CANARY if flavour is ESP else bg96.CANARY
            if command is not None:
                bench.send(command)
            half = len(stream) // 2
            bench.feed(stream[:half])
            bench.tick(pause)
            bench.feed(stream[half:])
            settle(bench, flavour)
            works_again(bench, flavour)
            for event in bench.events:
                if isinstance(event, Failed):
                    assert isinstance(event.error, ATError)
                    assert str(event.error)
            assert len(bench.engine.anomalies) <= 12
            events = bench.events
        assert events

    check()


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda flavour: flavour.name)
def test_rubbish_means_the_same_however_it_is_cut(flavour: Flavour) -> None:
    vendor = flavour.name.split("-", maxsplit=1)[0]

    def run(stream: bytes, command: Command | None, cutter: Cutter) -> tuple[object, ...]:
        bench = Bench(flavour.dialect, cutter)
        if command is not None:
            bench.send(command)
        bench.feed(stream)
        return bench.take(), bench.take_writes()

    @settings(max_examples=200)
    @given(rubbish(flavour), st.sampled_from(IN_FLIGHT[vendor]), READS)
    def check(stream: bytes, command: Command | None, sizes: list[int]) -> None:
        expected = run(stream, command, whole)
        assert run(stream, command, bytewise) == expected
        assert run(stream, command, in_reads(sizes)) == expected

    check()


@given(st.binary(max_size=400), READS)
def test_random_bytes_never_raise(stream: bytes, sizes: list[int]) -> None:
    for flavour in FLAVOURS:
        engine = Engine(flavour.dialect)
        for piece in in_reads(sizes)(stream, 0):
            engine.feed(piece, 0.0)
        engine.tick(10.0)


# -- counted reads against a line that loses and doubles bytes --------------------------------------


@dataclass(frozen=True)
class Shape:
    """One way of reading: what is asked, and what the module prints."""

    name: str
    dialect: Dialect
    head: Head
    opening: bytes
    closing: bytes
    answer: re.Pattern[bytes]
    """An answer as the manual has it: the length, and all the rest."""
    notice: bytes

    def command(self, size: int) -> Command:
        if self.dialect is bg96.DIALECT:
            return bg96_at.read(0, 1500, datagram=False)
        return esp_at.read(0, size, self.head)


_ESP_NOTICES = rb"(?:(?:\r\n)?[0-4],(?:CLOSED|CONNECT)\r\n|\r\n\+IPD,[0-4],(?:\d+\r\n|3:...))*"
_BG96_NOTICES = rb'(?:\r\n\+QIURC: "(?:recv|closed)",\d+(?:,\d+)?\r\n)*'
SHAPES = [
    Shape(
        "nonos",
        esp.DIALECT,
        esp.RECEIVED_N,
        b"\r\n+CIPRECVDATA,%d:",
        OK,
        re.compile(rb"\+CIPRECVDATA,(\d+):(.*)", re.DOTALL),
        b"0,CLOSED\r\n",
    ),
    Shape(
        "esp-at",
        esp.DIALECT,
        esp.RECEIVED_E,
        b"+CIPRECVDATA:%d,",
        OK,
        re.compile(rb"\+CIPRECVDATA:(\d+),(.*)", re.DOTALL),
        b"\r\n+IPD,0,99\r\n",
    ),
    Shape(
        "esp-at-sender",
        esp.DIALECT,
        esp.RECEIVED_E_SENDER,
        b'+CIPRECVDATA:%d,"192.0.2.1",7,',
        OK,
        re.compile(rb'\+CIPRECVDATA:(\d+),"[0-9.]+",\d+,(.*)', re.DOTALL),
        b"1,CONNECT\r\n",
    ),
    Shape(
        "bg96",
        bg96.DIALECT,
        bg96.READ,
        b"\r\n+QIRD: %d\r\n",
        b"\r\n" + OK,
        re.compile(rb'\+QIRD: (\d+)(?:,"[0-9.]+",\d+)?\r\n(.*)', re.DOTALL),
        b'\r\n+QIURC: "recv",0\r\n',
    ),
]


def is_an_answer(shape: Shape, stream: bytes, payload: bytes) -> bool:
    """Whether the end of the stream is, letter for letter, what a sound module prints when it holds
    `payload`. Then no reader can tell, and nobody is to blame."""
    for match in re.finditer(re.escape(shape.head.prefix), stream):
        found = shape.answer.match(stream, match.start())
        if found is None or int(found[1]) != len(payload) or not found[2].startswith(payload):
            continue
        rest = found[2][len(payload) :]
        if shape.dialect is bg96.DIALECT:
            tail = _BG96_NOTICES + rb"\r\n" + _BG96_NOTICES + OK
        else:
            tail = _ESP_NOTICES + OK
        if re.fullmatch(tail, rest, re.DOTALL):
            return True
    return False


def ending(shape: Shape, damaged: bytes, payload: bytes, later: bytes = b"") -> str:
    """What the engine makes of a damaged answer to a read.

    "silent": a wrong payload, and nothing that would make anybody suspicious. "told": a wrong
    payload, but the rest of the answer follows at once and fits nothing, so an anomaly is seen.
    """
    bench = Bench(shape.dialect)
    command = shape.command(1500)
    bench.send(command)
    bench.feed(damaged)
    bench.tick(1.0)
    bench.feed(later)
    bench.tick(command.timeout + 100.0)
    ended = [event for event in bench.events if isinstance(event, Completed | Failed)]
    assert len(ended) == 1
    event = ended[0]
    if isinstance(event, Failed):
        return type(event.error).__name__
    assert event.reply.block is not None
    seen = event.reply.block.payload
    if seen == payload:
        return "right"
    if is_an_answer(shape, damaged, seen):
        return "an answer"
    return "told" if bench.engine.anomalies else "silent"


def integrity(shape: Shape, seed: int, trials: int, *, notices: bool) -> Counter[str]:
    """Damage answers of counted reads; count what came of it."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for trial in range(trials):
        if chance.random() < 0.5:
            payload = chance.randbytes(chance.randrange(1, 200))
        else:
            count = chance.randrange(1, 20)
            payload = b"".join(chance.choice(HOSTILE) for _ in range(count))[:300]
        trailing = shape.notice if notices and chance.random() < 0.5 else b""
        answer = shape.opening % len(payload) + payload + trailing + shape.closing
        at = chance.randrange(len(answer))
        size = 1 if chance.random() < 0.5 else chance.randrange(2, 64)
        if chance.random() < 0.6:
            damaged = answer[:at] + answer[at + size :]
        else:
            damaged = answer[: at + size] + answer[at:]
        later = shape.notice if chance.random() < 0.5 else b""
        outcome = ending(shape, damaged, payload, later)
        assert outcome != "silent", (trial, payload, damaged)
        outcomes[outcome] += 1
    return outcomes


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_damaged_answer_is_never_taken_for_another_payload(shape: Shape) -> None:
    outcomes = integrity(shape, 20_231, 600, notices=False)
    assert sum(outcomes.values()) == 600
    assert outcomes["ReplyCorrupt"] > 300
    assert outcomes["told"] + outcomes["an answer"] <= 3
    assert outcomes["CommandFailed"] == 0  # ERROR means that there was nothing to read


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_same_at_length(shape: Shape, seed: int) -> None:
    outcomes = integrity(shape, seed, 15_000, notices=seed % 2 == 1)
    assert outcomes["told"] + outcomes["an answer"] <= 75
    assert outcomes["CommandFailed"] <= 5  # head and all lost, up to an ERROR in the payload


HARD = [b"OK\r\n" * 5, OK * 3, b"\r\n" * 9, b"\r\n\r\nOK\r\n", b"0,CLOSED\r\n", b" \r\n" * 7, b"x"]


@pytest.mark.parametrize("payload", HARD, ids=repr)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_every_single_byte_lost_or_doubled_is_noticed(shape: Shape, payload: bytes) -> None:
    """In all places. One digit of the length fewer may cut a hostile payload where it looks like
    the trailer: then the read ends too early, and mostly the rest of it tells."""
    answer = shape.opening % len(payload) + payload + shape.closing
    outcomes: Counter[str] = Counter()
    for at in range(len(answer)):
        outcomes[ending(shape, answer[:at] + answer[at + 1 :], payload)] += 1
        outcomes[ending(shape, answer[: at + 1] + answer[at:], payload)] += 1
    assert set(outcomes) <= {"ReplyCorrupt", "CommandTimeout", "right", "told", "an answer"}
    assert outcomes["told"] + outcomes["an answer"] <= 2


def test_an_undamaged_answer_is_always_taken() -> None:
    """The other side of the same coin."""
    chance = random.Random(7)
    for shape in SHAPES:
        for _ in range(200):
            payload = b"".join(chance.choice(HOSTILE) for _ in range(chance.randrange(1, 20)))
            trailing = shape.notice if chance.random() < 0.5 else b""
            bench = Bench(shape.dialect)
            command = shape.command(1500)
            bench.send(command)
            bench.feed(shape.opening % len(payload) + payload + trailing + shape.closing)
            ended = [e for e in bench.events if isinstance(e, Completed | Failed)]
            assert isinstance(ended[0], Completed)
            assert ended[0].reply.block is not None
            assert ended[0].reply.block.payload == payload
