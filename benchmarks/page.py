"""docs/performance.md from docs/performance.json: `python -m benchmarks.page`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cells import ROOT

DOCS = ROOT / "docs"
Figures = Mapping[str, Sequence[float]]
Places = Mapping[str, Figures]

COLUMNS: dict[str, tuple[str, float, str]] = {
    "share": ("share of the limit", 100, ".1f"),
    "typical_share": ("at the median turnaround", 100, ".1f"),
    "rate": ("kB/s", 1e-3, ".0f"),
    "median_us": ("turnaround µs, median", 1, ".0f"),
    "p99_us": ("99 %", 1, ".0f"),
    "cpu_ms_per_mb": ("CPU ms/MB", 1, ".1f"),
    "command_us": ("CPU µs a command", 1, ".1f"),
    "echo_median_ms": ("32 B there and back, ms, median", 1, ".2f"),
    "echo_p99_ms": ("99 %", 1, ".2f"),
    "spread": ("spread of equal sockets, %", 100, ".1f"),
    "memory_mib": ("peak memory, MiB", 1, ".0f"),
    "core": ("of a core", 1, ".2f"),
    "memory_mib_each": ("MiB a modem", 1, ".2f"),
    "idle_core": ("of a core, silent", 1, ".4f"),
    "wall_ms": ("ms", 1, ".0f"),
    "off": ("too fast by, %", 100, ".2f"),
}
"""Figures in the order of their columns: heading, factor, form."""


def cell(values: Sequence[float], factor: float, form: str) -> str:
    """Median, and the least and largest in brackets."""
    if not values:
        return ""
    middle, low, high = (
        format(one * factor, form) for one in (statistics.median(values), min(values), max(values))
    )
    return middle if low == high else f"{middle} ({low}–{high})"


def table(places: Places, heading: str) -> str:
    """Rows are places, columns the figures that any of them has."""
    columns = [name for name in COLUMNS if any(name in figures for figures in places.values())]
    lines = [
        f"| {heading} | " + " | ".join(COLUMNS[name][0] for name in columns) + " |\n",
        "| --- |" + " --- |" * len(columns) + "\n",
    ]
    for place, figures in places.items():
        told = (cell(figures.get(name, ()), *COLUMNS[name][1:]) for name in columns)
        lines.append(f"| {place} | " + " | ".join(told) + " |\n")
    return "".join(lines)


def text(results: Mapping[str, Any]) -> str:
    """The whole page."""
    return "# Performance\n\n" + "\n".join(
        f"## {part}\n\n{table(places, part)}" for part, places in results["parts"].items()
    )


def write() -> None:
    """Make the page anew."""
    results = json.loads((DOCS / "performance.json").read_text(encoding="utf-8"))
    (DOCS / "performance.md").write_text(text(results), encoding="utf-8")


if __name__ == "__main__":
    write()
