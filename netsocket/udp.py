"""UDPSocket: a blocking datagram socket with the names of Python's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netsocket.blocking import BlockingSocket
from netsocket.datagram import AsyncUDPSocket

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class UDPSocket(BlockingSocket[AsyncUDPSocket]):
    """Datagrams through any stack; see `AsyncUDPSocket` for what each call promises."""

    def sendto(self, data: ReadableBuffer, *arguments: object) -> int:
        """sendto(data, address) or sendto(data, flags, address); returns the length."""
        return self._portal.run(self._async.sendto(data, *arguments))

    def listen(self, backlog: int = 1) -> None:
        """Impossible for datagrams: NotSupported."""
        self._portal.run(self._async.listen(backlog))

    def accept(self) -> tuple[UDPSocket, object]:
        """Impossible for datagrams: NotSupported."""
        socket, peer = self._portal.run(self._async.accept())
        return UDPSocket(self._portal, socket), peer
