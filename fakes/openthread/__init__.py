"""A simulated OpenThread CLI node: its USB dongle's serial port, and its place in a mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Final

from fakes.errors import FakeError, UnknownSettingError
from fakes.mesh_settings import firmware_only, read, scenario_of
from fakes.openthread import dataset
from fakes.openthread.settings import Settings
from fakes.openthread.tools import Tools
from fakes.peers import Peer
from fakes.scenario import Scenario
from fakes.world import World

__all__ = ["DATASET", "FIRMWARES", "OpenThread", "build"]

FIRMWARES: Final = ("ftd",)
DATASET: Final = dataset.encode(dataset.DEFAULT).hex()
"""The active dataset of the border router's network, for `dataset set active`."""


class OpenThread(Tools):
    """An OpenThread CLI node. For tests: `node` and `mesh` (see `fakes.mesh`)."""

    EVENTS: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "out_of_range": lambda modem: modem.mesh.isolate(modem.node),
        "in_range": lambda modem: modem.mesh.rejoin(modem.node),
        "detached": lambda modem: modem.lose_parent(),
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
) -> OpenThread:
    """Build a fake OpenThread CLI node.

    Args:
        firmware: "ftd", the only one: a full Thread device.
        resolve: host name to literal address; the border router's name server knows them.
        access_points: must be empty.
        seed: origin of every random decision.
        time_scale: factor on every model delay; 0 removes them.
        baud: pace the line at that rate; None: no pacing.
        scenario: path of a YAML file, or a `Scenario`.
        peers: scripted peers, beside those of the scenario.
        offline: no real sockets, only scripted peers and other nodes.
        settings: as strings; see `fakes.openthread.settings.Settings`.

    Raises:
        UnknownFirmwareError, UnknownSettingError: with what is valid.
        ScenarioError: the scenario cannot be used.
    """
    firmware_only(firmware, FIRMWARES)
    if access_points:
        raise FakeError(22, "a Thread node has no access points")
    chosen = read(Settings, settings)
    try:
        dataset.decode(bytes.fromhex(chosen.dataset))
    except ValueError:
        raise UnknownSettingError(
            f"dataset={chosen.dataset}", ["dataset=<hexadecimal TLVs>"]
        ) from None
    steps = scenario_of(scenario)
    world = World(
        resolve,
        seed=seed,
        time_scale=time_scale,
        peers={**steps.peers, **(peers or {})},
        offline=offline,
    )
    return OpenThread(chosen, world, baud=baud, scenario=steps)


_BUILDER: Final[Any] = build
_BUILDER.firmwares = FIRMWARES
_BUILDER.settings = tuple(sorted(field.name for field in fields(Settings)))
