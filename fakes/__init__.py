"""Simulated USB modules for tests without hardware.

`build(module, ...)` gives a `FakeModem` that speaks a module's AT dialect over an in-memory
wire (`start`/`receive`) or a pseudo terminal (`serve_pty`), with real sockets on loopback
behind it.  Nothing here imports the driver side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from .engine import CommandError, FakeModem, Record, rule
from .errors import (
    FakeError,
    LinkPathError,
    ScenarioError,
    UnknownFirmwareError,
    UnknownModuleError,
    UnknownSettingError,
    UnreachableError,
)
from .peers import Peer
from .scenario import Scenario, Step, WirePlan
from .world import World

__all__ = [
    "MODULES",
    "CommandError",
    "FakeError",
    "FakeModem",
    "LinkPathError",
    "Peer",
    "Record",
    "Scenario",
    "ScenarioError",
    "Step",
    "UnknownFirmwareError",
    "UnknownModuleError",
    "UnknownSettingError",
    "UnreachableError",
    "WirePlan",
    "World",
    "build",
    "rule",
]

MODULES: Mapping[str, tuple[str, str]] = {
    "esp8266": ("fakes.esp8266", "build"),
    "esp32": ("fakes.esp8266", "build_esp32"),
    "bg96": ("fakes.bg96", "build"),
    "bg95": ("fakes.bg96", "build_bg95"),
    "ec25": ("fakes.bg96", "build_ec25"),
    "openthread": ("fakes.openthread", "build"),
    "riot": ("fakes.riot", "build"),
    "skstack": ("fakes.skstack", "build"),
    "replay": ("fakes.replay", "build"),
}


def build(
    module: str,
    *,
    firmware: str | None = None,
    resolve: Mapping[str, str] | None = None,
    access_points: Mapping[str, str] | None = None,
    seed: int = 0,
    time_scale: float = 1.0,
    baud: int | None = None,
    scenario: str | Scenario | None = None,
    peers: Mapping[str, Peer] | None = None,
    offline: bool = False,
    **settings: str,
) -> FakeModem:
    """Build the fake called `module` (a key of `MODULES`); see that package's `build`.

    Raises:
        UnknownModuleError: no such module.
        UnknownFirmwareError, UnknownSettingError: by the module's own `build`.
        ScenarioError: the scenario file cannot be used.
    """
    try:
        package, function = MODULES[module]
    except KeyError:
        raise UnknownModuleError(module, MODULES) from None
    builder: Callable[..., FakeModem] = getattr(import_module(package), function)
    return builder(
        firmware=firmware,
        resolve=resolve,
        access_points=access_points,
        seed=seed,
        time_scale=time_scale,
        baud=baud,
        scenario=scenario,
        peers=peers,
        offline=offline,
        **settings,
    )
