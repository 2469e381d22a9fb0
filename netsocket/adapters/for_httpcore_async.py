"""httpcore on asyncio: `AsyncConnectionPool(network_backend=AsyncBackend(net))`.

As `for_httpcore`, for an AsyncNetworkInterface and in its loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from netsocket.adapters.extras import missing, raising
from netsocket.interface import AsyncNetworkInterface
from netsocket.stream import AsyncTCPSocket
from netsocket.tls import AsyncTLSSocket

try:
    import httpcore
except ImportError as error:
    raise missing("httpx", error) from error


class AsyncStream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, net: AsyncNetworkInterface, socket: AsyncTCPSocket | AsyncTLSSocket) -> None:
        self._net, self._socket = net, socket

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """1..max_bytes bytes, b"" at the orderly end."""
        with raising(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(timeout)
            return await self._socket.recv(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Return when the stack has accepted all of it."""
        with raising(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.settimeout(timeout)
            await self._socket.sendall(buffer)

    async def aclose(self) -> None:
        """Give the stack its socket back."""
        await self._socket.close()

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The same connection with TLS; a failed handshake closes it."""
        with raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._socket.settimeout(timeout)
            plain: Any = self._socket
            tls = await self._net.wrap_socket(plain, ssl_context, server_hostname=server_hostname)
            return AsyncStream(self._net, tls)

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `is_readable` (what httpcore asks of an idle connection), else None."""
        asked = {"ssl_object": "ssl_object", "is_readable": "stirred"}.get(info, "")
        return getattr(self._socket, asked, None)


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """What httpcore's `network_backend` takes."""

    def __init__(self, net: AsyncNetworkInterface) -> None:
        self._net = net

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect within `timeout` seconds, the name included; options as `setsockopt` has them."""
        with raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            source = None if local_address is None else (local_address, 0)
            socket = self._net.tcp_socket()
            for option in socket_options or ():
                await socket.setsockopt(*option)
            target = (host, port)
            await self._net.connect(target, timeout=timeout, source_address=source, socket=socket)
            return AsyncStream(self._net, socket)

    async def sleep(self, seconds: float) -> None:
        """The pause before a retry."""
        await asyncio.sleep(seconds)
