"""The serial line between host and fake: rate, noise, faults, cutting.

Everything that happens to bytes under way is decided here from a seed, never in a test.
Pacing is in real seconds (the loop's clock): 10 bit times per byte (8N1), handed over in
slices of at least one millisecond whose average is exact.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from .errors import ScenarioError
from .faults import CHUNK_PLANS, Faults, Places, chunks, noise

__all__ = ["CHUNK_PLANS", "Direction", "Faults", "Wire", "chunks", "noise"]

_BITS_PER_BYTE = 10  # 8N1: start, eight data bits, stop
_SLICE = 0.001  # seconds; the shortest time between two slices
_TOLERANCE = 0.03  # a UART receiver tolerates about 3 % of rate error


class Direction:
    """One direction of the line: faults, then pacing, then cutting, then the receiver.

    Attributes:
        rate: bytes are paced at this many baud; None passes them on at once.
        backlog: bytes accepted and not yet handed over.
    """

    def __init__(self, deliver: Callable[[bytes], None], *, seed: int = 0) -> None:
        self._deliver = deliver
        self._random = random.Random(seed)
        self.chunk = "whole"
        self.rate: int | None = None
        self.backlog = 0
        self._queue: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._started = 0.0  # loop time at which the running burst began
        self._done = 0  # bytes of the burst handed over
        self._paused = False
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._position = 0
        self._lose = 0
        self._dups: set[int] = set()
        self._flips: set[int] = set()
        self._places: tuple[Places, Places, Places] | None = None

    def reseed(self, seed: int) -> None:
        """Take later random decisions from `seed`."""
        self._random = random.Random(seed)

    def configure(self, *, chunk: str | None = None, faults: Faults | None = None) -> None:
        """Set the cutting plan and/or the faults (positions count from the first byte ever)."""
        if chunk is not None:
            if chunk not in CHUNK_PLANS:
                listed = ", ".join(CHUNK_PLANS)
                raise ScenarioError(f"unknown chunk plan {chunk!r}; valid: {listed}", source="wire")
            self.chunk = chunk
        if faults is not None:
            if faults == Faults():
                self._places = None
            else:
                self._places = (
                    Places(faults.drop, faults.drop_at, self._random),
                    Places(faults.dup, faults.dup_at, self._random),
                    Places(faults.flip, faults.flip_at, self._random),
                )

    def set_rate(self, rate: int | None) -> None:
        """Pace at `rate` baud from now on (None: not at all)."""
        self.rate = rate
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._schedule()

    def lose(self, count: int) -> None:
        """Lose the next `count` bytes."""
        self._lose += count

    def spoil(self, kind: str, ahead: int) -> None:
        """The byte `ahead` bytes from now is doubled ("dup") or gets one bit flipped."""
        (self._dups if kind == "dup" else self._flips).add(self._position + ahead)

    def send(self, data: bytes) -> None:
        """Put `data` on the line."""
        data = self._spoil(data)
        if not data:
            return
        if self.rate is None and not self._paused and not self._queue:
            self._hand_over(data)
            return
        self._queue.append(data)
        self.backlog += len(data)
        self._schedule()

    def _spoil(self, data: bytes) -> bytes:
        start = self._position
        self._position += len(data)
        if self._lose:
            lost = min(self._lose, len(data))
            self._lose -= lost
            data = data[lost:]
            start += lost
        if self._places is None and not self._dups and not self._flips:
            return data
        drops, dups, flips = (
            [places.within(start, self._position) for places in self._places]
            if self._places is not None
            else ([], [], [])
        )
        dups = self._due(self._dups, dups, start)
        flips = self._due(self._flips, flips, start)
        if not (drops or dups or flips):
            return data
        changed = bytearray(data)
        for place in flips:
            changed[place - start] ^= 1 << self._random.randrange(8)
        edits = sorted([(p, 1) for p in dups] + [(p, 0) for p in drops], reverse=True)
        for place, kind in edits:  # from the end, so that positions stay valid
            index = place - start
            if kind:
                changed[index:index] = changed[index : index + 1]
            else:
                del changed[index]
        return bytes(changed)

    def _due(self, ordered: set[int], found: list[int], start: int) -> list[int]:
        now = {place for place in ordered if place < self._position}
        ordered -= now
        return sorted({*found, *(place for place in now if place >= start)})

    def _hand_over(self, data: bytes) -> None:
        for piece in chunks(data, self.chunk, self._random):
            self._deliver(piece)

    def _schedule(self) -> None:
        if self._timer is not None or self._paused or not self._queue:
            return
        loop = asyncio.get_running_loop()
        self._started = loop.time()
        self._done = 0
        self._arm(loop)

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.rate is None:
            self._timer = loop.call_at(loop.time(), self._tick)
            return
        per_second = self.rate / _BITS_PER_BYTE
        whole = min(self.backlog, max(1, int(per_second * _SLICE)))
        self._timer = loop.call_at(self._started + (self._done + whole) / per_second, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        if self._paused:
            return
        if self.rate is None:
            due = self.backlog
        else:
            elapsed = loop.time() - self._started
            due = int(elapsed * self.rate / _BITS_PER_BYTE + 1e-6) - self._done
        due = min(due, self.backlog)
        if due > 0:
            self._done += due
            self.backlog -= due
            self._hand_over(self._pull(due))
        if self._queue and not self._paused and self._timer is None:
            self._arm(loop)
        self._wake()

    def _pull(self, count: int) -> bytes:
        pieces = []
        while count:
            piece = self._queue[0]
            if len(piece) <= count:
                pieces.append(self._queue.popleft())
                count -= len(piece)
            else:
                pieces.append(piece[:count])
                self._queue[0] = piece[count:]
                count = 0
        return b"".join(pieces)

    def _wake(self) -> None:
        still = []
        for most, waiter in self._waiters:
            if self.backlog > most:
                still.append((most, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._waiters = still

    async def drained(self, most: int = 0) -> None:
        """Wait until at most `most` bytes of what was accepted wait to be handed over."""
        while self.backlog > most:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append((most, waiter))
            await waiter

    def pause(self) -> None:
        """Stop handing over (the receiver is full)."""
        self._paused = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """Go on handing over."""
        self._paused = False
        self._schedule()

    @property
    def paused(self) -> bool:
        """Whether the receiver stopped the line."""
        return self._paused

    def close(self) -> None:
        """Forget what is under way and stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self.backlog = 0
        self._wake()


