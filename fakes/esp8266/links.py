"""Opening, closing and listing links: CIPMUX, CIPSTART, CIPCLOSE, CIPSTATUS, CIPTCPOPT."""

from __future__ import annotations

import asyncio
import re

from ..engine import CommandError, rule
from ..errors import UnreachableError
from ..secure import SecureStream, client_context
from ..sockets import Stream
from .arguments import Arguments
from .base import LINKS
from .link import Link
from .lookup import LookupCommands

__all__ = ["LinkCommands"]

_HOST_LIMIT = 64  # bytes, DOC AT+CIPSTART
_CLOSE_TIME = 0.013  # seconds; 13..15 ms to CLOSED (esp-at #465)
_SHORTEST_CONNECT = 1.0  # real seconds granted to a loopback connect whatever the time scale
_SHORTEST_HANDSHAKE = 5.0  # likewise, while both ends compute in one process
_RECORD_LIMIT = 10.0  # seconds, DOC AT+CIPSTART "SSL"
_ALL = 5  # link id that means all links
_MOST_LINGER = 0x7FFFFFFF  # seconds; DOC AT+CIPTCPOPT names no limit (INF: an int)


class LinkCommands(LookupCommands):
    """Life of the five links."""

    # ---- parameters --------------------------------------------------------------------

    def take_id(self, arguments: Arguments, *, all_allowed: bool = False) -> tuple[int, int]:
        """(link id, index of the next parameter) by AT+CIPMUX.

        Raises:
            CommandError: id missing, superfluous or out of range.
        """
        first_is_number = arguments.given(0) and not arguments.is_text(0)
        if self.session.mux:
            if not first_is_number:
                raise CommandError("MUX=1")
            return arguments.number(0, 0, _ALL if all_allowed else LINKS - 1, reason="ID ERROR"), 1
        return 0, 0

    # ---- settings ----------------------------------------------------------------------

    @rule(r"AT\+CIPMUX=(.*)", tag="CIPMUX")
    def set_mux(self, match: re.Match[str]) -> None:
        """``AT+CIPMUX=0/1``: not with open links or a running server."""
        mux = self.one(match[1], 0, 1)
        if self.profile.nonos or mux != self.session.mux:
            if self.open_links():
                raise CommandError("link is builded")
            if self.listener is not None and not mux:
                raise CommandError("CIPSERVER must be 0")
            if self.session.transparent and mux:
                raise CommandError("IPMODE=1")
        self.session.mux = mux
        self.ok()

    @rule(r"AT\+CIPMUX\?", tag="CIPMUX")
    def query_mux(self, _: re.Match[str]) -> None:
        """``AT+CIPMUX?``."""
        self.say(f"+CIPMUX:{self.session.mux}")
        self.ok()

    @rule(r"AT\+CIPV6=(.*)", tag="CIPV6")
    def set_ipv6(self, match: re.Match[str]) -> None:
        """``AT+CIPV6=0/1``: needed before any v6 type."""
        self.session.ipv6 = self.one(match[1], 0, 1)
        self.ok()

    @rule(r"AT\+CIPV6\?", tag="CIPV6")
    def query_ipv6(self, _: re.Match[str]) -> None:
        """``AT+CIPV6?``."""
        self.say(f"+CIPV6:{self.session.ipv6}")
        self.ok()

    @rule(r"AT\+CIPTCPOPT=(.*)", tag="CIPTCPOPT")
    def set_options(self, match: re.Match[str]) -> None:
        """``AT+CIPTCPOPT=[id,]linger,nodelay,send timeout[,keepalive]``; 4th from v2.4."""
        arguments = Arguments(match[1])
        number, at = self.take_id(arguments, all_allowed=True)
        arguments.expect(at + 1, at + (4 if self.profile.level >= 24 else 3))
        values = (
            arguments.number(at, -1, _MOST_LINGER, -1),
            arguments.number(at + 1, 0, 1, 0),
            arguments.number(at + 2, 0, 600000, 0),
            arguments.number(at + 3, 0, 7200, 0),
        )
        for link in range(LINKS) if number == _ALL else (number,):
            self.session.tcp_options[link] = values
        self.ok()

    @rule(r"AT\+CIPTCPOPT\?", tag="CIPTCPOPT")
    def query_options(self, _: re.Match[str]) -> None:
        """``AT+CIPTCPOPT?``: one row per link."""
        for number in range(LINKS):
            values: tuple[int, ...] = self.options_of(number)
            if self.profile.level < 24:
                values = values[:3]
            self.say(f"+CIPTCPOPT:{number},{','.join(map(str, values))}")
        self.ok()

    def options_of(self, number: int) -> tuple[int, int, int, int]:
        """linger, nodelay, send timeout (ms), keepalive of a link id."""
        return self.session.tcp_options.get(number, (-1, 0, 0, 0))

    # ---- open --------------------------------------------------------------------------

    @rule(r"AT\+CIPSTART=(.*)", tag="CIPSTART")
    async def open_link(self, match: re.Match[str]) -> None:
        """``AT+CIPSTART=[id,]"type","host",port,...``."""
        await self.start_link(match[1])

    async def start_link(self, text: str) -> None:
        """What AT+CIPSTART does with its parameters."""
        arguments = Arguments(text)
        number, at = self.take_id(arguments)
        if not self.session.mux and not arguments.is_text(0):
            raise CommandError("MUX=0")
        kind = arguments.text(at, 8, reason="Link typ ERROR")
        if kind not in ("TCP", "UDP", "TCPv6", "UDPv6", "SSL", "SSLv6"):
            raise CommandError("Link typ ERROR")
        if kind.startswith("SSL"):
            self.check_secure()
        if kind.endswith("v6") and not self.session.ipv6:
            raise CommandError("Link typ ERROR")
        udp = kind.startswith("UDP")
        host = arguments.text(at + 1, _HOST_LIMIT, reason="IP ERROR")
        remote = host, arguments.number(at + 2, 0 if udp else 1, 65535)
        if self.links[number] is not None:
            raise CommandError("ALREADY CONNECTED")
        self.leftover.pop(number, None)  # unread data of a closed link ends with its id
        if udp:
            await self.open_udp(number, kind, remote, arguments, at=at + 3)
        else:
            await self.open_tcp(number, kind, remote, arguments, at=at + 3)

    async def open_tcp(
        self, number: int, kind: str, remote: tuple[str, int], arguments: Arguments, *, at: int
    ) -> None:
        """``[,keepalive[,"local ip"[,timeout ms]]]``; the timeout from v4.1 on."""
        level = self.profile.level
        arguments.expect(at, at + (3 if level >= 33 else 2 if level >= 20 else 1))
        arguments.number(at, 0, 7200, 0)
        arguments.text(at + 1, 39, "")
        limit = arguments.number(at + 2, 0, 60000, 0) / 1000
        timeout = self.options.connect_timeout
        if limit:
            timeout = min(timeout, limit)
        address = await self.address_for(kind, remote[0])
        await self.connect_link(number, kind, (address, remote[1]), timeout=timeout)

    async def address_for(self, kind: str, host: str) -> str:
        """The address of `host`, of the version that the type says.

        Raises:
            CommandError: no such address.
        """
        address = await self.resolve(host, 6 if kind.endswith("v6") else 4)
        if (":" in address) != kind.endswith("v6"):
            raise CommandError("IP ERROR")
        return address

    async def connect_link(
        self, number: int, kind: str, remote: tuple[str, int], *, timeout: float
    ) -> None:
        """Connect a TCP link and give the final."""
        address, port = remote
        self.note("connect", f"{number} {address}:{port}")
        try:
            tcp = await self.sockets.connect_tcp(
                address,
                port,
                window=self.profile.window,
                timeout=max(_SHORTEST_CONNECT, timeout * self.time_scale),
            )
        except OSError as error:
            if isinstance(error, UnreachableError):
                self.note("guard", f"tcp {address}:{port}")
                await self.sleep(timeout)
            self.connect_failed(number)
            return
        if kind.startswith("SSL"):
            secure = await self.secured(number, tcp)
            if secure is None:
                self.connect_failed(number)
                return
            tcp = secure
        if self.links[number] is not None:
            # A peer came in meanwhile and the server gave it this id (ESP8266_NONOS_SDK #50, #65,
            # esp-at #527). There the command never ends; here it ends with ERROR (INF), because
            # what a host can do about the former is a restart only.
            tcp.abort()
            self.note("id taken", f"{number} by an accepted connection")
            raise CommandError()
        link = Link(number, kind, (address, port), tcp=tcp)
        self.add_link(link)
        self.ok()
        self.service(link)

    # ---- TLS ---------------------------------------------------------------------------

    def check_secure(self) -> None:
        """One TLS link on the ESP8266 (DOC v2.2 AT+CIPSTART), five elsewhere.

        The NonOS line's (one link, AT+CIPSSLSIZE first, active mode only) is not modelled.

        Raises:
            CommandError: no further one.
        """
        if self.profile.nonos:
            raise CommandError("Link typ ERROR")
        used = sum(link.kind.startswith("SSL") for link in self.open_links())
        if self.profile.esp8266 and used:
            raise CommandError()

    async def secured(self, number: int, tcp: Stream) -> SecureStream | None:
        """TLS 1.2 at most (1.3 is off by default); None when the handshake fails.

        A mode of AT+CIPSSLCCONF that verifies knows no authority but the vendor's own, in flash.
        """
        verify = self.now.tls_clients[number][0] in (2, 3)
        name = self.session.server_names.get(number, "")
        secure = SecureStream(tcp, client_context(verify=verify), name, self.profile.window)
        try:
            async with asyncio.timeout(max(_SHORTEST_HANDSHAKE, _RECORD_LIMIT * self.time_scale)):
                await secure.handshake()
        except OSError as error:  # ssl.SSLError and TimeoutError are OSErrors
            self.note("handshake", f"{number}: {error}")
            secure.abort()
            return None
        return secure

    def connect_failed(self, number: int) -> None:
        """ERROR, and CLOSED of the id: late on N17, directly behind on ESP-AT."""
        late = self.options.late_closed
        delay = self.profile.linger_closed if late is None else late
        self.final("ERROR")
        text = self.link_line(number, "CLOSED")
        if delay:
            self.later(delay, lambda: self.say(text))
        else:
            self.say(text)

    async def open_udp(
        self, number: int, kind: str, remote: tuple[str, int], arguments: Arguments, *, at: int
    ) -> None:
        """``[,local port[,mode[,"local ip"]]]``."""
        arguments.expect(at, at + (3 if self.profile.level >= 20 else 2))
        local = arguments.number(at, 0, 65535, 0)
        mode = arguments.number(at + 1, 0, 2, 0)
        arguments.text(at + 2, 39, "")
        if mode and not local:
            raise CommandError()  # DOC: mode needs the local port
        address = await self.address_for(kind, remote[0])
        self.bind_link(number, kind, (address, remote[1]), local=local, mode=mode)

    def bind_link(
        self, number: int, kind: str, remote: tuple[str, int], *, local: int, mode: int
    ) -> Link:
        """Open a UDP link and give the final."""
        address, port = remote
        self.note("udp", f"{number} {address}:{port} local {local}")
        try:
            udp = self.sockets.open_udp(local, address=address)
        except OSError as error:
            self.note("udp", f"{number} cannot be opened: {error}")
            raise CommandError() from None
        link = Link(number, kind, (address, port), udp=udp, udp_mode=mode)
        self.add_link(link)
        self.ok()
        self.service(link)
        return link

    def add_link(self, link: Link) -> None:
        """Register a link, print CONNECT (or +LINK_CONN with AT+SYSMSG bit 1)."""
        self.links[link.number] = link
        self.leftover.pop(link.number, None)
        self.session.had_links = True
        link.active_at = asyncio.get_running_loop().time()
        member = link.tcp or link.udp
        if member is not None:
            member.changed = lambda: self.service(link)
        if self.now.message & 2:
            address, port = link.remote
            self.say(
                f'+LINK_CONN:0,{link.number},"{link.kind}",{int(link.server)},'
                f'"{address}",{port},{link.local_port}'
            )
        else:
            self.say(self.connected_line(link))

    def connected_line(self, link: Link) -> str:
        """What tells that a link stands."""
        return self.link_line(link.number, "CONNECT")

    def service(self, link: Link) -> None:
        """Something changed on the link's socket (see `receiving`)."""
        raise NotImplementedError

    # ---- close and status --------------------------------------------------------------

    @rule(r"AT\+CIPCLOSE(?:=(.*))?", tag="CIPCLOSE")
    async def close_link(self, match: re.Match[str]) -> None:
        """``AT+CIPCLOSE[=id]``: CLOSED, then OK; id 5 closes all."""
        if match[1] is None:
            if self.session.mux:
                raise CommandError("MUX=1")
            number = 0
        else:
            if not self.session.mux:
                raise CommandError("MUX=0")
            number = self.one(match[1], 0, _ALL)
        await self.sleep(_CLOSE_TIME)
        chosen = self.open_links() if number == _ALL else [self.links[number]]
        after: list[str] = []
        for link in chosen:
            if link is None:
                raise CommandError("UNLINK")
            abort = self.options_of(link.number)[0] == 0
            if link.number in self.session.reset_on_close:
                self.session.reset_on_close.discard(link.number)
                abort = True
            if self.options.close_order == "ok" and not self.profile.nonos:
                self.drop_link(link, abort=abort, tell=False)
                after.append(self.link_line(link.number, "CLOSED"))
            else:
                self.drop_link(link, abort=abort)
        self.ok()
        self.say(*after)

    @rule(r"AT\+CIPCLOSEMODE=(.*)", tag="CIPCLOSEMODE")
    def set_close_mode(self, match: re.Match[str]) -> None:
        """``AT+CIPCLOSEMODE=id,1`` (N17): the next AT+CIPCLOSE of that id sends RST (DRV)."""
        arguments = Arguments(match[1])
        arguments.expect(2, 2)
        number = arguments.number(0, 0, LINKS - 1)
        if arguments.number(1, 0, 1):
            self.session.reset_on_close.add(number)
        else:
            self.session.reset_on_close.discard(number)
        self.ok()

    @rule(r"AT\+CIPSTATUS", tag="CIPSTATUS")
    def status(self, _: re.Match[str]) -> None:
        """``AT+CIPSTATUS``: 2 address, 3 link open, 4 links closed, 5 not joined."""
        if not self.has_address:
            state = 5
        elif self.open_links():
            state = 3
        else:
            state = 4 if self.session.had_links else 2
        self.say(f"STATUS:{state}", *self.link_rows("+CIPSTATUS"))
        self.ok()

    @rule(r"AT\+CIPSTATE\?", tag="CIPSTATE")
    def state(self, _: re.Match[str]) -> None:
        """``AT+CIPSTATE?``: the rows of AT+CIPSTATUS under another name."""
        self.say(*self.link_rows("+CIPSTATE"))
        self.ok()

    def link_rows(self, name: str) -> list[str]:
        """One row per link; UDP shows the last peer (active) or the AT+CIPSTART one."""
        rows = []
        for link in self.open_links():
            address, port = link.last_peer or link.remote
            rows.append(
                f'{name}:{link.number},"{link.kind}","{address}",{port},'
                f"{link.local_port},{int(link.server)}"
            )
        return rows
