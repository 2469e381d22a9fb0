"""asyncio's Server over a listening socket of any stack: accept, TLS if wanted, a transport."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable
from typing import Final

from netsocket.adapters.ending import end_task
from netsocket.adapters.streams import HANDSHAKE_LIMIT, StreamTransport
from netsocket.address import SocketAddress
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log
from netsocket.tls import AsyncTLSSocket

RETRY: Final = 1.0
"""Seconds between attempts to accept while the stack has no socket free, as in asyncio."""
NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EBUSY})


class ListeningName:
    """What `Server.sockets` offers of the listening socket: its address."""

    def __init__(self, address: SocketAddress) -> None:
        self._address = address
        self.family = address.family

    def getsockname(self) -> SocketAddress:
        """Own address and port."""
        return self._address

    def fileno(self) -> int:
        """Always -1."""
        return -1


async def accept(listener: AsyncTCPSocket) -> tuple[AsyncTCPSocket, SocketAddress]:
    """The next connection, waiting while the stack has no room for it.

    Raises what ended the listener.
    """
    while True:
        try:
            return await listener.accept()
        except ConnectionAbortedError:
            continue
        except OSError as error:
            if listener.closed or error.errno not in NO_ROOM:
                raise
            log.warning("%r cannot accept now: %s", listener, error)
            await asyncio.sleep(RETRY)


class StreamServer(asyncio.AbstractServer):
    """What `asyncio.start_server` returns, over any stack that can listen.

    `close` ends accepting; connections live on. When the listener breaks (the module restarted),
    `error` says why and `serve_forever` raises it; it does not listen again by itself.
    """

    def __init__(
        self,
        listener: AsyncTCPSocket,
        address: SocketAddress,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        started: Callable[[StreamTransport], object],
        *,
        context: ssl.SSLContext | None = None,
        handshake_limit: float | None = None,
    ) -> None:
        self._listener = listener
        self._factory = protocol_factory
        self._started = started
        self._context = context
        self._handshake_limit = HANDSHAKE_LIMIT if handshake_limit is None else handshake_limit
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._welcoming: set[asyncio.Task[None]] = set()
        self.error: OSError | None = None
        self.task = self._loop.create_task(self._serve())

    @property
    def sockets(self) -> tuple[ListeningName, ...]:
        """The listening socket's address, empty when it does not listen any more."""
        return (ListeningName(self._address),) if self.is_serving() else ()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop it belongs to."""
        return self._loop

    def is_serving(self) -> bool:
        """Whether it accepts connections."""
        return not self.task.done() and not self._listener.closed

    async def start_serving(self) -> None:
        """Nothing to do: it serves from the start."""

    async def serve_forever(self) -> None:
        """Wait until it ends. Raises `error`; cancelled, it closes the server."""
        try:
            await asyncio.shield(self.task)
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Accept no more."""
        end_task(self.task)

    async def wait_closed(self) -> None:
        """Wait until the stack took the listening socket back."""
        await asyncio.wait({self.task})

    async def stop(self) -> None:
        """Close, and end handshakes under way."""
        self.close()
        welcoming = list(self._welcoming)
        for task in welcoming:
            end_task(task)
        await asyncio.wait({self.task, *welcoming})

    async def __aenter__(self) -> StreamServer:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.close()
        await self.wait_closed()

    # -- inside -------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            while True:
                socket, _peer = await accept(self._listener)
                task = self._loop.create_task(self._welcome(socket))
                self._welcoming.add(task)
                task.add_done_callback(self._welcoming.discard)
        except OSError as error:
            self.error = error
            log.warning("%r ended: %s", self._listener, error)
        finally:
            await self._listener.close()

    async def _welcome(self, accepted: AsyncTCPSocket) -> None:
        socket: AsyncTCPSocket | AsyncTLSSocket = accepted
        try:
            if self._context is not None:
                socket = AsyncTLSSocket(accepted, self._context, server_side=True)
                socket.settimeout(self._handshake_limit)
                await socket.do_handshake()
            self._started(await StreamTransport.start(socket, self._factory()))
        except OSError as error:
            log.info("%r: %s", socket, error)
            await socket.close()
        except BaseException as error:
            await socket.close(abort=True)
            if not isinstance(error, Exception):
                raise
            self._loop.call_exception_handler(
                {"message": "a protocol failed on an accepted connection", "exception": error}
            )
