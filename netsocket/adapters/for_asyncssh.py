"""asyncssh through a network interface: `asyncssh.connect(host, tunnel=Tunnel(net))`.

asyncssh's `tunnel` takes anything with its `create_connection`. The name goes to the stack;
host keys are checked for the name given to asyncssh.connect, as always. Errors while connecting
are this package's, which are OSError as asyncssh's are; asyncssh's `connect_timeout` holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from netsocket.interface import AsyncNetworkInterface


class Tunnel:
    """What asyncssh's `tunnel` takes; for any number of connections."""

    def __init__(self, net: AsyncNetworkInterface) -> None:
        self._net = net

    async def create_connection(
        self, session_factory: Callable[[], Any], remote_host: str, remote_port: int
    ) -> tuple[asyncio.Transport, Any]:
        """A connection for asyncssh's protocol. Raises OSError."""
        return await self._net.create_connection(session_factory, remote_host, remote_port)
