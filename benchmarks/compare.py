"""`python -m benchmarks.compare REVISION`: is the working tree slower than that revision?

Both are measured alternately in one run, with the same benchmarks: those of the working tree. A figure
counts as changed when the two sets of samples differ by the rank-sum test (Mann and Whitney, exact,
two-sided) at 0.5 %, and their medians by more than 5 %. What has become worse is measured once more, and
is reported when the second set says the same. Exit status 1 then, 2 when nothing could be measured.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.cells import ROOT, Failed, Figures, wire

PACKAGES = ("atdriver", "modems", "netsocket", "fakes")
SURE = 0.005
"""Probability of such a difference by chance."""
CHANGE = 0.05
"""Of the medians; less is not worth a word."""
LOWER = ("cpu_ms_per_mb", "command_us", "median_us", "echo_median_ms", "memory_mib")
HIGHER = ("rate", "share")
PLACES: dict[str, tuple[str, ...]] = {
    "esp unpaced down 1": ("esp", "--what", "down", "--size", "4000000"),
    "esp unpaced down 5": ("esp", "--what", "down", "--sockets", "5", "--size", "4000000"),
    "esp unpaced up 1": ("esp", "--what", "up", "--size", "4000000"),
    "esp unpaced push": ("esp", "--setting", "receive=push", "--size", "16000000"),
    "esp unpaced echo": ("esp", "--what", "echo", "--exchanges", "300"),
    "esp unpaced blocking": ("esp", "--through", "blocking", "--size", "4000000"),
    "esp 921600 both": ("esp", "--what", "both", "--baud", "921600", "--seconds", "1"),
    "bg96 unpaced down 1": ("bg96", "--what", "down", "--size", "4000000"),
    "bg96 unpaced up 1": ("bg96", "--what", "up", "--size", "4000000"),
    "bg96 usb down 12": ("bg96", "--sockets", "12", "--latency", "0.003", "--seconds", "1"),
}
LAYERS = ("engine", "channel")


class Verdict(NamedTuple):
    """One figure at one place: medians, by what factor it is worse (below 1: better), and whether
    that is more than noise."""

    place: str
    figure: str
    base: float
    tree: float
    worse: float
    sure: bool


def chance(first: Sequence[float], second: Sequence[float]) -> float:
    """How probable such ranks are if both sets are the same: the exact two-sided rank-sum test, by
    counting every way of dealing the ranks. For sets of up to 9 or so."""
    both = sorted([*first, *second])
    ranks = {value: both.index(value) + (both.count(value) + 1) / 2 for value in both}
    expected = len(first) * (len(both) + 1) / 2
    seen = abs(sum(ranks[value] for value in first) - expected)
    sums = [
        sum(dealt) - expected
        for dealt in itertools.combinations([ranks[value] for value in both], len(first))
    ]
    return sum(abs(one) >= seen - 1e-9 for one in sums) / len(sums)


def judge(place: str, figure: str, base: Sequence[float], tree: Sequence[float]) -> Verdict:
    """Whether the tree's samples are another thing than the base's."""
    before, after = statistics.median(base), statistics.median(tree)
    worse = after / before if figure in LOWER else before / after
    changed = not 1 / (1 + CHANGE) <= worse <= 1 + CHANGE
    return Verdict(place, figure, before, after, worse, changed and chance(base, tree) < SURE)


def measure(place: str, folder: Path) -> Figures:
    """One run of a place in the tree that is in this folder. Raises Failed."""
    if place in PLACES:
        return wire(*PLACES[place], folder=folder)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "layers", "--only", place, "--runs", "1", "--json"],
        check=False, capture_output=True, text=True, timeout=120, cwd=folder,
    )  # fmt: skip
    if done.returncode:
        raise Failed(f"benchmarks layers, {place}:\n{done.stderr.strip()}")
    found = json.loads(done.stdout)["layers"][place]
    return {figure: values[0] for figure, values in found.items()}


def samples(
    place: str, folders: Sequence[Path], runs: int
) -> list[tuple[str, list[float], list[float]]]:
    """(figure, samples of the base, samples of the tree), taken in turn, who begins in turn too."""
    taken: tuple[list[Figures], list[Figures]] = ([], [])
    for number in range(runs):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            taken[side].append(measure(place, folders[side]))
    return [
        (figure, [one[figure] for one in taken[0]], [one[figure] for one in taken[1]])
        for figure in (*LOWER, *HIGHER)
        if all(one.get(figure) for side in taken for one in side)
    ]


@contextmanager
def folders(revision: str) -> Iterator[tuple[Path, Path]]:
    """Two folders to run in: the packages of the revision, and those of the working tree, each with
    the benchmarks of the working tree. Raises Failed for a revision that git does not know."""
    with tempfile.TemporaryDirectory(prefix="atdriver-bench-") as name:
        top = Path(name)
        git = ["git", "-C", str(ROOT), "worktree"]
        added = subprocess.run(
            [*git, "add", "--detach", "--force", str(top / "checkout"), revision],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if added.returncode:
            raise Failed(f"{revision}: {added.stderr.strip()}")
        try:
            for folder, packages in (("base", top / "checkout"), ("tree", ROOT)):
                (top / folder).mkdir()
                for package in PACKAGES:
                    (top / folder / package).symlink_to(packages / package)
                (top / folder / "benchmarks").symlink_to(ROOT / "benchmarks")
            yield top / "base", top / "tree"
        finally:
            subprocess.run([*git, "remove", "--force", str(top / "checkout")], check=True)


def told(verdict: Verdict) -> str:
    """A line."""
    word = "" if not verdict.sure else "  SLOWER" if verdict.worse > 1 else "  faster"
    return (
        f"{verdict.place:22} {verdict.figure:15} {verdict.base:12.4g} {verdict.tree:12.4g}"
        f"  {verdict.tree / verdict.base:6.3f}{word}"
    )


def compare(places: Sequence[str], sides: Sequence[Path], runs: int) -> list[Verdict]:
    """Print every figure; what is worse, twice over."""
    print(f"{'place':22} {'figure':15} {'base':>12} {'tree':>12}  tree/base")
    worse = []
    for place in places:
        first = [judge(place, *found) for found in samples(place, sides, runs)]
        print("\n".join(map(told, first)), flush=True)
        suspects = {one.figure for one in first if one.sure and one.worse > 1}
        if suspects:
            again = [judge(place, *found) for found in samples(place, sides, runs)]
            confirmed = [
                one for one in again if one.figure in suspects and one.sure and one.worse > 1
            ]
            print("\n".join(f"{told(one)}, again" for one in confirmed) or
                  f"{place:22} not so when measured again", flush=True)  # fmt: skip
            worse += confirmed
    return worse


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("base", metavar="REVISION", help="what the working tree is held against")
    parser.add_argument("--runs", type=int, default=7, choices=range(6, 10), help="of each tree")
    parser.add_argument("--only", action="append", choices=[*PLACES, *LAYERS], help="repeatable")
    options = parser.parse_args()
    try:
        with folders(options.base) as sides:
            worse = compare(options.only or [*PLACES, *LAYERS], sides, options.runs)
    except Failed as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        sys.exit(2)
    if worse:
        sys.exit(f"slower than {options.base}: " + ", ".join(
            f"{one.place} {one.figure} {one.worse:.2f} x" for one in worse))  # fmt: skip
    print(f"nothing is slower than {options.base} beyond noise")


if __name__ == "__main__":
    main()
