"""The ladder, rung by rung: one in which it suffices and no higher one is tried."""

from __future__ import annotations

import asyncio

import pytest

from modems.recovery import LADDERS, Rung, Trouble
from netsocket.errors import NetworkDown
from tests.faults.bench import virtual

from .sickbed import UP, Sickbed, bed

both = pytest.mark.parametrize("kind", ["esp8266", "bg96"])
RUNGS = [rung.value for rung in Rung]


def rungs(patient: Sickbed) -> list[str]:
    return [name for name in RUNGS if patient.counts.get(name)]


@both
@virtual
async def test_nothing_happens_to_a_module_that_is_well(kind: str) -> None:
    async with bed(kind) as patient:
        await asyncio.sleep(600)
        assert patient.net.status is UP
        assert patient.counts == {}
        assert patient.net.failure is None
        assert "recovery" not in (await patient.net.refresh()).details


@both
@virtual
async def test_resync_suffices(kind: str) -> None:
    """Silence of 20 s, as while a module searches its network: no socket is lost."""
    async with bed(kind) as patient:
        sock = await patient.net.connect(("echo.test", 7), timeout=30)
        patient.module.be_deaf(20)
        await asyncio.sleep(40)
        assert rungs(patient) == ["resync"]
        assert patient.counts == {"resync": 1}
        await sock.sendall(b"still here")
        assert await sock.recv(10) == b"still here"
        await sock.close()
        assert patient.net.failure is None


@both
@virtual
async def test_a_module_that_is_out_of_step_for_long_is_not_called_up(kind: str) -> None:
    """Within 25 s of its last sign; and up again without anything being lost."""
    async with bed(kind) as patient:
        patient.start_clock()
        patient.module.be_deaf(40)
        assert await patient.until("CONNECTING") <= 25
        await patient.until("GLOBAL_UP")
        assert rungs(patient) == ["resync"]
        await patient.serves()


@both
@virtual
async def test_retry_suffices(kind: str) -> None:
    """It restarted: what was up is brought up again."""
    async with bed(kind) as patient:
        sock = await patient.net.connect(("echo.test", 7), timeout=30)
        patient.module.restart()
        await patient.until("CONNECTING")
        with pytest.raises(ConnectionResetError, match="restarted"):
            await sock.recv(1)
        assert "restarted" in str(patient.net.failure)
        await patient.until("GLOBAL_UP")
        assert patient.counts == {"restart": 1, "retry": 1}
        assert patient.net.failure is None
        await patient.serves()
        assert (await patient.net.refresh()).details["recovery"] == "restart 1, retry 1"
        assert any("recovery: retry" in note for note in patient.bench.wire.notes)
        await sock.close()


@both
@virtual
async def test_reset_suffices(kind: str) -> None:
    async with bed(kind) as patient:
        sock = await patient.net.connect(("echo.test", 7), timeout=30)
        patient.ail("reset")
        with pytest.raises(ConnectionError, match=r"does not answer|no answer within"):
            await sock.recv(1)
        await patient.recovers(within=180)
        assert rungs(patient) == ["resync", "reset"]
        assert patient.counts["reset"] == 1
        assert patient.counts["silent"] == 1
        await patient.serves()
        await sock.close()


@both
@virtual
async def test_reopening_suffices(kind: str) -> None:
    async with bed(kind) as patient:
        patient.ail("reopen")
        await patient.recovers(within=300)
        assert rungs(patient) == ["resync", "reset", "reopen"]
        assert patient.counts["reopen"] == 1 == patient.opened
        await patient.serves()


@both
@virtual
async def test_nothing_suffices(kind: str) -> None:
    """A failure for good, with its reason, within five minutes; and the end of all efforts."""
    async with bed(kind) as patient:
        sock = await patient.net.connect(("echo.test", 7), timeout=30)
        patient.ail()
        assert await patient.until("DISCONNECTED") <= 300
        assert rungs(patient) == ["resync", "reset", "reopen", "failed"]
        assert patient.counts["failed"] == 1
        assert "no AT module answers" in str(patient.net.failure)
        with pytest.raises(NetworkDown, match="no AT module answers"):
            await patient.net.connect(("echo.test", 7), timeout=30)
        with pytest.raises(ConnectionError):
            await sock.recv(1)
        await sock.close()
        before = len(patient.bench.wire.lines)
        await asyncio.sleep(600)
        assert len(patient.bench.wire.lines) == before
        patient.heal()
        await patient.net.up()
        await patient.serves()


@both
@virtual
async def test_never_means_never(kind: str) -> None:
    async with bed(kind, reconnect="never") as patient:
        sock = await patient.net.connect(("echo.test", 7), timeout=30)
        patient.module.restart()
        await patient.until("DISCONNECTED")
        with pytest.raises(ConnectionResetError, match="restarted"):
            await sock.recv(1)
        await sock.close()
        await asyncio.sleep(120)
        assert patient.net.status.name == "DISCONNECTED"
        assert "restarted" in str(patient.net.failure)
        assert rungs(patient) == ["failed"]
        await patient.net.up()
        await patient.serves()


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_ladder_is_bounded(trouble: Trouble) -> None:
    """In number or time each step, and no gentler rung comes for the first time behind a higher."""
    steps = LADDERS[trouble]
    order = list(Rung)
    for step in steps:
        assert step.times is not None or step.seconds > 0 or step.rung is Rung.FAILED
        assert step.longest >= step.pause
        assert step.longest > 0 or step.times == 1
    firsts = [rung for rung in order if any(step.rung is rung for step in steps)]
    assert firsts == sorted({step.rung for step in steps}, key=[s.rung for s in steps].index)
