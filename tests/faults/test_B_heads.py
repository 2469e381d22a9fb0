"""B: heads, lengths and lines that are not what they should be."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from atdriver.framer import LINE_CAP
from netsocket.errors import ConnectionReset

from .bench import BOTH, Injected, assemble, opened, virtual
from .talk import nothing_logged, ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
MODES = pytest.mark.parametrize(
    ("module", "settings"),
    [("esp8266", {}), ("esp8266", {"receive": "push"}), ("bg96", {})],
    ids=["esp8266", "esp8266-push", "bg96"],
)
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}
LENGTHS = {
    "esp8266": (r"\+CIPRECVDATA:(\d+),(.*)", "+CIPRECVDATA:{},"),
    "bg96": (r"\r\n\+QIRD: (\d+)\r\n(.*)", "\r\n+QIRD: {}\r\n"),
}
"""The literal that holds a counted answer, and its head."""


NONSENSE = {
    "esp8266": b"\r\n+IPD,246,6:abcdef\r\n+IPD,-1,6:abcdef\r\n+IPD,0,99999:x\r\n+IPD,0,65541:abcde\r\n"
    b"+IPD,,:\r\n+IPD,0,:\r\n+IPD,0,x:\r\n9,CLOSED\r\n-1,CONNECT\r\n+IPD,7\r\n+CIPRECVDATA:99999,x\r\n"
    b"+LINK_CONN:0,9,\"TCP\",1,\"x\",99999,1\r\n+LINK_CONN:,,,\r\n",
    "bg96": b"\r\n+QIRD: 9999\r\n\r\n+QIRD: 65541\r\nabcde\r\n"
    b'\r\n+QIURC: "closed",99\r\n\r\n+QIURC: "recv",77\r\n\r\n+QIURC: "recv",0,99999\r\n'
    b'\r\n+QIURC: "closed",-1\r\n\r\n+QIURC: "incoming",99,99,"x",99999\r\n\r\n+QIOPEN: 99,99999\r\n'
    b'\r\n+QIURC: "dnsgip",x,99999999999999999999\r\n\r\n+QIURC: "recv",\r\n\r\n+QIOPEN: 0,0x\r\n'
    b'\r\n+QIURC: "pdpdeact",\r\n\r\n+QPING: -1,99999999999\r\n',
}  # fmt: skip


@pytest.mark.catches(
    "atdriver/framer.py",
    "                    if needed <= head.max_length:\n",
    "                    if needed >= 0:\n",
)
@pytest.mark.catches(
    "modems/bg96/notices.py",
    "        except (MalformedReply, IndexError):\n            self.anomalies += 1\n\n    def _verify",
    "        except IndexError:\n            self.anomalies += 1\n\n    def _verify",
)
@EACH
@virtual
async def test_B05_impossible_numbers(
    module: str, firmware: str, injected: Injected, caplog: pytest.LogCaptureFixture
) -> None:
    """They are counted and dropped: no index, no size, no payload to wait for."""
    scenario = ready_made("B05") if module == "esp8266" else None
    async with opened(module, firmware, scenario=scenario, names=NAMES) as bench:
        if scenario is not None:
            injected.by(bench.fake)
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        await asyncio.sleep(25)
        for line in NONSENSE[module].split(b"\r\n"):
            with nothing_logged(caplog):
                bench.fake.raw(b"\r\n" + line + b"\r\n")
                await asyncio.sleep(0.01)
                assert not bench.engine.framer.mid_payload, line
                assert await within(5, bench.net.resolve("one.test")) == [NAMES["one.test"]], line
            bench.net.names.clear()
            injected()
        bench.fake.raw(NONSENSE[module])
        await asyncio.sleep(1)
        await sock.sendall(b"as before")
        assert await receive(sock, 9) == b"as before"
        await sock.close()


@pytest.mark.catches("modems/esp8266/stack.py", "        if held <= 0:\n", "        if held < 0:\n")
@pytest.mark.catches(
    "modems/bg96/stack.py",
    "            self._nothing_held(sock)\n            return\n        sock.deliver",
    "            sock.drained = sock.peer_closed = True\n            return\n        sock.deliver",
)
@EACH
@virtual
async def test_B06_nothing_there(module: str, firmware: str, injected: Injected) -> None:
    """Empty is no end, no error, and no reason to ask again at once."""
    async with opened(module, firmware) as bench:
        bench.step(on=r"AT\+QIRD=0,\d+", times=2, say=("+QIRD: 0", "OK"))
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        reading = asyncio.ensure_future(receive(sock, 5, 300))
        asked = b"AT+CIPRECVDATA" if module == "esp8266" else b"AT+QIRD"
        for _ in range(10):
            told = b"\r\n+IPD,0,5\r\n" if module == "esp8266" else b'\r\n+QIURC: "recv",0\r\n'
            before = bench.wire.written.count(asked)
            bench.fake.raw(told)
            await asyncio.sleep(1)
            injected(bench.wire.written.count(asked) > before)
        await asyncio.sleep(60)
        assert bench.wire.written.count(asked) <= 10 + 70 / 5 + 2
        assert not reading.done()
        bench.talks("sink.test:9")[0].say(b"there")
        assert await reading == b"there"
        await sock.close()


@pytest.mark.catches(
    "atdriver/engine.py",
    "        while (token := framer.next()) is not None:\n",
    "        if (token := framer.next()) is not None:\n",
)
@MODES
@virtual
async def test_B07_several_frames_in_one_read(
    module: str, settings: dict[str, str], injected: Injected
) -> None:
    """Every one of them is acted on, not only the first and the last."""
    async with opened(module, **settings) as bench:
        socks = [await bench.net.connect(("sink.test", 9), timeout=30) for _ in range(5)]
        talks = bench.talks("sink.test:9")
        await asyncio.sleep(1)
        said = bytearray()  # what the module prints at this moment comes in one read
        bench.fake.rewrite = lambda literal: (said.extend(literal), b"")[1]
        for talk in talks[:3]:
            talk.say(b"data for one")
        for talk in talks[3:]:
            talk.fin()
        for talk in talks[:2]:
            talk.say(b" and more")
        bench.fake.rewrite = None
        at = len(bench.wire.lines)
        bench.fake.raw(bytes(said))
        for index, sock in enumerate(socks[:3]):
            text = b"data for one" + b" and more" * (index < 2)
            assert await within(1, receive(sock, len(text))) == text
        for sock in socks[3:]:
            assert await within(1, sock.recv(1)) == b""
        injected(bench.wire.lines[at][2].count(b"\r\n") >= 6)
        for sock in socks:
            await sock.close()


@pytest.mark.catches("modems/esp8266/setup.py", '        await run(simple("AT+CIPDINFO=0"))\n', "")
@pytest.mark.catches(
    "modems/bg96/setup.py", """        await self._try('AT+QICFG="viewmode",0')\n""", ""
)
@EACH
@virtual
async def test_B08_header_variants(module: str, firmware: str, injected: Injected) -> None:
    """The form is fixed by a setting, whatever it was; another one is damage, never payload."""
    bench = assemble(module, firmware)
    if module == "esp8266":
        bench.fake.session.info = 1  # type: ignore[attr-defined]
    else:
        bench.fake.options.update(viewmode="1", recvind="1")  # type: ignore[attr-defined]
    async with bench.net:
        await round_trip(bench)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        pattern, head = LENGTHS[module]
        other = '"192.0.2.1",7,' if module == "esp8266" else '"192.0.2.1",7\r\n'
        variant = head.format("12").removesuffix("\r\n") + ("," if module == "bg96" else "") + other
        bench.step(before=pattern, times=1, instead=variant + r"\g<2>")
        bench.talks("sink.test:9")[-1].say(b"0123456789ab")
        try:
            assert await within(60, receive(sock, 12)) == b"0123456789ab"
        except ConnectionReset as error:
            assert "received data was lost" in str(error)
        injected.by(bench.fake)
        await sock.close()
        await round_trip(bench)
    if module == "esp8266":
        async with opened(module, firmware, scenario=ready_made("B08"), receive="push") as bench:
            await round_trip(bench)
            injected.by(bench.fake)


@pytest.mark.catches(
    "atdriver/framer.py", "        if length > LINE_CAP:\n", "        if length > LINE_CAP << 10:\n"
)
@EACH
@virtual
async def test_B09_endless_line(module: str, firmware: str, injected: Injected) -> None:
    """Its beginning is shown once, nothing of it is kept, and what comes behind is read."""
    async with opened(module, firmware, names=NAMES) as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        tracemalloc.start()
        for _ in range(64):
            bench.fake.raw(b"\xf5x" * 16384)
            await asyncio.sleep(0.001)
            injected()
            bench.wire.lines.clear()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await asyncio.sleep(3)  # its end never comes: the next line is no part of it
        assert peak < 64 * LINE_CAP
        assert bench.engine.anomalies["line too long"] == 1
        assert await within(30, bench.net.resolve("one.test")) == [NAMES["one.test"]]
        await sock.sendall(b"behind it")
        assert await receive(sock, 9) == b"behind it"
        await sock.close()
