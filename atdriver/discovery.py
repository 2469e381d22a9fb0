"""Which serial ports there are, what is probably behind them, and who holds them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from serial.tools import list_ports

from atdriver.errors import PortMissing, SpecificationError
from atdriver.holders import port_holders
from atdriver.registry import load_driver, modem_names
from atdriver.usb import AT, UsbIdentity


@dataclass(frozen=True, slots=True)
class Port:
    """One serial port. `module` and `role` come from the USB identity, "" when unknown; a module
    with a question mark is only a guess. `holder` names every process seen to have it open,
    `problem` says why this user cannot open it, and `spec` is what to type for it, if anything."""

    device: str
    description: str
    module: str
    role: str
    vid: int | None
    pid: int | None
    interface: int | None
    serial_number: str
    holder: str
    problem: str = ""
    spec: str = ""


def known_devices() -> list[UsbIdentity]:
    """Every device that an installed driver declares, each once (a driver may have two names)."""
    declared = (getattr(load_driver(name), "usb", ()) for name in modem_names())
    found: list[UsbIdentity] = []
    for identity in (each for devices in declared for each in devices):
        if identity not in found:
            found.append(identity)
    return found


def list_serial_ports() -> Sequence[Port]:
    """All serial ports of this machine, in name order."""
    devices = known_devices()
    found = []
    for info in sorted(list_ports.comports(), key=lambda item: item.device):
        interface = _interface_number(info.location)
        known = next((each for each in devices if each.matches(info.vid, info.pid)), None)
        role = known.roles.get(interface or 0, "") if known else ""
        found.append(
            Port(
                device=info.device,
                description=known.product if known else (info.description or ""),
                module=known.module + "?" * known.generic if known else "",
                role=role,
                vid=info.vid,
                pid=info.pid,
                interface=interface,
                serial_number=info.serial_number or "",
                holder=", ".join(port_holders(info.device)),
                problem=permission_problem(info.device),
                spec=_spec(known, role, info.device),
            )
        )
    return found


def _spec(known: UsbIdentity | None, role: str, device: str) -> str:
    if known is None or role != AT:
        return ""
    return f"{'auto' if known.generic else known.module}:{device}"


def find_port(module: str) -> str:
    """The device of the one plugged-in module's AT interface, for `MODULE:auto`.

    Raises PortMissing when there is none, SpecificationError when there are several or the USB
    identity does not tell.
    """
    ports = list_serial_ports()
    ours = [port for port in ports if port.module == module and port.role == AT]
    if len(ours) == 1:
        return ours[0].device
    if ours:
        names = ", ".join(f"{module}:{port.device}" for port in ours)
        raise SpecificationError(f"{module}:auto: several are plugged in: {names}")
    similar = [port for port in ports if port.module.rstrip("?") == module]
    if similar:
        names = ", ".join(port.device for port in similar)
        why = (
            "anything may be behind a USB-serial bridge"
            if any(port.module.endswith("?") for port in similar)
            else "which of its ports takes AT commands is not known"
        )
        raise SpecificationError(
            f"{module}:auto: {why}; name the port: {names} (`auto:PORT` asks what is there)"
        )
    wanted = ", ".join(
        f"{each.vid:04x}:{each.pid:04x}"
        for each in known_devices()
        if each.module == module and each.pid is not None and not each.generic
    )
    looked = f" (USB {wanted})" if wanted else ""
    raise PortMissing(f"{module}:auto: none is plugged in{looked}; `atdriver ports` shows what is")


def _interface_number(location: str | None) -> int | None:
    """The USB interface in pyserial's location text, "1-2:1.3" -> 3."""
    if not location or ":" not in location:
        return None
    tail = location.rsplit(".", 1)[-1]
    return int(tail) if tail.isdigit() else None


def permission_problem(path: str) -> str:
    """Why this user may not open the port, and the command that helps; "" when it may.

    "" as well where there is no such file or no POSIX permissions.
    """
    if os.name != "posix" or not os.path.exists(path) or os.access(path, os.R_OK | os.W_OK):
        return ""
    return f"permission denied{group_hint(path)}"


def group_hint(path: str) -> str:
    """Which group may open the port, as a command to type; "" when that would not help."""
    try:
        import grp

        group = grp.getgrgid(os.stat(path).st_gid).gr_name
    except (ImportError, OSError, KeyError):
        return ""
    if group == "root":
        return ""
    return f" (it belongs to group {group!r}: sudo usermod -aG {group} $USER, then log in again)"
