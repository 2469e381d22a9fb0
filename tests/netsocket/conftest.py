from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvloop

from netsocket import AsyncTCPSocket, HostStack
from netsocket.interface import AsyncNetworkInterface
from netsocket.portal import Portal

from .scripted import ScriptedStack


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Any]:
    """Which event loop a test runs on."""
    if item.path.name == "test_on_uvloop.py":
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def stack() -> ScriptedStack:
    return ScriptedStack()


@pytest.fixture
async def net(stack: ScriptedStack) -> AsyncIterator[AsyncNetworkInterface]:
    """An interface over the scripted stack; nothing may be left running behind it."""
    async with AsyncNetworkInterface(stack) as interface:
        yield interface
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    left = [task for task in left if "pytest" not in repr(task) and "fixture" not in repr(task)]
    assert not left
    assert not stack.open_handles


@pytest.fixture
async def tcp(net: AsyncNetworkInterface) -> AsyncIterator[AsyncTCPSocket]:
    """A connected stream over the scripted stack."""
    async with net.tcp_socket() as socket:
        await socket.connect(("192.0.2.1", 80))
        yield socket


@pytest.fixture
async def host() -> AsyncIterator[AsyncNetworkInterface]:
    async with AsyncNetworkInterface(HostStack()) as interface:
        yield interface


@pytest.fixture
async def server() -> AsyncIterator[Callable[..., Any]]:
    """`await server(handler)` starts a loopback server and returns its address."""
    servers: list[asyncio.Server] = []

    async def start(handler: Any, host: str = "127.0.0.1", **options: Any) -> tuple[str, int]:
        running = await asyncio.start_server(handler, host, 0, **options)
        servers.append(running)
        address = running.sockets[0].getsockname()
        return address[0], address[1]

    yield start
    for running in servers:
        running.close()


@pytest.fixture
def portal() -> Iterator[Portal]:
    own = Portal("test portal")
    yield own
    own.stop()


@pytest.fixture
async def settled() -> Callable[[], Any]:
    """`await settled()` lets everything that is due happen."""

    async def wait() -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    return wait