class Wire:
    """Both directions of the line, the two rates and what a mismatch does.

    Attributes:
        module_rate: the module's own baud rate.
        host_rate: the host's, None while unknown (then it matches).
        paced: bytes take their time at the module's rate.
    """

    def __init__(
        self,
        to_host: Callable[[bytes], None],
        to_module: Callable[[bytes], None],
        *,
        seed: int = 0,
        rate: int = 115200,
        paced: bool = False,
    ) -> None:
        self.seed = seed
        self.host_rate: int | None = None
        self.paced = paced
        self.outward = Direction(to_host, seed=seed * 2 + 1)
        self.inward = Direction(to_module, seed=seed * 2 + 2)
        self._random = random.Random(seed * 2 + 3)
        self.module_rate = rate
        self.set_module_rate(rate)

    def set_module_rate(self, rate: int) -> None:
        """The module's UART now runs at `rate` baud."""
        self.module_rate = rate
        for direction in (self.outward, self.inward):
            direction.set_rate(rate if self.paced else None)

    @property
    def matched(self) -> bool:
        """Whether host and module understand each other."""
        if self.host_rate is None:
            return True
        return abs(self.host_rate - self.module_rate) <= self.module_rate * _TOLERANCE

    def _noise(self, data: bytes, sender: int, receiver: int) -> bytes:
        count = max(1, min(len(data) * receiver // max(1, sender), 4 * len(data)))
        return noise(min(count, 8192), self._random)

    def send_to_host(self, data: bytes) -> None:
        """Bytes leave the module."""
        if not self.matched:
            data = self._noise(data, self.module_rate, self.host_rate or self.module_rate)
        self.outward.send(data)

    def send_to_module(self, data: bytes) -> None:
        """Bytes leave the host."""
        if not self.matched:
            data = self._noise(data, self.host_rate or self.module_rate, self.module_rate)
        self.inward.send(data)

    def close(self) -> None:
        """Forget what is under way."""
        self.outward.close()
        self.inward.close()
