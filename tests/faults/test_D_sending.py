"""D: sending payload. No byte goes twice, or to somebody else, or as a command (V2, V11)."""

from __future__ import annotations

import asyncio
import re

import pytest

from fakes import Scenario, Step
from netsocket.errors import SendUnknown

from .bench import BOTH, Injected, opened, virtual
from .ends import PROMPT, SEND, connected, now

three = pytest.mark.parametrize(("module", "firmware"), [*BOTH, ("esp8266", "N17")])

LINES = b"one\r\ntwo\r\n"
COMMANDS = b"GET / HTTP/1.1\r\nAT+CFUN=0\rDate: today\r\n"
"""What a module that is not waiting for data could take for commands."""


@pytest.mark.catches(
    "modems/esp8266/dialect.py",
    "if payload_written or len(payload) > PROBE:",
    "if True:",
)
@pytest.mark.catches(
    "modems/bg96/stack.py",
    "if not error.payload_written and filler(data) == data:",
    "if not error.payload_written:",
)
@pytest.mark.parametrize(
    "data", [b"x", b"plain text", LINES, COMMANDS], ids=["x", "text", "lines", "at"]
)
@pytest.mark.parametrize("lost", [True, False], ids=["lost", "none"])
@three
@virtual
async def test_D01_prompt_missing(
    module: str, firmware: str, lost: bool, data: bytes, injected: Injected
) -> None:
    """The prompt was lost on the line, or never came: the next command is not swallowed by it, the
    payload is no command, and what stands at the peer is what the caller was told."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        if lost:
            bench.step(before=PROMPT, instead=r"\1", times=1)
        else:
            bench.step(on=SEND, times=1)
        try:
            await ends.sock.sendall(data)
        except SendUnknown as error:
            assert error.unknown == len(data)
            await asyncio.sleep(5.0)
            told = bytes(ends.talk.told)
            assert data.startswith(told) or told == bytes(len(data))
            assert await ends.end() is not None
        else:
            await asyncio.sleep(1.0)
            assert ends.talk.told == data
        await other.send(700)
        await asyncio.sleep(1.0)
        assert other.told() == 700


@pytest.mark.catches(
    "atdriver/framer.py",
    "                return Line(text, lead)\n",
    '                return Prompt() if self.armed and b">" in text else Line(text, lead)\n',
)
@pytest.mark.parametrize("form", [">", "> ", "\r\n>", "\r\n> ", "\r\n>\r\n", "\r\n> \r\n"])
@three
@virtual
async def test_D02_prompt_variants(
    module: str, firmware: str, form: str, injected: Injected
) -> None:
    """However it is framed, it is one prompt; a `>` in another text is none."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        injected.by(bench.fake)
        bench.step(before=PROMPT, instead=r"\1" + form)
        bench.step(on=SEND, raw=b"\r\n+XYZ: 3 > 2 > 1\r\n", passes=True)
        for size in (1, 40, 1460):
            begun = now()
            await ends.send(size)
            assert now() - begun < 1.0
        await asyncio.sleep(0.5)
        assert ends.told() == 1501


@pytest.mark.catches(
    "modems/esp8266/dialect.py",
    "    return WayOut((*ESCAPE, *ESCAPE), again=ESCAPE)\n",
    "    return WayOut(((0.2, bytes(2)), (1.1, b'')))\n",
)
@pytest.mark.catches(
    "modems/bg96/stack.py",
    "if not 0 <= taken <= size or not whole(taken):",
    "if not 0 <= taken <= size:",
)
@pytest.mark.parametrize("lost", [1, 2, 300])
@three
@virtual
async def test_D03_payload_bytes_lost(
    module: str, firmware: str, lost: int, injected: Injected
) -> None:
    """The module waits for the rest for ever: nobody knows what went, and the caller is told so.

    Espressif's escape discards what was taken. A BG96 has none: NULs complete the count, and the
    connection ends with that error."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        bench.step(on=SEND, times=1, do=(("eat", lost),), passes=True)
        begun = now()
        with pytest.raises(SendUnknown) as caught:
            await ends.send(700)
        assert (caught.value.accepted, caught.value.unknown) == (0, 700)
        assert now() - begun < 200
        if module == "esp8266" and lost > 3:
            assert ends.told() == 0
        with pytest.raises(ConnectionError):
            await ends.sock.send(b"more")
        assert isinstance(await ends.end(), ConnectionResetError)
        await ends.sock.close()
        assert ends.talk.over
        await other.send(700)
        await asyncio.sleep(1.0)
        assert other.told() == 700


@pytest.mark.catches(
    "atdriver/answering.py",
    "self.writes.append(command.payload)",
    'self.writes.append(command.payload + b"\\x1a")',
)
@three
@virtual
async def test_D11_stray_terminator(module: str, firmware: str, injected: Injected) -> None:
    """Behind the counted bytes comes nothing: what the module reads next is a whole command."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        strange = bench.fake.counts["stray"] + bench.fake.counts["unknown"]
        for size in (1, 25, 26, 700, 1460):
            mark = len(bench.wire.written)
            await ends.send(size)
            await bench.stack.status()  # further commands
            written = bench.wire.written[mark:]
            payload = ends.out.piece(ends.offered - size, size)
            line, _, rest = written.partition(payload)
            assert re.fullmatch(rb"AT\+(CIPSEND|QISEND)=0,%d\r\n?" % size, line)
            assert rest.startswith(b"AT+")
            injected()
        assert bench.fake.counts["stray"] + bench.fake.counts["unknown"] == strange
        assert ends.told() == ends.offered


