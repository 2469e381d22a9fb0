"""Are `modems`, `netsocket` and `fakes` ours? The names are generic, so this is checked.

A file of the user's called modems.py next to the script, or another distribution that installs a
package of the same name, would otherwise shadow ours without a word.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent


def check() -> None:
    """Raise ImportError naming the intruding file when one of our packages is not ours.

    At the command line it is one line and exit status 1 instead.
    """
    try:
        _check()
    except ImportError as error:
        if _at_command_line():
            raise SystemExit(f"atdriver: {error}") from None
        raise


def _at_command_line() -> bool:
    words = sys.orig_argv[1:]
    return Path(sys.argv[0]).name == "atdriver" or words[:2] == ["-m", "atdriver"]


def _check() -> None:
    for name in ("modems", "netsocket", "fakes"):
        found = find_spec(name)
        origin = found.origin if found is not None else None
        if origin is None:
            where = (
                f"a folder ({list(found.submodule_search_locations or [])})" if found else "none"
            )
            raise ImportError(f"atdriver's package {name!r} is missing; found instead: {where}")
        if Path(origin).resolve().parent != HOME / name:
            raise ImportError(
                f"atdriver needs its own package {name!r}, but {origin} comes first: rename or "
                "remove that file, or start Python with -P"
            )
