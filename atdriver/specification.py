"""`MODULE[,key=value…]:PORT` and where settings come from."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from atdriver.errors import SpecificationError
from atdriver.registry import Setting, Value

SHAPE = "MODULE[,key=value…]:PORT, for example bg96:/dev/ttyUSB2 or esp8266,ssid=lab:/dev/ttyUSB0"


@dataclass(frozen=True, slots=True)
class Specification:
    """A parsed modem specification."""

    module: str
    port: str
    settings: dict[str, str] = field(default_factory=dict, repr=False)
    """May hold secrets."""


_SETTING = re.compile(r",(?P<name>[a-z_]+)=")


def parse(text: str) -> Specification:
    """Split a specification at its first colon. Raises SpecificationError."""
    if text == "host" or text.startswith("host:"):
        return Specification("host", text.partition(":")[2])
    head, colon, port = text.partition(":")
    module, *pairs = head.split(",")
    if not colon or not port or not module:
        raise SpecificationError(f"{text!r} is no modem specification; it is {SHAPE}")
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise SpecificationError(f"{text!r}: {pair!r} is not key=value")
        settings[key] = value
    if misplaced := _SETTING.search(port):
        port = port[: misplaced.start()]  # what is behind it may be a secret
        raise SpecificationError(
            f"{port}: settings stand before the port, as in {module},{misplaced['name']}=…:{port}"
        )
    if "://" in port and not port.startswith(("tcp://", "rfc2217://")):
        raise SpecificationError(
            f"{port}: only tcp://host:port and rfc2217://host:port are taken besides serial devices"
        )
    return Specification(module, port, settings)


def read_profile(path: str | Path) -> dict[str, Value]:
    """Settings from a TOML file. Raises SpecificationError with the file's name."""
    try:
        with open(path, "rb") as file:
            found = tomllib.load(file)
    except OSError as error:
        raise SpecificationError(f"profile {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecificationError(f"profile {path}: {error}") from error
    for key, value in found.items():
        if not isinstance(value, str | int | float | bool):
            raise SpecificationError(f"profile {path}: {key} must be text, a number or a boolean")
    return found


def collect(
    known: Iterable[Setting],
    *,
    keywords: Mapping[str, Value],
    specification: Mapping[str, str],
    options: Mapping[str, str],
    profile: Mapping[str, Value],
    environment: Mapping[str, str] | None = None,
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Every known setting's value, by precedence: Python keywords, the specification, `--set`,
    ATDRIVER_KEY in the environment, the profile, the default.

    Returns (values, strangers): strangers are the unknown keys of keywords, specification and
    profile; the caller refuses them, or hands them to a fake. An unknown `--set` is no error:
    several modems may be given and each takes its own.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Value] = {}
    names = set()
    for setting in known:
        name = setting.name
        names.add(name)
        variable = f"ATDRIVER_{name.upper()}"
        for source in (keywords, specification, options):
            if name in source:
                values[name] = setting.read(source[name])
                break
        else:
            given = environment.get(variable, profile.get(name, setting.default))
            values[name] = setting.read(given)
    strangers: dict[str, Value] = {}
    for origin in (profile, specification, keywords):
        strangers.update({key: value for key, value in origin.items() if key not in names})
    return values, strangers


def refuse(module: str, strangers: Mapping[str, Value], known: Iterable[Setting]) -> None:
    """Raise SpecificationError for settings that a modem does not know."""
    if strangers:
        names = ", ".join(sorted(setting.name for setting in known))
        wrong = ", ".join(sorted(strangers))
        raise SpecificationError(f"{module} has no setting {wrong}; it has {names}")
