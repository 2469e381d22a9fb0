"""Socket options of an Espressif module.

AT+CIPTCPOPT sets linger, no-delay, send timeout and (v2.4 and newer) keep-alive for a link *id*,
and they stay with the id until they are set again (ESP-AT User Guide, TCP/IP AT Commands:
AT+CIPTCPOPT), so the driver remembers what each id has and writes only what differs. AT+CIPSTART
takes the keep-alive time as well, in every generation.
"""

from __future__ import annotations

import errno

from atdriver.errors import CommandFailed
from atdriver.syntax import fields
from modems.commands import query, simple
from modems.esp8266.server import Esp8266Server
from modems.options import (
    BROADCAST,
    JOIN,
    KEEPALIVE,
    KEEPCNT,
    KEEPIDLE,
    KEEPINTVL,
    LEAVE,
    LINGER,
    NODELAY,
    RCVBUF,
    REUSEADDR,
    SNDBUF,
    TOS,
    Key,
    integer,
    linger_seconds,
)
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.capability.model import Manual
from netsocket.stack import Kind

MAX_KEEPALIVE = 7200
"""Seconds (AT+CIPSTART, keep_alive: 0 to 7200)."""
PLAIN = (-1, 0, 0, 0)
"""What a link id has after a start: no linger, Nagle, no send timeout, no keep-alive."""
SERVER_LINKS = (2, 4, 1, 0)
"""First version whose AT+CIPTCPOPT reaches accepted links (change list of 2022-06)."""

TcpOptions = tuple[int, int, int, int]

_CIPTCPOPT = Manual("ESP-AT User Guide", "v2.1-v5.0", "TCP/IP AT Commands: AT+CIPTCPOPT")
_CIPSTART = Manual("ESP-AT User Guide", "v2.1-v5.0", "TCP/IP AT Commands: AT+CIPSTART")

_NEVER = {
    KEEPINTVL: "probes are 1 s apart, 3 of them, and cannot be set",
    KEEPCNT: "3 probes are sent, 1 s apart, and that cannot be set",
    RCVBUF: "the module's window is fixed",
    SNDBUF: "the module's buffer is fixed",
    TOS: "no command sets the type of service",
    JOIN: "a group is joined only as the destination of AT+CIPSTART, and never left",
    LEAVE: "a group is joined only as the destination of AT+CIPSTART, and never left",
}


