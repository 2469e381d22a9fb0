"""The connecting half of a stream socket: attempts, their outcomes, giving them up."""

from __future__ import annotations

import asyncio
import errno
import socket as _socket

from netsocket.address import SocketAddress
from netsocket.capability.model import Level
from netsocket.core import AsyncSocket
from netsocket.errors import (
    AlreadyConnected,
    AlreadyInProgress,
    CallTimeout,
    ConnectTimeout,
    InProgress,
    InvalidArgument,
    NotConnected,
    NotSupported,
)
from netsocket.lifecycle import SocketEvent, SocketState
from netsocket.table import SocketTable
from netsocket.waiting import NOW


class ConnectingSocket(AsyncSocket):
    """A socket that connects to a peer."""

    def __init__(self, table: SocketTable) -> None:
        super().__init__(table)
        self._connecting: asyncio.Task[None] | None = None
        self._attempt = 0

    async def connect(self, address: object) -> None:
        """Connect to (host, port); the host may be a name, which the stack resolves.

        Raises ConnectionRefused, ConnectTimeout (of the stack, or this socket's time-out),
        HostUnreachable, NameNotFound, NetworkDown; AlreadyConnected; in non-blocking mode
        InProgress and then AlreadyInProgress. After a failure the socket can be used again.
        """
        target = SocketAddress.coerce(address)
        limit = self._timeout
        try:
            await self._connect(target)
        except CallTimeout:
            raise ConnectTimeout(f"no connection to {target} within {limit} seconds") from None

    async def connect_ex(self, address: object) -> int:
        """As connect, but returns 0 or an errno (EAGAIN for an expired time-out, as CPython).

        Still raises what is not an errno: unknown names and arguments of the wrong kind.
        """
        try:
            await self._connect(SocketAddress.coerce(address))
        except _socket.gaierror:
            raise
        except CallTimeout:
            return errno.EAGAIN
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    async def _connect(self, target: SocketAddress) -> None:
        self._enter()
        capabilities = self._stack.capabilities
        capabilities["tcp.connect"].require()
        ipv6 = capabilities["ipv6"]
        if target.family == _socket.AF_INET6 and ipv6.level is Level.NONE:
            raise NotSupported(ipv6, errno=errno.EAFNOSUPPORT)
        if self._connecting is not None:
            raise AlreadyInProgress("a connection attempt is already under way")
        self._check_gone()
        if self._life.connected:
            raise AlreadyConnected("the socket is, or was, connected; make a new one")
        if self._life.state is SocketState.LISTENING:
            raise InvalidArgument("the socket is listening")
        if self._kept is not None:
            kept, self._kept = self._kept, None
            raise kept
        deadline = self._deadline()
        self._attempt += 1
        attempt = self._establish(target, self._attempt, keep=deadline == NOW)
        task = self._connecting = self._table.spawn(attempt)
        if deadline == NOW:
            raise InProgress(f"connecting to {target}")
        try:
            await self._outcome(task, deadline)
        except BaseException:
            if not task.done():
                self._give_up()
            raise

    async def _establish(self, target: SocketAddress, attempt: int, *, keep: bool) -> None:
        """Connect; `keep` leaves an error to the next call."""
        try:
            handle = await self._reserve(None)
            if attempt != self._attempt:
                return
            self._life.happened(SocketEvent.CONNECT_BEGUN)
            try:
                await self._stack.connect(handle, target)
            except BaseException:
                if handle == self._handle and self._life.may(SocketEvent.CONNECT_FAILED):
                    self._life.happened(SocketEvent.CONNECT_FAILED)
                raise
            if handle == self._handle and self._life.may(SocketEvent.CONNECTED):
                self._peer = target
                self._life.happened(SocketEvent.CONNECTED)
        except OSError as error:
            if keep and attempt == self._attempt and not self._closed:
                kept = self._judged(error)
                assert isinstance(kept, OSError)
                self._kept = kept
            raise
        finally:
            if attempt == self._attempt:
                self._connecting = None
                self.notice()

    def _give_up(self) -> None:
        """Nobody waits for this attempt any more: give its handle back, keep the socket."""
        self._attempt += 1
        self._connecting = None
        handle, self._handle = self._handle, None
        if handle is not None:
            self._table.forget(handle)
            if self._life.may(SocketEvent.GAVE_UP):
                self._life.happened(SocketEvent.GAVE_UP)
            if not self._table.closed:
                self._table.spawn(self._stack.close(handle, abort=True))

    def _can_break(self) -> bool:
        """A failed attempt breaks nothing: the socket can be used again."""
        return self._life.state not in (SocketState.CLOSED, SocketState.READY, SocketState.OPENING)

    async def getpeername(self) -> SocketAddress:
        """The peer. Raises NotConnected."""
        self._enter()
        handle = self._handle
        if handle is None or not self._life.connected:
            raise NotConnected("the socket is not connected")
        return await self._call(lambda: self._stack.remote_address(handle), self._deadline())
