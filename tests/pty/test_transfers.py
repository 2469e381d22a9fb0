"""The whole chain in real time: driver, pty, simulated module in a process of its own, real server."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from atdriver import aopen_modem
from netsocket.interface import AsyncNetworkInterface
from tests.drivers.rig import echo_server

MODULES = [("esp8266", "E22"), ("esp8266", "E24"), ("bg96", "bg96")]
SETTINGS: dict[str, dict[str, str]] = {
    "esp8266": {"ssid": "lab", "password": "secret99"},
    "bg96": {"apn": "internet"},
}
every = pytest.mark.parametrize(("module", "firmware"), MODULES)


@contextmanager
def simulated(
    module: str, firmware: str, started: list[subprocess.Popen[str]] | None = None
) -> Iterator[str]:
    """`atdriver fake` in a process of its own; yields the pty."""
    command = [sys.executable, "-m", "atdriver", "fake", module, "--firmware", firmware,
               "--resolve", "srv=127.0.0.1", "--time-scale", "0"]  # fmt: skip
    if module == "esp8266":
        command += ["--ap", "lab:secret99"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if started is not None:
        started.append(child)
    try:
        yield child.stdout.readline().strip().removeprefix("port: ")
    finally:
        if child.poll() is None:
            child.terminate()
        assert child.wait(30) == 0
        child.stdout.close()


async def through(net: AsyncNetworkInterface, port: int, data: bytes) -> bytes:
    """Send everything, return the hash of what comes back."""
    sock = await net.connect(("srv", port), timeout=20)
    digest = hashlib.sha256()

    async def reading() -> None:
        left = len(data)
        while left:
            part = await sock.recv(65536)
            assert part, f"{left} bytes are missing"
            digest.update(part)
            left -= len(part)

    await asyncio.gather(reading(), sock.sendall(data))
    await sock.close()
    return digest.digest()


@every
@pytest.mark.timeout(240)
@pytest.mark.parametrize("mib", [2, pytest.param(16, marks=pytest.mark.nightly)])
async def test_a_long_stream_comes_back_equal(module: str, firmware: str, mib: int) -> None:
    data = os.urandom(mib << 20)
    with simulated(module, firmware) as port:
        async with (
            echo_server() as server,
            aopen_modem(f"{module}:{port}", **SETTINGS[module]) as net,
        ):
            assert await through(net, server.port, data) == hashlib.sha256(data).digest()
            assert not net.stack.channel.engine.anomalies  # type: ignore[attr-defined]
        assert hashlib.sha256(server.received[0]).digest() == hashlib.sha256(data).digest()


@every
@pytest.mark.timeout(120)
async def test_all_sockets_at_once_each_its_own_data(module: str, firmware: str) -> None:
    with simulated(module, firmware) as port:
        async with (
            echo_server() as server,
            aopen_modem(f"{module}:{port}", **SETTINGS[module]) as net,
        ):
            count = net.capabilities.limit("sockets.max")
            blocks = [bytes([number]) * 1000 + os.urandom(100_000) for number in range(count)]
            back = await asyncio.gather(*(through(net, server.port, block) for block in blocks))
            assert back == [hashlib.sha256(block).digest() for block in blocks]
            assert sorted(map(bytes, server.received)) == sorted(blocks)


async def test_unplugged_module_ends_everything_with_an_error() -> None:
    """I01: the other side of the pty vanishes; no busy loop, no hang."""
    started: list[subprocess.Popen[str]] = []
    with simulated("bg96", "bg96", started) as port:
        async with echo_server() as server, aopen_modem(f"bg96:{port}") as net:
            sock = await net.connect(("srv", server.port), timeout=20)
            waiting = asyncio.create_task(sock.recv(1))
            await asyncio.sleep(0.1)
            started[0].terminate()
            assert await asyncio.to_thread(started[0].wait, 30) == 0
            with pytest.raises(OSError):
                await asyncio.wait_for(waiting, 30)
            before = os.times()
            await asyncio.sleep(0.5)
            after = os.times()
            assert (after.user + after.system) - (before.user + before.system) < 0.2
            await sock.close()


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
async def test_another_baud_rate_is_found(module: str) -> None:
    """A02: the module was left at 921600; what comes back at 115200 is noise."""
    own = {"esp8266": ["--ap", "lab:secret99"], "bg96": ["--set", "port=uart1"]}[module]
    command = [sys.executable, "-m", "atdriver", "fake", module, "--baud", "921600",
               "--strict-baud", "--time-scale", "0", *own]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        port = child.stdout.readline().strip().removeprefix("port: ")
        async with aopen_modem(f"{module}:{port}", **SETTINGS[module]) as net:
            assert net.ip_address
            assert net.stack.channel.link._rate == 921600  # type: ignore[attr-defined]
    finally:
        child.terminate()
        assert child.wait(30) == 0
        child.stdout.close()


@every
async def test_auto_asks_which_module_it_is(module: str, firmware: str) -> None:
    with simulated(module, firmware) as port:
        async with aopen_modem(f"auto:{port}", **SETTINGS[module]) as net:
            assert net.name == {"E24": "esp32"}.get(firmware, module)
            assert await net.resolve("srv") == ["127.0.0.1"]
