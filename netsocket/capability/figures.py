"""The figures of a report as plots: latency and throughput of each module on shared axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netsocket.capability.plot import Axis, Row, plot

ORIGIN: Final = {
    "model": "model, simulated: a fake, no hardware, no radio",
    "loopback": "measured on this computer's loopback, no network",
    "network": "measured on this computer's network",
    "hardware": "measured on hardware",
}
"""What is written into every plot, by the record's `place`."""


def plots(record: Mapping[str, Any]) -> list[tuple[str, str] | None]:
    """For each module the SVG of its latency and of its throughput; None where none was taken."""
    taken = [module["performance"] for module in record["modules"]]
    series = [series for figures in taken if figures for series in figures["latency"]]
    rates = [rate["rate"] for figures in taken if figures for rate in figures["throughput"]]
    times = Axis.over((value for one in series for value in one["samples"]), milliseconds)
    speeds = Axis.over((rate for rate in rates if rate), per_second)
    return [
        figures
        and (
            plot(f"latency-{number}", "Latency", ORIGIN[figures["place"]],
                 [_latency(one) for one in figures["latency"]], times),
            plot(f"throughput-{number}", "TCP throughput", ORIGIN[figures["place"]],
                 [_throughput(size, both) for size, both in by_size(figures).items()], speeds),
        )
        for number, figures in enumerate(taken)
    ]  # fmt: skip


def by_size(figures: Mapping[str, Any]) -> dict[int, list[Mapping[str, Any]]]:
    """The directions of each message size."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for rate in figures["throughput"]:
        found.setdefault(rate["size"], []).append(rate)
    return found


def _latency(series: Mapping[str, Any]) -> Row:
    marks = [(sample, "dot") for sample in series["samples"]]
    if series["samples"]:
        marks.append((series["median"], "bar"))
    return Row(series["what"], latency_text(series), marks)


def latency_text(series: Mapping[str, Any]) -> str:
    """Median, 95 %, and how many were lost."""
    if not series["samples"]:
        return "none"
    text = f"median {milliseconds(series['median'])}, 95 % ≤ {milliseconds(series['p95'])}"
    if series["lost"]:
        text += f", {series['lost']} lost"
    return text + (" (incomplete)" if series["error"] else "")


def _throughput(size: int, both: Sequence[Mapping[str, Any]]) -> Row:
    marks = [(rate["rate"], rate["direction"]) for rate in both if rate["rate"]]
    return Row(f"{size} B a call", ", ".join(map(throughput_text, both)), marks)


def throughput_text(rate: Mapping[str, Any]) -> str:
    """Direction and rate."""
    sign = {"up": "▲ up", "down": "▼ down"}[rate["direction"]]
    return f"{sign} {per_second(rate['rate']) if rate['rate'] else 'none'}"


def problems(figures: Mapping[str, Any]) -> list[str]:
    """Why a series is missing or incomplete."""
    return [f"{one['what']}: {one['error']}" for one in figures["latency"] if one["error"]] + [
        f"{one['size']} B {one['direction']}: {one['error']}"
        for one in figures["throughput"]
        if one["error"]
    ]


def milliseconds(value: float) -> str:
    """A duration, three digits at most."""
    return f"{_digits(value / 1000)} s" if value >= 1000 else f"{_digits(value)} ms"


def per_second(value: float) -> str:
    """A rate in decimal units, as lines and radios are counted."""
    for factor, unit in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if value >= factor:
            return f"{_digits(value / factor)} {unit}"
    return f"{_digits(value)} B/s"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{float(f'{value:.2g}'):g}"
