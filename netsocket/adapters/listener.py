"""A real listening descriptor: select, socketserver and http.server can use it.

The user holds one end of an AF_UNIX socket pair that keeps packet boundaries. For each connection
the stack accepted, a packet with the peer's address and the descriptor of a pumped stream (see
`netsocket.adapters.descriptor`) is put into it. So the descriptor is readable exactly when
`accept` has something to give, and nothing outside this process can reach it.

At most `backlog` connections are taken from the stack before the user took them; each occupies one
of the stack's sockets. Those still untaken when the listener ends are reset.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket as _socket
import socketserver
import ssl
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from netsocket.adapters.descriptor import DescriptorPump
from netsocket.adapters.ending import end_task
from netsocket.adapters.server import accept
from netsocket.address import SocketAddress
from netsocket.errors import BadHandle, InvalidArgument
from netsocket.stream import AsyncTCPSocket
from netsocket.table import log

S = TypeVar("S", bound=socketserver.TCPServer)

MAX_BACKLOG: Final = 16
_PACKET: Final = 1024
_FD: Final = struct.Struct("i")
_RETRY: Final = 0.02
"""Seconds between attempts to hand over while the pair is full."""


class ListeningSocket(_socket.socket):
    """What `create_server` returns: listen and accept with the names of Python's own socket.

    `accept` gives a plain `socket.socket` and the peer's address. `family`, `type` and
    `getsockname` are those of the listener, not of the pair. With `context` accept gives an
    `ssl.SSLSocket` that shakes hands at its first use (or `do_handshake`), in its user's own
    thread and time-out: a client that says nothing keeps nobody else waiting.
    SSLContext.wrap_socket takes what accept gives, not this.
    """

    _address = SocketAddress()
    context: ssl.SSLContext | None = None
    """Serve TLS with this."""
    on_close: Callable[[], object] | None = None
    """Called once, after close."""

    @classmethod
    def over(cls, end: _socket.socket, address: SocketAddress) -> ListeningSocket:
        """Take over the user's end of the pair."""
        made = cls(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, end.detach())
        made._address = address
        return made

    @property
    def family(self) -> _socket.AddressFamily:
        """AF_INET6 for an IPv6 listener, AF_INET otherwise."""
        return _socket.AF_INET6 if ":" in self._address.host else _socket.AF_INET

    @property
    def type(self) -> _socket.SocketKind:
        """SOCK_STREAM."""
        return _socket.SOCK_STREAM

    def getsockname(self) -> SocketAddress:
        """Own address, equal to a tuple (host, port)."""
        return self._address

    def bind(self, _address: object) -> None:
        """It is bound already: InvalidArgument."""
        raise InvalidArgument("the socket already has a local address")

    def listen(self, _backlog: int = 0) -> None:
        """Nothing: it listens already, with the backlog given to create_server."""

    def accept(self) -> tuple[_socket.socket, Any]:
        """The next connection and its peer's address, within the time-out.

        Raises what ended the listener (NetworkDown, ModuleRestarted as their errno), then EBADF.
        """
        text, ancillary, _flags, _sender = self.recvmsg(
            _PACKET, _socket.CMSG_SPACE(_FD.size), _socket.MSG_CMSG_CLOEXEC
        )
        numbers = [_FD.unpack(data[: _FD.size])[0] for _level, _type, data in ancillary]
        if not numbers:
            if text:
                raise OSError(*json.loads(text))
            raise BadHandle("the listener ended")
        with contextlib.suppress(OSError):
            self.send(b"\0", _socket.MSG_DONTWAIT)
        connection = _socket.socket(fileno=numbers[0])
        connection.settimeout(_socket.getdefaulttimeout())
        if self.context is not None:
            connection = self.context.wrap_socket(
                connection,
                server_side=True,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            )
        return connection, SocketAddress(*json.loads(text))

    def server(self, server_class: Callable[..., S], handler: Any) -> S:
        """A socketserver server (TCPServer, HTTPServer, WSGIServer …) that accepts from here.

        Closing the server closes this socket.
        """
        server = server_class(self._address, handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self
        server.server_address = self._address
        server.server_name, server.server_port = self._address  # type: ignore[attr-defined]
        prepare = getattr(server, "setup_environ", None)  # wsgiref does this while binding
        if prepare is not None:
            prepare()
        return server

    def close(self) -> None:
        """Close; from a blocking interface it returns when the port is free again. Idempotent."""
        super().close()
        ended, self.on_close = self.on_close, None
        if ended is not None:
            ended()


class ListenerPump:
    """Moves accepted connections into the pair; owns the listening AsyncTCPSocket."""

    def __init__(
        self,
        listener: AsyncTCPSocket,
        address: SocketAddress,
        backlog: int,
        pump: Callable[[AsyncTCPSocket], DescriptorPump],
    ) -> None:
        user, self._own = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._own.setblocking(False)
        self._listener = listener
        self._pump = pump
        self._room = asyncio.Semaphore(min(max(backlog, 1), MAX_BACKLOG))
        self._untaken: deque[tuple[DescriptorPump, _socket.socket]] = deque()
        self._user: ListeningSocket | None = ListeningSocket.over(user, address)
        self._stop = asyncio.Event()  # no cancel: it would cut the ending short, too
        self.task = asyncio.get_running_loop().create_task(self._run())

    def take(self) -> ListeningSocket:
        """The user's end, once; nothing here refers to it afterwards."""
        user, self._user = self._user, None
        assert user is not None, "the user's end was already taken"
        return user

    async def stop(self) -> None:
        """End now; the stack has its socket back on return."""
        self._stop.set()
        await asyncio.wait({self.task})

    async def _run(self) -> None:
        accepting = asyncio.create_task(self._accept())
        watching = asyncio.create_task(self._watch())
        stopping = asyncio.create_task(self._stop.wait())
        tasks = (accepting, watching, stopping)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            failure = accepting.exception() if accepting.done() else None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if isinstance(failure, OSError):
                log.warning("%r ended: %s", self._listener, failure)
                self._say_why(failure)
            self._own.close()
            await self._drop_untaken()
            await self._listener.close()

    async def _accept(self) -> None:
        while True:
            await self._room.acquire()
            socket, peer = await accept(self._listener)
            pump = self._pump(socket)
            user = pump.take()
            self._untaken.append((pump, user))
            packet = json.dumps(tuple(peer)).encode()
            while True:
                try:
                    _socket.send_fds(self._own, [packet], [user.fileno()])
                    break
                except BlockingIOError:
                    await asyncio.sleep(_RETRY)

    async def _watch(self) -> None:
        """Until the user closed: one byte for each connection he took."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while await loop.sock_recv(self._own, 1):
                _pump, user = self._untaken.popleft()
                user.close()  # he has his own copy
                self._room.release()

    def _say_why(self, failure: OSError) -> None:
        number = failure.errno or errno.EIO
        why = json.dumps([number, failure.strerror or os.strerror(number)]).encode()
        with contextlib.suppress(OSError):
            self._own.send(why[:_PACKET])

    async def _drop_untaken(self) -> None:
        pumps = [pump for pump, _user in self._untaken]
        for pump in pumps:
            end_task(pump.task)
        if pumps:
            await asyncio.wait({pump.task for pump in pumps})
        for _pump, user in self._untaken:
            user.close()
