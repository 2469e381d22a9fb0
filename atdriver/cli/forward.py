"""`atdriver forward`: ports of this computer that lead through a module, and the other way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from atdriver.cli import output
from atdriver.cli.failure import Failure, UsageProblem, note
from atdriver.cli.options import Request, host_name, port_number
from atdriver.cli.pooled import pool_of, tell
from atdriver.cli.proxy_status import event
from atdriver.cli.session import until_signal
from netsocket.adapters.forward import Forward
from netsocket.adapters.forward_datagrams import IDLE, DatagramForward
from netsocket.adapters.forward_remote import RemoteForward
from netsocket.adapters.passage import Limits
from netsocket.adapters.pool import MemberStatus, Pool
from netsocket.address import SocketAddress

_FIELD: Final = re.compile(r"\[([^\[\]]*)\]|([^\[\]:]*)")
_LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Way:
    """One forward: where it listens, "" = everywhere or the module's address, and where it leads
    to."""

    host: str
    port: int
    target: SocketAddress


@dataclass(frozen=True, slots=True)
class Open:
    """A port that is open: of this computer, or with `remote` of the module."""

    own: SocketAddress
    target: SocketAddress
    protocol: str
    remote: bool = False

    def show(self, *, as_json: bool) -> None:
        """A line on stdout."""
        if as_json:
            event(
                "listening",
                where="module" if self.remote else "here",
                protocol=self.protocol,
                host=self.own.host,
                port=self.own.port,
                target_host=self.target.host,
                target_port=self.target.port,
            )
            return
        where = " (module)" if self.remote else ""
        protocol = " (UDP)" if self.protocol == "udp" else ""
        output.flushed(f"forward: {self.own}{where} -> {self.target}{protocol}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The forwards that were asked for, as they were typed."""

    request: Request
    local: Sequence[str] = ()
    remote: Sequence[str] = ()
    datagrams: bool = False
    expose: bool = False
    wait: float = 30.0
    quiet: float | None = None
    idle: float = IDLE
    clients: int = 256


def serve(wanted: Wanted) -> None:
    """Forward until SIGINT, SIGTERM or SIGHUP. Raises UsageProblem, Failure, NotSupported, and what
    made the module fail."""
    local = [_local(text, expose=wanted.expose) for text in wanted.local]
    remote = [_remote(text, expose=wanted.expose) for text in wanted.remote]
    if not local and not remote:
        raise UsageProblem("nothing to forward: give 8080:HOST:80, or -R 8080:localhost:80")
    if wanted.datagrams and remote:
        raise UsageProblem("-u forwards from this computer to the module only, without -R")
    for option, seconds in (("--wait", wanted.wait), ("-q", wanted.quiet), ("--idle", wanted.idle)):
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise UsageProblem(f"{option} {seconds:g}: 0 or more seconds are expected")
    opened = False

    def changed(member: MemberStatus) -> None:
        if opened:  # why it could not be opened is told at the end, once
            tell(member)

    pool = pool_of([wanted.request], on_change=changed)

    async def run() -> None:
        nonlocal opened
        with until_signal():
            try:
                async with contextlib.AsyncExitStack() as stack:
                    found = await _listen_here(stack, pool, wanted, local)
                    await pool.open()
                    opened = True
                    found += await _listen_there(stack, pool, wanted, remote)
                    for each in found:
                        each.show(as_json=wanted.request.as_json)
                    await asyncio.Event().wait()
            finally:
                await pool.close()

    asyncio.run(run())


