"""NetworkInterface: the blocking face of AsyncNetworkInterface, over the shared portal."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket as _socket
import ssl as _ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Self

from netsocket.adapters.listener import ListenerPump, ListeningSocket
from netsocket.blocking_names import ask
from netsocket.capability.model import CapabilityTable
from netsocket.interface import BACKLOG, AsyncNetworkInterface, Tls
from netsocket.module_tls import ModuleTLSSocket
from netsocket.names import AddressInfo, Names
from netsocket.portal import Portal
from netsocket.stack import AccessPoint, InterfaceStatus, Stack, StackStatus
from netsocket.tcp import TCPSocket
from netsocket.tls import AsyncTLSSocket
from netsocket.tlssocket import TLSSocket
from netsocket.udp import UDPSocket


class NetworkInterface:
    """A network interface for programs without an event loop.

    `with` brings it up and closes it; one that is still open when the interpreter ends is closed
    then. Usable from any thread but the portal's own.
    """

    async_class: ClassVar[type[AsyncNetworkInterface]] = AsyncNetworkInterface

    def __init__(self, stack: Stack, portal: Portal | None = None) -> None:
        self._take(self.async_class(stack), portal)

    @classmethod
    def of(cls, interface: AsyncNetworkInterface, portal: Portal | None = None) -> Self:
        """The blocking face of an interface that lives in the portal's loop."""
        face = cls.__new__(cls)
        face._take(interface, portal)
        return face

    def _take(self, interface: AsyncNetworkInterface, portal: Portal | None) -> None:
        self._async = interface
        self._portal = portal or Portal.shared()
        self._portal.at_stop(interface.close)

    # -- life ---------------------------------------------------------------------------------

    def up(self) -> None:
        """Bring the interface up; nothing when it is."""
        self._portal.run(self._async.up())

    def down(self) -> None:
        """Close every socket and take the interface down; `up` may follow."""
        self._portal.run(self._async.down())

    def connect(self) -> None:
        """`up` under the name of the common Socket API. (The asyncio face has only `up`, because
        `connect` opens a socket there.)"""
        self.up()

    def disconnect(self) -> None:
        """`down` under the name of the common Socket API."""
        self.down()

    def close(self) -> None:
        """Take the interface down for good. Idempotent; nothing in a forked child."""
        self._portal.discard(self._async.close)
        if self._portal.alive:
            self._portal.run(self._async.close())

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Short name of the stack."""
        return self._async.name

    @property
    def capabilities(self) -> CapabilityTable:
        """What the stack claims."""
        return self._async.capabilities

    @property
    def status(self) -> InterfaceStatus:
        """The state as last noticed; nothing is asked."""
        return self._async.status

    @property
    def snapshot(self) -> StackStatus:
        """The last answer to `refresh`."""
        return self._async.snapshot

    @property
    def ip_address(self) -> str | None:
        """Own address as of the last `refresh`; None while not attached."""
        return self._async.ip_address

    @property
    def failure(self) -> OSError | None:
        """Why it is not up, as far as the stack tells; None while it is."""
        return self._async.failure

    @property
    def recovery(self) -> Mapping[str, int]:
        """How often what failed and what was done about it; see InterfaceLife."""
        return self._async.recovery

    def refresh(self) -> StackStatus:
        """Ask the stack how it is."""
        return self._portal.run(self._async.refresh())

    def on_status(self, callback: Callable[[InterfaceStatus], object]) -> Callable[[], None]:
        """Call `callback(status)` at each change, in the portal's thread; returns its removal.

        It must return soon and cannot make blocking calls: post to a queue. See InterfaceLife.
        """
        return self._async.on_status(callback)

    # -- sockets ------------------------------------------------------------------------------

    def tcp_socket(self) -> TCPSocket:
        """A new stream socket. Raises NoSocket (EMFILE)."""
        socket = self._async.tcp_socket()
        self._portal.run(socket.open())
        return TCPSocket(self._portal, socket)

    def udp_socket(self) -> UDPSocket:
        """A new datagram socket. Raises NoSocket (EMFILE)."""
        socket = self._async.udp_socket()
        self._portal.run(socket.open())
        return UDPSocket(self._portal, socket)

    def tls_socket(
        self,
        context: _ssl.SSLContext | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        do_handshake_on_connect: bool = True,
    ) -> TLSSocket:
        """A new TLS stream socket; `connect` and `accept` shake hands, too.

        With server_side, which needs a context with a certificate, it listens. Raises NoSocket
        (EMFILE).
        """

        async def make() -> AsyncTLSSocket:
            socket = self._async.tls_socket(
                context,
                server_side=server_side,
                server_hostname=server_hostname,
                do_handshake_on_connect=do_handshake_on_connect,
            )
            await socket.open()
            return socket

        return TLSSocket(self._portal, self._portal.run(make()))

    def module_tls_socket(self, *, server_hostname: str | None = None) -> ModuleTLSSocket:
        """A new stream socket whose TLS is made by the stack itself; see `netsocket.module_tls`.

        Warns with ModuleTLSWarning of what is not verified. Raises NotSupported, NoSocket.
        """
        socket = self._async.module_tls_socket(server_hostname=server_hostname)
        self._portal.run(socket.open())
        return ModuleTLSSocket(self._portal, socket)

    def wrap_socket(
        self,
        sock: TCPSocket,
        context: _ssl.SSLContext | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        do_handshake_on_connect: bool = True,
    ) -> TLSSocket:
        """TLS over a connected, accepted or listening TCPSocket, which it owns from now on.

        Raises ssl.SSLError of the handshake, ValueError, TypeError. For the plain `socket.socket`
        of create_connection use `SSLContext.wrap_socket(…, suppress_ragged_eofs=False)`.
        """
        below = sock._async if isinstance(sock, TCPSocket) else sock
        socket = self._portal.run(
            self._async.wrap_socket(
                below,
                context,
                server_side=server_side,
                server_hostname=server_hostname,
                do_handshake_on_connect=do_handshake_on_connect,
            )
        )
        sock._closed = True
        return TLSSocket(self._portal, socket)

    def create_connection(
        self,
        address: tuple[str, int],
        timeout: float | None = None,
        source_address: object = None,
        *,
        ssl: Tls = None,
        server_hostname: str | None = None,
    ) -> _socket.socket:
        """A connected plain `socket.socket` with a descriptor, as socket.create_connection.

        With `ssl` an `ssl.SSLSocket` over it, with the certificate checked for `server_hostname`,
        by default the host; a cut stream raises ssl.SSLEOFError. `timeout` limits connecting and
        the handshake together and is then the socket's time-out. `ssl="module"` leaves TLS to the
        stack, which verifies less (`module_tls_socket`), and gives a plain socket.
        """
        if server_hostname is not None and not ssl:
            raise ValueError("server_hostname needs ssl")
        begun = time.monotonic()
        stream = None
        if ssl == "module":
            stream = self._async.module_tls_socket(server_hostname=server_hostname)
        plain = self._portal.run(
            self._async.create_socket(
                address, timeout=timeout, source_address=source_address, socket=stream
            )
        )
        if not ssl or ssl == "module":
            return plain
        try:
            context = _ssl.create_default_context() if ssl is True else ssl
            if timeout is not None:
                plain.settimeout(max(timeout - (time.monotonic() - begun), 0.001))
            name = address[0].removesuffix(".") if server_hostname is None else server_hostname
            made = context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False)
        except BaseException:
            plain.close()
            raise
        made.settimeout(timeout)
        self._async._reasons.know(made)
        return made

    def last_error(self, sock: _socket.socket) -> OSError | None:
        """Why a descriptor of this interface was reset: the exception that the kernel cannot carry.

        None while the connection is fine and after an orderly end. Also for what `accept` gave,
        for an ssl.SSLSocket over it, a duplicate; after `close` for what create_connection gave.
        """
        return self._async.last_error(sock)

    def create_server(
        self, address: object, *, backlog: int = BACKLOG, ssl: _ssl.SSLContext | None = None
    ) -> ListeningSocket:
        """A listening socket with a descriptor, as socket.create_server.

        `accept`, `select`, and socketserver by `listener.server(HTTPServer, Handler)`; with `ssl`
        accept gives ssl.SSLSocket. See `netsocket.adapters.listener`. Raises NotSupported,
        AddressInUse.
        """
        user, pump = self._portal.run(self._async._listening_socket(address, backlog))
        user.context = ssl
        user.on_close = lambda: self._stop_listening(pump)
        return user

    def _stop_listening(self, pump: ListenerPump) -> None:
        if self._portal.alive:
            with contextlib.suppress(RuntimeError):  # closed in the loop's own thread: later then
                self._portal.run(pump.stop())

    # -- names --------------------------------------------------------------------------------

    @property
    def names(self) -> Names:
        """The cache of names: `size`, `lifetime` in seconds."""
        return self._async.names

    def resolve(self, name: str, family: int = 0) -> list[str]:
        """Addresses of a name, by the stack; answers are kept a while (`names`).

        Raises NameNotFound, NameTryAgain, InvalidHostName (ValueError), NotSupported.
        """
        return self._portal.run(self._async.resolve(name, family))

    def resolve_async(
        self,
        name: str,
        callback: Callable[[concurrent.futures.Future[list[str]]], object] | None = None,
        family: int = 0,
    ) -> concurrent.futures.Future[list[str]]:
        """Ask without waiting; `cancel()` it as long as there is no answer.

        `callback(future)` comes in the portal's thread when the answer is there (before this
        returns, in this thread, when it is known already) and never after a successful cancel; it
        must return soon. Five may be under way: then NameTryAgain.
        """
        future = self._portal.run(ask(self._async, name, family))
        if callback is not None:
            future.add_done_callback(lambda done: None if done.cancelled() else callback(done))
        return future

    def gethostbyname(self, name: str) -> str:
        """The first IPv4 address, as socket.gethostbyname."""
        return self._portal.run(self._async.gethostbyname(name))

    def getaddrinfo(  # noqa: PLR0917 - socket.getaddrinfo's own arguments
        self,
        host: str | None,
        port: int | str | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """As socket.getaddrinfo, by the stack. Host None needs AI_PASSIVE: any own address."""
        return self._portal.run(self._async.getaddrinfo(host, port, family, type, proto, flags))

    # -- services -----------------------------------------------------------------------------

    def ping(self, host: str) -> float:
        """Round trip in seconds, by the stack. Raises NotSupported."""
        return self._portal.run(self._async.ping(host))

    def scan(self) -> Sequence[AccessPoint]:
        """WiFi networks in reach. Raises NotSupported."""
        return self._portal.run(self._async.scan())

    def __repr__(self) -> str:
        return repr(self._async).replace("<Async", "<", 1)
