"""F: results out of order, and how connections end (V3, V8, V13)."""

from __future__ import annotations

import asyncio
import socket as _socket

import pytest

from netsocket import errors

from .bench import BOTH, Injected, opened, virtual
from .ends import accepted, connected, dial, now

three = pytest.mark.parametrize(("module", "firmware"), [*BOTH, ("esp8266", "N17")])


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "            async with asyncio.timeout(commands.OPEN_NOTICE):\n",
    "            waiter = self._opening[link] = loop.create_future()\n            async with asyncio.timeout(commands.OPEN_NOTICE):\n",
)
@pytest.mark.parametrize("again", [True, False], ids=["twice", "once"])
@virtual
async def test_F07_result_before_or_after_ok(again: bool, injected: Injected) -> None:
    """+QIOPEN before its OK, and once more: a connection all the same, and only this one."""
    async with opened("bg96") as bench:
        injected.by(bench.fake)
        bench.step(on=r"AT\+QIOPEN=.*", raw=b"+QIOPEN: 0,0\r\n", passes=True, times=1)
        if not again:
            bench.step(before=r"\r\n\+QIOPEN: 0,0\r\n", instead="", times=1)
        begun = now()
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        assert now() - begun < 2.0
        await asyncio.sleep(2.0)
        first = await connected(bench, sock=sock)
        second = await connected(bench)
        for ends in (first, second):
            await ends.send(100)
        await asyncio.sleep(0.5)
        assert (first.told(), second.told()) == (100, 100)


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "            self._resting[link] = now() + LONG_QUARANTINE\n            raise",
    "            raise",
)
@pytest.mark.catches(
    "netsocket/core.py",
    "await asyncio.wait({returning}, timeout=CLOSE_PATIENCE + self._linger())",
    "await asyncio.wait({returning})",
)
@pytest.mark.parametrize("how", ["late", "refused", "silent"])
@three
@virtual
async def test_F08_close_is_slow_fails_or_was_not_needed(
    module: str, firmware: str, how: str, injected: Injected
) -> None:
    """close returns in a bounded time and once only matters; the id is not used while it may be
    the old connection's."""
    async with opened(module, firmware) as bench:
        ends, other = await connected(bench), await connected(bench)
        injected.by(bench.fake)
        on = r"AT\+(QICLOSE|CIPCLOSE)=0.*"
        if how == "late":
            bench.step(on=on, times=1, after=10.0, passes=True)
        elif how == "refused":
            bench.step(on=on, times=1, raw=b"UNLINK\r\n\r\nERROR\r\n")
            ends.talk.fin()
        else:
            bench.step(on=on, times=1)
        begun = now()
        await ends.sock.close()
        await ends.sock.close()
        assert now() - begun <= 10.0
        with pytest.raises(errors.BadHandle):
            await ends.sock.send(b"x")
        fresh = await connected(bench)
        for each in (other, fresh):
            each.say(100)
            await each.hear(100, within=30.0)
            await each.send(100)
        await asyncio.sleep(0.5)
        assert (other.told(), fresh.told()) == (100, 100)


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "if sock.kind is Kind.TCP and not abort and not sock.peer_closed and sock.broken is None:",
    "if False:",
)
@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "if abort or sock.linger == 0:",
    "if True:",
)
@pytest.mark.parametrize("abort", [False, True], ids=["close", "abort"])
@three
@virtual
async def test_F09_close_sends_rst_instead_of_fin(
    module: str, firmware: str, abort: bool, injected: Injected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An orderly close asks for one, whatever was asked for on that id before; only abort resets."""
    async with opened(module, firmware) as bench:
        resets: list[bool] = []
        for before in (True, abort):  # the id's former owner resets
            ends = await connected(bench)
            await ends.send(500)
            mark = len(bench.wire.written)
            await ends.sock.close(abort=before)
            written = bench.wire.written[mark:]
            asked = {
                "bg96": b"AT+QICLOSE=0,0\r",
                "E24": b"AT+CIPTCPOPT=0,0,",
                "N17": b"AT+CIPCLOSEMODE=0,1",
            }[firmware]
            resets.append(asked in written)
            injected(before)
            await asyncio.sleep(2.0)
            assert ends.told() == 500
        assert resets == [True, abort]


@pytest.mark.catches(
    "netsocket/stream.py",
    '            self._stack.capabilities["tcp.half_close"].require()',
    "            how = _socket.SHUT_RDWR",
)
@three
@virtual
async def test_F10_half_close_does_not_exist(
    module: str, firmware: str, injected: Injected
) -> None:
    """Ours is refused and nothing is lost by it; the peer's ends receiving behind all its data."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench)
        await ends.send(100)
        with pytest.raises(errors.NotSupported, match="half_close"):
            await ends.sock.shutdown(_socket.SHUT_WR)
        ends.say(3000)
        ends.talk.fin(half=True)
        injected()
        assert await ends.end(20.0) is None
        with pytest.raises(BrokenPipeError):
            for _ in range(3):
                await ends.sock.send(b"more")
        assert ends.told() == 100


@pytest.mark.catches(
    "modems/esp8266/commands.py", 'tail = f",{keepalive}" if keepalive else ""', 'tail = ""'
)
@three
@virtual
async def test_F11_peer_vanishes_without_notice(
    module: str, firmware: str, injected: Injected
) -> None:
    """A silent peer is no end: calls end by their time-out, a send into nowhere ends in an error or
    a time-out, and keep-alive is asked of the module where it has one."""
    async with opened(module, firmware) as bench:
        sock = bench.net.tcp_socket()
        if module == "esp8266":
            await sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
            await sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_KEEPIDLE, 60)
        else:
            with pytest.raises(errors.NotSupported, match="SO_KEEPALIVE"):
                await sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
        await sock.connect(("sink.test", 9))
        ends = await connected(bench, sock=sock)
        assert module == "bg96" or b",9,60\r\n" in bench.wire.written
        ends.talk.stall()
        injected()
        ends.sock.settimeout(30.0)
        begun = now()
        with pytest.raises(TimeoutError):
            await ends.sock.recv(10)
        with pytest.raises((TimeoutError, errors.SendUnknown)) as caught:
            await ends.send(60_000)
        assert now() - begun < 150
        assert getattr(caught.value, "accepted", 0) < 60_000
        ends.told()


