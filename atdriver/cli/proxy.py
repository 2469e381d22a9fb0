"""`atdriver proxy`: SOCKS5 and HTTP on one port, through one or several modules."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from atdriver.cli import output
from atdriver.cli.failure import Failure, UsageProblem, note
from atdriver.cli.options import Request
from atdriver.cli.pooled import pool_of, tell
from atdriver.cli.proxy_status import event, show
from atdriver.cli.session import until_signal
from netsocket.adapters.destinations import Destinations, Region
from netsocket.adapters.pac import text_for
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import MemberStatus
from netsocket.adapters.proxy import Proxy
from netsocket.address import SocketAddress

VARIABLE: Final = "ATDRIVER_PROXY_PASSWORD"
"""Where the password is looked for that is not on the command line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The proxy that was asked for, as it was typed."""

    requests: Sequence[Request]
    listen: str = "127.0.0.1:1080"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    wait: float = 30.0
    idle: float | None = None
    pac: bool = False
    pac_file: Path | None = None
    balance: str = "least-busy"
    clients: int = 256
    allow: Sequence[str] = ()
    refuse: Sequence[str] = ()
    as_json: bool = False


def serve(wanted: Wanted) -> None:
    """Run the proxy until SIGINT, SIGTERM or SIGHUP. Raises UsageProblem, Failure, and what
    made every module fail."""
    host, port = _address(wanted.listen)
    password = _password(wanted)
    if not ipaddress.ip_address(host).is_loopback and password is None:
        raise UsageProblem(
            f"a proxy on {host} could be used by anybody: give --user, and a password in {VARIABLE}"
        )
    if not 0 <= wanted.wait < float("inf"):
        raise UsageProblem(f"--wait {wanted.wait:g}: 0 or more seconds are expected")
    if wanted.idle is not None and not 0 < wanted.idle < float("inf"):
        raise UsageProblem(f"--idle {wanted.idle:g}: more than 0 seconds are expected")
    destinations = _destinations(wanted)
    pac = _pac(wanted)
    alone, opened = len(wanted.requests) == 1, False

    def changed(member: MemberStatus) -> None:
        if opened or not alone:  # why the only one could not be opened is told at the end, once
            tell(member)

    pool = pool_of(wanted.requests, wanted.balance, changed)

    async def run() -> None:
        nonlocal opened
        proxy = Proxy(
            pool,
            user=wanted.user,
            password=password,
            limits=Limits(wait=wanted.wait, idle=wanted.idle, clients=wanted.clients),
            destinations=destinations,
            pac=pac,
        )
        with until_signal():
            try:
                async with proxy:
                    address = await _listening(proxy, host, port)
                    await pool.open()
                    opened = True
                    _announce(wanted, address)
                    await show(proxy, pool, as_json=wanted.as_json)
            finally:
                await pool.close()

    asyncio.run(run())


def _announce(wanted: Wanted, address: SocketAddress) -> None:
    served = wanted.pac or wanted.pac_file is not None
    pac = f"http://{address}/proxy.pac" if served else None
    if wanted.as_json:
        event("listening", host=address.host, port=address.port, pac=pac)
        return
    output.flushed(f"proxy: {address}")
    if pac is not None:
        output.flushed(f"PAC: {pac}")


async def _listening(proxy: Proxy, host: str, port: int) -> SocketAddress:
    try:
        return await proxy.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failure(f"port {port} of {host} is taken: --listen {host}:0 takes any") from None
        text = error.strerror or str(error)
        raise Failure(f"cannot listen on {host} port {port}: {text}") from None


# -- what was typed -------------------------------------------------------------------------------


def _address(text: str) -> tuple[str, int]:
    host, colon, number = text.rpartition(":")
    host = host.strip("[]")
    if not colon:
        host, number = ("", text) if text.isdigit() else (text, "1080")
    host = {"": "127.0.0.1", "localhost": "127.0.0.1", "*": "0.0.0.0"}.get(host, host)
    try:
        found = str(ipaddress.ip_address(host))
    except ValueError:
        raise UsageProblem(
            f"--listen {text}: ADDRESS:PORT with an address of this computer is expected"
        ) from None
    if not (number.isascii() and number.isdigit() and int(number[:9]) < 65536):
        raise UsageProblem(f"--listen {text}: a port from 0 to 65535 is expected")
    return found, int(number)


def _password(wanted: Wanted) -> str | None:
    """The password, None without `--user`. Raises UsageProblem when only one of both is there."""
    given = wanted.password
    if given is not None:
        note(
            "warning: --password on the command line can be read by other users; "
            f"{VARIABLE} in the environment cannot"
        )
    else:
        given = os.environ.get(VARIABLE) or None
    if wanted.user is None:
        if wanted.password is not None:
            raise UsageProblem("--password needs --user")
        return None
    if not wanted.user or not given:
        raise UsageProblem(f"--user needs a name and a password in {VARIABLE}")
    if max(len(wanted.user.encode()), len(given.encode())) > 255 or ":" in wanted.user:
        raise UsageProblem(
            "user and password may have 255 octets each, and the user no colon (RFC 1929, RFC 7617)"
        )
    return given


def _destinations(wanted: Wanted) -> Destinations:
    try:
        return Destinations.of(wanted.allow, wanted.refuse)
    except ValueError as error:
        known = ", ".join(each.value for each in Region)
        raise UsageProblem(f"--allow and --refuse: {error}; they take {known}") from None


def _pac(wanted: Wanted) -> Callable[[SocketAddress], str] | None:
    if wanted.pac_file is not None:
        try:
            text = wanted.pac_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = getattr(error, "strerror", None) or "it is not UTF-8"
            raise UsageProblem(f"--pac-file {wanted.pac_file}: {problem}") from None
        return lambda _address: text
    return text_for if wanted.pac else None
