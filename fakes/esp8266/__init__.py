"""Simulated ESP8266 and ESP32-C3 modules with Espressif's AT firmware.

`build` (ESP8266, default firmware E22) and `build_esp32` (default E24) give an
`EspressifModem`; `PROFILES` holds one record per firmware generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..errors import FakeError, UnknownFirmwareError, UnknownSettingError
from ..peers import Peer
from ..scenario import Scenario, load
from ..world import World
from .base import Options
from .first import FirstModem
from .modem import EspressifModem
from .profile import PROFILES

__all__ = ["FIRMWARES", "SETTINGS", "EspressifModem", "build", "build_esp32"]

FIRMWARES: Final = tuple(PROFILES)
SETTINGS: Final = (
    "flow", "late_closed", "connect_timeout", "join_time", "boot_time", "joined", "station_ip",
    "dhcp", "read_form", "reasons", "close_order",
)  # fmt: skip

_CHOICES: Final = {
    "flow": ("rts", "none"),
    "dhcp": ("ok", "none", "fail"),
    "read_form": ("literal", "manual"),
    "reasons": ("log", "port"),
    "close_order": ("closed", "ok"),
}


def _seconds(name: str, value: str | float, factor: float = 1.0) -> float:
    try:
        result = float(value) * factor
    except ValueError:
        raise UnknownSettingError(f"{name}={value}", [f"{name}=<number>"]) from None
    if not 0 <= result <= 600:
        raise UnknownSettingError(f"{name}={value}", [f"{name}=<0..600 seconds>"])
    return result


def _options(settings: Mapping[str, str]) -> Options:
    for name in settings:
        if name not in SETTINGS:
            raise UnknownSettingError(name, SETTINGS)
    usual = Options()
    chosen = {name: settings.get(name, getattr(usual, name)) for name in _CHOICES}
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise UnknownSettingError(
                f"{name}={value}", [f"{name}={each}" for each in _CHOICES[name]]
            )
    late, boot = settings.get("late_closed"), settings.get("boot_time")
    return Options(
        late_closed=None if late is None else _seconds("late_closed", late, 0.001),
        connect_timeout=_seconds(
            "connect_timeout", settings.get("connect_timeout", usual.connect_timeout)
        ),
        join_time=_seconds("join_time", settings.get("join_time", usual.join_time)),
        boot_time=None if boot is None else _seconds("boot_time", boot),
        joined=settings.get("joined", usual.joined),
        **chosen,
    )


class _Builder:
    """A `build` function with the tuple of its firmware names as attribute."""

    def __init__(self, default: str, doc: str) -> None:
        self.default = default
        self.firmwares = FIRMWARES
        self.__doc__ = doc

    def __call__(
        self,
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
    ) -> EspressifModem:
        """Build a fake module.

        Args:
            firmware: name of a profile (`firmwares`); None for the default.
            resolve: host name -> literal address.
            access_points: SSID -> password ("" open).
            seed: origin of every random decision.
            time_scale: factor on model delays, 0 none.
            baud: the module's rate, and pacing at it; None: 115200 without pacing.
            scenario: path of a YAML file, or a `Scenario`.
            peers: scripted peers, "host:port" -> Peer, beside those of the scenario.
            offline: no real sockets, only scripted peers (see `World`).
            **settings: flow ("rts", "none"), late_closed (ms), connect_timeout, join_time,
                boot_time (s), joined (SSID), station_ip (127.x.y.z).

        Raises:
            UnknownFirmwareError, UnknownSettingError: with the valid names.
            ScenarioError: the scenario cannot be used.
        """
        name = firmware or self.default
        if name not in PROFILES:
            raise UnknownFirmwareError(name, PROFILES)
        profile = PROFILES[name]
        options = _options(settings)
        address = settings.get("station_ip", "127.0.0.1")
        if not World.is_reachable(address) or ":" in address:
            raise UnknownSettingError(f"station_ip={address}", ["station_ip=127.x.y.z"])
        if baud is not None and not 80 <= baud <= profile.max_rate:
            raise FakeError(22, f"baud {baud} is outside 80..{profile.max_rate}")
        plan = load(scenario) if isinstance(scenario, str) else scenario or Scenario()
        world = World(
            resolve,
            access_points,
            seed,
            time_scale,
            address=address,
            peers={**plan.peers, **(peers or {})},
            offline=offline,
        )
        kind = FirstModem if profile.level == 0 else EspressifModem
        return kind(profile, options, world, baud=baud, scenario=plan)


build: Final = _Builder("E22", "Build a simulated ESP8266 module (default firmware E22).")
build_esp32: Final = _Builder("E24", "Build a simulated ESP32-C3 module (default firmware E24).")
