"""One link of an Espressif module: what is read of it, how it is opened and closed, and when its id is
used again; in virtual time."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import ENABLE, TLS_LEVEL
from netsocket.stack import Handle, Kind
from tests.drivers.calls import (
    ECHO,
    READS,
    SINK,
    START,
    UDP_PEER,
    commands,
    held,
    line_is_busy,
    listening,
    stream,
    tell,
)
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import dial, now

SOL, TCP = socket.SOL_SOCKET, socket.IPPROTO_TCP


def block(text: bytes) -> bytes:
    """The answer to a read."""
    return b"+CIPRECVDATA:%d,%b\r\nOK\r\n" % (len(text), text)


async def accepted(bench: Bench) -> Handle:
    """What came in first at a listener on port 8000."""
    listener = await listening(bench, 2)
    dial(bench, 8000)
    found = await tell(lambda: bench.stack.accept(listener))
    handle: Handle = found[0]
    return handle


# -- reading -----------------------------------------------------------------------------------------


@virtual
async def test_what_is_left_of_what_was_announced_is_read_at_once() -> None:
    """A module short of memory hands over less; there is no second notice for the rest."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        for text in (b"a" * 100, b"b" * 150, b"c" * 50):
            bench.step(on=READS["esp8266"], raw=block(text), times=1)
        bench.channel.data_received(b"\r\n+IPD,0,300\r\n")
        begun = now()
        got = b""
        while len(got) < 300:
            got += await tell(lambda: bench.stack.recv(tcp, 1000))
        assert now() - begun < 1.0
        await asyncio.sleep(1.0)
        assert len(commands(bench, "AT+CIPRECVDATA=")) == 3, "all has come that was announced"


@virtual
async def test_a_full_read_is_followed_by_another_one() -> None:
    """However little was announced."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        for text in (bytes(5760), bytes(10)):
            bench.step(on=READS["esp8266"], raw=block(text), times=1)
        bench.channel.data_received(b"\r\n+IPD,0,10\r\n")
        got = await tell(lambda: bench.stack.recv(tcp, 10_000))
        await asyncio.sleep(0.5)
        got += bench.stack.ready(tcp, 10_000) or b""
        assert len(got) == 5770
        assert len(commands(bench, "AT+CIPRECVDATA=")) == 2


@pytest.mark.parametrize("count", [1, 2])
@virtual
async def test_a_refused_read_asks_what_its_own_link_holds(count: int) -> None:
    """The second of two, and the first holds nothing; a single byte is something."""
    async with opened("esp8266") as bench:
        await stream(bench)
        tcp = await stream(bench)
        bench.step(on=READS["esp8266"], say=("ERROR",), times=1)
        bench.talks("sink.test:9")[1].say(bytes(count))
        await asyncio.sleep(0.5)
        begun = now()
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == bytes(count)
        assert now() - begun < 0.5


@pytest.mark.parametrize("answer", ["ERROR", "OK"])
@virtual
async def test_a_refused_read_of_which_nothing_is_told_is_not_made_again(answer: str) -> None:
    """It would be refused for ever; a look some seconds later finds what there is."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        bench.step(on=READS["esp8266"], say=("ERROR",))
        bench.step(on=r"AT\+CIPRECVLEN\?", say=(answer,))
        bench.channel.data_received(b"\r\n+IPD,0,300\r\n")
        assert await bench.stack.recv(tcp, 10) is None
        await asyncio.sleep(2.0)
        assert await bench.stack.recv(tcp, 10) is None
        assert len(commands(bench, "AT+CIPRECVDATA=")) == 1


@virtual
async def test_a_pulled_datagram_is_its_peers() -> None:
    """The head of one that was read names nobody: it is who the link was opened with."""
    async with opened("esp8266", "E2", receive="pull") as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        await stack.sendto(udp, b"hello", ECHO)
        assert held(bench).pull
        data, sender = await tell(lambda: stack.recvfrom(udp, 100))
        assert (data, sender.port) == (b"hello", 7)
        assert sender == held(bench).first_peer


@virtual
async def test_what_is_left_of_what_a_look_found_is_read_at_once() -> None:
    """The lengths tell how much there is; no notice came, and none will."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        bench.step(on=r"AT\+CIPRECVLEN\?", say=("+CIPRECVLEN:300,0,0,0,0", "OK"), times=1)
        bench.step(on=r"AT\+CIPRECVLEN\?", say=("+CIPRECVLEN:0,0,0,0,0", "OK"))
        for text in (b"a" * 100, b"b" * 150, b"c" * 50):
            bench.step(on=READS["esp8266"], raw=block(text), times=1)
        got = await tell(lambda: bench.stack.recv(tcp, 1000))
        begun = now()
        while len(got) < 300:
            got += await tell(lambda: bench.stack.recv(tcp, 1000))
        assert now() - begun < 0.5


@pytest.mark.parametrize("answer", ["ERROR", "OK"])
@virtual
async def test_a_refused_read_behind_the_end_is_the_end(answer: str) -> None:
    """Nothing is told of what the link holds: then it holds nothing."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        bench.step(on=READS["esp8266"], say=("ERROR",))
        bench.step(on=r"AT\+CIPRECVLEN\?", say=(answer,))
        bench.channel.data_received(b"\r\n+IPD,0,300\r\n0,CLOSED\r\n")
        await asyncio.sleep(0.1)
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b""


