"""The one clock of the drivers: the event loop's, so that a simulated one runs them, too."""

from __future__ import annotations

import asyncio


def now() -> float:
    """Seconds since some moment, never backwards."""
    return asyncio.get_running_loop().time()
