"""python -m tests.torture MODULE SCENARIO [NUMBER OUTCOME]: one run again, with its wire."""

from __future__ import annotations

import sys

from .rack import Rack


def main() -> int:
    """See the module's docstring."""
    module, scenario, *fail = sys.argv[1:]
    run = Rack(module, scenario, (int(fail[0]), fail[1]) if fail else None)
    try:
        run.run()
    finally:
        for wire in run.wires:
            for at, direction, data in wire.lines:
                print(f"{at:10.3f} {direction} {data!r}")
            print("---", *wire.notes)
    for number, operation in enumerate(run.operations):
        print(f"{number}:{operation}", end=" ")
    print("\nfailed:", run.failed)
    for sentence in run.violations:
        print("VIOLATION", sentence)
    return bool(run.violations)


if __name__ == "__main__":
    sys.exit(main())
