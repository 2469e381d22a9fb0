"""Socket options of a BG96: almost none.

AT+QICFG of the BG96 knows no keep-alive, no-delay, reuse, broadcast or membership (TCP(IP) AT
Commands Manual V1.1, AT+QICFG). How long a close waits is a parameter of AT+QICLOSE, so SO_LINGER
can be had.
"""

from __future__ import annotations

from modems.bg96.server import Bg96Server
from modems.options import (
    BROADCAST,
    JOIN,
    KEEPALIVE,
    KEEPIDLE,
    KEEPINTVL,
    LEAVE,
    LINGER,
    NODELAY,
    RCVBUF,
    REUSEADDR,
    SNDBUF,
    Key,
    linger_seconds,
)
from modems.sockets import ModuleSocket
from netsocket.capability.model import Manual
from netsocket.stack import Kind

_QICFG = Manual("Quectel BG96 TCP(IP) AT Commands Manual", "V1.1", "AT+QICFG")
_GLOBAL = (
    "the BG96 has none; on the BG95 it is one setting for all sockets, in minutes, and not this "
    "socket's to make"
)
_WHY = {
    KEEPALIVE: _GLOBAL,
    KEEPIDLE: _GLOBAL,
    KEEPINTVL: _GLOBAL,
    NODELAY: "no command sets it; each AT+QISEND is handed to the network at once",
    RCVBUF: "the module's buffer is fixed, and its size is not documented",
    SNDBUF: "the module's buffer is fixed, and its size is not documented",
    REUSEADDR: "no command sets it",
    BROADCAST: "the module sends no broadcasts",
    JOIN: "the module joins no groups",
    LEAVE: "the module joins no groups",
}


class Bg96Options(Bg96Server):
    """SO_LINGER, and why not the others."""

    async def _set_option(self, sock: ModuleSocket, key: Key, value: int | bytes) -> None:
        if key != LINGER or sock.kind is not Kind.TCP:
            raise self._refuse(key, _WHY.get(key, "no command sets it"), _QICFG)
        sock.linger = linger_seconds(value)  # the close finds it here

    def _get_option(self, sock: ModuleSocket, key: Key) -> int:
        if key != LINGER or sock.kind is not Kind.TCP:
            raise self._refuse(key, _WHY.get(key, "no command tells it"), _QICFG)
        return int(sock.linger is not None)
