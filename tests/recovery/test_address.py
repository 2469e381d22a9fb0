"""The own address is known as soon as the interface says that it is up, also when it came up by
itself; and it is the one of now."""

from __future__ import annotations

import asyncio

import pytest

from fakes.actions import perform
from tests.faults.bench import virtual

from .sickbed import UP, Sickbed, bed


def watch(patient: Sickbed) -> list[str | None]:
    """The address at each GLOBAL_UP."""
    found: list[str | None] = []
    net = patient.net
    net.on_status(lambda status: found.append(net.ip_address) if status is UP else None)
    return found


@pytest.mark.parametrize("kind", ["esp8266", "bg96"])
@virtual
async def test_after_a_restart(kind: str) -> None:
    async with bed(kind) as patient:
        assert patient.net.ip_address == "127.0.0.1"
        found = watch(patient)
        patient.module.world.address = "127.0.0.9"
        patient.module.restart()
        await patient.until("CONNECTING")
        assert patient.net.ip_address is None
        await patient.until("GLOBAL_UP")
        assert found == ["127.0.0.9"]
        assert (await patient.net.refresh()).ip_address == "127.0.0.9"


@pytest.mark.parametrize(
    ("kind", "lost", "back"),
    [("esp8266", "ap_lost", "ap_back"), ("bg96", "cell_lost", "cell_back")],
    ids=["esp8266", "bg96"],
)
@virtual
async def test_after_the_network_was_away(kind: str, lost: str, back: str) -> None:
    """Most WiFi firmware joins again by itself, and may get another address."""
    async with bed(kind) as patient:
        found = watch(patient)
        perform(patient.module, "event", lost)
        await patient.until("CONNECTING")
        patient.module.world.address = "127.0.0.9"
        await asyncio.sleep(7)
        perform(patient.module, "event", back)
        await patient.until("GLOBAL_UP")
        assert found == ["127.0.0.9"]
        async with await patient.net.connect(("echo.test", 7), timeout=30) as sock:
            assert (await sock.getsockname()).host == "127.0.0.9"
        await patient.serves()
