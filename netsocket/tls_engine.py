"""The TLS protocol without input or output: bytes in, bytes out, plain text on the other side.

One connection's `ssl.SSLObject` between two memory buffers. Nothing here waits; who owns the
engine moves what `take` gives to the peer and what the peer says to `feed`.

- A stream that ends without the peer's close_notify is an error (SSLEOFError), never an end:
  anybody on the way could have cut it.
- An error is final: it comes again at each further read, whatever OpenSSL would say by then.
- Errors are those of the ssl module, unchanged, with `nsapi` added: AUTH_FAILURE for every failure
  of the handshake, CONNECTION_LOST for a cut stream, DEVICE_ERROR for the rest (Mbed OS
  `TLSSocketWrapper`).
"""

from __future__ import annotations

import contextlib
import copy
import ssl
from typing import Final

from netsocket.errors import Nsapi

RECORD: Final = 16 * 1024
"""Most plain bytes in one TLS record, RFC 8446 section 5.1."""


class TlsEngine:
    """One side of one TLS connection. Raises ValueError when the context wants a host name."""

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, server_hostname: str | None
    ) -> None:
        if context.check_hostname and not server_side and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")  # SSLObject does not ask
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.ready = False
        """The handshake is complete."""
        self.said_goodbye = False
        """Our close_notify was produced; nothing can be written any more."""
        self._plain = bytearray()
        self._error: ssl.SSLError | None = None

    @property
    def failed(self) -> bool:
        """Whether reading ended with an error."""
        return self._error is not None

    def feed(self, data: bytes) -> None:
        """What the peer sent; b"" when its stream ended."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    @property
    def wants_to_send(self) -> bool:
        """Whether `take` has something."""
        return bool(self._outgoing.pending)

    def take(self) -> bytes:
        """What is to be sent to the peer, alerts after a failure included."""
        return self._outgoing.read()

    def rest(self) -> bytes:
        """What came behind the end of the TLS stream."""
        return self._incoming.read()

    def shake(self) -> bool:
        """Go on with the handshake; False = more of the peer is needed. Raises ssl.SSLError."""
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._error = _named(error, Nsapi.AUTH_FAILURE)
            raise
        self.ready = True
        return True

    def pending(self) -> int:
        """Plain bytes that can be read without the peer."""
        return len(self._plain) + self.object.pending()

    def read(self, size: int) -> bytes | None:
        """Plain bytes, b"" after the peer's close_notify, None = more of the peer is needed."""
        if self._plain:
            data = bytes(self._plain[:size])
            del self._plain[:size]
            return data
        if self._error is not None:
            raise copy.copy(self._error)
        try:
            return self.object.read(size)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            cut = isinstance(error, ssl.SSLEOFError)
            self._error = _named(error, Nsapi.CONNECTION_LOST if cut else Nsapi.DEVICE_ERROR)
            raise

    def write(self, data: memoryview) -> int:
        """Encrypt at most one record; returns how many plain bytes it holds."""
        try:
            return self.object.write(data[:RECORD])
        except ssl.SSLWantReadError:
            # Only a TLS 1.2 peer in the middle of a renegotiation gets here.
            refusal = ssl.SSLError(ssl.SSL_ERROR_SSL, "the peer renegotiates; that is refused")
            self._error = _named(refusal, Nsapi.DEVICE_ERROR)
            raise self._error from None
        except ssl.SSLError as error:
            _named(error, Nsapi.DEVICE_ERROR)
            raise

    def goodbye(self) -> None:
        """Produce close_notify. Plain bytes received before it stay readable."""
        if self.said_goodbye or not self.ready:
            return
        self._decrypt_all()  # SSL_shutdown would throw unread records away
        self.said_goodbye = True
        with contextlib.suppress(ssl.SSLError):
            self.object.unwrap()  # wants the peer's close_notify; of a broken stream read tells

    def _decrypt_all(self) -> None:
        found = bytearray(self._plain)
        self._plain.clear()
        try:
            while data := self.read(RECORD):
                found += data
        except ssl.SSLError:
            pass  # kept: raised by the read that comes to it
        self._plain = found


def _named(error: ssl.SSLError, nsapi: Nsapi) -> ssl.SSLError:
    error.nsapi = nsapi  # type: ignore[attr-defined]
    return error
