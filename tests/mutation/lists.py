"""Mutants that need not die, each with its reason, and those that still live."""

from __future__ import annotations

from pathlib import Path

EXEMPT_LIST = Path(__file__).with_name("exempt.txt")
KNOWN_LIST = Path(__file__).with_name("survivors.txt")
"""A debt, not a permission; `--write-known` takes off what died."""


def exemptions() -> dict[str, str]:
    """Name of the mutant to the reason. The list has a reason as "# …" above its mutants."""
    found: dict[str, str] = {}
    reason = ""
    for line in EXEMPT_LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = line.lstrip("# ")
        elif line.strip():
            if not reason or line in found:
                raise ValueError(f"{EXEMPT_LIST.name}: no reason, or twice: {line}")
            found[line] = reason
    return found


def known_survivors() -> set[str]:
    """Mutants that no test kills yet."""
    return set(KNOWN_LIST.read_text(encoding="utf-8").splitlines())
