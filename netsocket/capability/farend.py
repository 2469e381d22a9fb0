"""FarEnd: the peers that probes talk to, real servers that remember what reached them.

Everything a probe believes about sending, ending and boundaries is read from here, never from the
socket under test. The services are those of the Mbed OS test plan (RFC 862 echo, RFC 863 discard,
RFC 864 chargen, RFC 867 daytime) and a few that misbehave on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket as _socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from netsocket.capability import farend_tls
from netsocket.capability.farend_tls import TLS_SERVICES
from netsocket.capability.gate import KEY_LENGTH, Gate

if TYPE_CHECKING:
    from netsocket.interface import AsyncNetworkInterface

TAIL: Final = bytes(range(256)) * 20
"""What the `tail` service sends before it closes at once: 5120 bytes, more than one module read
of any module known here takes at once on its own."""
BURST: Final = tuple(bytes([65 + number]) * size for number, size in
                     enumerate((100, 200, 300, 120, 500)))  # fmt: skip
"""The datagrams that the `burst` service answers with, sizes of UDPSOCKET_ECHOTEST_BURST."""
DAYTIME: Final = b"1970-01-01 00:00:00\r\n"
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds
SERVICES: Final = ("echo", "discard", "daytime", "chargen", "tail", "reset", "slow", "half_close",
                   "breaks")  # fmt: skip
BREAKS_AT: Final = 3000
"""Bytes that the `breaks` service takes before it resets the connection."""
DATAGRAM_SERVICES: Final = ("echo", "other", "discard", "burst")
REFUSED, SILENT, KNOCK, PORTS = 26, 27, 28, 30
"""Offsets of further ports, and how many there are, where they follow each other from a base."""
WELCOME: Final = b"welcome"
"""The answer to a knock: shorter than the knock."""
KNOCK_PATIENCE: Final = 15.0
"""Seconds for one knock through a module."""
KNOCKS: Final = 3
"""Datagram knocks before UDP is taken for blocked on the way."""


def chargen(count: int) -> bytes:
    """The first `count` bytes of RFC 864's pattern: rows of 72 of the 95 printables."""
    printable = bytes(range(32, 127))
    rows = (printable[n:] + printable[:n] for n in range(95))
    period = b"".join(row[:72] + b"\r\n" for row in rows)
    return (period * (count // len(period) + 1))[:count]


@dataclass
class Connection:
    """One TCP connection as seen from the far end."""

    peer: tuple[str, int]
    received: bytearray = field(default_factory=bytearray)
    last: float = 0.0
    """When the newest of `received` came, by this process's time.monotonic(); 0: not known."""
    sent: int = 0
    ended: str = ""
    """ "" while open, then "eof" (the module closed in order), "reset", or "closed" (by us)."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to let the `slow` or `breaks` service begin to read."""


@dataclass
class Service:
    """One TCP service and the connections it has had."""

    name: str
    port: int = 0
    connections: list[Connection] = field(default_factory=list)

    async def connection(self, index: int, seconds: float = 5.0) -> Connection:
        """The connection number `index`; waits for it. Raises TimeoutError."""
        await until(lambda: len(self.connections) > index, seconds)
        return self.connections[index]


class Datagrams(asyncio.DatagramProtocol):
    """One UDP service: remembers what came and answers as `answer` says."""

    def __init__(self, answer: Callable[[bytes], tuple[bytes, ...]], gate: Gate) -> None:
        self.answer = answer
        self.gate = gate
        self.received: list[tuple[bytes, tuple[str, int]]] = []
        self.port = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """From asyncio."""
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """From asyncio; strangers are neither remembered nor answered."""
        if self.gate.permits(addr[0]):
            self.gate.heard(addr[0], len(data))
            self.received.append((data, (addr[0], addr[1])))
            for reply in self.answer(data):
                self.send(reply, addr)

    def error_received(self, exc: Exception) -> None:
        """A peer that has gone is no news."""

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """One datagram from this service's port, if the gate lets it pass."""
        if not self.gate.grant_datagram(address[0], len(data)):
            return
        if data:
            self._transport.sendto(data, address)
        else:  # asyncio drops empty ones
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                _socket.socket.sendto(sock._sock, b"", address)

    def close(self) -> None:
        """Stop answering."""
        self._transport.close()


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
        self.name = name
        self.unknown_name = unknown_name
        self.several: tuple[str, frozenset[str]] | None = None
        """A name that has several addresses in the stack under test, and those."""
        self.base = base
        self.gate = gate or Gate(everybody=ipaddress.ip_address(host).is_loopback)
        self.knock_port = 0
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
            self._refused.bind((self.host, self._port(REFUSED)))

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
        serve: Callable[[Connection, _socket.socket], Awaitable[None]],
        offset: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        listener = _socket.create_server((self.host, self._port(offset)), backlog=64)
        listener.setblocking(False)
        service.port = listener.getsockname()[1]

        async def one(sock: _socket.socket, peer: tuple[str, int]) -> None:
            connection = Connection((peer[0], peer[1]))
            if not self.gate.permits(peer[0]):
                sock.close()
                return
            service.connections.append(connection)
            with sock:
                try:
                    await serve(connection, sock)
                    connection.ended = connection.ended or "eof"
                except ConnectionError:
                    connection.ended = "reset"

        async def accept() -> None:
            while True:
                sock, peer = await loop.sock_accept(listener)
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                self._keep(one(sock, peer), sock)

        self._keep(accept(), listener)

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
            (self.host, self._port(1 + DATAGRAM_SERVICES.index(name))),
        )
        self.udp[name] = protocol

    def _serving(self, name: str) -> Callable[[Connection, _socket.socket], Awaitable[None]]:
        if name in TLS_SERVICES:
            return farend_tls.service(name, self.gate.grant_stream, DAYTIME)
        serve: Callable[[Connection, _socket.socket], Awaitable[None]] = getattr(self, f"_{name}")
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

        server = await asyncio.start_server(knock, self.host, self._port(KNOCK))
        self._servers.append(server)
        self.knock_port = server.sockets[0].getsockname()[1]
        _, self._knocks = await loop.create_datagram_endpoint(
            lambda: Knocks(self.gate), (self.host, self.knock_port)
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
        """An address at which nobody listens, TCP or UDP.

        Below the ports that systems choose by themselves, so that no other program is given it
        by chance in the meantime.
        """
        if self._refused is not None:
            held: tuple[str, int] = self._refused.getsockname()
            return held
        while True:
            port = 20_000 + secrets.randbelow(12_000)  # not `random`: recordings seed that
            with (
                _socket.socket() as stream,
                _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM) as datagram,
                contextlib.suppress(OSError),
            ):
                stream.bind((self.host, port))
                datagram.bind((self.host, port))
                return self.host, port

    def free_port(self) -> int:
        """A local port for the stack under test that nobody uses at this moment."""
        return self.refusing()[1]

    def silent(self) -> tuple[str, int]:
        """A TCP address that never answers: a listener whose queue is full (Linux drops SYNs)."""
        if self.base and self._silent:
            held: tuple[str, int] = self._silent[0].getsockname()
            return held
        listener = _socket.socket()
        self._silent.append(listener)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self._port(SILENT)))
        listener.listen(0)
        address: tuple[str, int] = listener.getsockname()
        for _ in range(3):
            filler = _socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self._silent.append(filler)
        return address

    async def dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a listener of the module; on loopback its own address means this computer."""
        return await asyncio.open_connection(self.host if self.loopback else host, port)

    # -- services -----------------------------------------------------------------------------

    async def _say(self, connection: Connection, sock: _socket.socket, data: bytes) -> None:
        self.gate.grant_stream(connection.peer[0], len(data))
        await asyncio.get_running_loop().sock_sendall(sock, data)
        connection.sent += len(data)

    async def _read(self, connection: Connection, sock: _socket.socket, echo: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 65536):
            connection.received += data
            connection.last = time.monotonic()
            if echo:
                await self._say(connection, sock, data)

    async def _echo(self, connection: Connection, sock: _socket.socket) -> None:
        await self._read(connection, sock, echo=True)

    async def _discard(self, connection: Connection, sock: _socket.socket) -> None:
        await self._read(connection, sock)

    async def _daytime(self, connection: Connection, sock: _socket.socket) -> None:
        await self._say(connection, sock, DAYTIME)
        connection.ended = "closed"

    async def _tail(self, connection: Connection, sock: _socket.socket) -> None:
        await self._say(connection, sock, TAIL)
        connection.ended = "closed"

    async def _chargen(self, connection: Connection, sock: _socket.socket) -> None:
        """Until the peer leaves; small buffers, so that `sent` tells what the peer let through."""
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 8192)
        period = chargen(74 * 95)
        while True:
            await self._say(connection, sock, period)

    async def _reset(self, connection: Connection, sock: _socket.socket) -> None:
        """Takes one byte, then resets the connection."""
        connection.received += await asyncio.get_running_loop().sock_recv(sock, 1)
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        connection.ended = "closed"

    async def _slow(self, connection: Connection, sock: _socket.socket) -> None:
        """Reads nothing until it is released."""
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 8192)
        await connection.release.wait()
        await self._read(connection, sock)

    async def _breaks(self, connection: Connection, sock: _socket.socket) -> None:
        """Reads nothing until it is released, then a little, and resets the connection."""
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 8192)
        await connection.release.wait()
        loop = asyncio.get_running_loop()
        while left := BREAKS_AT - len(connection.received):
            data = await loop.sock_recv(sock, left)
            if not data:
                return
            connection.received += data
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        connection.ended = "closed"

    async def _half_close(self, connection: Connection, sock: _socket.socket) -> None:
        """Reads to the end, then answers with the number of bytes it got."""
        await self._read(connection, sock)
        connection.ended = "eof"
        await asyncio.sleep(0.05)
        await self._say(connection, sock, b"%d" % len(connection.received))


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something to become true at the far end. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it watches has no event
            await asyncio.sleep(0.005)
