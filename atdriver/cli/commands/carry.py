"""Commands that carry bytes through a modem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atdriver.cli.commands.declare import modem_command
from atdriver.cli.failure import UsageProblem
from atdriver.cli.options import Request


@modem_command(json="")
def nc(
    wanted: Request,
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
) -> int | None:
    """Netcat through the module.

    stdin goes to a TCP (or UDP) peer, its answers to stdout."""
    from atdriver.cli import nc as implementation

    if listen is not None:
        if host is not None:
            raise UsageProblem("nc -l PORT takes no HOST: it waits for whoever comes")
        implementation.listen(wanted, listen, datagrams=datagrams, quiet=quiet)
        return None
    if host is None or port is None:
        raise UsageProblem("nc needs HOST and PORT (see `atdriver nc --help`)")
    implementation.connect(wanted, host, port, datagrams=datagrams, quiet=quiet)
    return None


@modem_command(
    several="One or more modules; host is this computer.", json="Show how it goes as lines of JSON."
)
def proxy(
    wanted: list[Request],
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
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="REGION",
            help="Also lead to such addresses: loopback (needed with a simulated module), own, "
            "unspecified, link-local, multicast; repeatable.",
        ),
    ] = None,
    refuse: Annotated[
        list[str] | None,
        typer.Option(
            "--refuse",
            metavar="REGION",
            help="Do not lead there: private (the module's own network), public; repeatable.",
        ),
    ] = None,
    balance: Annotated[
        str,
        typer.Option(
            "--balance",
            metavar="RULE",
            help="Among several modules: least-busy, round-robin or failover.",
        ),
    ] = "least-busy",
) -> None:
    """Let every program go out through the module: SOCKS5 and HTTP on one port.

    The first line on stdout says where. Names are resolved by the module, never by this computer.
    Ctrl-C ends it."""
    from atdriver.cli.proxy import Wanted, serve

    serve(
        Wanted(
            wanted,
            listen=listen,
            user=user,
            password=password,
            wait=wait,
            idle=idle,
            pac=pac,
            pac_file=pac_file,
            balance=balance,
            clients=clients,
            allow=allow or [],
            refuse=refuse or [],
            as_json=wanted[0].as_json,
        )
    )


@modem_command()
def forward(
    wanted: Request,
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
) -> None:
    """Lead ports of this computer through the module, or ports of the module here.

    As ssh's -L and -R: `8080:example.org:80`, `127.0.0.1:8080:[2001:db8::1]:80`. Each line on
    stdout names a port. Names are resolved by the module. Ctrl-C ends it."""
    from atdriver.cli.forward import Wanted, serve

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