ENDINGS = (
    b"\x1a",
    b"\x1b",
    b"\\0",
    b"+++",
    b"a\x1ab",
    b"\\\\0\\0+++\x1b\x1a",
    b"\0",
    b"\x1a" * 1460,
)


@pytest.mark.catches(
    "modems/bg96/commands.py",
    'f"AT+{name}={link},{len(payload)}{target}".encode("ascii"),',
    'f"AT+{name}={link}{target}".encode("ascii"),',
)
@pytest.mark.catches("modems/esp8266/commands.py", 'f"AT+CIPSEND={link}', 'f"AT+CIPSENDEX={link}')
@three
@virtual
async def test_D12_terminators_and_escapes_in_uncounted_modes(
    module: str, firmware: str, injected: Injected
) -> None:
    """What would end or cancel an uncounted send is payload like any other."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        for data in ENDINGS:
            await ends.sock.sendall(data)
            injected()
        await asyncio.sleep(0.5)
        assert ends.talk.told == b"".join(ENDINGS)


@pytest.mark.catches(
    "atdriver/stages.py",
    '(Stage.PROMPT, Token.BAD): "fail",',
    '(Stage.PROMPT, Token.BAD): "send_payload",',
)
@pytest.mark.parametrize("reasons", ["log", "port"])
@three
@virtual
async def test_D13_link_invalid_at_send_time(
    module: str, firmware: str, reasons: str, injected: Injected
) -> None:
    """The link ends between the command and its prompt: no payload byte is written, and what the
    caller gets says that the connection is gone, not that something is in doubt."""
    setting = {"reasons": reasons} if module == "esp8266" else {}
    async with opened(module, firmware, fake=setting) as bench:
        ends = await connected(bench)
        injected.by(bench.fake)
        reset = (("peer", {"at": "sink.test:9", "does": "reset"}),)
        bench.step(on=SEND, times=1, do=reset, passes=True)
        begun = now()
        with pytest.raises(ConnectionError) as caught:
            await ends.send(700)
        assert not isinstance(caught.value, SendUnknown)
        assert now() - begun < 5.0
        assert ends.out.piece(0, 32) not in bench.wire.written
        assert ends.told() == 0


@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "if sock is not None and length > 0 and not sock.announced:",
    "if False:",
)
@pytest.mark.catches(
    "modems/bg96/notices.py",
    "self._announce(sock)  # the next read asks the module",
    "pass",
)
@three
@virtual
async def test_D14_event_between_prompt_and_end_of_payload(
    module: str, firmware: str, injected: Injected
) -> None:
    """Data is announced behind the prompt, and then never again for any link: all of it is got."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        notice = r"\r\n(\+IPD,\d,\d+|\+QIURC: \"recv\",\d+)\r\n"
        injected.by(bench.fake)
        event = b"+IPD,1,32" if module == "esp8266" else b'+QIURC: "recv",1'
        bench.step(behind=PROMPT, times=1, raw=b"\r\n" + event + b"\r\n")
        bench.step(before=notice, instead="")
        other.say(32)
        await ends.send(700)
        await other.hear(32, within=1.0)
        for each in (other, ends):
            each.say(3000)
            await each.hear(3000, within=8.0)
        assert ends.told() == 700


@pytest.mark.catches("modems/bg96/commands.py", "        may_echo=True,\n", "")
@pytest.mark.parametrize("answer", ["OK", "ERROR"])
@virtual
async def test_D15_payload_echoed(answer: str, injected: Injected) -> None:
    """AT+QISDE=0 is refused, or does nothing: an exact echo of the payload is no notice."""
    refused = Scenario((Step(on=r"AT\+QISDE=.*", say=(answer,)),))
    async with opened("bg96", scenario=refused) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        for size in (1, 32, 700, 5000):
            mark = len(bench.wire.heard)
            await ends.send(size)
            assert ends.out.piece(ends.offered - size, size)[:32] in bench.wire.heard[mark:]
        hostile = (
            b'x\r\nSEND FAIL\r\n\r\n+QIURC: "closed",1\r\n\r\n+QIURC: "pdpdeact",1\r\n\r\nRDY\r\n'
        )
        await ends.sock.sendall(hostile)
        await other.send(700)
        other.say(100)
        await other.hear(100)
        assert other.told() == 700
        assert ends.talk.told == ends.out.piece(0, ends.offered) + hostile
