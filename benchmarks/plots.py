"""The figures as SVG files for docs/performance.md, drawn by the plots of the capability report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.cells import LINES, SOCKETS
from benchmarks.goals import Results, number
from netsocket.capability.plot import WIDTH, Axis, Row, plot

STYLE = """
svg { font: 9px sans-serif; background: #fff; color: #222; }
text { fill: currentColor; } .title { font-weight: bold; } .note, .tick { fill: #666; }
.line, .grid { stroke: #ccc; } .bar { stroke: #b00; stroke-width: 2; }
.dot { fill: #06c; fill-opacity: .5; } .down { fill: #06c; } .up { fill: #d60; }
"""
SIMULATED = "simulated: the reference device on a pty, no hardware, no radio"


def standing_alone(svg: str) -> str:
    """A plot of the report with the styles that its page would give."""
    root = ET.fromstring(svg)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    root.set("width", str(2 * WIDTH))
    style = ET.Element("style")
    style.text = STYLE
    root.insert(2, style)  # behind title and desc
    return ET.tostring(root, encoding="unicode") + "\n"


def percent(value: float) -> str:
    """A label of an axis of percents."""
    return f"{value:g} %"


def gaps(results: Results) -> str:
    """How far each line is from its limit."""
    rows = []
    for kind, lines in LINES.items():
        for line in lines:
            marks, told = [], []
            for what, sign in (("down", "▼"), ("up", "▲")):
                for count in (1, SOCKETS[kind][-1]):
                    found = results["wire"].get(f"{kind} {line} {what} {count}", {}).get("share")
                    if found:
                        share = statistics.median(found)
                        marks.append((max(100 * (1 - share), 0.01), what))
                        told.append(f"{sign} {share:.1%}")
            if marks:
                rows.append(Row(f"{kind} {line}", "  ".join(told), marks))
    axis = Axis.over((value for row in rows for value, _ in row.marks), percent)
    title = "Gap to the limit: ▼ down, ▲ up, one socket and all (left is better)"
    return plot("gap", title, SIMULATED, rows, axis)


def sampled(label: str, values: Sequence[float], unit: str) -> Row:
    """Every sample as a dot, the median as a bar."""
    middle = statistics.median(values)
    return Row(
        label, f"{number(middle)} {unit}", [*((one, "dot") for one in values), (middle, "bar")]
    )


def pick(results: Results, figure: str, places: Iterable[tuple[str, str]], unit: str) -> list[Row]:
    """A row for each (part, place) that has the figure."""
    return [
        sampled(place if part == "wire" else f"{part}: {place}", results[part][place][figure], unit)
        for part, place in places
        if results.get(part, {}).get(place, {}).get(figure)
    ]


def costs(results: Results) -> str:
    """CPU per MB, unpaced, beside other programs."""
    places = [("wire", f"{kind} unpaced {what} {n}") for kind in LINES for what in ("down", "up")
              for n in (1, SOCKETS[kind][-1])]  # fmt: skip
    places += [("push", "esp unpaced down 1"), ("large", "esp unpaced up 1")]
    places += [
        ("peers", f"{what}, {who}") for what in ("down", "up") for who in ("bare", "adafruit")
    ]
    places += [
        ("doors", f"esp unpaced down {door}") for door in ("streams", "anyio", "blocking", "proxy")
    ]
    rows = pick(results, "cpu_ms_per_mb", places, "ms/MB")
    axis = Axis.over((value for row in rows for value, _ in row.marks), number)
    return plot(
        "cpu", "CPU of the process, ms per MB, unpaced (left is better)", SIMULATED, rows, axis
    )


def turnarounds(results: Results) -> str:
    """Median turnarounds of each run."""
    places = [("wire", f"{kind} {line} {what} 1") for kind, lines in LINES.items() for line in lines
              for what in ("down", "up", "echo")]  # fmt: skip
    rows = pick(results, "median_us", places, "µs")
    axis = Axis.over((value for row in rows for value, _ in row.marks), number)
    return plot(
        "turnaround",
        "Turnaround of the driver, µs, median of a run (left is better)",
        SIMULATED,
        rows,
        axis,
    )


PLOTS = {"gap": gaps, "cpu": costs, "turnaround": turnarounds}


def write(results: Results, folder: Path) -> Iterator[str]:
    """Write the files; their names, each with the place that shows it in a page."""
    for name, draw in PLOTS.items():
        path = folder / f"performance-{name}.svg"
        path.write_text(standing_alone(draw(results)), encoding="utf-8")
        yield path.name
