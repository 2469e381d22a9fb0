"""websockets through a network interface: `async with await connect(net, uri) as connection: …`.

websockets' own `sock=`, with a real descriptor: TLS, keep-alive and flow control are its own, and
no proxy of the environment is used. The name goes to the stack. `open_timeout` (10 s unless
given) limits connecting and, once more, the opening handshake. Errors while connecting are this
package's, which are OSError as websockets' are; TimeoutError for a time-out.
"""

from __future__ import annotations

from typing import Any

from netsocket.adapters.extras import missing
from netsocket.blocking_interface import NetworkInterface
from netsocket.interface import AsyncNetworkInterface

try:
    from websockets.asyncio import client as asynchronous
    from websockets.sync import client as synchronous
    from websockets.uri import parse_uri
except ImportError as error:
    raise missing("websockets", error) from error

OPEN_TIMEOUT = 10.0
"""Seconds, as in websockets."""


async def connect(
    net: AsyncNetworkInterface, uri: str, **settings: Any
) -> asynchronous.ClientConnection:
    """As websockets.asyncio.client.connect, for one connection."""
    to, limit = parse_uri(uri), settings.get("open_timeout", OPEN_TIMEOUT)
    made = await net.create_socket((to.host, to.port), timeout=limit)
    try:
        opening = asynchronous.connect(uri, sock=made, **settings)
    except BaseException:
        made.close()
        raise
    connection: asynchronous.ClientConnection = await opening
    return connection


def connect_blocking(
    net: NetworkInterface, uri: str, **settings: Any
) -> synchronous.ClientConnection:
    """As websockets.sync.client.connect."""
    to, limit = parse_uri(uri), settings.get("open_timeout", OPEN_TIMEOUT)
    made = net.create_connection((to.host, to.port), limit)
    try:
        connection: synchronous.ClientConnection = synchronous.connect(uri, sock=made, **settings)
        return connection
    except BaseException:
        made.close()
        raise
