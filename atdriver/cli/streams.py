"""stdin and stdout as asyncio sees them: bytes as they are, and never more than was asked for.

Nothing is read ahead, nothing is queued, and no thread is left waiting in a read: a descriptor is
waited for in the event loop. Regular files, which cannot be waited for, are read directly.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

ATOMIC = 4096
"""A pipe that is writable takes so many bytes without blocking (PIPE_BUF of Linux)."""
LINE_LIMIT = 64 * 1024
"""Longest line of input kept, bytes."""


class Source:
    """A descriptor to read from; None reads as empty."""

    def __init__(self, number: int | None) -> None:
        self._number = number
        self._waitable = True

    @classmethod
    def stdin(cls) -> Source:
        """Standard input; one that is closed is empty."""
        return cls(0 if sys.stdin is not None else None)

    async def read(self, size: int) -> bytes:
        """What is there, 1..size bytes, or b"" at the end. Raises OSError."""
        if self._number is None:
            return b""
        while True:
            if self._waitable:
                loop = asyncio.get_running_loop()
                self._waitable = await _wait(loop.add_reader, loop.remove_reader, self._number)
            else:
                await asyncio.sleep(0)
            try:
                return os.read(self._number, size)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno == errno.EIO:  # a terminal that has gone
                    return b""
                raise

    def ready(self) -> bool:
        """Whether a read would return at once."""
        if self._number is None or not self._waitable:
            return True
        poll = select.poll()
        poll.register(self._number, select.POLLIN)
        return bool(poll.poll(0))

    async def lines(self) -> AsyncIterator[bytes]:
        """Line by line, without line ends; the last one may lack its end."""
        rest = b""
        while data := await self.read(LINE_LIMIT):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r")
            if len(rest) > LINE_LIMIT:
                raise OSError(errno.EMSGSIZE, "a line of the input is too long")
        if rest:
            yield rest.rstrip(b"\r")


class Sink:
    """A descriptor to write to; None takes everything and keeps nothing."""

    def __init__(self, number: int | None) -> None:
        self._number = number
        self._waitable = True

    @classmethod
    def stdout(cls) -> Sink:
        """Standard output, behind what was printed there before."""
        if sys.stdout is None:
            return cls(None)
        sys.stdout.flush()
        return cls(1)

    async def write(self, data: bytes) -> None:
        """Everything, as fast as the reader takes it. Raises BrokenPipeError when he has left."""
        if self._number is None:
            return
        rest = memoryview(data)
        while rest:
            if self._waitable and not self._room():
                loop = asyncio.get_running_loop()
                self._waitable = await _wait(loop.add_writer, loop.remove_writer, self._number)
            try:
                rest = rest[os.write(self._number, rest[:ATOMIC]) :]
            except BlockingIOError:
                continue

    def _room(self) -> bool:
        assert self._number is not None
        poll = select.poll()
        poll.register(self._number, select.POLLOUT)
        return bool(poll.poll(0))


async def _wait(add: Callable[..., Any], remove: Callable[[int], object], number: int) -> bool:
    """Wait until the descriptor is ready; False when it is of a kind that always is."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    try:
        add(number, tell)
    except PermissionError:  # epoll refuses regular files
        return False
    try:
        await ready
    finally:
        remove(number)
    return True
