"""One connection of a BG96: what becomes of a send that failed, how it is closed, what is read of it; in
virtual time. Counters and states as in the TCP(IP) AT Commands Manual V1.1."""

from __future__ import annotations

import asyncio

import pytest

from netsocket import errors
from netsocket.stack import Handle, Kind
from tests.drivers.calls import READS, UDP_PEER, commands, held, line_is_busy, nobody, stream, tell
from tests.faults.bench import Bench, opened, virtual
from tests.faults.ends import SENT, connected, now

SEND = r"AT\+QISEND=0,[1-9].*"
ROW = '+QISTATE: 0,"TCP","192.0.2.1",9,50000,{},1,0,0,"usbmodem"'


def told(bench: Bench) -> list[Handle]:
    """Whom something is told of from now on."""
    found: list[Handle] = []
    bench.stack.attach(lambda handle, _: found.append(handle), lambda _status: None)
    return found


def fails(bench: Bench, times: int = 1) -> None:
    """SEND FAIL, though the module has taken it."""
    bench.step(before=SENT, instead="\r\nSEND FAIL\r\n", times=times)


# -- a send in doubt ---------------------------------------------------------------------------------


@virtual
async def test_what_counts_is_what_the_module_took_not_what_the_peer_has() -> None:
    """It has acknowledged nothing: to send it again would say everything twice."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        for total, size in ((300, 300), (1000, 700), (1100, 100)):
            fails(bench)
            bench.step(on=r"AT\+QISEND=0,0", say=(f"+QISEND: {total},0,{total}", "OK"), times=1)
            assert await bench.stack.send(tcp, bytes(size)) == size
        assert commands(bench, "AT+QISTATE=1,0") == [], "SEND FAIL says nothing of an end"
        assert bytes(bench.talks("sink.test:9")[0].told) == bytes(1100)


@pytest.mark.parametrize("counters", ["299,0,0", "1001,0,0", "9999999999,0,0"])
@virtual
async def test_counters_that_cannot_be_make_a_send_unknown(counters: str) -> None:
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        assert await bench.stack.send(tcp, bytes(300)) == 300
        fails(bench)
        bench.step(on=r"AT\+QISEND=0,0", say=(f"+QISEND: {counters}", "OK"), times=1)
        with pytest.raises(errors.SendUnknown, match="SEND FAIL") as caught:
            await bench.stack.send(tcp, bytes(700))
        assert caught.value.unknown == 700


@virtual
async def test_a_part_that_was_taken_is_told_and_the_rest_goes_on() -> None:
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        fails(bench)
        bench.step(on=r"AT\+QISEND=0,0", say=("+QISEND: 1,0,1", "OK"), times=1)
        heard = told(bench)
        assert await bench.stack.send(tcp, bytes(700)) == 1
        await asyncio.sleep(1.0)
        assert heard == []


@virtual
async def test_a_full_buffer_is_told_of_when_it_is_worth_another_try() -> None:
    """SEND FAIL, and nothing was taken: of a stream, and of a datagram."""
    async with opened("bg96") as bench:
        stack = bench.stack
        tcp = await stream(bench)
        heard = told(bench)
        bench.step(on=r"AT\+QISEND=0,0", say=("+QISEND: 0,0,0", "OK"), times=1)
        fails(bench)
        assert await stack.send(tcp, b"x") == 0
        assert heard == []
        await asyncio.sleep(0.3)
        assert heard == [tcp]
        udp = await stack.open(Kind.UDP)
        assert await stack.sendto(udp, b"first", UDP_PEER) == 5
        heard.clear()
        fails(bench)
        assert await stack.sendto(udp, b"x", UDP_PEER) == 0
        assert heard == []
        await asyncio.sleep(0.3)
        assert heard == [udp]


@pytest.mark.parametrize("row", ["", "4", "2"], ids=["no-row", "closing", "connected"])
@virtual
async def test_a_send_that_is_refused_asks_whether_the_connection_stands(row: str) -> None:
    """An end that nobody told of is an end for the reader, too."""
    async with opened("bg96") as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(b"last words")
        await asyncio.sleep(0.5)
        assert await stack.recv(tcp, 4) == b"last"
        assert await stack.recv(tcp, 100) == b" words"
        bench.step(on=SEND, say=("ERROR",), times=1)
        bench.step(on=r"AT\+QISTATE=1,0", say=(ROW.format(row), "OK") if row else ("OK",), times=1)
        heard = told(bench)
        if row == "2":
            assert await stack.send(tcp, b"x") == 0
            assert await stack.send(tcp, b"x") == 1
        else:
            with pytest.raises(errors.BrokenPipe) as caught:
                await stack.send(tcp, b"x")
            assert caught.value.strerror == "the connection is closed"
            assert heard == [tcp]
            assert await tell(lambda: stack.recv(tcp, 10)) == b""


@virtual
async def test_a_send_behind_the_peers_end_asks_nothing() -> None:
    """It waited in line when the end was told; the module refuses it."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        asking = await line_is_busy(bench)
        sending = bench.stack.begin_send(tcp, b"x", nobody)
        bench.talks("sink.test:9")[0].fin()
        bench.step(on=SEND, say=("ERROR",), times=1)
        with pytest.raises(errors.BrokenPipe) as caught:
            await sending
        assert caught.value.strerror == "the connection is closed"
        await asking
        assert commands(bench, "AT+QISTATE=1,0") == []


