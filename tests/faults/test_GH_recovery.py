"""G and H: a module or a network that goes without a word, and comes back by itself."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.errors import DeviceError, ModuleRestarted, NetworkDown
from netsocket.stack import InterfaceStatus

from .bench import BOTH, Bench, Injected, opened, virtual
from .service import ending, exchange, works

MODULES = [module for module, _ in BOTH]
UP, COMING, DOWN = (
    InterfaceStatus.GLOBAL_UP,
    InterfaceStatus.CONNECTING,
    InterfaceStatus.DISCONNECTED,
)
JOIN = {"esp8266": b"AT+CWJAP=", "bg96": b"AT+QIACT=1\r"}
SELECTING = (b"AT+COPS=", b"AT+CFUN=1,1", b"AT+RST")
"""What makes a module search anew, or restart."""


async def until(bench: Bench, wanted: InterfaceStatus, limit: float) -> float:
    """Wait for a status; the seconds that it took."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with asyncio.timeout(limit):
        while bench.net.status is not wanted:
            await asyncio.sleep(0.05)
    return loop.time() - begun


@pytest.mark.catches(
    "atdriver/resync.py",
    "if probe.restarted is not None and probe.restarted.fullmatch(text):",
    "if probe.restarted is None:",
)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G03_silent_reset(module: str, busy: bool, injected: Injected) -> None:
    """Without a banner: found out within 20 s, whether something is asked meanwhile or not; the
    sockets of before end with "restarted" and their numbers serve new ones."""
    async with opened(module, names={"one.test": "198.51.100.1"}) as bench:
        old = await bench.net.connect(("echo.test", 7), timeout=30)
        await exchange(old, b"x")
        waiting = asyncio.create_task(old.recv(10))
        await asyncio.sleep(1)
        bench.fake.restart(silent=True)
        injected()
        if busy:
            assert (await ending(bench.net.resolve("one.test"))).errno
        error = await ending(waiting, 20)
        assert isinstance(error, ModuleRestarted)
        await works(bench, 60)
        assert "restarted" in str(await ending(old.recv(10)))
        assert bench.net.status is UP


@pytest.mark.catches("modems/recovery.py", "POWER_AT = 4", "POWER_AT = 400")
@pytest.mark.catches(
    "modems/recovering.py", "pause += RESTART_PAUSES[max(0, self._restarts - 1)]", "pause += 0"
)
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_G05_brown_out(module: str, injected: Injected) -> None:
    """It restarts at every join: longer and longer pauses, then an end that names the power supply;
    when the supply is mended, `up` works."""
    async with opened(module) as bench:
        step = bench.step(on=r"AT\+(CWJAP|QIACT)=.*", reset=True, times=100)
        before = len(bench.wire.lines)
        bench.fake.restart()
        await until(bench, COMING, 20)
        await until(bench, DOWN, 300)
        assert isinstance(bench.net.failure, DeviceError)
        assert "power supply" in str(bench.net.failure)
        injected(bench.fake.scenario.used[step])
        joins = [when for when, way, data in bench.wire.lines[before:]
                 if way == ">" and data.startswith(JOIN[module])]  # fmt: skip
        gaps = [later - sooner for sooner, later in zip(joins, joins[1:], strict=False)]
        assert 3 <= len(joins) <= 10
        assert gaps[-1] > 2 * gaps[0]
        count = len(bench.wire.lines)
        await asyncio.sleep(300)
        assert len(bench.wire.lines) - count < 20  # nobody goes on
        bench.fake.scenario._steps[step] = bench.fake.scenario._steps[step].__class__(at=1e9)
        await bench.net.up()
        await works(bench)


@pytest.mark.catches("modems/recovery.py", "RESYNC_SECONDS = 60.0", "RESYNC_SECONDS = 12.0")
@pytest.mark.parametrize("module", MODULES)
@virtual
async def test_H05_nothing_for_half_a_minute(module: str, injected: Injected) -> None:
    """The module does not listen for 30 s: every call ends by its own limit, "attaching" is shown
    meanwhile, nothing is reset and no network is chosen anew; then all works again."""
    async with opened(module, names={"one.test": "198.51.100.1"}) as bench:
        loop = asyncio.get_running_loop()
        seen: list[InterfaceStatus] = []
        bench.net.on_status(seen.append)
        bench.fake.be_deaf(30)
        injected()
        begun = loop.time()
        for call in (
            bench.net.resolve("one.test"),
            bench.net.connect(("echo.test", 7), timeout=10),
        ):
            assert (await ending(call, 40)).errno
        await works(bench)
        assert loop.time() - begun < 90
        assert not [each for each in SELECTING if each in bench.wire.written]
        assert DOWN not in seen
        assert bench.net.failure is None


@pytest.mark.catches(
    "modems/bg96/notices.py",
    "        self._lost(error)\n        # Else",
    "        # Else",
)
@pytest.mark.parametrize("doing", ["nothing", "connect", "resolve", "send"])
@virtual
async def test_H01_context_lost(doing: str, injected: Injected) -> None:
    """With a notice: every socket and waiting call ends with "network down", and the context is
    back within 10 s."""
    async with opened("bg96", names={"one.test": "198.51.100.1"}) as bench:
        seen: list[InterfaceStatus] = []
        bench.net.on_status(seen.append)
        socks = [await bench.net.connect(("echo.test", 7), timeout=30) for _ in range(3)]
        waiting = [asyncio.create_task(sock.recv(10)) for sock in socks]
        if doing == "connect":
            waiting.append(asyncio.create_task(bench.net.connect(("silent.test", 2), timeout=60)))
        elif doing == "resolve":
            bench.step(on=r"AT\+QIDNSGIP=.*", say=("OK",), times=1)
            waiting.append(asyncio.create_task(bench.net.resolve("one.test")))
        await asyncio.sleep(1)
        if doing == "send":
            bench.step(on=r"AT\+QISEND=0,5", raw=b"\r\n> ", times=1, do=(("event", "pdp_lost"),))
            waiting.append(asyncio.create_task(socks[0].sendall(b"hello")))
            injected.by(bench.fake)
        else:
            bench.fake.EVENTS["pdp_lost"](bench.fake)
            injected()
        for each in waiting[:3]:
            assert isinstance(await ending(each, 20), NetworkDown)
        for each in waiting[3:]:
            assert (await ending(each, 80)).errno
        await until(bench, UP, 10)
        assert seen == [COMING, UP]
        for sock in socks:
            await sock.close()
        await works(bench, 10)


@pytest.mark.catches(
    "modems/bg96/stack.py", "if code in NO_CONTEXT and not self._checking:", "if code == -1:"
)
@pytest.mark.parametrize("asked", ["connect", "resolve"])
@virtual
async def test_H02_context_lost_without_a_word(asked: str, injected: Injected) -> None:
    """The first call that is refused shows it: sockets end, the context comes back, and the next
    client is served."""
    async with opened("bg96", names={"one.test": "198.51.100.1"}) as bench:
        old = await bench.net.connect(("echo.test", 7), timeout=30)
        await exchange(old, b"x")
        waiting = asyncio.create_task(old.recv(10))
        bench.fake.EVENTS["pdp_lost_silently"](bench.fake)
        injected()
        await asyncio.sleep(1)
        call = (
            bench.net.resolve("one.test")
            if asked == "resolve"
            else bench.net.connect(("sink.test", 9), timeout=30)
        )
        assert isinstance(await ending(call, 30), NetworkDown)
        assert (await ending(waiting, 20)).errno
        await until(bench, UP, 10)
        await works(bench, 10)
