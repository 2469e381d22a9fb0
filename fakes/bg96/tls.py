"""Module TLS: AT+QSSLCFG, AT+QSSLOPEN, AT+QSSLSEND, AT+QSSLRECV, AT+QSSLCLOSE, AT+QSSLSTATE.

BG96 SSL AT Commands Manual V1.0 ("SSL"). Client ids are the connect ids 0-11, and count among them.
Not modelled: files (AT+QFUPL), so a context that verifies refuses everybody; direct push and
transparent mode.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from typing import Final

from fakes.bg96.codes import (
    CONNECT_FAILED,
    DNS_PARSE_FAILED,
    IDENTITY_USED,
    INVALID_PARAMETERS,
    NOT_SUPPORTED,
    OPEN_PDP_FAILED,
    SOCKET_CLOSED,
    TcpipRejected,
    tcpip_code,
)
from fakes.bg96.core import command
from fakes.bg96.links import SSL_CLIENT, STATE_CLOSING, STATE_CONNECTED, STATE_OPENING, Link
from fakes.bg96.messages import Messages
from fakes.bg96.profile import CONNECT_IDS, CONTEXT_IDS, MAX_READ, MAX_SEND, RECEIVE_BUFFER
from fakes.bg96.syntax import Fields
from fakes.errors import UnreachableError
from fakes.secure import SecureStream, client_context

SSL_CONTEXTS: Final = 6
"""SSL contexts 0-5 (SSL, AT+QSSLCFG)."""
_OPTIONS: Final = {
    # Defaults that no source gives are the least strict ones; ignorelocaltime is from a real log.
    "sslversion": (r"[0-4]", "4"),
    "ciphersuite": (r"0X[0-9A-F]{4}", "0XFFFF"),
    "seclevel": (r"[0-2]", "0"),
    "ignorelocaltime": (r"[01]", "1"),
    "negotiatetime": (r"[1-9]\d|[12]\d\d|300", "300"),
    "cacert": (r'"[^"]+"', '""'),
    "clientcert": (r'"[^"]+"', '""'),
    "clientkey": (r'"[^"]+"', '""'),
}
_TLS12: Final = ("3", "4")
"""Values of sslversion with which today's servers agree on something: TLS 1.2, and all."""
_HANDSHAKE_REAL_MIN: Final = 5.0
_DEFAULT_CLOSE_TIMEOUT: Final = 10


