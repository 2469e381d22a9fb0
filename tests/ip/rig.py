"""Two lwIPs that know nothing but each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from netsocket import AsyncNetworkInterface
from netsocket.interface_kinds import interface_for
from netsocket.ip.lwip import LwipStack
from netsocket.ip.lwip_build import missing
from netsocket.ip.pair import LwipPair

LWIP = [pytest.mark.lwip, pytest.mark.skipif(missing() != "", reason=missing() or "it is here")]
"""Marks of a test that runs lwIP."""


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[AsyncNetworkInterface, AsyncNetworkInterface]]:
    """The near and the far interface, both up."""
    pair = LwipPair()
    async with interface_for(pair.stack) as near, pair.far as far:
        yield near, far


def stack_of(net: AsyncNetworkInterface) -> LwipStack:
    assert isinstance(net.stack, LwipStack)
    return net.stack
