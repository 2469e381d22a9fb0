"""Checks of the values in scenarios and control requests; all raise ValueError with a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["boolean", "choice", "count", "keys", "lines", "octets", "seconds", "text"]

_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "min": 60.0}


def seconds(value: object) -> float:
    """A time as number of seconds or text with unit (``9s``, ``250ms``, ``2min``)."""
    if isinstance(value, bool):
        raise ValueError(f"not a time: {value!r}")
    if isinstance(value, int | float):
        result = float(value)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|ms|min|)\s*", str(value))
        if match is None:
            raise ValueError(f"not a time: {value!r}")
        result = float(match[1]) * _UNITS[match[2]]
    if not 0 <= result < 1e9:
        raise ValueError(f"not a time: {value!r}")
    return result


def count(value: object) -> int:
    """A whole number, not negative."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"not a whole number: {value!r}")
    if not re.fullmatch(r"\d{1,12}", str(value), re.ASCII):
        raise ValueError(f"must not be negative or anything but a whole number: {value!r}")
    return int(value)


def boolean(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def text(value: object) -> str:
    """Text; numbers are taken as they are written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"must be text, not {value!r}")
    return str(value)


def lines(value: object) -> tuple[str, ...]:
    """One text or a list of them."""
    return tuple(text(each) for each in value) if isinstance(value, list) else (text(value),)


def octets(value: object) -> bytes:
    """Text as Latin-1 bytes, or {hex: "0d 0a"}."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return bytes.fromhex(text(keys(value, ("hex",)).get("hex", "")))
    return text(value).encode("latin-1")


def choice(value: object, valid: Iterable[str]) -> str:
    """One of some words."""
    listed = tuple(valid)
    if not isinstance(value, str) or value not in listed:
        raise ValueError(f"unknown {value!r}; valid: {', '.join(listed)}")
    return value


def keys(value: object, valid: Iterable[str] | None) -> dict[str, Any]:
    """A mapping with text keys, all of `valid` (None: any)."""
    if not isinstance(value, dict) or not all(isinstance(key, str | int) for key in value):
        raise ValueError(f"must be a mapping, not {value!r}")
    tree = {str(key): item for key, item in value.items()}
    listed = None if valid is None else tuple(valid)
    for key in tree:
        if listed is not None and key not in listed:
            raise ValueError(f"unknown key {key!r}; valid: {', '.join(listed)}")
    return tree
