"""What can happen around an Espressif module, by name: for scenarios and the control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .wifi import WifiCommands

__all__ = ["EVENTS"]


def _ap_lost(modem: WifiCommands) -> None:
    modem.gone_access_points.update(modem.world.access_points)
    modem.world.access_points.clear()
    modem.lose_wifi()


def _ap_back(modem: WifiCommands) -> None:
    modem.world.access_points.update(modem.gone_access_points)
    modem.gone_access_points.clear()


EVENTS: Final[Mapping[str, Callable[[Any], object]]] = {
    "wifi_lost": lambda modem: modem.lose_wifi(),
    "ap_lost": _ap_lost,
    "ap_back": _ap_back,
}
"""wifi_lost: the association breaks, the access point is still there; ap_lost: every access point
is switched off; ap_back: on again (the module tries by itself, AT+CWRECONNCFG)."""
