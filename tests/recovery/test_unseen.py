"""A network that is lost without a word is found out although no command fails by it: the interface
says so, comes up again, and nobody waits for ever meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from fakes.actions import perform
from tests.faults.bench import virtual

from .sickbed import Sickbed, bed

SILENT = {"esp8266": r"WIFI DISCONNECT\r\n|\d,CLOSED\r\n", "bg96": r"\s*\+QIURC: \"pdpdeact.*"}
"""Notices that do not arrive."""


async def lost(patient: Sickbed) -> None:
    """The network goes, and nothing is said."""
    patient.bench.step(before=SILENT[patient.kind], instead="")
    perform(patient.module, "event", "ap_lost" if patient.kind == "esp8266" else "cell_lost")


both = pytest.mark.parametrize("kind", ["esp8266", "bg96"])


@both
@virtual
async def test_the_interface_says_so_and_comes_back(kind: str) -> None:
    async with bed(kind) as patient:
        await asyncio.sleep(20)
        await lost(patient)
        patient.start_clock()
        assert await patient.until("CONNECTING") <= 70
        perform(patient.module, "event", "ap_back" if kind == "esp8266" else "cell_back")
        await patient.until("GLOBAL_UP", limit=60)
        await patient.serves()


@pytest.mark.parametrize("waits", ["recv", "recvfrom", "accept"])
@both
@virtual
async def test_nobody_waits_for_ever(kind: str, waits: str) -> None:
    """Nor when the network stays away."""
    async with bed(kind) as patient:
        net = patient.net
        async with net.udp_socket() as datagrams, net.tcp_socket() as listener:
            calls: dict[str, Coroutine[Any, Any, Any]] = {}
            if waits == "recv":
                sock = await net.connect(("sink.test", 9), timeout=30)
                calls[waits] = sock.recv(1)
            elif waits == "recvfrom":
                await datagrams.bind(("", 7001))
                calls[waits] = datagrams.recvfrom(100)
            else:
                await listener.bind(("", 7000))
                await listener.listen(2)
                calls[waits] = listener.accept()
            waiting = asyncio.create_task(calls[waits])
            await asyncio.sleep(1)
            await lost(patient)
            async with asyncio.timeout(200):
                with pytest.raises(OSError, match=r"."):
                    await waiting
            if waits == "recv":
                await sock.close()
