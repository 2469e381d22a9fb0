"""udev rules for a Linux desktop: stable names, access, and no ModemManager on our modules' ports.

Made from what the installed drivers declare (`Driver.usb`). ModemManager opens every port of a
device it does not know to be something else and writes AT commands of its own; the properties that
keep it away are ID_MM_DEVICE_IGNORE (on the USB device) and ID_MM_PORT_IGNORE (on the port), in
ModemManager's documentation of udev tags. USB-serial bridges are left alone: anything may be behind
them.
"""

from __future__ import annotations

from collections.abc import Iterable

from atdriver.discovery import known_devices
from atdriver.usb import AT, UsbIdentity

FILE = "/etc/udev/rules.d/70-atdriver.rules"
"""Where to put them: behind 60-serial.rules, which finds out the interface number, and before
ModemManager's own."""

_HEAD = f"""\
# Modules that atdriver drives. Install as {FILE}, then:
#   sudo udevadm control --reload && sudo udevadm trigger
# The AT port of a module is then /dev/atdriver-MODULE-at (with two alike: /dev/serial/by-path).

ACTION=="remove", GOTO="atdriver_end"
"""
_BRIDGE = """\
# {product} ({identity}): anything may be behind this bridge. If yours is a module, remove the #:
#SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {attributes}, ENV{{ID_MM_DEVICE_IGNORE}}="1"
"""


def rules(devices: Iterable[UsbIdentity] | None = None) -> str:
    """The text of a rules file for these devices, by default all that are known."""
    parts = [_HEAD]
    for device in known_devices() if devices is None else devices:
        parts.append(_bridge(device) if device.generic else _module(device))
    return "\n".join([*parts, 'LABEL="atdriver_end"', ""])


def _attributes(device: UsbIdentity) -> str:
    product = "" if device.pid is None else f', ATTR{{idProduct}}=="{device.pid:04x}"'
    return f'ATTR{{idVendor}}=="{device.vid:04x}"{product}'


def _identity(device: UsbIdentity) -> str:
    return f"{device.vid:04x}:{'*' if device.pid is None else format(device.pid, '04x')}"


def _bridge(device: UsbIdentity) -> str:
    return _BRIDGE.format(
        product=device.product, identity=_identity(device), attributes=_attributes(device)
    )


def _module(device: UsbIdentity) -> str:
    model = "" if device.pid is None else f', ENV{{ID_MODEL_ID}}=="{device.pid:04x}"'
    tty = f'SUBSYSTEM=="tty", ENV{{ID_VENDOR_ID}}=="{device.vid:04x}"{model}'
    lines = [
        f"# {device.product} ({_identity(device)})",
        f'SUBSYSTEM=="usb", ENV{{DEVTYPE}}=="usb_device", {_attributes(device)}, '
        'ENV{ID_MM_DEVICE_IGNORE}="1"',
        f'{tty}, ENV{{ID_MM_PORT_IGNORE}}="1", TAG+="uaccess"',
    ]
    lines += [
        f'{tty}, ENV{{ID_USB_INTERFACE_NUM}}=="{number:02x}", '
        f'SYMLINK+="atdriver-{device.module}-at"'
        for number, role in device.roles.items()
        if role == AT
    ]
    return "\n".join([*lines, ""])
