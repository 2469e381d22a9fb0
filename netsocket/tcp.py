"""TCPSocket: a blocking stream socket with the names of Python's own."""

from __future__ import annotations

from netsocket.address import SocketAddress
from netsocket.blocking import BlockingSocket
from netsocket.stream import AsyncTCPSocket


class TCPSocket(BlockingSocket[AsyncTCPSocket]):
    """A stream through any stack; see `AsyncTCPSocket` for what each call promises.

    It tells the stack's truth: `send` returns when the stack accepted the bytes. There is no file
    descriptor; use the interface's `create_connection` where a program needs one.
    """

    def listen(self, backlog: int = 1) -> None:
        """Accept connections on the bound port. Raises NotSupported."""
        self._portal.run(self._async.listen(backlog))

    def accept(self) -> tuple[TCPSocket, SocketAddress]:
        """Wait for a connection: the new socket and the peer's address."""
        socket, peer = self._portal.run(self._async.accept())
        return TCPSocket(self._portal, socket), peer

    def settle(self) -> int:
        """Wait for the outcome of a send that timed out; returns the bytes it accepted."""
        return self._portal.run(self._async.settle())

    def abort(self) -> None:
        """Close at once; where the stack can, the peer sees a reset."""
        self._closed = True
        self._portal.run(self._async.abort())
