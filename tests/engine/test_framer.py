"""Tokens: what the framer gives up, what it remembers, and how a payload in pieces comes together."""

from __future__ import annotations

import re

import pytest

from atdriver.framer import HELD_LOW, LEAD_CAP, LINE_CAP, Framer
from atdriver.textframer import TextFramer
from atdriver.tokens import Data, Head, Line, Noise, Prompt

HEAD = Head("ipd", b"+IPD,", re.compile(rb"\+IPD,(?P<n>\d+):"), 2048)
OTHER = Head("read", b"+READ:", re.compile(rb"\+READ: (?P<n>\d+)\r\n"), 100)


def feed(framer: Framer, *pieces: bytes) -> list[object]:
    found: list[object] = []
    for piece in pieces:
        framer.push(piece)
        while (token := framer.next()) is not None:
            found.append(token)
    return found


def payload_of(token: object) -> tuple[str, bytes, bytes]:
    assert isinstance(token, Data)
    return token.head.name, token.payload, token.lead


@pytest.mark.parametrize("cuts", range(1, 14))
def test_a_payload_is_whole_however_often_it_was_cut(cuts: int) -> None:
    framer = Framer((HEAD,))
    said = b"\r\n+IPD,20:abcdefghijklmnopqrst\r\nOK\r\n"
    pieces = [said[at : at + cuts] for at in range(0, len(said), cuts)]
    data, ok = feed(framer, *pieces)
    assert payload_of(data) == ("ipd", b"abcdefghijklmnopqrst", b"\r\n")
    assert isinstance(data, Data)
    assert (data.whole, data.swallowed) == (True, False)
    assert ok == Line(b"OK", b"\r\n")
    assert not framer.mid_payload


def test_bytes_pushed_in_one_go_mean_the_same() -> None:
    framer = Framer((HEAD,))
    assert feed(framer, b"+IPD,6:a") == []
    for piece in (b"b", b"c", b"def+IPD", b",1:g"):  # nobody asks between them
        framer.push(piece)
    found = [payload_of(token) for token in feed(framer, b"")]
    assert found == [("ipd", b"abcdef", b""), ("ipd", b"g", b"")]


def test_an_abandoned_payload_is_handed_over_and_leaves_nothing_behind() -> None:
    framer = Framer((HEAD,))
    assert framer.abandon_payload() is None
    assert feed(framer, b"\r\n+IPD,9:abc") == []
    assert framer.mid_payload
    assert framer.abandon_line() == b"", "a payload is no line"
    assert framer.abandon_payload() == (HEAD, b"abc")
    assert not framer.mid_payload
    assert framer.abandon_payload() is None
    line, data = feed(framer, b"OK\r\n+IPD,4:", b"wx", b"yz")
    assert line.text == b"OK"
    assert payload_of(data) == ("ipd", b"wxyz", b"")


def test_an_abandoned_line_is_told_in_part_and_its_rest_is_a_new_line() -> None:
    framer = Framer()
    assert framer.abandon_line() == b""
    assert feed(framer, b"\r\nfirst\n\r\n" + b"x" * 100) == [Line(b"first", b"\r\n")]
    assert framer.abandon_line() == b"x" * 48
    assert framer.abandon_line() == b""
    assert feed(framer, b"OK\r\n") == [Line(b"OK", b"")], "without the lead of what was given up"


def test_the_rest_of_a_dropped_line_is_dropped_unless_it_was_given_up() -> None:
    long = b"x" * (LINE_CAP + 1)
    framer = Framer()
    assert feed(framer, long, b"tail\nnext\n") == [
        Noise("line too long", b"x" * 48),
        Line(b"next", b""),
    ]
    assert feed(framer, long) == [Noise("line too long", b"x" * 48)]
    framer.abandon_line()
    assert feed(framer, b"OK\n") == [Line(b"OK", b"")]


def test_a_dropped_line_ends_at_its_own_line_end() -> None:
    framer = Framer()
    assert feed(framer, b"x" * (LINE_CAP + 1), b"y", b"\n") == [Noise("line too long", b"x" * 48)]
    assert feed(framer, b"a\n") == [Line(b"a", b"")], "the next one is not dropped"


def test_a_line_without_its_end_is_too_long_from_the_first_byte_too_many() -> None:
    assert feed(Framer(), b"x" * LINE_CAP) == []
    assert feed(Framer(), b"x" * (LINE_CAP + 1)) == [Noise("line too long", b"x" * 48)]
    (noise, line) = feed(Framer(), b"\r\n" + b"x" * (LINE_CAP + 1) + b"\nOK\n")
    assert isinstance(noise, Noise)
    assert line == Line(b"OK", b""), "the lead was that of the line that is gone"


