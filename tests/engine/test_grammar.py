"""Whatever is printed in whatever pieces: legal text means what it says, and nothing else harms."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from atdriver.engine import Engine
from atdriver.errors import ATError
from atdriver.events import Event, Failed
from atdriver.exchange import Command
from atdriver.framer import LINE_CAP
from modems.bg96 import dialect as bg96
from modems.commands import simple
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
