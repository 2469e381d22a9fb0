"""Ready-made scenarios, one for each fault that the wire can show, named after its id.

`atdriver fake bg96 --scenario C01` runs one by the beginning of its name; `names` lists them.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["find", "names", "titles"]


def titles() -> dict[str, str]:
    """Name of each scenario -> what happens in it."""
    found = {}
    for entry in files(__name__).iterdir():
        if entry.name.endswith(".yaml"):
            head = entry.read_text(encoding="utf-8").partition("\n")[0]
            found[entry.name.removesuffix(".yaml")] = head.partition(": ")[2]
    return dict(sorted(found.items()))


def names() -> list[str]:
    """The names, in order."""
    return list(titles())


def find(beginning: str) -> Path | None:
    """The file of the one scenario whose name begins so, None when there is not exactly one."""
    found = [name for name in names() if name.casefold().startswith(beginning.casefold())]
    return Path(str(files(__name__) / f"{found[0]}.yaml")) if len(found) == 1 else None
