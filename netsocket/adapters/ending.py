"""Ending a task that owns something."""

from __future__ import annotations

import asyncio
from typing import Any


def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task, but not before its first step.

    One that is cancelled before that never runs its `finally`, and what it owns stays open.
    """
    task.get_loop().call_soon(task.cancel)
