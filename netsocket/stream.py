"""AsyncTCPSocket: a stream over any stack, for one event loop."""

from __future__ import annotations

import asyncio
import copy
import socket as _socket
from typing import TYPE_CHECKING, Self

from netsocket.address import SocketAddress
from netsocket.core import READ_LIMIT
from netsocket.errors import (
    AlreadyConnected,
    BadHandle,
    ConnectionReset,
    InvalidArgument,
    NotConnected,
    SendUnknown,
)
from netsocket.lifecycle import SocketEvent, SocketState
from netsocket.reading import StreamReads
from netsocket.sending import StreamSends
from netsocket.stack import Handle, Kind
from netsocket.table import SocketTable
from netsocket.waiting import NOW

if TYPE_CHECKING:
    pass


class AsyncTCPSocket(StreamReads, StreamSends):
    """A stream socket with the names of Python's own, as coroutines.

    `send` returns when the stack accepted bytes, possibly fewer than offered. One transaction at
    a time and direction; several callers take turns. Sockets never reconnect.
    """

    kind = Kind.TCP
    type = _socket.SOCK_STREAM

    def __init__(self, table: SocketTable) -> None:
        super().__init__(table)
        self._rest = b""
        self._eof = False
        self._read_error: OSError | None = None
        self._read_shut = False
        self._seen = 0

    async def __aenter__(self) -> Self:
        """Reserve the stack's socket."""
        await self.open()
        return self

    @property
    def stirred(self) -> bool:
        """Whether bytes or the end may have come since `recv` last looked; the stack is not asked.

        A pool asks this of an idle connection: one that stirs is not used again.
        """
        return bool(self._rest) or self._eof or self._notices != self._seen or not self._alive

    @property
    def _alive(self) -> bool:
        return self._handle is not None and self._broken is None

    @property
    def can_half_close(self) -> bool:
        """Whether shutdown(SHUT_WR) is not known to be impossible."""
        return self._stack.capabilities["tcp.half_close"].supported

    # -- listening ----------------------------------------------------------------------------

    async def listen(self, backlog: int = 1) -> None:
        """Accept connections on the bound port. Raises NotSupported, AlreadyConnected."""
        self._enter()
        self._stack.capabilities["tcp.listen"].require()
        if self._life.state is SocketState.LISTENING:
            return
        if self._connecting is not None or self._life.connected:
            raise AlreadyConnected("a connected socket cannot listen")
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        await self._call(lambda: self._stack.listen(handle, max(0, backlog)), deadline)
        self._life.happened(SocketEvent.LISTEN_BEGUN)

    async def accept(self) -> tuple[AsyncTCPSocket, SocketAddress]:
        """Wait for a connection; the new socket blocks for ever, whatever the listener does."""
        self._enter()
        handle = self._handle
        if handle is None or self._life.state is not SocketState.LISTENING:
            if self._broken is not None:
                raise copy.copy(self._broken)
            raise InvalidArgument("the socket is not listening")
        deadline = self._deadline()
        await self._take_turn(self._receiving, deadline)
        try:
            while True:
                seen = self._notices
                taken = await self._transact(
                    self._receiving, lambda: self._accept(handle), deadline
                )
                if taken is not None:
                    return taken, taken._peer or SocketAddress("0.0.0.0", 0)
                await self._pause(seen, deadline)
        finally:
            self._receiving.turn.release()

    async def _accept(self, listener: Handle) -> AsyncTCPSocket | None:
        taken = await self._stack.accept(listener)
        if taken is None:
            return None
        handle, peer = taken
        if self._closed:  # nobody is left to take it
            await self._stack.close(handle, abort=True)
            return None
        socket = AsyncTCPSocket(self._table)
        socket._adopt(handle)
        socket._peer = peer
        socket._life.happened(SocketEvent.CONNECTED)
        return socket

    # -- receiving ----------------------------------------------------------------------------

    async def recv(self, size: int, flags: int = 0) -> bytes:
        """1..size bytes; b"" at the orderly end, for ever. recv(0) is b"" at once.

        Raises CallTimeout, WouldBlock, NotConnected; ConnectionReset after the bytes that came
        before the break, again at each further call.
        """
        if size < 0:
            raise ValueError("negative buffersize in recv")
        self._check_flags(flags)
        self._enter()
        handle = self._handle
        if not self._life.connected:
            raise NotConnected("the socket is not connected")
        if size == 0:
            return b""
        deadline = self._deadline()
        await self._take_turn(self._receiving, deadline)
        try:
            return await self._recv(handle, size, deadline)
        finally:
            self._receiving.turn.release()

    async def _recv(self, handle: Handle | None, size: int, deadline: float | None) -> bytes:
        wanted = min(size, READ_LIMIT)
        while True:
            if self._rest:
                return self._cut(self._rest, size)
            if self._eof:
                return b""
            if self._read_error is not None:
                raise copy.copy(self._read_error)
            if handle is None:
                raise copy.copy(self._broken or BadHandle("the socket has no handle any more"))
            seen = self._seen = self._notices
            if (here := self._here(handle, wanted, deadline)) is not None:
                if here:
                    return self._cut(here, size)
                await self._pause(seen, deadline)
                continue
            try:
                data = await self._transact(
                    self._receiving, lambda: self._stack.recv(handle, wanted), deadline
                )
            except OSError as error:
                if self._receiving.task is not None:
                    raise
                if isinstance(error, ConnectionResetError):
                    self._read_error = error
                raise
            if data:
                return self._cut(data, size)
            if self._broken is not None:  # nothing left, and the end was not orderly
                self._read_error = _as_reset(self._broken)
                continue
            if data is not None:
                self._eof = True
                if self._life.may(SocketEvent.DRAINED):
                    self._life.happened(SocketEvent.DRAINED)
            elif self._read_shut:
                return b""
            else:
                await self._pause(seen, deadline)

    def _here(self, handle: Handle, wanted: int, deadline: float | None) -> bytes | None:
        """What the stack has at hand, b"": wait for its notice, None: ask it. A non-blocking call
        always asks, as it waits for the answer and for nothing else."""
        if self._by_itself is None or deadline == NOW or self._receiving.task is not None:
            return None
        if self._broken is not None or self._read_shut:
            return None
        self._check_gone()
        return self._by_itself.ready(handle, wanted)

    def _cut(self, data: bytes, size: int) -> bytes:
        self._rest = data[size:]
        return data[:size]

    def put_back(self, data: bytes) -> None:
        """Bytes that a layer above read too many: the next recv gives them first."""
        self._rest = data + self._rest

    # -- ending -------------------------------------------------------------------------------

    async def shutdown(self, how: int) -> None:
        """SHUT_RD ends receiving here only; SHUT_WR half-closes where the stack can.

        SHUT_RDWR closes the connection on every stack; the socket object stays until close.
        Raises NotConnected, NotSupported (SHUT_WR), ValueError.
        """
        if how not in (_socket.SHUT_RD, _socket.SHUT_WR, _socket.SHUT_RDWR):
            raise ValueError("how must be SHUT_RD, SHUT_WR or SHUT_RDWR")
        self._enter()
        self._check_gone()
        handle = self._handle
        if handle is None or not self._life.connected:
            raise NotConnected("the socket is not connected")
        if how == _socket.SHUT_RD:
            self._read_shut = True
            self.notice()
            return
        if how == _socket.SHUT_WR:
            self._stack.capabilities["tcp.half_close"].require()
        deadline = self._deadline()
        await self._take_turn(self._sending, deadline)
        try:
            await self._settle(deadline)
            await self._call(lambda: self._stack.shutdown(handle, how), deadline)
            self._write_shut = True
            self._read_shut = self._read_shut or how == _socket.SHUT_RDWR
        finally:
            self._sending.turn.release()
        self.notice()

    async def close(self, *, abort: bool = False) -> None:
        """See AsyncSocket.close; a connection that was accepted and that nobody took is reset."""
        accepting = self._receiving.task
        if self._life.state is SocketState.LISTENING and accepting is not None:
            accepting.add_done_callback(self._turn_away)
        await super().close(abort=abort)

    def _turn_away(self, accepting: asyncio.Future[AsyncTCPSocket | None]) -> None:
        if self._receiving.task is not accepting:
            return  # its caller has got the connection after all
        self._receiving.task = None
        untaken = None
        if not accepting.cancelled() and accepting.exception() is None:
            untaken = accepting.result()
        if untaken is not None:
            self._table.spawn(untaken.close(abort=True))

    async def abort(self) -> None:
        """Close at once; where the stack can, the peer sees a reset."""
        await self.close(abort=True)


def _as_reset(error: OSError) -> OSError:
    if isinstance(error, ConnectionResetError) and not isinstance(error, SendUnknown):
        return error
    if isinstance(error, SendUnknown):
        return ConnectionReset(f"the connection broke: {error.reason}")
    return error
