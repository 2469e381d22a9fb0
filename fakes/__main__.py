"""``python -m fakes MODULE``: a simulated module on a pseudo terminal, without the driver."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import inspect
import signal
import sys
from collections.abc import Sequence
from typing import Any

from . import MODULES, FakeModem, build

__all__ = ["main"]


def _pairs(option: str, mark: str, texts: Sequence[str]) -> dict[str, str]:
    """``NAME<mark>VALUE`` texts as a dictionary."""
    found = {}
    for text in texts:
        name, between, value = text.partition(mark)
        if not name or (not between and mark == "="):
            raise ValueError(f"{option} {text}: NAME{mark}VALUE is expected")
        found[name] = value
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fakes",
        description="Run a simulated module on a pseudo terminal; the first line on stdout "
        "names it, SIGINT or SIGTERM ends it.",
    )
    add = parser.add_argument
    add("module", metavar="MODULE", choices=MODULES, help=", ".join(MODULES))
    add("--link", metavar="PATH", help="symbolic link to its port")
    add("--control", metavar="PATH", help="make a control socket there (0: a port of 127.0.0.1)")
    add("--firmware", metavar="GEN", help="for example N17, E22")
    add("--ap", metavar="SSID:PASSWORD", action="append", default=[], help="a WiFi network")
    add("--resolve", metavar="NAME=ADDR", action="append", default=[], help="a name it resolves")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting of the fake")
    add("--scenario", metavar="FILE", help="steps in YAML")
    add("--seed", metavar="N", type=int, default=0, help="origin of random decisions")
    add("--baud", metavar="N", type=int, help="pace the line at this rate")
    add("--strict-baud", action="store_true", help="opened at another rate it gives noise")
    add("--time-scale", metavar="X", type=float, default=1.0, help="factor on its delays; 0: none")
    return parser


def _build(given: argparse.Namespace) -> FakeModem:
    settings: dict[str, Any] = dict(_pairs("--set", "=", given.set))
    for name in settings:
        if name in inspect.signature(build).parameters:
            raise ValueError(f"--set {name}: it has an option of its own")
    return build(
        given.module,
        firmware=given.firmware,
        resolve=_pairs("--resolve", "=", given.resolve),
        access_points=_pairs("--ap", ":", given.ap),
        seed=given.seed,
        time_scale=given.time_scale,
        baud=given.baud,
        scenario=given.scenario,
        **settings,
    )


async def _serve(modem: FakeModem, given: argparse.Namespace) -> None:
    task = asyncio.ensure_future(
        modem.serve_pty(link=given.link, follow_rate=bool(given.strict_baud), control=given.control)
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; 0 after a signal, 1 when it could not begin, 2 for wrong arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        modem = _build(given)
    except (OSError, ValueError) as error:
        parser.error(str(getattr(error, "strerror", None) or error))
    try:
        asyncio.run(_serve(modem, given))
    except OSError as error:
        print(f"{parser.prog}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
