"""C: commands that kill, are too long, remain without an answer; callers, handlers and clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from atdriver.errors import EncodeError
from atdriver.events import Unsolicited
from modems.commands import query
from netsocket.errors import ModuleRestarted

from .bench import BOTH, Injected, assemble, opened, virtual
from .talk import receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}
T = TypeVar("T")
LOOKUP = r"AT\+(CIPDOMAIN|QIDNSGIP)=.*"


@pytest.mark.catches(
    "atdriver/engine.py",
    "        elif dialect.banner.fullmatch(text):\n",
    "        elif False:\n",
)
@EACH
@virtual
async def test_C07_a_command_kills_the_firmware(
    module: str, firmware: str, injected: Injected
) -> None:
    """Its caller hears so at once, not when the command's time is over; service comes back."""
    async with opened(module, firmware, names=NAMES) as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        clock = asyncio.get_running_loop()
        kill = bench.step(on=LOOKUP, times=1, reset=True)
        started = clock.time()
        with pytest.raises(ModuleRestarted):
            await within(30, bench.net.resolve("one.test"))
        assert clock.time() - started < 8
        with pytest.raises(ConnectionResetError):
            await within(1, sock.recv(1))
        await sock.close()
        await round_trip(bench, seconds=120)
        assert bench.fake.scenario.used[kill] == 1
        deaf = bench.step(on=LOOKUP, times=1, deaf=30.0)
        with pytest.raises(OSError):
            await within(200, bench.net.resolve("two.test"))
        await asyncio.sleep(60)
        await round_trip(bench, seconds=200)
        assert bench.fake.scenario.used[deaf] == 1
        injected.by(bench.fake)
    # One that the bring-up needs: an error after a bounded number of deaths, and no more of them.
    bench = assemble(module, firmware)
    bench.step(on=r"AT\+(CIPMUX=1|CEREG=2)", reset=True)
    with pytest.raises(OSError):
        await within(300, bench.net.up())
    injected(sum(bench.fake.scenario.used.values()))
    await asyncio.sleep(600)
    assert sum(bench.fake.scenario.used.values()) < 12
    await bench.net.close()


@pytest.mark.catches(
    "atdriver/channel.py",
    "        if self._working:\n            self._go_on_at_once()\n            return\n",
    "",
)
@EACH
@virtual
async def test_C08_command_from_a_handler(module: str, firmware: str, injected: Injected) -> None:
    """A handler that asks at once neither recurses nor gets, or spoils, somebody else's answer."""
    async with opened(module, firmware, names=NAMES) as bench:
        probe = bench.engine.probe
        listener = bench.channel.listener
        assert listener is not None
        asked: list[asyncio.Task[list[bytes]]] = []

        async def ask() -> list[bytes]:
            assert probe.answer is not None
            return (await bench.channel.run(query(probe.text.decode(), probe.answer.pattern))).lines

        def listen(event: object) -> None:
            listener(event)  # type: ignore[arg-type]
            if isinstance(event, Unsolicited) and len(asked) < 20:
                injected()
                asked.append(eagerly(ask()))

        bench.channel.listener = listen
        said = "WIFI GOT IP\r\n" if module == "esp8266" else "\r\n+QIND: 1\r\n"
        bench.step(before=r"\r\nOK\r\n", times=10, instead=said + "\r\nOK\r\n")  # in one read
        for _ in range(5):
            for name, address in NAMES.items():
                assert await within(20, bench.net.resolve(name)) == [address]
            bench.net.names.clear()
        for lines in await within(20, asyncio.gather(*asked)):
            assert len(lines) == 1
            assert probe.answer is not None
            assert probe.answer.fullmatch(lines[0])
        await round_trip(bench)


