"""What commands print on stdout: lines, tables, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from atdriver.cli.failure import safe


def line(text: str = "") -> None:
    """One line."""
    if sys.stdout is not None:
        sys.stdout.write(safe(text) + "\n")


def flushed(text: str) -> None:
    """One line that a waiting reader sees at once."""
    line(text)
    if sys.stdout is not None:
        sys.stdout.flush()


def data(value: object) -> None:
    """JSON; ASCII only, so that any bytes of a name survive."""
    if sys.stdout is not None:
        sys.stdout.write(json.dumps(value, indent=2) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns, each as wide as its longest cell; an empty cell shows as "-"."""
    shown = [[safe(cell) or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *shown, strict=True)]
    for row in (list(head), *shown):
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def pairs(values: Mapping[str, str]) -> None:
    """One `name: value` line each, values aligned."""
    width = max(map(len, values), default=0) + 1
    for name, value in values.items():
        line(f"{name + ':':<{width}} {value}".rstrip())
