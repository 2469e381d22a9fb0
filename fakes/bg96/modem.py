"""The assembled module and its builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fakes.bg96 import settings as module_settings
from fakes.bg96.events import EVENTS
from fakes.bg96.multiplexing import Multiplexing
from fakes.bg96.profile import DEFAULT_FIRMWARE, PROFILES
from fakes.errors import FakeError, UnknownFirmwareError, UnknownSettingError
from fakes.peers import Peer
from fakes.scenario import Scenario, load
from fakes.world import World


class Bg96(Multiplexing):
    """A Quectel BG96 (or sibling profile) with real sockets on loopback.

    For tests, beside what `FakeModem` offers: `lose_context(n)` (the network deactivates a
    context), `service_lost()`, `set_registration(stat)`, `remove_sim()`, `off()`, `restart()`.
    """

    EVENTS = EVENTS
    aliases = ("bg95", "ec25")


class SettingValueError(FakeError, ValueError):
    """A setting of the BG96 fake has a value that it cannot take."""


def build(
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
) -> Bg96:
    """Build a fake BG96.

    Args:
        firmware: one of `build.firmwares`; default "bg96".
        resolve: host name to literal address; other names do not resolve.
        access_points: accepted for symmetry with the WiFi modules; must be empty.
        seed: origin of every random decision.
        time_scale: factor on every model delay; 0 removes them.
        baud: pace the line at that rate (8N1), real time; None: no pacing.
        scenario: path of a YAML file with steps that go before the built-in rules, or a
            `Scenario`.
        peers: scripted peers, "host:port" -> Peer, beside those of the scenario.
        offline: no real sockets, only scripted peers (see `World`).
        settings: as strings; see `fakes.bg96.settings.Settings` for names and values.

    Raises:
        UnknownFirmwareError: lists the valid firmware names.
        UnknownSettingError: lists the valid setting names.
        SettingValueError: says what the setting takes.
        ScenarioError: the scenario file cannot be used.
    """
    name = firmware or DEFAULT_FIRMWARE
    if name not in PROFILES:
        raise UnknownFirmwareError(name, PROFILES)
    for setting in settings:
        if setting not in module_settings.names():
            raise UnknownSettingError(setting, module_settings.names())
    if access_points:
        raise SettingValueError(22, "a cellular module has no access points")
    try:
        chosen = module_settings.parse(settings)
    except module_settings.SettingError as error:
        raise SettingValueError(22, str(error)) from None
    rats = [*PROFILES[name].radio.technologies]
    given = chosen.rat.split("+") if chosen.rat else []
    if len(set(given)) < len(given) or not set(given) <= set(rats):
        raise SettingValueError(
            22, f"bg96 setting rat={chosen.rat!r}: choose {', '.join(rats)}, or several joined by +"
        )
    steps = load(scenario) if isinstance(scenario, str) else scenario or Scenario()
    world = World(
        resolve,
        seed=seed,
        time_scale=time_scale,
        peers={**steps.peers, **(peers or {})},
        offline=offline,
    )
    return Bg96(PROFILES[name], chosen, world, baud=baud, scenario=steps)


def build_bg95(*, firmware: str | None = None, **options: Any) -> Bg96:
    """Build a fake BG95: `build` with that firmware."""
    return build(firmware=firmware or "bg95", **options)


def build_ec25(*, firmware: str | None = None, **options: Any) -> Bg96:
    """Build a fake EC25: `build` with that firmware."""
    return build(firmware=firmware or "ec25", **options)


_BUILDERS: Final[tuple[Any, ...]] = (build, build_bg95, build_ec25)
for _builder in _BUILDERS:
    _builder.firmwares = tuple(PROFILES)
    _builder.settings = module_settings.names()
