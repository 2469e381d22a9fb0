"""paho-mqtt through a network interface: `Client(net, CallbackAPIVersion.VERSION2, …)`.

paho's client with the one method replaced that opens its connection; it gets a real descriptor,
so paho's threads, its select loop and its TLS (`tls_set_context`) are its own. The name goes to
the stack. `connect` raises this package's errors, which are OSError as paho's are, within paho's
`connect_timeout`. After a failed TLS handshake the connection is closed, which paho leaves to
the garbage collector.
"""

from __future__ import annotations

import socket
from typing import Any

from netsocket.adapters.extras import missing
from netsocket.blocking_interface import NetworkInterface

try:
    import paho.mqtt.client as mqtt
except ImportError as error:
    raise missing("mqtt", error) from error


class Client(mqtt.Client):
    """`Client(net, …)`; the rest are paho.mqtt.client.Client's arguments."""

    def __init__(self, net: NetworkInterface, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._net = net

    def _create_socket_connection(self) -> socket.socket:
        bound = self._bind_address or self._bind_port
        return self._net.create_connection(
            (self._host, self._port),
            self._connect_timeout,
            (self._bind_address, self._bind_port) if bound else None,
        )

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> Any:
        with tcp_sock.dup() as handle:
            try:
                return super()._ssl_wrap_socket(tcp_sock)
            except BaseException:
                handle.shutdown(socket.SHUT_RDWR)
                raise
