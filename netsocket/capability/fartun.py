"""TunFarEnd: the far end's services on the kernel's end of a TUN device.

A stack that is joined to the kernel by nothing but packets meets the kernel's own sockets there:
an end that somebody else has written. It answers questions for names, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from netsocket.capability.farend import FarEnd
from netsocket.capability.gate import Gate
from netsocket.capability.nameserver import NameServer


class _Names(asyncio.DatagramProtocol):
    """The name server's socket."""

    def __init__(self, names: NameServer) -> None:
        self._names = names
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From asyncio."""
        reply = self._names.answer(data)
        if reply is not None:
            self.transport.sendto(reply, addr)


class TunFarEnd(FarEnd):
    """The services at `host`; `prepare` brings that address about, `release` gives it back."""

    def __init__(
        self,
        host: str,
        host_6: str,
        prepare: Callable[[], Awaitable[object]],
        release: Callable[[], object],
    ) -> None:
        super().__init__(
            host, name="far.example", unknown_name="nosuch.example", gate=Gate(everybody=True)
        )
        self.host_6 = host_6
        self._prepare = prepare
        self._release = release
        several = frozenset({host, "192.0.2.1", "192.0.2.2"})
        self.several = ("several.example", several)
        names = {self.name: [host], "several.example": sorted(several)}
        self._names = _Names(NameServer(names))
        self._prepared = False

    async def _start(self) -> None:
        await self._prepare()
        self._prepared = True
        await super()._start()
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._names, (self.host, 53))

    async def __aexit__(self, *exc: object) -> None:
        if self._names.transport is not None:
            self._names.transport.close()
        await super().__aexit__(*exc)
        if self._prepared:
            self._prepared = False
            self._release()
