"""`atdriver fake`: a simulated module on a pseudo terminal, for any program to open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atdriver.cli import output
from atdriver.cli.failure import UsageProblem, sentence
from atdriver.cli.options import key_values
from atdriver.cli.session import until_signal
from atdriver.errors import ATError
from atdriver.registry import load_fake

_OWN = {
    "firmware": "--firmware",
    "resolve": "--resolve",
    "access_points": "--ap",
    "seed": "--seed",
    "time_scale": "--time-scale",
    "baud": "--baud",
    "scenario": "--scenario",
}
"""What has an option of its own and is no `--set`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The fake that was asked for, as it was typed."""

    module: str
    link: Path | None = None
    baud: int | None = None
    firmware: str | None = None
    scenario: Path | None = None
    seed: int = 0
    resolve: list[str] = field(default_factory=list)
    access_points: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    time_scale: float = 1.0
    strict_baud: bool = False
    control: str | None = None


def serve(wanted: Wanted) -> None:
    """Run the fake until SIGINT or SIGTERM; the first line on stdout names its port."""
    module = _build(wanted)
    asyncio.run(_serve(module, wanted))


def _build(wanted: Wanted) -> Any:
    settings = key_values("--set", wanted.settings)
    for name in settings:
        if name in _OWN:
            raise UsageProblem(f"--set {name}: use {_OWN[name]}")
    points = {}
    for pair in wanted.access_points:
        name, _, password = pair.partition(":")
        if not name:
            raise UsageProblem(f"--ap {pair}: SSID:PASSWORD is expected (no password: open)")
        points[name] = password
    build = load_fake(wanted.module)
    try:
        return build(
            firmware=wanted.firmware,
            resolve=key_values("--resolve", wanted.resolve),
            access_points=points,
            seed=wanted.seed,
            time_scale=wanted.time_scale,
            baud=wanted.baud,
            scenario=str(wanted.scenario) if wanted.scenario else None,
            **settings,
        )
    except ATError:
        raise
    except (OSError, ValueError) as error:
        raise UsageProblem(sentence(error)) from error


async def _serve(module: Any, wanted: Wanted) -> None:
    with until_signal():
        await module.serve_pty(
            link=str(wanted.link) if wanted.link else None,
            announce=output.flushed,
            follow_rate=wanted.strict_baud,
            control=wanted.control,
        )
