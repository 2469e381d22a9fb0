"""A WiFi connection that is lost without a word of it: in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Scenario, Step
from fakes.actions import perform
from tests.faults.bench import opened, virtual
from tests.faults.talk import receive

UNHEARD = Scenario((Step(before=r"WIFI DISCONNECT\r\n", instead=""),))


@pytest.mark.parametrize("firmware", ["N17", "E22", "E24", "E33"])
@virtual
async def test_closes_before_an_unheard_loss_are_no_ends_of_data(firmware: str) -> None:
    """The module says CLOSED for each connection; that it joins again tells why."""
    async with opened("esp8266", firmware, scenario=UNHEARD) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        await sock.sendall(b"mine")
        assert await receive(sock, 4) == b"mine"
        perform(bench.fake, "event", "wifi_lost")
        await asyncio.sleep(10)
        assert not any(way == "<" and b"WIFI DISC" in data for _, way, data in bench.wire.lines)
        with pytest.raises(ConnectionResetError, match="WiFi"):
            await sock.recv(10)
        await sock.close()
        again = await bench.net.connect(("echo.test", 7), timeout=30)
        await again.sendall(b"again")
        assert await receive(again, 5) == b"again"
