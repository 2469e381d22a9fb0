"""F: how connections begin: names, ids, opens that fail or never end, servers (V3, V7)."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Peer
from netsocket import errors

from .bench import BOTH, PEERS, Injected, opened, virtual
from .ends import accepted, connected, dial, now

three = pytest.mark.parametrize(("module", "firmware"), [*BOTH, ("esp8266", "N17")])


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "        if not reply.lines and sock.link == link:",
    "        if False:",
)
@pytest.mark.parametrize("firmware", ["E24", "N17", "E33"])
@virtual
async def test_F01_link_id_reuse_race(firmware: str, injected: Injected) -> None:
    """The old connection's CLOSED comes after the new CONNECT: it ends nobody."""
    async with opened("esp8266", firmware) as bench:
        injected.by(bench.fake)
        for _ in range(3):
            old = await connected(bench)
            bench.step(before=r"\d,CLOSED\r\n", until=r"\d,CONNECT\r\n", times=1)
            await old.sock.close()
            new = await connected(bench)
            new.say(2000)
            await new.hear(2000)
            await new.send(700)
            await asyncio.sleep(1.0)
            assert new.told() == 700
            await new.sock.close()


@pytest.mark.catches(
    "modems/esp8266/server.py",
    'elif parts[3] == b"1":',
    'elif parts[3] == b"0":',
)
@three
@virtual
async def test_F02_accept_and_connect_fight_for_one_id(
    module: str, firmware: str, injected: Injected
) -> None:
    """Peers come while a connect is under way: each of both gets its own connection."""
    peers = {**PEERS, "far.test:5": Peer("discard", delay=2.0)}
    async with opened(module, firmware, peers=peers) as bench:
        listener = bench.net.tcp_socket()
        await listener.bind(("", 7000))
        await listener.listen(4)
        connecting = asyncio.create_task(bench.net.connect(("far.test", 5), timeout=60))
        await asyncio.sleep(1.0)
        assert not connecting.done()
        talks = [dial(bench, 7000) for _ in range(2)]
        injected(len(talks))
        begun = now()
        out = await connected(bench, "far.test:5", await connecting)
        assert now() - begun < 5.0
        inner = [await accepted(bench, listener, talk) for talk in talks]
        for ends in (out, *inner):
            ends.say(700)
            await ends.hear(700)
            await ends.send(300)
        await asyncio.sleep(1.0)
        assert [ends.told() for ends in (out, *inner)] == [300] * 3
        await listener.close()


@pytest.mark.catches(
    "modems/esp8266/server.py",
    '        await self._try(f"AT+CIPSERVERMAXCONN={self._server_links}")\n',
    "",
)
@three
@virtual
async def test_F03_server_full(module: str, firmware: str, injected: Injected) -> None:
    """Clients come without end: a connection out is possible still where ids can be kept for it,
    and the ones that were accepted work."""
    async with opened(module, firmware) as bench:
        listener = bench.net.tcp_socket()
        await listener.bind(("", 7000))
        await listener.listen(20)
        talks = []
        for _ in range(14):
            bench.fake.sockets.dial(7000, Peer("discard"))
            injected()
            await asyncio.sleep(0.5)
        talks = bench.talks("dial:7000")
        begun = now()
        if module == "esp8266":
            out = await connected(bench)
            await out.send(100)
        else:  # no id can be kept: the listener has one, its peers have the rest
            with pytest.raises(errors.NoSocket):
                await bench.net.connect(("sink.test", 9), timeout=30)
        assert now() - begun < 5.0
        limit = 4 if module == "esp8266" else 11
        kept = []
        for talk in talks[:limit]:
            kept.append(inner := await accepted(bench, listener, talk))
            inner.say(100)
            await inner.hear(100, within=5.0)
        listener.settimeout(1.0)
        with pytest.raises(TimeoutError):
            await listener.accept()
        await listener.close()


@pytest.mark.catches(
    "modems/esp8266/server.py",
    "        if self._by_link(link) is None:\n            self._close_surplus(link)",
    "        del link",
)
@pytest.mark.parametrize("receive", ["pull", "push"])
@pytest.mark.parametrize("firmware", ["E24", "N17"])
@virtual
async def test_F04_event_for_an_id_nobody_opened(
    firmware: str, receive: str, injected: Injected
) -> None:
    """Its bytes are counted off and thrown away, and the module is told to close it."""
    async with opened("esp8266", firmware, receive=receive) as bench:
        ends = await connected(bench)
        ends.say(300)
        await ends.hear(300)
        bench.fake.raw(b"3,CONNECT\r\n")
        bench.fake.raw(b"\r\n+IPD,4,12:\r\n0,CLOSED\r\n3,CLOSED\r\n")
        injected()
        await asyncio.sleep(2.0)
        ends.say(1000)
        await ends.hear(1000)
        await ends.send(500)
        await asyncio.sleep(0.5)
        assert ends.told() == 500
        assert b"AT+CIPCLOSE=3" in bench.wire.written


