"""What a TLS socket tells and passes on: the questions of `ssl.SSLSocket`, and the stream below."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

from netsocket.address import SocketAddress
from netsocket.errors import NotConnected
from netsocket.stream import AsyncTCPSocket
from netsocket.tls_engine import RECORD, TlsEngine


class TlsFace:
    """Base of AsyncTLSSocket: everything that neither encrypts nor waits for the peer."""

    type = socket.SOCK_STREAM
    proto = 0
    _socket: AsyncTCPSocket
    _engine: TlsEngine | None
    _timeout: float | None
    _closed: bool

    # -- attributes, as ssl.SSLSocket ---------------------------------------------------------

    @property
    def family(self) -> socket.AddressFamily:
        """AF_INET or AF_INET6."""
        return self._socket.family

    @property
    def timeout(self) -> float | None:
        """Seconds a call may take; None = for ever, 0.0 = non-blocking."""
        return self._timeout

    @property
    def closed(self) -> bool:
        """True after close, unwrap and a failed handshake."""
        return self._closed

    @property
    def frame(self) -> int:
        """Plain bytes of one record, at most."""
        return RECORD

    @property
    def stirred(self) -> bool:
        """As AsyncTCPSocket.stirred."""
        return self.pending() > 0 or self._socket.stirred

    @property
    def can_half_close(self) -> bool:
        """False, as with asyncio's TLS transports: most peers answer close_notify by closing."""
        return False

    def fileno(self) -> int:
        """Always -1: there is no descriptor behind this object."""
        return -1

    def settimeout(self, value: float | None) -> None:
        """Seconds for each call as a whole; 0 = non-blocking, None = for ever. ValueError."""
        self._socket.settimeout(value)
        self._timeout = self._socket.timeout

    def gettimeout(self) -> float | None:
        """The time-out in seconds."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """True = settimeout(None), False = settimeout(0)."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """False in non-blocking mode only."""
        return self._timeout != 0.0

    @property
    def ssl_object(self) -> ssl.SSLObject:
        """The ssl module's object. Raises NotConnected before connect."""
        if self._engine is None:
            raise NotConnected("there is no TLS connection yet")
        return self._engine.object

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate, as SSLSocket.getpeercert."""
        return self.ssl_object.getpeercert(binary_form)

    def version(self) -> str | None:
        """For example "TLSv1.3"; None before the handshake."""
        return self._engine.object.version() if self._engine else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol and secret bits; None before the handshake."""
        return self._engine.object.cipher() if self._engine else None

    def compression(self) -> str | None:
        """None: nobody compresses any more."""
        return self._engine.object.compression() if self._engine else None

    def selected_alpn_protocol(self) -> str | None:
        """The protocol both agreed on, if any."""
        return self._engine.object.selected_alpn_protocol() if self._engine else None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """As SSLSocket.get_channel_binding."""
        return self.ssl_object.get_channel_binding(cb_type)

    def pending(self) -> int:
        """Plain bytes that recv gives without waiting."""
        return self._engine.pending() if self._engine else 0

    # -- the stream below ---------------------------------------------------------------------

    async def bind(self, address: object) -> None:
        """Fix the local port."""
        await self._socket.bind(address)

    async def getsockname(self) -> SocketAddress:
        """Own address."""
        return await self._socket.getsockname()

    async def getpeername(self) -> SocketAddress:
        """The peer. Raises NotConnected."""
        return await self._socket.getpeername()

    async def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option of the stream below."""
        await self._socket.setsockopt(level, name, value)

    async def getsockopt(self, level: int, name: int) -> int:
        """An option of the stream below."""
        return await self._socket.getsockopt(level, name)

    def sigio(self, callback: Callable[[], object] | None) -> None:
        """As AsyncSocket.sigio; read until WouldBlock before waiting for the next call."""
        self._socket.sigio(callback)

    async def open(self) -> None:
        """Reserve the stack's socket now."""
        await self._socket.open()
