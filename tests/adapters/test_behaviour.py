"""The behaviour table, applied: every adapter, on the host's stack and two simulated modules."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.adapters.behaviour import CASES, STRANGER, works
from tests.adapters.bench import MODULES, NAME, Bench, bench
from tests.adapters.clients import Client
from tests.adapters.table import BY_NAME, CLIENTS

_asked: set[object] = set()
sys.addaudithook(
    lambda event, given: (
        _asked.add(given[0]) if event in ("socket.getaddrinfo", "socket.gethostbyname") else None
    )
)
BENCHES = [
    pytest.param(
        (client.name, module),
        id=f"{client.name}-{module}",
        marks=pytest.mark.xdist_group(f"adapters {client.name} {module}"),
    )
    for client in CLIENTS
    for module in MODULES
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BENCHES)
async def set_up(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Client, Bench]]:
    name, module = request.param
    client = BY_NAME[name]
    _asked.clear()
    async with bench(module, asynchronous=client.asynchronous) as made:
        yield client, made
    assert not _asked & {NAME, STRANGER}, "the host was asked for a name"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES)
async def test_case(set_up: tuple[Client, Bench], case: str) -> None:
    client, made = set_up
    if case in client.cannot:
        return
    if case.startswith("cancelled") and not client.asynchronous:
        return  # a blocking call cannot be cancelled
    await made.ready()
    await CASES[case](client, made)
    gc.collect()
    await made.ready()
    await made.empty()
    await works(client, made)


def test_what_cannot_be_expressed_is_named() -> None:
    for client in CLIENTS:
        assert set(client.cannot) <= set(CASES), client.name
        assert all(client.cannot.values())
