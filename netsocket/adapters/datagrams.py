"""asyncio's DatagramTransport over an AsyncUDPSocket.

Datagrams wait here, in order, until the stack accepted them; `pause_writing` tells when they pile
up. A datagram that the stack refuses is `error_received`; a broken socket is `connection_lost`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from netsocket.address import SocketAddress
from netsocket.datagram import MAX_DATAGRAM, AsyncUDPSocket
from netsocket.lifecycle import SocketState

HIGH_WATER: Final = 64 * 1024
"""Bytes waiting at which the protocol is asked to pause, as in asyncio."""
PAUSE: Final = 0.01
"""Seconds between receptions that fail, so that a lasting error does not spin."""


class DatagramTransport(asyncio.DatagramTransport):
    """A transport over a datagram socket; create it with `start`."""

    def __init__(
        self,
        socket: AsyncUDPSocket,
        protocol: asyncio.DatagramProtocol,
        peer: SocketAddress | None,
        extra: dict[str, Any],
    ) -> None:
        super().__init__(extra)
        self._socket = socket
        self._protocol = protocol
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[bytes, SocketAddress | None]] = deque()
        self._size = 0
        self._filled = asyncio.Event()
        self._paused = False
        self._closing = False
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._ending: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.on_end: Callable[[], object] = lambda: None

    @classmethod
    async def start(
        cls,
        socket: AsyncUDPSocket,
        protocol: asyncio.DatagramProtocol,
        peer: SocketAddress | None,
    ) -> DatagramTransport:
        """Take over a socket; `connection_made` has been called on return."""
        socket.settimeout(None)
        extra: dict[str, Any] = {"socket": None, "peername": peer, "sockname": None}
        with contextlib.suppress(OSError):
            extra["sockname"] = await socket.getsockname()
        transport = cls(socket, protocol, peer, extra)
        protocol.connection_made(transport)
        loop = transport._loop
        transport._tasks = [
            loop.create_task(transport._pull()),
            loop.create_task(transport._push()),
        ]
        return transport

    def sendto(self, data: bytes | bytearray | memoryview, addr: Any = None) -> None:
        """Queue one datagram; dropped after close. ValueError for a stranger's address."""
        target = None if addr is None else SocketAddress.coerce(addr)
        if self._peer is not None:
            if target not in (None, self._peer):
                raise ValueError(f"Invalid address: must be None or {self._peer}")
            target = None
        if self._closing:
            return
        self._queue.append((bytes(data), target))
        self._size += len(data)
        self._filled.set()
        if self._size > self._high and not self._paused:
            self._paused = True
            self._tell(self._protocol.pause_writing)

    def get_write_buffer_size(self) -> int:
        """Bytes waiting here."""
        return self._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Water marks in bytes."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Deliver to another protocol from now on."""
        assert isinstance(protocol, asyncio.DatagramProtocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The current protocol."""
        return self._protocol

    def is_closing(self) -> bool:
        """True after close, abort or a failure."""
        return self._closing

    def close(self) -> None:
        """Send what waits, then close."""
        self._closing = True
        self._filled.set()

    def abort(self) -> None:
        """Close at once, dropping what waits."""
        self._end(None)

    async def stop(self, error: OSError, grace: float) -> None:
        """End now with `error`; one that was closed before gets `grace` seconds to flush."""
        if self._closing and self._ending is None and self._tasks:
            await asyncio.wait({self._tasks[1]}, timeout=grace)
        self._end(error)
        if self._ending is not None:
            await asyncio.wait({self._ending})

    # -- inside -------------------------------------------------------------------------------

    async def _pull(self) -> None:
        while True:
            try:
                data, sender = await self._socket.recvfrom(MAX_DATAGRAM)
            except OSError as error:
                if self._refused(error):
                    await asyncio.sleep(PAUSE)
                    continue
                return
            self._tell(self._protocol.datagram_received, data, sender)

    async def _push(self) -> None:
        while True:
            while self._queue:
                data, target = self._queue[0]
                try:
                    if target is None:
                        await self._socket.send(data)
                    else:
                        await self._socket.sendto(data, target)
                except OSError as error:
                    if not self._refused(error):
                        return
                self._queue.popleft()
                self._size -= len(data)
                if self._paused and self._size <= self._low:
                    self._paused = False
                    self._tell(self._protocol.resume_writing)
            if self._closing:
                break
            self._filled.clear()
            await self._filled.wait()
        self._end(None)

    def _refused(self, error: OSError) -> bool:
        """Tell the protocol; False when the socket is broken and the transport ends."""
        if self._socket.closed or self._socket.state is SocketState.BROKEN:
            self._end(error)
            return False
        self._tell(self._protocol.error_received, error)
        return True

    def _end(self, error: Exception | None) -> None:
        self._closing = True
        if self._ending is None:
            self._ending = self._loop.create_task(self._finish(error))

    async def _finish(self, error: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()
        self._queue.clear()
        self._size = 0
        try:
            await self._socket.close()
        finally:
            self.on_end()
            self._tell(self._protocol.connection_lost, error)

    def _tell(self, method: Callable[..., object], *arguments: object) -> None:
        try:
            method(*arguments)
        except Exception as error:
            self._loop.call_exception_handler(
                {
                    "message": "a datagram protocol failed",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )

    def __repr__(self) -> str:
        return f"<DatagramTransport over {self._socket!r}>"
