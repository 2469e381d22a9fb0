"""requests (and urllib3) through a network interface: `session.mount("https://", Adapter(net))`.

The pattern of urllib3's own SOCKS module: an adapter, its pool manager, pools, and a connection
class whose `_new_conn` opens the connection. It gets a real descriptor, so TLS is urllib3's own;
a TLS stream that is cut is an error, also where only the end says that a body is complete. At
most as many connections as the stack has sockets; further requests wait. Errors are urllib3's
(NameResolutionError, ConnectTimeoutError, NewConnectionError …), which requests makes its own.
A proxy, from the environment too, is reached through the interface as well.
"""

from __future__ import annotations

import socket
from typing import Any

from netsocket.adapters.extras import missing, most_connections
from netsocket.blocking_interface import NetworkInterface

try:
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
except ImportError as error:
    raise missing("requests", error) from error


def _open(net: NetworkInterface, to: HTTPConnection) -> socket.socket:
    try:
        made = net.create_connection((to.host, to.port), to.timeout, to.source_address)
        for option in to.socket_options or ():
            if option not in HTTPConnection.default_socket_options:
                made.setsockopt(*option)
    except socket.gaierror as error:
        raise NameResolutionError(to.host, to, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(to, str(error)) from error
    except OSError as error:
        raise NewConnectionError(to, str(error)) from error
    return made


def through(net: NetworkInterface, manager: Any) -> Any:
    """Make a urllib3 PoolManager or ProxyManager connect through the interface; returns it."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _open(net, self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _open(net, self)

        def connect(self) -> None:
            super().connect()
            self.sock.suppress_ragged_eofs = False  # type: ignore[union-attr]

    plain = type("Pool", (HTTPConnectionPool,), {"ConnectionCls": Plain})
    secure = type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": Secure})
    manager.pool_classes_by_scheme = {"http": plain, "https": secure}
    return manager


class Adapter(HTTPAdapter):
    """`Adapter(net, …)`; the rest are requests.adapters.HTTPAdapter's arguments."""

    def __init__(self, net: NetworkInterface, **settings: Any) -> None:
        self._net = net
        most = most_connections(net.capabilities)
        super().__init__(**{"pool_maxsize": most, "pool_block": True, **settings})

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        """As HTTPAdapter's."""
        super().init_poolmanager(*args, **settings)
        through(self._net, self.poolmanager)

    def proxy_manager_for(self, *args: Any, **settings: Any) -> PoolManager:
        """As HTTPAdapter's."""
        manager: PoolManager = through(self._net, super().proxy_manager_for(*args, **settings))
        return manager
