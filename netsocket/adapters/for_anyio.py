"""anyio on asyncio through a network interface: `connect_tcp(net, host, port, tls=…)`.

It gives a ByteStream, or anyio's own TLSStream over one. The name goes to the stack. Errors are
anyio's: ConnectionFailed, EndOfStream, BrokenResourceError, ClosedResourceError,
BusyResourceError; the error of this package is their `__cause__`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from socket import SHUT_WR, gaierror
from typing import Any

from netsocket.adapters.extras import missing, raising
from netsocket.address import SocketAddress
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket

try:
    import anyio
    from anyio.abc import ByteStream, SocketAttribute
    from anyio.streams.tls import TLSStream
except ImportError as error:
    raise missing("anyio", error) from error


ERRORS = (anyio.BrokenResourceError, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Stream(ByteStream):
    """A connection; make it with `connect_tcp`."""

    def __init__(self, socket: AsyncTCPSocket, own: SocketAddress, peer: SocketAddress) -> None:
        self._socket, self._own, self._peer = socket, own, peer
        self._receiving = anyio.ResourceGuard("reading from")
        self._sending = anyio.ResourceGuard("writing to")

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """As anyio's ByteStream.receive."""
        await anyio.lowlevel.checkpoint()
        with self._receiving, raising(*ERRORS):
            data = await self._socket.recv(max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        """Return when the stack has accepted all of it."""
        await anyio.lowlevel.checkpoint()
        with self._sending, raising(*ERRORS):
            await self._socket.sendall(item)

    async def send_eof(self) -> None:
        """Half-close; NotImplementedError where the stack cannot, as TLSStream has it."""
        if not self._socket.can_half_close:
            raise NotImplementedError("this stack cannot close one direction only")
        with self._sending, raising(*ERRORS):
            await self._socket.shutdown(SHUT_WR)

    async def aclose(self) -> None:
        """Give the stack its socket back, also in a cancelled scope."""
        await self._socket.close()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """Family and addresses; there is no raw socket."""
        return {
            SocketAttribute.family: lambda: self._socket.family,
            SocketAttribute.local_address: lambda: self._own,
            SocketAttribute.local_port: lambda: self._own.port,
            SocketAttribute.remote_address: lambda: self._peer,
            SocketAttribute.remote_port: lambda: self._peer.port,
        }


async def connect_tcp(
    net: AsyncNetworkInterface, host: str, port: int, *, tls: bool = False, **settings: Any
) -> ByteStream:
    """As anyio.connect_tcp; with `tls` the settings are those of TLSStream.wrap.

    Raises anyio.ConnectionFailed, socket.gaierror for a name, ssl.SSLError of the handshake.
    """
    try:
        socket = await net.connect((host, port))
    except gaierror:
        raise
    except OSError as error:
        raise anyio.ConnectionFailed(*error.args) from error
    try:
        stream = Stream(socket, await socket.getsockname(), await socket.getpeername())
        return await TLSStream.wrap(stream, **{"hostname": host, **settings}) if tls else stream
    except BaseException:
        await socket.close()
        raise
