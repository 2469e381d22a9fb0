"""What goes wrong on a line, decided from a seed: cutting, lost and flipped bytes, noise."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .errors import ScenarioError

__all__ = ["CHUNK_PLANS", "Faults", "Places", "chunks", "noise"]

CHUNK_PLANS = ("whole", "single", "packets64", "random")


def chunks(data: bytes, plan: str, source: random.Random) -> Iterator[bytes]:
    """Cut `data` by a plan of `CHUNK_PLANS`: whole, single bytes, 64-byte packets, random."""
    if plan == "whole":
        yield data
        return
    at = 0
    while at < len(data):
        if plan == "single":
            size = 1
        elif plan == "packets64":
            size = 64
        else:
            size = source.choice((1, 2, 3, 5, 8, 16, 64, 256, 1500))
        yield data[at : at + size]
        at += size


def noise(count: int, source: random.Random) -> bytes:
    """`count` bytes as a UART at the wrong rate sees them: mostly >= 0x80, some text."""
    return bytes(
        source.choice(b"|rnl~?bco\r\n") if source.random() < 0.35 else source.randrange(128, 256)
        for _ in range(count)
    )


@dataclass(frozen=True, slots=True)
class Faults:
    """What is lost, doubled or flipped on one direction of the line.

    Attributes:
        drop, dup, flip: probability per byte, 0..1.
        drop_at, dup_at, flip_at: absolute byte positions since the start.
            A flipped byte has one random bit inverted.
    """

    drop: float = 0.0
    dup: float = 0.0
    flip: float = 0.0
    drop_at: tuple[int, ...] = ()
    dup_at: tuple[int, ...] = ()
    flip_at: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("drop", "dup", "flip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ScenarioError(f"{name} must be a probability 0..1", source="wire")


class Places:
    """Increasing positions of one kind of fault: fixed ones and random ones merged."""

    def __init__(self, chance: float, fixed: Iterable[int], source: random.Random) -> None:
        self._chance = chance
        self._fixed = deque(sorted(fixed))
        self._source = source
        self._random = self._gap(-1)

    def _gap(self, after: int) -> float:
        if self._chance <= 0:
            return math.inf
        if self._chance >= 1:
            return after + 1
        jump = math.log(1.0 - self._source.random()) / math.log(1.0 - self._chance)
        return after + 1 + int(jump)

    def within(self, start: int, end: int) -> list[int]:
        """Positions in [start, end), in order."""
        found: set[int] = set()
        while self._fixed and self._fixed[0] < end:
            place = self._fixed.popleft()
            if place >= start:
                found.add(place)
        while self._random < end:
            place = int(self._random)
            if place >= start:
                found.add(place)
            self._random = self._gap(place)
        return sorted(found)
