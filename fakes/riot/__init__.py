"""A simulated RIOT node with a shell on its serial port, in a 6LoWPAN of simulated nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Final

from fakes.errors import FakeError
from fakes.mesh_settings import firmware_only, read, scenario_of
from fakes.peers import Peer
from fakes.riot.settings import Settings
from fakes.riot.tcp import TcpCommands
from fakes.scenario import Scenario
from fakes.world import World

__all__ = ["FIRMWARES", "Riot", "build"]

FIRMWARES: Final = ("gnrc",)


class Riot(TcpCommands):
    """A RIOT shell node. For tests: `node` and `mesh` (see `fakes.mesh`)."""

    EVENTS: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "out_of_range": lambda modem: modem.mesh.isolate(modem.node),
        "in_range": lambda modem: modem.mesh.rejoin(modem.node),
    }


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
) -> Riot:
    """Build a fake RIOT shell node.

    Args:
        firmware: "gnrc", the only one.
        resolve: accepted; the node itself resolves nothing.
        access_points: must be empty.
        seed: origin of every random decision.
        time_scale: factor on every model delay; 0 removes them.
        baud: pace the line at that rate; None: no pacing.
        scenario: path of a YAML file, or a `Scenario`.
        peers: scripted peers, beside those of the scenario.
        offline: no real sockets, only scripted peers and other nodes.
        settings: as strings; see `fakes.riot.settings.Settings`.

    Raises:
        UnknownFirmwareError, UnknownSettingError: with what is valid.
        ScenarioError: the scenario cannot be used.
    """
    firmware_only(firmware, FIRMWARES)
    if access_points:
        raise FakeError(22, "a 6LoWPAN node has no access points")
    chosen = read(Settings, settings)
    steps = scenario_of(scenario)
    world = World(
        resolve,
        seed=seed,
        time_scale=time_scale,
        peers={**steps.peers, **(peers or {})},
        offline=offline,
    )
    return Riot(chosen, world, baud=baud, scenario=steps)


_BUILDER: Final[Any] = build
_BUILDER.firmwares = FIRMWARES
_BUILDER.settings = tuple(sorted(field.name for field in fields(Settings)))