class Esp8266Options(Esp8266Server):
    """Options by CIPSTART and CIPTCPOPT."""

    # -- set ----------------------------------------------------------------------------------

    async def _set_option(self, sock: ModuleSocket, key: Key, value: int | bytes) -> None:
        if key in (KEEPALIVE, KEEPIDLE, NODELAY, LINGER) and sock.kind is not Kind.TCP:
            raise self._refuse(key, "datagram sockets have no such option")
        if key == LINGER:
            await self._set_linger(sock, linger_seconds(value))
        elif key in (KEEPALIVE, KEEPIDLE):
            await self._set_keepalive(sock, key, integer(value))
        elif key == NODELAY:
            await self._set_nodelay(sock, on=bool(integer(value)))
        elif key in self._always_on(sock):
            if not integer(value):
                raise self._refuse(key, "always on")
        else:
            raise self._refuse(key, _NEVER.get(key, "no command sets it"), _CIPTCPOPT)

    def _always_on(self, sock: ModuleSocket) -> tuple[Key, ...]:
        if sock.kind is Kind.UDP:
            return (BROADCAST,)
        return (REUSEADDR,) if self.capabilities["option.reuseaddr"].supported else ()

    async def _set_linger(self, sock: ModuleSocket, seconds: int | None) -> None:
        if seconds:
            raise self._refuse(
                LINGER,
                "a close that waits blocks the module's port for every socket, and firmware 2.4 to "
                "4.1 hangs or restarts in it",
                _CIPTCPOPT,
            )
        if seconds == 0:
            record = self.capabilities["tcp.abort"]
            if not record.supported:
                raise self._refuse(LINGER, record.because, record.source)
            self._check_reaches(sock, LINGER)
        sock.linger = seconds  # a close finds it here

    async def _set_keepalive(self, sock: ModuleSocket, key: Key, value: int) -> None:
        if key == KEEPIDLE and not 1 <= value <= MAX_KEEPALIVE:
            raise errors.InvalidArgument(f"TCP_KEEPIDLE of {value} s: 1 to {MAX_KEEPALIVE}")
        keep, idle = (bool(value), sock.keep_idle) if key == KEEPALIVE else (sock.keep, value)
        former = sock.keep, sock.keep_idle
        if (keep and idle) == sock.keepalive or not self._is_live(sock):
            sock.keep, sock.keep_idle = keep, idle
            return
        if await self._option_fields() < len(PLAIN):
            raise self._refuse(
                key, "it can only be set before connecting", _CIPSTART, number=errno.EINVAL
            )
        self._check_reaches(sock, key)
        sock.keep, sock.keep_idle = keep, idle
        try:
            await self._write_options(sock)
        except BaseException:
            sock.keep, sock.keep_idle = former
            raise

    async def _set_nodelay(self, sock: ModuleSocket, *, on: bool) -> None:
        if on is sock.nodelay:
            return
        if not await self._option_fields():
            raise self._refuse(NODELAY, "this firmware always collects small segments", _CIPTCPOPT)
        self._check_reaches(sock, NODELAY)
        sock.nodelay = on
        try:
            await self._write_options(sock)
        except BaseException:
            sock.nodelay = not on
            raise

    def _is_live(self, sock: ModuleSocket) -> bool:
        return sock.link is not None and sock.connected

    def _check_reaches(self, sock: ModuleSocket, key: Key) -> None:
        """Before v2.4.1 AT+CIPTCPOPT has no effect on a link that the module accepted."""
        if sock.accepted and self.firmware.family == "E" and self.firmware.version < SERVER_LINKS:
            raise self._refuse(key, "without effect on accepted links before v2.4.1", _CIPTCPOPT)

    # -- get ----------------------------------------------------------------------------------

    def _get_option(self, sock: ModuleSocket, key: Key) -> int:
        known = {
            KEEPALIVE: int(sock.keep),
            KEEPIDLE: sock.keep_idle,
            NODELAY: int(sock.nodelay),
            LINGER: int(sock.linger is not None),
            RCVBUF: self.window,
            SNDBUF: self.capabilities.limit("frame.max_send"),  # what one send hands over
        }
        if self.firmware.family == "E":
            known.update({KEEPINTVL: 1, KEEPCNT: 3})
        known.update(dict.fromkeys(self._always_on(sock), 1))
        if sock.kind is Kind.UDP:
            known = {BROADCAST: 1}
        if key not in known:
            raise self._refuse(key, _NEVER.get(key, "no command tells it"), _CIPTCPOPT)
        return known[key]

    @property
    def window(self) -> int:
        """The TCP receive window in bytes, as documented for this firmware.

        NonOS 1.7: 2920 (vendor's text on the passive buffer); ESP-AT on the ESP8266 and since
        v2.4: 5760; on other chips before: 5744 (AT+CIPRECVMODE).
        """
        if self.firmware.family == "N":
            return 2920
        if self.firmware.is_esp8266 or self.firmware.version >= (2, 3, 0, 0):
            return 5760
        return 5744

    # -- the module's memory of link ids ------------------------------------------------------

    async def _option_fields(self, *, urgent: bool = False) -> int:
        """How many values AT+CIPTCPOPT takes (0, 3 or 4): probed once, by its own answer."""
        if self._options_known is None:
            self._options_known = 0
            if self.firmware.family == "E":
                try:
                    reply = await self.channel.run(
                        query("AT+CIPTCPOPT?", rb"\+CIPTCPOPT:[-\d,]{3,60}"), urgent=urgent
                    )
                except CommandFailed:
                    return 0
                rows = [fields(line.partition(b":")[2]) for line in reply.lines]
                self._options_known = min(len(rows[0]) - 1, len(PLAIN)) if rows else 0
        return self._options_known

    async def _write_options(self, sock: ModuleSocket, *, abort: bool = False) -> None:
        """Give the socket's link id the socket's options, where they differ from what it has."""
        link = sock.link
        if link is None:
            return
        wanted = (0 if abort else -1, int(sock.nodelay), 0, sock.keepalive)
        if wanted == self._link_options.get(link, PLAIN):
            return
        count = await self._option_fields(urgent=abort)
        if wanted[:count] == self._link_options.get(link, PLAIN)[:count]:
            return
        values = ",".join(map(str, wanted[:count]))
        await self.run(simple(f"AT+CIPTCPOPT={link},{values}"), urgent=abort)
        self._link_options[link] = wanted
