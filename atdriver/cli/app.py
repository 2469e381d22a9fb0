"""Every command with its arguments and options: what a user can type, and nothing else.

The work of each is in a module of its own, imported when the command runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atdriver.cli.failure import UsageProblem, be_verbose, execute
from atdriver.cli.options import (
    Json,
    Profile,
    Settings,
    Spec,
    Timeout,
    Trace,
    Verbose,
    request,
)

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


@app.command()
def nc(
    spec: Spec,
    *,
    host: Annotated[str | None, typer.Argument(metavar="HOST", help="A name or address.")] = None,
    port: Annotated[str | None, typer.Argument(metavar="PORT", help="1 to 65535.")] = None,
    datagrams: Annotated[
        bool, typer.Option("-u", "--udp", help="UDP: each read of stdin is one datagram.")
    ] = False,
    quiet: Annotated[
        float | None,
        typer.Option(
            "-q",
            metavar="SECONDS",
            help="After the end of stdin, close when nothing came for so long "
            "(default: 2, or four round trips if that is more).",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "-l", "--listen", metavar="PORT", help="Wait for one peer on this port of the module."
        ),
    ] = None,
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
) -> None:
    """Netcat through the module.

    stdin goes to a TCP (or UDP) peer, its answers to stdout."""

    def action() -> int | None:
        from atdriver.cli import nc as implementation

        wanted = request(
            spec, settings=settings, profile=profile, trace=trace, verbose=verbose, timeout=timeout
        )
        if listen is not None:
            if host is not None:
                raise UsageProblem("nc -l PORT takes no HOST: it waits for whoever comes")
            implementation.listen(wanted, listen, datagrams=datagrams, quiet=quiet)
            return None
        if host is None or port is None:
            raise UsageProblem("nc needs HOST and PORT (see `atdriver nc --help`)")
        implementation.connect(wanted, host, port, datagrams=datagrams, quiet=quiet)
        return None

    raise typer.Exit(execute(action))


@app.command()
def proxy(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC…", help="One or more modules; host is this computer."),
    ],
    *,
    listen: Annotated[
        str,
        typer.Option("--listen", metavar="ADDR:PORT", help="Where programs find it; port 0: any."),
    ] = "127.0.0.1:1080",
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="U",
            help="Who may use it; the password is ATDRIVER_PROXY_PASSWORD in the environment. "
            "Needed beyond loopback.",
        ),
    ] = None,
    password: Annotated[
        str | None,
        typer.Option("--password", metavar="P", help="Other users can read it here."),
    ] = None,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", help="In the queue for a socket, at most."),
    ] = 30.0,
    idle: Annotated[
        float | None,
        typer.Option(
            "--idle",
            metavar="SECONDS",
            help="A tunnel silent for so long ends when a client waits; without this, none.",
        ),
    ] = None,
    clients: Annotated[
        int, typer.Option("--clients", metavar="N", min=1, help="At the same time, at most.")
    ] = 256,
    pac: Annotated[
        bool, typer.Option("--pac", help="Serve a PAC file for browsers, as /proxy.pac.")
    ] = False,
    pac_file: Annotated[
        Path | None,
        typer.Option("--pac-file", metavar="FILE", help="Serve this one as /proxy.pac."),
    ] = None,
    balance: Annotated[
        str,
        typer.Option(
            "--balance",
            metavar="RULE",
            help="Among several modules: least-busy, round-robin or failover.",
        ),
    ] = "least-busy",
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Show how it goes as lines of JSON.")
    ] = False,
) -> None:
    """Let every program go out through the module: SOCKS5 and HTTP on one port.

    The first line on stdout says where. Names are resolved by the module, never by this computer.
    Ctrl-C ends it."""

    def action() -> None:
        from atdriver.cli.proxy import Wanted, serve

        requests = [
            request(
                spec,
                settings=settings,
                profile=profile,
                trace=trace,
                verbose=verbose,
                timeout=timeout,
            )
            for spec in specs
        ]
        serve(
            Wanted(
                requests,
                listen=listen,
                user=user,
                password=password,
                wait=wait,
                idle=idle,
                pac=pac,
                pac_file=pac_file,
                balance=balance,
                clients=clients,
                as_json=as_json,
            )
        )

    raise typer.Exit(execute(action))


@app.command()
def forward(
    spec: Spec,
    *,
    local: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BIND:]PORT:HOST:PORT…",
            help="A port of this computer (0: any), and where the module connects to.",
        ),
    ] = None,
    remote: Annotated[
        list[str] | None,
        typer.Option(
            "-R",
            "--remote",
            metavar="PORT:[HOST:]PORT",
            help="The other way: a port of the module, and where this computer connects to "
            "(localhost); repeatable.",
        ),
    ] = None,
    datagrams: Annotated[bool, typer.Option("-u", "--udp", help="UDP instead of TCP.")] = False,
    expose: Annotated[
        bool,
        typer.Option("--expose", help="Allow addresses beyond loopback, for BIND and for -R."),
    ] = False,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", help="In the queue for a socket, at most."),
    ] = 30.0,
    quiet: Annotated[
        float | None,
        typer.Option(
            "-q",
            metavar="SECONDS",
            help="After a client's end of sending, reset it when nothing came for so long "
            "(default: 2, or four round trips if that is more).",
        ),
    ] = None,
    idle: Annotated[
        float,
        typer.Option("--idle", metavar="SECONDS", help="UDP: a silent client gives its socket up."),
    ] = 60.0,
    clients: Annotated[
        int, typer.Option("--clients", metavar="N", min=1, help="Of a port at a time, at most.")
    ] = 256,
    settings: Settings = None,
    profile: Profile = None,
    trace: Trace = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Lead ports of this computer through the module, or ports of the module here.

    As ssh's -L and -R: `8080:example.org:80`, `127.0.0.1:8080:[2001:db8::1]:80`. Each line on
    stdout names a port. Names are resolved by the module. Ctrl-C ends it."""

    def action() -> None:
        from atdriver.cli.forward import Wanted, serve

        wanted = request(
            spec,
            settings=settings,
            profile=profile,
            trace=trace,
            verbose=verbose,
            timeout=timeout,
            as_json=as_json,
        )
        serve(
            Wanted(
                wanted,
                local=local or [],
                remote=remote or [],
                datagrams=datagrams,
                expose=expose,
                wait=wait,
                quiet=quiet,
                idle=idle,
                clients=clients,
            )
        )

    raise typer.Exit(execute(action))


