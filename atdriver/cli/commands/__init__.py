"""Every command with its arguments and options: what a user can type, and nothing else.

The work of each is in a module of its own, imported when the command runs. `atdriver --help` lists
them in the order of these imports.
"""

from __future__ import annotations

from atdriver.cli.commands.root import app

from atdriver.cli.commands import look, ask, carry, lab  # isort: skip

__all__ = ["app", "ask", "carry", "lab", "look"]
