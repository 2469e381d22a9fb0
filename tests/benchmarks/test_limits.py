"""The modelled limits are those that were computed from the vendors' literals, within 1 %."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest

from benchmarks import limits

ESP_BAUDS = (115200, 921600, 3_000_000)
ESP: list[tuple[Callable[[int], float], tuple[float, float, float]]] = [
    (limits.transparent, (11.52, 92.16, 300)),
    (limits.active_receive, (11.4, 91.3, 297)),
    (partial(limits.active_receive, sender=True), (11.2, 89.8, 292)),
    (partial(limits.active_receive, size=536), (11.3, 90.0, 293)),
    (limits.passive_receive, (11.1, 88.4, 288)),
    (partial(limits.passive_receive, latency=0.005), (10.6, 67.9, 145)),
    (partial(limits.passive_receive, latency=0.010), (10.3, 55.1, 97)),
    (partial(limits.passive_receive, size=2920), (11.3, 90.2, 294)),
    (partial(limits.passive_receive, size=2920, latency=0.005), (11.1, 78.2, 195)),
    (partial(limits.passive_receive, size=2920, latency=0.010), (10.9, 68.9, 146)),
    (partial(limits.passive_receive, size=5760, latency=0.005, ask=5760), (11.3, 84.5, 236)),
    (partial(limits.windowed, round_trip=0.010), (11.3, 79, 197)),
    (partial(limits.windowed, round_trip=0.030), (10.9, 62, 117)),
    (partial(limits.windowed, round_trip=0.100), (9.6, 35, 48)),
    (partial(limits.esp_send, size=1460, latency=0.005), (10.7, 68, 145)),
    (partial(limits.esp_send, size=1460, latency=0.010), (10.3, 55, 97)),
    (partial(limits.esp_send, size=1460, latency=0.050), (8.0, 22, 27)),
    (limits.esp_send, (11.2, 89.6, 292)),
    (partial(limits.esp_send, latency=0.005), (10.9, 73.5, 170)),
    (partial(limits.esp_send, latency=0.010), (10.6, 62.3, 120)),
    (partial(limits.esp_send, latency=0.020), (10.1, 47.8, 76)),
    (partial(limits.esp_send, latency=0.200), (5.3, 9.2, 9.9)),
]
"""kB/s at three rates (ESP-AT literals of `+IPD`, CIPRECVDATA, CIPSEND; 8N1)."""
LARGE = [(0.010, (11.3, 82, 218)), (0.020, (11.1, 75, 172))]
BG96 = [
    (115200, 3, (86, 77, 46, 88, 84)),
    (115200, 10, (78, 61, 25, 83, 76)),
    (115200, 20, (69, 47, 16, 78, 68)),
    (115200, 50, (51, 28, 7, 65, 51)),
    (460800, 10, (223, 129, 35, 276, 221)),
    (460800, 20, (161, 79, 19, 225, 161)),
    (460800, 50, (88, 37, 8, 144, 89)),
    (921600, 3, (526, 344, 107, 608, 517)),
    (921600, 10, (323, 158, 37, 449, 323)),
    (921600, 20, (208, 89, 19, 327, 210)),
    (921600, 50, (101, 39, 8, 180, 102)),
    (0, 3, (1947, 683, 133, 4000, 2000)),
    (0, 10, (584, 205, 40, 1200, 600)),
    (0, 20, (292, 102, 20, 600, 300)),
    (0, 50, (117, 41, 8, 240, 120)),
]
"""kbit/s: QISEND of 1460, 512, 100 bytes; QIRD of 1500 without and with a query."""


def agrees(computed: float, told: float) -> bool:
    """Within 1 %, or within what a number of two or three digits can say."""
    digits = 1 if told < 100 and told != int(told) else 0
    return math.isclose(computed, told, rel_tol=0.01) or abs(computed - told) <= 0.51 * 10**-digits


def name(of: object) -> str | None:
    """What pytest shows; each of its workers must find the same, so no address of a function."""
    if isinstance(of, partial):
        return "-".join(
            [of.func.__name__, *(f"{key}={value}" for key, value in of.keywords.items())]
        )
    return getattr(of, "__name__", None)


@pytest.mark.parametrize(("rate", "told"), ESP, ids=name)
def test_esp(rate: Callable[[int], float], told: tuple[float, ...]) -> None:
    computed = [rate(baud) / 1000 for baud in ESP_BAUDS]
    assert all(map(agrees, computed, told)), computed


@pytest.mark.parametrize(("latency", "told"), LARGE)
def test_esp_large_frames(latency: float, told: tuple[float, ...]) -> None:
    computed = [limits.esp_send(baud, 8192, latency) / 1000 for baud in ESP_BAUDS]
    assert all(map(agrees, computed, told)), computed


@pytest.mark.parametrize(("baud", "latency", "told"), BG96)
def test_bg96(baud: int, latency: int, told: tuple[int, ...]) -> None:
    seconds = latency / 1000
    rates = [limits.bg96_send(baud, size, seconds) for size in (1460, 512, 100)]
    rates += [limits.bg96_receive(baud, 1500, seconds, query=query) for query in (False, True)]
    computed = [rate * 8 / 1000 for rate in rates]
    assert all(map(agrees, computed, told)), computed
