"""asyncio's streams over a StreamTransport, and TLS from the middle of a connection.

The readers and writers are asyncio's own. Their event loop is the running one, except that
`StreamWriter.start_tls` finds a `start_tls` that takes a StreamTransport: uvloop's takes only
transports of uvloop, and asyncio's does not tell a cut TLS stream from its end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from netsocket.adapters.streams import StreamTransport
from netsocket.stream import AsyncTCPSocket
from netsocket.tls import AsyncTLSSocket

DEFAULT_LIMIT: Final = 64 * 1024
"""Default limit of a StreamReader in bytes, as in asyncio."""


async def start_tls(
    transport: StreamTransport,
    protocol: asyncio.BaseProtocol,
    sslcontext: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    first: bytes = b"",
) -> StreamTransport:
    """As asyncio's loop.start_tls, for a StreamTransport and on every event loop; see there.

    It returns the same transport, encrypted. `first` are bytes of the peer that `protocol` has got
    and that belong to TLS. `ssl_shutdown_timeout` is accepted and not used: the end of TLS has its
    own limit (`netsocket.tls`).
    """
    del ssl_shutdown_timeout
    if not isinstance(transport, StreamTransport):
        raise TypeError(f"start_tls takes a StreamTransport, not {type(transport).__name__}")
    if not isinstance(sslcontext, ssl.SSLContext):
        raise TypeError(f"sslcontext is expected to be an ssl.SSLContext, not {sslcontext!r}")
    transport.set_protocol(protocol)
    await transport.start_tls(
        sslcontext,
        server_side=server_side,
        server_hostname=server_hostname,
        handshake_limit=ssl_handshake_timeout,
        first=first,
    )
    return transport


class StreamLoop:
    """The running event loop, with the `start_tls` of this file."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def start_tls(
        self, transport: StreamTransport, *arguments: Any, **options: Any
    ) -> StreamTransport:
        """What the peer said behind its last plain word, and nobody has read, is TLS already."""
        first = _unread(self._reader)  # which may make the transport go on reading
        transport.pause_reading()
        try:
            return await start_tls(transport, *arguments, first=first, **options)
        finally:
            transport.resume_reading()


def _unread(reader: asyncio.StreamReader) -> bytes:
    """Take what a reader holds; b"" when a read would have to wait."""
    found = b""
    while not reader.at_eof():
        reading = reader.read(DEFAULT_LIMIT)
        try:
            reading.send(None)
        except StopIteration as done:
            found += done.value
        else:
            reading.close()
            break
    return found


def stream_protocol(
    limit: int = DEFAULT_LIMIT,
    connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any] | None = None,
) -> tuple[asyncio.StreamReader, asyncio.StreamReaderProtocol, asyncio.AbstractEventLoop]:
    """asyncio's own reader and protocol over a StreamTransport, and their loop for a writer."""
    reader = asyncio.StreamReader(limit=limit, loop=asyncio.get_running_loop())
    loop = cast("asyncio.AbstractEventLoop", StreamLoop(reader))
    return reader, asyncio.StreamReaderProtocol(reader, connected, loop=loop), loop


async def open_streams(
    socket: AsyncTCPSocket | AsyncTLSSocket, limit: int = DEFAULT_LIMIT
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The pair that asyncio.open_connection returns, over a connected socket."""
    reader, protocol, loop = stream_protocol(limit)
    transport = await StreamTransport.start(socket, protocol)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
