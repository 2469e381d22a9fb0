"""The input side of a fake: bytes from the host as command lines or as payload.

Lines and payload are pulled: `read_line` for the interpreter, `take...` for a command that
expects payload.  While a command claims the input, the line reader stands still, so that
payload is never looked at as commands, and commands in the payload phase are payload.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ESCAPE_GUARD", "Intake", "Signal"]

ESCAPE_GUARD = 0.02  # seconds of silence around an escape sequence (line time, not scaled)
_LIMIT = 1 << 16  # bytes of unread input before further bytes are lost
_PACKET = 8  # bytes remembered of the present packet, to know an escape sequence


class Signal:
    """Wakes every coroutine that waits at the moment of `notify`."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def notify(self) -> None:
        """Wake all present waiters."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Wait for the next `notify`."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


class Intake:
    """Unread bytes of one fake.

    Attributes:
        activity: notified when bytes arrived or the input was released.
        sink: takes every byte instead, while it is set (a call in data mode).
    """

    def __init__(self) -> None:
        self.activity = Signal()
        self.sink: Callable[[bytes], None] | None = None
        self._bytes = bytearray()
        self._line = bytearray()
        self._overlong = False
        self._claimed = 0
        self._packet = bytearray()
        self._last_arrival = 0.0

    def __len__(self) -> int:
        return len(self._bytes) + len(self._line)

    def clear(self) -> None:
        """Forget everything unread, and a sink."""
        self.sink = None
        self._bytes.clear()
        self.forget_line()

    def forget_line(self) -> None:
        """Forget a command line that has begun."""
        self._line.clear()
        self._overlong = False

    def arrived(self, data: bytes, now: float) -> int:
        """Add bytes that arrived at loop time `now`; the number of bytes lost for want of room."""
        if self.sink is not None:
            self.sink(data)
            return 0
        if now - self._last_arrival >= ESCAPE_GUARD:
            self._packet.clear()
        self._last_arrival = now
        if len(self._packet) < _PACKET:
            self._packet += data[:_PACKET]
        lost = 0
        if not self._claimed:
            lost = max(0, len(self._bytes) + len(data) - _LIMIT)
        self._bytes += data[: len(data) - lost]
        self.activity.notify()
        return lost

    # ---- lines -------------------------------------------------------------------------

    async def read_line(
        self, terminator: bytes, limit: int, seen: Callable[[bytes], None]
    ) -> bytes | None:
        """The next command line without its terminator.

        Args:
            terminator: ends a line.
            limit: most bytes of a line, without terminator.
            seen: called with every block of command bytes as it is read (for the echo).

        Returns:
            The line, or None for one that was longer than `limit`.
        """
        tail = len(terminator) - 1
        while True:
            if self._claimed or not self._bytes:
                await self.activity.wait()
                continue
            # The terminator may straddle what was moved before and what is new.
            joined = len(self._line)
            self._line += self._bytes
            found = self._line.find(terminator, max(0, joined - tail))
            complete = found >= 0
            end = found + len(terminator) if complete else len(self._line)
            del self._line[end:]
            block = bytes(self._bytes[: end - joined])
            del self._bytes[: end - joined]
            length = found if complete else end
            if length > limit:
                self._overlong = True
            line = bytes(self._line[:length]) if complete and not self._overlong else None
            if complete:
                self.forget_line()
            elif self._overlong:
                del self._line[: max(0, end - tail)]  # keep a half terminator
            seen(block)
            if complete:
                return line

    # ---- payload -----------------------------------------------------------------------

    async def take(
        self, count: int, begin: Callable[[], None], *, escape: bytes | None, guard: float
    ) -> bytes | None:
        """Exactly `count` bytes, or None after the escape sequence; see `FakeModem.take`."""
        self._claimed += 1
        try:
            begin()
            while len(self._bytes) < count:
                if escape and self._packet == escape and self._bytes.endswith(escape):
                    if await self._silent(guard):
                        self._bytes.clear()
                        return None
                    continue
                await self.activity.wait()
            return self._pull(count)
        finally:
            self._release()

    async def take_some(self, limit: int, *, escape: bytes | None, guard: float) -> bytes | None:
        """1 to `limit` bytes, or None after the escape sequence; see `FakeModem.take_some`."""
        self._claimed += 1
        try:
            while not self._bytes:
                await self.activity.wait()
            while len(self._bytes) < limit and not await self._silent(guard):
                pass
            if escape and self._packet == escape and self._bytes == escape:
                self._bytes.clear()
                return None
            return self._pull(limit)
        finally:
            self._release()

    async def take_until(
        self, stops: bytes, begin: Callable[[], None], *, limit: int
    ) -> tuple[bytes, int]:
        """Bytes up to the first one in `stops`; see `FakeModem.take_until`."""
        pattern = re.compile(b"[" + re.escape(stops) + b"]")
        kept = bytearray()
        self._claimed += 1
        try:
            begin()
            while True:
                found = pattern.search(self._bytes)
                end = found.start() if found else len(self._bytes)
                kept += self._bytes[: min(end, limit - len(kept))]
                if found:
                    stop = self._bytes[end]
                    del self._bytes[: end + 1]
                    return bytes(kept), stop
                self._bytes.clear()
                await self.activity.wait()
        finally:
            self._release()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is read as a command line meanwhile; `take...` may be called."""
        self._claimed += 1
        try:
            yield
        finally:
            self._release()

    def _pull(self, count: int) -> bytes:
        with memoryview(self._bytes) as view:
            data = bytes(view[:count])
        del self._bytes[:count]
        return data

    async def _silent(self, guard: float) -> bool:
        """Whether nothing arrives for `guard` seconds."""
        try:
            async with asyncio.timeout(guard):
                await self.activity.wait()
        except TimeoutError:
            return True
        return False

    def _release(self) -> None:
        self._claimed -= 1
        self.activity.notify()
