"""Arguments and options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from atdriver.cli.failure import UsageProblem, be_verbose

Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="MODULE[,key=value…]:PORT, for example bg96:/dev/ttyUSB2; host is this computer, "
        "host:eth0 one of its interfaces, openthread-host:wpan0 the Thread network of ot-daemon.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the modem; repeatable."),
]
Profile = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="Settings from a TOML file.")
]
Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="Record the wire there, secrets masked."),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say on stderr what happens inside.")
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", help="Give up after this time.")
]
Json = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]


_KEPT = ("data=", "ip=")


@dataclass(frozen=True, slots=True)
class Request:
    """Which modem to open, and how."""

    spec: str = field(repr=False)
    """With its settings, which may be secrets; see `shown`."""
    settings: dict[str, str] = field(default_factory=dict, repr=False)
    profile: Path | None = None
    trace: Path | None = None
    timeout: float | None = None
    as_json: bool = False
    theirs: frozenset[str] = frozenset()
    """Settings that other modems given with this one know: they are meant for those."""

    @property
    def shown(self) -> str:
        """The specification without its settings, which may be secrets; but with those that make
        another stack of it."""
        head, _, port = self.spec.partition(":")
        module, *settings = head.split(",")
        module = ",".join([module, *(each for each in settings if each.startswith(_KEPT))])
        return f"{module}:{port}" if port else module


def request(
    spec: str,
    *,
    settings: list[str] | None,
    profile: Path | None,
    trace: Path | None,
    verbose: bool,
    timeout: float | None,
    as_json: bool = False,
) -> Request:
    """The common options as one record. Raises UsageProblem."""
    if verbose:
        be_verbose()
    if timeout is not None and not 0 < timeout < float("inf"):
        raise UsageProblem(f"--timeout {timeout:g}: a time above 0 seconds is expected")
    return Request(spec, key_values("--set", settings), profile, trace, timeout, as_json)


def key_values(option: str, given: list[str] | None) -> dict[str, str]:
    """`KEY=VALUE` arguments of a repeatable option. Raises UsageProblem."""
    found = {}
    for pair in given or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageProblem(f"{option} {pair}: KEY=VALUE is expected")
        found[key] = value
    return found


def port_number(text: str) -> int:
    """A TCP or UDP port. Raises UsageProblem."""
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) < 65536):
        raise UsageProblem(f"port {text}: a number from 1 to 65535 is expected")
    return int(text)


def host_name(text: str) -> str:
    """A host name or address of good form. Raises UsageProblem."""
    from netsocket.address import check_host

    try:
        host = check_host(text)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if not host:
        raise UsageProblem("a host name or an address is expected, not an empty text")
    return host
