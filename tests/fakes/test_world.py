"""Names, the loopback guard, and the real sockets behind it."""

from __future__ import annotations

import ast
import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import fakes
from fakes import FakeError, UnreachableError, World
from fakes.sockets import SocketSet
from tests.ports import free_port


@pytest_asyncio.fixture
async def sockets() -> AsyncIterator[SocketSet]:
    members = SocketSet(World())
    yield members
    members.close()


def test_lookup_answers_only_the_table() -> None:
    world = World({"Example.org": "127.0.0.7", "six.test": "::1", "bad.test": "nowhere"})
    assert world.lookup("example.ORG") == "127.0.0.7"
    assert world.lookup("example.org.") == "127.0.0.7"
    assert world.lookup("localhost") is None
    assert world.lookup("10.0.0.1") == "10.0.0.1"
    assert world.lookup("bad.test") is None
    world.names["many.test"] = "127.0.0.2,::1,127.0.0.3,nowhere"
    assert world.lookup_all("many.test") == ["127.0.0.2", "::1", "127.0.0.3"]
    assert world.lookup_all("many.test", family=4) == ["127.0.0.2", "127.0.0.3"]
    assert world.lookup("many.test", family=6) == "::1"
    assert world.lookup_all("localhost") == []
    assert world.lookup("six.test", family=4) is None
    assert world.lookup("six.test", family=6) == "::1"


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "192.168.1.1", "0.0.0.0", "255.255.255.255", "fe80::1", "::", "name", ""]
)
async def test_guard_refuses_everything_but_loopback(sockets: SocketSet, address: str) -> None:
    with pytest.raises(UnreachableError):
        World.guard(address)
    with pytest.raises(UnreachableError):
        await sockets.connect_tcp(address, 80, window=1000, timeout=1)
    udp = sockets.open_udp()
    with pytest.raises(UnreachableError):
        udp.send(b"x", address, 9)


def test_a_connection_that_stood_while_the_loop_was_late_is_no_time_out() -> None:
    async def late() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            members = SocketSet(World())
            port = server.getsockname()[1]
            connecting = asyncio.create_task(
                members.connect_tcp("127.0.0.1", port, window=1000, timeout=0.05)
            )
            await asyncio.sleep(0)
            time.sleep(0.1)  # noqa: ASYNC251  (the machine is busy)
            assert (await connecting).remote == ("127.0.0.1", port)
            members.close()

    asyncio.run(late())


def test_world_checks_its_arguments() -> None:
    with pytest.raises(FakeError):
        World(time_scale=-1)
    with pytest.raises(UnreachableError):
        World(address="192.0.2.1")


def test_sockets_are_made_behind_the_guard_only() -> None:
    """Whatever function of the package makes a socket asks the guard first."""
    package = Path(str(fakes.__file__)).parent
    makers = {"socket", "create_connection", "open_connection", "create_server", "start_server"}
    checked = 0
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            calls = [
                item.func
                for item in ast.walk(node)
                if isinstance(item, ast.Call) and "AF_UNIX" not in ast.unparse(item)
            ]
            names = {func.attr for func in calls if isinstance(func, ast.Attribute)}
            if names & makers:
                checked += 1
                assert "guard" in names, (path, node.name)
    assert checked >= 3


async def test_own_address_and_port(sockets: SocketSet, far: Any) -> None:
    peers: list[tuple[str, int]] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername"))
        await reader.read()

    end = await far(note)
    sockets.world.address = "127.0.0.9"
    own = free_port("127.0.0.9")
    for port in (0, own):
        tcp = await sockets.connect_tcp(
            "127.0.0.1", end.port, window=1000, timeout=1, local_port=port
        )
        assert tcp.local[0] == "127.0.0.9"
        assert not port or tcp.local[1] == port
    with pytest.raises(OSError, match="in use"):
        await sockets.connect_tcp("127.0.0.1", end.port, window=1000, timeout=1, local_port=own)
    await asyncio.sleep(0.01)
    assert {peer[0] for peer in peers} == {"127.0.0.9"}


async def test_refused_port(sockets: SocketSet) -> None:
    with pytest.raises(ConnectionRefusedError):
        await sockets.connect_tcp("127.0.0.1", free_port(), window=1000, timeout=1)
    assert len(sockets) == 0


async def test_window_holds_the_peer_back(sockets: SocketSet, far: Any) -> None:
    sent = [0]

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=1024)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        while True:
            writer.write(bytes(1000))
            await writer.drain()
            sent[0] += 1000

    end = await far(flood)
    tcp = await sockets.connect_tcp("127.0.0.1", end.port, window=2920, timeout=1)
    await asyncio.sleep(0.1)
    assert 0 < tcp.unread() <= 2920
    assert sent[0] < 100_000
    before = sent[0]
    total = 0
    for _ in range(100):
        total += len(tcp.read(2048))
        await asyncio.sleep(0.001)
    assert total > 50_000
    assert sent[0] > before


async def test_end_is_seen_before_the_data_is_read(sockets: SocketSet, far: Any) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()

    end = await far(speak)
    tcp = await sockets.connect_tcp("127.0.0.1", end.port, window=2920, timeout=1)
    await asyncio.sleep(0.05)
    assert tcp.ended
    assert not tcp.finished
    assert tcp.unread() == 5
    assert tcp.read(100) == b"hello"
    assert tcp.finished
    assert not tcp.reset
    assert tcp.received == 5


async def test_unread_data_costs_no_wakeups(sockets: SocketSet, far: Any) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()

    end = await far(speak)
    tcp = await sockets.connect_tcp("127.0.0.1", end.port, window=2920, timeout=1)
    await asyncio.sleep(0.02)
    calls = []
    tcp.changed = lambda: calls.append(1)
    await asyncio.sleep(0.05)
    assert len(calls) <= 1


async def test_listener_udp_and_abort(sockets: SocketSet) -> None:
    listener = sockets.listen_tcp(0, window=2920)
    arrived = asyncio.Event()
    listener.changed = arrived.set
    reader, writer = await asyncio.open_connection(*listener.local)
    await asyncio.wait_for(arrived.wait(), 1)
    tcp = listener.accept()
    assert tcp is not None
    assert listener.accept() is None
    await tcp.write(b"hi")
    assert await reader.readexactly(2) == b"hi"
    tcp.abort()
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    writer.close()
    with pytest.raises(OSError, match="closed"):
        await tcp.write(b"x")
    one, two = sockets.open_udp(), sockets.open_udp()
    assert one.send(b"data", *two.local)
    await asyncio.sleep(0.01)
    assert two.receive() == (b"data", one.local)
    assert two.receive() is None
