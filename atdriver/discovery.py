"""Which serial ports there are, what is probably behind them, and who holds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A USB identity: `roles` maps interface number to what it speaks ("at" is ours)."""

    vid: int
    pid: int | None
    module: str
    product: str
    roles: dict[int, str]


_QUECTEL = {0: "diagnostics", 1: "gnss", 2: "at", 3: "modem", 4: "network"}

KNOWN: tuple[KnownDevice, ...] = (
    # Quectel WCDMA&LTE Linux USB Driver User Guide V1.8; ModemManager's Quectel port types.
    KnownDevice(0x2C7C, 0x0296, "bg96", "Quectel BG96", _QUECTEL),
    # USB-serial bridges usual on Espressif boards: the chip behind them is a guess.
    KnownDevice(0x10C4, 0xEA60, "esp8266?", "CP210x bridge", {0: "at"}),
    KnownDevice(0x1A86, 0x7523, "esp8266?", "CH340 bridge", {0: "at"}),
    KnownDevice(0x1A86, 0x55D4, "esp8266?", "CH9102 bridge", {0: "at"}),
    KnownDevice(0x0403, 0x6001, "esp8266?", "FT232 bridge", {0: "at"}),
    KnownDevice(0x303A, None, "esp32?", "Espressif USB", {0: "at"}),
)


@dataclass(frozen=True, slots=True)
class Port:
    """One serial port. `module` and `role` are guesses from the USB identity, "" when unknown."""

    device: str
    description: str
    module: str
    role: str
    vid: int | None
    pid: int | None
    interface: int | None
    serial_number: str
    holder: str


def list_serial_ports() -> Sequence[Port]:
    """All serial ports of this machine, in name order."""
    found = []
    for info in sorted(list_ports.comports(), key=lambda item: item.device):
        interface = _interface_number(info.location)
        known = _identify(info.vid, info.pid)
        role = known.roles.get(interface or 0, "") if known else ""
        found.append(
            Port(
                device=info.device,
                description=known.product if known else (info.description or ""),
                module=known.module if known else "",
                role=role,
                vid=info.vid,
                pid=info.pid,
                interface=interface,
                serial_number=info.serial_number or "",
                holder=port_holder(info.device),
            )
        )
    return found


def _identify(vid: int | None, pid: int | None) -> KnownDevice | None:
    for known in KNOWN:
        if vid == known.vid and known.pid in (None, pid):
            return known
    return None


def _interface_number(location: str | None) -> int | None:
    """The USB interface in pyserial's location text, "1-2:1.3" -> 3."""
    if not location or ":" not in location:
        return None
    tail = location.rsplit(".", 1)[-1]
    return int(tail) if tail.isdigit() else None


def port_holder(path: str) -> str:
    """ "name (pid N)" of another process that has the port open, "" when the system does not tell.

    Reads /proc; without the rights for other users' processes only one's own are seen.
    """
    proc = Path("/proc")
    try:
        target = os.stat(path).st_rdev
        processes = [entry for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return ""
    for process in processes:
        if process.name == str(os.getpid()):
            continue
        try:
            for descriptor in (process / "fd").iterdir():
                if descriptor.stat().st_rdev == target:
                    name = (process / "comm").read_text().strip()
                    return f"{name} (pid {process.name})"
        except OSError:
            continue
    return ""
