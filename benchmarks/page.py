"""docs/performance.md and its plots from docs/performance.json: `python -m benchmarks.page`."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import goals, plots
from benchmarks.cells import ROOT

DOCS = ROOT / "docs"
HERE = Path(__file__).parent
Figures = Mapping[str, Sequence[float]]
Places = Mapping[str, Figures]

COLUMNS: dict[str, tuple[str, float, str]] = {
    "share": ("share of the limit, %", 100, ".1f"),
    "typical_share": ("… at the median turnaround, %", 100, ".1f"),
    "line_share": ("not waiting for the host, %", 100, ".1f"),
    "of_line": ("share of the line, %", 100, ".1f"),
    "rate": ("kB/s", 1e-3, ".0f"),
    "p10_us": ("turnaround µs, 10 %", 1, ".0f"),
    "median_us": ("median", 1, ".0f"),
    "p99_us": ("99 %", 1, ".0f"),
    "cpu_ms_per_mb": ("CPU ms/MB", 1, ".1f"),
    "command_us": ("CPU µs a command", 1, ".1f"),
    "echo_median_ms": ("32 B there and back, ms, median", 1, ".2f"),
    "echo_p99_ms": ("99 %", 1, ".2f"),
    "echo_frames": ("in times of a frame", 1, ".1f"),
    "spread": ("spread of equal sockets, %", 100, ".1f"),
    "up_by_down": ("up by down, one socket", 1, ".2f"),
    "memory_mib": ("peak memory, MiB", 1, ".0f"),
    "core": ("of a core", 1, ".2f"),
    "memory_mib_each": ("MiB a modem", 1, ".2f"),
    "idle_core": ("of a core, silent", 1, ".4f"),
    "wall_ms": ("ms", 1, ".0f"),
    "off": ("too fast by, %", 100, ".2f"),
}
"""Figures in the order of their columns: heading, factor, form."""

PARTS: dict[str, tuple[str, str]] = {
    "wire": ("Every module on every line", "Sockets: the number behind the direction."),
    "push": ("Active receive (push)", "For ports with flow control: nothing is asked for, so there is "
             "no turnaround; the pty holds the device back as RTS/CTS does."),
    "large": ("Large frames", "Sends of 8192 bytes."),
    "fast": ("A faster rate after bring-up", "Found at 115200 baud; share of the limit of the faster line."),
    "fair": ("Fairness", "Equal sockets: their bytes at the moment when the first has all of its, "
             "largest less smallest by the mean. Mixed: exchanges of 32 bytes beside four downloads "
             "without end."),
    "doors": ("Ways into the driver", "The same transfer by the asyncio socket, asyncio's streams, "
              "anyio, the blocking socket, and a program of its own behind the SOCKS5 proxy (the CPU is "
              "that of driver and proxy)."),
    "layers": ("Layers, in memory", "Answers of 1500 bytes (framer: a stream), no port: CPU only."),
    "many": ("Many modems in one process", "ESP and BG96 in turn, 3 ms before each answer, one download "
             "each. Memory is what the process grew by; the driver's code is not counted."),
    "peers": ("Beside other programs", "One connection, unpaced where no line is named. `bare` is a minimal loop without library "
              "and checks (`benchmarks/bare.py`), `adafruit` the driver "
              "adafruit-circuitpython-esp-atcontrol, which knows push mode only."),
    "start": ("Starting", "Whole processes; the least of three is one sample."),
    "fakes": ("The simulated modules that the tests use", "Read with `os.read`; goals: 20 MB/s, pacing "
              "within 1 %, 0.5 % of a core when idle."),
}  # fmt: skip


def cell(values: Sequence[float], factor: float, form: str) -> str:
    """Median, and the least and largest in brackets."""
    if not values:
        return ""
    middle, low, high = (
        format(one * factor, form) for one in (statistics.median(values), min(values), max(values))
    )
    return middle if low == high else f"{middle} ({low}–{high})"


def table(places: Places) -> str:
    """Rows are places, columns the figures that any of them has."""
    columns = [name for name in COLUMNS if any(name in figures for figures in places.values())]
    lines = [
        "| | " + " | ".join(COLUMNS[name][0] for name in columns) + " |\n",
        "| --- |" + " --- |" * len(columns) + "\n",
    ]
    for place, figures in places.items():
        told = (cell(figures.get(name, ()), *COLUMNS[name][1:]) for name in columns)
        lines.append(f"| {place} | " + " | ".join(told) + " |\n")
    return "".join(lines)


def origin(taken: Mapping[str, Mapping[str, Any]]) -> str:
    """Whether the figures may be quoted."""
    told = ""
    if any(machine["quick"] for machine in taken.values()):
        told += (
            "**A quick run**: shorter transfers, fewer runs. Ratios hold roughly, times do not.\n\n"
        )
    if any(machine["load_before"] > 0.5 for machine in taken.values()):
        told += (
            "**The machine did other work.** Turnarounds, exchanges and rates hold its waiting, too, so "
            "goals that judge time are missed here that an idle machine may meet, and CPU per MB is "
            "higher. What can be read: each figure against the minimal loop's of the same run (`peers`), "
            "turnarounds at 10 %, spreads, and counts.\n\n"
        )
    return told


def place(machine: Mapping[str, Any]) -> str:
    """Where, when and how a part was measured."""
    return (
        f"{machine['date']}, {machine['revision'] or 'unknown revision'}, {machine['system']}, "
        f"{machine['cores']} cores, {machine['python']}; runs: {machine['runs']}; load average "
        f"{machine['load_before']} before, {machine['load_after']} behind."
    )


def text(results: Mapping[str, Any], files: Sequence[str]) -> str:
    """The whole page."""
    found: goals.Results = results["parts"]
    made = [(HERE / "performance.head.md").read_text(encoding="utf-8")]
    made.append("\n## The figures\n\n" + origin(results["taken"]))
    for which, why in results.get("failed", {}).items():
        made.append(f"**Failed**, {which}: `{why.strip().splitlines()[-1]}`\n\n")
    made += [f"![{name}]({name})\n" for name in files]
    made.append("\n### Goals\n\n" + goals.table(found))
    for part, (title, note) in PARTS.items():
        if part in found:
            made.append(
                f"\n### {title}\n\n{note}\n\n{place(results['taken'][part])}\n\n{table(found[part])}"
            )
    return "".join(made)


def write(folder: Path = DOCS) -> None:
    """Make page and plots anew."""
    results = json.loads((folder / "performance.json").read_text(encoding="utf-8"))
    files = list(plots.write(results["parts"], folder))
    (folder / "performance.md").write_text(text(results, files), encoding="utf-8")


if __name__ == "__main__":
    write()
