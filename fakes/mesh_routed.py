"""A node's connection through the border router: nothing passes while the node is out of range."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .mesh_node import Node
    from .sockets import Stream

__all__ = ["RoutedStream"]

_RETRIES: Final = 8  # as of `fakes.mesh_tcp.MeshStream`
_FIRST_RETRY: Final = 1.0  # seconds, RFC 6298 section 2


class RoutedStream:
    """A `fakes.endpoints.Stream` over one: the radio decides whether it moves.

    Args:
        node: whose connection it is.
        inner: the socket behind the border router.

    Attributes as of the inner stream, and:
        timed_out: what was sent could not leave for so long that the connection was given up.
    """

    def __init__(self, node: Node, inner: Stream) -> None:
        self.node = node
        self.inner = inner
        self.timed_out = False
        node.routed.add(self)

    @property
    def changed(self) -> Callable[[], None] | None:
        """Called when something has happened."""
        return self.inner.changed

    @changed.setter
    def changed(self, action: Callable[[], None] | None) -> None:
        self.inner.changed = action

    @property
    def reachable(self) -> bool:
        """Whether the router hears the node."""
        return self.node.mesh.router(self.node) is not None

    def stir(self) -> None:
        """The node may be in range again."""
        if self.inner.changed is not None:
            self.inner.changed()

    @property
    def closed(self) -> bool:
        """Closed by the node."""
        return self.inner.closed

    @property
    def local(self) -> tuple[str, int]:
        """Own (address, port) behind the router."""
        return self.inner.local

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's (address, port) behind the router."""
        return self.inner.remote

    @property
    def received(self) -> int:
        """Bytes read."""
        return self.inner.received

    @received.setter
    def received(self, count: int) -> None:
        self.inner.received = count

    @property
    def sent(self) -> int:
        """Bytes accepted."""
        return self.inner.sent

    @sent.setter
    def sent(self, count: int) -> None:
        self.inner.sent = count

    @property
    def ended(self) -> bool:
        """The peer's end has reached the node."""
        return self.timed_out or (self.reachable and self.inner.ended)

    @property
    def reset(self) -> bool:
        """It broke, and the node knows."""
        return self.timed_out or (self.reachable and self.inner.reset)

    @property
    def finished(self) -> bool:
        """The peer ended and nothing is left to read."""
        return self.timed_out or self.closed or (self.reachable and self.inner.finished)

    def unread(self) -> int:
        """Bytes that wait at the node."""
        return self.inner.unread() if self.reachable else 0

    def read(self, limit: int) -> bytes:
        """Up to `limit` bytes now."""
        return self.inner.read(limit) if self.reachable else b""

    async def write(self, data: bytes) -> None:
        """Hand over all of `data`, again and again while there is no way.

        Raises:
            OSError: the connection is gone, or was given up.
        """
        for attempt in range(_RETRIES + 1):
            if self.timed_out or self.closed:
                break
            if self.reachable:
                await self.inner.write(data)
                return
            await asyncio.sleep(_FIRST_RETRY * 2**attempt * self.node.mesh.scale)
        else:
            self.timed_out = True
            action = self.inner.changed
            self.inner.abort()
            if action is not None:
                action()
        raise OSError(errno.ETIMEDOUT, "no way")

    def unacknowledged(self) -> int:
        """Bytes that the peer has not confirmed."""
        return 0 if self.timed_out else self.inner.unacknowledged()

    def unsent(self) -> int:
        """Bytes that the peer had no room for."""
        return self.inner.unsent()

    def shutdown_write(self) -> None:
        """FIN."""
        self.inner.shutdown_write()

    def abort(self) -> None:
        """RST."""
        self.inner.abort()

    def close(self) -> None:
        """End it; harmless when repeated."""
        self.inner.close()
