"""Lease: one socket of a pool's member, for one client."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Generic, Self, TypeVar

from netsocket.adapters.member import Life
from netsocket.datagram import AsyncUDPSocket
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

S = TypeVar("S", AsyncTCPSocket, AsyncUDPSocket)


class Lease(Generic[S]):
    """One socket of one member. Close it, then `release`, or use `async with`.

    Attributes: `net`, the member's interface; `member`, its name; `socket`, reserved in the stack.
    Made by `Pool.lease`; `give_back()` closes the socket and frees its slot, `drop()` has that done
    from any thread and tells whether there was anything to do.
    """

    def __init__(
        self,
        life: Life,
        socket: S,
        give_back: Callable[[], asyncio.Task[None]],
        drop: Callable[[], bool],
    ) -> None:
        self.net: AsyncNetworkInterface = life.net
        self.member: str = life.member.name
        self.socket: S = socket
        self._give_back = give_back
        self._drop = drop
        self._returning: asyncio.Task[None] | None = None

    async def connect(
        self: Lease[AsyncTCPSocket], address: object, *, timeout: float | None = None
    ) -> AsyncTCPSocket:
        """Connect the leased socket, as `AsyncNetworkInterface.connect`; one that failed is closed,
        and the lease of no more use."""
        return await self.net.connect(address, timeout=timeout, socket=self.socket)

    def release(self) -> Awaitable[None]:
        """Close the socket and give the slot back, also when nobody awaits the result, which comes
        when the next client can have it. Idempotent."""
        if self._returning is None:
            self._returning = self._give_back()
        return asyncio.shield(self._returning)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.release()

    def __del__(self) -> None:
        if getattr(self, "_returning", self) is None and self._drop():
            warnings.warn(f"unreleased {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<Lease of {self.member}: {self.socket!r}>"
