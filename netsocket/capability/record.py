"""A report as plain data: what index.html, report.md and report.json all show.

Its shape is `SCHEMA` (JSON Schema 2020-12). `compare` tells two of them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netsocket.capability.catalogue import CATALOGUE, GROUP, VERSION
from netsocket.capability.measure import Measurement
from netsocket.capability.model import Level
from netsocket.capability.performance import Latency, Performance, Throughput
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
_AMOUNT: Final = {"type": ["number", "null"], "minimum": 0}
_FIGURE: Final = {
    "kind": {"enum": ["simulated", "measured"]},
    "place": {"enum": ["model", "loopback", "network", "hardware"]},
    "error": _TEXT,
}
_PERFORMANCE: Final = {
    "type": ["object", "null"],
    "required": ["kind", "place", "latency", "throughput"],
    "properties": {
        "kind": _FIGURE["kind"],
        "place": _FIGURE["place"],
        "latency": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "what", "unit", "samples", "lost", "median", "p95",
                             *_FIGURE],
                "properties": {
                    **_FIGURE,
                    "name": _TEXT,
                    "what": _TEXT,
                    "unit": {"const": "ms"},
                    "samples": {"type": "array", "items": {"type": "number", "minimum": 0}},
                    "lost": {"type": "integer", "minimum": 0},
                    "median": _AMOUNT,
                    "p95": _AMOUNT,
                },
            },
        },
        "throughput": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["direction", "size", "bytes", "seconds", "rate", "unit", *_FIGURE],
                "properties": {
                    **_FIGURE,
                    "direction": {"enum": ["up", "down"]},
                    "size": {"type": "integer", "minimum": 1},
                    "bytes": {"type": "integer", "minimum": 0},
                    "seconds": {"type": "number", "minimum": 0},
                    "rate": _AMOUNT,
                    "unit": {"const": "bytes/s"},
                },
            },
        },
    },
}  # fmt: skip
SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "atdriver capability report",
    "type": "object",
    "required": ["format", "catalogue", "modules", "failed"],
    "properties": {
        "format": {"const": FORMAT},
        "catalogue": {"type": "integer"},
        "modules": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["spec", "module", "firmware", "evidence", "place", "date", "cells",
                             "contradictions", "unknown", "anomalies", "performance"],
                "properties": {
                    "spec": _TEXT,
                    "module": _TEXT,
                    "firmware": _TEXT,
                    "stack": _TEXT,
                    "medium": _TEXT,
                    "evidence": _FIGURE["kind"],
                    "place": _FIGURE["place"],
                    "date": _TEXT,
                    "cells": {"type": "array", "items": _CELL},
                    "contradictions": {"type": "array", "items": _TEXT},
                    "unknown": {"type": "array", "items": _TEXT},
                    "anomalies": {"type": "object"},
                    "performance": _PERFORMANCE,
                },
            },
        },
        "failed": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["spec", "error"],
                "properties": {"spec": _TEXT, "error": _TEXT},
            },
        },
        "changes": {"type": "array", "items": _TEXT},
    },
}  # fmt: skip


def to_record(
    measurements: Sequence[Measurement],
    exchanges: Sequence[Mapping[str, Sequence[str]]] = (),
    failed: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """The report's data; `exchanges` holds for each module the wire excerpt of each probe,
    `failed` specifications that have no column and why."""
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
                    "agrees": not found.contradiction(id_),
                    "probes": probes,
                }
            )
        modules.append(
            {
                "spec": found.spec,
                "module": found.claims.module,
                "firmware": found.claims.firmware,
                "stack": found.claims.stack,
                "medium": found.medium,
                "evidence": found.kind,
                "place": _place(found),
                "date": found.date,
                "cells": cells,
                "contradictions": found.contradictions(),
                "unknown": found.unknown(),
                "anomalies": found.anomalies,
                "performance": _performance(found.performance, found.kind, _place(found)),
            }
        )
    return {
        "format": FORMAT,
        "catalogue": VERSION,
        "modules": modules,
        "failed": [{"spec": spec, "error": error} for spec, error in failed],
    }


def _place(found: Measurement) -> str:
    """What the figures are of."""
    if found.kind == "simulated":
        return "model"
    if found.claims.module not in ("host", "lwip"):
        return "hardware"
    return "loopback" if found.near else "network"


def _performance(found: Performance | None, kind: str, place: str) -> dict[str, Any] | None:
    if found is None:
        return None
    origin = {"kind": kind, "place": place}
    return {
        **origin,
        "latency": [{**_latency(series), **origin} for series in found.latency],
        "throughput": [{**_throughput(series), **origin} for series in found.throughput],
    }


def _latency(series: Latency) -> dict[str, Any]:
    return {
        "name": series.name,
        "what": series.what,
        "unit": "ms",
        "samples": [round(sample, 3) for sample in series.samples],
        "lost": series.lost,
        "median": _rounded(series.median),
        "p95": _rounded(series.p95),
        "error": series.error,
    }


def _throughput(series: Throughput) -> dict[str, Any]:
    return {
        "direction": series.direction,
        "size": series.size,
        "bytes": series.bytes,
        "seconds": round(series.seconds, 6),
        "rate": _rounded(series.rate),
        "unit": "bytes/s",
        "error": series.error,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def groups() -> dict[str, list[str]]:
    """Group to ids, in catalogue order."""
    found: dict[str, list[str]] = {}
    for id_, group in GROUP.items():
        found.setdefault(group, []).append(id_)
    return found
