"""Shells: prompts anywhere, and texts that end at their first NUL; cut at every position."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from atdriver.answering import TEXT_STALL
from atdriver.dialect import Dialect, Probe
from atdriver.engine import CUT, Engine
from atdriver.events import Anomaly, Completed, Event, Failed, OutOfStep, Received, Unsolicited
from atdriver.exchange import Command
from atdriver.flight import STALL
from modems.openthread.dialect import CANARY, DIALECT, IN_STEP

STATE = Command(
    b"state", 3.0, info=re.compile(rb"disabled|detached|child|router|leader"), ok=(b"Done",)
)
SENDER = b"fd23:2822:0:0:0:ff:fe00:fc00 1234 "


def cuts(data: bytes) -> Iterator[list[bytes]]:
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]


def engine(dialect: Dialect = DIALECT, probe: Probe = IN_STEP) -> Engine:
    made = Engine(dialect)
    made.probe = probe
    return made


def told(data: bytes, command: Command | None = None, wait: float = 0.0) -> list[list[Event]]:
    """What each way of cutting the bytes makes of them; the ways must agree."""
    found = []
    for pieces in cuts(data):
        one = engine(probe=CANARY)
        now = 1.0
        if command is not None:
            one.begin(command, now)
        for piece in pieces:
            now += 0.001
            one.feed(piece, now)
        for _ in range(int(wait * 10)):
            now += 0.1
            one.tick(now)
        found.append(one.events)
    shown = [[show(event) for event in events] for events in found]
    assert all(each == shown[0] for each in shown), "the cuts decide"
    return found


def show(event: Event) -> tuple[object, ...]:
    if isinstance(event, Received):
        return ("data", event.data.payload, event.data.whole, event.data.swallowed)
    if isinstance(event, Unsolicited):
        return ("notice", event.name)
    if isinstance(event, Completed):
        return ("done", *event.reply.lines)
    if isinstance(event, Failed):
        return ("failed", type(event.error).__name__)
    return (type(event).__name__, getattr(event, "reason", ""))


def seen(
    data: bytes, command: Command | None = None, wait: float = 0.0
) -> list[tuple[object, ...]]:
    return [show(event) for event in told(data, command, wait)[0]]


def datagram(payload: bytes) -> bytes:
    """As the node prints it: the count is right, the text stops at the first NUL."""
    return b"%d bytes from %b%b\r\n" % (len(payload), SENDER, payload.split(b"\0")[0])


def test_a_text_that_may_have_ended_is_judged_soon() -> None:
    """Whoever drives the engine is told when; a text that has not come so far has longer."""
    said = b"10 bytes from " + SENDER + b"abc"
    for more, patience in ((b"", STALL), (b"\r\n", TEXT_STALL)):
        one = engine(probe=CANARY)
        one.feed(said + more, 5.0)
        assert one.next_deadline() == 5.0 + patience


def test_a_text_that_may_have_ended_waits_for_its_rest() -> None:
    one = engine(probe=CANARY)
    one.feed(b"10 bytes from " + SENDER + b"abc\r\n", 5.0)
    one.tick(5.0 + TEXT_STALL - 0.01)
    assert one.events == []
    one.tick(5.0 + TEXT_STALL)
    assert [show(event) for event in one.events] == [
        ("Anomaly", CUT),
        ("data", b"abc", False, False),
    ]


@pytest.mark.parametrize(
    "said",
    [
        b"> state\r\nleader\r\nDone\r\n> ",
        b"state\r\n> > leader\r\n> Done\r\n> ",
        b"\r\n> > state\r\n\r\nleader\r\nDone\r\n",
    ],
    ids=["usual", "stray prompts", "blank lines"],
)
def test_prompts_stand_anywhere_and_mean_nothing(said: bytes) -> None:
    assert seen(said, STATE) == [("done", b"leader")]


def test_the_echo_that_stays_is_no_anomaly() -> None:
    one = engine(probe=CANARY)
    for number in range(3):
        one.begin(STATE, float(number))
        one.feed(b"> state\r\nleader\r\nDone\r\n> ", number + 0.1)
    assert not one.anomalies


def test_an_error_ends_a_command_with_its_number() -> None:
    (event,) = told(b"> state\r\nError 13: InvalidState\r\n> ", STATE)[0]
    assert isinstance(event, Failed)
    assert event.error.code == 13  # type: ignore[attr-defined]


def test_a_text_is_read_by_its_count() -> None:
    payload = b"a\r\nb> \rc\nd"
    assert seen(b"> " + datagram(payload)) == [("data", payload, True, False)]


def test_texts_and_results_alternate() -> None:
    said = b"state\r\n" + datagram(b"one\r\n") + b"leader\r\n" + datagram(b"") + b"Done\r\n> "
    assert seen(said, STATE) == [
        ("data", b"one\r\n", True, False),
        ("data", b"", True, False),
        ("done", b"leader"),
    ]


def test_a_text_cut_at_nul_is_not_whole_and_takes_nothing_with_it() -> None:
    said = datagram(b"ab\0cd e\0") + b"> state\r\nleader\r\nDone\r\n> "
    # The count swallows the prompt and a part of the echo: both are read again.
    assert seen(said, STATE) == [
        ("Anomaly", CUT),
        ("data", b"ab", False, False),
        ("done", b"leader"),
    ]


def test_a_text_cut_at_nul_with_nothing_behind_it_is_told_after_a_moment() -> None:
    said = datagram(b"ab\0cdefg")
    assert seen(said) == []
    assert seen(said, wait=1.0) == [("Anomaly", CUT), ("data", b"ab", False, False)]


def test_no_command_begins_in_the_middle_of_a_text() -> None:
    one = engine()
    one.feed(datagram(b"ab\0cdefg"), 0.0)
    assert not one.ready
    one.tick(1.0)
    assert one.ready


@pytest.mark.parametrize(
    "payload",
    [
        b"x\r\nDone\r\n\0" + b"." * 5,
        b"x\r\nleader\r\nDone\r\n\0",
        b"x\r\nError 1: Failed\r\n\0....",
        b"x\r\nTCP: Connection reset\r\n\0..........",
        b"x\r\n3 bytes from " + SENDER + b"abc\r\n\0..........",
    ],
    ids=["result", "answer", "error", "notice", "datagram"],
)
def test_a_peer_cannot_write_results_into_what_follows_its_nul(payload: bytes) -> None:
    events = seen(datagram(payload) + b"> state\r\n", STATE, wait=1.0)
    kinds = [event[0] for event in events]
    assert "done" not in kinds
    assert "notice" not in kinds
    assert [event for event in events if event[0] == "data"] == [("data", b"x", False, True)]
    assert ("failed", "ReplyCorrupt") in events
    assert ("OutOfStep", CUT) in events
    one = engine(probe=CANARY)
    one.begin(STATE, 1.0)
    one.feed(datagram(payload) + b"> state\r\n", 1.0)
    one.tick(2.0)
    (error,) = (event.error for event in one.events if isinstance(event, Failed))
    assert str(error) == "state: its answer came behind a text cut short"


@pytest.mark.parametrize(
    ("text", "behind"),
    [
        (b"ab", b"> state\r\nleader\r\nDone"),
        (b"ab", b"> state\r\nleader"),
        (b"ab", b"> TCP: Connection reset"),
        (b"ab", b"3 bytes from " + SENDER + b"x\r\n"),
    ],
    ids=["answer", "line of an answer", "notice", "datagram"],
)
def test_output_that_fills_a_cut_text_exactly_is_not_handed_out(text: bytes, behind: bytes) -> None:
    """The count fits, a line end stands behind it, and yet it is no payload."""
    count = len(text) + 2 + len(behind)
    said = b"%d bytes from %b%b\r\n%b\r\n" % (count, SENDER, text, behind)
    events = seen(said, STATE)
    (data,) = [event for event in events if event[0] == "data"]
    assert data[2:] == (False, True)


@pytest.mark.parametrize("payload", [b"line\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"> "])
def test_ordinary_texts_with_line_ends_are_whole(payload: bytes) -> None:
    assert seen(datagram(payload)) == [("data", payload, True, False)]


def test_a_lost_byte_is_noticed() -> None:
    said = datagram(b"hello world")
    for at in range(len(said) - len(b"hello world\r\n"), len(said) - 2):
        one = engine()
        one.feed(said[:at] + said[at + 1 :] + b"> ", 0.0)
        one.tick(1.0)
        (event,) = [each for each in one.events if isinstance(each, Received)]
        assert not event.data.whole


def test_random_pieces_of_everything_never_raise_and_agree() -> None:
    pieces = (b"> ", b"Done\r\n", datagram(b"a\0b"), datagram(b"\r\nDone\r\n"), b"TCP: Received ",
              b"3 bytes: abc\r\n", b"\0")  # fmt: skip
    for choice in itertools.permutations(pieces, 3):
        told(b"".join(choice), wait=1.0)


def test_a_payload_without_a_prompt_leaves_with_its_line() -> None:
    send = Command(b"SKSEND 1 0003 ", 3.0, payload=b"\r\n\0", inline=True)
    one = engine()
    one.begin(send, 0.0)
    assert one.writes == [b"SKSEND 1 0003 \r\n\0"]


def test_anomalies_are_events_too() -> None:
    one = engine()
    one.feed(b"strange\r\n", 0.0)
    assert [type(event) for event in one.events] == [Anomaly]
    assert not any(isinstance(event, OutOfStep) for event in one.events)
