"""aiohttp through a network interface: `aiohttp.ClientSession(connector=Connector(net))`.

Names are resolved by the stack through aiohttp's documented resolver; connecting replaces one
private method of its TCPConnector, because a `socket_factory` cannot give a connected socket.
TLS is this package's, with the context and host name of aiohttp. At most as many connections as
the stack has sockets; further requests wait. Errors are aiohttp's: ClientConnectorDNSError,
ClientConnectorError, ClientConnectorCertificateError, ConnectionTimeoutError …
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from netsocket.adapters.extras import missing, most_connections
from netsocket.interface import AsyncNetworkInterface

try:
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult
except ImportError as error:
    raise missing("aiohttp", error) from error


class Resolver(AbstractResolver):
    """Names by the interface's stack."""

    def __init__(self, net: AsyncNetworkInterface) -> None:
        self._net = net

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As aiohttp's own resolvers."""
        found = await self._net.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        return [
            ResolveResult(hostname=host, host=to[0], port=port, family=kind, proto=proto, flags=0)
            for kind, _type, proto, _name, to in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


class Connector(aiohttp.TCPConnector):
    """`Connector(net, …)`; the rest are aiohttp.TCPConnector's arguments."""

    def __init__(self, net: AsyncNetworkInterface, **settings: Any) -> None:
        self._net = net
        most = most_connections(net.capabilities)
        super().__init__(**{"resolver": Resolver(net), "limit": most, **settings})

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: Any, req: Any, timeout: Any, **rest: Any
    ) -> Any:
        failed = rest.get("client_error", aiohttp.ClientConnectorError)
        host, port = addr_infos[0][-1][:2]
        context = rest.get("ssl") or None
        name = rest.get("server_hostname") if context else None
        try:
            async with asyncio.timeout(timeout.sock_connect):
                transport, protocol = await self._net.create_connection(
                    args[0], host, port, ssl=context, server_hostname=name
                )
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        except OSError as error:
            if error.errno is None and isinstance(error, TimeoutError):
                raise
            raise failed(req.connection_key, error) from error
        fingerprint = self._get_fingerprint(req)
        if fingerprint is not None and context is not None:
            try:
                fingerprint.check(transport)
            except BaseException:
                transport.abort()
                raise
        return transport, protocol
