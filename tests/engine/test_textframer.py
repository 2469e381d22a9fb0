"""Tokens of a shell: texts that end at their first NUL, prompts, lines that end with a CR alone."""

from __future__ import annotations

import re

import pytest

from atdriver.textframer import SHORT, TextFramer
from atdriver.tokens import Data, Head, Line, Prompt

from .test_framer import feed

TEXT = Head(
    "text", b"T ", re.compile(rb"T (?P<n>[0-9A-F]{2}) "), 100, base=16, end=b"\r\n", text=True
)
RAW = Head("raw", b"R ", re.compile(rb"R (?P<n>\d+) "), 100, end=b"\r\n")
EVENT = re.compile(rb"EVENT \d\d|-+")
OK = Line(b"OK", b"\r\n")


def text(data: object) -> tuple[bytes, bool, bool]:
    assert isinstance(data, Data)
    return data.payload, data.whole, data.swallowed


def shell(prompt: bytes = b"$ ") -> TextFramer:
    return TextFramer((TEXT, RAW), prompt, EVENT)


# -- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"T 10 0123456789abcdef\r\nOK\r\n", (b"0123456789abcdef", True, False)),
        (b"T 06 0123\r\nOK\r\n", (b"0123", False, False)),
        (b"T 04 01\r\nOK\r\n", (b"01", False, False)),
        (b"T 07 01\r\n0\r\nlost\r\nOK\r\n", (b"01", False, True)),
        (b"T 07 01\r\n0\r\n$ OK\r\n", (b"01", False, True)),
        (b"T 04 01234567\r\nOK\r\n", (b"012345", False, False)),
        (b"R 4 0123\r\nOK\r\n", (b"0123", True, False)),
        (b"R 4 012345\r\nOK\r\n", (b"012345", False, True)),
        (b"R 4 01\r\n3456\r\nOK\r\n", (b"01", False, True)),
    ],
    ids=["whole", "cut", "cut-before-a-line", "cut-in-which",
         "cut-where-a-prompt-is", "no-end", "raw", "raw-and-no-end", "raw-and-an-end-too-early"],
)  # fmt: skip
def test_a_text_ends_where_its_line_does(
    said: bytes, found: tuple[bytes, bool, bool], size: int
) -> None:
    framer = shell()
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    first, *rest = feed(framer, *pieces)
    assert text(first) == found
    assert [line.text for line in rest if isinstance(line, Line)] == [b"OK"]


def test_a_text_that_has_ended_early_is_taken_with_its_lead_and_leaves_nothing_behind() -> None:
    framer = shell()
    assert framer.cut_short() is None
    assert feed(framer, b"\r\nT 10 01") == []
    assert framer.mid_text
    assert not framer.ended_early
    assert framer.cut_short() is None
    assert feed(framer, b"23\r\n") == []
    found = framer.cut_short()
    assert text(found) == (b"0123", False, False)
    assert isinstance(found, Data)
    assert found.lead == b"\r\n"
    assert framer.cut_short() is None
    (data,) = feed(framer, b"T 04 a", b"b", b"cd\r\n")
    assert text(data) == (b"abcd", True, False)
    assert feed(framer, b"OK\r\n") == [OK]


@pytest.mark.parametrize("size", [1, 100])
def test_of_a_text_that_ended_nobody_knows_where_all_is_dropped_and_no_more(size: int) -> None:
    framer = shell()
    said = b"T 10 01\r\n0\r\na\r\n"
    assert feed(framer, *(said[at : at + size] for at in range(0, len(said), size))) == []
    assert text(framer.cut_short()) == (b"01", False, True)
    (line,) = feed(framer, b"OK\r\n")
    assert isinstance(line, Line)
    assert line.text == b"OK"


# -- prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_prompt_is_skipped_wherever_a_line_may_start(size: int) -> None:
    said = b"$ OK\r\n$ $ \r\n$ T 02 $ \r\n$ OK\r\n$x\r\n"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    first, data, second, other = feed(shell(), *pieces)
    assert text(data) == (b"$ ", True, False)
    assert [line.text for line in (first, second, other) if isinstance(line, Line)] == [
        b"OK", b"OK", b"$x",
    ]  # fmt: skip


def test_a_prompt_that_is_armed_is_told_once() -> None:
    framer = shell(b"> ")
    framer.armed = True
    assert feed(framer, b"\r\n>") == [], "its blank may come"
    assert feed(framer, b" ") == [Prompt()]
    assert feed(framer, b"\r\n> OK\r\n") == [Line(b"OK", b"\r\n")]


# -- short lines ---------------------------------------------------------------------------------


def test_a_short_line_ends_with_its_cr() -> None:
    framer = shell()
    assert feed(framer, b"\r\nEVENT 21\r") == [Line(b"EVENT 21", b"\r\n")]
    assert feed(framer, b"\nOK\r\nEVENT 22\rEVENT 23\rOK\r\n") == [
        Line(b"OK", b"\n"),
        Line(b"EVENT 22", b""),
        Line(b"EVENT 23", b""),
        Line(b"OK", b""),
    ]


def test_any_other_line_ends_with_its_lf() -> None:
    framer = shell()
    assert feed(framer, b"EVENTS\r") == []
    assert feed(framer, b"\n") == [Line(b"EVENTS", b"")]
    assert feed(framer, b"-" * (SHORT - 1) + b"\r") == [Line(b"-" * (SHORT - 1), b"")]
    assert feed(framer, b"-" * SHORT + b"\r") == []
    assert feed(framer, b"\n") == [Line(b"-" * SHORT, b"")]
