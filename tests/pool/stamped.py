"""A payload that says whose it is, checked at both ends: a byte of somebody else cannot hide.

A client sends `NUMBER UP DOWN\n` and UP bytes that depend on NUMBER and their place; the server
checks each and answers with DOWN bytes that depend on NUMBER in another way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from netsocket import AsyncTCPSocket


def payload(number: int, direction: str, size: int) -> bytes:
    """The bytes of client `number`; the same everywhere."""
    return random.Random(f"{direction} {number}").randbytes(size)


@dataclass
class StampedServer:
    """What arrived: `wrong` must stay empty; `begun` and `served` have the clients in order."""

    port: int = 0
    begun: list[int] = field(default_factory=list)
    served: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    pause: float = 0.0
    """Seconds between the request and the answer."""
    at_once: int = 0
    most_at_once: int = 0


@asynccontextmanager
async def stamped_server(pause: float = 0.0) -> AsyncIterator[StampedServer]:
    state = StampedServer(pause=pause)
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        state.at_once += 1
        state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            while head := await reader.readline():
                number, up, down = map(int, head.split())
                state.begun.append(number)
                got = await reader.readexactly(up)
                if got != payload(number, "up", up):
                    state.wrong.append(f"client {number}: other bytes than its own arrived")
                state.served.append(number)
                await asyncio.sleep(state.pause)
                writer.write(payload(number, "down", down))
                await writer.drain()
        except ValueError:
            state.wrong.append(f"a head that nobody sent: {head!r}")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # given up by its client
        finally:
            state.at_once -= 1
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)


async def exchange(sock: AsyncTCPSocket, number: int, up: int, down: int) -> None:
    """One request over a connected socket. Raises AssertionError for a wrong byte, OSError."""
    head = f"{number} {up} {down}\n".encode()
    sending = asyncio.create_task(sock.sendall(head + payload(number, "up", up)))
    try:
        got = bytearray()
        while len(got) < down:
            part = await sock.recv(65536)
            if not part:
                raise ConnectionResetError(f"the end after {len(got)} of {down} bytes")
            got += part
        assert got == payload(number, "down", down), f"client {number} got other bytes"
        await sending
    finally:
        sending.cancel()
        await asyncio.wait({sending})
