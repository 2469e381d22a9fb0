"""The same transfers through other programs, on the same device, in one run: `python -m benchmarks.peers`.

`bare` is a minimal loop (`benchmarks.bare`), `adafruit` the driver adafruit-circuitpython-esp-atcontrol.
One connection, unpaced; the minimal loop on lines as well. Rates are taken at the device; ratios are
what counts, also on a busy machine, for both are held up alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks import limits
from benchmarks.cells import MB, ROOT, Failed, Figures, Task, wire
from benchmarks.device import FRAME, running

PUSH = ("--setting", "receive=push")
SIZES = {"down": 8 << 20, "push": 32 << 20, "up": 8 << 20, "echo": 300}
"""Bytes, and exchanges. The peer in `SLOW` gets less: its figure is there after a second or two."""
SLOW = {"down": 300_000, "up": 20_480, "echo": 8}
BAUDS = (921600, 3_000_000)
WHATS = ("down", "push", "up", "echo")


def peer(module: str, what: str, amount: int, baud: int = 0) -> Figures:
    """One run of another program. Raises Failed."""
    frame = FRAME["esp", "up" if what == "up" else "down"]
    each = 0 if what == "echo" else amount // frame * frame
    with running("esp", baud, each=each) as device:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", device.path, what, str(each or amount)],
            check=False, capture_output=True, text=True, timeout=120, cwd=ROOT,
        )  # fmt: skip
        if done.returncode:
            raise Failed(f"benchmarks.{module} {what}:\n{done.stderr.strip()}")
        report = device.report()
    used, times = json.loads(done.stdout)
    moved = report.down + report.up
    if report.wrong or (each and moved != each):
        raise Failed(f"benchmarks.{module} {what}: {moved} bytes passed of {each}, {report}")
    down, up, taken = report.window
    found = {
        "rate": (down + up) / taken, "cpu_ms_per_mb": used * 1e3 * MB / moved,
        "p10_us": report.p10_us, "median_us": report.median_us,
    }  # fmt: skip
    if baud:
        found["share"] = limits.seconds("esp", baud, 0.0, down, up) / taken
    return {**found, "echo_median_ms": statistics.median(times) * 1e3} if times else found


KEPT = ("rate", "share", "cpu_ms_per_mb", "p10_us", "median_us", "echo_median_ms")


def ours(what: str, amount: int, *pace: str) -> Figures:
    """The same through atdriver."""
    way = ("--what", "down", *PUSH) if what == "push" else ("--what", what)
    size = ("--exchanges" if what == "echo" else "--size", str(amount))
    found = wire("esp", *way, *size, *pace)
    return {name: found[name] for name in KEPT if name in found}


def peers(scale: float) -> Iterator[Task]:
    """Each transfer through each program, one behind the other. What Adafruit's driver does in push
    mode, its only one, stands under down."""
    for what in WHATS:
        amount = int(SIZES[what] * scale)
        yield Task("peers", f"{what}, atdriver", partial(ours, what, amount))
        yield Task("peers", f"{what}, bare", partial(peer, "bare", what, amount))
        if what in SLOW and importlib.util.find_spec("adafruit_espatcontrol"):
            yield Task("peers", f"{what}, adafruit", partial(peer, "adafruit", what, SLOW[what]))

    for baud in BAUDS:
        for what in ("down", "up"):
            amount = int(baud / 10 * scale)
            yield Task("peers", f"{what} at {baud}, atdriver",
                       partial(ours, what, 0, "--baud", str(baud), "--seconds", str(scale)))  # fmt: skip
            yield Task(
                "peers", f"{what} at {baud}, bare", partial(peer, "bare", what, amount, baud)
            )


def ratios(places: Mapping[str, Mapping[str, list[float]]]) -> str:
    """What is printed: each figure of atdriver as a multiple of the others'."""
    lines = []
    for what in (*WHATS, *(f"{what} at {baud}" for baud in BAUDS for what in ("down", "up"))):
        own = places[f"{what}, atdriver"]
        for other in ("bare", "adafruit"):
            for figure, values in places.get(f"{what}, {other}", {}).items():
                mine, theirs = statistics.median(own[figure]), statistics.median(values)
                if not theirs:  # no turnarounds in push mode
                    continue
                lines.append(f"{what:15} {figure:15} atdriver {mine:10.4g}  {other:9} {theirs:10.4g}"
                             f"  ratio {mine / theirs:8.3f}\n")  # fmt: skip
    return "".join(lines)


def main() -> None:
    """The command line."""
    from benchmarks.__main__ import run

    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="shorter transfers")
    options = parser.parse_args()
    found = run([list(peers(0.4 if options.quick else 1.0))], options.runs)
    if found.failed:
        sys.exit("failed: " + "; ".join(found.failed))
    sys.stdout.write(ratios(found.parts["peers"]))


if __name__ == "__main__":
    main()
