"""What the calls that send say at their edges, on both modules, in virtual time: by what the peer was
told, what goes over the wire, and the account that the caller gets."""

from __future__ import annotations

import asyncio
import errno

import pytest

from atdriver.errors import PortLost
from fakes import Peer
from modems.commands import simple
from modems.transfer import (
    ANSWERS_AT_MOST,
    ANSWERS_FIRST,
    READS_BEFORE_SEND,
    REFUSED_SENDS,
    SMALL,
)
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import ENABLE, TLS_LEVEL
from netsocket.stack import Handle, Kind
from tests.drivers.calls import (
    ECHO,
    SINK,
    UDP_PEER,
    both,
    commands,
    held,
    line_is_busy,
    nobody,
    stream,
)
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import SENT, connected, now
from tests.faults.talk import nothing_logged

ANNOUNCED = {"esp8266": r"AT\+CIPSEND=\d,.*", "bg96": r"AT\+QISEND=\d+,[1-9].*"}


# -- what cannot be sent -----------------------------------------------------------------------------


@both
@virtual
async def test_why_nothing_can_be_sent(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        for call, number, why in (
            (stack.send(tcp, b"x"), errno.ENOTCONN, "the socket is not connected"),
            (stack.send(udp, b"x"), errno.EDESTADDRREQ,
             "the socket has no peer: use sendto, or connect"),
        ):  # fmt: skip
            with pytest.raises(OSError) as caught:
                await call
            assert (caught.value.errno, caught.value.strerror) == (number, why)
        ended = await stream(bench)
        bench.talks("sink.test:9")[0].fin()
        await asyncio.sleep(0.5)
        with pytest.raises(errors.BrokenPipe) as pipe:
            await stack.send(ended, b"x")
        assert pipe.value.strerror == "the peer has closed the connection"


@both
@virtual
async def test_the_longest_datagram_and_the_shortest(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        limit = stack.capabilities.limit("datagram.max_send")
        assert await stack.sendto(udp, bytes(limit), UDP_PEER) == limit
        written = len(bench.wire.written)
        text = f"a datagram of {limit + 1} bytes is too long, the {module} sends {limit}"
        with pytest.raises(errors.MessageTooLong) as long:
            await stack.sendto(udp, bytes(limit + 1), UDP_PEER)
        assert long.value.strerror == text
        with pytest.raises(errors.NotSupported) as short:
            await stack.sendto(udp, b"", UDP_PEER)
        assert short.value.capability.id == "udp.zero_length"
        assert len(bench.wire.written) == written


# -- what is in doubt --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["port", "restart", "closed"])
@both
@virtual
async def test_what_had_gone_out_is_unknown_whatever_ends_the_send(module: str, how: str) -> None:
    """The peer may have it all: the account says so, and the stream is broken with that."""
    async with opened(module) as bench:
        ends = await connected(bench)
        await ends.send(100)
        bench.step(before=SENT, instead="", times=1)
        sending = asyncio.ensure_future(ends.send(700))
        await asyncio.sleep(1.0)
        assert ends.told() == 800
        if how == "port":
            bench.channel.link_lost(PortLost("unplugged"))
        elif how == "restart":
            bench.fake.raw({"esp8266": b"\r\nready\r\n", "bg96": b"\r\nRDY\r\n"}[module])
        else:
            await bench.channel.close()
        with pytest.raises(errors.SendUnknown) as caught:
            await sending
        assert (caught.value.accepted, caught.value.unknown) == (0, 700)
        words = {"port": "unplugged", "restart": "restarted", "closed": "the channel was closed"}
        assert words[how] in str(caught.value.strerror)
        with pytest.raises(ConnectionError):
            await bench.stack.send(held(bench).handle, b"more")


@pytest.mark.parametrize("how", ["port", "restart"])
@both
@virtual
async def test_nothing_is_unknown_of_what_was_not_begun(module: str, how: str) -> None:
    """It waited in line: the peer has none of it, and the account says that."""
    async with opened(module) as bench:
        ends = await connected(bench)
        asking = await line_is_busy(bench)
        sending = asyncio.ensure_future(ends.send(700))
        await asyncio.sleep(0.1)
        if how == "port":
            bench.channel.link_lost(PortLost("unplugged"))
        else:
            bench.fake.raw({"esp8266": b"\r\nready\r\n", "bg96": b"\r\nRDY\r\n"}[module])
        with pytest.raises(OSError) as caught:
            await sending
        assert not isinstance(caught.value, errors.SendUnknown)
        assert (caught.value.accepted, caught.value.unknown) == (0, 0)  # type: ignore[attr-defined]
        assert ends.told() == 0
        await asyncio.gather(asking, return_exceptions=True)


@both
@virtual
async def test_a_datagram_that_had_gone_out_when_the_port_was_lost_is_unknown(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        assert await stack.sendto(udp, b"first", UDP_PEER) == 5
        bench.step(before=SENT, instead="", times=1)
        sending = asyncio.ensure_future(stack.sendto(udp, b"second", UDP_PEER))
        await asyncio.sleep(1.0)
        bench.channel.link_lost(PortLost("unplugged"))
        with pytest.raises(errors.SendUnknown, match="unplugged") as caught:
            await sending
        assert (caught.value.accepted, caught.value.unknown) == (0, 6)


@both
@virtual
async def test_a_datagram_in_doubt_ends_with_its_call(module: str) -> None:
    """Nobody knows whether it went; the next one is another one."""
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        await stack.connect(udp, SINK)
        bench.step(before=SENT, instead="", times=1)
        with pytest.raises(errors.SendUnknown, match="no answer within") as caught:
            await stack.send(udp, b"first")
        assert (caught.value.accepted, caught.value.unknown) == (0, 5)
        assert await stack.send(udp, b"second") == 6


@pytest.mark.parametrize("module", ["esp8266"])
@virtual
async def test_a_stream_in_doubt_says_so_at_each_call(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.step(before=SENT, instead="", times=1)
        for _ in range(2):
            with pytest.raises(errors.SendUnknown, match="no answer within") as caught:
                await stack.send(tcp, b"hello")
            assert (caught.value.accepted, caught.value.unknown) == (0, 5)


# -- not now -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.TCP, Kind.UDP], ids=["stream", "datagram"])
@virtual
async def test_a_send_that_the_module_was_too_busy_for(kind: Kind) -> None:
    """Nothing was taken; the program is told when it is worth another try, and that one goes."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        handle = await stack.open(kind)
        await stack.connect(handle, ECHO)
        told: list[Handle] = []
        stack.attach(lambda which, _: told.append(which), lambda _status: None)
        step = bench.step(on=ANNOUNCED["esp8266"], say=("busy p...",), times=8)
        assert await stack.send(handle, b"hello") == 0
        assert told == []
        assert bench.fake.scenario.used[step] == 8
        await asyncio.sleep(0.3)
        assert told == [handle]
        assert await stack.send(handle, b"hello") == 5
        await asyncio.sleep(1.0)
        assert await stack.recv(handle, 10) == b"hello"


@pytest.mark.parametrize("before", [0, 1], ids=["from-the-start", "behind-others"])
@both
@virtual
async def test_a_link_that_takes_nothing_is_given_up_in_the_end(module: str, before: int) -> None:
    """So many refusals in a row without a cause, on a connection that stands by all the module says;
    one that was taken begins the count anew."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        for _ in range(before):
            bench.step(on=ANNOUNCED[module], say=("ERROR",), times=3)
            assert [await stack.send(tcp, b"x") for _ in range(4)] == [0, 0, 0, 1]
        bench.step(on=ANNOUNCED[module], say=("ERROR",))
        assert [await stack.send(tcp, b"x") for _ in range(REFUSED_SENDS)] == [0] * REFUSED_SENDS
        for asked in (1, 0):
            written = len(bench.wire.lines)
            with pytest.raises(errors.DeviceError, match=r"\] the module takes no more data: AT\+"):
                await stack.send(tcp, b"x")
            assert (len(bench.wire.lines) > written) is bool(asked)


@both
@virtual
async def test_a_send_that_is_begun_as_the_port_is_lost(module: str) -> None:
    """Among those who are told of it: it ends as well, and nobody is left waiting."""
    async with opened(module) as bench:
        stack = bench.stack
        one, other = await stream(bench), await stream(bench)
        bench.step(on=ANNOUNCED[module], times=1)
        later: list[asyncio.Future[int]] = []
        first = stack.begin_send(
            one, b"first", lambda: later.append(stack.begin_send(other, b"later", nobody))
        )
        await asyncio.sleep(0.1)
        bench.channel.link_lost(PortLost("unplugged"))
        for outcome in (first, *later):
            with pytest.raises(PortLost, match="unplugged"):
                await outcome
        assert len(later) == 1


@both
@virtual
async def test_nobody_has_to_wait_for_what_a_send_tells(
    module: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(module) as bench:
        with nothing_logged(caplog):
            tcp = await stream(bench)
            assert await bench.stack.send(tcp, b"hello") == 5
            assert await bench.stack.send(tcp, memoryview(b"there")) == 5
        await asyncio.sleep(0.5)
        assert bytes(bench.talks("sink.test:9")[0].told) == b"hellothere"


# -- whose turn it is --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALL, SMALL + 1])
@both
@virtual
async def test_a_small_send_passes_what_others_send_in_bulk(module: str, size: int) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        bulk, small = await stream(bench), await stream(bench)
        asking = await line_is_busy(bench)
        since = len(bench.wire.lines)
        sent = [
            stack.begin_send(bulk, bytes(1000), nobody),
            stack.begin_send(small, bytes(size), nobody),
        ]
        await asyncio.gather(asking, *sent)
        order = [int(data.split(b",")[1]) for _, way, data in bench.wire.lines[since:]
                 if way == ">" and b"SEND=" in data]  # fmt: skip
        assert order == ([size, 1000] if size <= SMALL else [1000, size])


@pytest.mark.parametrize(
    ("module", "what"),
    [("esp8266", "datagram"), ("bg96", "datagram"), ("bg96", "frame"), ("bg96", "read")],
)
@virtual
async def test_what_waits_in_line_goes_with_its_socket(module: str, what: str) -> None:
    """A close passes it, and from then on the link may be another connection's: of one that came in,
    before anybody here has even heard that the close is done."""
    async with opened(module) as bench:
        stack = bench.stack
        handle = await stack.open(Kind.UDP if what == "datagram" else Kind.TCP)
        await stack.connect(handle, SINK)
        assert await stack.send(handle, b"first") == 5
        if what == "read":
            bench.talks("sink.test:9")[0].say(b"hello")
            await asyncio.sleep(0.5)
        asking = await line_is_busy(bench)
        call = stack.recv(handle, 10) if what == "read" else stack.send(handle, bytes(1000))
        waits = asyncio.ensure_future(call)
        await asyncio.sleep(0.1)
        assert not waits.done()
        mark = len(bench.wire.written)
        await stack.close(handle, abort=True)
        if what == "read":
            assert await waits is None
        else:
            with pytest.raises(OSError, match="not wanted any more"):
                await waits
        await asking
        wrote = bench.wire.written[mark:]
        assert b"CLOSE=" in wrote
        assert b"SEND=" not in wrote
        assert b"RD=" not in wrote
        assert b"CIPRECVDATA=" not in wrote


@both
@virtual
async def test_what_waits_in_line_goes_before_an_orderly_close(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        talk = bench.talks("sink.test:9")[0]
        asking = await line_is_busy(bench)
        sending = stack.begin_send(tcp, bytes(1000), nobody)
        await asyncio.sleep(0.1)
        await stack.close(tcp)
        assert await sending == 1000
        await asking
        assert bytes(talk.told) == bytes(1000)


@virtual
async def test_a_send_that_is_looked_into_ends_when_all_is_taken_down() -> None:
    """The module failed it, and is too busy with something else to say what it took."""
    bench = assemble("bg96")
    ended: list[bool] = []
    async with bench.net:
        tcp = await stream(bench)
        bench.step(before=SENT, instead="\r\nSEND FAIL\r\n", times=1)
        bench.step(on=r"AT\+COPS=\?")
        sending = bench.stack.begin_send(tcp, b"hello", lambda: ended.append(True))
        busy = asyncio.ensure_future(bench.channel.run(simple("AT+COPS=?", 180.0)))
        await asyncio.sleep(0.5)
        assert not sending.done()
    assert sending.cancelled()
    assert ended == [True]
    assert commands(bench, "AT+QISEND") == ["AT+QISEND=0,5"]
    await asyncio.gather(busy, return_exceptions=True)


@virtual
async def test_a_send_over_tls_that_failed_is_unknown() -> None:
    """There are no counters of it; those of the plain socket with its number are another's."""
    async with opened("bg96") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
        bench.step(on=r"AT\+QSSLOPEN=.*", say=("OK", "+QSSLOPEN: 0,0"))
        await stack.connect(tcp, SINK)
        bench.step(on=r"AT\+QSSLSEND=0,5", say=("SEND FAIL",))
        since = len(bench.wire.lines)
        with pytest.raises(errors.SendUnknown) as caught:
            await stack.send(tcp, b"hello")
        assert (caught.value.accepted, caught.value.unknown) == (0, 5)
        assert commands(bench, "AT+QISEND", since) == []


# -- answers are read first --------------------------------------------------------------------------


async def before_a_send(bench: Bench, size: int) -> tuple[int, float]:
    """How often the module is read between the call and its command, and the seconds between. (Where
    reads follow by themselves one more has left already when the send's turn comes.)"""
    begun, since = now(), len(bench.wire.lines)
    assert await bench.stack.send(held(bench).handle, bytes(size)) == size
    lines = [(at, data) for at, way, data in bench.wire.lines[since:] if way == ">"]
    command = b"AT+QISEND=0,%d\r" % size
    end = next(n for n, (_, data) in enumerate(lines) if data == command)
    return sum(data.startswith(b"AT+QIRD=") for _, data in lines[:end]), lines[end][0] - begun


@pytest.mark.parametrize(
    ("size", "reads"), [(SMALL, READS_BEFORE_SEND), (SMALL + 1, 1)], ids=["small", "larger"]
)
@virtual
async def test_a_peer_that_says_more_than_it_is_told_holds_no_send(size: int, reads: int) -> None:
    """A small one lets some packets pass, in which an answer may be; a larger one as much as it is."""
    async with opened("bg96") as bench:
        await stream(bench)
        assert (await before_a_send(bench, size))[0] == 0
        bench.talks("sink.test:9")[0].say(bytes(40_000))
        await asyncio.sleep(0.5)
        assert (await before_a_send(bench, size))[0] == reads + 1


@virtual
async def test_what_a_peer_has_said_counts_from_the_beginning() -> None:
    """More than it was told, in all: then only as much is read as is sent."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        for _ in range(3):
            await before_a_send(bench, 1460)
        talk = bench.talks("sink.test:9")[0]
        talk.say(bytes(9000))
        await asyncio.sleep(0.5)
        got = 0
        while got < 9000:
            got += len(await bench.stack.recv(tcp, 65536) or b"")
        talk.say(bytes(40_000))
        await asyncio.sleep(0.5)
        assert (await before_a_send(bench, 1000))[0] <= 2


@virtual
async def test_a_peer_that_answers_is_read_before_it_is_told_more() -> None:
    """What it has said is no more than what it was told: else it may stop reading for good."""
    async with opened("bg96") as bench:
        await stream(bench)
        for _ in range(14):
            await before_a_send(bench, 1460)
        bench.talks("sink.test:9")[0].say(bytes(15_000))
        await asyncio.sleep(0.5)
        assert (await before_a_send(bench, 1000))[0] >= 10
        assert len(held(bench).buffer) == 15_000


@pytest.mark.parametrize("turn", [0.05, 1.0], ids=["quick", "slow"])
@virtual
async def test_answers_without_end_hold_a_send_for_a_time_only(turn: float) -> None:
    """Two seconds, and some reads however long they take."""
    async with opened("bg96", peers={"source.test:19": Peer("chargen", rate=200_000)}) as bench:
        await stream(bench, SocketAddress("source.test", 19))
        await asyncio.sleep(1.0)
        held(bench).sent = 1_000_000  # so much it was told before
        bench.step(on=r"AT\+QIRD=0,1500", after=turn, passes=True)
        reads, seconds = await before_a_send(bench, 1000)
        if turn == 1.0:
            assert reads == READS_BEFORE_SEND + 1
        else:
            assert 2.0 <= seconds < 2.2


@virtual
async def test_quick_answers_without_end_hold_a_send_for_a_number_of_reads() -> None:
    """They come, and are taken, so fast that the time is not over before."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.talks("sink.test:9")[0].say(bytes(600_000))
        await asyncio.sleep(0.5)
        held(bench).sent = 1_000_000  # so much it was told before

        async def takes() -> None:
            while True:
                if await bench.stack.recv(tcp, 65536) is None:
                    await asyncio.sleep(0.001)

        taking = asyncio.ensure_future(takes())
        reads, seconds = await before_a_send(bench, 1000)
        taking.cancel()
        assert ANSWERS_AT_MOST <= reads <= ANSWERS_AT_MOST + 1
        assert seconds < ANSWERS_FIRST