@virtual
async def test_a_read_that_brings_no_block() -> None:
    """OK alone: what it should have brought is gone from the module, as far as anybody knows."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench, ECHO)
        bench.step(on=READS["esp8266"], say=("OK",), times=1)
        bench.channel.data_received(b"\r\n+IPD,0,5\r\n")
        with pytest.raises(errors.ConnectionReset) as caught:
            await asyncio.wait_for(bench.stack.recv(tcp, 10), 5.0)
        assert caught.value.strerror.endswith(
            "AT+CIPRECVDATA=0,5760: result without its payload: b'OK'"
        )


# -- sending -----------------------------------------------------------------------------------------


@virtual
async def test_a_datagram_goes_to_whom_it_is_for() -> None:
    async with opened("esp8266") as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        for number in (1, 2):
            await stack.sendto(udp, b"hello", SocketAddress(f"192.0.2.{number}", 7000 + number))
        assert commands(bench, "AT+CIPSEND=") == [
            'AT+CIPSEND=0,5,"192.0.2.1",7001', 'AT+CIPSEND=0,5,"192.0.2.2",7002']  # fmt: skip
        with pytest.raises(errors.AddressFamilyNotSupported) as caught:
            await stack.sendto(udp, b"x", SocketAddress("2001:db8::1", 7))
        assert "the socket was opened for the other version of IP" in str(caught.value)


@virtual
async def test_a_send_behind_the_peers_end_asks_nothing() -> None:
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        asking = await line_is_busy(bench)
        sending = bench.stack.begin_send(tcp, b"x", lambda: None)
        bench.step(on=r"AT\+CIPSEND=.*", say=("link is not valid", "ERROR"), times=1)
        bench.channel.data_received(b"0,CLOSED\r\n")
        since = len(bench.wire.lines)
        with pytest.raises(errors.BrokenPipe) as caught:
            await sending
        assert caught.value.strerror == "the peer has closed the connection"
        await asking
        assert commands(bench, "AT+CIPSTA", since) == []


@virtual
async def test_a_send_whose_link_is_lost_while_it_reads_first() -> None:
    """What the peer said is read before; what ends the connection meanwhile is what the send says."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        bench.step(on=READS["esp8266"], raw=block(b"hello"), after=0.5, times=1)
        bench.channel.data_received(b"\r\n+IPD,0,5\r\n")
        sending = bench.stack.begin_send(tcp, b"x", lambda: None)
        await asyncio.sleep(0.1)
        bench.channel.data_received(b"WIFI DISCONNECT\r\n0,CLOSED\r\n")
        with pytest.raises(errors.ConnectionReset) as caught:
            await asyncio.wait_for(sending, 5.0)
        assert caught.value.strerror == "the WiFi connection was lost"
        assert commands(bench, "AT+CIPSEND=") == []


# -- opening -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "closed-by-itself"])
@virtual
async def test_the_id_of_a_connect_that_failed_rests(silent: bool) -> None:
    """Its CLOSED may still come, for a second; where it came, there is nothing to wait for. The same
    socket may try again."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        says = ("ERROR",) if not silent else ("0,CLOSED", "CLOSED", "ERROR")
        bench.step(on=START, say=says, times=1)
        with pytest.raises(OSError):
            await stack.connect(tcp, ECHO)
        await stack.connect(tcp, ECHO)
        first = held(bench).link
        assert await stack.send(tcp, b"works") == 5
        assert await tell(lambda: stack.recv(tcp, 10)) == b"works"
        await stack.close(tcp)
        await asyncio.sleep(1.1)
        await stream(bench)
        assert held(bench).link == 0
        assert first == (0 if silent else 1)


@virtual
async def test_what_is_told_of_an_ids_former_owner_is_not_the_new_ones() -> None:
    """It came while the open waited in line."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        asking = await line_is_busy(bench)
        connecting = asyncio.ensure_future(stream(bench, ECHO))
        await asyncio.sleep(0.1)
        bench.channel.data_received(b"\r\n+IPD,0,5\r\n0,CLOSED\r\n")
        tcp = await connecting
        await asking
        assert await stack.send(tcp, b"works") == 5
        assert await tell(lambda: stack.recv(tcp, 10)) == b"works"
        assert await stack.recv(tcp, 10) is None


@virtual
async def test_what_a_link_is_told_before_it_opens() -> None:
    """The way its data comes, and keep-alive, as the socket was told before."""
    async with opened("esp8266", "E33") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.set_option(tcp, SOL, socket.SO_KEEPALIVE, 1)
        await stack.set_option(tcp, TCP, socket.TCP_KEEPIDLE, 60)
        await stack.connect(tcp, SINK)
        (start,) = commands(bench, "AT+CIPSTART=")
        assert start.startswith('AT+CIPSTART=0,"TCP",')
        assert start.endswith(",9,60")
        assert commands(bench, "AT+CIPRECVTYPE=0")[-1:] == ["AT+CIPRECVTYPE=0,1"]


