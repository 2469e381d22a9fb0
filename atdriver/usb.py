"""USB identities of modules: data that drivers declare and that finding a port reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AT = "at"
"""The role of an interface that takes AT commands and is meant for programs like this one."""


@dataclass(frozen=True, slots=True)
class UsbIdentity:
    """One USB device that a driver may meet; `Driver.usb` lists them.

    `module` is the driver's name to use for it. `pid` None stands for every product of the vendor.
    `roles` maps the interface number to what it speaks; `AT` is ours, an interface that is not
    listed is unknown. `generic` marks a USB-serial bridge that anything may be behind: shown as a
    guess, never chosen by itself, never claimed in a udev rule.
    """

    vid: int
    pid: int | None
    module: str
    product: str
    roles: Mapping[int, str] = field(default_factory=dict)
    generic: bool = False

    def matches(self, vid: int | None, pid: int | None) -> bool:
        """Whether a device with these numbers is this one."""
        return vid == self.vid and self.pid in (None, pid)
