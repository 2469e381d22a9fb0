"""`atdriver ports`: which serial ports there are, and what is behind them."""

from __future__ import annotations

from dataclasses import asdict

from atdriver.cli import output
from atdriver.cli.failure import note
from atdriver.discovery import Port, list_serial_ports

HEAD = ("DEVICE", "WHAT", "MODULE", "ROLE", "HELD BY", "USE AS")


def show(as_json: bool) -> None:
    """Print the list; an empty one is no error."""
    found = list_serial_ports()
    if as_json:
        output.data([asdict(port) for port in found])
        return
    if not found:
        note("no serial port found (plugged in? does `dmesg` name a ttyUSB or ttyACM?)")
        return
    output.table(HEAD, [_row(port) for port in found])
    for port in found:
        if port.problem:
            note(f"{port.device}: {port.problem}")


def _row(port: Port) -> tuple[str, ...]:
    what = port.description if port.description != "n/a" else ""
    return (port.device, what, port.module, port.role, port.holder, port.spec)
