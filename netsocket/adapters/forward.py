"""A port of this computer that leads to one address beyond the module, as `ssh -L`.

    async with Pool.of(net) as pool, Forward(pool, ("example.org", 80)) as forward:
        address = await forward.listen("127.0.0.1", 8080)

A client has its connection before the module has: what it says meanwhile waits in the kernel. When
the module cannot connect, or has no socket free in time, the client's connection is reset. A name
is resolved by the module.
"""

from __future__ import annotations

import asyncio
import socket as _socket

from netsocket.adapters.client import gone, reset
from netsocket.adapters.front import Front
from netsocket.adapters.passage import Limits, Passage
from netsocket.adapters.pool import Pool
from netsocket.address import SocketAddress


class Forward(Front[Passage]):
    """See the module's docstring."""

    def __init__(self, pool: Pool, target: object, *, limits: Limits | None = None) -> None:
        super().__init__(pool, limits)
        self.target = SocketAddress.coerce(target)

    def _welcome(self, client: _socket.socket, number: int) -> Passage:
        return _Unasked(self, client, number)

    async def _turn_away(self, client: _socket.socket) -> None:
        await reset(client, 0.0)  # an end of file would look like the peer's

    async def _answer(self, visit: Passage) -> bool:
        try:
            async with visit.leased(visit.stream()) as lease:
                socket = await visit.connect(lease, self.target)
                await visit.pump(socket, b"")
                return True
        except OSError as error:
            if not visit.served:
                visit.failed(error)
                return False
            raise


class _Unasked(Passage):
    """A client that nobody asks anything."""

    async def _watch(self, scope: asyncio.Timeout) -> None:
        """It may say all it has to say and close before the module has connected: that is sent."""
        await gone(self.client)
        if not self._has_spoken():
            await super()._watch(scope)

    def _has_spoken(self) -> bool:
        try:
            return bool(self.client.recv(1, _socket.MSG_PEEK))
        except OSError:
            return False
