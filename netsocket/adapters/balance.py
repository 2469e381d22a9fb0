"""Which member of a pool takes the next client: pure rules over what each member carries.

- `least-busy`: the one with the smallest share of its sockets in use; among equals the one that
  was served longest ago.
- `round-robin`: in turn, whatever each carries; one without room misses its turn.
- `failover`: the first that is up, always. While it is full, clients wait for it: the others are
  for the time when it is down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Balance = Literal["least-busy", "round-robin", "failover"]


@dataclass(frozen=True, slots=True)
class Load:
    """What one member that is up carries now."""

    order: int
    """Its place in the list that the pool was made of; no two are equal."""
    in_use: int
    """Sockets leased."""
    capacity: int | None
    """Sockets it has; None where the stack states no limit."""
    served: int = 0
    """When it was served last, as a number that grows with each client; 0 = never."""
    resting: bool = False
    """It refused a socket a moment ago."""

    @property
    def has_room(self) -> bool:
        """Whether it can take another client."""
        return not self.resting and (self.capacity is None or self.in_use < self.capacity)

    @property
    def share(self) -> float:
        """The part of its sockets that is in use; 0 where there is no limit."""
        return self.in_use / self.capacity if self.capacity else 0.0


Rule = Callable[[Sequence[Load]], Load | None]
"""From the members that are up to the one that takes the next client; None: the client waits."""


def least_busy(up: Sequence[Load]) -> Load | None:
    """The smallest share in use, then the longest idle, then the first."""
    room = [load for load in up if load.has_room]
    return min(room, key=lambda load: (load.share, load.served, load.order), default=None)


def round_robin(up: Sequence[Load]) -> Load | None:
    """The one served longest ago, then the first."""
    room = [load for load in up if load.has_room]
    return min(room, key=lambda load: (load.served, load.order), default=None)


def failover(up: Sequence[Load]) -> Load | None:
    """The first that is up, or nobody while it has no room."""
    first = min(up, key=lambda load: load.order, default=None)
    return first if first is not None and first.has_room else None


RULES: Final[Mapping[str, Rule]] = {
    "least-busy": least_busy,
    "round-robin": round_robin,
    "failover": failover,
}
