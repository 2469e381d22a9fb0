"""A report as plain data: what index.html, report.md and report.json all show.

Its shape is `SCHEMA` (JSON Schema 2020-12). Two of them can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netsocket.capability.catalogue import CATALOGUE, GROUP, VERSION
from netsocket.capability.measure import Measurement, agrees
from netsocket.capability.model import Level
from netsocket.capability.verdict import Outcome

FORMAT: Final = 1
"""Of the data's shape; raised when a reader would have to change."""
_TEXT: Final = {"type": "string"}
_CELL: Final = {
    "type": "object",
    "required": ["id", "level", "because", "source", "limit", "unit", "outcome", "agrees",
                 "probes"],
    "properties": {
        "id": {"enum": list(CATALOGUE)},
        "level": {"enum": [level.value for level in Level]},
        "because": _TEXT,
        "source": {"type": ["string", "null"]},
        "limit": {"type": ["integer", "null"]},
        "unit": _TEXT,
        "outcome": {"enum": [outcome.value for outcome in Outcome]},
        "agrees": {"type": "boolean"},
        "probes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "outcome", "evidence", "seconds", "kind"],
                "properties": {
                    "name": _TEXT,
                    "outcome": {"enum": [outcome.value for outcome in Outcome]},
                    "evidence": _TEXT,
                    "seconds": {"type": "number", "minimum": 0},
                    "kind": {"enum": ["simulated", "measured"]},
                    "exchange": {"type": "array", "items": _TEXT},
                },
            },
        },
    },
}  # fmt: skip
SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "atdriver capability report",
    "type": "object",
    "required": ["format", "catalogue", "modules"],
    "properties": {
        "format": {"const": FORMAT},
        "catalogue": {"type": "integer"},
        "modules": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["spec", "module", "firmware", "evidence", "date", "cells",
                             "contradictions", "unknown", "anomalies"],
                "properties": {
                    "spec": _TEXT,
                    "module": _TEXT,
                    "firmware": _TEXT,
                    "evidence": {"enum": ["simulated", "measured"]},
                    "date": _TEXT,
                    "cells": {"type": "array", "items": _CELL},
                    "contradictions": {"type": "array", "items": _TEXT},
                    "unknown": {"type": "array", "items": _TEXT},
                    "anomalies": {"type": "object"},
                },
            },
        },
        "changes": {"type": "array", "items": _TEXT},
    },
}  # fmt: skip


def to_record(
    measurements: Sequence[Measurement],
    exchanges: Sequence[Mapping[str, Sequence[str]]] = (),
) -> dict[str, Any]:
    """The report's data; `exchanges` holds for each module the wire excerpt of each probe."""
    modules = []
    for number, found in enumerate(measurements):
        wire = exchanges[number] if number < len(exchanges) else {}
        cells = []
        for id_, claim in found.claims.items():
            outcome = found.outcome(id_)
            probes = []
            for result in found.results:
                if result.promise == id_:
                    probes.append(
                        {
                            "name": result.probe,
                            "outcome": result.outcome.value,
                            "evidence": result.evidence,
                            "seconds": round(result.seconds, 3),
                            "kind": found.kind,
                            "exchange": list(wire.get(result.probe, ())),
                        }
                    )
            cells.append(
                {
                    **claim.to_dict(),
                    "outcome": outcome.value,
                    "agrees": agrees(claim, outcome),
                    "probes": probes,
                }
            )
        modules.append(
            {
                "spec": found.spec,
                "module": found.claims.module,
                "firmware": found.claims.firmware,
                "evidence": found.kind,
                "date": found.date,
                "cells": cells,
                "contradictions": found.contradictions(),
                "unknown": found.unknown(),
                "anomalies": found.anomalies,
            }
        )
    return {"format": FORMAT, "catalogue": VERSION, "modules": modules}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What a firmware (or driver) update changed: one sentence per promise, modules of the same
    name compared in order. Raises ValueError when `old` is no report."""
    try:
        before = {module["module"]: module for module in old["modules"]}
        return [
            sentence
            for module in new["modules"]
            if module["module"] in before
            for sentence in _changes_of(before[module["module"]], module)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the older file is no capability report") from error


def _changes_of(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    found = []
    former = {cell["id"]: cell for cell in old["cells"]}
    head = f"{new['module']} ({old['firmware']} → {new['firmware']})"
    for cell in new["cells"]:
        was = former.pop(cell["id"], None)
        if was is None:
            found.append(f"{head}: {cell['id']} is new in the catalogue")
            continue
        for key in ("level", "limit", "outcome"):
            if was[key] != cell[key]:
                found.append(f"{head}: {cell['id']}: {key} {was[key]} → {cell[key]}")
    found += [f"{head}: {id_} is no longer in the catalogue" for id_ in former]
    return found


def groups() -> dict[str, list[str]]:
    """Group to ids, in catalogue order."""
    found: dict[str, list[str]] = {}
    for id_, group in GROUP.items():
        found.setdefault(group, []).append(id_)
    return found