async def _listen_here(
    stack: contextlib.AsyncExitStack, pool: Pool, wanted: Wanted, ways: Sequence[Way]
) -> list[Open]:
    """Raises Failure."""
    limits = Limits(wait=wanted.wait, patience=wanted.quiet, clients=wanted.clients)
    found = []
    for way in ways:
        forward: Forward | DatagramForward
        if wanted.datagrams:
            forward = DatagramForward(pool, way.target, limits=limits, idle=wanted.idle)
        else:
            forward = Forward(pool, way.target, limits=limits)
        await stack.enter_async_context(forward)
        try:
            own = await forward.listen(way.host, way.port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Failure(
                    f"port {way.port} of {way.host} is taken: 0:{way.target} takes any"
                ) from None
            text = error.strerror or str(error)
            raise Failure(f"cannot listen on {way.host} port {way.port}: {text}") from None
        found.append(Open(own, way.target, "udp" if wanted.datagrams else "tcp"))
    return found


async def _listen_there(
    stack: contextlib.AsyncExitStack, pool: Pool, wanted: Wanted, ways: Sequence[Way]
) -> list[Open]:
    """Raises NotSupported, OSError."""
    limits = Limits(wait=wanted.wait, patience=wanted.quiet, clients=wanted.clients)
    found = []
    for way in ways:
        port = way.target.port
        literal = way.target.host
        hosts = _LOOPBACK if literal == "localhost" else (literal,)
        forward = RemoteForward(pool, [(host, port) for host in hosts], limits=limits)
        await stack.enter_async_context(forward)
        own = await forward.listen(way.host, way.port)
        found.append(Open(own, way.target, "tcp", remote=True))
    return found


# -- what was typed -------------------------------------------------------------------------------


def _local(text: str, *, expose: bool) -> Way:
    """`[BIND:]PORT:HOST:PORT`. Raises UsageProblem."""
    bind, port, host, target = _fields(text, "[BIND:]PORT:HOST:PORT")
    bind = {None: "127.0.0.1", "localhost": "127.0.0.1", "*": "0.0.0.0", "": "0.0.0.0"}.get(
        bind, bind or ""
    )
    try:
        literal = ipaddress.ip_address(bind)
    except ValueError:
        raise UsageProblem(f"{text}: {bind} is no address of this computer") from None
    number = 0 if port == "0" else port_number(port)
    if not literal.is_loopback:
        _beyond(text, f"whoever reaches {literal} could use the module", expose=expose)
    return Way(str(literal), number, SocketAddress(host_name(host), port_number(target)))


def _remote(text: str, *, expose: bool) -> Way:
    """`[BIND:]PORT:HOST:PORT`, or `PORT:PORT`. Raises UsageProblem."""
    fields = _split(text)
    if fields is not None and len(fields) == 2:
        fields = [fields[0], "localhost", fields[1]]
    bind, port, host, target = _fields(text, "[BIND:]PORT:HOST:PORT", fields)
    if host != "localhost":
        try:
            literal = ipaddress.ip_address(host)
        except ValueError:
            raise UsageProblem(
                f"-R {text}: localhost or an address is expected, not {host}: this computer asks "
                "no name server"
            ) from None
        host = str(literal)
        if not literal.is_loopback:
            what = f"whoever reaches the module could reach {host}"
            _beyond(f"-R {text}", what, expose=expose)
    own = "" if bind in (None, "*") else str(bind)
    return Way(own, port_number(port), SocketAddress(host, port_number(target)))


def _beyond(text: str, what: str, *, expose: bool) -> None:
    if not expose:
        raise UsageProblem(f"{text}: {what}; --expose allows that")
    note(f"warning: {text}: {what}")


def _fields(
    text: str, form: str, fields: list[str] | None = None
) -> tuple[str | None, str, str, str]:
    found = fields or _split(text)
    if found is None or not 3 <= len(found) <= 4:
        raise UsageProblem(f"{text}: {form} is expected, an IPv6 address in brackets")
    bind = found[0] if len(found) == 4 else None
    port, host, target = found[-3:]
    return bind, port, host, target


def _split(text: str) -> list[str] | None:
    """At the colons that are not in brackets; None when the brackets are wrong."""
    fields = []
    position = 0
    while True:
        match = _FIELD.match(text, position)
        assert match is not None  # both halves may be empty
        fields.append(match[1] if match[1] is not None else match[2])
        position = match.end()
        if position == len(text):
            return fields
        if text[position] != ":":
            return None
        position += 1
