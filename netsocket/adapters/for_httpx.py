"""httpx through a network interface: `httpx.Client(transport=Transport(net), trust_env=False)`.

`trust_env=False` because httpx sends around its transport where HTTP_PROXY or ALL_PROXY is set.
httpx offers no place for a network backend, so its transport's pool is replaced here by one of
httpcore that has it (`for_httpcore`). The pool holds as many connections as the stack has
sockets; further requests wait for one, within httpx's `pool` time-out. Errors are httpx's.
"""

from __future__ import annotations

from typing import Any

from netsocket.adapters.extras import missing, most_connections
from netsocket.adapters.for_httpcore import Backend
from netsocket.adapters.for_httpcore_async import AsyncBackend
from netsocket.blocking_interface import NetworkInterface
from netsocket.interface import AsyncNetworkInterface

try:
    import httpcore
    import httpx
except ImportError as error:
    raise missing("httpx", error) from error


def _settings(net: NetworkInterface | AsyncNetworkInterface, given: dict[str, Any]) -> Any:
    verify, cert = given.pop("verify", True), given.pop("cert", None)
    given.setdefault("max_connections", most_connections(net.capabilities))
    given.setdefault("keepalive_expiry", 5.0)
    return {"ssl_context": httpx.create_ssl_context(verify, cert), **given}


class Transport(httpx.HTTPTransport):
    """`Transport(net, verify=…, cert=…, …)`; the rest are arguments of httpcore.ConnectionPool."""

    def __init__(self, net: NetworkInterface, **settings: Any) -> None:
        self._pool = httpcore.ConnectionPool(
            network_backend=Backend(net), **_settings(net, settings)
        )


class AsyncTransport(httpx.AsyncHTTPTransport):
    """The same for httpx.AsyncClient, in the interface's loop."""

    def __init__(self, net: AsyncNetworkInterface, **settings: Any) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=AsyncBackend(net), **_settings(net, settings)
        )
