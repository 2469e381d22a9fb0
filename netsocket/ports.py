"""The generator that local ports are drawn with, where the library chooses them."""

from __future__ import annotations

import random
from typing import Final

PORTS: Final = random.Random()
"""Not the program's own generator: one that it seeds would draw the same ports with each start, and
find them taken. A recording notes its seed."""
EPHEMERAL: Final = range(49152, 65535)
"""Ports that nobody is registered for (RFC 6335, section 6), without the last: SKCONNECT of
SKSTACK-IP does not take it."""
