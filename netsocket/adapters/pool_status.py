"""What a pool tells: how it is, and why there is no socket for a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netsocket.adapters.member import Member
from netsocket.errors import NetworkDown, NoSocket
from netsocket.interface import AsyncNetworkInterface


class PoolBusy(NoSocket):
    """No socket became free in time; errno EMFILE.

    `waited` in seconds, `queued` clients (this one included) were waiting at the end, `capacity`
    sockets of the members that are up (None: one of them states no limit).
    """

    def __init__(self, waited: float, queued: int, capacity: int | None) -> None:
        several = "" if queued == 1 else f", {queued} clients were waiting"
        sockets = "no socket" if capacity is None else f"none of {capacity} sockets"
        super().__init__(f"{sockets} became free within {waited:.1f} s{several}")
        self.waited = waited
        self.queued = queued
        self.capacity = capacity


class PoolEmpty(NetworkDown):
    """No member of the pool is up, and none came up in time; errno ENETDOWN.

    `reasons` says why, by name of the member.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"no modem is up ({listed})")
        self.reasons = dict(reasons)


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member, as `Pool.status` saw it.

    `net` is its interface while it has one, `reason` why it is not up, `capacity` None for no
    limit.
    """

    name: str
    up: bool
    reason: str
    in_use: int
    capacity: int | None
    net: AsyncNetworkInterface | None

    @classmethod
    def of(cls, member: Member) -> MemberStatus:
        """How it is now."""
        life = member.life
        if life is None:
            return cls(member.name, False, member.reason, 0, None, None)
        return cls(member.name, life.up, member.reason, life.in_use, life.capacity, life.net)


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A snapshot of a pool: its members in their order, and how many clients wait."""

    members: tuple[MemberStatus, ...]
    queued: int

    @property
    def in_use(self) -> int:
        """Sockets leased of all members."""
        return sum(member.in_use for member in self.members)

    @property
    def capacity(self) -> int | None:
        """Sockets of the members that are up; None where one of them states no limit."""
        limits = [member.capacity for member in self.members if member.up]
        known = [limit for limit in limits if limit is not None]
        return sum(known) if len(known) == len(limits) else None
