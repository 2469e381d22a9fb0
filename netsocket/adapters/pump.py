"""Two directions between a stream of the kernel and a stream of the stack, nothing kept in between.

Each direction hands a piece on before it takes the next: a side that does not read stops the other
side's writer, and memory stays constant. How a conversation ends differs by what the kernel's
stream is, and is a subclass's: `DescriptorPump` (a socket pair), `ClientPump` (a TCP client).
"""

from __future__ import annotations

import asyncio
import socket as _socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from netsocket.core import READ_LIMIT
from netsocket.errors import ConnectionReset
from netsocket.stream import AsyncTCPSocket


@dataclass(slots=True)
class Meter:
    """Bytes passed on; several pumps may share one."""

    up: int = 0
    """Accepted by the stack."""
    down: int = 0
    """Of those the peers sent, taken by the kernel."""


class UserReset(ConnectionReset):
    """The kernel's side was reset by the program that holds its other end."""


class Pump(ABC):
    """Moves bytes until both directions ended; owns the AsyncTCPSocket. `own` is non-blocking."""

    RESET_IS_CLOSE: ClassVar[bool] = False
    """Whether ECONNRESET of the kernel's stream only means that the user closed it."""

    def __init__(
        self,
        socket: AsyncTCPSocket,
        own: _socket.socket,
        first: bytes = b"",
        meter: Meter | None = None,
    ) -> None:
        self._socket = socket
        socket.settimeout(None)
        self._own = own
        self._first = first
        self._delivering = False
        self._sending = False
        self.said = asyncio.get_running_loop().time()
        """When the user last said something."""
        self.heard = asyncio.get_running_loop().time()
        """When the stack's peer last said something."""
        self.meter = meter or Meter()
        self.error: OSError | None = None
        """Why it ended, None for an orderly end."""

    @property
    def silent(self) -> float:
        """Seconds since anything passed, either way; 0 while something does."""
        if self._sending or self._delivering:
            return 0.0
        return asyncio.get_running_loop().time() - max(self.said, self.heard)

    async def run(self) -> None:
        """Until the end; the stack's socket is closed then and `error` says why."""
        outward = asyncio.create_task(self._outward())
        inward = asyncio.create_task(self._inward())
        error: OSError | None = ConnectionReset("the interface was closed")
        try:
            error = await self._steer(outward, inward)
        finally:
            for task in (outward, inward):
                task.cancel()
            interrupted = False
            try:
                await asyncio.gather(outward, inward, return_exceptions=True)
            except asyncio.CancelledError:  # meanwhile: the rest is done nevertheless
                interrupted = True
            self.error = error
            self._ended()
            await self._close()
            if interrupted:
                raise asyncio.CancelledError

    @abstractmethod
    async def _steer(
        self, outward: asyncio.Task[None], inward: asyncio.Task[None]
    ) -> OSError | None:
        """Wait for the end; None = orderly."""

    @abstractmethod
    def _ended(self) -> None:
        """Both directions have stopped; `error` is known, the stack's socket still open."""

    async def _close(self) -> None:
        """Give the stack its socket back."""
        await self._socket.close(abort=self.error is not None)

    async def _outward(self) -> None:
        """User to stack, until the user closes or shuts down his sending side."""
        loop = asyncio.get_running_loop()
        if self._first:
            await self._send(self._first)
            self._first = b""
        while True:
            try:
                data = await loop.sock_recv(self._own, self._socket.frame)
            except OSError as error:
                if self.RESET_IS_CLOSE and isinstance(error, ConnectionResetError):
                    return  # he closed without reading everything; all he sent was read before
                raise UserReset("the client's connection broke") from None
            if not data:
                return
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        self._sending = True
        try:
            await self._socket.sendall(data)
            self.meter.up += len(data)
        except OSError as error:
            self.meter.up += getattr(error, "accepted", 0)
            raise
        finally:
            self._sending = False
            self.said = asyncio.get_running_loop().time()

    async def _inward(self) -> None:
        """Stack to user, until the peer's orderly end; a user who is gone ends it too."""
        loop = asyncio.get_running_loop()
        while True:
            data = await self._socket.recv(READ_LIMIT)
            try:
                if not data:
                    self._own.shutdown(_socket.SHUT_WR)
                    return
                self._delivering = True
                await loop.sock_sendall(self._own, data)
            except OSError:
                return
            finally:
                self._delivering = False
                self.heard = loop.time()
            self.meter.down += len(data)


def failure_of(task: asyncio.Task[None]) -> OSError | None:
    """What ended one direction; None while it runs or when it ended in order."""
    if not task.done() or task.cancelled():
        return None
    error = task.exception()
    if error is not None and not isinstance(error, OSError):
        raise error
    return error
