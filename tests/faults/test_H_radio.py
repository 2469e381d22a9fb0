"""H: radio, SIM, network."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.errors import (
    AuthenticationFailed,
    ConnectionReset,
    DhcpFailed,
    NetworkDown,
    NetworkNotFound,
    NetworkTimeout,
)
from netsocket.stack import InterfaceStatus

from .bench import BOTH, Bench, Injected, assemble, opened, virtual
from .service import ending, exchange, works

MODULES = [module for module, _ in BOTH]
SELECTING = (b"AT+COPS=", b"AT+CFUN=1,1", b"AT+RST")
"""What makes a module search anew, or restart."""


async def state(bench: Bench, wanted: InterfaceStatus, limit: float) -> None:
    async with asyncio.timeout(limit):
        while bench.net.status is not wanted:
            await asyncio.sleep(0.1)


@pytest.mark.catches("modems/bg96/state.py", "14: SimState.BUSY", "14: SimState.ABSENT")
@virtual
async def test_H03_sim_is_busy(injected: Injected) -> None:
    """For the first seconds: it is waited for, with few questions."""
    bench = assemble("bg96")
    bench.step(on=r"AT\+CPIN\?", times=6, say=("+CME ERROR: 14",))
    async with bench.net:
        await works(bench)
    assert bench.wire.written.count(b"AT+CPIN?") < 12
    injected.by(bench.fake)


@pytest.mark.catches("modems/bg96/sim.py", "SIM_PATIENCE = 15.0", "SIM_PATIENCE = 15000.0")
@pytest.mark.parametrize("sim", ["absent", "busy"])
@virtual
async def test_H03_no_sim(sim: str, injected: Injected) -> None:
    """The bring-up stops with a clear state; `up` may be called again when there is one."""
    bench = assemble("bg96", fake={"sim": sim})
    error = await ending(bench.net.up(), 60)
    assert isinstance(error, NetworkDown)
    assert "SIM" in str(error)
    assert bench.net.status is InterfaceStatus.DISCONNECTED
    injected(bench.wire.written.count(b"AT+CPIN?"))
    bench.fake.EVENTS["sim_in"](bench.fake)
    await bench.net.up()
    await works(bench)
    await bench.net.close()


@pytest.mark.catches(
    "modems/recovering.py",
    "        except OSError as error:\n            log.info",
    "        except ArithmeticError as error:\n            log.info",
)
@virtual
async def test_H03_sim_taken_out(injected: Injected) -> None:
    """For twenty seconds: sockets end, few questions meanwhile, then it comes back by itself."""
    async with opened("bg96") as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        await exchange(sock, b"x")
        bench.fake.EVENTS["sim_out"](bench.fake)
        injected()
        assert isinstance(await ending(sock.recv(1)), NetworkDown)
        await sock.close()
        before = len(bench.wire.written)
        await asyncio.sleep(20)
        assert len(bench.wire.written) - before < 4000
        bench.fake.EVENTS["sim_in"](bench.fake)
        await state(bench, InterfaceStatus.GLOBAL_UP, 60)
        await works(bench)


@pytest.mark.catches("modems/bg96/sim.py", "_tried.add(attempt)", "pass")
@virtual
async def test_H04_wrong_pin(injected: Injected) -> None:
    """It costs one of three tries, once in this process, whatever is called and restarts."""
    bench = assemble("bg96", fake={"pin": "4321"}, pin="8765")
    for again in range(4):
        error = await ending(bench.net.up(), 60)
        assert isinstance(error, AuthenticationFailed)
        assert "8765" not in str(error)
        if again == 1:
            bench.fake.restart()
            await asyncio.sleep(20)
    await bench.net.close()
    other = assemble("bg96", fake={"pin": "4321"}, pin="8765")  # a second program in this process
    assert isinstance(await ending(other.net.up(), 60), AuthenticationFailed)
    await other.net.close()
    wrong = [each for each in (*bench.fake.journal, *other.fake.journal) if each.kind == "pin"]
    injected(len(wrong))
    assert len(wrong) == 1


@pytest.mark.catches("modems/bg96/sim.py", "if left is not None and left <= 1:", "if left is None:")
@virtual
async def test_H04_the_last_try(injected: Injected) -> None:
    """Somebody has used two of three tries: the last one is not risked."""
    bench = assemble("bg96", fake={"pin": "4321"}, pin="8766")
    bench.fake.pin_tries = 1  # type: ignore[attr-defined]
    injected()
    error = await ending(bench.net.up(), 60)
    assert isinstance(error, AuthenticationFailed)
    assert "1 try left" in str(error)
    assert not bench.fake.blocked_sim  # type: ignore[attr-defined]
    await bench.net.close()


@pytest.mark.catches(
    "modems/bg96/sim.py", "elif state is SimState.PUK:", "elif state is SimState.PUK and not pin:"
)
@virtual
async def test_H04_puk(injected: Injected) -> None:
    """A blocked SIM: told at once, with the tries that are left, and nothing is entered."""
    bench = assemble("bg96", fake={"pin": "4321"}, pin="4321")
    bench.fake.blocked_sim = True  # type: ignore[attr-defined]
    injected()
    error = await ending(bench.net.up(), 10)
    assert isinstance(error, AuthenticationFailed)
    assert "PUK" in str(error)
    assert "10 tries left" in str(error)
    assert b"AT+CPIN=" not in bench.wire.written
    await bench.net.close()


@pytest.mark.catches("modems/bg96/commands.py", "READ_LIMIT = 40.0", "READ_LIMIT = 10.0")
@virtual
async def test_H05_late_answers(injected: Injected) -> None:
    """An answer that takes 25 s is still one: the connection stands, no byte is lost."""
    async with opened("bg96") as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        bench.step(on=r"AT\+QIRD=0,.*", after=25.0, times=1, passes=True)
        await exchange(sock, b"slow but whole", 90)
        assert not [each for each in SELECTING if each in bench.wire.written]
        injected.by(bench.fake)


@pytest.mark.catches("modems/esp8266/notices.py", "        self._air_lost = True\n", "")
@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "            if sock.link not in open_links and",
    "            if None in open_links and",
)
@pytest.mark.parametrize("told", [True, False], ids=["CLOSED", "zombies"])
@virtual
async def test_H06_wifi_drops(told: bool, injected: Injected) -> None:
    """Sockets end with an error, also those of which the module says nothing; the interface comes
    back when the access point does."""
    async with opened("esp8266") as bench:
        seen: list[InterfaceStatus] = []
        bench.net.on_status(seen.append)
        socks = [await bench.net.connect(("echo.test", 7), timeout=30) for _ in range(3)]
        waiting = [asyncio.create_task(sock.recv(10)) for sock in socks]
        if not told:
            bench.step(before=r"\d,CLOSED\r\n", instead="", times=3)
            injected.by(bench.fake)
        bench.fake.EVENTS["ap_lost"](bench.fake)
        injected()
        for each in waiting:
            assert isinstance(await ending(each, 20), ConnectionReset)
        assert seen == [InterfaceStatus.CONNECTING]
        bench.fake.EVENTS["ap_back"](bench.fake)
        await state(bench, InterfaceStatus.GLOBAL_UP, 40)
        for sock in socks:
            await sock.close()
        await works(bench)


DISTURBANCES = (
    b"\r\nRING\r\n", b"\r\nNO CARRIER\r\n", b"\r\nBUSY\r\n", b"\r\nNO ANSWER\r\n",
    b'\r\n+CMTI: "ME",1\r\n', b'\r\n+CUSD: 0,"credit: OK",15\r\n',
)  # fmt: skip


@pytest.mark.catches("modems/bg96/dialect.py", "|BUSY|NO ANSWER|", "|")
@pytest.mark.catches(
    "modems/bg96/dialect.py",
    r'failures=re.compile(rb"\+CM[ES] ERROR: ?(?P<code>.{0,60})"),',
    r'failures=re.compile(rb"\+CM[ES] ERROR: ?(?P<code>.{0,60})|NO CARRIER|BUSY"),',
)
@pytest.mark.parametrize("line", DISTURBANCES)
@virtual
async def test_H07_calls_and_messages(line: bytes, injected: Injected) -> None:
    """Before every result and behind every command: none is taken for a result."""
    async with opened("bg96", names={"one.test": "198.51.100.1"}) as bench:
        bench.step(before=r"\r\n(OK|SEND OK)\r\n", raw=line)
        bench.step(behind=r"\r\nSEND OK\r\n", raw=line)
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        for _ in range(5):
            bench.fake.raw(line)
            await exchange(sock, b"a call does not disturb", 60)
        assert await bench.net.resolve("one.test") == ["198.51.100.1"]
        await sock.close()
        assert bench.net.status is InterfaceStatus.GLOBAL_UP
        injected.by(bench.fake)


CODES = {1: NetworkTimeout, 2: AuthenticationFailed, 3: NetworkNotFound, 4: NetworkDown}


@pytest.mark.catches("modems/esp8266/wifi.py", "if code == 2:", "if code == 22:")
@pytest.mark.catches("modems/esp8266/wifi.py", "if code == 3:", "if code == 33:")
@pytest.mark.parametrize("final", ["FAIL", "ERROR"])
@pytest.mark.parametrize("code", CODES)
@virtual
async def test_H08_join_fails(code: int, final: str, injected: Injected) -> None:
    """After 15 s, with a code: the error says what it means, and not the password; the next
    attempt succeeds."""
    bench = assemble("esp8266", "N17" if final == "FAIL" else "E24")
    bench.step(on=r"AT\+CWJAP(_CUR)?=.*", after=15.0, times=1, say=(f"+CWJAP:{code}", final))
    error = await ending(bench.net.up(), 60)
    assert type(error) is CODES[code]
    assert "secret99" not in f"{error!r} {error}"
    assert bench.net.status is InterfaceStatus.DISCONNECTED
    injected.by(bench.fake)
    await bench.net.up()
    await works(bench)
    await bench.net.close()


@pytest.mark.catches(
    "modems/esp8266/wifi.py", "ADDRESS_PATIENCE = 15.0", "ADDRESS_PATIENCE = 1500.0"
)
@virtual
async def test_H08_joined_without_an_address(injected: Injected) -> None:
    """WIFI CONNECTED, and no address comes: the bring-up ends and says so."""
    bench = assemble("esp8266", fake={"dhcp": "none"})
    error = await ending(bench.net.up(), 60)
    assert isinstance(error, DhcpFailed)
    assert "secret99" not in str(error)
    injected(bench.wire.heard.count(b"WIFI CONNECTED"))
    await bench.net.close()
