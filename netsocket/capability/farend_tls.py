"""The far end's TLS services, the TLS twins of the plan and some that a client must refuse.

They use `ssl` themselves and nothing of this package's TLS: what is under test must not judge
itself. A connection's `received` and `sent` count plain bytes; its `ended` is "eof" after the
peer's close_notify, "cut" for a stream that ended without one, "refused" when there was no
handshake.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from netsocket.capability import certificates

if TYPE_CHECKING:
    from netsocket.capability.farend_services import Connection, Line

TLS_SERVICES: Final = (
    "tls_echo", "tls_discard", "tls_daytime", "tls_cut", "tls_mutual",
    "tls_wrong_host", "tls_expired", "tls_unknown_ca",
)  # fmt: skip
"""Echo, discard and daytime; daytime without close_notify; echo for those who show a certificate;
echo under three certificates that do not prove anything."""
_CERTIFICATES: Final = {
    "tls_wrong_host": "wrong-host", "tls_expired": "expired", "tls_unknown_ca": "unknown-ca",
}  # fmt: skip

Grant = Callable[[str, int], None]
"""Told the peer's address and the plain bytes before they are sent; may raise."""


class Secured:
    """TLS over one accepted connection."""

    def __init__(self, line: Line, context: ssl.SSLContext) -> None:
        self._line = line
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        """Raises ssl.SSLError; the alert that tells the peer is sent."""
        try:
            while True:
                try:
                    self._tls.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    await self._flush()
                    await self._fill()
        finally:
            await self._flush()

    async def recv(self) -> bytes:
        """Plain bytes, b"" after close_notify. Raises ssl.SSLEOFError for a cut stream."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()

    async def sendall(self, data: bytes) -> None:
        """Encrypt and send everything."""
        while data:
            data = data[self._tls.write(data) :]
            await self._flush()

    async def close_notify(self) -> None:
        """Say that nothing more comes; the peer's answer is not waited for."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()

    async def _fill(self) -> None:
        data = await self._line.recv(65536)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await self._line.sendall(data)


def service(name: str, grant: Grant, daytime: bytes) -> Callable[..., Awaitable[None]]:
    """The coroutine function `serve(connection, line)` of a service in TLS_SERVICES."""
    context = certificates.serving(_CERTIFICATES.get(name, "good"), demand=name == "tls_mutual")

    async def serve(connection: Connection, line: Line) -> None:
        peer = Secured(line, context)
        try:
            await peer.handshake()
        except ssl.SSLError:
            connection.ended = "refused"
            return
        if name in ("tls_daytime", "tls_cut"):
            grant(connection.peer[0], len(daytime))
            await peer.sendall(daytime)
            connection.sent += len(daytime)
            connection.ended = "closed"
            if name == "tls_daytime":
                await peer.close_notify()
            return
        try:
            while data := await peer.recv():
                connection.received += data
                if name != "tls_discard":
                    grant(connection.peer[0], len(data))
                    await peer.sendall(data)
                    connection.sent += len(data)
        except ssl.SSLError:
            connection.ended = "cut"
            return
        connection.ended = "eof"
        await peer.close_notify()

    return serve
