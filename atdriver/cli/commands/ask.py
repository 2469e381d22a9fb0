"""Commands that ask a modem something."""

from __future__ import annotations

from typing import Annotated

import typer

from atdriver.cli.commands.declare import modem_command
from atdriver.cli.options import Request


@modem_command()
def info(wanted: Request) -> None:
    """Show what the module is, and how it is."""
    from atdriver.cli.info import show

    show(wanted)


@modem_command()
def at(
    wanted: Request,
    *,
    command: Annotated[
        str | None, typer.Argument(metavar="[COMMAND]", help="For example AT+GMR.")
    ] = None,
) -> int:
    """Send a raw AT command, or open a console.

    Without COMMAND, commands are read from stdin, line by line, and unsolicited lines are shown."""
    from atdriver.cli import at as implementation

    if command is None:
        return implementation.console(wanted)
    return implementation.once(wanted, command)


@modem_command()
def scan(wanted: Request) -> None:
    """List the WiFi networks in reach."""
    from atdriver.cli.ask import scan as ask

    ask(wanted)


@modem_command()
def resolve(
    wanted: Request,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A host name.")],
) -> None:
    """Resolve a name by the module."""
    from atdriver.cli.ask import resolve as ask

    ask(wanted, name)


@modem_command()
def ping(
    wanted: Request,
    *,
    host: Annotated[str, typer.Argument(metavar="HOST", help="A host name or address.")],
    count: Annotated[int, typer.Option("-c", "--count", metavar="N", min=1, help="How many.")] = 4,
) -> int:
    """Measure round trips by the module.

    The status is 0 when at least one answer came."""
    from atdriver.cli.ask import ping as ask

    return ask(wanted, host, count)
