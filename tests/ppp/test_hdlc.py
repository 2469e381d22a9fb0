"""Framing: against the loops of RFC 1662, cut anywhere, damaged anywhere."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atdriver.ppp.hdlc import ALL_CONTROLS, LONGEST, Deframer, Stuffer, check_sequence
from tests.ppp import peer

CONTENT = st.binary(min_size=2, max_size=400)
ACCM = st.sampled_from([0, ALL_CONTROLS, 0xA0000]) | st.integers(0, ALL_CONTROLS)


def deframe(line: bytes, accm: int = 0) -> list[bytes]:
    deframer = Deframer()
    deframer.accept(accm)
    return list(deframer.feed(line))


def test_the_published_check_value() -> None:
    # CRC-16/X-25 of the nine digits is 0x906E in the catalogues of CRCs.
    assert check_sequence(b"123456789") == bytes((0x6E, 0x90))


@given(CONTENT, ACCM)
def test_frames_as_the_loop_makes_them(content: bytes, accm: int) -> None:
    assert Stuffer(accm).frame(content) == peer.stuff(content, accm)
    assert deframe(peer.stuff(content, accm), accm) == [content]
    assert peer.unstuff(Stuffer(accm).frame(content)) == [content]


@given(st.lists(CONTENT, max_size=4), ACCM, st.binary(max_size=30), st.data())
def test_it_does_not_matter_how_the_bytes_were_cut(
    contents: list[bytes], accm: int, noise: bytes, data: st.DataObject
) -> None:
    line = noise + b"".join(Stuffer(accm).frame(each) for each in contents) + noise
    whole, piecewise = Deframer(), Deframer()
    whole.accept(accm)
    piecewise.accept(accm)
    cut = data.draw(st.integers(0, len(line)))
    halves = [*piecewise.feed(line[:cut]), *piecewise.feed(line[cut:])]
    assert halves == list(whole.feed(line))
    assert whole.unfinished == piecewise.unfinished
    assert whole.damaged == piecewise.damaged
    single = Deframer()
    single.accept(accm)
    assert [f for i in range(len(line)) for f in single.feed(line[i : i + 1])] == halves


@settings(max_examples=200)
@given(CONTENT, st.data())
def test_a_damaged_frame_is_never_delivered(content: bytes, data: st.DataObject) -> None:
    line = bytearray(Stuffer(0).frame(content))
    at = data.draw(st.integers(1, len(line) - 2))
    line[at] ^= 1 << data.draw(st.integers(0, 7))
    delivered = deframe(bytes(line) + Stuffer(0).frame(b"\xff\x03next"))
    # One wrong bit is always seen, also where it makes a flag or an escape of a byte or unmakes one
    # (then up to two bytes change within 16 bits, or the length does).
    assert delivered in ([b"\xff\x03next"], [])


@given(st.binary(max_size=4000))
def test_garbage_is_no_frame_and_no_exception(garbage: bytes) -> None:
    deframer = Deframer()
    for content in deframer.feed(garbage):
        assert peer.fcs(content)  # 1 in 65536 is a frame by chance
    assert len(deframer.unfinished) <= 2 * LONGEST + 64


def test_nothing_is_kept_of_an_endless_frame_but_its_last_words() -> None:
    deframer = Deframer()
    assert not list(deframer.feed(b"~"))
    for _ in range(100):
        assert not list(deframer.feed(b"x" * 1000))
    assert not list(deframer.feed(b"\r\nNO CARRIER\r\n"))
    assert deframer.unfinished.endswith(b"\r\nNO CARRIER\r\n")
    assert len(deframer.unfinished) == 64
    assert list(deframer.feed(b"~" + Stuffer().frame(b"\xff\x03ab"))) == [b"\xff\x03ab"]
    assert deframer.damaged == 1


def test_a_frame_given_up_by_its_sender_is_not_counted() -> None:
    deframer = Deframer()
    assert not list(deframer.feed(b"~abc}~"))
    assert deframer.damaged == 0


def test_characters_that_the_line_put_in_are_taken_out() -> None:
    line = peer.stuff(b"\xff\x03payload")
    salted = line.replace(b"l", b"\x11l\x13")
    assert deframe(salted, ALL_CONTROLS) == [b"\xff\x03payload"]
    assert deframe(salted, 0) == []


@pytest.mark.serial
@pytest.mark.parametrize(
    ("accm", "least"), [(0, 20), (ALL_CONTROLS, 10)], ids=["negotiated", "default"]
)
def test_speed(accm: int, least: float) -> None:
    """MB/s in each direction, of random bytes in frames of 1500. IP packets are framed as was
    negotiated; with all control characters escaped are the packets of LCP, and those to a peer that
    wants nothing else."""
    draw = random.Random(1)
    contents = [b"\x21" + draw.randbytes(1500) for _ in range(700)]
    stuffer = Stuffer(accm)
    deframer = Deframer()
    deframer.accept(accm)
    best = {"out": 0.0, "in": 0.0}
    for _ in range(5):
        begun = time.process_time()
        line = b"".join(stuffer.frame(content) for content in contents)
        between = time.process_time()
        found = [f for i in range(0, len(line), 4096) for f in deframer.feed(line[i : i + 4096])]
        done = time.process_time()
        assert found == contents
        size = 1501 * len(contents) / 1e6
        best["out"] = max(best["out"], size / (between - begun))
        best["in"] = max(best["in"], size / (done - between))
    assert min(best.values()) >= least, best