@virtual
async def test_a_send_that_waits_for_answers_ends_as_its_stream_does() -> None:
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(bytes(5000))
        bench.step(on=READS["bg96"], after=1.0, passes=True, times=1)
        await asyncio.sleep(0.5)
        sending = bench.stack.begin_send(tcp, b"x", nobody)
        await asyncio.sleep(0.5)
        bench.fake.raw(b"\r\nRDY\r\n")
        with pytest.raises(errors.ModuleRestarted):
            await sending


@pytest.mark.parametrize(
    ("data", "lost", "at", "taken", "sent"),
    [
        (b"hello", "prompt", 60.9, 5, 5),
        (b"hello", "prompt", 61.4, 5, None),
        (b"hello", "prompt", None, 5, None),
        (b"hello", "prompt", None, 0, 0),
        (b"hello", "prompt", 60.9, 0, None),
        (b"AT+X\r", "prompt", None, 5, 5),
        (b"AT+X\r", "prompt", 60.9, 5, None),
        (b"hello", "result", None, 5, 5),
        (b"hello", "result", None, 3, 3),
        (b"hello", "result", 120.1, 5, None),
        (b"hello", "result", None, 6, None),
        (b"hello", "result", None, -1, None),
    ],
)
@virtual
async def test_a_send_without_a_result_counts_where_it_was_surely_ours(
    data: bytes, lost: str, at: float | None, taken: int, sent: int | None
) -> None:
    """The announced count is filled up, with the bytes themselves where no prompt came: a result before
    the spare bytes follow, 1.2 s later, says that it was those that the module took. Bytes that no
    prompt asked for are ours only then; a result that nobody waits for puts the others in doubt."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        assert await bench.stack.send(tcp, b"12") == 2
        if lost == "prompt":
            bench.step(before=r"(\r\n)?> ?", instead="", times=1)
        bench.step(before=SENT, instead="", times=1)
        bench.step(on=r"AT\+QISEND=0,0", say=(f"+QISEND: {2 + taken},0,0", "OK"), times=1)
        heard = told(bench)
        if at is not None:
            asyncio.get_running_loop().call_later(at, bench.fake.raw, b"\r\nSEND OK\r\n")
        if sent is None:
            with pytest.raises(errors.SendUnknown) as caught:
                await bench.stack.send(tcp, data)
            assert (caught.value.accepted, caught.value.unknown) == (0, 5)
            assert str(caught.value.reason).startswith("AT+QISEND=0,5: ")
            with pytest.raises(errors.SendUnknown):
                await bench.stack.send(tcp, b"more")
        else:
            assert await bench.stack.send(tcp, data) == sent
            heard.clear()
            await asyncio.sleep(0.3)
            assert heard == ([] if sent else [tcp])
            assert await bench.stack.send(tcp, b"more") == 4


@virtual
async def test_a_datagram_without_a_result_is_unknown() -> None:
    """There are no counters of it, and it is not asked for them."""
    async with opened("bg96") as bench:
        udp = await bench.stack.open(Kind.UDP)
        assert await bench.stack.sendto(udp, b"first", UDP_PEER) == 5
        bench.step(before=SENT, instead="", times=1)
        with pytest.raises(errors.SendUnknown) as caught:
            await bench.stack.sendto(udp, b"hello", UDP_PEER)
        assert (caught.value.accepted, caught.value.unknown) == (0, 5)
        assert commands(bench, "AT+QISEND=0,0") == []
        assert await bench.stack.sendto(udp, b"last", UDP_PEER) == 4


@pytest.mark.parametrize("answer", ["ERROR", "OK", "+QISEND: 4294967297,0,0"])
@virtual
async def test_counters_that_are_not_told_make_a_send_unknown(answer: str) -> None:
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        fails(bench)
        says = (answer, "OK") if answer.startswith("+") else (answer,)
        bench.step(on=r"AT\+QISEND=0,0", say=says, times=1)
        with pytest.raises(errors.SendUnknown) as caught:
            await bench.stack.send(tcp, b"hello")
        assert caught.value.unknown == 5


@virtual
async def test_a_send_that_fails_as_the_context_goes_is_unknown() -> None:
    """The socket went with it, and its counters."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        lost = '\r\nSEND FAIL\r\n\r\n+QIURC: "pdpdeact",1\r\n'
        bench.step(before=SENT, instead=lost, times=1)
        with pytest.raises(errors.SendUnknown) as caught:
            await bench.stack.send(tcp, b"hello")
        assert (caught.value.accepted, caught.value.unknown) == (0, 5)
        assert commands(bench, "AT+QISEND") == ["AT+QISEND=0,5"]


