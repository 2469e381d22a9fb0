"""Finding drivers and fakes by entry point, and the settings each takes.

A third party's driver is a distribution with an entry point in group `atdriver.modems` whose value
is an object like `Driver`; one that drives a network interface of this computer is an
`InterfaceDriver` in group `atdriver.interfaces`; a fake is a callable in group `atdriver.fakes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, runtime_checkable

from atdriver.channel import Channel
from atdriver.dialect import Dialect
from atdriver.errors import SpecificationError, UnknownModule
from atdriver.usb import UsbIdentity

MODEMS = "atdriver.modems"
INTERFACES = "atdriver.interfaces"
FAKES = "atdriver.fakes"

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a driver: its type is the type of its default."""

    name: str
    default: Value
    help: str
    secret: bool = False
    choices: tuple[str, ...] = ()

    def read(self, given: Value) -> Value:
        """The value in the setting's own type. Raises SpecificationError."""
        kind = type(self.default)
        try:
            value = _read(kind, given)
        except ValueError:
            raise SpecificationError(
                f"setting {self.name}={'***' if self.secret else given}: "
                f"{'yes or no' if kind is bool else 'a number'} is expected"
            ) from None
        if self.choices and value not in self.choices:
            raise SpecificationError(
                f"setting {self.name}={given}: one of {', '.join(self.choices)} is expected"
            )
        return value


def _read(kind: type, given: Value) -> Value:
    if kind is bool and isinstance(given, str):
        if given.lower() in ("1", "yes", "true", "on"):
            return True
        if given.lower() in ("0", "no", "false", "off"):
            return False
        raise ValueError(given)
    if kind is str:
        return str(given)
    result = kind(given)
    assert isinstance(result, str | int | float | bool)
    return result


LINK_SETTINGS: tuple[Setting, ...] = (
    Setting("baud", 115200, "baud rate to try first"),
    Setting("fast", 0, "baud rate to change to once the module answers; put back at the end"),
    Setting("rtscts", False, "hardware flow control is wired"),
    Setting("trace", "", "file for a wire trace (secrets masked)"),
    Setting(
        "reconnect",
        "auto",
        "come back by itself after a restart, a lost network or an unplugged port, or never",
        choices=("auto", "never"),
    ),
)
"""What every modem behind a serial port takes."""
MUX = Setting("mux", False, "several channels over the port (AT+CMUX): AT stays usable beside data")
"""What a driver takes whose modules know AT+CMUX."""


class Driver(Protocol):
    """What an entry point in group `atdriver.modems` offers."""

    kind: str
    """"wifi", "cellular", "thread" or "lowpan": which interface class wraps it."""
    dialect: Dialect
    settings: tuple[Setting, ...]
    identity: tuple[bytes, re.Pattern[bytes]]
    """A harmless question, and a line that only this driver's modules answer (`auto:PORT`)."""
    usb: tuple[UsbIdentity, ...]
    """USB devices to expect; optional: finding ports takes a missing list for an empty one."""

    def create(self, channel: Channel, name: str, values: Mapping[str, Value]) -> Any:
        """A netsocket Stack over this channel."""


@runtime_checkable
class InterfaceDriver(Protocol):
    """What an entry point in group `atdriver.interfaces` offers: a driver without a wire."""

    kind: str
    """As Driver.kind."""
    settings: tuple[Setting, ...]

    def on_interface(self, interface: str, name: str, values: Mapping[str, Value]) -> Any:
        """A netsocket Stack on this network interface; nothing is opened yet."""


def modem_names() -> list[str]:
    """Names of the installed drivers of modules."""
    return sorted(point.name for point in entry_points(group=MODEMS))


def interface_names() -> list[str]:
    """Names of the installed drivers of network interfaces."""
    return sorted(point.name for point in entry_points(group=INTERFACES))


def fake_names() -> list[str]:
    """Names of the installed fakes."""
    return sorted(point.name for point in entry_points(group=FAKES))


def load_driver(name: str) -> Driver:
    """The driver of that name. Raises UnknownModule naming those there are."""
    point = _find(MODEMS, name)
    if point is None:
        others = ", ".join((*interface_names(), "auto", "host", "lwip"))
        raise UnknownModule(
            f"unknown module {name!r}; installed: {', '.join(modem_names())}, and {others}"
        )
    driver: Driver = _load(point)
    return driver


def load_interface(name: str) -> InterfaceDriver | None:
    """The driver of that name for network interfaces; None where there is none."""
    point = _find(INTERFACES, name)
    driver: InterfaceDriver | None = None if point is None else _load(point)
    return driver


def load_any(name: str) -> Driver | InterfaceDriver:
    """The driver of either kind. Raises UnknownModule."""
    return load_interface(name) or load_driver(name)


def load_fake(name: str) -> Callable[..., Any]:
    """The fake's `build` function. Raises UnknownModule."""
    point = _find(FAKES, name)
    if point is None:
        raise UnknownModule(f"there is no fake {name!r}; installed: {', '.join(fake_names())}")
    build: Callable[..., Any] = _load(point)
    return build


def _find(group: str, name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=group, name=name)), None)


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        where = point.dist.name if point.dist else "unknown distribution"
        raise UnknownModule(
            f"{point.name} ({point.value}, from {where}) cannot be loaded: {error}"
        ) from error
