"""The four ways to receive, from one: into a buffer of the caller's, with an address."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from netsocket.address import SocketAddress

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def writable(buffer: WriteableBuffer, nbytes: int, call: str) -> memoryview:
    """The part of a caller's buffer that may be filled; nbytes 0 = all of it.

    Raises ValueError for a negative count and for more than the buffer holds, TypeError for a
    buffer that cannot be written.
    """
    view = memoryview(buffer).cast("B")
    if view.readonly:
        raise TypeError(f"{call}() argument 1 must be read-write bytes-like object")
    if nbytes < 0:
        raise ValueError(f"negative buffersize in {call}")
    if nbytes > len(view):
        raise ValueError("buffer too small for requested bytes")
    return view[:nbytes] if nbytes else view


class StreamReads(abc.ABC):
    """What `recv` of a stream gives, under its other names."""

    @abc.abstractmethod
    async def recv(self, size: int, flags: int = 0) -> bytes:
        """Bytes of the stream."""

    async def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        """As recv, into a writable buffer; nbytes 0 = its whole length. Returns the count."""
        view = writable(buffer, nbytes, "recv_into")
        data = await self.recv(len(view), flags)
        view[: len(data)] = data
        return len(data)

    async def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, SocketAddress | None]:
        """As recv; the address is None, as with CPython's stream sockets."""
        return await self.recv(size, flags), None

    async def recvfrom_into(
        self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, SocketAddress | None]:
        """As recv_into; the address is None."""
        return await self.recv_into(buffer, nbytes, flags), None
