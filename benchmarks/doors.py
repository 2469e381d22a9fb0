"""The asyncio ways into the driver that are measured; each gives the same three functions.

The same transfer goes through all of them, so what a way costs is the difference. Programs with a
plain socket (blocking face, proxy) are in `plain`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from netsocket.interface import AsyncNetworkInterface

HOST = "far"
READ = 64 * 1024


class Connection(NamedTuple):
    """A connected stream: what has come, at most 64 KiB; send all of it; end it."""

    receive: Callable[[], Awaitable[bytes]]
    send: Callable[[bytes], Awaitable[Any]]
    close: Callable[[], Awaitable[Any]]


async def socket(net: AsyncNetworkInterface, port: int) -> Connection:
    """The asyncio socket itself."""
    sock = await net.connect((HOST, port), timeout=20)
    return Connection(lambda: sock.recv(READ), sock.sendall, sock.close)


async def streams(net: AsyncNetworkInterface, port: int) -> Connection:
    """asyncio's StreamReader and StreamWriter over it."""
    from netsocket.adapters.pairs import open_streams

    reader, writer = await open_streams(await net.connect((HOST, port), timeout=20))

    async def send(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    async def close() -> None:
        writer.close()
        await writer.wait_closed()

    return Connection(lambda: reader.read(READ), send, close)


async def anyio(net: AsyncNetworkInterface, port: int) -> Connection:
    """An anyio ByteStream."""
    from netsocket.adapters.for_anyio import connect_tcp

    stream = await connect_tcp(net, HOST, port)
    return Connection(lambda: stream.receive(READ), stream.send, stream.aclose)


DOORS = {"socket": socket, "streams": streams, "anyio": anyio}
