"""What the services of the far end do, and what they remember of those who came.

They are those of the Mbed OS test plan (RFC 862 echo, RFC 863 discard, RFC 864 chargen, RFC 867
daytime) and a few that misbehave on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket as _socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from netsocket.capability.gate import Gate

SERVICES: Final = ("echo", "discard", "daytime", "chargen", "tail", "reset", "slow", "half_close",
                   "breaks")  # fmt: skip
BREAKS_AT: Final = 3000
"""Bytes that the `breaks` service takes before it resets the connection."""
DATAGRAM_SERVICES: Final = ("echo", "other", "discard", "burst")
TAIL: Final = bytes(range(256)) * 20
"""What the `tail` service sends before it closes at once: 5120 bytes, more than one module read
of any module known here takes at once on its own."""
BURST: Final = tuple(bytes([65 + number]) * size for number, size in
                     enumerate((100, 200, 300, 120, 500)))  # fmt: skip
"""The datagrams that the `burst` service answers with, sizes of UDPSOCKET_ECHOTEST_BURST."""
DAYTIME: Final = b"1970-01-01 00:00:00\r\n"
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something to become true at the far end. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it watches has no event
            await asyncio.sleep(0.005)


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


class Streams:
    """The TCP services; each method serves one connection, and is named in SERVICES.

    They raise ConnectionError when the peer resets it.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def _say(self, connection: Connection, sock: _socket.socket, data: bytes) -> None:
        self._gate.grant_stream(connection.peer[0], len(data))
        await asyncio.get_running_loop().sock_sendall(sock, data)
        connection.sent += len(data)

    async def _read(self, connection: Connection, sock: _socket.socket, echo: bool = False) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 65536):
            connection.received += data
            connection.last = time.monotonic()
            if echo:
                await self._say(connection, sock, data)

    async def echo(self, connection: Connection, sock: _socket.socket) -> None:
        """What comes, goes back (RFC 862)."""
        await self._read(connection, sock, echo=True)

    async def discard(self, connection: Connection, sock: _socket.socket) -> None:
        """What comes is kept, for who looks (RFC 863)."""
        await self._read(connection, sock)

    async def daytime(self, connection: Connection, sock: _socket.socket) -> None:
        """A line, and the end (RFC 867)."""
        await self._say(connection, sock, DAYTIME)
        connection.ended = "closed"

    async def tail(self, connection: Connection, sock: _socket.socket) -> None:
        """A text longer than one read of a module, and the end at once."""
        await self._say(connection, sock, TAIL)
        connection.ended = "closed"

    async def chargen(self, connection: Connection, sock: _socket.socket) -> None:
        """Until the peer leaves; small buffers, so that `sent` tells what the peer let through."""
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, 8192)
        period = chargen(74 * 95)
        while True:
            await self._say(connection, sock, period)

    async def reset(self, connection: Connection, sock: _socket.socket) -> None:
        """Takes one byte, then resets the connection."""
        connection.received += await asyncio.get_running_loop().sock_recv(sock, 1)
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        connection.ended = "closed"

    async def slow(self, connection: Connection, sock: _socket.socket) -> None:
        """Reads nothing until it is released."""
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 8192)
        await connection.release.wait()
        await self._read(connection, sock)

    async def breaks(self, connection: Connection, sock: _socket.socket) -> None:
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

    async def half_close(self, connection: Connection, sock: _socket.socket) -> None:
        """Reads to the end, then answers with the number of bytes it got."""
        await self._read(connection, sock)
        connection.ended = "eof"
        await asyncio.sleep(0.05)
        await self._say(connection, sock, b"%d" % len(connection.received))
