"""What is fuzzed, as functions of the input alone; nothing here needs the fuzzer.

The first byte of an input chooses the dialect, the second how the rest is cut into reads. The rest
is what the module prints; in it, 0xFE and another byte let the host act: begin a command, or wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from atdriver.engine import Engine
from atdriver.errors import ATError
from atdriver.events import Event, Failed
from atdriver.framer import LEAD_CAP, LINE_CAP
from modems.bg96 import dialect as bg96
from modems.esp8266 import dialect as esp8266
from tests.engine.grammar import ESP, FLAVOURS, IN_FLIGHT
from tests.engine.harness import normal
from tests.engine.twins import state

ACT = b"\xfe"
WAITS = (0.05, 1.0, 2.5, 20.0)
SIZES = ((1000,), (64, 1), (20, 3), (7, 1, 2), (1,))

Pieces = Callable[[bytes], Iterator[bytes]]


def whole(said: bytes) -> Iterator[bytes]:
    if said:
        yield said


def in_reads(sizes: tuple[int, ...]) -> Pieces:
    def cut(said: bytes) -> Iterator[bytes]:
        at = 0
        for size in cycle(sizes):
            if at >= len(said):
                return
            yield said[at : at + size]
            at += size

    return cut


class Run:
    """One engine, fed with one input."""

    def __init__(self, data: bytes, pieces: Pieces) -> None:
        flavour = FLAVOURS[data[0] % len(FLAVOURS)]
        self.commands = IN_FLIGHT["esp" if flavour is ESP else "bg96"]
        self.engine = Engine(flavour.dialect)
        self.now = 100.0
        self.seen: list[Event | bytes] = []
        if data[0] & 0x80:
            self.engine.probe = esp8266.CANARY if flavour is ESP else bg96.CANARY
        first, *rest = data[2:].split(ACT)
        self.feed(first, pieces)
        for part in rest:
            if part:
                self.act(part[0])
                self.feed(part[1:], pieces)

    def act(self, code: int) -> None:
        engine = self.engine
        if code & 0x80:
            self.now += WAITS[code % len(WAITS)]
            for _ in range(200):
                deadline = engine.next_deadline()
                if deadline is None or deadline > self.now:
                    break
                engine.tick(deadline)
            else:
                raise AssertionError("the engine asks to be called for ever")
            engine.tick(self.now)
        else:
            command = self.commands[code % len(self.commands)]
            if command is not None and engine.ready:
                engine.begin(command, self.now)
        self.collect()

    def feed(self, said: bytes, pieces: Pieces) -> None:
        for piece in pieces(said):
            self.engine.feed(piece, self.now)
        self.collect()

    def collect(self) -> None:
        engine = self.engine
        for event in engine.events:
            if isinstance(event, Failed):
                assert isinstance(event.error, ATError)
                assert str(event.error)
                assert event.error.errno
        self.seen += engine.events
        self.seen += engine.writes
        engine.events, engine.writes = [], []
        self.check_memory()

    def check_memory(self) -> None:
        """Nothing is kept beyond its cap."""
        framer = self.engine.framer
        waiting = len(framer._buffer) - framer._position
        assert waiting <= LINE_CAP
        assert len(framer._lead) <= LEAD_CAP
        longest = max(head.max_length for head in framer._heads)
        assert len(framer._payload) <= longest
        assert len(self.engine.anomalies) <= 20


def parser(data: bytes) -> None:
    """No exception, and no more memory than the caps allow (figure R8)."""
    if len(data) > 2:
        Run(data, in_reads(SIZES[data[1] % len(SIZES)]))


def differential(data: bytes) -> None:
    """Whole and cut into pieces: the same events, the same state (figure R9)."""
    if len(data) <= 2:
        return
    first, other = Run(data, whole), Run(data, in_reads(SIZES[data[1] % len(SIZES)]))
    assert shown(other) == shown(first)
    assert state(other.engine) == state(first.engine)


def shown(run: Run) -> list[Any]:
    return [each if isinstance(each, bytes) else normal(each) for each in run.seen]


TARGETS: dict[str, Callable[[bytes], None]] = {"parser": parser, "differential": differential}
