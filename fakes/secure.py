"""TLS as a client inside a module: a `Stream` over a real connection, with ssl's own state.

What the module's TLS checks is up to the context; what it tells the host is up to the module.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable

from .endpoints import TcpSocket
from .sockets import Stream

__all__ = ["SecureStream", "client_context"]

_PIECE = 4096  # bytes taken from the connection at once


def client_context(*, verify: bool) -> ssl.SSLContext:
    """A module's TLS client: TLS 1.2 at most, no authority of its own, no check of the name.

    Args:
        verify: the certificate must be of a known authority; there is none, so nobody's is.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class SecureStream:
    """The plain side of a TLS connection.

    Args:
        raw: the connection; it belongs to this object from now on.
        context: see `client_context`.
        name: server name to indicate, "" for none.
        window: plain bytes kept for the host; then the connection is not read on.

    Attributes:
        orderly: the peer said close_notify.
    """

    def __init__(self, raw: Stream, context: ssl.SSLContext, name: str, window: int) -> None:
        self.raw = raw
        self.window = window
        self.orderly = False
        self.changed: Callable[[], None] | None = None
        self.received = 0
        self.sent = 0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)
        self._plain = bytearray()
        self._over = False
        self._news = asyncio.Event()
        self._ready = False
        raw.changed = self._raw_changed

    async def handshake(self) -> None:
        """Raises ssl.SSLError, OSError."""
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                if not self._take_in():
                    if self.raw.ended:
                        raise ConnectionResetError("the peer left in the handshake") from None
                    self._news.clear()
                    await self._news.wait()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # the alert
                raise
        await self._flush()
        self._ready = True

    # ---- what a Stream has -------------------------------------------------------------

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's address and port."""
        return self.raw.remote

    @property
    def local(self) -> tuple[str, int]:
        """Own address and port."""
        return self.raw.local

    @property
    def closed(self) -> bool:
        """Closed by the module."""
        return self.raw.closed

    @property
    def ended(self) -> bool:
        """The peer ended; plain bytes may still be unread."""
        return self._over or self.raw.ended

    @property
    def reset(self) -> bool:
        """The connection broke."""
        return self.raw.reset

    @property
    def finished(self) -> bool:
        """The peer ended and nothing is left to read."""
        self._decrypt()
        return self.closed or (self.ended and not self._plain and (self._over or self.raw.finished))

    def unread(self) -> int:
        """Plain bytes that wait."""
        self._decrypt()
        return min(len(self._plain), self.window)

    def read(self, limit: int) -> bytes:
        """Up to `limit` plain bytes now."""
        self._decrypt()
        data = bytes(self._plain[:limit])
        del self._plain[:limit]
        self.received += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Encrypt and hand over all of `data`. Raises OSError (ssl.SSLError is one)."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
            await self._flush()
        self.sent += len(data)

    def unacknowledged(self) -> int:
        """Bytes of records that the peer has not confirmed."""
        return self.raw.unacknowledged()

    def unsent(self) -> int:
        """Bytes of records that the peer had no room for."""
        return self.raw.unsent()

    def shutdown_write(self) -> None:
        """close_notify and FIN."""
        self._say_goodbye()
        self.raw.shutdown_write()

    def close(self) -> None:
        """close_notify, then close."""
        self._say_goodbye()
        self.changed = None
        self.raw.close()

    def abort(self) -> None:
        """Close with RST."""
        self.changed = None
        self.raw.abort()

    # ---- inside ------------------------------------------------------------------------

    def _raw_changed(self) -> None:
        self._news.set()
        if self._ready:
            self._decrypt()
            if self.changed is not None:
                self.changed()

    def _take_in(self) -> bool:
        data = self.raw.read(_PIECE)
        if data:
            self._incoming.write(data)
        return bool(data)

    def _decrypt(self) -> None:
        while self._ready and not self._over and len(self._plain) < self.window:
            try:
                data = self._tls.read(self.window - len(self._plain))
                self._plain += data
                self._over = self.orderly = not data  # b"": close_notify
            except ssl.SSLWantReadError:
                if not self._take_in():
                    return
            except ssl.SSLError:
                self._over = True

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await self.raw.write(data)

    def _say_goodbye(self) -> None:
        if self._ready and not self.closed and isinstance(self.raw, TcpSocket):
            with contextlib.suppress(OSError):
                self._tls.unwrap()  # wants the peer's answer, which nobody waits for
            with contextlib.suppress(OSError):
                self.raw.sock.send(self._outgoing.read())
