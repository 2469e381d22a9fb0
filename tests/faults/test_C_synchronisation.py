"""C: commands and their answers."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Peer
from netsocket.cellular import SimState
from netsocket.errors import NetsocketError

from .bench import BOTH, PEERS, Injected, assemble, opened, virtual
from .talk import ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}


@pytest.mark.catches(
    "atdriver/answering.py",
    'self._enter_resync("an answer did not come in time", way_out)',
    "self._rest()",
)
@pytest.mark.parametrize(("module", "late"), [("esp8266", 21.0), ("bg96", 11.0)])
@virtual
async def test_C01_late_answer(module: str, late: float, injected: Injected) -> None:
    """The answer to a name that was given up comes: the next name does not get it."""
    async with opened(module, names=NAMES) as bench:
        bench.step(on=r"AT\+(QIDNSGIP|CIPDOMAIN)=.*", after=late, times=1, passes=True)
        with pytest.raises(NetsocketError):
            await bench.net.resolve("one.test")
        assert await bench.net.resolve("two.test") == [NAMES["two.test"]]
        injected.by(bench.fake)


@pytest.mark.catches(
    "atdriver/answering.py",
    'self._enter_resync("an answer did not come in time", way_out)',
    "self._rest()",
)
@virtual
async def test_C02_late_answer_of_the_right_type(injected: Injected) -> None:
    """The answer to the first question fits the second as well, and is not taken for it."""
    async with opened("esp8266") as bench:
        address = bench.net.ip_address
        old = '+CIPSTA:ip:"203.0.113.9"'
        bench.step(on=r"AT\+CIPSTA\?", after=3.4, times=1, say=(old, "OK"))
        with pytest.raises(OSError):
            await bench.net.refresh()
        assert (await within(60, bench.net.refresh())).ip_address == address
        injected.by(bench.fake)
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+CPIN\?", after=10.4, times=1, say=("+CPIN: SIM PIN", "OK"))
        ask = bench.stack.cellular  # type: ignore[attr-defined]
        with pytest.raises(OSError):
            await ask()
        assert (await within(60, ask())).sim is SimState.READY
        injected.by(bench.fake)


@pytest.mark.catches(
    "netsocket/sending.py",
    "            over.cancel()\n            self._leave_behind(self._sending)",
    "            over.cancel()\n            self._sending.task = None",
)
@EACH
@virtual
async def test_C03_caller_cancels(module: str, firmware: str, injected: Injected) -> None:
    """Wherever it happens: the exchange is carried to its end, and no byte belongs to the caller
    who left."""
    async with opened(module, firmware, names=NAMES) as bench:
        bench.step(on=r"AT\+(CIPRECVDATA|QIRD|CIPSEND|QISEND|CIPDOMAIN).*", after=0.05, passes=True)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        talk = bench.talks("sink.test:9")[0]
        said = got = b""
        for turn in range(40):
            moment = turn * 0.004
            part = b"<%d>" % turn * 5
            resolving = asyncio.ensure_future(bench.net.resolve("one.test"))
            reading = asyncio.ensure_future(sock.recv(1000))
            talk.say(part)
            said += part
            await asyncio.sleep(moment)
            for task in (resolving, reading):
                if task.done() and task is reading:
                    got += task.result()
                task.cancel()
                injected()
            await asyncio.gather(resolving, reading, return_exceptions=True)
            bench.net.names.clear()
            assert await within(20, bench.net.resolve("two.test")) == [NAMES["two.test"]]
            got += await receive(sock, len(said) - len(got))
            assert got == said, turn
            bench.net.names.clear()
        for turn in range(40):
            sending = asyncio.ensure_future(sock.sendall(b"[%d]" % turn))
            await asyncio.sleep(turn * 0.003)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await within(20, sock.settle())  # what became of it
        numbers = [int(each) for each in bytes(talk.told).replace(b"]", b"[").split(b"[") if each]
        assert numbers == sorted(set(numbers))
        assert len(numbers) > 20
        for turn in range(20):
            connecting = asyncio.ensure_future(bench.net.connect(("echo.test", 7), timeout=20))
            await asyncio.sleep(turn * 0.01)
            connecting.cancel()
            for left in await asyncio.gather(connecting, return_exceptions=True):
                if not isinstance(left, BaseException):
                    await left.close()
        await asyncio.sleep(20)
        assert not bench.talks("echo.test:7")  # no connection that nobody has
        await sock.close()


@pytest.mark.catches(
    "atdriver/stages.py",
    '    (Stage.BUSY, Token.GOOD): "succeed",\n',
    "",
)
@pytest.mark.catches(
    "atdriver/stages.py",
    '    (Stage.RESULT, Token.BUSY): "wait_busy",\n',
    '    (Stage.RESULT, Token.BUSY): "fail",\n',
)
@pytest.mark.catches(
    "atdriver/flight.py",
    "        self._enter_resync(START, steps=steps, limit=limit)",
    "        self.resync_limit = limit; self._enter_resync(START, steps=steps, limit=limit)",
)
@virtual
async def test_C04_busy(injected: Injected) -> None:
    """It is no result: nothing fails for it, nothing is done twice, and it is not waited out for
    ever."""
    async with opened("esp8266", scenario=ready_made("C04"), names=NAMES) as bench:
        injected.by(bench.fake)
        await asyncio.sleep(6.5)
        assert await within(60, bench.net.resolve("one.test")) == [NAMES["one.test"]]
        # A stray byte made the module say busy, and the command is carried out all the same.
        for command in ("CIPSTART", "CIPSEND", "CIPCLOSE", "CIPRECVDATA", "CWMODE"):
            bench.step(on=rf"AT\+{command}.*", raw=b"\r\nbusy p...\r\n", passes=True)
        modes = bench.wire.written.count(b"AT+CWMODE=1")
        await bench.net.scan()
        assert bench.wire.written.count(b"AT+CWMODE=1") == modes + 1
        for turn in range(3):
            text = b"once %d" % turn
            sock = await bench.net.connect(("echo.test", 7), timeout=60)
            (talk,) = bench.talks("echo.test:7")
            await sock.sendall(text)
            assert await receive(sock, len(text)) == text
            await sock.close()
            assert bytes(talk.told) == text
        assert len(bench.fake.world.peers.conversations["echo.test:7"]) <= 3
        assert bench.wire.written.count(b"AT+CIPSTART") == 3
        bench.fake.keep_busy(1e6)
        with pytest.raises(OSError):
            await within(300, bench.net.resolve("two.test"))
        injected()
        await within(30, bench.net.close())


@pytest.mark.catches("modems/esp8266/commands.py", "CONNECT = 30.0", "CONNECT = 5.0")
@pytest.mark.catches("modems/bg96/commands.py", "OPEN_NOTICE = 150.0", "OPEN_NOTICE = 30.0")
@EACH
@virtual
async def test_C05_slower_than_the_caller(module: str, firmware: str, injected: Injected) -> None:
    """The module's own time counts on the wire, the caller's for the caller; nothing is written
    into a command that is still carried out."""
    slow = 18.0 if module == "esp8266" else 60.0
    peers = {**PEERS, "slow.test:7": Peer("echo", delay=slow)}
    fake = {"connect_timeout": "25"} if module == "esp8266" else {}
    async with opened(module, firmware, peers=peers, fake=fake) as bench:
        sock = await within(slow + 10, bench.net.connect(("slow.test", 7)))
        await sock.sendall(b"at last")
        assert await receive(sock, 7) == b"at last"
        await sock.close()
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await bench.net.connect(("slow.test", 7), timeout=2)
        assert asyncio.get_running_loop().time() - started < 2.5
        injected()
        waiting = asyncio.ensure_future(bench.net.connect(("echo.test", 7), timeout=200))
        before = bench.fake.counts["busy"]
        await within(slow + 10, waiting)
        assert bench.fake.counts["busy"] == before
        await waiting.result().close()
        await asyncio.sleep(slow + 10)
        assert not bench.talks("slow.test:7")  # the late connection was not kept
    late = ready_made("C05").steps[0].on
    assert late is not None
    bench = assemble(module, firmware)
    bench.step(on=late, after=20.0, passes=True)
    async with bench.net:
        await round_trip(bench)
        injected.by(bench.fake)


@pytest.mark.catches(
    "netsocket/waiting.py",
    "            timer = loop.call_at(deadline, _expire, loop, waiter, _HOPS)\n",
    "            timer = loop.call_at(deadline + 60, _expire, loop, waiter, _HOPS)\n",
)
@pytest.mark.catches(
    "netsocket/core.py", "CLOSE_PATIENCE: Final = 10.0", "CLOSE_PATIENCE: Final = 100.0"
)
@EACH
@virtual
async def test_C06_one_slow_command(module: str, firmware: str, injected: Injected) -> None:
    """Who waits behind it has a deadline of his own; afterwards everything goes on."""
    async with opened(module, firmware, names=NAMES) as bench:
        bench.step(on=r"AT\+(COPS|CWLAP).*", after=180.0, times=1, passes=True)
        sock = await bench.net.connect(("192.0.2.1", 7), timeout=30)
        other = await bench.net.connect(("192.0.2.2", 9), timeout=30)
        clock = asyncio.get_running_loop()
        if module == "esp8266":
            slow = asyncio.ensure_future(bench.net.scan())
        else:
            slow = asyncio.ensure_future(bench.stack.cellular())  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        injected(bench.fake.command in ("AT+CWLAP", "AT+COPS?") and bench.fake.running)
        for each in (sock, other):
            each.settimeout(3)
        started = clock.time()
        calls = (
            sock.recv(1), other.recv(1), sock.sendall(b"later"),
            bench.net.connect(("192.0.2.1", 7), timeout=3),
        )  # fmt: skip
        for outcome in await within(4, asyncio.gather(*calls, return_exceptions=True)):
            assert isinstance(outcome, TimeoutError), outcome
        await other.close()
        assert clock.time() - started < 3.5 + 10.5
        with pytest.raises(OSError):
            await within(200, slow)
        await asyncio.sleep(200)
        sock.settimeout(60)
        try:
            await sock.sendall(b"again")
            assert await receive(sock, 10) == b"lateragain"
        except (
            OSError
        ) as error:  # the module was given up and reset meanwhile, and the error says so
            assert "does not answer" in str(error) or "restarted" in str(error)
            await sock.close()
        await round_trip(bench)
