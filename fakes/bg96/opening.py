"""AT+QIOPEN, AT+QICLOSE, AT+QISTATE (TCP(IP) manual V1.1 sections 3.1.4-3.1.6)."""

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
    OPERATE_SUCCESSFULLY,
    OPERATION_BUSY,
    PDP_BROKEN_DOWN,
    SOCKET_CLOSED,
    TcpipRejected,
    tcpip_code,
)
from fakes.bg96.core import command
from fakes.bg96.delivery import Delivery
from fakes.bg96.links import (
    SSL_CLIENT,
    STATE_CLOSING,
    STATE_CONNECTED,
    STATE_LISTENING,
    STATE_OPENING,
    TCP,
    TCP_LISTENER,
    UDP,
    UDP_SERVICE,
    Link,
)
from fakes.bg96.profile import CONNECT_IDS, CONTEXT_IDS, RECEIVE_BUFFER
from fakes.bg96.syntax import Fields
from fakes.errors import UnreachableError
from fakes.sockets import Stream

_CLIENTS: Final = (TCP, UDP)
_SERVERS: Final = (TCP_LISTENER, UDP_SERVICE)
_SERVER_HOSTS: Final = ("127.0.0.1", "0:0:0:0:0:0:0:1")

_CONNECT_TIMEOUT: Final = 75.0
"""Seconds until a connect without answer fails with 566.

The manual bounds +QIOPEN with 150 s and gives no timeout of its own; 75 s, the classic time of
TCP's SYN retries, stays inside, so that the module speaks before the host's limit.
"""
_CONNECT_REAL_MIN: Final = 2.0
"""Real seconds that a scaled-down connect still gets: the loopback needs real time."""

_OPEN_LOCAL: Final = 0.002  # AT+QIOPEN of a UDP service (real log)
_DEFAULT_CLOSE_TIMEOUT: Final = 10
_FLUSH_REAL_MIN: Final = 0.25
"""Real seconds for the peer's acknowledgement however small the time scale is."""
_LATE_RESULT: Final = 0.5