@virtual
async def test_a_server_name_that_the_module_refuses_is_said_again() -> None:
    """The connection is made without it; it is not taken for said."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        bench.step(on=r"AT\+CIPSSLCSNI=.*", say=("ERROR",), times=1)
        bench.step(on=r"AT\+CIPSSLC(CONF|SNI)=.*", say=("OK",))
        bench.step(on=r"AT\+CIPSTART=.*", say=("0,CONNECT", "OK"))
        bench.step(on=r"AT\+CIPCLOSE=0", say=("0,CLOSED", "OK"))
        for said in (1, 2, 2):
            tcp = await stack.open(Kind.TCP)
            await stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
            await stack.connect(tcp, SocketAddress("echo.test", 443))
            assert commands(bench, "AT+CIPSSLCSNI=") == ['AT+CIPSSLCSNI=0,"echo.test"'] * said
            await stack.close(tcp)


# -- closing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unread", "listens", "closes"),
    [(False, False, 0), (True, False, 1), (True, True, 0), (False, True, 0)],
)
@virtual
async def test_a_link_that_the_peer_has_closed(unread: bool, listens: bool, closes: int) -> None:
    """It is free when all was read; with data left the module keeps it, unless it listens: then it may
    be the next peer's already, and is left alone."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await accepted(bench) if listens else await stream(bench)
        talk = bench.talks("dial:8000" if listens else "sink.test:9")[0]
        if unread:
            bench.channel.data_received(b"\r\n+IPD,0,6\r\n0,CLOSED\r\n")
        else:
            talk.fin()
            await asyncio.sleep(0.5)
            assert await tell(lambda: stack.recv(tcp, 10)) == b""
        since = len(bench.wire.lines)
        await stack.close(tcp)
        assert len(commands(bench, "AT+CIPCLOSE=", since)) == closes


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@virtual
async def test_an_id_is_used_again_when_its_end_was_told(told: bool) -> None:
    """CLOSED comes with the answer; where it does not it may come behind the next CONNECT."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        if not told:
            bench.step(before=r"0,CLOSED\r\n", instead="", times=1)
        await bench.stack.close(tcp)
        other = await stream(bench)
        assert held(bench).link == (0 if told else 1)
        await bench.stack.close(other)
        await asyncio.sleep(1.1)
        await stream(bench)
        assert held(bench).link == 0


@pytest.mark.parametrize("refused", ["AT+CIPTCPOPT", "none"])
@virtual
async def test_how_a_close_treats_the_peer(refused: str) -> None:
    """An end, a reset where that was asked for; an end again for the next owner of the id. Options
    that the module refuses hold no close up."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        if refused != "none":
            bench.step(on=r"AT\+CIPTCPOPT=.*", say=("ERROR",))
        lines = []
        for how in ("end", "abort", "end", "linger"):
            tcp = await stream(bench)
            since = len(bench.wire.lines)
            if how == "linger":
                await stack.set_option(tcp, SOL, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await stack.close(tcp, abort=how == "abort")
            lines.append(commands(bench, "AT+CIP", since))
        for written in lines:
            assert written[-1] == "AT+CIPCLOSE=0"
        resets = [any("CIPTCPOPT=0,0," in line for line in written) for written in lines]
        assert resets == [False, True, False, True]


@virtual
async def test_an_abort_where_no_reset_can_be_had() -> None:
    """ESP-AT before v2.1 has no linger option: none is asked for, the link is closed all the same."""
    bench = assemble("esp8266", "E2")
    bench.step(on=r"AT\+GMR", say=("AT version:2.0.0.0(a - b)", "OK"))
    async with bench.net:
        assert not bench.stack.capabilities["tcp.abort"].supported
        tcp = await stream(bench)
        since = len(bench.wire.lines)
        await bench.stack.close(tcp, abort=True)
        assert commands(bench, "AT+", since) == ["AT+CIPCLOSE=0"]
        assert bench.talks("sink.test:9") == []


@pytest.mark.parametrize("receive", ["pull", "push"])
@virtual
async def test_a_datagram_link_is_given_back_to_the_listener_as_it_wants_it(receive: str) -> None:
    """The next connection that comes in may get its id; without a listener who opens it says how."""
    async with opened("esp8266", "E33", receive=receive) as bench:
        stack = bench.stack
        for listens in (False, True):
            if listens:
                await listening(bench, 2)
            udp = await stack.open(Kind.UDP)
            await stack.sendto(udp, b"x", UDP_PEER)
            link = stack._sockets[udp.number].link
            since = len(bench.wire.lines)
            await stack.close(udp)
            found = commands(bench, "AT+CIPRECVTYPE=", since)
            assert found == ([f"AT+CIPRECVTYPE={link},{int(receive == 'pull')}"] if listens else [])
