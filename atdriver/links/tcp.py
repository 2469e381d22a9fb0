"""A serial port behind a TCP socket (ser2net and the like), with plain asyncio."""

from __future__ import annotations

import asyncio
import os

from atdriver.errors import PortLost, PortMissing
from atdriver.link import Receiver
from atdriver.links import network

OPEN_TIMEOUT = 10.0


class TcpLink(asyncio.Protocol):
    """`tcp://host:port`. The connection is neither encrypted nor authenticated: keep it local, or
    inside a tunnel."""

    has_rate = False

    def __init__(self, host: str, port: int) -> None:
        self.name = f"tcp://{host}:{port}"
        self._address = (host, port)
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._closing = False

    async def open(self, receiver: Receiver) -> None:
        """Connect. Raises PortMissing when nothing answers there."""
        network.warn(self.name, self._address[0])
        loop = asyncio.get_running_loop()
        self._receiver = receiver
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                transport, _ = await loop.create_connection(lambda: self, *self._address)
        except OSError as error:
            self._receiver = None
            text = error.strerror or str(error) or "no answer"
            if (error.errno or 0) > 0:  # asyncio has words of its own
                text = os.strerror(error.errno or 0)
            raise PortMissing(f"{self.name}: {text}") from error
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """From the transport."""
        if self._receiver is not None:
            self._receiver.data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """From the transport."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            why = exc or "closed by the other side"
            receiver.link_lost(None if self._closing else PortLost(f"{self.name}: {why}"))

    def write(self, data: bytes) -> None:
        """Queue bytes."""
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    @property
    def backlog(self) -> int:
        """Bytes that wait until the port takes them."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def set_rate(self, baud: int) -> None:
        """The far side keeps its own rate."""

    async def close(self) -> None:
        """Close the connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
            await asyncio.sleep(0)
