"""Settings of the mesh fakes: what `build` takes as strings, checked and typed.

A module's settings are a frozen dataclass that derives from `MeshSettings`; the type of a default
is the type of the setting. A field's metadata may have "choices" (a tuple of texts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from .errors import UnknownFirmwareError, UnknownSettingError
from .mesh import Mesh
from .scenario import Scenario, load
from .world import World

__all__ = ["MeshSettings", "firmware_only", "mesh_of", "read", "scenario_of"]

_MOST = 1e6


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """What every mesh fake takes. Times are in seconds before scaling."""

    mesh: str = ""
    """Nodes of one process with the same name here are in one mesh; empty: alone."""
    border: bool = True
    """A border router leads to this machine and is the first of the network."""
    hop: float = 0.0025
    """How long a packet takes per hop."""
    loss: float = 0.0
    """Probability per hop that a datagram is lost."""
    duplicate: float = 0.0
    """Probability per hop that a datagram arrives twice."""
    eui64: str = ""
    """The node's IEEE address, 16 hexadecimal digits; empty: by the order in the mesh."""


Chosen = TypeVar("Chosen", bound=MeshSettings)


def read(kind: type[Chosen], given: Mapping[str, str]) -> Chosen:
    """Check and type settings.

    Raises:
        UnknownSettingError: a name or a value that is not taken; the message lists what is.
    """
    known = {field.name: field for field in fields(kind)}
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in known:
            raise UnknownSettingError(name, sorted(known))
        values[name] = _value(name, str(text), known[name])
    made = kind(**values)
    if made.eui64 and not _is_hex(made.eui64, 16):
        raise UnknownSettingError(f"eui64={made.eui64}", ["eui64=<16 hexadecimal digits>"])
    for name in ("loss", "duplicate"):
        if getattr(made, name) > 1:
            raise UnknownSettingError(f"{name}={given[name]}", [f"{name}=<0..1>"])
    return made


def _is_hex(text: str, digits: int) -> bool:
    return len(text) == digits and all(each in "0123456789abcdefABCDEF" for each in text)


def _value(name: str, text: str, field: Any) -> object:
    default = field.default
    if isinstance(default, bool):
        if text not in ("yes", "no"):
            raise UnknownSettingError(f"{name}={text}", [f"{name}=yes", f"{name}=no"])
        return text == "yes"
    if isinstance(default, int | float):
        try:
            number = type(default)(text)
        except ValueError:
            number = -1
        if not 0 <= number <= _MOST:
            raise UnknownSettingError(f"{name}={text}", [f"{name}=<number>"])
        return number
    choices = field.metadata.get("choices", ())
    if choices and text not in choices:
        raise UnknownSettingError(f"{name}={text}", [f"{name}={each}" for each in choices])
    return text


def firmware_only(name: str | None, valid: tuple[str, ...]) -> str:
    """The firmware to build; the first when none is asked for. Raises UnknownFirmwareError."""
    if name is not None and name not in valid:
        raise UnknownFirmwareError(name, valid)
    return name or valid[0]


def scenario_of(given: str | Scenario | None) -> Scenario:
    """A scenario, read from its file where it is a path. Raises ScenarioError."""
    return load(given) if isinstance(given, str) else given or Scenario()


def mesh_of(kind: str, settings: MeshSettings, world: World) -> Mesh:
    """The mesh that a module of this kind is part of."""

    def make() -> Mesh:
        return Mesh(
            seed=world.seed,
            scale=world.time_scale,
            hop=settings.hop,
            loss=settings.loss,
            duplicate=settings.duplicate,
        )

    return Mesh.called(f"{kind}:{settings.mesh}", make) if settings.mesh else make()
