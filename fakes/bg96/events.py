"""What can happen around a BG96, by name: for scenarios and the control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from fakes.bg96.radio import STAT_DENIED, STAT_SEARCHING

if TYPE_CHECKING:
    from fakes.bg96.modem import Bg96

__all__ = ["EVENTS"]


def _sim_back(modem: Bg96) -> None:
    modem.settings = replace(modem.settings, sim="ready")
    if modem.sim_notice:
        modem.urc("+QSIMSTAT : 1,1")
    modem.notices(*modem.sim_lines())
    if modem.sim_usable:
        modem.sim_unlocked()


def _cell_lost(modem: Bg96) -> None:
    modem.service_lost()
    modem.set_registration(STAT_SEARCHING)


EVENTS: Final[Mapping[str, Callable[[Any], object]]] = {
    "pdp_lost": lambda modem: modem.lose_context(1),
    "pdp_lost_silently": lambda modem: modem.lose_context(1, silent=True),
    "cell_lost": _cell_lost,
    "cell_back": lambda modem: modem.search(0.0),
    "denied": lambda modem: modem.set_registration(STAT_DENIED),
    "sim_out": lambda modem: modem.remove_sim(),
    "sim_in": _sim_back,
    "carrier_lost": lambda modem: modem.carrier_lost(),
    "ppp_terminated": lambda modem: modem.ppp_terminated(),
}
"""pdp_lost: the network deactivates context 1; pdp_lost_silently: without a word; cell_lost: no
network, contexts go; denied: registration refused; sim_out, sim_in: somebody at the card;
carrier_lost: a data call breaks; ppp_terminated: the network ends PPP in order."""
