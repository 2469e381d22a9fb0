"""What the calls that receive say at their edges, on both modules, in virtual time: by the bytes that
a program gets, what goes over the wire for them, and what it is told."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

import pytest

from atdriver.errors import CommandTimeout, ModuleBusy, PortLost
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import ENABLE, TLS_LEVEL
from netsocket.stack import Handle, Kind
from tests.drivers.calls import ECHO, READS, SINK, both, commands, held, stream, tell, tells
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import connected, dial

READ = {"esp8266": b"AT+CIPRECVDATA=", "bg96": b"AT+QIRD="}
NOTICE = {"esp8266": r"\r\n\+IPD,.*\r\n", "bg96": r'\r\n\+QIURC: "recv",\d+\r\n'}
LOST = r"\] received data was lost \(is another program using the port\?\): AT\+"
NOBODY = SocketAddress("", 0)


def reads(bench: Bench, module: str, since: int = 0) -> int:
    """How often the driver has asked for data."""
    return bench.wire.written[since:].count(READ[module])


# -- datagrams ---------------------------------------------------------------------------------------


@both
@virtual
async def test_datagrams_are_cut_and_not_joined(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        await stack.connect(udp, ECHO)
        for text in (b"0123456789", b"abcdef"):
            await stack.send(udp, text)
            await asyncio.sleep(1.0)
            call = stack.recv if text[:1] == b"0" else stack.recvfrom
            found = await tell(partial(call, udp, 4))
            assert found == (b"0123" if call == stack.recv else (b"abcd", found[1]))
            assert await call(udp, 4) is None
        assert found[1] == await stack.remote_address(udp)
        assert stack.ready(udp, 10) is None, "that is for streams"


@virtual
async def test_a_strangers_datagrams_are_passed_over() -> None:
    """One that does not say where it comes from is taken."""
    async with opened("bg96") as bench:
        stack = bench.stack
        peer = SocketAddress("192.0.2.200", 4000)
        udp = await stack.open(Kind.UDP)
        await stack.connect(udp, peer)
        heads = [b'%d,"192.0.2.200",4001', b'%d,"192.0.2.201",4000', b'%d,"192.0.2.200",4000',
                 b"%d", b'%d,"",0', b'%d,"192.0.2.200",70000']  # fmt: skip
        for number, head in enumerate(heads):
            text = b"datagram %d" % number
            block = b"\r\n+QIRD: " + head % len(text) + b"\r\n" + text + b"\r\n\r\nOK\r\n"
            bench.step(on=r"AT\+QIRD=0", raw=block, times=1)
        bench.fake.raw(b'\r\n+QIURC: "recv",0\r\n')
        await asyncio.sleep(0.1)
        got = [await stack.recvfrom(udp, 100) for _ in range(5)]
        assert got == [
            (b"datagram 2", peer),
            *((b"datagram %d" % n, NOBODY) for n in (3, 4, 5)),
            None,
        ]


# -- streams -----------------------------------------------------------------------------------------


@both
@virtual
async def test_what_recv_says_of_a_stream(module: str) -> None:
    """At most what was asked for, nothing, and the end: by either call."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        with pytest.raises(errors.NotConnected) as caught:
            await stack.recv(tcp, 10)
        assert caught.value.strerror == "the socket is not connected"
        assert stack.ready(tcp, 10) is None
        await stack.connect(tcp, SINK)
        assert await stack.recvfrom(tcp, 10) is None
        talk = bench.talks("sink.test:9")[0]
        talk.say(b"0123456789")
        await asyncio.sleep(1.0)
        assert await stack.recv(tcp, 3) == b"012"
        assert await stack.recvfrom(tcp, 3) == (b"345", await stack.remote_address(tcp))
        asked = reads(bench, module)
        assert await stack.recv(tcp, 100) == b"6789"
        assert reads(bench, module) == asked
        assert await stack.recv(tcp, 100) is None
        talk.fin()
        assert await tell(lambda: stack.recv(tcp, 10)) == b""
        assert await stack.recvfrom(tcp, 10) == (b"", await stack.remote_address(tcp))