def eagerly(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """As asyncio.eager_task_factory of Python 3.12: it runs at once, up to its first wait."""
    first = work.send(None)

    async def rest() -> T:
        await asyncio.wait({first})
        try:
            work.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("it waited twice")

    first._asyncio_future_blocking = False
    return asyncio.ensure_future(rest())


@pytest.mark.catches(
    "atdriver/channel.py",
    "return self.engine.ready and self.mode is ChannelMode.COMMAND",
    "return self.mode is ChannelMode.COMMAND",
)
@pytest.mark.catches(
    "modems/bg96/stack.py", "        async with self._resolving:\n", "        if True:\n"
)
@pytest.mark.catches(
    "modems/bg96/notices.py", '            self._answers.put_nowait(b"568")  # ask again\n', ""
)
@EACH
@virtual
async def test_C09_many_callers(module: str, firmware: str, injected: Injected) -> None:
    """All at once: one command on the wire at a time, and each caller gets his own answer."""
    names = {f"n{number}.test": f"198.51.100.{number}" for number in range(1, 25)}
    async with opened(module, firmware, names=names) as bench:
        bench.step(on=r"AT.*", after=0.02, passes=True)
        socks = [await bench.net.connect(("echo.test", 7), timeout=30) for _ in range(4)]
        busy = bench.fake.counts["busy"]

        async def ask(name: str) -> None:
            assert await bench.stack.resolve(name) == [names[name]]
            injected()

        async def talk(number: int) -> None:
            text = b"%d" % number * 500
            for _ in range(5):
                await socks[number].sendall(text)
                assert await receive(socks[number], len(text)) == text

        async def meet() -> None:
            for _ in range(6):
                async with await bench.net.connect(("192.0.2.2", 9), timeout=60):
                    pass

        calls = [ask(name) for name in names] + [talk(number) for number in range(4)]
        if module == "bg96":  # where an open ends with a notice, too
            calls.append(meet())
        refreshing = [bench.net.refresh() for _ in range(8)]
        await within(100, asyncio.gather(*calls, *refreshing))
        assert bench.fake.counts["busy"] == busy
        told = {bytes(talk.told) for talk in bench.talks("echo.test:7")}
        assert told == {b"%d" % number * 2500 for number in range(4)}
        for sock in socks:
            await sock.close()


@pytest.mark.catches(
    "modems/clock.py",
    "return asyncio.get_running_loop().time()",
    'return __import__("time").time()',
)
@EACH
@virtual
async def test_C10_wall_clock_jumps(
    module: str, firmware: str, injected: Injected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day forward or back is no time: no deadline strikes, none moves away."""
    jumps = [0]
    true = time.time

    def jumping() -> float:
        jumps[0] += 1
        return true() + (86400 if jumps[0] % 2 else -86400)

    monkeypatch.setattr(time, "time", jumping)
    bench = assemble(module, firmware)
    late = r"AT\+CEREG\?" if module == "bg96" else r"AT\+CIPSTA\?"
    none = "+CEREG: 2,2" if module == "bg96" else '+CIPSTA:ip:"0.0.0.0"'
    bench.step(on=late, times=12, say=(none, "OK"))  # no registration, no address, for a while
    if module == "bg96":
        bench.step(on=r"AT\+CGREG\?", times=3, say=("+CGREG: 0,2", "OK"))
    async with bench.net:
        await round_trip(bench)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        sock.settimeout(5)
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await sock.recv(1)
        assert 4.9 < asyncio.get_running_loop().time() - started < 5.6
        await sock.close()
    time.time()
    injected(jumps[0])


@pytest.mark.catches(
    "atdriver/channel.py", "        if length > self.max_command:\n", "        if False:\n"
)
@pytest.mark.catches(
    "atdriver/syntax.py",
    "        if not min_length <= len(raw) <= max_length:\n",
    "        if False:\n",
)
@virtual
async def test_C11_command_line_too_long(injected: Injected) -> None:
    """An error before a byte is written; what comes next is not swallowed."""
    for module, firmware in BOTH:
        async with opened(module, firmware, names=NAMES) as bench:
            for name in (".".join(["a" * 60] * 5), "b" * 255, "c" * 2000):
                before = bench.wire.written
                with pytest.raises((OSError, ValueError)) as caught:
                    await within(5, bench.stack.resolve(name))
                assert not isinstance(caught.value, TimeoutError)
                written = bench.wire.written[len(before) :]
                assert name[:40].encode() not in written
                assert await within(5, bench.net.resolve("one.test")) == [NAMES["one.test"]]
                bench.net.names.clear()
                injected()
    # NonOS drops a line of more than 128 bytes without a word.
    secret = "\\" * 60 + "ab"
    bench = assemble("esp8266", "N17", ssid="lab", password=secret)
    with pytest.raises(EncodeError, match="the module takes 128"):
        await within(60, bench.net.up())
    injected()
    assert b"\\\\\\\\" not in bench.wire.written
    await bench.net.close()


@pytest.mark.catches(
    "modems/receiving.py",
    "isinstance(outcome, ReplyCorrupt | CommandTimeout)",
    "isinstance(outcome, ReplyCorrupt)",
)
@EACH
@virtual
async def test_C12_final_missing(module: str, firmware: str, injected: Injected) -> None:
    """Nothing, an echo, or all but the last line: the caller has an error in time, and who lost
    bytes loses the connection, nobody else."""
    async with opened(module, firmware, names=NAMES) as bench:
        bench.step(on=LOOKUP, times=1)  # not a byte
        with pytest.raises(OSError):
            await within(90, bench.net.resolve("one.test"))
        other = await bench.net.connect(("echo.test", 7), timeout=60)
        sock = await bench.net.connect(("sink.test", 9), timeout=60)
        talk = bench.talks("sink.test:9")[0]
        # The data is read from the module, and its answer is lost on the way.
        bench.step(before=r"\+CIPRECVDATA.*|\r\n\+QIRD: [1-9].*", times=1, instead="")
        block = bench.step(on=r"AT\+(CIPRECVDATA|QIRD)=.*", times=1, passes=True)
        bench.step(before=r"\r\nOK\r\n", times=1, instead="")
        talk.say(b"the first half, ")
        await asyncio.sleep(1)
        talk.say(b"the second")
        with pytest.raises(ConnectionResetError, match="lost"):
            got = await within(90, sock.recv(100))
            assert got == b""
            await within(90, sock.recv(100))
        assert bench.fake.scenario.used[block] == 1
        await sock.close()
        await other.sendall(b"unhurt")
        assert await receive(other, 6) == b"unhurt"
        await other.close()
        # All but the last line.
        row = "+CIPDOMAIN:1.2.3.4" if module == "esp8266" else '+QIURC: "dnsgip",0,1,600'
        bench.step(on=LOOKUP, times=1, say=(row,))
        with pytest.raises(OSError):
            await within(90, bench.net.resolve("two.test"))
        await round_trip(bench)
        injected.by(bench.fake)


@pytest.mark.catches("atdriver/resync.py", "        elif now >= self._end:", "        elif False:")
@EACH
@virtual
async def test_C13_deaf_for_good(module: str, firmware: str, injected: Injected) -> None:
    """Every call ends with an error that says so, trying ends, and closing does not wait for it."""
    async with opened(module, firmware, names=NAMES) as bench:
        socks = [await bench.net.connect(("sink.test", 9), timeout=30) for _ in range(2)]
        bench.fake.be_deaf(1e7)
        injected()
        calls = (
            bench.net.resolve("one.test"), bench.net.resolve("two.test"), socks[0].recv(1),
            socks[1].recv(1), socks[1].sendall(b"x" * 5000), bench.net.refresh(),
        )  # fmt: skip
        for outcome in await within(600, asyncio.gather(*calls, return_exceptions=True)):
            assert isinstance(outcome, OSError), outcome
        await asyncio.sleep(1800)
        assert bench.net.status.name == "DISCONNECTED"
        written = len(bench.wire.written)
        await asyncio.sleep(3600)
        assert len(bench.wire.written) - written < 2000
        with pytest.raises(OSError):
            await within(300, bench.net.connect(("echo.test", 7), timeout=200))
        for sock in socks:
            await within(12, sock.close())
        await within(60, bench.net.close())
    async with opened(module, firmware) as bench:  # one that hears again in time
        bench.fake.be_deaf(70)
        injected(bench.fake.deaf_until > 0)
        with pytest.raises(OSError):
            await within(300, bench.net.resolve("one.test"))
        await asyncio.sleep(200)
        await round_trip(bench, seconds=100)
