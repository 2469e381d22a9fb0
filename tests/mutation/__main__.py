"""`python -m tests.mutation`: every mutant of every fake (half an hour), see docs/mutation.md."""

from __future__ import annotations

import argparse
import sys
import zlib
from pathlib import Path

from tests.mutation.hunt import FACT_TESTS, ROOT, SHARDS, hunt
from tests.mutation.lists import KNOWN_LIST, exemptions, known_survivors
from tests.mutation.mutants import Mutant, codes_of, mutants

FAKES = ("esp8266", "bg96", "openthread", "riot", "skstack")
CODES = {"bg96": "codes.py", "openthread": "codes.py"}
"""Files of result codes."""


def everything() -> list[Mutant]:
    """All mutants of the fakes of modules and nodes."""
    found = []
    for fake in FAKES:
        folder = ROOT / "fakes" / fake
        codes = codes_of(folder / CODES[fake]) if fake in CODES else ()
        for path in sorted(folder.glob("*.py")):
            found += mutants(path, ROOT, codes)
    return found


def sample(count: int, leave: set[str]) -> list[Mutant]:
    """Always the same ones, as long as their names are: those whose names have the lowest hash."""
    candidates = [mutant for mutant in everything() if mutant.name not in leave]
    return sorted(candidates, key=lambda mutant: zlib.crc32(mutant.name.encode()))[:count]


def main() -> int:
    """Hunt and report. 0 when exactly the known mutants live."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of mutant names (a file, a function)")
    parser.add_argument("--sample", type=int, default=0, help="this many, always the same")
    parser.add_argument("--known", action="store_true", help="only the known survivors")
    parser.add_argument("--tests", action="append", help="run these tests only")
    parser.add_argument("--jobs", type=int, default=SHARDS, help="processes at a time")
    parser.add_argument("--no-probes", action="store_true", help="the fakes' own tests only")
    parser.add_argument("--out", type=Path, help="append every mutant and its killer here")
    parser.add_argument("--write-known", action="store_true", help="update the list of survivors")
    options = parser.parse_args()
    exempt, known = set(exemptions()), known_survivors()
    every = sample(options.sample, exempt | known) if options.sample else everything()
    chosen = [m for m in every if all(part in m.name for part in options.only)]
    if options.known:
        chosen = [m for m in chosen if m.name in known]
    done = 0

    def progress(text: str) -> None:
        nonlocal done
        done += 1
        if options.out:
            with options.out.open("a", encoding="utf-8") as journal:
                journal.write(text + "\n")
        if done % 100 == 0:
            sys.stderr.write(f"{done} of {len(chosen)}\n")

    hunted = [m for m in chosen if m.name not in exempt]
    found = hunt(hunted, tests=options.tests or FACT_TESTS, jobs=options.jobs,
                 probes=not options.no_probes, progress=progress)  # fmt: skip
    living = {m.name: m for m, by in found.killers.items() if not by}
    for name, mutant in living.items():
        if name not in known:
            sys.stdout.write(f"{mutant.path}:{mutant.line} lives: {name}\n")
    hunted_names = {m.name for m in hunted}
    stale = sorted(known & hunted_names - living.keys())
    if stale:
        sys.stdout.write(f"{len(stale)} known survivors die by now: see --write-known\n")
    for name in found.broken:
        sys.stdout.write(f"fails though nothing is changed: {name}\n")
    killed = len(found.killers) - len(living)
    sys.stdout.write(
        f"{len(chosen)} mutants: {killed} killed, {len(living)} live ({len(living.keys() & known)} "
        f"known), {len(chosen) - len(hunted)} exempt\n"
    )
    if options.write_known:
        names = {m.name for m in everything()}
        rest = (known & names - hunted_names) | living.keys()
        KNOWN_LIST.write_text("".join(f"{name}\n" for name in sorted(rest)), encoding="utf-8")
    return 1 if living.keys() - known or (found.broken and not options.sample) else 0


if __name__ == "__main__":
    sys.exit(main())
