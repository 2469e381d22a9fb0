"""`atdriver far-end`: the test services on a host that a module can reach; and finding them."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from atdriver.cli import output
from atdriver.cli.failure import Failure, UsageProblem, note
from atdriver.cli.options import port_number
from netsocket.capability.farcontrol import DEFAULT_PORT, Control
from netsocket.capability.farend import PORTS, FarEnd
from netsocket.capability.farremote import RemoteFarEnd
from netsocket.capability.gate import Gate, Network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VARIABLE: Final = "ATDRIVER_FAR_END_TOKEN"
"""Where a token is looked for that is not on the command line."""
HERE: Final = "127.0.0.1"
SHORTEST: Final = 8
"""Characters of a token."""


def serve(
    host: str, port: int, token: str | None, allowed: Sequence[str], megabytes: int | None
) -> None:
    """Run the services until Ctrl-C; one line each names its port.

    Raises UsageProblem without a token beyond loopback, and for an address that is not here.
    """
    token = token_of(token)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UsageProblem(f"--host {host}: an address of this computer is expected") from None
    if not loopback and len(token) < SHORTEST:
        raise UsageProblem(
            f"far-end on {host} could be used by anybody: give --token with at least {SHORTEST} "
            f"characters, or {VARIABLE} in the environment"
        )
    gate = Gate(
        everybody=loopback,
        allowed=[_network(text) for text in allowed],
        cap=None if megabytes is None else megabytes * 1_000_000,
    )
    try:
        asyncio.run(_serve(host, port, token, gate))
    except OSError as error:
        text = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            text = f"one of the ports {port} to {port + PORTS - 1} is taken: --port N, or 0 for any"
        raise UsageProblem(f"far-end on {host}: {text}") from error


async def _serve(host: str, port: int, token: str, gate: Gate) -> None:
    async with FarEnd(host, base=port, gate=gate) as far, Control(far, token, port) as control:
        output.flushed(f"tcp control {host}:{control.port}")
        for name, service in far.tcp.items():
            output.flushed(f"tcp {name} {host}:{service.port}")
        for name, datagrams in far.udp.items():
            output.flushed(f"udp {name} {host}:{datagrams.port}")
        output.flushed("ready")
        await asyncio.Event().wait()


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise UsageProblem(f"--allow {text}: an address or network is expected") from None


def token_of(given: str | None) -> str:
    """The token of the command line, which other users can read, or that of the environment."""
    if given is not None:
        note(
            f"warning: a token on the command line can be read by other users; {VARIABLE} in the "
            "environment cannot"
        )
        return given
    return os.environ.get(VARIABLE, "")


def chosen(text: str, token: str, name: str | None) -> FarEnd:
    """`ADDR`: services in this process at an own address. `HOST:PORT`, or another host with a
    token: those of an `atdriver far-end` that runs there. Raises UsageProblem, OSError."""
    host, colon, number = text.rpartition(":")
    if not colon:
        host, number = text, str(DEFAULT_PORT)
    if colon or (token and text != HERE):
        return RemoteFarEnd(host, port_number(number), token, name=name or "")
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise UsageProblem(
            f"--far-end {text}: an IPv4 address of this computer, or HOST:PORT of an "
            "`atdriver far-end`, is expected"
        ) from None
    return FarEnd(host, name=name or ("localhost" if host == HERE else ""))


@asynccontextmanager
async def reached(text: str, token: str, name: str | None) -> AsyncIterator[FarEnd]:
    """The far end, running. Raises Failure in one sentence when it cannot be."""
    try:
        far = await asyncio.to_thread(chosen, text, token, name)
        await far.__aenter__()
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise Failure(
                f"--far-end {text} is no address of this computer; for an `atdriver far-end` there "
                "give its token, too"
            ) from error
        raise Failure(error.strerror or str(error)) from error
    try:
        yield far
    finally:
        await far.__aexit__(None, None, None)
