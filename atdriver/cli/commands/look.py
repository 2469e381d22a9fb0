"""Commands without a modem: the demonstration, the ports of this computer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atdriver.cli.commands.root import app
from atdriver.cli.failure import be_verbose, execute
from atdriver.cli.options import Json, Verbose


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the capability report goes.")
    ] = Path("out"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the simulated modules running until Ctrl-C.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Show the main job with simulated modules."""

    def action() -> int:
        from atdriver.cli.demo import show

        if verbose:
            be_verbose()
        return show(out, keep=keep)

    raise typer.Exit(execute(action))


@app.command()
def ports(as_json: Json = False, verbose: Verbose = False) -> None:
    """List serial ports and what is behind them."""

    def action() -> None:
        from atdriver.cli.ports import show

        if verbose:
            be_verbose()
        show(as_json)

    raise typer.Exit(execute(action))


@app.command()
def udev() -> None:
    """Print udev rules that name AT ports and keep ModemManager away.

    For example: atdriver udev | sudo tee /etc/udev/rules.d/70-atdriver.rules"""

    def action() -> None:
        from atdriver.cli import output
        from atdriver.udev import rules

        for text in rules().splitlines():
            output.line(text)

    raise typer.Exit(execute(action))
