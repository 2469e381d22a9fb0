"""Fuzz the engine, guided by which of its lines and branches an input reaches.

    python -m tests.fuzz parser --runs 10000000
    python -m tests.fuzz differential --runs 1000000 --seed 7

Needs atheris, which `make test` installs where there is a wheel of it. An input that fails is kept
in tests/fuzz/found, and is a test from then on (tests/fuzz/test_found.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["atdriver"]):
    import atdriver.engine  # noqa: F401

from tests.fuzz.corpus import write
from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"
LONGEST = 600
"""Bytes of an input."""


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("target", choices=sorted(TARGETS))
    options.add_argument("--runs", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--corpus", type=Path, help="keep what reaches something new here")
    options.add_argument("--found", type=Path, default=FOUND, help="where a failing input goes")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as made:
        corpus, dictionary = chosen.corpus or Path(made, "corpus"), Path(made, "words")
        write(corpus, dictionary)
        settings = {
            "runs": chosen.runs,
            "seed": chosen.seed,
            "dict": dictionary,
            "max_len": LONGEST,
            "artifact_prefix": chosen.found / f"{chosen.target}-",
            "rss_limit_mb": 1024,
            "timeout": 20,
            "verbosity": 1,
            "print_final_stats": 1,
        }
        arguments = [f"-{name}={value}" for name, value in settings.items()]
        atheris.Setup([sys.argv[0], *arguments, str(corpus)], TARGETS[chosen.target])
        atheris.Fuzz()


main()
