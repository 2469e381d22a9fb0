"""`python -m tests.mutation.driver [NAME…]`: mutmut over the driver's own code, and what came of it.

mutmut changes the functions (`[tool.mutmut]` in pyproject.toml says which files meet which tests);
this reads its verdicts, takes off the mutants that change nothing (`driver_exempt.txt`), and fails
when a score is below what R10 asks or when a mutant was not tried: a score of some is no score. A mutant is named by its file, its function and the lines that
it changes, not by a number, so that a name lives as long as its line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "mutants"
EXEMPT = Path(__file__).with_name("driver_exempt.txt")
ASKED = {"atdriver/*": 95.0, "modems/*": 85.0}
"""Per cent of the mutants that change something, of parser and engine, and of the drivers."""
DEAD = {"killed", "timeout", "segfault", "caught by type check"}
"""A process that never ends, or that is ended by the system, is not what it was."""
UNTRIED = {"not checked", "check was interrupted by user", "skipped"}


class Mutant(NamedTuple):
    """One change and mutmut's word for its fate."""

    file: str
    number: str
    fate: str

    @property
    def name(self) -> str:
        """File, function and changed lines."""
        lines = get_diff_for_mutant(self.number, path=self.file).splitlines()[2:]
        changed = [line for line in lines if line[:1] in "+-"]
        text = " ".join(" ".join(line[0] + line[1:].strip() for line in changed).split())
        function = self.number.rpartition(".")[2].rpartition("__mutmut_")[0]
        plain = function.removeprefix("xǁ").removeprefix("x_").replace("ǁ", ".")
        return f"{self.file} | {plain} | {text}"


def exemptions(path: Path = EXEMPT) -> dict[str, str]:
    """Name, or `~` and a regular expression for a kind, to reason, which stands as `# …` above."""
    found: dict[str, str] = {}
    reason = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = line.lstrip("# ")
        elif line.strip():
            if not reason:
                raise ValueError(f"{path.name}: without a reason: {line}")
            found[line] = reason
    return found


def excused(name: str, exempt: Collection[str]) -> str | None:
    """The entry that excuses this mutant."""
    if name in exempt:
        return name
    kinds = (entry for entry in exempt if entry.startswith("~"))
    return next((entry for entry in kinds if re.search(entry[1:].strip(), name)), None)


def mutants() -> Iterator[Mutant]:
    """What mutmut's last run left in its folder."""
    for path in sorted(FOLDER.rglob("*.py.meta")):
        file = str(path.relative_to(FOLDER)).removesuffix(".meta")
        verdicts = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        for number, code in verdicts.items():
            yield Mutant(file, number, status_by_exit_code[code])


def report(found: list[Mutant]) -> bool:
    """Print the survivors and the scores; True when every mutant was tried, and enough died."""
    exempt = exemptions()
    enough = True
    used = set()
    for pattern, asked in ASKED.items():
        fates: Counter[str] = Counter()
        untried: Counter[str] = Counter()
        for mutant in found:
            if not fnmatch(mutant.file, pattern):
                continue
            if mutant.fate in UNTRIED:
                untried[mutant.file] += 1
            elif mutant.fate in DEAD:
                fates["dead"] += 1
            elif entry := excused(name := mutant.name, exempt):
                fates["exempt"] += 1
                used.add(entry)
            else:
                fates["alive"] += 1
                print(f"{mutant.fate}: {name}")
        judged = fates["dead"] + fates["alive"]
        if judged:
            score = 100 * fates["dead"] / judged
            enough &= score >= asked
            print(
                f"{pattern}: {judged + fates['exempt']} mutants, {fates['dead']} dead, "
                f"{fates['exempt']} exempt, {fates['alive']} alive: {score:.1f} % "
                f"(asked for: {asked:.0f} %)"
            )
        for file, number in sorted(untried.items()):
            print(f"not tried: {number} of {file}")
            enough = False
    for entry in sorted(exempt.keys() - used):
        print(f"exempt, and not met: {entry}")
    return enough and bool(found)


def main(names: list[str]) -> int:
    """Run mutmut, whole or for some of its names (`atdriver.framer*`), and judge."""
    os.chdir(ROOT)
    if names != ["--report"]:
        done = subprocess.run([sys.executable, "-m", "mutmut", "run", *names], check=False)
        if done.returncode:
            return done.returncode
    return 0 if report(list(mutants())) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
