"""What an update of a module's firmware, or of its driver, changed between two reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from netsocket.capability.record import FORMAT
from netsocket.capability.verdict import Outcome

_COMPARED: Final = ("level", "limit", "outcome")


class _Cell(msgspec.Struct):
    id: str
    level: str
    limit: int | None
    outcome: str


class _Module(msgspec.Struct):
    spec: str
    module: str
    firmware: str
    evidence: str
    cells: list[_Cell]


class _Format(msgspec.Struct):
    format: int
    catalogue: int


class Report(msgspec.Struct):
    """The part of a report.json that is compared."""

    modules: list[_Module]


def read(data: bytes) -> Report:
    """A report.json. Raises ValueError that says why it is none, or one of another format."""
    try:
        found = msgspec.json.decode(data, type=_Format).format
    except msgspec.ValidationError as error:
        raise ValueError(f"no capability report ({error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"not JSON ({error})") from error
    if found != FORMAT:
        age = "a newer" if found > FORMAT else "an older"
        raise ValueError(f"of format {found}, written by {age} atdriver; this one reads {FORMAT}")
    try:
        return msgspec.json.decode(data, type=Report)
    except msgspec.ValidationError as error:
        raise ValueError(f"no capability report ({error})") from error


def changes(old: Report, record: Any) -> list[str]:
    """One sentence for each level, limit or verdict that differs; `record` is of `to_record`.

    A module is compared with the old one of the same specification, else with the next old one of
    the same name. A verdict counts as changed only where both reports judged.
    """
    new = msgspec.convert(record, Report)
    rest = list(old.modules)
    pairs = []
    for module in new.modules:
        former = next((m for m in rest if (m.spec, m.module) == (module.spec, module.module)), None)
        pairs.append((module, former))
        if former is not None:
            rest.remove(former)
    found = []
    for module, same in pairs:
        former = same or next((m for m in rest if m.module == module.module), None)
        if former is None:
            found.append(f"{module.module} ({module.firmware}) is new in the report")
            continue
        if same is None:
            rest.remove(former)
        found += _changes_of(former, module)
    return found + [f"{m.module} ({m.firmware}) is no longer in the report" for m in rest]


def _changes_of(old: _Module, new: _Module) -> Iterator[str]:
    head = f"{new.module} ({old.firmware} → {new.firmware})"
    if old.evidence != new.evidence:
        yield f"{head}: evidence {old.evidence} → {new.evidence}"
    former = {cell.id: cell for cell in old.cells}
    for cell in new.cells:
        was = former.pop(cell.id, None)
        if was is None:
            yield f"{head}: {cell.id} is new in the catalogue"
            continue
        for key, before, after in _differing(was, cell):
            yield f"{head}: {cell.id}: {key} {before} → {after}"
    for id_ in former:
        yield f"{head}: {id_} is no longer in the catalogue"


def _differing(old: _Cell, new: _Cell) -> Iterable[tuple[str, object, object]]:
    for key in _COMPARED:
        before, after = getattr(old, key), getattr(new, key)
        unjudged = key == "outcome" and Outcome.UNJUDGED.value in (before, after)
        if before != after and not unjudged:
            yield key, before, after