@pytest.mark.parametrize(
    "lead",
    [b"", b"\n", b"\r", b"\r\n", b"\r\n\r\n", b"\r\r\n", b"\0\r\n", b"\r\n\r\n\r\n", b"\n\0"],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_the_lead_is_all_that_was_skipped(lead: bytes, size: int) -> None:
    said = lead + b"OK\n" + lead + b"+IPD,1:x"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    line, data = feed(Framer((HEAD,)), *pieces)
    assert line == Line(b"OK", lead)
    assert payload_of(data) == ("ipd", b"x", lead)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_of_a_long_lead_the_beginning_is_kept(size: int) -> None:
    said = b"\r\n" * (LEAD_CAP - 20) + b"OK\n"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    assert feed(Framer(), *pieces) == [Line(b"OK", (b"\r\n" * LEAD_CAP)[:LEAD_CAP])]


def test_the_prompt_takes_its_lead_and_one_blank_with_it() -> None:
    framer = Framer()
    framer.armed = True
    assert feed(framer, b"\r\n>", b" ", b"OK\r\n") == [Prompt(), Line(b"OK", b"")]
    assert not framer.armed


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b">OK\r\n", Line(b"OK", b"")),
        (b"> OK\r\n", Line(b"OK", b"")),
        (b">  OK\r\n", Line(b" OK", b"")),
        (b">!OK\r\n", Line(b"!OK", b"")),
        (b">\r\nOK\r\n", Line(b"OK", b"\r\n")),
        (b"> \r\nOK\r\n", Line(b"OK", b"\r\n")),
    ],
)
def test_behind_the_prompt_nothing_but_one_blank_is_left_out(said: bytes, line: Line) -> None:
    for cut in range(1, len(said)):
        framer = Framer()
        framer.armed = True
        assert feed(framer, said[:cut], said[cut:]) == [Prompt(), line], cut


def test_no_more_than_a_head_may_be_long_is_looked_at() -> None:
    narrow = Head("ipd", b"+IPD,", HEAD.pattern, 2048, max_head=7)
    (data,) = feed(Framer((narrow,)), b"+IPD,1:x")
    assert payload_of(data) == ("ipd", b"x", b"")
    assert feed(Framer((narrow,)), b"+IPD,10:0123456789\n") == [Line(b"+IPD,10:0123456789", b"")]


def test_heads_are_tried_in_turn_and_new_ones_hold_from_the_next_token() -> None:
    longer = Head("named", b"+IPD,", re.compile(rb"\+IPD,(?P<n>\d+),(?P<who>\w+):"), 10)
    framer = Framer((HEAD, OTHER, longer))
    (data,) = feed(framer, b"+IPD,2,me:ab")
    assert payload_of(data) == ("named", b"ab", b"")
    assert data.fields == {"n": b"2", "who": b"me"}
    assert feed(framer, b"+IPD,11,me:") == [], "longer than this head allows: a line"
    assert feed(framer, b"x\n") == [Line(b"+IPD,11,me:x", b"")]
    framer.set_heads((OTHER,))
    assert feed(framer, b"+IPD,1:x\n") == [Line(b"+IPD,1:x", b"")]
    (data,) = feed(framer, b"+READ: 3\r\nabc")
    assert payload_of(data) == ("read", b"abc", b"")


def test_an_empty_payload_is_one() -> None:
    data, line = feed(Framer((HEAD,)), b"+IPD,0:\r\nOK\r\n")
    assert payload_of(data) == ("ipd", b"", b"")
    assert line == Line(b"OK", b"\r\n")


def test_data_is_equal_by_what_was_read() -> None:
    def one(text: bytes, lead: bytes = b"") -> Data:
        (data,) = feed(Framer((HEAD,)), lead + text)
        assert isinstance(data, Data)
        return data

    assert one(b"+IPD,1:x") == one(b"+IPD,1:x")
    assert one(b"+IPD,1:x") != one(b"+IPD,1:y")
    assert one(b"+IPD,1:x") != one(b"+IPD,01:x")
    assert one(b"+IPD,1:x") != one(b"+IPD,1:x", b"\r\n")
    assert one(b"+IPD,1:x") != "x"
    shown = repr(one(b"+IPD,1:x", b"\r\n"))
    assert shown == "Data(ipd, {'n': b'1'}, b'x', lead=b'\\r\\n')"


