"""The root of all commands."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="atdriver",
    help="Open sockets through a cellular or WiFi module on a serial port.",
    epilog="Try `atdriver demo` first: it needs no hardware.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from atdriver import __version__

        typer.echo(f"atdriver {__version__}")
        raise typer.Exit


@app.callback()
def common(
    _version_wanted: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Open sockets through a cellular or WiFi module on a serial port."""
