"""A module that is slow by its own claims: what cannot end in time is not asked, what is kept has the
time that it takes."""

from __future__ import annotations

import asyncio

import pytest

from netsocket import HostStack
from netsocket.capability import FarEnd, measure
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.capability.surroundings import patience, too_slow
from netsocket.capability.verdict import PROBES, Outcome, Probe, Verdict, passed
from netsocket.interface import AsyncNetworkInterface

BULK = PROBES["TCPSOCKET_RECV_100K"]


def claiming(level: Level, limit: int | None = 80, unit: str = "bytes/s") -> CapabilityTable:
    return CapabilityTable("slow", "", [Capability("tcp.bulk", level, limit=limit, unit=unit)])


def test_what_cannot_end_in_time_is_not_waited_for() -> None:
    assert too_slow(BULK, claiming(Level.NONE)) == (
        "at the claimed 80 bytes/s 51200 bytes take 640 s, and a probe has 90"
    )
    assert too_slow(BULK, claiming(Level.NONE, 569)) == ""  # 51,210 bytes in its 90 s
    for level in set(Level) - {Level.NONE}:
        assert too_slow(BULK, claiming(level)) == "", "a promise is asked"
    assert too_slow(BULK, claiming(Level.NONE, None)) == ""
    assert too_slow(BULK, claiming(Level.NONE, 80, "bytes")) == ""
    assert too_slow(PROBES["TCPSOCKET_CLOSE"], claiming(Level.NONE)) == "", "another promise"


def test_what_is_kept_slowly_has_the_time() -> None:
    assert patience(BULK, claiming(Level.FULL)) == 3 * 102_400 / 80
    assert patience(BULK, claiming(Level.FULL, 10_000)) == BULK.limit
    assert patience(BULK, claiming(Level.NONE)) == BULK.limit
    assert patience(BULK, claiming(Level.FULL, None)) == BULK.limit
    assert patience(BULK, claiming(Level.FULL, 80, "bytes")) == BULK.limit


async def test_the_measurement_says_what_was_not_asked_unless_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = HostStack()
    slow = Capability("tcp.bulk", Level.NONE, "slow", limit=80, unit="bytes/s")
    stack.capabilities = stack.capabilities.with_changes(slow)

    async def asked(net: AsyncNetworkInterface, far: FarEnd) -> Verdict:
        del net, far
        return passed("as quick as any")

    monkeypatch.setattr(measure, "PROBES", {BULK.name: Probe(BULK.name, "tcp.bulk", asked)})
    monkeypatch.setattr(measure.performance, "measure", lambda net, far: asyncio.sleep(0))
    async with FarEnd() as far, AsyncNetworkInterface(stack) as net:
        found = await measure.run(net, far)
        assert [r.outcome for r in found.results] == [Outcome.UNJUDGED]
        assert found.results[0].evidence.startswith("not run: at the claimed 80 bytes/s ")
        assert found.contradictions() == []
        found = await measure.run(net, far, only=["tcp.bulk"])
        assert found.contradictions() == [
            f"tcp.bulk: claimed none, but {BULK.name} pass: as quick as any"
        ]
