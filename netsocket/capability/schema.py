"""Checking data against a JSON schema: the keywords that `record.SCHEMA` uses, and no other.

(The schema itself is published with every report; a full validator would be a dependency for
users, who write no reports by hand.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_KNOWN: Final = {"$schema", "title", "description", "type", "required", "properties", "items",
                 "enum", "const", "minimum", "additionalProperties"}  # fmt: skip


def check(value: Any, schema: Mapping[str, Any], where: str = "report") -> None:
    """Raise ValueError naming the place that is against the schema."""
    strange = set(schema) - _KNOWN
    if strange:
        raise NotImplementedError(f"schema keyword {', '.join(sorted(strange))}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise ValueError(f"{where}: {' or '.join(kinds)} is expected")
    if "enum" in schema and value not in schema["enum"]:
        raise ValueError(f"{where}: {value!r} is none of those expected")
    if "const" in schema and value != schema["const"]:
        raise ValueError(f"{where}: {schema['const']!r} is expected")
    if "minimum" in schema and value < schema["minimum"]:
        raise ValueError(f"{where}: at least {schema['minimum']} is expected")
    if isinstance(value, dict):
        for key in schema.get("required", ()):
            if key not in value:
                raise ValueError(f"{where}: {key} is missing")
        inner = schema.get("properties", {})
        more = schema.get("additionalProperties", True)
        for key, item in value.items():
            if key in inner:
                check(item, inner[key], f"{where}.{key}")
            elif isinstance(more, dict):
                check(item, more, f"{where}.{key}")
            elif not more:
                raise ValueError(f"{where}: {key} is not expected")
    elif isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            check(item, schema["items"], f"{where}[{number}]")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _KINDS[kind])
