"""FarEnd: the peers that probes talk to, real servers that remember what reached them.

Everything a probe believes about sending, ending and boundaries is read from here, never from the
socket under test. What the services do is in `farend_services`; here is where they listen, whom
they let in, and at which addresses they are reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket as _socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from netsocket.capability import farend_tls, freeports
from netsocket.capability.farend_services import (
    BURST,
    DATAGRAM_SERVICES,
    DAYTIME,
    SERVICES,
    Connection,
    Datagrams,
    KernelLine,
    Line,
    Service,
    Streams,
)
from netsocket.capability.farend_tls import TLS_SERVICES
from netsocket.capability.gate import KEY_LENGTH, Gate

if TYPE_CHECKING:
    from netsocket.interface import AsyncNetworkInterface

REFUSED, SILENT, KNOCK, PORTS = 26, 27, 28, 30
"""Offsets of further ports, and how many there are, where they follow each other from a base."""
WELCOME: Final = b"welcome"
"""The answer to a knock: shorter than the knock."""
KNOCK_PATIENCE: Final = 15.0
"""Seconds for one knock through a module."""
KNOCKS: Final = 3
"""Datagram knocks before UDP is taken for blocked on the way."""

Serve = Callable[[Connection, Line], Awaitable[None]]
"""A service: told what it serves, and the way there."""


class Knocks(asyncio.DatagramProtocol):
    """Admits an address that shows the key; silent for everybody else."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From asyncio."""
        if self.gate.knock(addr[0], data):
            self._transport.sendto(WELCOME, addr)

    def close(self) -> None:
        """Stop answering."""
        self._transport.close()


