"""How long a test waits for what a fake ought to say."""

from __future__ import annotations

import os
from typing import Final

PATIENCE: Final = float(os.environ.get("FAKES_PATIENCE", "30"))
"""Seconds. The mutation tests, which make fakes silent by the hundred, ask for less."""
