"""Stands in for CircuitPython's pins: a module on a serial port has none to toggle."""

from __future__ import annotations


class Direction:
    INPUT = "input"
    OUTPUT = "output"


class DigitalInOut:
    def __init__(self, pin: object) -> None:
        raise NotImplementedError(f"no pin {pin} on this machine")
