"""`python -m atdriver` is the same as `atdriver`."""

from __future__ import annotations

import sys

from atdriver.cli import main

if __name__ == "__main__":
    sys.exit(main())
