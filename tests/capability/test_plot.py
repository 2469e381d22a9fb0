"""The plots: marks where the values are, everything in words, safe in a page."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from netsocket.capability.figures import milliseconds, per_second
from netsocket.capability.plot import MARGIN, WIDTH, Axis, Row, plot


def ticks(value: float) -> str:
    return f"{value:g}"


def test_the_axis_holds_whole_decades() -> None:
    axis = Axis.over([0.3, 250], ticks)
    assert (axis.low, axis.high) == (-1, 3)
    assert axis.x(0.1) == MARGIN
    assert axis.x(10) == WIDTH / 2
    assert axis.x(1000) == WIDTH - MARGIN
    assert axis.x(0) == axis.x(-1) == MARGIN
    assert axis.x(1e9) == WIDTH - MARGIN


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [7.0, 8.0]])
def test_an_axis_of_little(values: list[float]) -> None:
    assert Axis.over(values, ticks) == Axis(0, 1, ticks)


def test_marks_words_and_strange_characters() -> None:
    axis = Axis(0, 2, ticks)
    rows = [Row("a<b", "1 & 10", [(1, "dot"), (10, "bar")]), Row("c", "up", [(100, "up")])]
    text = plot("one", "T<1>", "simulated", rows, axis)
    svg = ET.fromstring(text)
    assert svg.get("role") == "img"
    assert svg.get("aria-labelledby") == "one-title one-desc"
    assert svg.findtext("title") == "T<1>. simulated"
    assert svg.findtext("desc") == "a<b: 1 & 10; c: up"
    shown = [one.text for one in svg.iter("text")]
    assert shown[:2] == ["T<1>", "simulated"], "also for who only sees this picture"
    assert {"a<b", "1 & 10", "1", "10", "100"} <= set(shown)
    assert svg.find("circle").get("cx") == str(MARGIN)  # type: ignore[union-attr]
    bar = next(line for line in svg.iter("line") if line.get("class") == "bar")
    assert float(bar.get("x1", "")) == WIDTH / 2
    assert svg.find("polygon").get("points", "").startswith(f"{WIDTH - MARGIN},")  # type: ignore[union-attr]


def test_many_decades_have_fewer_labels() -> None:
    few = ET.fromstring(plot("x", "x", "x", [], Axis(0, 12, ticks)))
    assert len([one for one in few.iter("text") if one.get("class") == "tick"]) == 7
    assert len([one for one in few.iter("line") if one.get("class") == "grid"]) == 13


def test_numbers_in_words() -> None:
    assert [milliseconds(v) for v in (0.1234, 1, 9.96, 99, 123.4, 1500, 30_000)] == [
        "0.12 ms", "1 ms", "10 ms", "99 ms", "123 ms", "1.5 s", "30 s"]  # fmt: skip
    assert [per_second(v) for v in (0.5, 999, 1000, 12_345, 9e6, 1.2e9)] == [
        "0.5 B/s", "999 B/s", "1 kB/s", "12 kB/s", "9 MB/s", "1.2 GB/s"]  # fmt: skip