@pytest.mark.catches(
    "modems/bg96/notices.py",
    '            if sock is not None and name == "recv":',
    '            sock = sock or next(iter(self._sockets.values()))\n            if name == "recv":',
)
@virtual
async def test_F04_notices_of_a_bg96_for_nobody(injected: Injected) -> None:
    """The same: no other connection is meant."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        for line in (
            '"recv",7',
            '"closed",7',
            '"closed",99',
            '"recv",',
            '"incoming",5,9,"192.0.2.9",1',
        ):
            bench.fake.urc(f"+QIURC: {line}")
            injected()
        bench.fake.urc("+QIOPEN: 7,0")
        ends.say(1000)
        await ends.hear(1000)
        await ends.send(500)
        await asyncio.sleep(0.5)
        assert ends.told() == 500


ESPRESSIF = {
    b"\r\nERROR\r\n": ConnectionRefusedError,
    b"0,CLOSED\r\n\r\nERROR\r\n": ConnectionRefusedError,
    b"\r\nERROR\r\n0,CLOSED\r\n": ConnectionRefusedError,
    b"0,CONNECT FAIL\r\n\r\nERROR\r\n": ConnectionRefusedError,
    b"DNS Fail\r\n\r\nERROR\r\n": errors.NameNotFound,
    b"no ip\r\n\r\nERROR\r\n": errors.NetworkDown,
    b"\r\nOK\r\n": errors.DeviceError,
}
BG96 = {
    550: errors.HostUnreachable, 552: ConnectionRefusedError, 553: errors.NoBuffers,
    554: errors.NoSocket, 561: errors.NetworkDown, 563: errors.NoSocket, 565: errors.NameNotFound,
    566: ConnectionRefusedError, 569: errors.ConnectTimeout, 570: errors.NetworkDown,
    579: errors.HostUnreachable,
}  # fmt: skip


@pytest.mark.catches("modems/esp8266/stack.py", 'if b"DNS Fail" in error.reasons:', "if False:")
@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "        if not reply.lines:\n            # OK without",
    "        if False:\n            # OK without",
)
@pytest.mark.parametrize("answer", ESPRESSIF, ids=lambda answer: answer.split()[0].decode())
@pytest.mark.parametrize("firmware", ["E24", "N17"])
@virtual
async def test_F05_many_forms_of_a_failed_connect(
    firmware: str, answer: bytes, injected: Injected
) -> None:
    """Each is an error of its kind with the module's own word, never a connection; then the next
    attempt works."""
    async with opened("esp8266", firmware) as bench:
        injected.by(bench.fake)
        bench.step(on=r"AT\+CIPSTART=0,.*", times=1, raw=answer)
        begun = now()
        with pytest.raises(ESPRESSIF[answer]) as caught:
            await bench.net.connect(("sink.test", 9), timeout=30)
        assert isinstance(caught.value, errors.NetsocketError)
        assert now() - begun < 5.0
        ends = await connected(bench)
        await ends.send(100)
        await asyncio.sleep(0.5)
        assert ends.told() == 100


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "        if code != 0:\n            await self._discard(sock)\n            elapsed",
    "        if code > 579:\n            await self._discard(sock)\n            elapsed",
)
@pytest.mark.parametrize("code", BG96)
@virtual
async def test_F05_codes_of_a_bg96(code: int, injected: Injected) -> None:
    """The same for +QIOPEN: 0,<code>; it stays in the error."""
    async with opened("bg96") as bench:
        injected.by(bench.fake)
        for _ in range(2):
            bench.step(
                before=r"\r\n\+QIOPEN: (\d+),0\r\n", times=1, instead=rf"\r\n+QIOPEN: \1,{code}\r\n"
            )
        begun = now()
        with pytest.raises(BG96[code]) as caught:
            await bench.net.connect(("sink.test", 9), timeout=30)
        assert isinstance(caught.value, errors.NetsocketError)
        assert caught.value.module_code == str(code)
        assert now() - begun < 5.0


@pytest.mark.catches(
    "modems/table.py",
    "            sock.connecting = False\n            if sock.closing:",
    "            sock.connecting = False\n            if False:",
)
@three
@virtual
async def test_F06_connect_that_does_not_end(
    module: str, firmware: str, injected: Injected
) -> None:
    """The caller's deadline ends the call; a success that comes later is closed at once."""
    peers = {**PEERS, "late.test:5": Peer("discard", delay=20.0)}
    fake = {"connect_timeout": "60"} if module == "esp8266" else {}
    async with opened(module, firmware, peers=peers, fake=fake) as bench:
        begun = now()
        with pytest.raises(TimeoutError):
            await bench.net.connect(("late.test", 5), timeout=5.0)
        injected()
        assert now() - begun < 6.0
        await asyncio.sleep(60.0)
        assert bench.talks("late.test:5") == []
        ends = await connected(bench)
        await ends.send(100)
        await asyncio.sleep(0.5)
        assert ends.told() == 100
