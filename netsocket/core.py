"""What stream and datagram sockets share: attributes, notices, options, addresses, close."""

from __future__ import annotations

import asyncio
import copy
import errno
import socket as _socket
import struct
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from netsocket.address import SocketAddress
from netsocket.capability.model import Capability, Level
from netsocket.errors import (
    BadHandle,
    InvalidArgument,
    NetworkDown,
    NotSupported,
)
from netsocket.lifecycle import SocketEvent, SocketState
from netsocket.stack import Handle, Kind
from netsocket.table import SocketTable, log
from netsocket.waiting import Direction, Waiting, wake

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READ_LIMIT: Final = 256 * 1024
"""Most bytes asked of the stack at once, so that recv(2**30) allocates nothing absurd."""
CLOSE_PATIENCE: Final = 10.0
"""Seconds that `close` waits for the stack, so that the next open usually finds the socket free."""
LINGER: Final = struct.Struct("=ii")
"""struct linger: on, seconds."""
_FLAGS: Final = Capability("flags", Level.NONE, "MSG_ flags have no counterpart in this API")


def as_bytes(data: ReadableBuffer) -> memoryview:
    """A flat view of any bytes-like object. Raises TypeError for anything else, text included."""
    return memoryview(data).cast("B")


class AsyncSocket(Waiting):
    """Base of `AsyncTCPSocket` and `AsyncUDPSocket`; belongs to one event loop.

    Attributes follow Python's socket: `family`, `type`, `proto`, `timeout`. There is no file
    descriptor: `fileno()` is -1.
    """

    kind: Kind
    type: _socket.SocketKind
    proto = 0

    def __init__(self, table: SocketTable) -> None:
        super().__init__(table)
        self._stack = table.stack
        self._handle: Handle | None = None
        self._peer: SocketAddress | None = None
        self._bound: SocketAddress | None = None
        self._options: dict[tuple[int, int], int | bytes] = {}
        self._reserving: asyncio.Task[Handle] | None = None
        self._returning: asyncio.Task[None] | None = None
        self._receiving = Direction()
        self._sending = Direction()
        self._kept: OSError | None = None
        self._sigio: Callable[[], object] | None = None
        self._sigio_pending = False
        self._sigio_failed = False

    # -- attributes ---------------------------------------------------------------------------

    @property
    def state(self) -> SocketState:
        """Where the socket is in its life."""
        return self._life.state

    @property
    def family(self) -> _socket.AddressFamily:
        """AF_INET6 once an IPv6 address was used, AF_INET otherwise."""
        for address in (self._peer, self._bound):
            if address is not None and address.family == _socket.AF_INET6:
                return _socket.AF_INET6
        return _socket.AF_INET

    @property
    def closed(self) -> bool:
        """True after close."""
        return self._closed

    def fileno(self) -> int:
        """Always -1: there is no descriptor behind this object."""
        return -1

    # -- notices ------------------------------------------------------------------------------

    def sigio(self, callback: Callable[[], object] | None) -> None:
        """Call `callback()` in the loop's thread when something may have changed.

        It carries no reason and may be spurious: try the operation again. After one call it stays
        silent until the socket was used again. It is called once soon after registration, for
        what happened before. Exceptions are logged once and go no further. None removes it.
        """
        self._sigio = callback
        self._sigio_failed = False
        self._sigio_pending = False
        if callback is not None and not self._closed:
            asyncio.get_running_loop().call_soon(self._signal)

    def notice(self) -> None:
        """From the stack: something may be different now."""
        super().notice()
        self._signal()

    def _signal(self) -> None:
        callback = self._sigio
        if callback is None or self._sigio_pending:
            return
        self._sigio_pending = True
        try:
            callback()
        except Exception:
            if not self._sigio_failed:
                self._sigio_failed = True
                log.exception("sigio callback of %r failed; further failures stay silent", self)

    # -- options ------------------------------------------------------------------------------

    async def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option in the stack. Raises NotSupported (errno ENOPROTOOPT)."""
        self._enter()
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        await self._call(lambda: self._stack.set_option(handle, level, name, value), deadline)
        self._options[level, name] = value

    async def getsockopt(self, level: int, name: int) -> int:
        """SO_TYPE, SO_ERROR and SO_ACCEPTCONN are answered here, the rest by the stack."""
        self._enter()
        if level == _socket.SOL_SOCKET:
            if name == _socket.SO_TYPE:
                return int(self.type)
            if name == _socket.SO_ERROR:
                kept, self._kept = self._kept, None
                return (kept.errno or errno.EIO) if kept else 0
            if name == _socket.SO_ACCEPTCONN:
                return int(self._life.state is SocketState.LISTENING)
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        return await self._call(lambda: self._stack.get_option(handle, level, name), deadline)

    # -- addresses ----------------------------------------------------------------------------

    async def bind(self, address: object) -> None:
        """Fix the local port; ("", port) is any address, port 0 lets the stack choose.

        Raises AddressInUse, AddressNotAvailable, NotSupported, EINVAL when already bound.
        """
        local = SocketAddress.coerce(address)
        self._enter()
        if self._bound is not None or self._life.state not in _BINDABLE:
            raise InvalidArgument("the socket already has a local address")
        deadline = self._deadline()
        handle = await self._reserve(deadline)
        await self._call(lambda: self._stack.bind(handle, local), deadline)
        self._bound = local

    async def getsockname(self) -> SocketAddress:
        """Own address; the port is 0 where the stack does not tell it."""
        self._enter()
        handle = self._handle
        if handle is None:
            return SocketAddress("0.0.0.0", 0)
        return await self._call(lambda: self._stack.local_address(handle), self._deadline())

    # -- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        """Reserve the stack's socket now instead of at the first use. Raises NoSocket (EMFILE)."""
        self._enter()
        await self._reserve(self._deadline())

    async def close(self, *, abort: bool = False) -> None:
        """Give the socket back; wakes every blocked caller with EBADF. Idempotent, never waits
        for callers. `abort` resets the connection where the stack can.

        A stack that is busy with something long (a module searching its network) does its part
        later: close returns after `CLOSE_PATIENCE` seconds, and those of SO_LINGER, in any case."""
        if self._closed:
            return
        self._closed = True
        handle, self._handle = self._handle, None
        self._life.happened(SocketEvent.CLOSE_BEGUN)
        wake(self._callers)
        self._sigio_pending = False  # a close is a use, too: its own event is due
        self.notice()
        self._sigio = None
        try:
            if handle is not None:
                self._table.forget(handle)
                if not self._table.closed:
                    returning = self._table.spawn(self._stack.close(handle, abort=abort))
                    self._returning = returning
                    await asyncio.wait({returning}, timeout=CLOSE_PATIENCE + self._linger())
                    if returning.done() and not returning.cancelled():  # else the stack is gone
                        returning.result()
        finally:
            self._life.happened(SocketEvent.CLOSE_DONE)

    def _linger(self) -> int:
        """Seconds that a close may wait for what was sent to be acknowledged, as SO_LINGER says."""
        value = self._options.get((_socket.SOL_SOCKET, _socket.SO_LINGER))
        if not isinstance(value, bytes) or len(value) != LINGER.size:
            return 0
        on, seconds = LINGER.unpack(value)
        return max(0, int(seconds)) if on else 0

    async def wait_closed(self) -> None:
        """After a `close`, whoever called it: until the stack has answered. Raises nothing."""
        if self._returning is not None:
            await asyncio.wait({self._returning})

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or self._handle is None or not self._table.alive:
            return
        text = f"unclosed {self!r}"
        self._closed = True
        warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
        self._table.abandon(self._handle)

    def __repr__(self) -> str:
        state = "closed" if self._closed else self._life.state.name.lower()
        peer = f" peer={self._peer}" if self._peer is not None else ""
        return f"<{type(self).__name__} {state} on {self._stack.name}{peer}>"

    # -- for subclasses -----------------------------------------------------------------------

    def _enter(self) -> None:
        """Every call starts here: closed sockets refuse, events may be signalled again."""
        if self._closed:
            raise BadHandle("the socket is closed")
        self._sigio_pending = False

    def _check_flags(self, flags: int) -> None:
        if flags:
            raise NotSupported(_FLAGS)

    async def _reserve(self, deadline: float | None) -> Handle:
        """The handle; opens one when there is none (first use, or after a given-up connect)."""
        if self._broken is not None:
            raise copy.copy(self._broken)
        if self._table.closed:
            raise NetworkDown("the interface is closed")
        if self._handle is not None:
            return self._handle
        if self._reserving is None:
            self._reserving = self._table.spawn(self._open_handle())
        return await self._outcome(self._reserving, deadline)

    async def _open_handle(self) -> Handle:
        try:
            handle = await self._stack.open(self.kind)
            try:
                for (level, name), value in self._options.items():
                    await self._stack.set_option(handle, level, name, value)
                if self._bound is not None:
                    await self._stack.bind(handle, self._bound)
                if self._closed or self._table.closed:
                    raise BadHandle("closed while the socket was being opened")
            except BaseException:
                await self._stack.close(handle)
                raise
            self._adopt(handle)
            return handle
        finally:
            self._reserving = None

    def _adopt(self, handle: Handle) -> None:
        self._handle = handle
        self._table.register(handle, self)
        self._life.happened(SocketEvent.RESERVED)


_BINDABLE: Final = frozenset({SocketState.CLOSED, SocketState.READY})