# -- an echo of the payload ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 50])
@pytest.mark.parametrize("blank", [b"", b" "])
def test_a_payload_that_comes_back_is_skipped_however_it_is_cut(blank: bytes, size: int) -> None:
    framer = Framer((HEAD,))
    framer.armed = True
    assert feed(framer, b"\r\n>") == [Prompt()]
    framer.expect_echo(b"+IPD,1:x\r\nOK")
    said = blank + b"+IPD,1:x\r\nOK" + b"\r\nSEND OK\r\n"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    assert feed(framer, *pieces) == [Line(b"SEND OK", b"\r\n")]
    assert feed(framer, b"+IPD,1:x\r\nOK\r\n")[1:] == [Line(b"OK", b"\r\n")], "it comes once"


def test_the_blank_behind_the_prompt_is_one_also_before_an_echo() -> None:
    framer = Framer()
    framer.armed = True
    assert feed(framer, b">") == [Prompt()]
    framer.expect_echo(b"ab")
    assert feed(framer, b" ab c\r\n") == [Line(b" c", b"")], "the second blank is no prompt's"


def test_without_a_prompt_before_it_an_echo_begins_without_a_blank() -> None:
    framer = Framer()
    framer.expect_echo(b"ab")
    assert feed(framer, b" ab\r\n") == [Line(b" ab", b"")]
    framer.expect_echo(b"ab")
    assert feed(framer, b"ab\r\n") == []


@pytest.mark.parametrize("said", [b"ac\r\n", b"OK\r\n", b"b\r\n"])
def test_what_is_no_echo_is_read_as_ever(said: bytes) -> None:
    framer = Framer()
    framer.expect_echo(b"abc")
    assert feed(framer, said, b"abc\r\n") == [Line(said.strip(), b""), Line(b"abc", b"")]


def test_an_echo_that_is_not_wanted_any_more_or_begins_as_an_answer_is_a_line() -> None:
    framer = Framer()
    framer.expect_echo(b"abc")
    framer.expect_echo(b"")
    assert feed(framer, b"abc\r\n") == [Line(b"abc", b"")]
    for payload in (b"\r\nOK\r\n", b"\nOK\n"):
        framer.expect_echo(payload)
        (line,) = feed(framer, payload)
        assert isinstance(line, Line)
        assert line.text == b"OK"


@pytest.mark.parametrize(
    ("echo", "said"),
    [(b"", b""), (b"ab", b"ab\r\n"), (b"ab", b"ac\r\n"), (b"\nab", b"")],
    ids=["never", "it came", "it did not come", "none that can be told"],
)
@pytest.mark.parametrize("kind", [Framer, TextFramer])
def test_where_no_echo_is_due_every_text_is_a_line(
    kind: type[Framer], echo: bytes, said: bytes
) -> None:
    """Of a shell without a prompt too."""
    framer = kind()
    if echo:
        framer.expect_echo(echo)
    feed(framer, said)
    for text in (b"XXXX", b"ab", b"X"):
        assert [line.text for line in feed(framer, text + b"\r\n") if isinstance(line, Line)] == [
            text
        ]


def test_a_line_held_low_is_told_once_and_what_follows_is_read_as_ever() -> None:
    framer = Framer()
    assert feed(framer, b"\0" * HELD_LOW + b"OK\r\n") == [
        Noise("line held low", b""),
        Line(b"OK", (b"\0" * HELD_LOW)[:LEAD_CAP]),
    ]


@pytest.mark.parametrize("before", [b"OK\r\n", b"\r\nOK", b"\r\n\r\nOK\r\n", b"\0\0OK\r\n"])
def test_nuls_are_counted_from_the_first_behind_a_text(before: bytes) -> None:
    framer = Framer()
    feed(framer, before, b"\r\n")
    assert feed(framer, b"\0" * (HELD_LOW - 1)) == []
    assert feed(framer, b"\0") == [Noise("line held low", b"")]


def test_the_blank_behind_a_prompt_is_the_only_one_that_is_skipped() -> None:
    framer = Framer()
    framer.armed = True
    assert feed(framer, b"\r\n> \r\n a\r\n b\r\n") == [
        Prompt(),
        Line(b" a", b"\r\n"),
        Line(b" b", b""),
    ]


def test_a_length_has_the_base_of_its_head() -> None:
    hexadecimal = Head("hex", b"+HEX ", re.compile(rb"\+HEX (?P<n>[0-9A-F]{4}) "), 100, base=16)
    framer = Framer((hexadecimal,))
    data, line = feed(framer, b"+HEX 0010 " + b"x" * 16 + b"OK\r\n")
    assert payload_of(data) == ("hex", b"x" * 16, b"")
    assert line == Line(b"OK", b"")
