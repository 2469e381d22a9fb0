"""Where a serial port is plugged in now: a module that comes back may have another name.

ttyUSB2 becomes ttyUSB3 when something still holds the old one, or when another device was quicker.
What stays is the USB device's serial number and the interface's number on it; devices without a
serial number are known by the socket they are plugged into. A port that is no USB device (a pty, a
UART of the board) is known by its path.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from serial.tools import list_ports

from atdriver.errors import PortMissing


@dataclass(frozen=True, slots=True)
class PlugIdentity:
    """What tells one port of one USB device from all others."""

    vid: int
    pid: int
    serial_number: str
    interface: str
    """The end of pyserial's location, "1.3" of "1-2:1.3": configuration and interface."""
    socket: str
    """The beginning, "1-2": bus and sockets on the way."""

    def is_at(self, other: PlugIdentity) -> bool:
        """Whether `other` is the same port, plugged in again."""
        kind = (self.vid, self.pid, self.interface)
        if kind != (other.vid, other.pid, other.interface):
            return False
        if self.serial_number:
            return self.serial_number == other.serial_number
        return self.socket == other.socket

    def __str__(self) -> str:
        which = f"serial number {self.serial_number}" if self.serial_number else self.socket
        return f"USB {self.vid:04x}:{self.pid:04x}, {which}, interface {self.interface or '?'}"


class Plug:
    """One port, remembered from its first opening on. Its calls look at the system and may take
    some milliseconds."""

    def __init__(
        self, path: str, comports: Callable[[], Iterable[Any]] = list_ports.comports
    ) -> None:
        self.path = path
        self.identity: PlugIdentity | None = None
        self._comports = comports

    def opened(self, path: str) -> None:
        """The port was opened at `path`: from now on it is looked for by what it is."""
        if self.identity is not None:
            return
        device = os.path.realpath(path)
        ports = {each.device: identity_of(each) for each in self._comports()}
        mine = ports.get(device)
        if mine is not None and sum(mine.is_at(each) for each in ports.values() if each) > 1:
            mine = replace(mine, serial_number="")  # the same on several devices: none at all
        self.identity = mine

    def whereabouts(self) -> str:
        """The path to open now. Raises PortMissing when it is plugged in nowhere, or when several
        ports look like it: none is taken by chance."""
        if self.identity is None:
            return self.path
        found = [
            each.device
            for each in self._comports()
            if (identity := identity_of(each)) is not None and self.identity.is_at(identity)
        ]
        if len(found) == 1:
            return str(found[0])
        if not found:
            raise PortMissing(f"{self.path}: unplugged ({self.identity})")
        raise PortMissing(
            f"{self.path}: unplugged, and several ports look like it ({', '.join(sorted(found))})"
        )


def identity_of(info: Any) -> PlugIdentity | None:
    """The identity in a `serial.tools.list_ports` record; None where it is no USB device."""
    if info.vid is None or info.pid is None:
        return None
    socket, _, interface = (info.location or "").partition(":")
    return PlugIdentity(info.vid, info.pid, info.serial_number or "", interface, socket)
