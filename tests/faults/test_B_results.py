"""B: results and errors: unusual ones, extended ones, those that nobody asked for."""

from __future__ import annotations

import asyncio

import pytest

from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.commands import simple
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp
from netsocket.errors import AuthenticationFailed, ConnectionReset, SendUnknown
from tests.engine.harness import Bench as EngineBench
from tests.engine.harness import done, refused

from .bench import BOTH, Injected, assemble, opened, virtual
from .talk import ready_made, receive, round_trip, within

EACH = pytest.mark.parametrize(("module", "firmware"), BOTH, ids=["esp8266", "bg96"])
NAMES = {"one.test": "198.51.100.1", "two.test": "198.51.100.2"}


FINALS = {
    "esp8266": (
        (esp_at.join("", b'"lab"', b'"x"'), b"+CWJAP:1\r\n\r\nFAIL\r\n", b"FAIL", b"+CWJAP:1"),
        (esp_at.send(0, b"x", None, 9.0), b"link is not valid\r\n\r\nERROR\r\n", b"ERROR",
         b"link is not valid"),
        (esp_at.send(0, b"x", None, 9.0), b"\r\nOK\r\n> \r\nRecv 1 bytes\r\n\r\nSEND FAIL\r\n",
         b"SEND FAIL", b""),
        (esp_at.send(0, b"x", None, 9.0), b"\r\nOK\r\n> \r\nSEND Canceled\r\n", b"SEND Canceled", b""),
        (esp_at.close(0), b"UNLINK\r\n\r\nERROR\r\n", b"ERROR", b"UNLINK"),
        (esp_at.start_tcp(0, "1.2.3.4", 5, 0), b"ALREADY CONNECTED\r\n\r\nERROR\r\n", b"ERROR",
         b"ALREADY CONNECTED"),
        (esp_at.start_tcp(0, "1.2.3.4", 5, 0), b"no ip\r\n\r\nERROR\r\n", b"ERROR", b"no ip"),
        (esp_at.start_tcp(0, "1.2.3.4", 5, 0), b"ID ERROR\r\n\r\nERROR\r\n", b"ERROR", b"ID ERROR"),
        (esp_at.resolve(b'"x"'), b"DNS Fail\r\n\r\nERROR\r\n", b"ERROR", b"DNS Fail"),
    ),
    "bg96": (
        (bg96_at.send(0, b"x", None), b"\r\n> \r\nSEND FAIL\r\n", b"SEND FAIL", b""),
        (bg96_at.SIM_STATE, b"\r\n+CME ERROR: SIM not inserted\r\n", b"+CME ERROR: SIM not inserted",
         b""),
    ),
}  # fmt: skip


@pytest.mark.catches(
    "modems/esp8266/commands.py", 'timeout=JOIN, error=(ERROR, b"FAIL"))', "timeout=JOIN)"
)
@pytest.mark.catches("modems/esp8266/dialect.py", "|ALREADY CONNECTED|", "|")
@EACH
@virtual
async def test_B16_unusual_finals(module: str, firmware: str, injected: Injected) -> None:
    """Each ends its command at once, and what follows it belongs to it, not to the next."""
    dialect = esp.DIALECT if module == "esp8266" else bg96.DIALECT
    for command, said, final, reason in FINALS[module]:
        bench = EngineBench(dialect)
        bench.send(command)
        bench.feed(said)
        reasons = (reason,) if reason else ()
        written = b"> " in said
        assert bench.take() == (
            refused(command, final, reasons=reasons, payload_written=written),
        ), said
        injected()
        bench.tick(1.0)
        after = simple("AT")
        bench.send(after)
        bench.feed(b"\r\nOK\r\n")
        assert bench.take() == (done(after),)
    if module == "bg96":
        return
    async with opened(module, firmware, scenario=ready_made("B16")) as bench_:
        with pytest.raises(SendUnknown):  # "link is not valid", and nothing behind it
            await round_trip(bench_)
        await round_trip(bench_)
        injected.by(bench_.fake)
    wrong = assemble(module, firmware, password="not the one")
    with pytest.raises(AuthenticationFailed):
        await within(20, wrong.net.up())
    await wrong.net.close()


@pytest.mark.catches(
    "modems/bg96/dialect.py",
    r'failures=re.compile(rb"\+CM[ES] ERROR: ?(?P<code>.{0,60})"),',
    r'failures=re.compile(rb"\+CME ERROR: ?(?P<code>\d{1,4})"),',
)
@virtual
async def test_B17_extended_errors(injected: Injected) -> None:
    """As a number, as a text and as nothing: always the end of the command, at once."""
    for said in (
        b"+CME ERROR: 10", b"+CME ERROR: SIM not inserted", b"+CMS ERROR:", b"+CMS ERROR: ",
        b"+CMS ERROR: 500", b"+CME ERROR:3",
    ):  # fmt: skip
        bench = EngineBench(bg96.DIALECT)
        command = simple("AT+CPIN?")
        bench.send(command)
        bench.feed(b"\r\n" + said + b"\r\n")
        digits = said.partition(b":")[2].strip()
        code = int(digits) if digits.isdigit() else None
        assert bench.take() == (refused(command, said.rstrip(), code=code),) or (
            bench.engine.ready and said.endswith(b" ")
        ), said
        injected()
    for text in ("+CME ERROR: 10", "+CME ERROR: SIM not inserted"):
        dead = assemble("bg96")
        dead.step(on=r"AT\+CPIN\?", say=(text,))
        with pytest.raises(OSError, match="no SIM card"):
            await within(10, dead.net.up())
        injected.by(dead.fake)
        await dead.net.close()
    started = asyncio.get_running_loop().time()
    live = assemble("bg96", scenario=ready_made("B17"))
    live.fake.scenario._steps.pop()  # AT+QIACT refused for no cause is no fault to be survived
    async with live.net:
        assert asyncio.get_running_loop().time() - started < 15
        await round_trip(live)
    injected.by(live.fake)


@pytest.mark.catches(
    "atdriver/engine.py",
    "            if command is None:\n                self._doubt(text)\n",
    "            self._counted = None\n",
)
@EACH
@virtual
async def test_B18_errors_unasked(module: str, firmware: str, injected: Injected) -> None:
    """With nothing pending they are nobody's result; a stream whose end they put in doubt ends."""
    async with opened(module, firmware, scenario=ready_made("B18"), names=NAMES) as bench:
        for said in (b"\r\nERROR\r\n", b"\r\n+CME ERROR: 258\r\n", b"\r\nFAIL\r\n", b"\r\nOK\r\n"):
            bench.fake.raw(said)
            await asyncio.sleep(0.5)
            asking = [asyncio.ensure_future(bench.net.resolve(name)) for name in NAMES]
            # Behind a result, in the same read: the next command is not begun before it was seen.
            bench.step(before=r"\r\nOK\r\n", times=1, instead="\r\nOK\r\n" + said.decode())
            assert await within(20, asyncio.gather(*asking)) == [[a] for a in NAMES.values()], said
            bench.net.names.clear()
        await asyncio.sleep(45)
        injected.by(bench.fake)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        bench.talks("sink.test:9")[0].say(b"the beginning")
        assert await receive(sock, 13) == b"the beginning"
        await asyncio.sleep(1)  # nothing is being asked
        bench.fake.raw(b"\r\nOK\r\n")  # so the read may have ended earlier than was believed
        await asyncio.sleep(0.5)
        bench.talks("sink.test:9")[0].say(b"the end")
        with pytest.raises(ConnectionReset, match="may be incomplete"):
            await within(10, sock.recv(10))
        await sock.close()
        await round_trip(bench)
