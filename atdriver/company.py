"""Who else has the port open: looked at when answers do not fit, for that may be why."""

from __future__ import annotations

import asyncio
import logging
import os

from atdriver.holders import advice, port_holders

log = logging.getLogger("atdriver.channel")

COMPANY_PAUSE = 60.0
"""Seconds between two looks, once answers do not fit."""


class Company:
    """Names the other programs on a port in the log."""

    def __init__(self) -> None:
        self._again = 0.0

    def look(self, loop: asyncio.AbstractEventLoop, name: str, reason: str) -> None:
        """`reason` is what did not fit. Reading the list of processes takes a thread."""
        if loop.time() < self._again or not os.path.exists(name):
            return
        self._again = loop.time() + COMPANY_PAUSE

        def seen(found: asyncio.Future[list[str]]) -> None:
            if not found.cancelled() and (holders := ", ".join(found.result())):
                log.warning(
                    "%s: %s; other programs have this port open, and each takes answers and data "
                    "of the others: %s%s", name, reason, holders, advice(holders),
                )  # fmt: skip

        loop.run_in_executor(None, port_holders, name).add_done_callback(seen)
