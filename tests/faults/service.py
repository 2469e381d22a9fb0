"""What several fault tests ask at their end: does everything work again, and how did it end?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from .bench import Bench

__all__ = ["ending", "exchange", "works"]


async def exchange(sock: object, data: bytes, limit: float = 30.0) -> None:
    """`data` there and back through an echo, and nothing else."""
    async with asyncio.timeout(limit):
        await sock.sendall(data)  # type: ignore[attr-defined]
        got = b""
        while len(got) < len(data):
            part = await sock.recv(65536)  # type: ignore[attr-defined]
            assert part, "an end that the peer has not made"
            got += part
        assert got == data


async def works(bench: Bench, limit: float = 120.0) -> None:
    """Service is back within `limit` seconds: a new connection carries data both ways."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    while True:
        try:
            sock = await bench.net.connect(("echo.test", 7), timeout=30)
            await exchange(sock, b"there and back")
            await sock.close()
        except OSError as error:
            assert loop.time() < deadline, f"service did not come back: {error}"
            await asyncio.sleep(1)
        else:
            assert loop.time() < deadline
            return


async def ending(reading: Awaitable[object], limit: float = 30.0) -> OSError:
    """The error with which a waiting call ends; a time-out of the test is none."""
    with pytest.raises(OSError) as caught:
        try:
            async with asyncio.timeout(limit):
                await reading
        except TimeoutError as error:
            if error.errno is None:
                pytest.fail("it waits for ever")
            raise
    return caught.value
