"""Socket options of lwIP: which there are, and how their values look to it."""

from __future__ import annotations

import errno
import socket as _socket
import struct
from typing import Final

from netsocket.capability.model import Capability, Level
from netsocket.core import LINGER
from netsocket.errors import InvalidArgument, NotSupported
from netsocket.ip.lwip_child import INT

REFUSED: Final = Capability("option", Level.NONE, "lwIP has no such option")
LINGER_OPTION: Final = (_socket.SOL_SOCKET, _socket.SO_LINGER)
"""Kept by this package: lwIP would wait in the call."""
_SOL, _TCP, _IP = _socket.SOL_SOCKET, _socket.IPPROTO_TCP, _socket.IPPROTO_IP
_FLAGS: Final = frozenset(
    {(_SOL, _socket.SO_REUSEADDR), (_SOL, _socket.SO_KEEPALIVE), (_SOL, _socket.SO_BROADCAST)}
)
"""lwIP reads them back as the bits it keeps them in."""
_KNOWN: Final = _FLAGS | {
    (_SOL, _socket.SO_RCVBUF),
    (_TCP, _socket.TCP_NODELAY),
    (_TCP, _socket.TCP_KEEPIDLE),
    (_TCP, _socket.TCP_KEEPINTVL),
    (_TCP, _socket.TCP_KEEPCNT),
    (_IP, _socket.IP_TOS),
    (_IP, _socket.IP_TTL),
    (_IP, _socket.IP_ADD_MEMBERSHIP),
    (_IP, _socket.IP_DROP_MEMBERSHIP),
    LINGER_OPTION,
}
_GROUPS: Final = frozenset({(_IP, _socket.IP_ADD_MEMBERSHIP), (_IP, _socket.IP_DROP_MEMBERSHIP)})


def check(level: int, name: int) -> None:
    """Raises NotSupported (ENOPROTOOPT) for an option that lwIP does not have."""
    if (level, name) not in _KNOWN:
        raise NotSupported(REFUSED, errno=errno.ENOPROTOOPT)


def checked_linger(value: int | bytes) -> bytes:
    """A struct linger. Raises InvalidArgument for anything else."""
    if not isinstance(value, bytes | bytearray) or len(value) != LINGER.size:
        raise InvalidArgument("SO_LINGER takes a struct linger: struct.pack('ii', on, seconds)")
    return bytes(value)


def to_lwip(level: int, name: int, value: int | bytes) -> bytes:
    """The bytes that lwIP takes. Raises NotSupported, InvalidArgument."""
    check(level, name)
    if (level, name) in _GROUPS:
        if not isinstance(value, bytes | bytearray) or len(value) < 8:
            raise InvalidArgument("a group is struct ip_mreq: address and interface, 4 bytes each")
        return bytes(value[:8])
    if isinstance(value, bytes | bytearray):
        if len(value) != INT.size:
            raise InvalidArgument("an integer of 4 bytes is expected")
        return bytes(value)
    try:
        return INT.pack(value)
    except struct.error:
        raise InvalidArgument(f"{value} does not fit an integer option") from None


def from_lwip(level: int, name: int, payload: bytes) -> int:
    """The value as socket.getsockopt tells it."""
    value = int(INT.unpack(payload)[0])
    return int(value != 0) if (level, name) in _FLAGS else value