@pytest.mark.parametrize("taken", [5, 3])
@virtual
async def test_an_error_behind_the_payload_is_judged_by_what_the_module_took(taken: int) -> None:
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.step(before=SENT, instead="\r\nERROR\r\n", times=1)
        bench.step(on=r"AT\+QISEND=0,0", say=(f"+QISEND: {taken},0,{taken}", "OK"), times=1)
        assert await bench.stack.send(tcp, b"hello") == taken
        assert len(commands(bench, "AT+QISTATE=1,0")) == 1, "whether it stands"
        assert await bench.stack.send(tcp, b"more") == 4


@virtual
async def test_a_send_that_is_behind_the_end_of_its_stream() -> None:
    """It waited for what the peer had said, and its socket was closed meanwhile."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(bytes(5000))
        bench.step(on=READS["bg96"], after=1.0, passes=True, times=1)
        await asyncio.sleep(0.5)
        sending = bench.stack.begin_send(tcp, b"x", nobody)
        await asyncio.sleep(0.1)
        closing = asyncio.ensure_future(bench.stack.close(tcp))
        with pytest.raises(errors.BrokenPipe) as caught:
            await sending
        assert caught.value.reason == "the connection is closed"
        await closing


# -- closing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "patience", "asks"),
    [("orderly", 2, 1), ("unused", 2, 0), ("abort", 0, 0), ("ended", 0, 0), ("broken", 0, 0),
     ("datagrams", 0, 0)],
)  # fmt: skip
@virtual
async def test_how_long_a_close_may_take(how: str, patience: int, asks: int) -> None:
    """The module waits for the peer where there is somebody to wait for; whether the peer has it all
    is asked for where something was sent."""
    async with opened("bg96") as bench:
        stack = bench.stack
        if how == "datagrams":
            handle = await stack.open(Kind.UDP)
            assert await stack.sendto(handle, b"x", UDP_PEER) == 1
        else:
            handle = await stream(bench)
        if how not in ("unused", "datagrams"):
            assert await stack.send(handle, b"hello") == 5
        if how == "ended":
            bench.talks("sink.test:9")[0].fin()
            await asyncio.sleep(0.5)
        elif how == "broken":
            stack._break(held(bench), errors.ConnectionReset("damaged"))
        await stack.close(handle, abort=how == "abort")
        assert commands(bench, "AT+QICLOSE")[-1] == f"AT+QICLOSE=0,{patience}"
        assert len(commands(bench, "AT+QISEND=0,0")) == asks


@virtual
async def test_a_close_waits_for_what_is_under_way_and_looks_often() -> None:
    async with opened("bg96") as bench:
        ends = await connected(bench, "stall.test:3")
        await ends.send(1000)
        begun = now()
        asyncio.get_running_loop().call_later(0.95, ends.talk.resume)
        await ends.sock.close()
        assert 0.9 < now() - begun < 1.2
        assert 8 <= len(commands(bench, "AT+QISEND=0,0")) <= 11
        assert ends.told() == 1000


@virtual
async def test_a_close_ends_its_wait_when_the_peer_ends() -> None:
    async with opened("bg96") as bench:
        ends = await connected(bench, "stall.test:3")
        await ends.send(1000)
        begun = now()
        asyncio.get_running_loop().call_later(0.5, ends.talk.rst)
        await ends.sock.close()
        assert now() - begun < 1.0


# -- reading -----------------------------------------------------------------------------------------


@virtual
async def test_a_full_read_is_followed_at_once_and_a_short_one_is_not() -> None:
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(bytes(1500))
        await asyncio.sleep(0.5)
        assert len(await bench.stack.recv(tcp, 2000) or b"") == 1500
        await asyncio.sleep(0.5)
        asked = [at for at, way, data in bench.wire.lines if way == ">" and b"QIRD=0,1500" in data]
        assert len(asked) == 2
        answered = next(at for at, way, data in bench.wire.lines if b"+QIRD: 1500" in data)
        assert asked[1] - answered < 0.004


@virtual
async def test_a_read_that_is_refused_behind_the_end_is_the_end() -> None:
    """The module has let go of the socket: every read is ERROR, and it holds nothing."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.step(on=READS["bg96"], say=("ERROR",))
        bench.talks("sink.test:9")[0].fin()
        await asyncio.sleep(0.5)
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b""
        assert len(commands(bench, "AT+QIRD=0,1500")) == 1


@virtual
async def test_of_a_refused_read_the_last_counter_is_what_waits() -> None:
    """`<total>,<have read>,<unread>`: one byte waits, and it is asked for again."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.step(on=READS["bg96"], say=("ERROR",), times=1)
        bench.step(on=r"AT\+QIRD=0,0", say=("+QIRD: 1,0,1", "OK"), times=1)
        bench.talks("sink.test:9")[0].say(b"x")
        await asyncio.sleep(0.5)
        begun = now()
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b"x"
        assert now() - begun < 0.5
