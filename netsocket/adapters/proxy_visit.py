"""One client of the proxy."""

from __future__ import annotations

import asyncio
import socket as _socket
from typing import TYPE_CHECKING, Final

from netsocket.adapters.lease import Lease
from netsocket.adapters.passage import ClientGone, Figures, Limits, Passage, Phase
from netsocket.address import SocketAddress
from netsocket.errors import ConnectTimeout
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

if TYPE_CHECKING:
    from netsocket.adapters.proxy import Proxy


__all__ = ["ClientGone", "Figures", "Limits", "Phase", "Visit"]

LEAST: Final = 0.1
"""Seconds that an attempt gets, however little of `limits.connect` is left."""


class Visit(Passage):
    """One client's connection to the proxy."""

    def __init__(self, proxy: Proxy, client: _socket.socket, number: int) -> None:
        super().__init__(proxy, client, number)
        self.proxy = proxy

    async def reach(self, lease: Lease[AsyncTCPSocket], address: SocketAddress) -> AsyncTCPSocket:
        """As Passage.reach, at an address that was judged. Raises DestinationRefused."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.limits.connect
        await lease.net.wait_attached(self.limits.connect)
        try:
            async with asyncio.timeout_at(deadline):
                targets = await self.proxy.destinations.find(lease.net, address)
        except TimeoutError:
            raise ConnectTimeout("the name was not resolved in time") from None
        for left in range(len(targets), 1, -1):
            lease.socket.settimeout(max((deadline - loop.time()) / left, LEAST))
            try:
                await lease.socket.connect(targets[-left])
            except OSError as error:
                log.debug("client %d: one address fails: %s", self.number, type(error).__name__)
            else:
                lease.socket.settimeout(None)
                return lease.socket
        return await lease.connect(targets[-1], timeout=max(deadline - loop.time(), LEAST))

    async def deny(self) -> None:
        """Count a wrong or missing password; takes a while, so that nobody tries many."""
        self.proxy.figures.denied += 1
        log.warning("client %d: user or password are wrong or missing", self.number)
        await asyncio.sleep(self.limits.denied)
