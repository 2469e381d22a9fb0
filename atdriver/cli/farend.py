"""`atdriver far-end`: the test services on a host that a module can reach."""

from __future__ import annotations

import asyncio

from atdriver.cli import output
from atdriver.cli.failure import UsageProblem
from netsocket.capability.farend import FarEnd


def serve(host: str) -> None:
    """Run the services until Ctrl-C; one line each names its port."""
    try:
        asyncio.run(_serve(host))
    except OSError as error:
        raise UsageProblem(f"far-end on {host}: {error.strerror or error}") from error


async def _serve(host: str) -> None:
    async with FarEnd(host) as far:
        for name, service in far.tcp.items():
            output.flushed(f"tcp {name} {host}:{service.port}")
        for name, datagrams in far.udp.items():
            output.flushed(f"udp {name} {host}:{datagrams.port}")
        output.flushed("ready")
        await asyncio.Event().wait()
