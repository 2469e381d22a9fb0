"""aiomqtt through a network interface: `async with Client(net, "broker") as client: …`.

aiomqtt's client, entered over a connection that was opened in the loop instead of in one of its
threads; it gets a real descriptor. The name goes to the stack. Errors are aiomqtt's MqttError;
aiomqtt's `timeout` limits connecting, too. Cancelled while entering, it leaves no connection.
"""

from __future__ import annotations

import socket
from typing import Any, Self

from netsocket.adapters.extras import missing
from netsocket.interface import AsyncNetworkInterface

try:
    import aiomqtt
except ImportError as error:
    raise missing("mqtt", error) from error


class Client(aiomqtt.Client):
    """`Client(net, …)`; the rest are aiomqtt.Client's arguments."""

    def __init__(self, net: AsyncNetworkInterface, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._net = net

    async def __aenter__(self) -> Self:
        """Connect to the broker. Raises aiomqtt.MqttError."""
        try:
            made = await self._net.create_socket((self._hostname, self._port), timeout=self.timeout)
        except OSError as error:
            raise aiomqtt.MqttError(str(error)) from error
        waiting = [made]
        with made.dup() as handle:
            self._client._create_socket_connection = waiting.pop  # type: ignore[method-assign]
            try:
                return await super().__aenter__()
            except BaseException:
                handle.shutdown(socket.SHUT_RDWR)  # paho has the other copy, maybe in a thread
                for untaken in waiting:
                    untaken.close()
                raise
