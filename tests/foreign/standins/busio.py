"""Stands in for CircuitPython's buses; the driver only names the class in annotations."""

from __future__ import annotations


class UART:
    pass
