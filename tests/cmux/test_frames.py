"""Frames and messages: round trips, cuts, damage, published examples."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atdriver.cmux.frames import LONGEST, Deframer, Frame, Kind
from atdriver.cmux.messages import Message, Type, decode, modem_status
from tests.cmux import peer

DATA = st.binary(max_size=300)
UIH = st.builds(Frame, st.integers(0, 61), st.just(Kind.UIH), DATA, st.booleans())
BARE = st.builds(
    Frame,
    st.integers(0, 61),
    st.sampled_from([Kind.SABM, Kind.UA, Kind.DM, Kind.DISC]),
    st.just(b""),
    st.booleans(),
    st.booleans(),
)
UI = st.builds(Frame, st.integers(0, 61), st.just(Kind.UI), DATA)
FRAME = UIH | BARE | UI


def test_the_frames_that_open_a_multiplexer() -> None:
    """As in published traces of modules: SABM on 0 and 1, close-down."""
    assert Frame(0, Kind.SABM, poll=True).encode() == bytes.fromhex("f9033f011cf9")
    assert Frame(1, Kind.SABM, poll=True).encode() == bytes.fromhex("f9073f01def9")
    assert Frame(0, Kind.UA, command=True, poll=True).encode() == bytes.fromhex("f9037301d7f9")
    assert Frame(0, Kind.UIH, Message(Type.CLD).encode()).encode() == bytes.fromhex(
        "f903ef05c301f2f9"
    )
    assert modem_status(1, 0x8C).encode() == bytes.fromhex("e305078d")


@given(UIH | BARE)
def test_frames_as_the_loop_makes_them(frame: Frame) -> None:
    control = frame.kind | (0x10 if frame.poll else 0)
    line = peer.frame(frame.dlci, control, frame.data, int(frame.command))
    assert frame.encode() == line
    assert list(Deframer().feed(line)) == [frame]


@given(st.lists(FRAME, max_size=5), st.data())
def test_it_does_not_matter_how_the_bytes_were_cut(
    frames: list[Frame], data: st.DataObject
) -> None:
    line = b"".join(frame.encode() for frame in frames)
    if data.draw(st.booleans(), label="one flag between"):
        line = line.replace(b"\xf9\xf9", b"\xf9") if b"\xf9" not in b"".join(
            frame.encode()[1:-1] for frame in frames
        ) else line  # fmt: skip
    single = Deframer()
    assert [f for i in range(len(line)) for f in single.feed(line[i : i + 1])] == frames
    cut = data.draw(st.integers(0, len(line)))
    halves = Deframer()
    assert [*halves.feed(line[:cut]), *halves.feed(line[cut:])] == frames
    assert (halves.skipped, halves.waits) == (single.skipped, single.waits)


@given(st.binary(max_size=600).map(lambda b: b.replace(b"\xf9", b"")), UIH, UIH)
def test_frames_behind_text_are_found(noise: bytes, first: Frame, second: Frame) -> None:
    deframer = Deframer()
    line = noise + first.encode() + noise + second.encode()
    assert [*deframer.feed(line), *deframer.give_up()] == [first, second]


@settings(max_examples=200)
@given(st.binary(max_size=3000))
def test_garbage_raises_nothing_and_is_bounded(garbage: bytes) -> None:
    deframer = Deframer()
    for _ in deframer.feed(garbage * 3):
        pass
    assert len(deframer._held) <= LONGEST + 8
    while deframer.waits:
        list(deframer.give_up())


@given(UIH, st.data())
def test_a_damaged_head_delivers_nothing_of_its_own(frame: Frame, data: st.DataObject) -> None:
    """The check sequence covers the head; what follows is found again."""
    line = bytearray(frame.encode())
    head = 4 if len(frame.data) < 128 else 5
    at = data.draw(st.integers(1, head - 1))
    line[at] ^= 1 << data.draw(st.integers(0, 7))
    after = Frame(1, Kind.UIH, b"after it")
    deframer = Deframer()
    found = [*deframer.feed(bytes(line) + after.encode())]
    while deframer.waits:
        found += deframer.give_up()
    assert after in found
    assert frame not in found


def test_a_claimed_length_does_not_swallow_what_follows() -> None:
    """A head whose length was damaged, with a right check sequence by bad luck: after a moment of
    silence the frames behind it come."""
    bad = b"\xf9\x07\xef\xfe\x03"
    good = Frame(1, Kind.UIH, b"hello")
    deframer = Deframer()
    assert list(deframer.feed(bad + good.encode())) == []
    assert deframer.waits
    assert list(deframer.give_up()) == [good]


@pytest.mark.parametrize(("dlci", "size"), [(62, 0), (-1, 0), (1, 32768)], ids=str)
def test_what_no_frame_can_hold(dlci: int, size: int) -> None:
    with pytest.raises(ValueError, match="DLCI"):
        Frame(dlci, Kind.UIH, bytes(size)).encode()


@given(
    st.lists(
        st.builds(Message, st.integers(0, 63), st.binary(max_size=200), st.booleans()), max_size=5
    )
)
def test_messages(messages: list[Message]) -> None:
    assert decode(b"".join(message.encode() for message in messages)) == messages


@given(st.binary(max_size=40))
def test_damaged_messages_are_left_out(data: bytes) -> None:
    for message in decode(data):
        assert 0 <= message.kind <= 63