@both
@virtual
async def test_a_handle_of_former_times_gets_nothing(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        old = await stream(bench)
        await stack.close(old)
        new = await stream(bench)
        assert old.number == new.number
        bench.talks("sink.test:9")[0].say(b"mine")
        assert await tell(lambda: stack.recv(new, 1)) == b"m"
        assert stack.ready(old, 10) is None
        assert stack.ready(new, 10) == b"ine"


@both
@virtual
async def test_two_who_wait_for_one_read(module: str) -> None:
    """One transaction, and its bytes once."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        step = bench.step(on=READS[module], after=1.0, passes=True, times=1)
        bench.talks("sink.test:9")[0].say(b"0123456789")
        await asyncio.sleep(0.5)
        found = await asyncio.gather(*(stack.recv(tcp, 5) for _ in range(2)))
        assert sorted(each or b"" for each in found) == [b"01234", b"56789"]
        assert reads(bench, module) == bench.fake.scenario.used[step] == 1


@both
@virtual
async def test_no_read_begins_while_another_one_is_under_way(module: str) -> None:
    """Whatever asks meanwhile: the program, by either call, or a notice."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        talk = bench.talks("sink.test:9")[0]
        bench.step(on=READS[module], after=1.0, passes=True, times=1)
        assert stack.ready(tcp, 10) == b""
        talk.say(b"01234")
        await asyncio.sleep(0.3)
        assert reads(bench, module) == 1
        waits = asyncio.create_task(stack.recv(tcp, 10))
        talk.say(b"56789")
        await asyncio.sleep(0.3)
        assert stack.ready(tcp, 10) == b""
        assert reads(bench, module) == 1
        assert not waits.done()
        first = await waits
        assert first
        while len(first) < 10:
            first += await tell(lambda: stack.recv(tcp, 10))
        assert first == b"0123456789"


@both
@virtual
async def test_data_that_the_module_does_not_hand_over_at_once_is_no_end(module: str) -> None:
    """The peer has ended, the module holds its last bytes and refuses the first read of them."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        step = bench.step(on=READS[module], say=("ERROR",), times=2)
        talk = bench.talks("sink.test:9")[0]
        talk.say(b"last words")
        talk.fin()
        await asyncio.sleep(0.5)
        said = [await stack.recv(tcp, 100) for _ in range(2)]
        while len(said) < 100 and b"last words" not in said:
            await asyncio.sleep(0.1)
            said.append(await stack.recv(tcp, 100))
        assert bench.fake.scenario.used[step] == 2
        assert said.index(b"last words") == len([each for each in said if each is None])
        assert await stack.recv(tcp, 100) == b""


@virtual
async def test_a_read_that_the_module_was_too_busy_for() -> None:
    """Nothing is lost by it. Who waits for it is told, and then it goes on."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        step = bench.step(on=READS["esp8266"], say=("busy p...",), times=8)
        bench.talks("sink.test:9")[0].say(b"hello")
        await asyncio.sleep(0.1)
        with pytest.raises(ModuleBusy, match="stays busy"):
            await bench.stack.recv(tcp, 10)
        assert bench.fake.scenario.used[step] == 8
        assert await bench.stack.recv(tcp, 10) == b"hello"
        assert await bench.stack.recv(tcp, 10) is None


@pytest.mark.parametrize("later", [False, True], ids=["asked", "read-by-then"])
@virtual
async def test_a_read_by_itself_that_the_module_was_too_busy_for(later: bool) -> None:
    """Who asks next is told, once; unless another read has brought the bytes by then."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await stream(bench)
        told: list[Handle] = []
        stack.attach(lambda handle, _: told.append(handle), lambda _status: None)
        bench.step(on=READS["esp8266"], say=("busy p...",), times=8)
        talk = bench.talks("sink.test:9")[0]
        talk.say(b"hello")
        await asyncio.sleep(0.1)
        told.clear()
        assert stack.ready(tcp, 10) == b""
        async with asyncio.timeout(60):
            while not told:
                await asyncio.sleep(0.1)
        assert told == [tcp]
        assert stack.ready(tcp, 10) is None
        if later:
            talk.say(b" there")
            bench.fake.raw(b"\r\n+IPD,0,11\r\n")  # as firmware does that tells of each packet
            await asyncio.sleep(2.0)
        else:
            with pytest.raises(ModuleBusy, match="stays busy"):
                await stack.recv(tcp, 10)
        assert await stack.recv(tcp, 20) == (b"hello there" if later else b"hello")
        assert await stack.recv(tcp, 20) is None


@both
@virtual
async def test_nothing_more_is_read_of_a_stream_that_broke(module: str) -> None:
    """What came before it broke is handed out first; the module is not asked again, whoever asks."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        talk = bench.talks("sink.test:9")[0]
        talk.say(b"before")
        await asyncio.sleep(1.0)
        assert await stack.recv(tcp, 3) == b"bef"
        bench.step(on=READS[module], times=1)
        talk.say(b"lost with its answer")
        await asyncio.sleep(0.1)
        assert stack.ready(tcp, 3) == b"ore"
        async with asyncio.timeout(100):
            while held(bench).broken is None:
                stack.ready(tcp, 3)
                await asyncio.sleep(0.5)
        talk.say(b"more")
        await asyncio.sleep(20.0)
        written = len(bench.wire.written)
        assert stack.ready(tcp, 3) is None
        for _ in range(2):
            with pytest.raises(errors.ConnectionReset, match=LOST):
                await stack.recv(tcp, 3)
        assert reads(bench, module, written) == 0


@both
@virtual
async def test_a_read_that_waits_for_a_time_out_ends_with_the_stream(module: str) -> None:
    """Who waits for the read is told why the stream broke, not how the command ended."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.step(on=READS[module], times=1)
        bench.talks("sink.test:9")[0].say(b"lost with its answer")
        await asyncio.sleep(0.1)
        with pytest.raises(errors.ConnectionReset, match=LOST):
            await stack.recv(tcp, 100)


@virtual
async def test_a_pushed_stream_that_ends_untold_ends_for_the_reader() -> None:
    """A send found out that the link is gone; what was pushed before is read, and then the end."""
    async with opened("esp8266", receive="push") as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(b"before")
        await asyncio.sleep(1.0)
        bench.step(on=r"AT\+CIPSEND=0,.*", say=("link is not valid", "ERROR"), times=1)
        bench.step(on=r"AT\+CIPSTAT(US|E\?)", say=("STATUS:3", "OK"), times=1)
        with pytest.raises(BrokenPipeError):
            await stack.send(tcp, b"x")
        assert stack.ready(tcp, 4) == b"befo"
        assert await stack.recv(tcp, 4) == b"re"
        assert await stack.recv(tcp, 4) == b""


@both
@virtual
async def test_a_stream_that_was_shut_down_with_data_unread_ends_for_the_reader(
    module: str,
) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(b"unread")
        await asyncio.sleep(0.5)
        await stack.shutdown(tcp, socket.SHUT_RDWR)
        written = len(bench.wire.written)
        assert stack.ready(tcp, 10) is None
        assert await stack.recv(tcp, 10) == b""
        assert reads(bench, module, written) == 0


QUESTION = {"esp8266": r"AT\+CIPRECVLEN\?", "bg96": r"AT\+QIRD=\d+,0"}


@pytest.mark.parametrize("waits", [False, True], ids=["by-itself", "asked"])
@both
@virtual
async def test_a_question_without_an_answer_breaks_no_stream(module: str, waits: bool) -> None:
    """A read is refused, and the module says nothing when it is asked what that means: no byte was
    lost by it. Who waits or asks next is told of it, once; then it goes on."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.step(on=READS[module], say=("ERROR",), times=1)
        bench.step(on=QUESTION[module], times=1)
        bench.talks("sink.test:9")[0].say(b"hello")
        await asyncio.sleep(0.1)
        if waits:
            with pytest.raises(CommandTimeout):
                await stack.recv(tcp, 10)
        else:
            assert stack.ready(tcp, 10) == b""
            async with asyncio.timeout(60):
                while held(bench).reading:
                    await asyncio.sleep(0.1)
            assert stack.ready(tcp, 10) is None
            with pytest.raises(CommandTimeout):
                await stack.recv(tcp, 10)
        assert await tell(lambda: stack.recv(tcp, 10)) == b"hello"
        assert await stack.recv(tcp, 10) is None


@pytest.mark.parametrize("waits", [False, True], ids=["by-itself", "asked"])
@virtual
async def test_a_form_that_is_not_settled_breaks_no_stream(waits: bool) -> None:
    """AT+CIPDINFO=1 gets no answer again, and no read was begun: nothing is lost."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.step(on=r"AT\+CIPDINFO=1", times=2)
        udp = await stack.open(Kind.UDP)
        with pytest.raises(OSError):
            await stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))
        bench.talks("sink.test:9")[0].say(b"hello")
        await asyncio.sleep(0.1)
        if not waits:
            assert stack.ready(tcp, 10) == b""
            await asyncio.sleep(20.0)
            assert stack.ready(tcp, 10) is None
        with pytest.raises(CommandTimeout):
            await stack.recv(tcp, 10)
        assert await stack.recv(tcp, 10) == b"hello"


@virtual
async def test_a_stream_whose_module_refuses_every_question_breaks() -> None:
    """Neither its data, nor how much it is, nor whether there is a socket."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        for question in (READS["bg96"], QUESTION["bg96"], r"AT\+QISTATE=1,0"):
            bench.step(on=question, say=("ERROR",), times=1)
        bench.talks("sink.test:9")[0].say(b"hello")
        await asyncio.sleep(0.1)
        with pytest.raises(
            errors.ConnectionReset, match=r"\] the module cannot be read: AT\+QISTATE"
        ):
            await bench.stack.recv(tcp, 10)
        assert bench.stack.ready(tcp, 10) is None


@virtual
async def test_a_read_that_was_not_begun_when_its_link_was_given_up() -> None:
    """It waited in line, and the connection had ended by then: that is an end and no error."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        listener = await stack.open(Kind.TCP)
        await stack.bind(listener, SocketAddress("0.0.0.0", 8000))
        await stack.listen(listener, 1)
        talk = dial(bench, 8000)
        async with asyncio.timeout(10):
            while (found := await stack.accept(listener)) is None:
                await asyncio.sleep(0.1)
        tcp = found[0]
        assert await stack.recv(tcp, 10) is None
        bench.step(on=r"AT\+CWJAP\?", passes=True, after=1.0, times=1)
        asking = asyncio.create_task(bench.net.refresh())
        await asyncio.sleep(0.5)
        talk.fin()
        await asyncio.sleep(0.1)
        mark = len(bench.wire.written)
        assert stack.ready(tcp, 10) == b""
        await stack.shutdown(tcp, socket.SHUT_RDWR)
        await asking
        assert stack.ready(tcp, 10) is None
        assert await stack.recv(tcp, 10) == b""
        assert reads(bench, "esp8266", mark) == 0


@pytest.mark.parametrize("room", [1000, 999])
@virtual
async def test_what_nobody_takes_has_a_limit_where_it_is_pushed(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """A stream breaks at the first byte too many; what came before is handed out."""
    monkeypatch.setattr("modems.receiving.BUFFER_CAP", room)
    async with opened("esp8266", receive="push") as bench:
        tcp = await stream(bench)
        talk = bench.talks("sink.test:9")[0]
        for text in (bytes(600), bytes(400)):
            talk.say(text)
            await asyncio.sleep(0.5)
        await stack_holds(bench, tcp, 600 if room < 1000 else 1000)
        if room < 1000:
            with pytest.raises(errors.ConnectionReset, match="more than 999 bytes unread"):
                await bench.stack.recv(tcp, 1)
        else:
            assert await bench.stack.recv(tcp, 1) is None


async def stack_holds(bench: Bench, handle: Handle, count: int) -> None:
    assert bench.stack.ready(handle, 65536) == bytes(count)


# -- whose turn it is -------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [1023, 1024])
@virtual
async def test_a_small_read_passes_what_others_send_in_bulk(before: int) -> None:
    """As its last one brought little; one that brought much has to wait behind what came earlier."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        reader, sender = await stream(bench), await stream(bench, ECHO)
        bench.talks("sink.test:9")[0].say(bytes(before))
        await asyncio.sleep(0.5)
        assert len(await stack.recv(reader, 2000) or b"") == before
        assert stack.ready(reader, 10) == b""
        bench.step(on=r"AT\+CWJAP\?", passes=True, after=1.0, times=1)
        asking = asyncio.create_task(bench.net.refresh())
        await asyncio.sleep(0.5)
        since = len(bench.wire.lines)
        sending = stack.begin_send(sender, bytes(1000), lambda: None)
        bench.channel.data_received(b"\r\n+IPD,0,5\r\n")
        await asyncio.gather(asking, sending)
        await asyncio.sleep(0.5)
        order = [data for _, way, data in bench.wire.lines[since:] if way == ">"]
        sent = order.index(b"AT+CIPSEND=1,1000\r\n")
        read = order.index(b"AT+CIPRECVDATA=0,5760\r\n")
        assert (sent < read) is (before >= 1024)


# -- when the program is told -----------------------------------------------------------------------


@both
@virtual
async def test_a_program_that_reads_is_told_when_bytes_are_here(module: str) -> None:
    """Not when the module announces them: that would wake it for nothing."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        told: list[bytes | None] = []
        stack.attach(lambda *_: told.append(bytes(held(bench).buffer)), lambda _status: None)
        assert stack.ready(tcp, 10) == b""
        talk = bench.talks("sink.test:9")[0]
        for text in (b"01234", b"56789"):
            talk.say(text)
            await asyncio.sleep(0.5)
        assert told[:2] == [b"01234", b"0123456789"]
        assert stack.ready(tcp, 100) == b"0123456789"
        assert stack.ready(tcp, 100) == b""
        told.clear()
        talk.fin()
        await asyncio.sleep(1.0)
        assert told
        assert await stack.recv(tcp, 10) == b""


@both
@virtual
async def test_a_program_that_does_not_read_is_told_of_the_announcement(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        told: list[Handle] = []
        stack.attach(lambda handle, _: told.append(handle), lambda _status: None)
        bench.talks("sink.test:9")[0].say(b"01234")
        await asyncio.sleep(0.5)
        assert told == [tcp]
        assert reads(bench, module) == 0
        assert await stack.recv(tcp, 10) == b"01234"


@virtual
async def test_of_much_that_comes_fast_a_program_is_told_in_gatherings() -> None:
    """At once, and once more a millisecond later of all that came meanwhile."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        ends.say(4 * 5760)
        await asyncio.sleep(0.5)
        told: list[tuple[float, int]] = []
        loop, changed = asyncio.get_running_loop(), bench.stack._changed

        def noted(handle: Handle, generation: int) -> None:
            told.append((loop.time(), held(bench).came))
            changed(handle, generation)

        bench.stack._changed = noted
        await ends.hear(4 * 5760)
        (first, some), (second, everything) = told
        assert (some, everything) == (5760, 4 * 5760)
        assert 0.0009 < second - first < 0.0011


@both
@virtual
async def test_a_read_that_is_begun_as_the_port_is_lost(module: str) -> None:
    """Among those who are told of it: who asks next is told, too."""
    async with opened(module) as bench:
        stack = bench.stack
        one, other = await stream(bench), await stream(bench)
        bench.step(on=READS[module].replace("[1-9]", ""), times=1)
        bench.talks("sink.test:9")[1].say(b"hello")
        await asyncio.sleep(0.5)
        said: list[bytes | None] = []
        outcome = stack.begin_send(one, b"x" * 100, lambda: said.append(stack.ready(other, 10)))
        bench.channel.link_lost(PortLost("unplugged"))
        with pytest.raises(OSError):
            await outcome
        assert said == [b""]
        assert stack.ready(other, 10) is None
        with pytest.raises(OSError):
            await stack.recv(other, 10)


@virtual
async def test_a_notice_ends_the_wait_behind_a_short_read() -> None:
    """A BG96's next read is put off for a moment where it probably finds nothing, and no longer."""
    notice = b'\r\n+QIURC: "recv",0\r\n'
    async with opened("bg96") as bench:
        stack, loop = bench.stack, asyncio.get_running_loop()
        tcp = await stream(bench)
        assert stack.ready(tcp, 10) == b""
        stack.attach(
            lambda *_: loop.call_soon(bench.channel.data_received, notice), lambda _status: None
        )
        bench.talks("sink.test:9")[0].say(b"hello")
        await asyncio.sleep(0.5)
        lines = bench.wire.lines
        (at,) = (n for n, line in enumerate(lines) if b"hello" in line[2])
        assert [line[1:] for line in lines[at + 1 : at + 4]][-2:] == [
            ("<", notice), (">", b"AT+QIRD=0,1500\r")]  # fmt: skip
        assert lines[at][0] == lines[at + 3][0]


@virtual
async def test_who_waits_for_a_read_that_is_looked_into_goes_on_when_all_is_taken_down() -> None:
    """The module refused it, though it holds something: that is tried again in a moment."""
    bench = assemble("bg96")
    async with bench.net:
        tcp = await stream(bench)
        bench.step(on=READS["bg96"], say=("ERROR",), times=1)
        bench.talks("sink.test:9")[0].say(b"hello")
        await asyncio.sleep(0.5)
        reading = asyncio.ensure_future(bench.stack.recv(tcp, 10))
        while not commands(bench, "AT+QIRD=0,0"):
            await asyncio.sleep(0.001)
    async with asyncio.timeout(1.0):
        assert await reading is None


@virtual
async def test_a_read_of_tls_that_is_refused_asks_for_the_connection_alone() -> None:
    """Counters of what waits are those of plain sockets."""
    async with opened("bg96") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
        bench.step(on=r"AT\+QSSLOPEN=.*", say=("OK", "+QSSLOPEN: 0,0"))
        await stack.connect(tcp, SINK)
        row = '+QSSLSTATE: 0,"SSLClient","192.0.2.1",9,50000,2,1,0,0,"usbmodem",5'
        state = bench.step(on=r"AT\+QSSLSTATE=0", say=(row, "OK"))
        bench.step(on=r"AT\+QSSLRECV=0,.*", say=("ERROR",), times=1)
        since = len(bench.wire.lines)
        tells(bench, '+QSSLURC: "recv",0')
        await asyncio.sleep(0.5)
        assert await stack.recv(tcp, 10) is None
        assert bench.fake.scenario.used[state] == 1
        assert commands(bench, "AT+QIRD", since) == []
        bench.step(on=r"AT\+QSSLRECV=0,.*", say=("+QSSLRECV: 5\r\nhello", "OK"), times=1)
        tells(bench, '+QSSLURC: "recv",0')
        assert await tell(lambda: stack.recv(tcp, 10)) == b"hello"
