"""E: receiving payload. What is read is the beginning of what the peer said, and no end is made up
(V1, V8)."""

from __future__ import annotations

import asyncio
import re

import pytest

from netsocket.errors import ConnectionReset

from .bench import BOTH, Injected, opened, virtual
from .ends import Ends, accepted, connected, dial, now

three = pytest.mark.parametrize(("module", "firmware"), [*BOTH, ("esp8266", "N17")])
ANSWER = r"(?:\r\n)?\+(?:QIRD: |CIPRECVDATA[:,])\d+"
NOTICE = r'\r\n(\+IPD,\d,\d+|\+QIURC: "recv",\d+)\r\n'


async def broken(ends: Ends, kind: type[OSError] = ConnectionReset) -> None:
    """It must end in an error, soon and for ever, behind right bytes only."""
    assert isinstance(await ends.end(), kind)
    assert len(ends.received) < ends.said
    with pytest.raises(kind):
        await ends.sock.recv(1)


async def lives(ends: Ends) -> None:
    """Another connection of the same module is not touched."""
    ends.say(3000)
    await ends.hear(3000, within=60.0)
    await ends.send(100)
    await asyncio.sleep(1.0)
    assert ends.told() == ends.offered


@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "if not sock.pull and sock.kind is Kind.TCP:",
    "if False:",
)
@pytest.mark.parametrize("firmware", ["E24", "N17"])
@virtual
async def test_E01_overrun_in_push_mode(firmware: str, injected: Injected) -> None:
    """Bytes of pushed data are lost: its connections end with an error, and the record of this
    mode says so beforehand."""
    async with opened("esp8266", firmware, receive="push") as bench:
        ends, other = await connected(bench), await connected(bench)
        assert not bench.stack.capabilities["receive.backpressure"].supported
        ends.say(1000)
        await ends.hear(1000)
        injected.by(bench.fake)
        bench.step(before=r"(\r\n\+IPD.{50}).{400}(.*)", times=1, instead=r"\1\2")
        ends.say(1400)
        for each in (ends, other):  # nobody knows whose bytes they were
            other.said = 1
            await broken(each, ConnectionResetError)


async def damaged(
    module: str, firmware: str, injected: Injected, pattern: str, instead: str
) -> None:
    """What a read answers is changed: its stream is reset behind right bytes, the other one lives."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        ends.say(500)
        await ends.hear(500)
        injected.by(bench.fake)
        bench.step(before=rf"(?={ANSWER}){pattern}", times=1, instead=instead)
        ends.say(500)
        await broken(ends)
        await lives(other)


@pytest.mark.catches(
    "modems/receiving.py",
    "            self._break(sock, errors.ConnectionReset(why))\n            self._read_over",
    "            sock.announced = True\n            self._read_over",
)
@pytest.mark.parametrize(
    "hole",
    [r"(.{6}).(.*)", r"(.*?\d)\d(.*)", r"(.{70}).{7}(.*)", r"(.{70}).{62}(.*)", r"(.{400}).(.*)"],
    ids=["head", "count", "seven", "packet", "byte"],
)
@three
@virtual
async def test_E02_the_usb_adapter_loses_bytes(
    module: str, firmware: str, hole: str, injected: Injected
) -> None:
    """A hole in what a read answers, of any size and anywhere."""
    await damaged(module, firmware, injected, hole, r"\1\2")


@pytest.mark.catches(
    "atdriver/engine.py",
    "            self._damaged(TRAILER, line.lead + text)",
    "            self._step(Token.GOOD, text)",
)
@pytest.mark.parametrize(
    ("twice", "instead"),
    [
        (r"(.{70})(.)(.*)", r"\1\2\2\3"),
        (r"(.{64})(.{64})(.*)", r"\1\2\2\3"),
        (r"(.*)", r"\1\1"),
    ],
    ids=["byte", "packet", "frame"],
)
@three
@virtual
async def test_E03_duplicated_bytes_or_frames(
    module: str, firmware: str, twice: str, instead: str, injected: Injected
) -> None:
    """A byte, a packet of the adapter or a whole frame comes twice: no byte is handed out twice."""
    await damaged(module, firmware, injected, twice, instead)


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "TLS, says nothing of the next\n            sock.announced = True",
    "TLS, says nothing of the next\n            pass",
)
@pytest.mark.catches(
    "modems/esp8266/stack.py",
    'if sock.held or sock.tls or size >= self.capabilities.limit("frame.max_recv"):',
    "if sock.tls:",
)
@three
@virtual
async def test_E04_announcement_only_once(module: str, firmware: str, injected: Injected) -> None:
    """One notice for more than one read takes: all of it is read at once; a lost one is made up
    for by looking."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        for size in (2900, 2500):
            mark = len(bench.wire.heard)
            ends.say(size)
            await ends.hear(size, within=1.0)
            injected(len(re.findall(NOTICE.encode(), bench.wire.heard[mark:])) == 1)
        bench.step(before=NOTICE, times=1, instead="")
        ends.say(2900)
        await ends.hear(2900, within=8.0)


