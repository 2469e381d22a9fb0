"""Small plots as SVG text for a page: values as marks on a shared logarithmic axis, and as words.

One row is one series: its name and its values in words above a line, its marks on the line. No
scripts, no fonts, no colours of its own: marks and text have classes, the page styles them. What a
mark means is told by its shape, never by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

WIDTH: Final = 360
MARGIN: Final = 14
HEAD: Final = 34
"""Height of the two lines on top."""
ROW: Final = 42
FOOT: Final = 22
"""Height of the axis's labels."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One series: its name, its values in words, and (value, shape) marks; shapes are "dot",
    "bar", "up" and "down"."""

    label: str
    text: str
    marks: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """Powers of ten from `low` to `high`, and how one of them is written."""

    low: int
    high: int
    tick: Callable[[float], str]

    @classmethod
    def over(cls, values: Iterable[float], tick: Callable[[float], str]) -> Axis:
        """The whole decades that hold all values above 0; one decade at least."""
        logs = [math.log10(value) for value in values if value > 0] or [0.0]
        low = math.floor(min(logs))
        return cls(low, max(math.ceil(max(logs)), low + 1), tick)

    def x(self, value: float) -> float:
        """Where a value is drawn; what is not above 0 is at the left end."""
        log = math.log10(value) if value > 0 else self.low
        share = (log - self.low) / (self.high - self.low)
        return MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * MARGIN)


def plot(name: str, title: str, note: str, rows: Sequence[Row], axis: Axis) -> str:
    """One SVG element. `name` makes its ids unique in the page; `title` and `note` are shown on
    top, and told to screen readers together with the words of every row."""
    height = HEAD + ROW * len(rows) + FOOT
    svg = ET.Element("svg", {
        "class": "plot", "role": "img", "viewBox": f"0 0 {WIDTH} {height}",
        "aria-labelledby": f"{name}-title {name}-desc",
    })  # fmt: skip
    ET.SubElement(svg, "title", {"id": f"{name}-title"}).text = f"{title}. {note}"
    words = "; ".join(f"{row.label}: {row.text}" for row in rows)
    ET.SubElement(svg, "desc", {"id": f"{name}-desc"}).text = words
    _text(svg, "title", (0, 12), title)
    _text(svg, "note", (0, 27), note)
    _grid(svg, axis, height)
    for number, row in enumerate(rows):
        top = HEAD + ROW * number
        _text(svg, "label", (0, top + 14), row.label)
        _text(svg, "value", (WIDTH, top + 14), row.text, anchor="end")
        line = top + 28
        _line(svg, "line", (MARGIN, line), (WIDTH - MARGIN, line))
        for value, shape in row.marks:
            _mark(svg, axis.x(value), line, shape)
    return ET.tostring(svg, encoding="unicode")


def _grid(svg: ET.Element, axis: Axis, height: float) -> None:
    decades = range(axis.low, axis.high + 1)
    every = 1 + len(decades) // 8  # more labels than that would touch each other
    for power in decades:
        x = axis.x(10.0**power)
        _line(svg, "grid", (x, HEAD), (x, height - FOOT + 4))
        if (power - axis.low) % every == 0:
            anchor = {axis.low: "start", axis.high: "end"}.get(power, "middle")
            at = {"start": 0.0, "end": float(WIDTH)}.get(anchor, x)
            _text(svg, "tick", (at, height - 5), axis.tick(10.0**power), anchor=anchor)


def _mark(svg: ET.Element, x: float, y: float, shape: str) -> None:
    if shape == "dot":
        ET.SubElement(svg, "circle", {"class": "dot", "cx": _at(x), "cy": _at(y), "r": "3"})
    elif shape == "bar":
        _line(svg, "bar", (x, y - 8), (x, y + 8))
    else:
        tip, base = (y - 7, y + 4) if shape == "up" else (y + 7, y - 4)
        points = f"{_at(x)},{_at(tip)} {_at(x - 6)},{_at(base)} {_at(x + 6)},{_at(base)}"
        ET.SubElement(svg, "polygon", {"class": shape, "points": points})


def _line(svg: ET.Element, name: str, start: Point, end: Point) -> None:
    ET.SubElement(svg, "line", {
        "class": name, "x1": _at(start[0]), "y1": _at(start[1]),
        "x2": _at(end[0]), "y2": _at(end[1]),
    })  # fmt: skip


def _text(svg: ET.Element, name: str, at: Point, text: str, anchor: str = "start") -> None:
    attributes = {"class": name, "x": _at(at[0]), "y": _at(at[1]), "text-anchor": anchor}
    ET.SubElement(svg, "text", attributes).text = text


def _at(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
