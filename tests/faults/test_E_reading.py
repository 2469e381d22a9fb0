"""E: asking for payload: what comes in place of it, more of it than was asked for, and its end."""

from __future__ import annotations

import asyncio

import pytest

from fakes.actions import perform
from modems.sockets import BUFFER_CAP
from netsocket.capability.model import Level

from .bench import BOTH, Injected, assemble, opened, virtual
from .ends import accepted, connected, dial, now
from .test_E_receiving import NOTICE, broken, lives

three = pytest.mark.parametrize(("module", "firmware"), [*BOTH, ("esp8266", "N17")])
READS = r"AT\+(QIRD|CIPRECVDATA)=0,[1-9]\d*"


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "if sock.link is not None and await self._unread(sock):",
    "if False:",
)
@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "        if held <= 0:\n            sock.drained",
    "        if held >= 0:\n            sock.drained",
)
@pytest.mark.parametrize("ended", [False, True], ids=["open", "ended"])
@three
@virtual
async def test_E06_error_on_read_means_three_things(
    module: str, firmware: str, ended: bool, injected: Injected
) -> None:
    """A module that could not answer at this moment has not come to the end of its data."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        injected.by(bench.fake)
        bench.step(on=READS, times=2, raw=b"\r\nERROR\r\n")
        ends.say(1400)
        if ended:
            ends.talk.fin()
        await asyncio.sleep(0.2)
        await ends.hear(1400, within=2.0)
        if ended:
            assert await ends.end(5.0) is None


@pytest.mark.catches(
    "atdriver/engine.py",
    "if self._reply.block is not None or len(data.payload) > command.block_max:",
    "if self._reply.block is not None:",
)
@three
@virtual
async def test_E07_more_data_than_asked_for(module: str, firmware: str, injected: Injected) -> None:
    """What the application did not ask for is kept for its next call; what the driver did not ask
    for is believed in no part."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        ends.say(1400)
        for size in (5, 1, 1000, 65536):
            assert 0 < len(await ends.recv(size)) <= size
        assert len(ends.received) == 1400
        injected.by(bench.fake)
        head = {
            "bg96": b"\r\n+QIRD: %d\r\n",
            "E24": b"+CIPRECVDATA:%d,",
            "N17": b"\r\n+CIPRECVDATA,%d:",
        }
        size = {"bg96": 2000, "E24": 6000, "N17": 2500}[firmware]
        tail = b"\r\n\r\nOK\r\n" if module == "bg96" else b"\r\nOK\r\n"
        bench.step(on=READS, times=1, raw=head[firmware] % size + bytes(size) + tail)
        ends.say(1400)
        await broken(ends)
        await lives(other)


@pytest.mark.catches("modems/receiving.py", "if sock.asked is command:", "if False:")
@three
@virtual
async def test_E08_data_response_nobody_asked_for(
    module: str, firmware: str, injected: Injected
) -> None:
    """It is nobody's data, and the connection that was read last may have lost some."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        ends.say(100)
        await ends.hear(100)
        await asyncio.sleep(1.0)
        bench.fake.raw({
            "bg96": b"\r\n+QIRD: 5\r\nhello\r\n\r\nOK\r\n", "E24": b"+CIPRECVDATA:5,hello\r\nOK\r\n",
            "N17": b"\r\n+CIPRECVDATA,5:hello\r\nOK\r\n",
        }[firmware])  # fmt: skip
        injected()
        ends.said += 5
        await broken(ends)
        await lives(other)


@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "            if sock is not None:\n                self._announce(",
    '            if sock is not None and not text.endswith(b",0"):\n                self._announce(',
)
@pytest.mark.parametrize("lie", ["0", "1", "9999"])
@three
@virtual
async def test_E09_announced_length_is_not_the_readable_length(
    module: str, firmware: str, lie: str, injected: Injected
) -> None:
    """The length is a hint: what is there is read, at once, and nothing more is waited for."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        injected.by(bench.fake)
        bench.step(before=r"(\r\n\+IPD,\d),\d+(\r\n)", instead=rf"\1,{lie}\2")
        bench.step(before=r'(\r\n\+QIURC: "recv",\d+)(\r\n)', instead=rf"\1,{lie}\2")
        for size in (10, 1400, 2900):
            ends.say(size)
            await ends.hear(size, within=1.0)
            await asyncio.sleep(1.0)


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "            await self._set_type(link, pull=False)\n            anybody",
    "            await self._set_type(link, pull=True)\n            anybody",
)
@pytest.mark.parametrize(
    ("module", "firmware", "receive"),
    [("esp8266", "E33", "pull"), ("esp8266", "N17", "pull"), ("esp8266", "E24", "push"),
     ("esp8266", "E24", "pull"), ("bg96", "bg96", "")],
)  # fmt: skip
@virtual
async def test_E10_datagram_borders_lost(
    module: str, firmware: str, receive: str, injected: Injected
) -> None:
    """Several datagrams wait: each is received whole. Where the firmware cannot keep them apart,
    the record says so beforehand, and names the way out."""
    async with opened(module, firmware, **({"receive": receive} if receive else {})) as bench:
        record = bench.stack.capabilities["udp.boundaries"]
        sock = bench.net.udp_socket()
        sock.settimeout(20)
        sent = [bytes([65 + number]) * (100 + number) for number in range(4)]
        for data in sent:
            await sock.sendto(data, ("echo.test", 7))
            injected()
        await asyncio.sleep(1.0)
        merged = (firmware, receive) == ("E24", "pull")
        assert record.level is (Level.PARTIAL if merged else Level.FULL)
        if merged:
            assert "push" in record.because
        else:
            assert [(await sock.recvfrom(2000))[0] for _ in sent] == sent
        await sock.close()


