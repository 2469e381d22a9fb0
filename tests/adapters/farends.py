"""Far ends on 127.0.0.1, one for each protocol, and what each can be asked to do to a client.

Every one is judged by what it received itself (`FarEnd.received`), never by what a client says.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncssh
from websockets.asyncio.server import ServerConnection, serve

PART = bytes(range(250)) * 12
"""What arrives before a connection breaks: 3000 bytes."""
REQUEST = 3000
"""Bytes that a bare stream takes before it does anything but echo."""
WHOLE = 9000
"""Bytes that a far end promises where its protocol has a length, when it sends only PART."""
SLOW = 0.05
"""Seconds that a far end pauses at a few places of a large upload."""


@dataclass
class FarEnd:
    """One server: its port, what it does, and what it got."""

    does: str
    port: int = 0
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    connections: int = 0
    clean_ends: int = 0
    """Connections whose end was told in order by the client."""
    host_key: Any = None
    gone_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the test when the client has got PART: only then does a message end break."""
    _next_pause: int = 1 << 19

    def take(self, data: bytes) -> None:
        self.received += len(data)
        self.digest.update(data)

    async def until_read(self) -> None:
        """Wait until the client has the part: RST throws away what is still queued."""
        async with asyncio.timeout(10):
            await self.gone_on.wait()

    async def pause(self) -> None:
        """Read no more for a moment, once a MiB."""
        if self.received >= self._next_pause:
            self._next_pause += 1 << 20
            await asyncio.sleep(SLOW)


def reset(writer: Any) -> None:
    """Close with RST."""
    transport = getattr(writer, "transport", writer)
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _break(end: FarEnd, writer: asyncio.StreamWriter, promised: bytes = b"") -> None:
    """What all far ends over asyncio streams do that do not echo."""
    writer.write(promised + PART)
    await writer.drain()
    if end.does == "reset":
        await end.until_read()
        reset(writer)
    elif end.does == "cut":
        writer.close()
    else:  # "stall"
        await asyncio.Event().wait()


