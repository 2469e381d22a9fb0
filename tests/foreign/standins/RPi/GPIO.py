"""Pins that lead nowhere: the simulated module is always on."""

from __future__ import annotations

BCM, OUT, IN = "BCM", "OUT", "IN"


def setmode(mode: str) -> None:
    pass


def setup(pin: int, direction: str) -> None:
    pass


def output(pin: int, level: int) -> None:
    pass


def input(pin: int) -> int:
    return 0


def cleanup() -> None:
    pass