class Tls(Messages):
    """TLS connections that the module makes."""

    def power_on(self) -> None:
        """The settings of the SSL contexts start anew (INF: not documented)."""
        super().power_on()
        self.tls_settings = [
            {name: default for name, (_, default) in _OPTIONS.items()} for _ in range(SSL_CONTEXTS)
        ]
        self._tls_ids: set[int] = set()

    @command(r"\+QSSLCFG=(.*)")
    async def _tls_config(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(3)
        name = fields.string(0).lower()
        if name not in _OPTIONS:
            raise TcpipRejected(INVALID_PARAMETERS)  # "sni" and others are of later firmware
        number = fields.integer(1, 0, SSL_CONTEXTS - 1)
        chosen = self.tls_settings[number]
        if not fields.given(2):
            self.info(f'+QSSLCFG: "{name}",{number},{chosen[name]}')
            return
        (value,) = fields.rest(2)
        if re.fullmatch(_OPTIONS[name][0], value, re.IGNORECASE) is None:
            raise TcpipRejected(INVALID_PARAMETERS)  # "ciphersuite" in quotes: real log
        chosen[name] = value.upper() if name == "ciphersuite" else value

    # ---- opening ---------------------------------------------------------------------

    @command(r"\+QSSLOPEN=(.*)")
    async def _tls_open(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(6)
        context = fields.integer(0, 1, CONTEXT_IDS)
        chosen = fields.integer(1, 0, SSL_CONTEXTS - 1)
        settings = dict(self.tls_settings[chosen])
        number = fields.integer(2, 0, CONNECT_IDS - 1)
        host, port = fields.string(3), fields.integer(4, 1, 65535)
        if fields.integer(5, 0, 2, 0) != 0:
            raise TcpipRejected(NOT_SUPPORTED)
        if not self.is_active(context):
            raise TcpipRejected(OPEN_PDP_FAILED)
        if self.links.get(number) is not None:
            self.after_result(lambda: self._tls_opened(number, IDENTITY_USED))
            return
        link = Link(number, SSL_CLIENT, context, 0, number, (host, port), tls_context=chosen)
        link.state = STATE_OPENING
        self._tls_ids.add(number)
        self.links.add(link)
        self.after_result(lambda: self._start_tls(link, settings))

    def _start_tls(self, link: Link, settings: dict[str, str]) -> None:
        link.opening = self.spawn(self._establish_tls(link, settings))

    async def _establish_tls(self, link: Link, settings: dict[str, str]) -> None:
        await self.sleep(self.settings.connect_delay)
        code = await self._secured(link, settings)
        link.opening = None
        self._tls_ids.discard(link.id)
        if code:
            self.links.remove(link, abort=True)
        self.note("opened", f"{link.id} {link.kind} {link.remote} {code}")
        self._tls_opened(link.id, code)
        if not code:
            self.watch(link)

    async def _secured(self, link: Link, settings: dict[str, str]) -> int:
        """Connect and shake hands; the ``+QSSLOPEN`` result. Any failed handshake is 566."""
        host, port = link.remote
        address = self.world.lookup(host, family=4)
        if address is None:
            return CONNECT_FAILED if self.world.is_literal(host) else DNS_PARSE_FAILED
        link.remote = (str(ipaddress.ip_address(address)), port)
        try:
            raw = await self._connect(link)
        except UnreachableError as error:
            self.note("unreachable", str(error))
            return CONNECT_FAILED
        except OSError as error:
            return tcpip_code(error)
        link.local_port = raw.local[1]
        verify = settings["seclevel"] != "0"
        # SSL V1.0 has no server name indication.
        secure = SecureStream(raw, client_context(verify=verify), "", RECEIVE_BUFFER)
        link.tcp = secure
        limit = max(int(settings["negotiatetime"]) * self.time_scale, _HANDSHAKE_REAL_MIN)
        try:
            if settings["sslversion"] not in _TLS12:
                return CONNECT_FAILED
            async with asyncio.timeout(limit):
                await secure.handshake()
        except OSError as error:  # ssl.SSLError and TimeoutError are OSErrors
            self.note("handshake", f"{link.id}: {error}")
            return CONNECT_FAILED
        link.state = STATE_CONNECTED
        return 0

    def _opened(self, number: int, code: int) -> None:
        if number in self._tls_ids:
            self._tls_ids.discard(number)
            self._tls_opened(number, code)
        else:
            super()._opened(number, code)

    def _tls_opened(self, number: int, code: int) -> None:
        self.last_error = code
        self.asynchronous(f"+QSSLOPEN: {number},{code}")

    # ---- data ------------------------------------------------------------------------

    def _tls_link(self, number: int) -> Link:
        link = self.links.get(number)
        if link is None or link.kind != SSL_CLIENT:
            raise TcpipRejected(SOCKET_CLOSED)
        return link

    @command(r"\+QSSLSEND=(.*)")
    async def _tls_send(self, match: re.Match[str]) -> bool:
        fields = Fields(match[1])
        fields.at_most(2)
        link = self._tls_link(fields.integer(0, 0, CONNECT_IDS - 1))
        length = fields.integer(1, 1, MAX_SEND, -1)
        if link.state != STATE_CONNECTED:
            raise TcpipRejected(SOCKET_CLOSED)
        self.prompting = True
        self._prompt()
        if length < 0:
            data = await self._variable_payload()
        else:
            data = await self.take(length) or b""  # no echo: AT+QISDE is of AT+QISEND (INF)
        await self.sleep(self.latency)
        await self._send(link, data, link.remote)
        return True

    @command(r"\+QSSLRECV=(.*)")
    async def _tls_receive(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        link = self._tls_link(fields.integer(0, 0, CONNECT_IDS - 1))
        length = fields.integer(1, 1, MAX_READ)
        if link.state not in {STATE_CONNECTED, STATE_CLOSING} or link.tcp is None:
            raise TcpipRejected(SOCKET_CLOSED)
        data = link.tcp.read(min(length, link.unread())) if link.unread() else b""
        link.read_total += len(data)
        header = f"+QSSLRECV: {len(data)}"
        if data:
            self.raw(b"".join((b"\r\n", header.encode(), b"\r\n", data, b"\r\n")))
        else:
            self.info(header)
        if not link.has_data():
            link.announced = False
        self.after_result(lambda: self.link_changed(link))

    @command(r"\+QSSLCLOSE=(.*)")
    async def _tls_close(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        number = fields.integer(0, 0, CONNECT_IDS - 1)
        timeout = fields.integer(1, 0, 65535, _DEFAULT_CLOSE_TIMEOUT)
        link = self.links.get(number)
        if link is None or link.kind != SSL_CLIENT:
            if self.settings.close_unknown == "error":
                raise TcpipRejected(SOCKET_CLOSED)
            return
        self._tls_ids.discard(number)
        try:
            if link.tcp is not None and not link.tcp.closed and timeout:
                await self._close_gracefully(link, link.tcp, timeout)
        finally:
            self.links.remove(link, abort=timeout == 0)
        self.note("closed", f"{number}")

    @command(r"\+QSSLSTATE(?:\?|=(.*))?")
    async def _tls_state(self, match: re.Match[str]) -> None:
        links = [link for link in self.links if link.kind == SSL_CLIENT]
        if match[1] is not None:
            fields = Fields(match[1])
            fields.at_most(1)
            number = fields.integer(0, 0, CONNECT_IDS - 1)
            links = [link for link in links if link.id == number]
        own, port = self.own_address, self.settings.port
        self.info(
            *(
                "+QSSLSTATE"
                + link.status(own(link.context), port, connected_as=STATE_CONNECTED).removeprefix(
                    "+QISTATE"
                )
                + f",{link.tls_context}"
                for link in links
            )
        )