@pytest.mark.catches(
    "modems/esp8266/notices.py", " is not None) and count % LOOK_AT == 0:", ") and False:"
)
@pytest.mark.catches(
    "modems/bg96/notices.py", "            elif not self._checking:", "            elif False:"
)
@three
@virtual
async def test_F11_an_end_that_nobody_announced(
    module: str, firmware: str, injected: Injected
) -> None:
    """Whoever reads without a time-out must not wait for ever: the module is asked. What it held is
    read first, and where it does not tell how a connection ended that is an error."""
    async with opened(module, firmware) as bench:
        ends = await connected(bench, "sink.test:9")
        ends.sock.settimeout(None)
        other = await connected(bench, "source.test:19")
        bench.step(before=r'\d,CLOSED\r\n|\r\n\+QIURC: "closed",\d\r\n', instead="")
        injected.by(bench.fake)
        await asyncio.sleep(7.0)
        ends.say(100)
        ends.talk.fin()
        await ends.hear(100, within=5.0)
        async with asyncio.timeout(20.0):
            try:
                assert await ends.sock.recv(1) == b""
                assert module == "bg96"
            except errors.ConnectionReset as error:
                assert module == "esp8266"
                assert "notice" in str(error)
        await other.sock.recv(1)
        await asyncio.sleep(30.0)
        await other.sock.recv(1)


@pytest.mark.catches("modems/esp8266/server.py", '        await self._try("AT+CIPSTO=0")\n', "")
@pytest.mark.parametrize("firmware", ["E24", "N17", "E2"])
@virtual
async def test_F12_module_side_idle_timer(firmware: str, injected: Injected) -> None:
    """The module would cut an accepted connection that is silent for 180 s: it is told not to."""
    async with opened("esp8266", firmware) as bench:
        assert bench.fake.session.idle_limit == 180
        injected()
        listener = bench.net.tcp_socket()
        await listener.bind(("", 7000))
        await listener.listen(4)
        ends = await accepted(bench, listener, dial(bench, 7000))
        await asyncio.sleep(400.0)
        ends.say(100)
        await ends.hear(100, within=5.0)
        await ends.send(100)
        await asyncio.sleep(0.5)
        assert ends.told() == 100
        await listener.close()


NONSENSE = ("255.255.255.255", "0.0.0.0", "1.2.3", "999.1.1.1", "")


@pytest.mark.catches(
    "modems/esp8266/stack.py",
    "if int(address) not in (0, 2**32 - 1):\n                    return",
    "if True:\n                    return",
)
@pytest.mark.catches(
    "modems/bg96/stack.py",
    "if int(address) not in (0, 2**32 - 1):\n                    found",
    "if True:\n                    found",
)
@pytest.mark.parametrize("answer", [*NONSENSE, "fails"])
@three
@virtual
async def test_F13_name_resolution_failures_and_nonsense(
    module: str, firmware: str, answer: str, injected: Injected
) -> None:
    """An answer that is no address is an error of its own, is not kept, and is connected to by
    nobody."""
    names = {"one.test": "198.51.100.1"}
    async with opened(module, firmware, names=names) as bench:
        injected.by(bench.fake)
        if answer == "fails":
            esp, bg = b"DNS Fail\r\n\r\nERROR\r\n", b'\r\nOK\r\n\r\n+QIURC: "dnsgip",565\r\n'
        else:
            esp = b"+CIPDOMAIN:%b\r\n\r\nOK\r\n" % answer.encode()
            bg = (
                b'\r\nOK\r\n\r\n+QIURC: "dnsgip",0,1,600\r\n\r\n+QIURC: "dnsgip","%b"\r\n'
                % answer.encode()
            )
        bench.step(on=r"AT\+(CIPDOMAIN|QIDNSGIP)=.*", times=2, raw=bg if module == "bg96" else esp)
        begun = now()
        with pytest.raises(errors.NameNotFound):
            await bench.net.resolve("one.test")
        with pytest.raises(errors.NameNotFound):
            await bench.net.connect(("one.test", 9), timeout=30)
        assert now() - begun < 10.0
        assert b"AT+CIPSTART" not in bench.wire.written
        assert b'"TCP"' not in bench.wire.written
        assert await bench.net.resolve("one.test") == ["198.51.100.1"]


@pytest.mark.catches(
    "modems/bg96/stack.py",
    "        assert link is not None\n        patience = 0\n",
    "        assert link is not None\n        patience = 0\n        if sock.peer_closed:\n            return\n",
)
@virtual
async def test_F14_zombie_socket_in_state_closing(injected: Injected) -> None:
    """After `closed` an id stays taken until the host closes it: it does, and all twelve are free
    again and again."""
    async with opened("bg96") as bench:
        for _ in range(3):
            all_ends = [await connected(bench) for _ in range(12)]
            for ends in all_ends:
                ends.say(100)
                ends.talk.fin()
            for ends in all_ends:
                assert await ends.end(20.0) is None
            injected(sum(link.state == 4 for link in bench.fake.links))
            for ends in all_ends:
                await ends.sock.close()
            assert len(bench.fake.links) == 0