async def _raw(end: FarEnd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        end.take(data)
        if end.does != "echo":
            if end.received >= REQUEST:
                await _break(end, writer)
                return
            continue
        await end.pause()
        writer.write(data)
        await writer.drain()
    end.clean_ends += 1
    if end.does == "echo":
        writer.write(b"")
        writer.close()


async def _http(end: FarEnd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        lines = head.decode().lower().split("\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        chunked = "transfer-encoding: chunked" in lines
        body = bytearray()
        while chunked or len(body) < length:
            if chunked:
                length = int(await reader.readline(), 16)
            data = await reader.readexactly(min(length, 65536) if not chunked else length)
            if chunked:
                await reader.readexactly(2)
                if not length:
                    break
            body += data
            end.take(data)
            await end.pause()
        if end.does != "echo":
            await _break(end, writer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % WHOLE)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 65536):
            writer.write(body[start : start + 65536])
            await writer.drain()


async def _mqtt(end: FarEnd, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As much of a broker as two clients need: what is published comes back to its sender."""
    while True:
        kind = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 127) << shift
            shift += 7
            if digit < 128:
                break
        body = await reader.readexactly(length)
        match kind >> 4:
            case 1:
                writer.write(b"\x20\x02\x00\x00")
            case 8:
                writer.write(b"\x90\x03" + body[:2] + b"\x00")
                if end.does != "echo":
                    whole = b"\x30" + _length(7 + WHOLE) + b"\x00\x05reply"
                    part = b"\x30" + _length(7 + len(PART)) + b"\x00\x05reply"
                    writer.write(part + PART)
                    await _break(end, writer, whole)
                    return
            case 3:
                topic = 2 + int.from_bytes(body[:2], "big")
                data = body[topic + (2 if kind & 6 else 0) :]
                end.take(data)
                await end.pause()
                if kind & 6:
                    writer.write(b"\x40\x02" + body[topic : topic + 2])
                writer.write(b"\x30" + _length(7 + len(data)) + b"\x00\x05reply" + data)
            case 12:
                writer.write(b"\xd0\x00")
            case 14:
                end.clean_ends += 1
                return
        await writer.drain()


def _length(value: int) -> bytes:
    made = bytearray()
    while True:
        value, digit = divmod(value, 128)
        made.append(digit | (128 if value else 0))
        if not value:
            return bytes(made)


STREAM_HANDLERS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "raw": _raw,
    "http": _http,
    "mqtt": _mqtt,
}


@asynccontextmanager
async def _streams(
    end: FarEnd, protocol: str, context: ssl.SSLContext | None
) -> AsyncIterator[Any]:
    handle = STREAM_HANDLERS[protocol]
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        end.connections += 1
        try:
            await handle(end, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    end.port = server.sockets[0].getsockname()[1]
    yield
    server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _websocket(end: FarEnd, context: ssl.SSLContext | None) -> AsyncIterator[None]:
    handlers: set[Any] = set()

    async def one(connection: ServerConnection) -> None:
        end.connections += 1
        handlers.add(asyncio.current_task())
        async for message in connection:
            end.take(message if isinstance(message, bytes) else message.encode())
            await end.pause()
            if end.does == "echo":
                await connection.send(message)
                continue
            await connection.send(PART)
            if end.does == "reset":
                await end.until_read()
                reset(connection.transport)
            elif end.does == "cut":
                connection.transport.close()
            else:
                await asyncio.Event().wait()
        end.clean_ends += 1

    server = await serve(one, "127.0.0.1", 0, ssl=context, ping_interval=None, close_timeout=0.2,
                         compression=None)  # fmt: skip
    end.port = server.sockets[0].getsockname()[1]
    yield
    for handler in handlers:
        handler.cancel()
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def _ssh(end: FarEnd) -> AsyncIterator[None]:
    async def one(process: Any) -> None:
        end.connections += 1
        while data := await process.stdin.read(65536):
            end.take(data)
            await end.pause()
            if end.does == "echo":
                process.stdout.write(data)
                await process.stdout.drain()
                continue
            process.stdout.write(PART)
            connection = process.channel.get_connection()
            if end.does == "stall":
                await asyncio.Event().wait()
            await end.until_read()
            if end.does == "reset":
                reset(connection._transport)
            else:
                connection._transport.close()
            return
        end.clean_ends += 1
        process.exit(0)

    connections: list[Any] = []

    class AnyUser(asyncssh.SSHServer):
        def connection_made(self, conn: Any) -> None:
            connections.append(conn)

        def begin_auth(self, username: str) -> bool:
            return False

    end.host_key = SSH_KEY
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=AnyUser, process_factory=one,
                                   encoding=None, server_host_keys=[SSH_KEY])  # fmt: skip
    end.port = server.get_port()
    yield
    for connection in connections:
        connection.abort()
    server.close()
    await server.wait_closed()


SSH_KEY = asyncssh.generate_private_key("ssh-ed25519")


@asynccontextmanager
async def far_end(
    protocol: str, does: str, context: ssl.SSLContext | None = None
) -> AsyncIterator[FarEnd]:
    """A server of a protocol that does "echo", "stall" (a part, then silence), "reset" (a part,
    then RST) or "cut" (a part, then an end in order of the connection, not of the protocol)."""
    end = FarEnd(does)
    if protocol == "ws":
        running: Any = _websocket(end, context)
    elif protocol == "ssh":
        running = _ssh(end)
    else:
        running = _streams(end, protocol, context)
    async with running:
        yield end
        for _ in range(5):  # what was accepted just now gets its handler, and with it an end
            await asyncio.sleep(0)


@contextlib.contextmanager
def closed_port() -> Any:
    """A port on which nobody listens, kept from everybody else."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def silent_port() -> Any:
    """A port that answers no connection attempt: its queue is full, so the system drops SYNs."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
