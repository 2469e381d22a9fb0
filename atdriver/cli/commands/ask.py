"""Commands that ask a modem something."""

from __future__ import annotations

from typing import Annotated

import typer

from atdriver.cli.commands.root import app
from atdriver.cli.failure import execute
from atdriver.cli.options import Json, Profile, Settings, Spec, Timeout, Trace, Verbose, request


@app.command()
def info(
    spec: Spec,
    *,
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Show what the module is, and how it is."""

    def action() -> None:
        from atdriver.cli.info import show

        show(
            request(
                spec,
                settings=settings,
                profile=profile,
                trace=trace,
                verbose=verbose,
                timeout=timeout,
                as_json=as_json,
            )
        )

    raise typer.Exit(execute(action))


@app.command()
def at(
    spec: Spec,
    *,
    command: Annotated[
        str | None, typer.Argument(metavar="[COMMAND]", help="For example AT+GMR.")
    ] = None,
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Send a raw AT command, or open a console.

    Without COMMAND, commands are read from stdin, line by line, and unsolicited lines are shown."""

    def action() -> int:
        from atdriver.cli import at as implementation

        wanted = request(
            spec,
            settings=settings,
            profile=profile,
            trace=trace,
            verbose=verbose,
            timeout=timeout,
            as_json=as_json,
        )
        if command is None:
            return implementation.console(wanted)
        return implementation.once(wanted, command)

    raise typer.Exit(execute(action))


@app.command()
def scan(
    spec: Spec,
    *,
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """List the WiFi networks in reach."""

    def action() -> None:
        from atdriver.cli.ask import scan as ask

        ask(
            request(
                spec,
                settings=settings,
                profile=profile,
                trace=trace,
                verbose=verbose,
                timeout=timeout,
                as_json=as_json,
            )
        )

    raise typer.Exit(execute(action))


@app.command()
def resolve(
    spec: Spec,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A host name.")],
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Resolve a name by the module."""

    def action() -> None:
        from atdriver.cli.ask import resolve as ask

        ask(
            request(
                spec,
                settings=settings,
                profile=profile,
                trace=trace,
                verbose=verbose,
                timeout=timeout,
                as_json=as_json,
            ),
            name,
        )

    raise typer.Exit(execute(action))


@app.command()
def ping(
    spec: Spec,
    *,
    host: Annotated[str, typer.Argument(metavar="HOST", help="A host name or address.")],
    count: Annotated[int, typer.Option("-c", "--count", metavar="N", min=1, help="How many.")] = 4,
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Measure round trips by the module.

    The status is 0 when at least one answer came."""

    def action() -> int:
        from atdriver.cli.ask import ping as ask

        wanted = request(
            spec,
            settings=settings,
            profile=profile,
            trace=trace,
            verbose=verbose,
            timeout=timeout,
            as_json=as_json,
        )
        return ask(wanted, host, count)

    raise typer.Exit(execute(action))