@pytest.mark.catches(
    "modems/esp8266/notices.py",
    "if any(sock.pull for sock in held):",
    "if not any(sock.pull for sock in held):",
)
@pytest.mark.catches(
    "modems/bg96/notices.py",
    "if sock.link is not None and idle:",
    "if sock.link is not None and idle and not sock.accepted:",
)
@pytest.mark.catches(
    "modems/listening.py",
    "sock.announced = True  # data may have come with it, and no notice for it: ask once",
    "sock.announced = False",
)
@three
@virtual
async def test_E05_no_announcement_at_all(module: str, firmware: str, injected: Injected) -> None:
    """Not for data that came with the accept, not for any later: both are found by looking."""
    async with opened(module, firmware) as bench:
        injected.by(bench.fake)
        bench.step(before=NOTICE, instead="")
        ends = await connected(bench)
        listener = bench.net.tcp_socket()
        await listener.bind(("", 7000))
        await listener.listen()
        talk = dial(bench, 7000)
        talk.say(b"at once")
        inner = await accepted(bench, listener, talk)
        begun = now()
        assert await inner.sock.recv(100) == b"at once"
        assert now() - begun < (1.0 if module == "bg96" else 4.0)
        for each in (ends, inner):
            for size in (10, 3000):
                hearing = asyncio.create_task(each.hear(size, within=12.0))
                await asyncio.sleep(1.0)
                each.say(size)
                await hearing
        await listener.close()


@pytest.mark.catches("modems/esp8266/server.py", "if row.server and not known and", "if False and")
@pytest.mark.catches("modems/bg96/server.py", "if row[1] == INCOMING and", "if False and")
@three
@virtual
async def test_E05_a_connection_that_nobody_announced(
    module: str, firmware: str, injected: Injected
) -> None:
    """The module accepted it, and the notice was lost: it is found by looking, and keeps no id."""
    async with opened(module, firmware) as bench:
        injected.by(bench.fake)
        ends = await connected(bench)
        async with bench.net.tcp_socket() as listener:
            await listener.bind(("", 7000))
            await listener.listen()
            coming = r"\d,CONNECT\r\n|.*LINK_CONN.*\r\n|.*incoming.*\r\n"
            bench.step(before=coming, times=1, instead="")
            bench.step(before=NOTICE, instead="")
            talk = dial(bench, 7000)
            talk.say(b"at once")
            listener.settimeout(None)
            async with asyncio.timeout(20):
                inner = await accepted(bench, listener, talk)
                assert await inner.sock.recv(100) == b"at once"
            assert await inner.sock.getpeername() == talk.remote
            ends.say(100)
            await ends.hear(100, within=8.0)
            await inner.sock.close()


@pytest.mark.catches("modems/bg96/server.py", "not in listed", "in ()")
@virtual
async def test_E05_a_listener_that_the_module_has_lost(injected: Injected) -> None:
    async with opened("bg96") as bench, bench.net.tcp_socket() as listener:
        await listener.bind(("", 7000))
        await listener.listen()
        bench.step(before=r'\s*\+QISTATE: \d+,"TCP LISTENER",.*\s*', instead="")
        injected.by(bench.fake)
        async with asyncio.timeout(20):
            with pytest.raises(ConnectionReset, match="lost the socket"):
                await listener.accept()
