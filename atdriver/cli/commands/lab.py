"""Commands for tests and measurements: simulated modules, traces, the report, its far end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atdriver.cli.commands.declare import command, modem_command
from atdriver.cli.options import Request


@command()
def fake(
    module: Annotated[str, typer.Argument(metavar="MODULE", help="esp8266, esp32, bg96, …")],
    *,
    link: Annotated[
        Path | None, typer.Option("--link", metavar="PATH", help="Symbolic link to its port.")
    ] = None,
    baud: Annotated[
        int | None, typer.Option("--baud", metavar="N", help="Pace the line at this rate.")
    ] = None,
    firmware: Annotated[
        str | None, typer.Option("--firmware", metavar="GEN", help="For example N17, E22.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", metavar="FILE", help="Steps in YAML.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Origin of random decisions.")
    ] = 0,
    names: Annotated[
        list[str] | None,
        typer.Option("--resolve", metavar="NAME=ADDR", help="A name it resolves; repeatable."),
    ] = None,
    access_points: Annotated[
        list[str] | None,
        typer.Option("--ap", metavar="SSID:PASSWORD", help="A WiFi network; repeatable."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the fake; repeatable."),
    ] = None,
    time_scale: Annotated[
        float,
        typer.Option("--time-scale", metavar="X", min=0.0, help="Factor on its delays; 0: none."),
    ] = 1.0,
    strict_baud: Annotated[
        bool,
        typer.Option("--strict-baud", help="A program that opens it at another rate gets noise."),
    ] = False,
    control: Annotated[
        str | None,
        typer.Option(
            "--control",
            metavar="PATH|PORT",
            help="Control socket: JSON lines to inject, ask and change the world.",
        ),
    ] = None,
) -> None:
    """Run a simulated module on a pseudo terminal.

    The first line on stdout names it; Ctrl-C ends it."""
    from atdriver.cli.fake import Wanted, serve

    serve(
        Wanted(
            module,
            link=link,
            baud=baud,
            firmware=firmware,
            scenario=scenario,
            seed=seed,
            resolve=names or [],
            access_points=access_points or [],
            settings=settings or [],
            time_scale=time_scale,
            strict_baud=strict_baud,
            control=control,
        )
    )


@command("trace", verbose=False)
def trace_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What --trace wrote.", show_default=False)
    ],
    *,
    scenario: Annotated[
        Path | None,
        typer.Option(
            "--scenario",
            metavar="OUT.yaml",
            help="Write a script for `atdriver fake replay --scenario OUT.yaml`.",
        ),
    ] = None,
    varying: Annotated[
        list[str] | None,
        typer.Option(
            "--any",
            metavar="REGEX",
            help="What the groups match in the host's bytes may differ in a replay; repeatable.",
        ),
    ] = None,
) -> None:
    """Show a wire trace, or make a fake of it.

    The fake answers what the recorded module answered and fails where the program deviates."""
    from atdriver.cli import tracefile

    if scenario is None:
        tracefile.show(file)
    else:
        tracefile.convert(file, scenario, varying or [])


@modem_command(several="Modules to measure; bg96:fake, or host for this PC.", trace=False, json="")
def report(
    wanted: list[Request],
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the report goes.")
    ] = Path("out"),
    compare: Annotated[
        Path | None,
        typer.Option("--compare", metavar="OLD.json", help="Show what changed since then."),
    ] = None,
    far_end: Annotated[
        str,
        typer.Option(
            "--far-end",
            metavar="HOST[:PORT]",
            help="Own address that the module reaches this host at, or where `atdriver far-end` "
            "runs.",
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option("--token", metavar="T", help="Of that `atdriver far-end`.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="A name of that address.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="ID", help="Only this promise or probe, or performance; repeatable."
        ),
    ] = None,
    open_ssid: Annotated[
        str,
        typer.Option("--open-ssid", metavar="SSID", help="An open WiFi network to join as well."),
    ] = "",
    identities: Annotated[
        bool,
        typer.Option(
            "--identities",
            help="Leave names of networks, addresses and long numbers in the report.",
        ),
    ] = False,
) -> int:
    """Measure the Socket API on modules and compare it with their claims.

    The status is 1 when a claim and a measurement contradict each other, and when a module could
    not be measured; the others are reported nevertheless."""
    from atdriver.cli import report as implementation

    return implementation.show(
        wanted,
        out,
        compare=compare,
        far_end=far_end,
        token=token,
        name=name,
        only=only or [],
        open_ssid=open_ssid,
        identities=identities,
    )


@command("far-end")
def far_end_command(
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDR", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="N", min=0, max=65506, help="First of 30 ports; 0: any free ones."
        ),
    ] = 7700,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="T", help="Who may use them; needed beyond loopback."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="NET",
            help="Addresses that are served without a session; repeatable.",
        ),
    ] = None,
    megabytes: Annotated[
        int | None,
        typer.Option("--max-mb", metavar="N", min=1, help="Most that one client gets (268)."),
    ] = None,
) -> None:
    """Run the test services (echo, discard, chargen, …) for a module to talk to.

    Each line on stdout names a service and its port; the first is for the machine that tests
    (`--far-end HOST:PORT`). Ctrl-C ends them."""
    from atdriver.cli.farend import serve

    serve(host, port, token, allow or [], megabytes)