class FarEnd:
    """The test services on one host; an async context manager.

    `host` is where they listen and how the module reaches them. Names: `name` resolves to `host`
    in the stack under test ("" for none), `unknown_name` resolves to nothing. With `base` the
    services take PORTS consecutive ports from there, for firewalls; else any free ones. Beyond
    loopback the `gate` lets in only who has shown its key: `admit` does that through a stack.
    """

    open_network: str = ""
    """SSID of an open WiFi network that a WiFi module may join here; "" for none."""
    called_6 = ""
    """What the module calls `host_6`, where a border router translates it; "": the same."""
    translated = False
    """Whether addresses and ports are others on the way, although it is near."""
    host_6: str
    """Where it can be reached over IPv6; "" for nowhere."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        *,
        name: str = "localhost",
        unknown_name: str = "nosuch.invalid",
        base: int = 0,
        gate: Gate | None = None,
    ) -> None:
        self.host = host
        self._bound = host
        self.host_6 = "::1" if ipaddress.ip_address(host).is_loopback else ""
        self.name = name
        self.unknown_name = unknown_name
        self.several: tuple[str, frozenset[str]] | None = None
        """A name that has several addresses in the stack under test, and those."""
        self.base = base
        self.gate = gate or Gate(everybody=ipaddress.ip_address(host).is_loopback)
        self.knock_port = 0
        self._streams = Streams(self.gate)
        self.tcp = {service: Service(service) for service in (*SERVICES, *TLS_SERVICES)}
        self.udp: dict[str, Datagrams] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: list[_socket.socket] = []
        self._refused: _socket.socket | None = None
        self._knocks: Knocks | None = None
        self._admitted: object = None

    @property
    def loopback(self) -> bool:
        """Whether only this computer can reach the services."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def near(self) -> bool:
        """Whether it is in one network with the module as far as is known: on this computer."""
        return True

    async def __aenter__(self) -> Self:
        """Start every service on a port of its own."""
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start(self) -> None:
        for number, (name, service) in enumerate(self.tcp.items(), 1):
            await self._listen(service, self._serving(name), number)
        await self._datagrams("echo", lambda data: (data,))
        await self._datagrams("other", lambda data: (b"other:" + data,))
        await self._datagrams("discard", lambda _data: ())
        await self._datagrams("burst", lambda _data: BURST)
        if not self.gate.everybody:
            await self._listen_for_knocks()
        if self.base:  # held for good: bound and not listening refuses, too
            self._refused = _socket.socket()
            self._refused.bind((self._bound, self._port(REFUSED)))

    async def __aexit__(self, *_exc: object) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for service in self.udp.values():
            service.close()
        if self._knocks is not None:
            self._knocks.close()
        for sock in self._silent:
            sock.close()
        if self._refused is not None:
            self._refused.close()
        await asyncio.sleep(0)

    def _port(self, offset: int) -> int:
        return self.base + offset if self.base else 0

    async def _listen(
        self,
        service: Service,
        serve: Serve,
        offset: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        listener = _socket.create_server((self._bound, self._port(offset)), backlog=64)
        listener.setblocking(False)
        service.port = listener.getsockname()[1]

        async def one(sock: _socket.socket, peer: tuple[str, int]) -> None:
            with sock:
                if self.gate.permits(peer[0]):
                    await self._serve(service, serve, (peer[0], peer[1]), KernelLine(sock))

        async def accept() -> None:
            while True:
                sock, peer = await loop.sock_accept(listener)
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                self._keep(one(sock, peer), sock)

        self._keep(accept(), listener)

    async def _serve(
        self, service: Service, serve: Serve, peer: tuple[str, int], line: Line
    ) -> None:
        """One connection, from its beginning to how it ended."""
        connection = Connection(peer)
        service.connections.append(connection)
        try:
            await serve(connection, line)
            connection.ended = connection.ended or "eof"
        except ConnectionError:
            connection.ended = "reset"

    def _keep(self, work: Any, sock: _socket.socket | None = None) -> None:
        """Run a service; its socket is closed even if it is cancelled before it began."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if sock is not None:
            task.add_done_callback(lambda _task: sock.close())

    async def _datagrams(self, name: str, answer: Callable[[bytes], tuple[bytes, ...]]) -> None:
        _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Datagrams(answer, self.gate),
            (self._bound, self._port(1 + DATAGRAM_SERVICES.index(name))),
        )
        self.udp[name] = protocol

    def _serving(self, name: str) -> Serve:
        if name in TLS_SERVICES:
            return farend_tls.service(name, self.gate.grant_stream, DAYTIME)
        serve: Serve = getattr(self._streams, name)
        return serve

    # -- who may come in ----------------------------------------------------------------------

    async def _listen_for_knocks(self) -> None:
        loop = asyncio.get_running_loop()

        async def knock(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, EOFError):
                async with asyncio.timeout(KNOCK_PATIENCE):
                    key = await reader.readexactly(KEY_LENGTH)
                    if self.gate.knock(writer.get_extra_info("peername")[0], key):
                        writer.write(WELCOME)
                        await writer.drain()
            writer.close()

        server = await asyncio.start_server(knock, self._bound, self._port(KNOCK))
        self._servers.append(server)
        self.knock_port = server.sockets[0].getsockname()[1]
        _, self._knocks = await loop.create_datagram_endpoint(
            lambda: Knocks(self.gate), (self._bound, self.knock_port)
        )

    async def admit(self, net: AsyncNetworkInterface) -> None:
        """Make sure that the far end talks to this stack's address; nothing where all may come.

        Shows the key over TCP and UDP through the stack: again after each bring-up, because the
        address may be another one then. Raises OSError of the stack, ConnectionRefusedError when
        the key is not taken.
        """
        if self.gate.everybody or self._admitted == (id(net), net.ups):
            return
        async with net.tcp_socket() as sock:
            sock.settimeout(KNOCK_PATIENCE)
            await sock.connect((self.host, self.knock_port))
            await sock.sendall(self.gate.key)
            if await sock.recv(len(WELCOME)) != WELCOME:
                raise ConnectionRefusedError("the far end did not take the session's key")
        async with net.udp_socket() as datagrams:
            datagrams.settimeout(2.0)
            for _ in range(KNOCKS):
                await datagrams.sendto(self.gate.key, (self.host, self.knock_port))
                with contextlib.suppress(TimeoutError):
                    await datagrams.recv(len(WELCOME))
                    break
        self._admitted = (id(net), net.ups)

    async def settled(self) -> None:
        """Return when everything that has reached the far end by now is known here."""

    def check(self) -> None:
        """Raise FarEndLost when the far end itself is gone: nothing it says counts any more."""

    # -- addresses ----------------------------------------------------------------------------

    def address(self, service: str) -> tuple[str, int]:
        """Where a TCP service is."""
        return self.host, self.tcp[service].port

    def datagram_address(self, service: str) -> tuple[str, int]:
        """Where a UDP service is."""
        return self.host, self.udp[service].port

    def refusing(self) -> tuple[str, int]:
        """An address at which nobody listens, TCP or UDP."""
        if self._refused is not None:
            return self.host, self._refused.getsockname()[1]
        return self.host, freeports.FAR_PORTS.take(self._bound)

    def free_port(self) -> int:
        """A local port for the stack under test that nobody uses at this moment."""
        return self.refusing()[1]

    def silent(self) -> tuple[str, int]:
        """A TCP address that never answers: a listener whose queue is full (Linux drops SYNs)."""
        if self.base and self._silent:
            return self.host, self._silent[0].getsockname()[1]
        listener = _socket.socket()
        self._silent.append(listener)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind((self._bound, self._port(SILENT)))
        listener.listen(0)
        address: tuple[str, int] = listener.getsockname()
        for _ in range(3):
            filler = _socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self._silent.append(filler)
        return self.host, address[1]

    @asynccontextmanager
    async def greeter(self, word: bytes) -> AsyncIterator[tuple[str, int] | None]:
        """The IPv6 address of a service that says `word` and closes; None where there is none."""
        if not self.host_6:
            yield None
            return

        def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(word)
            writer.close()

        try:
            server = await asyncio.start_server(greet, self.host_6, 0)
        except OSError:
            yield None
            return
        try:
            yield self.called_6 or self.host_6, server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.sleep(0)

    async def dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a listener of the module; on loopback its own address means this computer."""
        return await asyncio.open_connection(self.host if self.loopback else host, port)
