"""R14: within which time service is back, in virtual time. The times are in docs/reliability.md."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.errors import WrongModule
from atdriver.plug import Plug
from fakes.actions import perform
from modems.identity import IDENTITY_ATTEMPTS
from modems.recovery import RESTART_PAUSES
from tests.faults.bench import assemble, virtual

from .sickbed import bed

both = pytest.mark.parametrize("kind", ["esp8266", "bg96"])


@both
@virtual
async def test_banner_reset(kind: str) -> None:
    """What the network takes apart: 3 s to join the ESP8266's, 2.2 s from `RDY` until a BG96 is
    registered, in which the driver has long been ready."""
    async with bed(kind) as patient:
        patient.start_clock()
        patient.module.restart()
        booted = await patient.until("CONNECTING")
        up = await patient.until("GLOBAL_UP")
        assert up - booted <= (3.5 if kind == "esp8266" else 2.25)


@virtual
async def test_registration_is_noticed_at_once() -> None:
    """By the module's notice, not by the next question; without notices by that."""
    async with bed("bg96") as patient:
        for told in (True, False):
            if not told:
                patient.bench.step(before=r"\s*\+CEREG: \d,\".*\s*", instead="")
            patient.module.restart()
            await patient.until("CONNECTING")
            while not patient.module.registered:
                await asyncio.sleep(0.01)
            patient.start_clock()
            await patient.until("GLOBAL_UP")
            assert patient.elapsed <= (0.06 if told else 0.6)
            await asyncio.sleep(61)
        assert any(patient.module.scenario.used.values())


@both
@virtual
async def test_silent_reset_of_an_idle_module(kind: str) -> None:
    async with bed(kind) as patient:
        await asyncio.sleep(30)
        patient.start_clock()
        patient.module.restart(silent=True)
        await patient.recovers(within=20)
        await patient.serves()


@both
@virtual
async def test_unplugged_and_back(kind: str) -> None:
    async with bed(kind) as patient:
        sock = await patient.net.connect(("echo.test", 7), timeout=30)
        patient.unplug()
        with pytest.raises(ConnectionError):
            await sock.recv(1)
        assert patient.net.status.name == "CONNECTING"
        await patient.until("DISCONNECTED")
        assert "no such port" in str(patient.net.failure)
        await asyncio.sleep(600)
        patient.plugged = True
        patient.start_clock()
        await patient.until("GLOBAL_UP")
        join = 3.0 if kind == "esp8266" else 0.0
        assert patient.elapsed - join <= 3
        await patient.serves()
        await sock.close()


@both
@virtual
async def test_another_module_at_the_same_port_is_left_alone(kind: str) -> None:
    async with bed(kind) as patient:
        mine = patient.bench.stack._me
        assert mine
        patient.bench.stack._me = mine.translate(str.maketrans("0123456789", "1234567890"))
        patient.unplug()
        patient.plugged = True
        await patient.until("DISCONNECTED")
        assert isinstance(patient.net.failure, WrongModule)
        assert patient.net.failure.found == mine


@pytest.mark.parametrize("sound", [0, 1])
@virtual
async def test_an_identity_that_came_damaged_is_nobodys(sound: int) -> None:
    """Else the module itself would be a stranger when it has restarted."""
    bench = assemble("bg96")
    if sound:
        bench.step(on=r"AT\+CGSN", passes=True, times=sound)
    bench.step(on=r"AT\+CGSN", say=("49015420323751881", "OK"), times=1)
    async with bench.net:
        assert bench.stack._me == "490154203237518"


@virtual
async def test_an_identity_that_comes_damaged_later_is_no_stranger() -> None:
    """What is new counts when it is said twice; what is known is believed at once."""
    async with bed("bg96") as patient:
        patient.bench.step(on=r"AT\+CGSN", say=("49015420323751881", "OK"), times=1)
        patient.module.restart()
        await patient.until("CONNECTING")
        await patient.until("GLOBAL_UP")
        assert patient.bench.stack._me == "490154203237518"
        await patient.serves()


@virtual
async def test_a_module_that_names_itself_otherwise_each_time_is_not_asked_for_ever() -> None:
    bench = assemble("bg96")
    for number in range(10):
        bench.step(on=r"AT\+CGSN", say=(f"49015420323751{number}", "OK"), times=1)
    async with bench.net:
        assert bench.net.status.name == "GLOBAL_UP"
        assert bench.wire.written.count(b"AT+CGSN") == 1 + IDENTITY_ATTEMPTS


@virtual
async def test_busy_storm() -> None:
    """AT+RST is obeyed also while another command runs (esp-at: "Will force to restart!!!"), so the
    reset suffices."""
    async with bed("esp8266") as patient:
        await asyncio.sleep(1)
        patient.start_clock()
        perform(patient.module, "busy", 1000)
        while not patient.counts.get("reset"):
            await asyncio.sleep(0.1)
        assert patient.elapsed <= 8 + 2 + 60  # silence, the first "busy", and its time
        await patient.until("GLOBAL_UP")
        assert patient.elapsed <= 80
        assert patient.counts == {"resync": 1, "silent": 1, "reset": 1}
        await patient.serves()


@virtual
async def test_context_lost() -> None:
    async with bed("bg96") as patient:
        perform(patient.module, "event", "cell_lost")
        await patient.until("CONNECTING")
        await asyncio.sleep(60)
        assert patient.net.status.name == "CONNECTING"
        perform(patient.module, "event", "cell_back")
        patient.start_clock()
        assert await patient.until("GLOBAL_UP") <= 10
        await patient.serves()


@both
@virtual
async def test_a_brown_out_loop_ends_with_a_diagnosis(kind: str) -> None:
    async with bed(kind) as patient:
        for _ in range(len(RESTART_PAUSES) + 1):
            patient.module.restart()
            await patient.until("CONNECTING", "DISCONNECTED")
            if patient.net.status.name == "DISCONNECTED":
                break
            await patient.until("GLOBAL_UP")
        assert patient.net.status.name == "DISCONNECTED"
        assert "power supply" in str(patient.net.failure)


class Info:
    def __init__(self, device: str, serial: str, location: str) -> None:
        self.device, self.serial_number, self.location = device, serial, location
        self.vid, self.pid = 0x2C7C, 0x0296


def test_a_port_is_found_again_under_another_name() -> None:
    ports = [Info("/dev/ttyX2", "A", "1-2:1.2"), Info("/dev/ttyX3", "A", "1-2:1.3")]
    plug = Plug("/dev/ttyX2", lambda: ports)
    plug.opened("/dev/ttyX2")
    other = Info("/dev/ttyX2", "B", "1-2:1.2")
    ports[:] = [other]
    with pytest.raises(OSError, match="unplugged"):
        plug.whereabouts()
    ports[:] = [other, Info("/dev/ttyX7", "A", "1-4:1.2"), Info("/dev/ttyX8", "A", "1-4:1.3")]
    assert plug.whereabouts() == "/dev/ttyX7"
