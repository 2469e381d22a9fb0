"""Where results go, and reading those that were contributed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from netsocket.capability.record import SCHEMA
from netsocket.capability.schema import check

FOLDER: Final = Path(__file__).parent / "results"
"""Results of real modules only."""
ELSEWHERE: Final = Path("out") / "hil"
"""Results of simulated ones, unless `--results` names another place."""


def stem(folder: Path, module: str, firmware: str) -> Path:
    """`<folder>/<module>/<firmware>` with nothing in the names that a file system minds."""
    names = [re.sub(r"[^A-Za-z0-9._+-]+", "-", each).strip("-.") for each in (module, firmware)]
    return folder / (names[0] or "unknown") / (names[1] or "unknown")


def is_ours(folder: Path) -> bool:
    """Whether it is the folder of measured results, or in it."""
    return folder.resolve().is_relative_to(FOLDER.resolve())


def store(path: Path, record: dict[str, Any]) -> None:
    """Write a checked report. Raises ValueError for one that is against the schema, OSError."""
    check(record, SCHEMA)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def contributed(folder: Path = FOLDER) -> list[tuple[Path, dict[str, Any]]]:
    """Every stored result with its file, in the order of their names. Raises ValueError naming the
    file that is no report, or holds what was not measured on hardware."""
    found = []
    for path in sorted(folder.glob("*/*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            check(record, SCHEMA)
        except ValueError as error:
            raise ValueError(f"{path.parent.name}/{path.name}: {error}") from error
        if any(module["evidence"] != "measured" for module in record["modules"]):
            raise ValueError(f"{path.parent.name}/{path.name}: only measured results belong here")
        found.append((path, record))
    return found
