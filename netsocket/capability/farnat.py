"""ForwardedFarEnd: services of this computer, for a stack that knows it by another name.

Between them is something that translates addresses, as a router at home does: the stack reaches
loopback at `host` and `host_6`, and is reached at the forwarded `ports` of loopback alone.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from netsocket.capability.farend import FarEnd


class ForwardedFarEnd(FarEnd):
    """The services on loopback, called `host` (and `host_6`) by the stack under test."""

    translated = True

    def __init__(self, host: str, host_6: str, ports: Sequence[int], *, name: str) -> None:
        super().__init__(name=name)
        self.host = host
        self.called_6 = host_6
        self._ports = itertools.cycle(ports) if ports else None

    def free_port(self) -> int:
        """One of those that are forwarded, each in its turn."""
        return super().free_port() if self._ports is None else next(self._ports)

    async def dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a listener of the module, whatever address that has behind the translation."""
        del host
        return await asyncio.open_connection(self._bound, port)
