"""HostStack: the operating system's own sockets behind the Stack protocol.

It is the yardstick: what the Socket API does over this stack is what it should do over any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket as _socket
from collections.abc import Iterator, Sequence

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.errors import (
    BadHandle,
    ConnectionReset,
    NotConnected,
    NotSupported,
    from_os_error,
)
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.stack import Changed, Handle, InterfaceStatus, Kind, StackStatus, StatusChanged

_OPTION = Capability("option", Level.NONE, "the operating system refuses this option")


class _Entry:
    """One open socket."""

    __slots__ = ("attempt", "broken", "connected", "kind", "local", "options", "sock", "used")

    def __init__(self, kind: Kind, sock: _socket.socket) -> None:
        self.kind = kind
        self.sock = sock
        self.local: SocketAddress | None = None
        self.options: list[tuple[int, int, int | bytes]] = []
        self.attempt: asyncio.Future[None] | None = None
        self.connected = False
        self.used = False
        self.broken = False


class HostStack:
    """The Stack protocol over the operating system's non-blocking sockets."""

    name = "host"
    capabilities: CapabilityTable = HOST_CAPABILITIES

    def __init__(self) -> None:
        self._entries: dict[Handle, _Entry] = {}
        self._numbers = itertools.count(1)
        self._changed: Changed = lambda _handle, _generation: None
        self._status_changed: StatusChanged = lambda _status: None
        self._up = False

    def attach(self, changed: Changed, status_changed: StatusChanged) -> None:
        """Register the notices."""
        self._changed = changed
        self._status_changed = status_changed

    async def up(self) -> None:
        """Nothing to do but to say so."""
        if not self._up:
            self._up = True
            self._status_changed(InterfaceStatus.GLOBAL_UP)

    async def down(self) -> None:
        """Close every socket."""
        for handle in list(self._entries):
            await self.close(handle)
        if self._up:
            self._up = False
            self._status_changed(InterfaceStatus.DISCONNECTED)

    # -- opening ------------------------------------------------------------------------------

    async def open(self, kind: Kind) -> Handle:
        """A new non-blocking socket, IPv4 until an IPv6 address is used with it."""
        with _translated():
            sock = self._new_socket(kind, _socket.AF_INET)
        return self._enter(_Entry(kind, sock))

    def _enter(self, entry: _Entry) -> Handle:
        handle = Handle(next(self._numbers), 0)
        self._entries[handle] = entry
        return handle

    async def bind(self, handle: Handle, address: SocketAddress) -> None:
        """Fix the local port."""
        entry = self._entry(handle)
        if address.host and not address.is_literal:
            address = SocketAddress((await self.resolve(address.host))[0], address.port)
        with _translated():
            if address.family == _socket.AF_INET6:
                self._change_family(entry, _socket.AF_INET6)
            entry.sock.bind((address.host, address.port))
        entry.local = address
        entry.used = True

    async def listen(self, handle: Handle, backlog: int) -> None:
        """Accept connections."""
        entry = self._entry(handle)
        with _translated():
            entry.sock.listen(backlog)
        entry.used = True

    async def accept(self, handle: Handle) -> tuple[Handle, SocketAddress] | None:
        """One waiting connection, or None."""
        entry = self._entry(handle)
        with _translated():
            try:
                sock, peer = entry.sock.accept()
            except BlockingIOError:
                self._watch_readable(handle, entry)
                return None
        sock.setblocking(False)
        taken = _Entry(Kind.TCP, sock)
        taken.connected = taken.used = True
        return self._enter(taken), SocketAddress.coerce(peer)

    async def connect(self, handle: Handle, address: SocketAddress) -> None:
        """Connect to the first address of the name that answers."""
        entry = self._entry(handle)
        hosts = [address.host] if address.is_literal else await self.resolve(address.host)
        failure: OSError = NotConnected("no address to connect to")
        for host in hosts:
            target = SocketAddress(host, address.port)
            self._entry(handle)  # closed meanwhile: EBADF
            try:
                self._change_family(entry, target.family)
                await self._connect_one(entry, target)
            except OSError as error:
                failure = error
                self._renew(handle, entry)
            else:
                entry.connected = entry.used = True
                return
        raise from_os_error(failure) from None

    async def _connect_one(self, entry: _Entry, target: SocketAddress) -> None:
        number = entry.sock.connect_ex((target.host, target.port))
        if number == errno.EINPROGRESS:
            loop = asyncio.get_running_loop()
            sock = entry.sock
            attempt = entry.attempt = loop.create_future()
            loop.add_writer(sock, _finish, attempt)
            try:
                await attempt
            finally:
                entry.attempt = None
                if sock.fileno() != -1:
                    loop.remove_writer(sock)
            number = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if number:
            raise OSError(number, f"{target}: {os.strerror(number)}")

    # -- data ---------------------------------------------------------------------------------

    async def send(self, handle: Handle, data: bytes | bytearray | memoryview) -> int:
        """Offer bytes; 0 = the operating system's buffer is full."""
        entry = self._entry(handle)
        with _translated():
            try:
                return entry.sock.send(data)
            except BlockingIOError:
                self._watch_writable(handle, entry)
                return 0
            except ConnectionResetError:
                entry.broken = True
                raise

    async def sendto(
        self, handle: Handle, data: bytes | bytearray | memoryview, address: SocketAddress
    ) -> int:
        """Offer one datagram."""
        entry = self._entry(handle)
        with _translated():
            self._change_family(entry, address.family)
            entry.used = True
            try:
                return entry.sock.sendto(data, (address.host, address.port))
            except BlockingIOError:
                self._watch_writable(handle, entry)
                return 0

    async def recv(self, handle: Handle, size: int) -> bytes | None:
        """Bytes, b"" at the end, None when nothing is there."""
        entry = self._entry(handle)
        with _translated():
            try:
                data = entry.sock.recv(size)
            except BlockingIOError:
                self._watch_readable(handle, entry)
                return None
        if not data and entry.broken and entry.kind is Kind.TCP:
            raise ConnectionReset("the connection was reset")
        if data:
            self._watch_readable(handle, entry)  # modules tell unasked, too
        return data

    async def recvfrom(self, handle: Handle, size: int) -> tuple[bytes, SocketAddress] | None:
        """One datagram and its sender, or None."""
        entry = self._entry(handle)
        with _translated():
            try:
                data, sender = entry.sock.recvfrom(size)
            except BlockingIOError:
                self._watch_readable(handle, entry)
                return None
        return data, SocketAddress.coerce(sender)

    # -- ending -------------------------------------------------------------------------------

    async def shutdown(self, handle: Handle, how: int) -> None:
        """As socket.shutdown."""
        with _translated():
            self._entry(handle).sock.shutdown(how)

    async def close(self, handle: Handle, *, abort: bool = False) -> None:
        """Close; `abort` resets the connection."""
        entry = self._entries.pop(handle, None)
        if entry is None:
            return
        if abort and entry.kind is Kind.TCP:
            with contextlib.suppress(OSError):
                linger = b"\x01\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds
                entry.sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, linger)
        self._discard(entry.sock)
        if entry.attempt is not None and not entry.attempt.done():
            entry.attempt.set_exception(BadHandle("closed while connecting"))
        self._changed(handle, handle.generation)

    # -- the rest -----------------------------------------------------------------------------

    async def local_address(self, handle: Handle) -> SocketAddress:
        """Own address."""
        with _translated():
            return SocketAddress.coerce(self._entry(handle).sock.getsockname())

    async def remote_address(self, handle: Handle) -> SocketAddress:
        """The peer."""
        with _translated():
            return SocketAddress.coerce(self._entry(handle).sock.getpeername())

    async def set_option(self, handle: Handle, level: int, name: int, value: int | bytes) -> None:
        """As socket.setsockopt."""
        entry = self._entry(handle)
        try:
            entry.sock.setsockopt(level, name, value)
        except OSError as error:
            raise _option_error(error) from error
        entry.options.append((level, name, value))

    async def get_option(self, handle: Handle, level: int, name: int) -> int:
        """As socket.getsockopt."""
        entry = self._entry(handle)
        try:
            return entry.sock.getsockopt(level, name)
        except OSError as error:
            raise _option_error(error) from error

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        """By the operating system's resolver, in a helper thread of the loop."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, None, family=family, type=_socket.SOCK_STREAM)
        except OSError as error:
            raise from_os_error(error) from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def status(self) -> StackStatus:
        """Up or not; the address is the one routes prefer, found without sending anything."""
        state = InterfaceStatus.GLOBAL_UP if self._up else InterfaceStatus.DISCONNECTED
        return StackStatus(state, _own_address() if self._up else None, 0, {})

    # -- inside -------------------------------------------------------------------------------

    def _entry(self, handle: Handle) -> _Entry:
        try:
            return self._entries[handle]
        except KeyError:
            raise BadHandle("no such socket") from None

    def _change_family(self, entry: _Entry, family: int) -> None:
        """An unused IPv4 socket turns into an IPv6 one, or back."""
        if entry.sock.family != family and not entry.used:
            self._replace(entry, family)

    def _renew(self, handle: Handle, entry: _Entry) -> None:
        """A failed connect leaves the operating system's socket in a state of its own."""
        if handle in self._entries:
            self._replace(entry, entry.sock.family)

    def _replace(self, entry: _Entry, family: int) -> None:
        fresh = self._new_socket(entry.kind, family)
        self._discard(entry.sock)
        entry.sock = fresh
        for level, name, value in entry.options:
            with contextlib.suppress(OSError):
                fresh.setsockopt(level, name, value)
        if entry.local is not None:
            with contextlib.suppress(OSError):
                fresh.bind((entry.local.host, entry.local.port))

    def _new_socket(self, kind: Kind, family: int) -> _socket.socket:
        type_ = _socket.SOCK_STREAM if kind is Kind.TCP else _socket.SOCK_DGRAM
        sock = _socket.socket(family, type_)
        sock.setblocking(False)
        return sock

    def _discard(self, sock: _socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        loop.remove_writer(sock)
        sock.close()

    def _watch_readable(self, handle: Handle, entry: _Entry) -> None:
        asyncio.get_running_loop().add_reader(entry.sock, self._readable, handle, entry.sock)

    def _watch_writable(self, handle: Handle, entry: _Entry) -> None:
        asyncio.get_running_loop().add_writer(entry.sock, self._writable, handle, entry.sock)

    def _readable(self, handle: Handle, sock: _socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(sock)
        self._changed(handle, handle.generation)

    def _writable(self, handle: Handle, sock: _socket.socket) -> None:
        asyncio.get_running_loop().remove_writer(sock)
        self._changed(handle, handle.generation)


def _finish(attempt: asyncio.Future[None]) -> None:
    if not attempt.done():
        attempt.set_result(None)


def _option_error(error: OSError) -> OSError:
    """Not there is NotSupported; a wrong value, interface or right keeps its own errno."""
    if error.errno in {errno.ENOPROTOOPT, errno.EOPNOTSUPP}:
        return NotSupported(_OPTION, errno=errno.ENOPROTOOPT)
    return from_os_error(error)


def _own_address() -> str | None:
    with _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: a route look-up, no packet
        except OSError:
            return None
        return str(probe.getsockname()[0])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error) from None
