"""`--power-cycle CMD`: a power or USB switch, worked by the user's own command."""

from __future__ import annotations

import asyncio
from typing import Final

from atdriver.cli.failure import Failure, one_line

LIMIT: Final = 120.0
"""Seconds for the command."""


async def cycle(command: str) -> None:
    """Run it in a shell. Raises Failure with its last words when it fails or does not end."""
    process = await asyncio.create_subprocess_shell(
        command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Failure(f"--power-cycle {command!r} did not end within {LIMIT:g} s") from None
    if process.returncode:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        told = f": {one_line(last)}" if last else ""
        raise Failure(f"--power-cycle {command!r} ended with status {process.returncode}{told}")