class Opening(Delivery):
    """Connect ids come and go."""

    @property
    def lookup_running(self) -> bool:
        """An AT+QIDNSGIP has not answered yet; known to the subclass."""
        return False

    @command(r"\+QIOPEN=(.*)")
    async def _open_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(7)
        context = fields.integer(0, 1, CONTEXT_IDS)
        number = fields.integer(1, 0, CONNECT_IDS - 1)
        kind = fields.string(2).upper()
        host = fields.string(3)
        remote_port = fields.integer(4, 0, 65535)
        local_port = fields.integer(5, 0, 65535, 0)
        mode = fields.integer(6, 0, 2, 0)
        if kind in _SERVERS:
            valid = host in _SERVER_HOSTS and remote_port == 0 and local_port > 0
        else:
            valid = kind in _CLIENTS and bool(host) and remote_port > 0
        if not valid:
            raise TcpipRejected(INVALID_PARAMETERS)
        if mode == 2:
            # Transparent mode: this fake has none and fails as the manual allows, with ERROR.
            raise TcpipRejected(NOT_SUPPORTED)
        if not self.is_active(context):
            lost = context in self.contexts and self.contexts[context].lost
            code = PDP_BROKEN_DOWN if lost else OPEN_PDP_FAILED
            if self.settings.open_inactive == "error":
                raise TcpipRejected(code)
            self.after_result(lambda: self._opened(number, code))
            return
        if self.links.get(number) is not None:
            # OK and then the URC, not ERROR (real log).
            self.after_result(lambda: self._opened(number, IDENTITY_USED))
            return
        link = Link(number, kind, context, mode, number, local_port=local_port)
        link.state = STATE_OPENING
        if kind in _CLIENTS:
            link.remote = (host, remote_port)
        elif ":" in host:
            link.own = "::1"
        self.links.add(link)
        self.after_result(lambda: self._start_opening(link))

    def _start_opening(self, link: Link) -> None:
        link.opening = self.spawn(self._open(link))

    async def _open(self, link: Link) -> None:
        await self.sleep(self.settings.connect_delay if link.kind == TCP else _OPEN_LOCAL)
        code = await self._establish(link)
        link.opening = None
        if code:
            self.links.remove(link)
        self.note("opened", f"{link.id} {link.kind} {link.remote} {code}")
        self._opened(link.id, code)
        if not code:
            self.watch(link)

    async def _establish(self, link: Link) -> int:
        """Open the real socket behind a link; returns the ``+QIOPEN`` result."""
        host, port = link.remote
        if link.kind in _CLIENTS:
            literal = self.world.is_literal(host)
            family = {1: 4, 2: 6}.get(self.contexts[link.context].kind, 0)
            if self.settings.open_dns_busy and self.lookup_running and not literal:
                return OPERATION_BUSY
            address = self.world.lookup(host, family=family)
            if address is None:
                return CONNECT_FAILED if literal else DNS_PARSE_FAILED
            address = str(ipaddress.ip_address(address))  # as the real sockets write it
            link.remote = (address, port)
            if ":" in address:
                link.own = "::1"
        try:
            if link.kind == TCP:
                link.tcp = await self._connect(link)
                link.local_port = link.tcp.local[1]
            elif link.kind == TCP_LISTENER:
                link.listener = self.sockets.listen_tcp(
                    link.local_port, window=RECEIVE_BUFFER, address=link.own
                )
            else:
                # UDP asks nobody: an unreachable peer is no failure.
                link.udp = self.sockets.open_udp(link.local_port, address=link.own)
                link.local_port = link.udp.local[1]
        except UnreachableError as error:
            self.note("unreachable", str(error))
            await self.sleep(_CONNECT_TIMEOUT)
            return CONNECT_FAILED
        except OSError as error:
            return tcpip_code(error)
        link.state = STATE_LISTENING if link.kind == TCP_LISTENER else STATE_CONNECTED
        return OPERATE_SUCCESSFULLY

    async def _connect(self, link: Link) -> Stream:
        address, port = link.remote
        if self.settings.link == "dead":
            raise UnreachableError(address)
        timeout = max(_CONNECT_TIMEOUT * self.time_scale, _CONNECT_REAL_MIN)
        return await self.sockets.connect_tcp(
            address, port, window=RECEIVE_BUFFER, timeout=timeout, local_port=link.local_port
        )

    def context_down(self, context: int, code: int) -> None:
        """A connect that is under way ends with the context's error, as a ping does."""
        for link in self.links.of_context(context):
            if link.state == STATE_OPENING:
                self.links.remove(link)
                self._opened(link.id, code)
        super().context_down(context, code)

    def _opened(self, number: int, code: int) -> None:
        self.last_error = code
        text = f"+QIOPEN: {number},{code}"
        if self.settings.open_result_port == "urcport":
            self.urc(text)
        else:
            self.asynchronous(text)

    # ---- closing ---------------------------------------------------------------------

    @command(r"\+QICLOSE=(.*)")
    async def _close_command(self, match: re.Match[str]) -> None:
        fields = Fields(match[1])
        fields.at_most(2)
        number = fields.integer(0, 0, CONNECT_IDS - 1)
        timeout = fields.integer(1, 0, 65535, _DEFAULT_CLOSE_TIMEOUT)
        link = self.links.get(number)
        if link is None or link.kind == SSL_CLIENT:
            if self.settings.close_unknown == "error":
                raise TcpipRejected(SOCKET_CLOSED)
            return
        if link.opening is not None and self.settings.late_open:
            self.later(_LATE_RESULT, lambda: self._opened(number, CONNECT_FAILED))
        try:
            if link.tcp is not None and not link.tcp.closed and timeout:
                await self._close_gracefully(link, link.tcp, timeout)
        finally:
            self.links.remove(link, abort=timeout == 0)
        self.note("closed", f"{number}")

    async def _close_gracefully(self, link: Link, tcp: Stream, timeout: int) -> None:
        """Wait for the peer's acknowledgement as long as the host allows, then force the end.

        The command blocks the port meanwhile. The kernel acknowledges a FIN by itself, so the
        wait is for data; setting close_delay stands for a peer that is slow or gone.
        """
        link.state = STATE_CLOSING
        tcp.changed = None  # a local close is not announced
        tcp.shutdown_write()
        delay = min(self.settings.close_delay, timeout)
        if delay:
            await self.sleep(delay)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max((timeout - delay) * self.time_scale, _FLUSH_REAL_MIN)
        while not tcp.reset and tcp.unacknowledged() > 1 and loop.time() < deadline:  # 1: FIN
            tcp.read(RECEIVE_BUFFER)
            await asyncio.sleep(0.002)
        if tcp.unacknowledged() > 1:
            tcp.abort()
            return
        # Unread data would turn the kernel's close into a reset.
        while tcp.read(RECEIVE_BUFFER):
            pass

    # ---- status ----------------------------------------------------------------------

    @command(r"\+QISTATE(?:\?|=(.*))?")
    async def _status_command(self, match: re.Match[str]) -> None:
        links = [link for link in self.links if link.kind != SSL_CLIENT]
        if match[1] is not None:
            fields = Fields(match[1])
            fields.at_most(2)
            if fields.integer(0, 0, 1) == 0:
                context = fields.integer(1, 1, CONTEXT_IDS)
                links = [link for link in links if link.context == context]
            else:
                number = fields.integer(1, 0, CONNECT_IDS - 1)
                links = [link for link in links if link.id == number]
        connected_as = STATE_LISTENING if self.settings.state3 else STATE_CONNECTED
        self.info(
            *(
                link.status(
                    self.own_address(link.context), self.settings.port, connected_as=connected_as
                )
                for link in links
            )
        )
