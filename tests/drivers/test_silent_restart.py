"""A module that restarts without a word is found out by the echo, which had been switched off."""

from __future__ import annotations

import asyncio

import pytest

from .rig import echo_server, opened

MODULES = [("esp8266", "N17"), ("esp8266", "E22"), ("esp8266", "E24"), ("bg96", "bg96")]


@pytest.mark.parametrize(("module", "firmware"), MODULES, ids=[each[1] for each in MODULES])
async def test_the_next_command_shows_it(module: str, firmware: str) -> None:
    """One client has the damage; the interface attaches again and serves the next."""
    async with opened(module, firmware) as rig, echo_server() as echo:
        before = await rig.net.connect(("srv", echo.port), timeout=20)
        await before.sendall(b"x")
        assert await before.recv(1) == b"x"
        await asyncio.sleep(0.1)  # nothing is being asked
        rig.fakes[0].restart(silent=True)
        await asyncio.sleep(0.2)
        with pytest.raises(OSError):
            await rig.net.connect(("srv", echo.port), timeout=20)
        async with asyncio.timeout(40):
            with pytest.raises(ConnectionResetError):
                await before.recv(1)
            after = await rig.net.connect(("srv", echo.port), timeout=30)
            await after.sendall(b"y")
            assert await after.recv(1) == b"y"


@pytest.mark.parametrize(("module", "firmware"), MODULES[1::2], ids=["E22", "bg96"])
async def test_an_echo_alone_is_no_restart(module: str, firmware: str) -> None:
    """It is looked into once, and nothing breaks."""
    async with opened(module, firmware) as rig, echo_server() as echo:
        sock = await rig.net.connect(("srv", echo.port), timeout=20)
        rig.fakes[0].echo = True
        for _ in range(3):
            await sock.sendall(b"x")
            assert await sock.recv(1) == b"x"
        await rig.net.resolve("srv")
        assert rig.channel.engine.anomalies["the echo came back"] == 1
