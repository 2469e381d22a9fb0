"""TLSSocket: a blocking TLS stream with the names of `ssl.SSLSocket`."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from netsocket.address import SocketAddress
from netsocket.blocking import BlockingSocket
from netsocket.tcp import TCPSocket
from netsocket.tls import AsyncTLSSocket

T = TypeVar("T")


class TLSSocket(BlockingSocket[AsyncTLSSocket]):
    """A blocking TLS stream; see `AsyncTLSSocket` for what each call promises."""

    @property
    def context(self) -> ssl.SSLContext:
        """The context it was made with."""
        return self._async.context

    @property
    def server_side(self) -> bool:
        """Whether it is the accepting side."""
        return self._async.server_side

    @property
    def server_hostname(self) -> str | None:
        """The name given for the check of the certificate."""
        return self._async.server_hostname

    def listen(self, backlog: int = 1) -> None:
        """Accept connections on the bound port. ValueError unless made with server_side=True."""
        self._portal.run(self._async.listen(backlog))

    def accept(self) -> tuple[TLSSocket, SocketAddress]:
        """The next connection, with the handshake done; see AsyncTLSSocket.accept."""
        socket, peer = self._portal.run(self._async.accept())
        return TLSSocket(self._portal, socket), peer

    def do_handshake(self) -> None:
        """Shake hands over the connected stream; nothing when that was done."""
        self._portal.run(self._async.do_handshake())

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate, as SSLSocket.getpeercert."""
        return self._ask(lambda: self._async.getpeercert(binary_form))

    def version(self) -> str | None:
        """For example "TLSv1.3"; None before the handshake."""
        return self._ask(self._async.version)

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol and secret bits; None before the handshake."""
        return self._ask(self._async.cipher)

    def compression(self) -> str | None:
        """None: nobody compresses any more."""
        return self._ask(self._async.compression)

    def selected_alpn_protocol(self) -> str | None:
        """The protocol both agreed on, if any."""
        return self._ask(self._async.selected_alpn_protocol)

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """As SSLSocket.get_channel_binding."""
        return self._ask(lambda: self._async.get_channel_binding(cb_type))

    def pending(self) -> int:
        """Plain bytes that recv gives without waiting."""
        return self._ask(self._async.pending)

    def unwrap(self) -> TCPSocket:
        """End TLS and give the plain stream back; see AsyncTLSSocket.unwrap."""
        plain = TCPSocket(self._portal, self._portal.run(self._async.unwrap()))
        self._closed = True
        return plain

    def abort(self) -> None:
        """Close at once, without close_notify."""
        self._closed = True
        self._portal.run(self._async.abort())

    def _ask(self, question: Callable[[], T]) -> T:
        """In the loop's thread: OpenSSL's objects must not be used by two threads at once."""

        async def ask() -> T:
            return question()

        return self._portal.run(ask())
