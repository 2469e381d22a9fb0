"""AsyncNetworkInterface: a stack made usable, for one event loop. Sockets come from here."""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket
import ssl as _ssl
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal, TypeVar

from netsocket.adapters.datagrams import DatagramTransport
from netsocket.adapters.descriptor import DescriptorPump
from netsocket.adapters.listener import ListenerPump, ListeningSocket
from netsocket.adapters.pairs import DEFAULT_LIMIT, open_streams, start_tls, stream_protocol
from netsocket.adapters.reasons import Reasons
from netsocket.adapters.server import StreamServer
from netsocket.adapters.streams import HANDSHAKE_LIMIT, StreamTransport
from netsocket.address import SocketAddress, check_host
from netsocket.capability.model import Capability, Level
from netsocket.datagram import AsyncUDPSocket
from netsocket.errors import NameNotFound, NotSupported
from netsocket.interface_life import FLUSH_LIMIT, InterfaceLife
from netsocket.module_tls import AsyncModuleTLSSocket
from netsocket.names import AddressInfo, address_infos, port_number
from netsocket.stack import AccessPoint, PingingStack, ScanningStack, Stack
from netsocket.stream import AsyncTCPSocket
from netsocket.tls import AsyncTLSSocket

P = TypeVar("P", bound=asyncio.BaseProtocol)
D = TypeVar("D", bound=asyncio.DatagramProtocol)

Tls = _ssl.SSLContext | bool | Literal["module"] | None
"""How to encrypt: a context or True on the host, "module" by the stack itself, None not at all."""
BACKLOG: Final = 5
"""Connections that may wait to be accepted, where the stack lets one choose."""

_SCAN = Capability("scan", Level.NONE, "this stack cannot list networks")
_PING = Capability("ping", Level.NONE, "this stack cannot measure a round trip")


