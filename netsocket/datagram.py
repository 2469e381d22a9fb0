"""AsyncUDPSocket: datagrams over any stack, for one event loop."""

from __future__ import annotations

import errno
import socket as _socket
from typing import TYPE_CHECKING, Self

from netsocket.address import SocketAddress
from netsocket.capability.model import Level
from netsocket.core import AsyncSocket, as_bytes
from netsocket.errors import (
    DestinationRequired,
    InvalidArgument,
    MessageTooLong,
    NotConnected,
    NotSupported,
)
from netsocket.lifecycle import SocketEvent, SocketState
from netsocket.reading import writable
from netsocket.stack import Handle, Kind
from netsocket.table import SocketTable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

MAX_DATAGRAM = 65_535
"""Bytes asked of the stack where it states no `datagram.max_recv`."""


class AsyncUDPSocket(AsyncSocket):
    """A datagram socket with the names of Python's own, as coroutines.

    One receive takes exactly one datagram; what does not fit is cut off silently. With a fixed
    peer, datagrams of others are thrown away. `sendto` may go elsewhere than to the fixed peer,
    as on Linux. An empty datagram is b"", not an end.
    """

    kind = Kind.UDP
    type = _socket.SOCK_DGRAM

    def __init__(self, table: SocketTable) -> None:
        super().__init__(table)
        capabilities = table.stack.capabilities
        self._longest_send = capabilities["datagram.max_send"].limit
        self._longest_recv = capabilities["datagram.max_recv"].limit or MAX_DATAGRAM

    async def __aenter__(self) -> Self:
        """Reserve the stack's socket."""
        await self.open()
        return self

    # -- peer ---------------------------------------------------------------------------------

    async def connect(self, address: object) -> None:
        """Fix the peer; a name is resolved by the stack. Raises NotSupported, NameNotFound."""
        target = SocketAddress.coerce(address)
        self._enter()
        self._stack.capabilities["udp.connect"].require()
        deadline = self._deadline()
        target = await self._resolved(target, deadline)
        handle = await self._reserve(deadline)
        await self._call(lambda: self._stack.connect(handle, target), deadline)
        self._peer = target
        if self._life.may(SocketEvent.CONNECTED):
            self._life.happened(SocketEvent.CONNECTED)

    async def connect_ex(self, address: object) -> int:
        """As connect, but returns 0 or an errno; unknown names are still raised."""
        try:
            await self.connect(address)
        except _socket.gaierror:
            raise
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    async def getpeername(self) -> SocketAddress:
        """The fixed peer. Raises NotConnected."""
        self._enter()
        if self._peer is None:
            raise NotConnected("the socket has no fixed peer")
        return self._peer

    async def listen(self, _backlog: int = 1) -> None:
        """Impossible for datagrams: NotSupported."""
        raise NotSupported(self._stack.capabilities["tcp.listen"], "datagram sockets do not listen")

    async def accept(self) -> tuple[AsyncUDPSocket, SocketAddress]:
        """Impossible for datagrams: NotSupported."""
        raise NotSupported(self._stack.capabilities["tcp.listen"], "datagram sockets do not accept")

    # -- sending ------------------------------------------------------------------------------

    async def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """One datagram to the fixed peer; returns its length. Raises DestinationRequired."""
        self._check_flags(flags)
        self._enter()
        if self._peer is None:
            raise DestinationRequired("no destination: connect first, or use sendto")
        return await self._send(as_bytes(data), None)

    async def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """As send."""
        await self.send(data, flags)

    async def sendto(self, data: ReadableBuffer, *arguments: object) -> int:
        """sendto(data, address) or sendto(data, flags, address); returns the length.

        Raises MessageTooLong before anything is written, NotSupported for empty datagrams where
        the stack cannot send them, NameNotFound, CallTimeout.
        """
        if not 1 <= len(arguments) <= 2:
            raise TypeError(f"sendto() takes 2 or 3 arguments ({len(arguments) + 1} given)")
        if len(arguments) == 2:
            flags = arguments[0]
            if not isinstance(flags, int):
                raise TypeError("flags must be an integer")
            self._check_flags(flags)
        view = as_bytes(data)
        target = SocketAddress.coerce(arguments[-1])
        if target.port == 0:
            raise InvalidArgument("port 0 is no destination")
        self._enter()
        return await self._send(view, target)

    async def _send(self, view: memoryview, target: SocketAddress | None) -> int:
        size = len(view)
        if self._longest_send is not None and size > self._longest_send:
            raise MessageTooLong(
                f"datagram of {size} bytes; {self._stack.name} sends at most {self._longest_send}"
            )
        if not size:
            self._stack.capabilities["udp.zero_length"].require()
        datagram = bytes(view)
        deadline = self._deadline()
        if target is not None:
            target = await self._resolved(target, deadline)
        handle = await self._reserve(deadline)
        await self._take_turn(self._sending, deadline)
        try:
            if self._sending.task is not None:
                await self._left_behind(self._sending, self._sending.task, deadline)
            return await self._deliver(handle, datagram, target, deadline)
        finally:
            self._sending.turn.release()

    async def _deliver(
        self, handle: Handle, datagram: bytes, target: SocketAddress | None, deadline: float | None
    ) -> int:
        stack = self._stack

        async def offer() -> int | None:
            if target is None:
                accepted = await stack.send(handle, datagram)
            else:
                accepted = await stack.sendto(handle, datagram, target)
            return None if accepted == 0 and datagram else accepted

        while True:
            seen = self._notices
            try:
                accepted = await self._transact(self._sending, offer, deadline)
            except BaseException as error:
                if self._sending.task is not None:
                    error.unknown = len(datagram)  # type: ignore[attr-defined]
                raise
            if accepted is not None:
                return len(datagram)
            await self._pause(seen, deadline)

    async def _resolved(self, target: SocketAddress, deadline: float | None) -> SocketAddress:
        if target.is_literal:
            ipv6 = self._stack.capabilities["ipv6"]
            if target.family == _socket.AF_INET6 and ipv6.level is Level.NONE:
                raise NotSupported(ipv6, errno=errno.EAFNOSUPPORT)
            return target
        if not target.host:
            raise InvalidArgument("no destination host")
        addresses = await self._call(lambda: self._stack.resolve(target.host), deadline)
        return SocketAddress(addresses[0], target.port)

    # -- receiving ----------------------------------------------------------------------------

    async def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, SocketAddress]:
        """One datagram, cut to `size`, and its sender. recvfrom(0) takes one and returns b""."""
        if size < 0:
            raise ValueError("negative buffersize in recvfrom")
        self._check_flags(flags)
        self._enter()
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        await self._take_turn(self._receiving, deadline)
        try:
            while True:
                seen = self._notices
                datagram = await self._transact(
                    self._receiving,
                    lambda: self._stack.recvfrom(handle, self._longest_recv),
                    deadline,
                )
                if datagram is None:
                    await self._pause(seen, deadline)
                elif self._peer is None or _same(datagram[1], self._peer):
                    return datagram[0][:size], datagram[1]
        finally:
            self._receiving.turn.release()

    async def recv(self, size: int, flags: int = 0) -> bytes:
        """One datagram, cut to `size`."""
        return (await self.recvfrom(size, flags))[0]

    async def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """As recv, into a writable buffer; nbytes 0 = its whole length. Returns the count."""
        return (await self.recvfrom_into(buffer, nbytes, flags))[0]

    async def recvfrom_into(
        self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, SocketAddress]:
        """As recvfrom, into a writable buffer."""
        view = writable(buffer, nbytes, "recvfrom_into")
        data, sender = await self.recvfrom(len(view), flags)
        view[: len(data)] = data
        return len(data), sender

    # -- ending -------------------------------------------------------------------------------

    async def shutdown(self, how: int) -> None:
        """Datagram sockets have nothing to shut down: NotConnected, or nothing with a peer."""
        if how not in (_socket.SHUT_RD, _socket.SHUT_WR, _socket.SHUT_RDWR):
            raise ValueError("how must be SHUT_RD, SHUT_WR or SHUT_RDWR")
        self._enter()
        if self._peer is None or self._life.state is not SocketState.OPEN:
            raise NotConnected("the socket has no fixed peer")


def _same(sender: SocketAddress, peer: SocketAddress) -> bool:
    """Whether a datagram is of the fixed peer; a sender that the stack does not tell counts."""
    return sender.is_wildcard or sender == peer
