"""Capability records: what a stack claims about each promise of the Socket API.

The driver keeps its table as data beside the code, and reads it at run time: one number, one
place. Claims come from manuals; what was measured is kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from netsocket.capability.catalogue import CATALOGUE
from netsocket.errors import NotSupported


class Level(Enum):
    """How far a promise is kept."""

    FULL = "full"
    """As the operating system's own sockets do it."""
    EMULATED = "emulated"
    """The driver makes it so, at a cost that the record names."""
    PARTIAL = "partial"
    """Kept only in part; the record says where it differs."""
    NONE = "none"
    """Impossible; the call raises NotSupported."""
    UNKNOWN = "unknown"
    """Nobody has found out yet; the call is tried."""


@dataclass(frozen=True, slots=True)
class Manual:
    """Where a claim comes from."""

    title: str
    version: str
    section: str

    def __str__(self) -> str:
        version = f" {self.version}" if self.version else ""
        section = f", section {self.section}" if self.section else ""
        return f"{self.title}{version}{section}"


@dataclass(frozen=True, slots=True)
class Capability:
    """One claim: an id of the catalogue, how far it is kept, why not further, and who says so.

    `limit` is a number in `unit` ("bytes", "sockets") that the driver obeys; in "bytes/s" it is
    the pace at which the promise is kept, or for which, with NONE, it is not.
    """

    id: str
    level: Level
    because: str = ""
    source: Manual | None = None
    limit: int | None = None
    unit: str = ""

    @property
    def supported(self) -> bool:
        """False only where the call is known to be impossible."""
        return self.level is not Level.NONE

    def require(self) -> None:
        """Raise NotSupported (errno EOPNOTSUPP) when the level is NONE."""
        if self.level is Level.NONE:
            raise NotSupported(self)

    def to_dict(self) -> dict[str, str | int | None]:
        """Plain data for reports; the source as text."""
        return {
            "id": self.id,
            "level": self.level.value,
            "because": self.because,
            "source": str(self.source) if self.source else None,
            "limit": self.limit,
            "unit": self.unit,
        }


class NoLimit(LookupError):
    """A number was asked of a capability that states none."""


class CapabilityTable(Mapping[str, Capability]):
    """All claims of one module with one firmware; immutable, in catalogue order.

    An id outside the catalogue, or given twice, raises ValueError. Ids that were not given are
    UNKNOWN; `unstated` lists them, so that a test can demand none.
    """

    __slots__ = ("_records", "firmware", "module", "stack", "unstated")

    module: str
    firmware: str
    stack: str
    """What kind of stack it is, for the report's first table: "external IP module"."""
    unstated: frozenset[str]

    def __init__(
        self, module: str, firmware: str, records: Iterable[Capability], *, stack: str = ""
    ) -> None:
        given: dict[str, Capability] = {}
        for record in records:
            if record.id not in CATALOGUE:
                raise ValueError(f"{module}: {record.id!r} is not in the capability catalogue")
            if record.id in given:
                raise ValueError(f"{module}: {record.id!r} is claimed twice")
            given[record.id] = record
        self.module = module
        self.firmware = firmware
        self.stack = stack
        self.unstated = frozenset(CATALOGUE.keys() - given.keys())
        self._records = {
            id_: given.get(id_) or Capability(id_, Level.UNKNOWN, "nothing is claimed")
            for id_ in CATALOGUE
        }

    def __getitem__(self, id_: str) -> Capability:
        return self._records[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"CapabilityTable({self.module!r}, {self.firmware!r}, {len(self)} records)"

    def limit(self, id_: str) -> int:
        """The number of this capability. Raises NoLimit (a LookupError) when it states none."""
        limit = self._records[id_].limit
        if limit is None:
            raise NoLimit(f"{self.module}: capability {id_!r} states no limit")
        return limit

    def with_changes(self, *records: Capability, firmware: str | None = None) -> CapabilityTable:
        """A new table in which `records` replace those of the same id (firmware differences)."""
        changed = {record.id for record in records}
        kept = [
            record
            for id_, record in self._records.items()
            if id_ not in changed and id_ not in self.unstated
        ]
        return CapabilityTable(
            self.module,
            self.firmware if firmware is None else firmware,
            [*kept, *records],
            stack=self.stack,
        )

    def to_dict(self) -> dict[str, object]:
        """Plain data for reports."""
        return {
            "module": self.module,
            "firmware": self.firmware,
            "capabilities": [record.to_dict() for record in self._records.values()],
        }
