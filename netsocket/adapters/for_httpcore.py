"""httpcore, blocking, through a network interface: `ConnectionPool(network_backend=Backend(net))`.

httpcore's documented extension point. Names go to the stack, TLS is made on the host with the
context that httpcore was given, and each time-out is for the call as a whole. Errors are
httpcore's: ConnectTimeout, ConnectError, ReadTimeout, ReadError, WriteTimeout, WriteError; the
error of this package is their `__cause__`. TLS inside TLS (an https proxy) is a TypeError.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netsocket.adapters.extras import missing, raising
from netsocket.blocking_interface import NetworkInterface
from netsocket.tcp import TCPSocket
from netsocket.tlssocket import TLSSocket

try:
    import httpcore
except ImportError as error:
    raise missing("httpx", error) from error


class Stream(httpcore.NetworkStream):
    """One connection."""

    def __init__(self, net: NetworkInterface, socket: TCPSocket | TLSSocket) -> None:
        self._net, self._socket = net, socket

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """1..max_bytes bytes, b"" at the orderly end."""
        with raising(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(timeout)
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Return when the stack has accepted all of it."""
        with raising(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.settimeout(timeout)
            self._socket.sendall(buffer)

    def close(self) -> None:
        """Give the stack its socket back."""
        self._socket.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection with TLS; a failed handshake closes it."""
        with raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            self._socket.settimeout(timeout)
            plain: Any = self._socket
            tls = self._net.wrap_socket(plain, ssl_context, server_hostname=server_hostname)
            return Stream(self._net, tls)

    def get_extra_info(self, info: str) -> Any:
        """`ssl_object`, `is_readable` (what httpcore asks of an idle connection), else None."""
        asked = {"ssl_object": "ssl_object", "is_readable": "stirred"}.get(info, "")
        return getattr(self._socket._async, asked, None)


class Backend(httpcore.NetworkBackend):
    """What httpcore's `network_backend` takes."""

    def __init__(self, net: NetworkInterface) -> None:
        self._net = net

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within `timeout` seconds, the name included; options as `setsockopt` has them."""
        with raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            source = None if local_address is None else (local_address, 0)
            socket = self._net.tcp_socket()
            for option in socket_options or ():
                socket.setsockopt(*option)
            made = self._net._async.connect(
                (host, port), timeout=timeout, source_address=source, socket=socket._async
            )
            self._net._portal.run(made)
            return Stream(self._net, socket)
