"""B: what a line means: answers, notices, names, and what is none of them."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.events import Anomaly
from fakes import Peer
from modems.bg96 import dialect as bg96
from modems.esp8266 import dialect as esp
from netsocket.cellular import Registration
from tests.engine.harness import Bench as EngineBench
from tests.engine.harness import bytewise, cut_at

from .bench import BOTH, Injected, assemble, opened, virtual
from .talk import nothing_logged, ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}
LOOKUP = r"AT\+(CIPDOMAIN|QIDNSGIP)=.*"


@pytest.mark.catches("modems/bg96/commands.py", r'rb"\+CEREG: \d,\d(?:,.*)?"', r'rb"\+CEREG: .*"')
@virtual
async def test_B10_notice_like_the_answer(injected: Injected) -> None:
    """The number and kind of fields tell them apart: the module is searching, whatever is said."""
    async with opened("bg96") as bench:
        notice = b'\r\n+CEREG: 5,"271B","3355B16",8\r\n'
        bench.step(on=r"AT\+CEREG\?", raw=notice + b"\r\n+CEREG: 2,2\r\n" + notice + b"\r\nOK\r\n")
        bench.step(on=r"AT\+CGREG\?", raw=b"\r\n+CGREG: 0,2\r\n\r\nOK\r\n")
        state = await bench.stack.cellular()  # type: ignore[attr-defined]
        assert state.registration is Registration.SEARCHING
        injected.by(bench.fake)


@pytest.mark.catches(
    "modems/esp8266/commands.py",
    'rb"%d,CLOSED" % link, CLOSE)',
    r'rb"\d,CLOSED", CLOSE)',
)
@virtual
async def test_B10_another_links_end(injected: Injected) -> None:
    """While one link is closed, the end of another looks like the answer and is none."""
    async with opened("esp8266") as bench:
        first, other = [await bench.net.connect(("sink.test", 9), timeout=30) for _ in range(2)]
        bench.step(before=r"1,CLOSED\r\n", times=1, instead="")
        bench.talks("sink.test:9")[1].fin()
        bench.step(before=r"0,CLOSED\r\n", times=1, instead="1,CLOSED\r\n0,CLOSED\r\n")
        await first.close()
        injected.by(bench.fake)
        assert await within(1, other.recv(1)) == b""
        await other.close()


@pytest.mark.catches(
    "atdriver/engine.py",
    "        elif command is not None and command.bare:\n",
    "        elif command is not None and not command.block:\n",
)
@EACH
@virtual
async def test_B11_unknown_notice(module: str, firmware: str, injected: Injected) -> None:
    """It is shown as one, belongs to no answer, and what stands behind it is read."""
    bench = assemble(module, firmware, scenario=ready_made("B11"), names=NAMES)
    seen: list[bytes] = []
    listener = bench.channel.listener
    assert listener is not None

    def listen(event: object) -> None:
        if isinstance(event, Anomaly) and event.reason == "unknown line":
            seen.append(event.sample)
        listener(event)  # type: ignore[arg-type]

    bench.channel.listener = listen
    async with bench.net:
        for _ in range(8):
            for name, address in NAMES.items():
                bench.step(on=LOOKUP, raw=b'\r\n+QNEWS: 8,"x"\r\n', passes=True, times=1)
                assert await within(5, bench.net.resolve(name)) == [address]
            bench.net.names.clear()
        if module == "bg96":
            await bench.stack.cellular()  # type: ignore[attr-defined]
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        talk = bench.talks("sink.test:9")[0]
        await sock.sendall(b"through")
        end = r"(0,CLOSED\r\n)" if module == "esp8266" else r"(\r\n\+QIURC: \"closed\",0\r\n)"
        bench.step(before=end, instead=r"\r\n+QNEWS: 9\r\n\1")  # one read
        talk.fin()
        assert await within(1, sock.recv(1)) == b""
        assert bytes(talk.told) == b"through"
        await sock.close()
    injected.by(bench.fake)
    assert {line[:8] for line in seen} == {b"+QNEWS: "}
    assert b"+QNEWS: 9" in seen


STREAMS = {
    "esp8266": (
        b"0,CONNECT\r\n\r\n+IPD,1,5\r\n2,CLOSED\r\nWIFI GOT IP\r\n\r\n+IPD,3,4:0,CL3,CLOSED\r\n",
        ["connect", "data", "closed", "wifi_got_ip", "ipd", "closed"],
    ),
    "bg96": (
        b'\r\n+QIURC: "recv",0\r\n\r\n+QIURC: "closed",1\r\n\r\n+QIOPEN: 2,0\r\n'
        b'\r\n+QIURC: "incoming",11,0,"1.2.3.4",5\r\n\r\n+QIURC: "pdpdeact",1\r\n',
        ["recv", "closed", "opened", "incoming", "pdpdeact"],
    ),
}


@pytest.mark.catches(
    "atdriver/framer.py",
    "            data = self._buffer[self._position :] + data\n",
    "            data = self._buffer + data\n",
)
@EACH
@virtual
async def test_B12_bytes_processed_twice(module: str, firmware: str, injected: Injected) -> None:
    """However often a read ends inside a line, each notice happens once: one accept, one end."""
    said, names = STREAMS[module]
    dialect = esp.DIALECT if module == "esp8266" else bg96.DIALECT
    for cutter in (bytewise, *(cut_at(place) for place in range(len(said)))):
        engine = EngineBench(dialect, cutter)
        engine.feed(said)
        assert [each[1] for each in engine.take()] == names
        injected()
    async with opened(module, firmware) as bench:
        bench.fake.wire.outward.configure(chunk="random")
        async with bench.net.tcp_socket() as listener:
            await listener.bind(("", 7000))
            await listener.listen(3)
            for number in range(4):
                assert bench.fake.sockets.dial(7000, Peer("echo"))
                sock, _ = await within(20, listener.accept())
                await sock.sendall(b"%d" % number)
                assert await receive(sock, 1) == b"%d" % number
                next(iter(bench.fake.world.peers.talking("dial:7000"))).fin()
                assert await within(20, sock.recv(1)) == b""
                await sock.close()
            listener.settimeout(5)
            with pytest.raises(TimeoutError):
                await listener.accept()  # no second one of any


@pytest.mark.catches(
    "atdriver/flight.py",
    "        self._drop_stale_line()\n",
    "        self.framer.abandon_line()\n",
)
@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "if not self._check_due:",
    "if True:",
)
@EACH
@virtual
async def test_B13_event_just_before_a_command(
    module: str, firmware: str, injected: Injected
) -> None:
    """Nothing is flushed before a command: a notice that has half arrived is completed."""
    async with opened(module, firmware, names=NAMES) as bench:
        for _ in range(5):
            sock = await bench.net.connect(("sink.test", 9), timeout=30)
            talk = bench.talks("sink.test:9")[0]
            if module == "esp8266":
                begun, rest = b"0,CLO", b"SED\r\n"
                bench.step(before=r"0,CLOSED\r\n", times=1, instead=begun.decode())
            else:
                begun, rest = b'\r\n+QIURC: "clos', b'ed",0\r\n'
                bench.step(before=r"\r\n\+QIURC: \"closed\",0\r\n", times=1, instead=begun.decode())
            bench.step(on=LOOKUP, raw=rest, passes=True, times=1)
            talk.fin()
            await asyncio.sleep(0.2)
            assert await bench.net.resolve("one.test") == [NAMES["one.test"]]
            assert await within(1, sock.recv(1)) == b""
            await sock.close()
            bench.net.names.clear()
        injected.by(bench.fake)
    if module == "esp8266":  # one with every command, those that it causes included
        async with opened(module, firmware, scenario=ready_made("B13")) as bench:
            await round_trip(bench)
            await asyncio.sleep(60)
            assert sum(bench.fake.scenario.used.values()) < 300
            injected.by(bench.fake)


@pytest.mark.catches(
    "modems/esp8266/wifi.py",
    r"""rb'\+CWLAP:\((?P<ecn>\d{1,2}),"(?P<ssid>.*)",(?P<rssi>-?\d{1,3}),'""",
    r"""rb'\+CWLAP:\((?P<ecn>\d{1,2}),"(?P<ssid>[^"]*)",(?P<rssi>-?\d{1,3}),'""",
)
@virtual
async def test_B14_quotes_in_names(injected: Injected) -> None:
    """Lists are read from both ends; a row that cannot be read costs no other."""
    async with opened("esp8266", scenario=ready_made("B14")) as bench:
        injected.by(bench.fake)
        for _ in range(2):
            names = {each.ssid for each in await bench.net.scan()}
            assert {'POT",-AL00a', 'a,b"),(', "\\", "lab"} <= names
            assert len(names) <= 5
        joined = '+CWJAP:"x\\",1",2","02:00:00:00:00:01",6,-50'
        bench.step(on=r"AT\+CWJAP\?", say=(joined, "OK"))
        assert (await bench.net.refresh()).details["ssid"] == 'x\\",1",2'
        await round_trip(bench)


@pytest.mark.catches(
    "modems/bg96/state.py",
    '.strip().decode("utf-8", "surrogateescape")\n\n\ndef described',
    ".strip().decode()\n\n\ndef described",
)
@pytest.mark.catches(
    "modems/esp8266/wifi.py",
    'ssid=match["ssid"].decode("utf-8", "surrogateescape")',
    'ssid=match["ssid"].decode()',
)
@EACH
@virtual
async def test_B15_bytes_beyond_ascii(
    module: str, firmware: str, injected: Injected, caplog: pytest.LogCaptureFixture
) -> None:
    """Names of any bytes are read and can be told back; noise is only counted."""
    raw = bytes(each for each in range(0x80, 0x100)) + b"\xc3\xa9"
    async with opened(module, firmware, scenario=ready_made("B15"), names=NAMES) as bench:
        with nothing_logged(caplog):
            if module == "esp8266":
                row = b'+CWLAP:(3,"%b",-50,"02:00:00:00:00:01",1)\r\n' % raw
                bench.step(on=r"AT\+CWLAP", raw=row + b"\r\nOK\r\n")
                (found,) = await bench.net.scan()
                assert found.ssid.encode("utf-8", "surrogateescape") == raw
            else:
                row = b'\r\n+COPS: 0,0,"%b",8\r\n' % raw
                bench.fake.scenario._steps.clear()
                bench.step(on=r"AT\+COPS\?", raw=row + b"\r\nOK\r\n")
                state = await bench.stack.cellular()  # type: ignore[attr-defined]
                assert state.operator.encode("utf-8", "surrogateescape") == raw
            await bench.net.refresh()
            bench.fake.raw(b"\r\n" + raw * 4 + b"\r\n")
            await asyncio.sleep(6)
            assert await bench.net.resolve("one.test") == [NAMES["one.test"]]
            await round_trip(bench)
        injected.by(bench.fake)
