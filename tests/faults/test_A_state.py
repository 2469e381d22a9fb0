"""A: the state in which a module is found: echo, line endings, leftovers, pass-through."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.errors import ModuleSilent
from fakes import Peer
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp
from netsocket.errors import ConnectionReset
from tests.drivers.test_after_a_dead_program import Port, PortLink
from tests.engine.harness import Bench as EngineBench
from tests.engine.harness import cut_at, done, urc

from .bench import BOTH, PEERS, Bench, Injected, assemble, opened, virtual
from .talk import ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}


@pytest.mark.catches(
    "atdriver/engine.py", "            if text == command.text:", "            if False:"
)
@pytest.mark.catches(
    "atdriver/engine.py",
    "            if text == command.text:",
    "            if text == command.text or self._quiet and not self._reply.lines:",
)
@EACH
@virtual
async def test_A06_echo_comes_and_goes(module: str, firmware: str, injected: Injected) -> None:
    """Answers are the same with it and without; nothing else is taken for it."""
    async with opened(module, firmware, scenario=ready_made("A06"), names=NAMES) as bench:
        injected.by(bench.fake)
        async with await bench.net.connect(("echo.test", 7), timeout=30) as sock:
            for turn in range(12):
                bench.fake.echo = turn % 2 == 0
                text = b"%d " % turn * 20
                await sock.sendall(text)
                assert await receive(sock, len(text)) == text
                bench.fake.echo = turn % 3 == 0
                assert await bench.net.resolve("one.test") == [NAMES["one.test"]]
                bench.net.names.clear()
                await asyncio.sleep(1)
            assert bench.engine.anomalies["the echo came back"]
            assert not bench.engine.anomalies["unknown line"]
            # The end of the connection is told inside the next command, before its answer.
            bench.fake.echo = False
            talk = bench.talks("echo.test:7")[0]
            end = r"0,CLOSED\r\n" if module == "esp8266" else r'\r\n\+QIURC: "closed",0\r\n'
            bench.step(before=end, times=1, instead="")
            said = b"0,CLOSED\r\n" if module == "esp8266" else b'\r\n+QIURC: "closed",0\r\n'
            bench.step(on=r"AT\+(CIPDOMAIN|QIDNSGIP).*", raw=said, passes=True, times=1)
            talk.fin()
            await bench.net.resolve("two.test")
            assert await within(1, sock.recv(1)) == b""
        assert bench.stack.epoch == 0


@pytest.mark.catches(
    "atdriver/engine.py",
    "elif dialect.glued is not None and (match := dialect.glued.search(text)):",
    "elif False and (match := dialect.glued.search(text)):",
)
@pytest.mark.catches(
    "modems/esp8266/dialect.py", "|(?P<closed>[0-4],CLOSED)$|", r"|(?P<closed>\d+,CLOSED)$|"
)
@virtual
async def test_A07_urc_inside_the_echo(injected: Injected) -> None:
    """The event is told once, with its own link id, wherever it cuts the echo; the command ends
    by its own result."""
    send = esp_at.send(0, b"x" * 98, None, 15.0)
    echo = send.text + b"\r\n"
    for place in range(len(echo)):
        event = b"2,CLOSED\r\n"
        said = echo[:place] + event + echo[place:] + b"\r\nOK\r\n\r\n> "
        for cut in (0, place, place + 3, place + len(event)):
            bench = EngineBench(esp.DIALECT, cut_at(cut))
            bench.send(send)
            bench.feed(said)
            bench.feed(b"\r\nRecv 98 bytes\r\n\r\nSEND OK\r\n")
            told = [each for each in bench.take() if each[0] in ("urc", "done", "failed")]
            assert told == [urc("closed", b"2,CLOSED"), done(send, final=b"SEND OK")], place
            injected()
    async with opened("esp8266", "E22") as bench:
        step = bench.step(before=r"(AT\+CIPDO)(MAIN=.*)", instead=r"\1\r\nWIFI GOT IP\r\n\2")
        bench.fake.echo = True
        await round_trip(bench)
        assert bench.fake.scenario.used[step] == 1


@pytest.mark.catches(
    "atdriver/framer.py",
    "return Line(buffer[start:end].rstrip(_CR), lead)",
    'return Line(buffer[start:end].removesuffix(b"\\r"), lead)',
)
@EACH
@virtual
async def test_A08_line_endings(module: str, firmware: str, injected: Injected) -> None:
    """A line ends at LF, whatever stands around it; only counted payload is taken exactly."""
    async with opened(module, firmware, scenario=ready_made("A08"), names=NAMES) as bench:
        for _ in range(10):
            for name, address in NAMES.items():
                assert await within(15, bench.net.resolve(name)) == [address]
            bench.net.names.clear()
        async with await bench.net.connect(("echo.test", 7), timeout=30) as sock:
            talk = bench.talks("echo.test:7")[0]
            await within(15, sock.sendall(b"0123456789"))
            got = b""
            try:
                got = await within(60, sock.recv(100))
            except ConnectionReset as error:  # a trailer that is not exact may hide a lost byte
                assert "received data was lost" in str(error)
            assert got in (b"", b"0123456789")
            assert bytes(talk.told) == b"0123456789"
        assert not bench.engine.anomalies["an answer did not come in time"]
        injected.by(bench.fake)


LEFT = {
    "esp8266": (
        "ATE0", "AT+CWMODE=1", 'AT+CWJAP="lab","secret99"', "AT+CIPMUX=1", "AT+CIPRECVMODE=1",
        'AT+CIPSTART=3,"TCP","srv.test",7', "AT+CIPDINFO=1", "AT+CIPSEND=3,99",
    ),
    "bg96": (
        "ATE0", 'AT+QICSGP=1,1,"internet"', "AT+QIACT=1", 'AT+QIOPEN=1,3,"TCP","srv.test",7,0,0',
        'AT+QICFG="viewmode",1', "AT+QISEND=3,99",
    ),
}  # fmt: skip
"""What the former program had said; it sent 20 of the 99 bytes."""
BEHIND = b'0 bytes\r\n\r\nSEND OK\r\n3,CLOSED\r\n\r\n+QIURC: "recv",0\r\n+IPD,3,200:old'


async def left_by_a_former_program(module: str, firmware: str, *lines: str) -> tuple[Bench, Port]:
    """A module as another program has left it, and a driver that is about to open its port."""
    bench = assemble(module, firmware, peers={**PEERS, "srv.test:7": Peer(greeting=b"not yours")})
    port = Port(bench.fake)
    await port.plug()
    await asyncio.sleep(15)
    for line in lines:
        bench.fake.receive(line.encode() + bench.fake.terminator)
        await asyncio.sleep(8)
    bench.channel.link = PortLink(port)
    return bench, port


@pytest.mark.catches(
    "modems/esp8266/setup.py", "        await self._close_leftovers()\n", "        pass\n"
)
@pytest.mark.catches(
    "modems/bg96/setup.py", "        await self._close_leftovers()\n", "        pass\n"
)
@EACH
@virtual
async def test_A09_leftovers(module: str, firmware: str, injected: Injected) -> None:
    """Old bytes, old sockets, old settings, half a send: none of it reaches the new program."""
    bench, port = await left_by_a_former_program(module, firmware, *LEFT[module])
    (old,) = bench.talks("srv.test:7")
    bench.fake.receive(b"x" * 20)
    opening = asyncio.ensure_future(bench.net.up())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    port.hear(BEHIND)
    injected()
    await within(60, opening)
    async with await bench.net.connect(("echo.test", 7), timeout=30) as sock:
        await sock.sendall(b"mine")
        assert await receive(sock, 4) == b"mine"
        assert old.over
        assert not bytes(old.told).strip(b"x+AT\r\n\0")  # nothing of the new program
    await bench.net.close()
    await bench.fake.stop()


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    '        await self._try(f"AT+CIPCLOSE={link}")  # left open by somebody else\n',
    '        return Reply([b"ALREADY CONNECTED"])\n',
)
@pytest.mark.catches(
    "modems/bg96/stack.py",
    "            if code != 563:\n",
    "            if code == 563:\n                return 0\n            if code != 563:\n",
)
@pytest.mark.catches(
    "modems/bg96/network.py", "            address = await context_address(channel)\n            if not address and why", '            address = ""\n            if not address and why',
)  # fmt: skip
@EACH
@virtual
async def test_A10_conflicting_state(module: str, firmware: str, injected: Injected) -> None:
    """Refused because it is so already: asked what is so, and never taken for a connection."""
    if module == "esp8266":
        bench = assemble(module, firmware, scenario=ready_made("A10"))
        bench.step(on=r"AT\+CIPSTART=0,.*", times=1, say=("ALREADY CONNECTED", "ERROR"))
    else:  # the context is up, but was not when it was asked for
        bench, _ = await left_by_a_former_program(module, firmware, *LEFT[module][:3])
        bench.step(on=r"AT\+QIACT\?", times=1, say=("OK",))
        bench.step(on=r"AT\+QIOPEN=1,0,.*", times=1, say=("OK", "+QIOPEN: 0,563"))
    async with bench.net:
        await round_trip(bench)
        assert sum(bench.fake.scenario.used.values()) == 2
        assert module == "esp8266" or bench.wire.written.count(b"AT+QIACT=1\r") == 1
        injected.by(bench.fake)
    await bench.fake.stop()


@pytest.mark.catches("atdriver/resync.py", "        elif now >= self._end:", "        elif False:")
@pytest.mark.catches("atdriver/startup.py", "    elif _looks_garbled(sample):", "    elif True:")
@EACH
@virtual
async def test_A11_no_at_module(module: str, firmware: str, injected: Injected) -> None:
    """Something else talks: an error that shows what, and not a byte more is written."""
    bench = assemble(module, firmware, scenario=ready_made("A11"))
    injected.by(bench.fake)
    with pytest.raises(ModuleSilent) as caught:
        await within(60, bench.net.up())
    assert r"no AT answer: flash read err, 1000\r\nets_main.c" in str(caught.value)
    assert caught.value.sample.startswith(b"flash read err")
    written = len(bench.wire.written)
    bench.fake.raw(b"$GPGGA,123519,4807.038,N\r\n" * 50)
    await asyncio.sleep(300)
    assert len(bench.wire.written) == written
    await within(20, bench.net.close())


@pytest.mark.catches(
    "modems/esp8266/setup.py",
    "await self._line.find(ESCAPE)",
    "await self._line.find(())",
)
@pytest.mark.catches(
    "modems/esp8266/dialect.py",
    'ESCAPE: tuple[Step, ...] = ((0.2, b"+++"), (1.1, b""))',
    'ESCAPE: tuple[Step, ...] = ((0.2, b"+++\\r\\n"), (1.1, b""))',
)
@virtual
async def test_A12_boots_into_pass_through(injected: Injected) -> None:
    """Left once, with its silences around it, and only when nothing else answers; nobody gets it as data."""
    lines = (
        "ATE0", "AT+CWMODE=1", 'AT+CWJAP="lab","secret99"', 'AT+CIPSTART="TCP","srv.test",7',
        "AT+CIPMODE=1", "AT+CIPSEND",
    )  # fmt: skip
    bench, _ = await left_by_a_former_program("esp8266", "E24", *lines)
    (old,) = bench.talks("srv.test:7")
    bench.fake.receive(b"hello")
    await asyncio.sleep(1)
    assert bytes(old.told) == b"hello"
    injected()
    async with bench.net:
        await round_trip(bench)
        assert old.over
        assert bench.wire.written.count(b"+++") == 1
        assert not bytes(old.told)[5:].replace(b"AT\r\n", b"")
    await bench.fake.stop()
    async with opened("esp8266", "E24") as bench:  # one that answers is never sent it
        injected()
        await round_trip(bench)
        assert b"+++" not in bench.wire.written
