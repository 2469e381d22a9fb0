"""TLS over any stream of this package, done on the host. The blocking face is `TLSSocket`.

The names are those of `ssl.SSLSocket`. What differs from it:

- `close` says close_notify first (`CLOSE_LIMIT` seconds at most; not in another caller's middle).
- A stream cut without close_notify raises ssl.SSLEOFError (`suppress_ragged_eofs=False`).
- A time-out is for the call as a whole, the connection attempt and the handshake included.
- After a failed handshake the socket is closed. The error is the ssl module's own
  (SSLCertVerificationError, SSLError) with `nsapi` AUTH_FAILURE; see `netsocket.tls_engine`.
- `send` queues at most one record of 16 KiB; a time-out's `unknown` counts plain bytes.
- `shutdown(SHUT_WR)` says close_notify and goes on receiving, over any stack; many peers answer
  by closing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket
import ssl
from typing import TYPE_CHECKING, Final, Self

from netsocket.address import SocketAddress
from netsocket.core import as_bytes
from netsocket.errors import (
    AlreadyConnected,
    BadHandle,
    BrokenPipe,
    InProgress,
    NotConnected,
    WouldBlock,
)
from netsocket.reading import StreamReads
from netsocket.stream import AsyncTCPSocket
from netsocket.tls_engine import TlsEngine
from netsocket.tls_face import TlsFace
from netsocket.waiting import NOW, take_turn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

TICKETS: Final = 0.5
"""Seconds that close waits for the session tickets of a server that nothing was read from."""
CLOSE_LIMIT: Final = 5.0
"""Seconds that close gives to close_notify and what was queued before it."""
ALERT_LIMIT: Final = 1.0
"""Seconds that the alert gets which tells the peer why a handshake failed."""
HANDSHAKE_LIMIT: Final = 60.0
"""Seconds that a client gets to shake hands in an accept without a time-out, as in asyncio."""
READ_SIZE: Final = 64 * 1024


class TLSWantRead(WouldBlock, ssl.SSLWantReadError):
    """Non-blocking: bytes of the peer are needed first."""


class TLSWantWrite(WouldBlock, ssl.SSLWantWriteError):
    """Non-blocking: the stack must take queued bytes first."""


class AsyncTLSSocket(StreamReads, TlsFace):
    """A TLS stream for one event loop, over an AsyncTCPSocket which it owns.

    `context` defaults to `ssl.create_default_context()`, `server_hostname` to the host given to
    connect; it is used for SNI and for the check of the certificate.
    """

    def __init__(
        self,
        socket: AsyncTCPSocket,
        context: ssl.SSLContext | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        do_handshake_on_connect: bool = True,
    ) -> None:
        if server_side and (context is None or server_hostname is not None):
            raise ValueError("server_side needs a context, and no server_hostname")
        self._socket = socket
        self.context = context or ssl.create_default_context()
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.do_handshake_on_connect = do_handshake_on_connect
        self._engine: TlsEngine | None = None
        self._timeout = socket.timeout
        self._closed = False
        self._read_shut = False
        self._out = bytearray()
        self._in_doubt = False
        self._has_read = False
        self._answering: asyncio.Task[None] | None = None
        self._receiving = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._flushing = asyncio.Lock()

    # -- connecting ---------------------------------------------------------------------------

    async def connect(self, address: object) -> None:
        """Connect and shake hands within one time-out.

        Raises what AsyncTCPSocket.connect raises (the socket can be used again then), and
        ssl.SSLError, ssl.SSLCertVerificationError or OSError of the handshake (it is closed then).
        """
        target = SocketAddress.coerce(address)
        self._enter()
        if self._engine is not None and self._engine.ready:
            raise AlreadyConnected("the TLS connection is established")
        deadline = self._deadline()
        if self.server_hostname is None and not self.server_side:
            self._engine = self._made(target.host.removesuffix(".") or None)
        else:
            self._engine = self._made(self.server_hostname)
        try:
            await self._within(deadline).connect(target)
        except InProgress:
            raise
        except BaseException:
            self._engine = None
            raise
        if self.do_handshake_on_connect:
            await self._shake(self._engine, deadline)

    async def connect_ex(self, address: object) -> int:
        """As connect, but returns 0 or an errno; failures of the handshake are raised."""
        try:
            await self.connect(address)
        except (ssl.SSLError, _socket.gaierror):
            raise
        except OSError as error:
            return error.errno or 0
        return 0

    def prepare(self) -> None:
        """Make the TLS state now. Raises ValueError when the context wants a host name."""
        if self._engine is None:
            self._engine = self._made(self.server_hostname)

    async def do_handshake(self) -> None:
        """Shake hands over the connected stream; nothing when that was done.

        In non-blocking mode TLSWantRead or TLSWantWrite: call it again. After any other failure
        the socket is closed.
        """
        self._enter()
        self.prepare()
        assert self._engine is not None
        await self._shake(self._engine, self._deadline())

    def _made(self, hostname: str | None) -> TlsEngine:
        return TlsEngine(self.context, server_side=self.server_side, server_hostname=hostname)

    async def _shake(self, engine: TlsEngine, deadline: float | None) -> None:
        try:
            await self._take(self._receiving, deadline)
            try:
                while not engine.ready and not engine.shake():
                    await self._flush(deadline)
                    engine.feed(await self._fill(deadline))
                await self._flush(deadline)
            finally:
                self._receiving.release()
        except WouldBlock:
            raise
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                await self._flush(asyncio.get_running_loop().time() + ALERT_LIMIT)
            await self._end()
            raise
        except BaseException:
            await self._end(abort=True)
            raise

    async def _end(self, *, abort: bool = False) -> None:
        self._closed = True
        await self._socket.close(abort=abort)

    # -- listening ----------------------------------------------------------------------------

    async def listen(self, backlog: int = 1) -> None:
        """Accept connections on the bound port. ValueError unless made with server_side=True."""
        self._enter()
        if not self.server_side:
            raise ValueError("a TLS socket listens with server_side=True and a certificate")
        await self._within(self._deadline()).listen(backlog)

    async def accept(self) -> tuple[AsyncTLSSocket, SocketAddress]:
        """The next connection, with the handshake done, and its peer; as ssl.SSLSocket.accept.

        One time-out for both; without one a client gets HANDSHAKE_LIMIT seconds to shake hands.
        Raises ssl.SSLError, OSError of a handshake that failed (that connection is closed; the
        listener goes on), CallTimeout, WouldBlock, NotSupported. Nothing else is accepted during
        a handshake: with do_handshake_on_connect=False, and for a non-blocking listener, the new
        socket's own `do_handshake` does it.
        """
        self._enter()
        deadline = self._deadline()
        taken, peer = await self._within(deadline).accept()
        made = AsyncTLSSocket(
            taken,
            self.context,
            server_side=True,
            do_handshake_on_connect=self.do_handshake_on_connect,
        )
        made.prepare()
        if self.do_handshake_on_connect and deadline != NOW:
            limit = HANDSHAKE_LIMIT
            if deadline is not None:
                limit = max(deadline - asyncio.get_running_loop().time(), 1e-6)
            made.settimeout(limit)
            await made.do_handshake()
            made.settimeout(None)
        return made, peer

    # -- sending ------------------------------------------------------------------------------

    async def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        """Encrypt and send at most one record; returns the plain bytes taken.

        After a time-out or cancellation the error's `unknown` bytes are in the stream and leave
        with the next call. Raises CallTimeout, TLSWantWrite, NotConnected, BrokenPipe,
        ConnectionReset, SendUnknown, ssl.SSLError.
        """
        view = as_bytes(data)
        self._socket._check_flags(flags)
        engine = self._writer()
        deadline = self._deadline()
        await self._take(self._sending, deadline)
        try:
            return await self._send_some(engine, view, deadline)
        finally:
            self._sending.release()

    async def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        """Send everything within one time-out; errors carry `accepted` and `unknown`."""
        view = as_bytes(data)
        self._socket._check_flags(flags)
        engine = self._writer()
        deadline = self._deadline()
        await self._take(self._sending, deadline)
        done = 0
        try:
            while done < len(view):
                done += await self._send_some(engine, view[done:], deadline)
        except BaseException as error:
            error.accepted = done  # type: ignore[attr-defined]
            raise
        finally:
            self._sending.release()

    async def _send_some(self, engine: TlsEngine, view: memoryview, deadline: float | None) -> int:
        queued = 0
        try:
            await self._flush(deadline)
            if engine.said_goodbye:
                raise BrokenPipe("the sending side was shut down")
            if len(view):
                queued = engine.write(view)
                await self._flush(deadline)
        except BaseException as error:
            if queued and isinstance(error, WouldBlock):
                return queued  # the rest of the record leaves with the next call
            error.accepted, error.unknown = 0, queued  # type: ignore[attr-defined]
            raise
        return queued

    async def _flush(self, deadline: float | None) -> None:
        await self._take(self._flushing, deadline)
        try:
            await self._drain(deadline)
        except WouldBlock as error:
            raise TLSWantWrite(error.reason) from None
        finally:
            self._flushing.release()

    async def _drain(self, deadline: float | None) -> None:
        """Give the stack everything the engine wants sent, each byte once.

        A call that was left in the middle of a transaction does not know what the stack took; the
        next one asks for the outcome before it goes on.
        """
        while True:
            if self._in_doubt:
                accepted = await self._within(deadline).settle()
                self._in_doubt = False
                del self._out[:accepted]
            if self._engine is not None:
                self._out += self._engine.take()
            if not self._out:
                return
            self._in_doubt = True
            sent = await self._within(deadline).send(bytes(self._out[: self._socket.frame]))
            self._in_doubt = False
            del self._out[:sent]

    # -- receiving ----------------------------------------------------------------------------

    async def recv(self, size: int, flags: int = 0) -> bytes:
        """1..size bytes; b"" after the peer's close_notify, for ever.

        Raises CallTimeout, TLSWantRead, NotConnected, ConnectionReset; ssl.SSLEOFError for a
        stream without close_notify and ssl.SSLError, both again at each further call.
        """
        if size < 0:
            raise ValueError("negative buffersize in recv")
        self._socket._check_flags(flags)
        engine = self._ready()
        if size == 0:
            return b""
        deadline = self._deadline()
        await self._take(self._receiving, deadline)
        try:
            while not self._read_shut:
                data = engine.read(min(size, READ_SIZE))
                if data is not None:
                    return data
                self._answer(engine)
                received = await self._fill(deadline)
                self._has_read = True
                if not self._read_shut:
                    engine.feed(received)
            return b""
        finally:
            self._receiving.release()

    def _answer(self, engine: TlsEngine) -> None:
        """Send what the protocol answers to what was read, and what an earlier call left.

        In the background: a peer that first wants to be read must not stop our reading.
        """
        if (self._out or engine.wants_to_send) and not self._flushing.locked():
            self._answering = self._socket._table.spawn(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        with contextlib.suppress(OSError):  # the next send tells
            await self._flush(NOW if self._timeout == 0.0 else None)

    async def _fill(self, deadline: float | None) -> bytes:
        try:
            return await self._within(deadline).recv(READ_SIZE)
        except WouldBlock as error:
            raise TLSWantRead(error.reason) from None

    # -- ending -------------------------------------------------------------------------------

    async def shutdown(self, how: int) -> None:
        """SHUT_WR says close_notify, SHUT_RD ends receiving here, SHUT_RDWR also the connection."""
        if how not in (_socket.SHUT_RD, _socket.SHUT_WR, _socket.SHUT_RDWR):
            raise ValueError("how must be SHUT_RD, SHUT_WR or SHUT_RDWR")
        engine = self._ready()
        deadline = self._deadline()
        if how != _socket.SHUT_RD:
            await self._say_goodbye(engine, deadline)
        if how != _socket.SHUT_WR:
            self._read_shut = True
            await self._within(deadline).shutdown(how)

    async def _say_goodbye(self, engine: TlsEngine, deadline: float | None) -> None:
        await self._take(self._sending, deadline)
        try:
            engine.goodbye()
            await self._flush(deadline)
        finally:
            self._sending.release()

    async def unwrap(self) -> AsyncTCPSocket:
        """End TLS and give the plain stream back, which starts right behind the peer's end.

        Says close_notify and waits for the peer's. Raises ssl.SSLError when the peer sent data
        that was not read: receive until b"" first.
        """
        engine = self._ready()
        deadline = self._deadline()
        await self._say_goodbye(engine, deadline)
        await self._take(self._receiving, deadline)
        try:
            while (data := engine.read(1)) is None:
                engine.feed(await self._fill(deadline))
        finally:
            self._receiving.release()
        if data:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "unread data of the peer before its close_notify")
        self._closed = True
        self._socket.put_back(engine.rest())
        self._socket.settimeout(self._timeout)
        return self._socket

    async def close(self, *, abort: bool = False) -> None:
        """Say close_notify, then close; wakes every blocked caller with EBADF. Idempotent.

        With another caller in the middle of a send, or `abort`, there is no close_notify: the peer
        must learn that something is missing.
        """
        if self._closed:
            return
        self._closed = True
        engine = self._engine
        try:
            if engine is not None and engine.ready and not (abort or engine.failed):
                await self._part(engine)
        finally:
            await self._socket.close(abort=abort)

    async def _part(self, engine: TlsEngine) -> None:
        if self._answering is not None:
            await asyncio.wait({self._answering}, timeout=CLOSE_LIMIT)
        if self._flushing.locked():
            return
        waits = self._timeout != 0.0
        engine.goodbye()
        with contextlib.suppress(OSError):
            end = asyncio.get_running_loop().time() + CLOSE_LIMIT
            await self._drain(end if waits else NOW)
        if not self._has_read:
            # Session tickets of a TLS 1.3 server. Unread, or on their way to a closed connection,
            # they make the stack reset it, and the peer loses what it has not read yet.
            waits = waits and not self.server_side and self.version() == "TLSv1.3"
            end = asyncio.get_running_loop().time() + TICKETS
            with contextlib.suppress(OSError):
                await self._within(end if waits else NOW).recv(READ_SIZE)

    async def abort(self) -> None:
        """Close at once, without close_notify."""
        await self.close(abort=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.version() or "no handshake yet"
        return f"<{type(self).__name__} {state} over {self._socket!r}>"

    # -- inside -------------------------------------------------------------------------------

    def _enter(self) -> None:
        if self._closed:
            raise BadHandle("the socket is closed")

    def _ready(self) -> TlsEngine:
        self._enter()
        if self._engine is None or not self._engine.ready:
            raise NotConnected("the TLS handshake has not been done")
        return self._engine

    def _writer(self) -> TlsEngine:
        engine = self._ready()
        if engine.said_goodbye:
            raise BrokenPipe("the sending side was shut down")
        return engine

    def _deadline(self) -> float | None:
        if self._timeout is None:
            return None
        return asyncio.get_running_loop().time() + self._timeout if self._timeout else NOW

    def _within(self, deadline: float | None) -> AsyncTCPSocket:
        """The stream below, allowed what is left of this call's time.

        It reads its time-out when a call begins, so that both directions can share it.
        """
        if deadline is None:
            self._socket.settimeout(None)
        elif deadline == NOW:
            self._socket.settimeout(0.0)
        else:
            left = deadline - asyncio.get_running_loop().time()
            self._socket.settimeout(max(left, 1e-6))
        return self._socket

    async def _take(self, turn: asyncio.Lock, deadline: float | None) -> None:
        """One caller at a time. Raises WouldBlock, CallTimeout, BadHandle."""
        await take_turn(turn, deadline)
        if self._closed:
            turn.release()
            raise BadHandle("the socket was closed during the call")
