"""Commands without a modem: the demonstration, the ports of this computer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atdriver.cli.commands.declare import command
from atdriver.cli.options import Json


@command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the capability report goes.")
    ] = Path("out"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the simulated modules running until Ctrl-C.")
    ] = False,
) -> int:
    """Show the main job with simulated modules."""
    from atdriver.cli.demo import show

    return show(out, keep=keep)


@command()
def ports(as_json: Json = False) -> None:
    """List serial ports and what is behind them."""
    from atdriver.cli.ports import show

    show(as_json)


@command(verbose=False)
def udev() -> None:
    """Print udev rules that name AT ports and keep ModemManager away.

    For example: atdriver udev | sudo tee /etc/udev/rules.d/70-atdriver.rules"""
    from atdriver.cli import output
    from atdriver.udev import rules

    for text in rules().splitlines():
        output.line(text)
