"""Measure: `python -m benchmarks` everything, `python -m benchmarks wire push` some parts.

Everything goes to docs/performance.json, docs/performance.md and docs/performance-*.svg; some parts are
printed and change no file without --write, single places by --only never do.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from benchmarks.cells import PARTS, ROOT, Failed, Task

RESULTS = ROOT / "docs" / "performance.json"
RUNS = {True: 3, False: 5}
"""Of each task: --quick, and else."""


def tasks(parts: Iterable[str], scale: float, only: str) -> list[list[Task]]:
    """The tasks of each part."""
    chosen = ([task for task in PARTS[part](scale) if fnmatch.fnmatch(task.name, only)]
              for part in parts)  # fmt: skip
    return [each for each in chosen if each]


class Run(NamedTuple):
    """Samples of each figure, by part and name; and what failed, of which no figure is kept."""

    parts: dict[str, dict[str, dict[str, list[float]]]]
    failed: dict[str, str]


def run(chosen: list[list[Task]], runs: int) -> Run:
    """Take every task so often. A place that fails once has no figures; the others go on."""
    found = Run({}, {})
    for part in chosen:
        began = time.monotonic()
        places = found.parts.setdefault(part[0].part, {})
        for number in range(runs):
            for task in part:
                place = f"{task.part}: {task.name}"
                if place in found.failed:
                    continue
                try:
                    taken = task.take()
                except (Failed, OSError, subprocess.SubprocessError) as error:
                    found.failed[place] = str(error)
                    places.pop(task.name, None)
                    print(f"{place} failed: {error}", file=sys.stderr)
                    continue
                for figure, value in taken.items():
                    samples = places.setdefault(task.name, {}).setdefault(figure, [])
                    samples.append(float(f"{value:.6g}"))
            print(f"{part[0].part}: {number + 1} of {runs}, {time.monotonic() - began:.0f} s",
                  file=sys.stderr)  # fmt: skip
    return found


def revision() -> str:
    """The commit that is measured, with + for a changed tree; empty outside of git."""
    told = subprocess.run(["git", "describe", "--always", "--dirty=+"], check=False, capture_output=True,
                          text=True, cwd=ROOT)  # fmt: skip
    return told.stdout.strip()


def machine(quick: bool, runs: int, load: float) -> dict[str, Any]:
    """Where and how the figures were taken."""
    return {
        "revision": revision(), "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "quick": quick, "runs": runs, "cores": os.cpu_count(),
        "load_before": round(load, 2), "load_after": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }  # fmt: skip


def show(found: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Medians, with the least and the largest."""
    lines = []
    for part, places in found.items():
        for name, figures in places.items():
            told = ", ".join(
                f"{figure} {statistics.median(values):.4g} [{min(values):.4g}…{max(values):.4g}]"
                for figure, values in figures.items()
            )
            lines.append(f"{part}: {name}: {told}\n")
    return "".join(lines)


def write(found: Run, machine: dict[str, Any]) -> None:
    """Put the parts into the results, in the place of what stood there, and make the page anew."""
    from benchmarks import page

    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for part in found.parts:
        for place in [place for place in results.get("failed", {}) if place.startswith(f"{part}:")]:
            del results["failed"][place]
    for name, news in (
        ("taken", dict.fromkeys(found.parts, machine)), ("failed", found.failed), ("parts", found.parts),
    ):  # fmt: skip
        results[name] = {**results.get(name, {}), **news}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page.write()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="by default all")
    parser.add_argument("--quick", action="store_true", help="shorter transfers, fewer runs")
    parser.add_argument("--runs", type=int, help=f"of each task ({RUNS[False]})")
    parser.add_argument("--only", default="*", help='names, for example "esp 921600 *"')
    parser.add_argument("--write", action="store_true", help="put these parts into the docs, too")
    parser.add_argument("--json", action="store_true", help="print samples, not medians")
    options = parser.parse_args()
    runs = options.runs or RUNS[options.quick]
    load = os.getloadavg()[0]
    chosen = tasks(options.parts or PARTS, 0.4 if options.quick else 1.0, options.only)
    found = run(chosen, runs)
    told = json.dumps(found.parts, indent=1) + "\n" if options.json else show(found.parts)
    sys.stdout.write(told)
    if options.only == "*" and (options.write or not options.parts):
        write(found, machine(options.quick, runs, load))
    if found.failed:
        sys.exit("failed: " + "; ".join(found.failed))


if __name__ == "__main__":
    main()
