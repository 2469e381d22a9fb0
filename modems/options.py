"""Socket options: what every module answers alike, and the shapes of their values.

An option is honoured, emulated, or refused with ENOPROTOOPT and a record that says why; none is
swallowed. The third of the layers of `modems.module.ModuleStack`.
"""

from __future__ import annotations

import abc
import errno
import socket as _socket
import struct

from modems.listening import Listening
from modems.sockets import ModuleSocket
from netsocket import errors
from netsocket.address import check_host
from netsocket.capability.model import Capability, Level, Manual
from netsocket.module_tls import ENABLE, SET_HOSTNAME, TLS_LEVEL
from netsocket.stack import Handle, Kind

# Numbers of Linux where this Python does not know the name: the level and name are only labels.
TCP = _socket.IPPROTO_TCP
KEEPALIVE = (_socket.SOL_SOCKET, _socket.SO_KEEPALIVE)
LINGER = (_socket.SOL_SOCKET, _socket.SO_LINGER)
REUSEADDR = (_socket.SOL_SOCKET, _socket.SO_REUSEADDR)
BROADCAST = (_socket.SOL_SOCKET, _socket.SO_BROADCAST)
RCVBUF = (_socket.SOL_SOCKET, _socket.SO_RCVBUF)
SNDBUF = (_socket.SOL_SOCKET, _socket.SO_SNDBUF)
NODELAY = (TCP, _socket.TCP_NODELAY)
KEEPIDLE = (TCP, getattr(_socket, "TCP_KEEPIDLE", 4))
KEEPINTVL = (TCP, getattr(_socket, "TCP_KEEPINTVL", 5))
KEEPCNT = (TCP, getattr(_socket, "TCP_KEEPCNT", 6))
JOIN = (_socket.IPPROTO_IP, getattr(_socket, "IP_ADD_MEMBERSHIP", 35))
LEAVE = (_socket.IPPROTO_IP, getattr(_socket, "IP_DROP_MEMBERSHIP", 36))
TOS = (_socket.IPPROTO_IP, getattr(_socket, "IP_TOS", 1))
DEVICE = (_socket.SOL_SOCKET, getattr(_socket, "SO_BINDTODEVICE", 25))

NAMES = {
    KEEPALIVE: "SO_KEEPALIVE", LINGER: "SO_LINGER", REUSEADDR: "SO_REUSEADDR",
    BROADCAST: "SO_BROADCAST", RCVBUF: "SO_RCVBUF", SNDBUF: "SO_SNDBUF",
    NODELAY: "TCP_NODELAY", KEEPIDLE: "TCP_KEEPIDLE", KEEPINTVL: "TCP_KEEPINTVL",
    KEEPCNT: "TCP_KEEPCNT", JOIN: "IP_ADD_MEMBERSHIP", LEAVE: "IP_DROP_MEMBERSHIP", TOS: "IP_TOS",
    DEVICE: "SO_BINDTODEVICE",
}  # fmt: skip

CLAIMS = {
    KEEPALIVE: "option.keepalive", KEEPIDLE: "option.keepidle", KEEPINTVL: "option.keepintvl",
    NODELAY: "option.nodelay", LINGER: "option.linger", REUSEADDR: "option.reuseaddr",
    BROADCAST: "option.broadcast", RCVBUF: "option.rcvbuf", SNDBUF: "option.sndbuf",
    JOIN: "option.multicast", LEAVE: "option.multicast", TOS: "option.tos",
    DEVICE: "option.bind_to_device",
}  # fmt: skip
"""Which claim speaks of which option."""

Key = tuple[int, int]
"""Level and name, as setsockopt takes them."""


class SocketOptions(Listening):
    """set_option and get_option of the Stack protocol."""

    tls_takes_name = False
    """Whether the module's TLS takes a server name."""

    # -- what a vendor supplies ---------------------------------------------------------------

    @abc.abstractmethod
    async def _set_option(self, sock: ModuleSocket, key: Key, value: int | bytes) -> None:
        """Honour it, or raise by `_refuse`."""

    @abc.abstractmethod
    def _get_option(self, sock: ModuleSocket, key: Key) -> int:
        """Its value, or raise by `_refuse`."""

    # -- the Stack's calls --------------------------------------------------------------------

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """See Stack.set_option."""
        sock = self._socket(handle)
        if level == TLS_LEVEL:
            self._set_tls(sock, name, value)
            return
        await self._transaction(self._set_option(sock, (level, name), value))

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        """See Stack.get_option; of SO_LINGER whether it is on, as Python's integer form does."""
        return self._get_option(self._socket(handle), (level, name))

    def _set_tls(self, sock: ModuleSocket, name: int, value: int | bytes) -> None:
        """The module's own TLS (netsocket.module_tls): before connect only."""
        record = self.capabilities["tls.module"]
        if not record.supported:
            raise errors.NotSupported(record, errno=errno.ENOPROTOOPT)
        if sock.kind is not Kind.TCP or sock.connected or sock.connecting or sock.listening:
            raise errors.InvalidArgument("TLS is chosen for a stream, before it is connected")
        if name == ENABLE:
            sock.tls = bool(integer(value))
        elif name == SET_HOSTNAME and isinstance(value, bytes):
            if not self.tls_takes_name:
                text = f"the {self.name} cannot tell the server a name other than the host's"
                raise errors.NotSupported(record, text, errno=errno.ENOPROTOOPT)
            try:
                sock.tls_name = check_host(value.decode("ascii"))
            except ValueError:
                raise errors.InvalidArgument(f"no name of a server: {value[:80]!r}") from None
        else:
            text = f"no certificates are loaded into the {self.name}: use TLS on the host"
            raise errors.NotSupported(record, text, errno=errno.ENOPROTOOPT)

    def _refuse(
        self, key: Key, because: str, source: Manual | None = None, *, number: int | None = None
    ) -> errors.NotSupported:
        """The error for an option that cannot be had; `number` an errno other than ENOPROTOOPT."""
        name = NAMES.get(key, f"option {key[0]}/{key[1]}")
        record = self.capabilities.get(CLAIMS.get(key, ""))
        if record is None or record.level is not Level.NONE:
            # Claimed in general, refused here: on this firmware, socket or moment.
            record = Capability(CLAIMS.get(key, name), Level.NONE, because, source)
        text = f"{name} on the {self.name}: {because}"
        return errors.NotSupported(record, text, errno=number or errno.ENOPROTOOPT)


def integer(value: int | bytes) -> int:
    """The value of an integer option. Raises EINVAL."""
    if isinstance(value, int):
        return value
    if len(value) == 4:
        return int(struct.unpack("=i", value)[0])
    raise errors.InvalidArgument(f"an option of {len(value)} bytes: 4 are expected")


def linger_seconds(value: int | bytes) -> int | None:
    """Seconds of a struct linger, None when it switches lingering off. Raises EINVAL."""
    if isinstance(value, int) or len(value) != 8:
        raise errors.InvalidArgument('SO_LINGER takes struct.pack("ii", on, seconds)')
    on, seconds = struct.unpack("=ii", value)
    if not on:
        return None
    if not 0 <= seconds <= 65535:
        raise errors.InvalidArgument(f"SO_LINGER of {seconds} s: 0 to 65535 are possible")
    return int(seconds)
