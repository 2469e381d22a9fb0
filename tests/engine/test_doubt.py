"""What is believed after an answer was damaged: pieces of its payload may look like anything."""

from __future__ import annotations

import dataclasses

import pytest

from atdriver.dialect import Dialect, Probe
from atdriver.events import Failed, Received, Unsolicited
from atdriver.exchange import Command
from atdriver.flight import STALL
from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.commands import query
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

from .harness import IN_STEP, Bench, answers, failed, odd, out_of_step, restart_seen, restarted
from .test_engine_rules import AT, BUSY, ERROR, OK, READ, TRAILER

QIRD = bg96_at.read(0, 1500, datagram=False)
BANNER = "banner in a damaged answer"
BROKE_OFF = "a payload broke off"


def doubts(bench: Bench) -> list[bool]:
    """Of the notices and payloads that came, whether each is in doubt."""
    return [event.doubtful for event in bench.events if isinstance(event, Unsolicited | Received)]


def why(bench: Bench) -> str:
    """The text of the one failure."""
    (text,) = [str(event.error) for event in bench.events if isinstance(event, Failed)]
    return text


def configured(dialect: Dialect = esp.DIALECT, canary: Probe = esp.CANARY) -> Bench:
    bench = Bench(dialect)
    bench.engine.probe = canary
    return bench


def test_what_comes_by_itself_is_not_in_doubt() -> None:
    bench = configured()
    bench.feed(b"0,CLOSED\r\n\r\n+IPD,0,2:hi")
    bench.send(READ)
    bench.feed(b"1,CLOSED\r\n\r\n+CIPRECVDATA,2:hi" + OK + b"2,CLOSED\r\n")
    assert doubts(bench) == [False] * 4


def test_behind_a_payload_that_broke_off_until_in_step_again() -> None:
    bench = configured()
    bench.send(READ)
    bench.feed(b"\r\n+CIPRECVDATA,50:half")
    bench.tick(STALL)
    assert READ.block is not None
    assert why(bench) == f"{READ}: the {READ.block.name} block broke off"
    bench.feed(b"0,CLOSED\r\n\r\n+IPD,0,2:hi")
    assert doubts(bench) == [True, True]
    bench.in_sync(answers(esp.CANARY, b"+CIPMUX:1\r\n" + OK, b"\r\n"))
    assert bench.take()[-1] == IN_STEP
    bench.feed(b"0,CLOSED\r\n")
    assert doubts(bench)[2:] == [False]


def test_behind_a_trailer_that_is_none() -> None:
    bench = configured()
    bench.send(READ)
    bench.feed(b"\r\n+CIPRECVDATA,2:hi" + b"x" * 40 + b"\r\n0,CLOSED\r\n")
    assert why(bench) == f"{READ}: {TRAILER}: {b'x' * 32!r}"
    assert doubts(bench) == [True]


def test_behind_an_answer_that_did_not_come_in_time() -> None:
    """The head of a late block may be damaged too; a command without a block leaves no such doubt."""
    bench = configured()
    bench.send(READ)
    bench.tick(READ.timeout)
    bench.feed(b"0,CLOSED\r\n")
    assert doubts(bench) == [True]
    bench = configured()
    bench.send(AT)
    bench.tick(AT.timeout)
    bench.feed(b"0,CLOSED\r\n")
    assert doubts(bench) == [False]


def test_behind_unknown_text_of_a_read_and_of_nothing_else() -> None:
    bench = configured()
    bench.send(READ)
    bench.feed(b"+CIPRECVDAT\r\n0,CLOSED\r\n")
    assert doubts(bench) == [True]
    bench = configured()
    bench.send(AT)
    bench.feed(b"some text\r\n0,CLOSED\r\n" + OK + b"1,CLOSED\r\n")
    assert doubts(bench) == [False, False]
    bench.send(READ)
    bench.feed(b"0,CLOSED\r\n")
    assert doubts(bench) == [False] * 3, "the text was another command's"


@pytest.mark.parametrize(
    ("dialect", "canary", "read", "banner"),
    [(esp.DIALECT, esp.CANARY, READ, b"ready"), (bg96.DIALECT, bg96.CANARY, QIRD, b"RDY")],
    ids=["esp", "bg96"],
)
def test_a_banner_in_doubt_is_left_to_the_canary(
    dialect: Dialect, canary: Probe, read: esp_at.Command, banner: bytes
) -> None:
    bench = configured(dialect, canary)
    bench.send(read)
    bench.feed(b"what was a head\r\n" + banner + b"\r\n")
    assert bench.take()[1:] == (
        odd(BANNER, banner),
        failed(read, "ReplyCorrupt"),
        out_of_step(BANNER),
    )
    bench.feed(banner + b"\r\n")
    assert bench.take() == (odd(BANNER, banner),), "nothing is in flight any more"


def test_without_a_canary_a_banner_is_believed_all_the_same() -> None:
    bench = Bench(esp.DIALECT)
    bench.send(READ)
    bench.feed(b"what was a head\r\nready\r\n")
    assert bench.take()[1:] == (restart_seen(READ), restarted(b"ready"))


