"""Ending tasks that own something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task, but not before its first step.

    One that is cancelled before that never runs its `finally`, and what it owns stays open.
    """
    task.get_loop().call_soon(task.cancel)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End them so, and wait until they have."""
    ending = list(tasks)
    for task in ending:
        end_task(task)
    if ending:
        await asyncio.wait(ending)
