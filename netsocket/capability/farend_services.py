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
from typing import Any, Final, Protocol

from netsocket.capability.gate import Gate
from netsocket.errors import NotSupported

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


class Line(Protocol):
    """One accepted connection, of whatever stack: an AsyncTCPSocket is one."""

    async def recv(self, size: int, /) -> bytes:
        """1..size bytes, b"" at the end."""

    async def sendall(self, data: bytes, /) -> None:
        """Everything."""

    async def setsockopt(self, level: int, name: int, value: int | bytes, /) -> None:
        """As socket.setsockopt."""


class KernelLine:
    """A connection of the operating system's."""

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock

    async def recv(self, size: int) -> bytes:
        """1..size bytes, b"" at the end."""
        return await asyncio.get_running_loop().sock_recv(self._sock, size)

    async def sendall(self, data: bytes) -> None:
        """Everything."""
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    async def setsockopt(self, level: int, name: int, value: int | bytes) -> None:
        """As socket.setsockopt."""
        self._sock.setsockopt(level, name, value)


async def _small(line: Line, buffer: int) -> None:
    """A buffer of 8 KiB, where the stack lets it be chosen."""
    with contextlib.suppress(NotSupported):
        await line.setsockopt(_socket.SOL_SOCKET, buffer, 8192)


class Streams:
    """The TCP services; each method serves one connection, and is named in SERVICES.

    They raise ConnectionError when the peer resets it.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def _say(self, connection: Connection, line: Line, data: bytes) -> None:
        self._gate.grant_stream(connection.peer[0], len(data))
        await line.sendall(data)
        connection.sent += len(data)

    async def _read(self, connection: Connection, line: Line, echo: bool = False) -> None:
        while data := await line.recv(65536):
            connection.received += data
            connection.last = time.monotonic()
            if echo:
                await self._say(connection, line, data)

    async def echo(self, connection: Connection, line: Line) -> None:
        """What comes, goes back (RFC 862)."""
        await self._read(connection, line, echo=True)

    async def discard(self, connection: Connection, line: Line) -> None:
        """What comes is kept, for who looks (RFC 863)."""
        await self._read(connection, line)

    async def daytime(self, connection: Connection, line: Line) -> None:
        """A line, and the end (RFC 867)."""
        await self._say(connection, line, DAYTIME)
        connection.ended = "closed"

    async def tail(self, connection: Connection, line: Line) -> None:
        """A text longer than one read of a module, and the end at once."""
        await self._say(connection, line, TAIL)
        connection.ended = "closed"

    async def chargen(self, connection: Connection, line: Line) -> None:
        """Until the peer leaves; small buffers, so that `sent` tells what the peer let through."""
        await _small(line, _socket.SO_SNDBUF)
        period = chargen(74 * 95)
        while True:
            await self._say(connection, line, period)

    async def reset(self, connection: Connection, line: Line) -> None:
        """Takes one byte, then resets the connection."""
        connection.received += await line.recv(1)
        await line.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        connection.ended = "closed"

    async def slow(self, connection: Connection, line: Line) -> None:
        """Reads nothing until it is released."""
        await _small(line, _socket.SO_RCVBUF)
        await connection.release.wait()
        await self._read(connection, line)

    async def breaks(self, connection: Connection, line: Line) -> None:
        """Reads nothing until it is released, then a little, and resets the connection."""
        await _small(line, _socket.SO_RCVBUF)
        await connection.release.wait()
        while left := BREAKS_AT - len(connection.received):
            data = await line.recv(left)
            if not data:
                return
            connection.received += data
        await line.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, _RESET)
        connection.ended = "closed"

    async def half_close(self, connection: Connection, line: Line) -> None:
        """Reads to the end, then answers with the number of bytes it got."""
        await self._read(connection, line)
        connection.ended = "eof"
        await asyncio.sleep(0.05)
        await self._say(connection, line, b"%d" % len(connection.received))
