"""One client of the proxy."""

from __future__ import annotations

import asyncio
import socket as _socket
from typing import TYPE_CHECKING

from netsocket.adapters.passage import ClientGone, Figures, Limits, Passage, Phase
from netsocket.table import log

if TYPE_CHECKING:
    from netsocket.adapters.proxy import Proxy


__all__ = ["ClientGone", "Figures", "Limits", "Phase", "Visit"]


class Visit(Passage):
    """One client's connection to the proxy."""

    def __init__(self, proxy: Proxy, client: _socket.socket, number: int) -> None:
        super().__init__(proxy, client, number)
        self.proxy = proxy

    async def deny(self) -> None:
        """Count a wrong or missing password; takes a while, so that nobody tries many."""
        self.proxy.figures.denied += 1
        log.warning("client %d: user or password are wrong or missing", self.number)
        await asyncio.sleep(self.limits.denied)
