"""BoundStack: the operating system's sockets, pinned to one of its interfaces.

Binding an address would not do that: the kernel sends and receives by its routes whatever the
address. SO_BINDTODEVICE does (socket(7)); it needs no privilege the first time it is set, and a
socket that has it reaches nothing behind another interface, loopback included.
"""

from __future__ import annotations

import errno
import socket as _socket
import struct
from typing import Final

from netsocket.capability.model import Capability, Level, Manual
from netsocket.errors import NetworkNotFound, NotSupported
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.hoststack import HostStack, _Entry
from netsocket.stack import Handle, Kind

BIND_TO_DEVICE: Final = getattr(_socket, "SO_BINDTODEVICE", 25)
_PINNED: Final = Capability(
    "option.bind_to_device", Level.NONE, "the interface's sockets are pinned to it already",
    Manual("Linux man-pages", "", "socket(7), SO_BINDTODEVICE"),
)  # fmt: skip
_GROUPS: Final = (
    (_socket.IPPROTO_IP, _socket.IP_ADD_MEMBERSHIP),
    (_socket.IPPROTO_IP, _socket.IP_DROP_MEMBERSHIP),
)


class BoundStack(HostStack):
    """HostStack on the interface `device`.

    `failure` set, every socket tells it from then on; `_fail` sets it.
    """

    def __init__(self, device: str, *claims: Capability) -> None:
        super().__init__()
        self.device = device
        self.failure: OSError | None = None
        self.capabilities = HOST_CAPABILITIES.with_changes(
            _PINNED, *claims, firmware=f"operating system, {device}"
        )

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """As HostStack, without SO_BINDTODEVICE (NotSupported); groups are joined on the device."""
        if (level, name) == (_socket.SOL_SOCKET, BIND_TO_DEVICE):
            raise NotSupported(_PINNED, errno=errno.ENOPROTOOPT)
        if (level, name) in _GROUPS and isinstance(value, bytes) and value[4:] == bytes(4):
            # The kernel would choose an interface by its routes. struct ip_mreqn names it, ip(7).
            value += struct.pack("=i", _socket.if_nametoindex(self.device))
        await super().set_option(handle, level, name, value)

    def _new_socket(self, kind: Kind, family: int) -> _socket.socket:
        if self.failure is not None:
            raise self.failure
        sock = super()._new_socket(kind, family)
        try:
            name = self.device.encode() + b"\0"
            sock.setsockopt(_socket.SOL_SOCKET, BIND_TO_DEVICE, name)
        except OSError as error:
            sock.close()
            if error.errno == errno.ENODEV:
                raise NetworkNotFound(f"{self.device}: there is no such interface") from None
            raise
        return sock

    def _entry(self, handle: Handle) -> _Entry:
        entry = super()._entry(handle)
        if self.failure is not None:
            raise self.failure
        return entry

    def _fail(self, error: OSError) -> None:
        """Nothing goes through any more; who waits is told."""
        self.failure = error
        for handle, entry in list(self._entries.items()):
            if entry.attempt is not None and not entry.attempt.done():
                entry.attempt.set_exception(error)
            self._changed(handle, handle.generation)
