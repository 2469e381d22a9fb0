"""The multiplexer without a port: opening, data, flow control, the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atdriver.cmux.mux import Closed, Data, Ended, Mux, Opened, Refused, Signals
from tests.cmux.peer import DISC, DM, SABM, UA, UIH, Module, frame, read


class Pair:
    """A Mux and a module, joined by hand; `now` passes in `wait`."""

    def __init__(self, n1: int = 31, **module: object) -> None:
        self.mux = Mux(n1)
        self.module = Module(muxed=True, **module)  # type: ignore[arg-type]
        self.now = 0.0
        self.module.deliver = lambda data: self.mux.feed(data, self.now)

    def run(self) -> None:
        while line := self.mux.take():
            self.module.receive(line)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (at := self.mux.next_deadline()) is not None and at <= end:
            self.now = max(at, self.now)
            self.mux.tick(self.now)
            self.run()
        self.now = end

    def opened(self, *dlcis: int) -> Pair:
        for dlci in (0, *dlcis):
            self.mux.open(dlci, self.now)
            self.run()
            self.wait(2)
        self.mux.events.clear()
        self.module.heard.clear()
        return self

    def told(self) -> list[object]:
        events, self.mux.events = self.mux.events, []
        return list(events)


def test_channels_are_opened_and_their_lines_raised() -> None:
    pair = Pair()
    for dlci in (0, 1):
        pair.mux.open(dlci, 0.0)
        pair.run()
    assert pair.told() == [Opened(0, True), Opened(1, True)]
    assert pair.module.heard == [(0, SABM, b""), (1, SABM, b""), (0, UIH, b"\xe3\x05\x07\x8d")]


def test_a_module_that_does_not_answer_sabm_is_not_insisted_upon() -> None:
    pair = Pair(answers=False)
    pair.mux.open(0, 0.0)
    pair.run()
    pair.wait(2)
    pair.mux.open(1, pair.now)
    pair.run()
    pair.module.put(1, b"it talks")
    assert pair.told() == [Opened(0, False), Opened(1, True), Data(1, b"it talks")]
    assert pair.module.heard[:3] == [(0, SABM, b"")] * 3


def test_a_channel_that_is_refused() -> None:
    pair = Pair(refuse=(2,))
    pair.opened(1)
    pair.mux.open(2, pair.now)
    pair.run()
    assert pair.told() == [Refused(2)]
    assert not pair.mux.is_open(2)


@settings(max_examples=60)
@given(st.integers(1, 200), st.lists(st.binary(min_size=1, max_size=500), max_size=10))
def test_every_byte_arrives_in_order(n1: int, pieces: list[bytes]) -> None:
    pair = Pair(n1).opened(1, 2)
    for number, piece in enumerate(pieces):
        pair.mux.send(1 + number % 2, piece)
    pair.run()
    for dlci in (1, 2):
        expected = b"".join(pieces[dlci - 1 :: 2])
        assert pair.module.got.get(dlci, b"") == expected
    assert all(len(data) <= n1 for dlci, _, data in pair.module.heard if dlci)


def test_a_busy_channel_does_not_hold_up_a_quiet_one() -> None:
    pair = Pair().opened(1, 2)
    pair.mux.send(2, bytes(100_000))
    pair.mux.send(1, b"AT\r")
    first = read(pair.mux.take(100))
    assert (1, UIH, b"AT\r") in first
    assert pair.mux.ready
    assert pair.mux.backlog(2) >= 99_900


@given(st.lists(st.tuples(st.sampled_from("sgwfn"), st.binary(max_size=80)), max_size=30))
def test_flow_control_loses_no_byte(steps: list[tuple[str, bytes]]) -> None:
    """s: send; g: MSC stops or releases channel 2; w: write; f, n: FCoff and FCon."""
    pair = Pair().opened(1, 2)
    sent, stopped, held = b"", False, False
    for step, data in steps:
        match step:
            case "s":
                pair.mux.send(2, data)
                sent += data
            case "g":
                stopped = not stopped
                pair.module.flow(2, stopped)
            case "f" | "n":
                held = step == "f"
                pair.module.say(b"\x63\x01" if held else b"\xa3\x01")
        before = pair.module.got.get(2, b"")
        pair.run()
        if stopped or held:
            assert pair.module.got.get(2, b"") == before
        else:
            assert pair.module.got.get(2, b"") == sent
    pair.module.flow(2, False)
    pair.module.say(b"\xa3\x01")
    pair.run()
    assert pair.module.got.get(2, b"") == sent


def test_flow_control_of_one_channel_leaves_the_other() -> None:
    pair = Pair().opened(1, 2)
    pair.module.flow(2, True)
    assert pair.told() == [Signals(2, 0x8E)]
    pair.mux.send(2, b"held")
    pair.mux.send(1, b"AT\r")
    pair.run()
    assert pair.module.got == {1: b"AT\r"}
    assert not pair.mux.ready
    assert (0, UIH, b"\xe1\x05\x0b\x8f") in pair.module.heard  # answered


def test_this_side_can_stop_the_module() -> None:
    pair = Pair().opened(2)
    pair.mux.pause(2, True)
    pair.mux.pause(2, True)
    pair.mux.pause(2, False)
    pair.run()
    assert [data for _, _, data in pair.module.heard] == [b"\xe3\x05\x0b\x8f", b"\xe3\x05\x0b\x8d"]


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"\x23\x09ping", b"\x21\x09ping"),
        (b"\x43\x01", b"\x41\x01"),
        (b"\xd3\x03\x05", b"\x11\x03\xd3"),
        (b"\x93\x03\x07", b"\x91\x03\x07"),
        (b"\x63\x01", b"\x61\x01"),
    ],
    ids=["test", "psc", "snc-not-supported", "rpn", "fcoff"],
)
def test_messages_of_the_module_are_answered(message: bytes, answer: bytes) -> None:
    pair = Pair().opened(1)
    pair.module.say(message)
    pair.run()
    assert pair.module.heard == [(0, UIH, answer)]


@pytest.mark.parametrize("how", ["cld", "disc"])
def test_the_module_ends_it(how: str) -> None:
    pair = Pair().opened(1)
    if how == "cld":
        pair.module.say(b"\xc3\x01")
    else:
        pair.module.deliver(frame(0, DISC))
    assert [type(event) for event in pair.told()] == [Ended]
    answer = read(pair.mux.take())
    assert answer == ([(0, UIH, b"\xc1\x01")] if how == "cld" else [(0, UA, b"")])
    assert pair.mux.next_deadline() is None


def test_the_module_closes_a_channel() -> None:
    pair = Pair().opened(1, 2)
    pair.mux.send(2, b"too late")
    pair.module.deliver(frame(2, DISC))
    assert pair.told() == [Closed(2)]
    pair.run()
    assert pair.module.heard == [(2, UA, b"")]
    pair.module.deliver(frame(2, DISC) + frame(9, SABM))
    pair.run()
    assert pair.module.heard[1:] == [(2, DM, b""), (9, DM, b"")]


def test_closing_a_channel_and_opening_it_again() -> None:
    pair = Pair().opened(2)
    pair.mux.close(2, pair.now)
    pair.run()
    assert pair.told() == [Closed(2)]
    pair.mux.open(2, pair.now)
    pair.run()
    assert pair.told() == [Opened(2, True)]


def test_a_close_that_nobody_answers_ends() -> None:
    pair = Pair(answers=False).opened(2)
    pair.mux.close(2, pair.now)
    pair.run()
    pair.wait(2)
    assert pair.told() == [Closed(2)]


def test_a_module_that_has_gone_is_missed() -> None:
    pair = Pair().opened(1)
    pair.wait(300)
    assert pair.told() == []
    pair.module.test = False
    pair.wait(60)
    (event,) = pair.told()
    assert isinstance(event, Ended)
    assert "answer" in event.reason


def test_a_module_that_never_answered_a_test_is_not_missed() -> None:
    pair = Pair(test=False).opened(1)
    pair.wait(300)
    assert pair.told() == []


def test_close_down() -> None:
    pair = Pair().opened(1)
    pair.mux.end(pair.now)
    pair.run()
    assert not pair.module.muxed
    assert pair.told() == [Ended("")]


def test_an_unfinished_frame_holds_nothing_up_for_long() -> None:
    pair = Pair().opened(1)
    pair.module.deliver(b"\xf9\x07\xef\xfe\x03")
    pair.module.put(1, b"real")
    assert pair.told() == []
    pair.wait(0.5)
    assert pair.told() == [Data(1, b"real")]


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=40) | st.builds(frame, st.integers(0, 3), st.sampled_from([SABM, UA, DM, DISC, UIH]), st.binary(max_size=20)), max_size=20))  # fmt: skip
def test_no_bytes_raise(pieces: list[bytes]) -> None:
    pair = Pair().opened(1, 2)
    for piece in pieces:
        pair.mux.feed(piece, pair.now)
        pair.mux.take()
        pair.now += 0.2
        pair.mux.tick(pair.now)
        pair.mux.send(2, b"x")