@pytest.mark.parametrize(
    ("partial", "banner"),
    [
        (b"abc\r\nready\r\n", True),
        (b"abc\n\0\0ready\0\r\n", True),
        (b"ready", True),
        (b"abc\r\n ready \r\n", False),
        (b"abc\r\nXready\r\n", False),
        (b"abc ready\r\n", False),
    ],
)
def test_a_banner_is_a_line_of_the_payload_that_broke_off(partial: bytes, banner: bool) -> None:
    bench = Bench(esp.DIALECT)  # no canary to ask yet
    bench.send(READ)
    bench.feed(b"\r\n+CIPRECVDATA,90:" + partial)
    bench.tick(STALL)
    assert (restarted(b"banner inside a payload") in bench.take()) is banner


def test_noise_behind_a_block_is_damage_and_elsewhere_an_event() -> None:
    long = b"x" * 5000
    bench = configured()
    bench.feed(long + b"\n")
    assert bench.take() == (odd("line too long", b"x" * 48),)
    bench.send(READ)
    bench.feed(b"\r\n+CIPRECVDATA,2:hi\r\n" + long + b"\n")
    assert bench.take() == (
        odd("line too long", b"x" * 48),
        failed(READ, "ReplyCorrupt"),
        out_of_step("line too long"),
    )


def test_busy_behind_unknown_text_may_have_been_a_piece_of_the_payload() -> None:
    bench = configured()
    bench.send(READ)
    bench.feed(b"+CIPRECVDAT\r\n" + BUSY)
    bench.tick(1.0)
    reason = "result behind unknown text"
    assert bench.take()[1:] == (
        odd(reason, b"+CIPRECVDAT"),
        failed(READ, "ReplyCorrupt"),
        out_of_step(reason),
    )
    assert why(bench) == f"{READ}: {reason}: {b'+CIPRECVDAT'!r}"


def test_an_error_behind_unknown_text_is_told_alike() -> None:
    bench = configured()
    bench.send(READ)
    bench.feed(b"+CIPRECVDAT\r\n" + ERROR)
    assert why(bench) == f"{READ}: result behind unknown text: {b'+CIPRECVDAT'!r}"


def test_a_pushed_payload_that_breaks_off_leaves_its_pieces_believed() -> None:
    """Where data is pushed every payload is of somebody: the driver breaks the streams itself."""
    bench = configured()
    bench.feed(b"\r\n+IPD,0,10:abc")
    bench.tick(STALL)
    assert bench.take() == (odd("payload stalled", b"abc"), out_of_step(BROKE_OFF))
    bench.feed(b"0,CLOSED\r\n")
    assert doubts(bench) == [False]


def test_a_restart_ends_the_doubt() -> None:
    bench = Bench(esp.DIALECT)  # not configured: the banner is believed
    bench.send(READ)
    bench.tick(READ.timeout)
    bench.feed(b"0,CLOSED\r\nready\r\n1,CLOSED\r\n")
    assert doubts(bench) == [True, False]


def test_several_notices_in_one_trailer() -> None:
    """Each brings its own line ends; what is left must be the trailer's."""
    notice = b'\r\n+QIURC: "recv",1\r\n'
    for count in range(4):
        bench = configured(bg96.DIALECT, bg96.CANARY)
        bench.send(QIRD)
        bench.feed(b"\r\n+QIRD: 2\r\nhi\r\n" + notice * count + OK)
        assert [seen[0] for seen in bench.take()] == ["urc"] * count + ["done"]
        bench.send(QIRD)
        bench.feed(b"\r\n+QIRD: 2\r\nh\r\n" + notice * count + OK)
        assert out_of_step(TRAILER) in bench.take()


def test_what_failures_are_called() -> None:
    bench = Bench(esp.DIALECT)
    bench.send(AT)
    bench.feed(b"ready\r\n")
    assert why(bench) == "AT: the module restarted"
    bench = Bench(esp.DIALECT)
    once = dataclasses.replace(AT, repeatable=False)
    bench.send(once)
    bench.feed(BUSY)
    bench.tick(1.0)
    assert why(bench) == "AT: the module stays busy"
    bench = Bench(esp.DIALECT)
    bench.send(AT)
    bench.feed(BUSY)
    bench.tick(200.0)
    assert why(bench) == "AT: the module does not answer any more"
    bench.probing()
    bench.in_sync(answers(Probe(b"AT"), OK, b"\r\n"))
    assert len([event for event in bench.events if isinstance(event, Failed)]) == 1, "once"


def test_a_notice_glued_to_what_may_be_payload_is_in_doubt() -> None:
    bench = configured()
    bench.send(READ)
    bench.feed(b"+CIPRECVDAT,5:hel0,CLOSED\r\n")
    assert doubts(bench) == [True]
    bench = configured()
    bench.send(AT)
    bench.feed(b"some text0,CLOSED\r\n")
    assert doubts(bench) == [False]


def test_an_answer_that_began_behind_busy_and_does_not_end_is_late() -> None:
    ask = query("AT+N?", rb"\+N:\d+")
    bench = configured()
    bench.send(ask)
    bench.feed(BUSY + b"+N:1\r\n")
    bench.tick(ask.timeout * 0.99)
    assert bench.take() == ()
    bench.tick(ask.timeout * 0.02)
    assert why(bench) == f"AT+N?: no answer within {ask.timeout:g} s"


def test_a_line_that_is_no_text_can_be_shown() -> None:
    assert str(Command(b"AT+X=\xff\x00", 1.0)) == "AT+X=\\xff\x00"