@pytest.mark.catches(
    "modems/receiving.py",
    "if sock.kind is Kind.TCP and len(sock.buffer) + len(payload) > BUFFER_CAP:",
    "if False:",
)
@pytest.mark.parametrize(
    ("module", "firmware", "receive"),
    [("esp8266", "E24", "push"), ("esp8266", "E24", "pull"), ("bg96", "bg96", "")],
)
@virtual
async def test_E11_slow_reader(
    module: str, firmware: str, receive: str, injected: Injected
) -> None:
    """Nobody reads: pulled data waits in the module, pushed data in a buffer with an end, and the
    others are served meanwhile."""
    async with opened(module, firmware, **({"receive": receive} if receive else {})) as bench:
        ends, other = await connected(bench), await connected(bench)
        ends.say(BUFFER_CAP + 40_000)
        injected()
        await asyncio.sleep(60.0)
        await lives(other)
        kept = next(sock for sock in bench.stack._sockets.values() if sock.link == 0)
        assert len(kept.buffer) <= (BUFFER_CAP if receive == "push" else 0)
        if receive == "push":
            await broken(ends)
        else:
            await ends.hear(20_000, within=60.0)


@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "        if not sock.pull and not sock.in_company:\n            sock.drained = True\n",
    "        sock.drained = True\n",
)
@pytest.mark.catches("modems/receiving.py", " or (sock.peer_closed and not sock.drained)", "")
@pytest.mark.parametrize("notice", ["late", "lost"])
@three
@virtual
async def test_E12_data_still_to_read_when_the_close_is_announced(
    module: str, firmware: str, notice: str, injected: Injected
) -> None:
    """The end is told before the data, or in place of it: all is read first, then it ends."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        if notice == "late":
            bench.step(before=NOTICE, times=1, until=r'.*(CLOSED|"closed").*')
        else:
            bench.step(before=NOTICE, times=1, instead="")
        ends.say(2900)
        ends.talk.fin()
        assert await ends.end(15.0) is None
        await lives(other)


@pytest.mark.catches(
    "modems/esp8266/server.py",
    "if old.peer_closed and not old.announced and not old.reading:",
    "if old.peer_closed:",
)
@virtual
async def test_E13_buffered_data_of_the_old_connection_replaced_by_the_new_one(
    injected: Injected,
) -> None:
    """A peer leaves with data unread, and the next one gets its link id: the first stream ends with
    an error, the second is the second peer's alone."""
    async with opened("esp8266", "N17") as bench:
        listener = bench.net.tcp_socket()
        await listener.bind(("", 7000))
        await listener.listen(4)
        old = await accepted(bench, listener, dial(bench, 7000))
        await asyncio.sleep(1.0)
        assert old.sock.gettimeout() is not None
        old.say(2000)
        old.talk.fin()
        new_talk = dial(bench, 7000)
        injected()
        new = await accepted(bench, listener, new_talk)
        new.say(1000)
        await new.hear(1000, within=5.0)
        await broken(old)
        await lives(new)
        await listener.close()


@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "            sock.drained = True\n        self._wake(sock)\n\n    def _look_for_company",
    "            sock.drained = True\n\n    def _look_for_company",
)
@pytest.mark.catches(
    "modems/bg96/notices.py",
    "sock.announced = sock.peer_closed = True\n                self._wake(sock)",
    "sock.announced = sock.peer_closed = True",
)
@three
@virtual
async def test_E14_read_blocks_for_ever_on_a_closed_socket(
    module: str, firmware: str, injected: Injected
) -> None:
    """Who waits for data is woken by the end, and every call after it ends at once, too."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        reading = asyncio.create_task(ends.end(600.0))
        await asyncio.sleep(21.0)
        perform(bench.fake, "peer", {"at": "sink.test:9", "does": "fin"})
        injected()
        begun = now()
        assert await reading is None
        assert await ends.sock.recv(10) == b""
        assert now() - begun < 1.0


@pytest.mark.catches(
    "modems/esp8266/dialect.py",
    'rb\'(?:,(?:"(?P<quoted>[0-9A-Fa-f:.]{2,45})"|(?P<host>[0-9.]{7,15})),(?P<port>\\d{1,5}))?:\'\n    ),\n    max_length=MAX_FRAME,\n)\n"""Data pushed',
    'rb\':\'\n    ),\n    max_length=MAX_FRAME,\n)\n"""Data pushed',
)
@pytest.mark.parametrize(
    ("firmware", "receive"), [("E24", "push"), ("N17", "push"), ("E24", "pull")]
)
@virtual
async def test_E15_address_text_mixed_into_the_data(
    firmware: str, receive: str, injected: Injected
) -> None:
    """AT+CIPDINFO=0 does nothing: an address is never data. Pushed heads tell by themselves; a
    pulled block in the form that was not asked for ends its connection with an error."""
    bench = assemble("esp8266", firmware, receive=receive)
    bench.step(on=r"AT\+CIPDINFO=0", raw=b"\r\nOK\r\n")
    bench.fake.session.info = 1
    injected.by(bench.fake)
    async with bench.net:
        ends = await connected(bench)
        ends.say(1400)
        if receive == "push":
            await ends.hear(1400)
        else:
            await broken(ends)