class AsyncNetworkInterface(InterfaceLife):
    """A network interface over a stack.

    `async with` brings it up and closes it. Its sockets may outlive it and every restart of the
    module: they are broken then, and each call says so; none hangs. Life and status are those of
    `InterfaceLife`.
    """

    medium: ClassVar[str] = "any network of the host"
    """What carries the packets, in the words of the report."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self._reasons = Reasons()

    # -- sockets ------------------------------------------------------------------------------

    def tcp_socket(self) -> AsyncTCPSocket:
        """A new stream socket; the stack's socket is reserved at `open` or the first use."""
        self._check_open()
        return AsyncTCPSocket(self._table)

    def udp_socket(self) -> AsyncUDPSocket:
        """A new datagram socket; the stack's socket is reserved at `open` or the first use."""
        self._check_open()
        return AsyncUDPSocket(self._table)

    def module_tls_socket(self, *, server_hostname: str | None = None) -> AsyncModuleTLSSocket:
        """A new stream socket whose TLS is made by the stack itself; see `netsocket.module_tls`.

        Warns with ModuleTLSWarning of what is not verified. Raises NotSupported.
        """
        self._check_open()
        return AsyncModuleTLSSocket(self._table, server_hostname)

    async def connect(
        self,
        address: object,
        *,
        timeout: float | None = None,
        source_address: object = None,
        socket: AsyncTCPSocket | None = None,
    ) -> AsyncTCPSocket:
        """A connected stream socket (`socket`, or a new one), within `timeout` seconds in all.

        While the interface is attaching it waits for that, too. Raises what
        `AsyncTCPSocket.connect` raises, NetworkTimeout, NoSocket.
        """
        self._check_open()
        target = SocketAddress.coerce(address)
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        await self._wait_attached(deadline)
        socket = socket or self.tcp_socket()
        try:
            if deadline is not None:
                socket.settimeout(max(deadline - loop.time(), 0.001))
            if source_address is not None:
                await socket.bind(source_address)
            await socket.connect(target)
        except BaseException:
            await socket.close()
            raise
        socket.settimeout(None)
        return socket

    def tls_socket(
        self,
        context: _ssl.SSLContext | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        do_handshake_on_connect: bool = True,
    ) -> AsyncTLSSocket:
        """A new TLS stream socket; `connect` and `accept` shake hands, too. See `netsocket.tls`.

        With server_side, which needs a context with a certificate, it listens.
        """
        return AsyncTLSSocket(
            self.tcp_socket(),
            context,
            server_side=server_side,
            server_hostname=server_hostname,
            do_handshake_on_connect=do_handshake_on_connect,
        )

    async def wrap_socket(
        self,
        socket: AsyncTCPSocket,
        context: _ssl.SSLContext | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        do_handshake_on_connect: bool = True,
    ) -> AsyncTLSSocket:
        """TLS over a connected, accepted or listening stream socket, which it owns from now on.

        Raises ssl.SSLError of the handshake (the socket is closed then), ValueError when the
        context checks the host name and none is given, TypeError.
        """
        if not isinstance(socket, AsyncTCPSocket):
            raise TypeError(
                f"wrap_socket takes a TCP socket of this package, not {type(socket).__name__}; for "
                "a real descriptor use SSLContext.wrap_socket(…, suppress_ragged_eofs=False)"
            )
        made = AsyncTLSSocket(
            socket,
            context,
            server_side=server_side,
            server_hostname=server_hostname,
            do_handshake_on_connect=do_handshake_on_connect,
        )
        made.prepare()
        if do_handshake_on_connect and socket.state.name in ("OPEN", "DRAINING"):
            await made.do_handshake()
        return made

    # -- asyncio's own names ------------------------------------------------------------------

    async def create_connection(
        self,
        protocol_factory: Callable[[], P],
        host: str,
        port: int,
        *,
        ssl: Tls = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        timeout: float | None = None,
    ) -> tuple[StreamTransport, P]:
        """As asyncio's loop.create_connection, through this interface.

        `timeout` limits connecting and the handshake together. With `ssl` the certificate is
        checked for `server_hostname`, by default `host`.
        """
        socket = await self._stream(
            (host, port), timeout, ssl, server_hostname, ssl_handshake_timeout
        )
        try:
            protocol = protocol_factory()
            transport = await StreamTransport.start(socket, protocol)
        except BaseException:
            await socket.close()
            raise
        self._started(transport)
        return transport, protocol

    async def open_connection(
        self,
        host: str,
        port: int,
        *,
        limit: int = DEFAULT_LIMIT,
        ssl: Tls = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        timeout: float | None = None,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As asyncio.open_connection, through this interface; see create_connection."""
        socket = await self._stream(
            (host, port), timeout, ssl, server_hostname, ssl_handshake_timeout
        )
        try:
            reader, writer = await open_streams(socket, limit)
        except BaseException:
            await socket.close()
            raise
        transport = writer.transport
        assert isinstance(transport, StreamTransport)
        self._started(transport)
        return reader, writer

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int = 0,
        *,
        backlog: int = 100,
        ssl: _ssl.SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
    ) -> StreamServer:
        """As asyncio's loop.create_server; it serves from the start. Raises NotSupported,
        AddressInUse."""
        listener, address = await self._listen(SocketAddress(host or "", port), backlog)
        server = StreamServer(
            listener,
            address,
            protocol_factory,
            self._started,
            context=ssl,
            handshake_limit=ssl_handshake_timeout,
        )
        self._ends_with_me(server, lambda _error: server.stop())
        server.task.add_done_callback(lambda _task: self._forget(server))
        return server

    async def start_server(
        self,
        client_connected_cb: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
        host: str | None = None,
        port: int = 0,
        *,
        limit: int = DEFAULT_LIMIT,
        backlog: int = 100,
        ssl: _ssl.SSLContext | None = None,
        ssl_handshake_timeout: float | None = None,
    ) -> StreamServer:
        """As asyncio.start_server: `client_connected_cb(reader, writer)` for each connection."""
        return await self.create_server(
            lambda: stream_protocol(limit, client_connected_cb)[1],
            host,
            port,
            backlog=backlog,
            ssl=ssl,
            ssl_handshake_timeout=ssl_handshake_timeout,
        )

    start_tls = staticmethod(start_tls)
    """As asyncio's loop.start_tls, for the transports made here, whatever the event loop."""

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], D],
        local_addr: object = None,
        remote_addr: object = None,
        *,
        allow_broadcast: bool = False,
    ) -> tuple[DatagramTransport, D]:
        """As asyncio's loop.create_datagram_endpoint. Raises NotSupported, AddressInUse."""
        socket = self.udp_socket()
        try:
            if allow_broadcast:
                await socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_BROADCAST, 1)
            if local_addr is not None:
                await socket.bind(local_addr)
            peer = None
            if remote_addr is not None:
                await socket.connect(remote_addr)
                peer = SocketAddress.coerce(remote_addr)
            await socket.open()
            protocol = protocol_factory()
            transport = await DatagramTransport.start(socket, protocol, peer)
        except BaseException:
            await socket.close()
            raise
        self._ends_with_me(transport, lambda error: transport.stop(error, FLUSH_LIMIT))
        transport.on_end = lambda: self._forget(transport)
        return transport, protocol

    # -- real descriptors ---------------------------------------------------------------------

    async def create_socket(
        self,
        address: object,
        *,
        timeout: float | None = None,
        source_address: object = None,
        socket: AsyncTCPSocket | None = None,
    ) -> _socket.socket:
        """A connected plain `socket.socket` with a descriptor of its own.

        `timeout` limits connecting and is then the socket's time-out. See
        `netsocket.adapters.descriptor` for what differs from a kernel's connection. Do not use it
        in blocking mode from this loop's own thread.
        """
        socket = await self.connect(
            address, timeout=timeout, source_address=source_address, socket=socket
        )
        user = self._pumped(socket).take()
        self._reasons.know(user)
        user.settimeout(timeout)
        return user

    async def create_listening_socket(
        self, address: object, *, backlog: int = BACKLOG, ssl: _ssl.SSLContext | None = None
    ) -> ListeningSocket:
        """A listening socket with a descriptor: select, socketserver and http.server can use it.

        With `ssl` its `accept` gives ssl.SSLSocket. See `netsocket.adapters.listener`. Raises
        NotSupported, AddressInUse.
        """
        user, _pump = await self._listening_socket(address, backlog)
        user.context = ssl
        return user

    def last_error(self, sock: _socket.socket) -> OSError | None:
        """Why a descriptor of this interface was reset: the exception that the kernel cannot carry.

        None while the connection is fine and after an orderly end. Also for what `accept` gave,
        for an ssl.SSLSocket over it, a duplicate; after `close` for what create_socket gave.
        """
        return self._reasons.of(sock)

    # -- names --------------------------------------------------------------------------------

    async def resolve(self, name: str, family: int = 0) -> list[str]:
        """Addresses of a name, by the stack; answers are kept a while (`names`).

        Raises NameNotFound, NameTryAgain, InvalidHostName (ValueError), NotSupported.
        """
        self._check_open()
        return await self.names.resolve(name, family)

    def resolve_async(
        self,
        name: str,
        callback: Callable[[asyncio.Future[list[str]]], object] | None = None,
        family: int = 0,
    ) -> asyncio.Future[list[str]]:
        """Ask without waiting: a future to await or to cancel.

        `callback(future)` comes when the answer is there, before this returns when it is known
        already, and never after a cancel. Five may be under way: then NameTryAgain.
        """
        self._check_open()
        future = self.names.start(name, family)
        if callback is not None:

            def answered(done: asyncio.Future[list[str]]) -> None:
                if not done.cancelled():
                    done.exception()  # the callback has it: no complaint that nobody asked
                    callback(done)

            if future.done():
                answered(future)
            else:
                future.add_done_callback(answered)
        return future

    async def gethostbyname(self, name: str) -> str:
        """The first IPv4 address, as socket.gethostbyname."""
        return (await self.resolve(name, _socket.AF_INET))[0]

    async def getaddrinfo(  # noqa: PLR0917 - socket.getaddrinfo's own arguments
        self,
        host: str | None,
        port: int | str | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """As socket.getaddrinfo, by the stack. Host None needs AI_PASSIVE: any own address."""
        number = port_number(port, proto)
        if host is None:
            if not flags & _socket.AI_PASSIVE:
                raise NameNotFound("no host; a module has no loopback address")
            host = "::" if family == _socket.AF_INET6 else "0.0.0.0"
        found = self.names.known(host, family)
        if found is None:
            if flags & _socket.AI_NUMERICHOST:
                raise NameNotFound(f"{host}: not an IP address")
            found = await self.resolve(host, family)
        canonical = host if flags & _socket.AI_CANONNAME else ""
        return address_infos(found, number, type, proto, canonical)

    # -- services -----------------------------------------------------------------------------

    async def ping(self, host: str) -> float:
        """Round trip in seconds, by the stack. Raises NotSupported, ConnectTimeout."""
        self._check_open()
        if not isinstance(self.stack, PingingStack):
            raise NotSupported(_PING)
        return await self.stack.ping(check_host(host))

    async def scan(self) -> Sequence[AccessPoint]:
        """WiFi networks in reach. Raises NotSupported."""
        self._check_open()
        if not isinstance(self.stack, ScanningStack):
            raise NotSupported(_SCAN)
        return await self.stack.scan()

    # -- inside -------------------------------------------------------------------------------

    async def _stream(
        self,
        address: tuple[str, int],
        timeout: float | None,
        ssl: Tls,
        server_hostname: str | None,
        handshake_timeout: float | None,
    ) -> AsyncTCPSocket | AsyncTLSSocket:
        if not ssl:
            if server_hostname is not None or handshake_timeout is not None:
                raise ValueError("server_hostname and ssl_handshake_timeout need ssl")
            return await self.connect(address, timeout=timeout)
        if ssl == "module":
            stream = self.module_tls_socket(server_hostname=server_hostname)
            return await self.connect(address, timeout=timeout, socket=stream)
        context = _ssl.create_default_context() if ssl is True else ssl
        name = address[0].removesuffix(".") if server_hostname is None else server_hostname
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        socket = await self.connect(address, timeout=timeout)
        try:
            tls = AsyncTLSSocket(socket, context, server_hostname=name or None)
            limit = HANDSHAKE_LIMIT if handshake_timeout is None else handshake_timeout
            if deadline is not None:
                limit = min(limit, max(deadline - loop.time(), 0.001))
            tls.settimeout(limit)
            await tls.do_handshake()
        except BaseException:
            await socket.close()
            raise
        tls.settimeout(None)
        return tls

    async def _listen(
        self, address: SocketAddress, backlog: int
    ) -> tuple[AsyncTCPSocket, SocketAddress]:
        self.capabilities["tcp.listen"].require()
        listener = self.tcp_socket()
        try:
            with contextlib.suppress(NotSupported):
                await listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            await listener.bind(address)
            await listener.listen(backlog)
            return listener, await listener.getsockname()
        except BaseException:
            await listener.close()
            raise

    async def _listening_socket(
        self, address: object, backlog: int
    ) -> tuple[ListeningSocket, ListenerPump]:
        listener, own = await self._listen(SocketAddress.coerce(address), backlog)
        pump = ListenerPump(listener, own, backlog, self._pumped)
        self._ends_with_me(pump, lambda _error: pump.stop())
        pump.task.add_done_callback(lambda _task: self._forget(pump))
        return pump.take(), pump

    @property
    def _pumps(self) -> list[DescriptorPump]:
        return [each for each in self._dependants if isinstance(each, DescriptorPump)]

    def _pumped(self, socket: AsyncTCPSocket) -> DescriptorPump:
        pump = DescriptorPump(socket)
        self._ends_with_me(pump, lambda _error: pump.stop(FLUSH_LIMIT))
        pump.task.add_done_callback(lambda _task: self._forget(pump))
        self._reasons.watch(pump)
        return pump

    def _started(self, transport: StreamTransport) -> None:
        self._ends_with_me(transport, lambda error: transport.stop(error, FLUSH_LIMIT))
        transport.on_end = lambda: self._forget(transport)