@app.command()
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
    verbose: Verbose = False,
) -> None:
    """Run a simulated module on a pseudo terminal.

    The first line on stdout names it; Ctrl-C ends it."""

    def action() -> None:
        from atdriver.cli.fake import Wanted, serve

        if verbose:
            be_verbose()
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

    raise typer.Exit(execute(action))


@app.command("trace")
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

    def action() -> None:
        from atdriver.cli import tracefile

        if scenario is None:
            tracefile.show(file)
        else:
            tracefile.convert(file, scenario, varying or [])

    raise typer.Exit(execute(action))


@app.command()
def report(
    specs: Annotated[
        list[str],
        typer.Argument(metavar="SPEC…", help="Modules to measure; bg96:fake, or host for this PC."),
    ],
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
    settings: Settings = None,
    profile: Profile = None,
    verbose: Verbose = False,
    timeout: Timeout = None,
) -> None:
    """Measure the Socket API on modules and compare it with their claims.

    The status is 1 when a claim and a measurement contradict each other, and when a module could
    not be measured; the others are reported nevertheless."""

    def action() -> int:
        from atdriver.cli import report as implementation

        wanted = [
            request(
                spec,
                settings=settings,
                profile=profile,
                trace=None,
                verbose=verbose,
                timeout=timeout,
            )
            for spec in specs
        ]
        return implementation.show(
            wanted,
            out,
            compare=compare,
            far_end=far_end,
            token=token,
            name=name,
            only=only or [],
            open_ssid=open_ssid,
        )

    raise typer.Exit(execute(action))


@app.command("far-end")
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
    verbose: Verbose = False,
) -> None:
    """Run the test services (echo, discard, chargen, …) for a module to talk to.

    Each line on stdout names a service and its port; the first is for the machine that tests
    (`--far-end HOST:PORT`). Ctrl-C ends them."""

    def action() -> None:
        from atdriver.cli.farend import serve

        if verbose:
            be_verbose()
        serve(host, port, token, allow or [], megabytes)

    raise typer.Exit(execute(action))
