"""The looks that a BG96 is given at sockets that have been silent: what nobody told is found, and nobody
is blamed for what another did. In virtual time; rows as in the TCP(IP) AT Commands Manual V1.1."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

import pytest

from netsocket import errors
from netsocket.stack import Handle, Kind
from tests.drivers.calls import (
    ECHO,
    UDP_PEER,
    commands,
    listening,
    nobody,
    stream,
    tell,
    written,
)
from tests.faults.bench import Bench, opened, virtual
from tests.faults.ends import connected, now
from tests.faults.talk import nothing_logged

ROW = '+QISTATE: {},"{}","192.0.2.44",{},50000,{},1,0,0,"usbmodem"'


async def silent(bench: Bench) -> Handle:
    """A stream that was read to the end of what there is, and of which no notice tells any more."""
    handle = await stream(bench, ECHO)
    assert await bench.stack.send(handle, b"x") == 1
    assert await tell(lambda: bench.stack.recv(handle, 10)) == b"x"
    bench.step(before=r'\r\n\+QIURC: "(closed|recv)".*', instead="")
    return handle


@virtual
async def test_data_of_which_nothing_was_told_is_found() -> None:
    async with opened("bg96") as bench:
        handle = await silent(bench)
        await asyncio.sleep(1.0)
        bench.talks("echo.test:7")[0].say(b"unheard")
        begun = now()
        assert await tell(lambda: bench.stack.recv(handle, 10)) == b"unheard"
        assert now() - begun < 5.5


@virtual
async def test_an_end_of_which_nothing_was_told_is_found() -> None:
    async with opened("bg96") as bench:
        handle = await silent(bench)
        bench.talks("echo.test:7")[0].fin()
        begun = now()
        assert await tell(lambda: bench.stack.recv(handle, 10)) == b""
        assert now() - begun < 6.0


@pytest.mark.parametrize("row", ["", ROW.format(0, "TCP", 7, 4)], ids=["no-row", "closing"])
@pytest.mark.parametrize("times", [1, 2])
@virtual
async def test_what_a_row_says_counts_when_it_is_said_twice(row: str, times: int) -> None:
    async with opened("bg96") as bench:
        handle = await silent(bench)
        bench.step(on=r"AT\+QISTATE=1,0", say=(row, "OK") if row else ("OK",), times=times)
        await asyncio.sleep(6.0)
        assert await bench.stack.recv(handle, 1) is None
        await asyncio.sleep(0.5)
        if times == 1:
            assert await bench.stack.recv(handle, 1) is None
            assert await bench.stack.send(handle, b"y") == 1
        elif row:
            assert await tell(lambda: bench.stack.recv(handle, 1)) == b""
        else:
            with pytest.raises(errors.ConnectionReset) as caught:
                await bench.stack.recv(handle, 1)
            assert caught.value.reason == "the module has lost the socket"


@virtual
async def test_datagram_sockets_and_listeners_are_not_asked_whether_they_stand() -> None:
    async with opened("bg96") as bench:
        await listening(bench, 1)
        udp = await bench.stack.open(Kind.UDP)
        await bench.stack.sendto(udp, b"x", UDP_PEER)
        bench.step(before=r'\r\n\+QIURC: "recv".*', instead="")
        since = len(bench.wire.lines)
        await asyncio.sleep(11.0)
        assert commands(bench, "AT+QISTATE=1", since) == []
        assert "AT+QIRD=0,1500" not in written(bench, since)
        assert bench.stack.ready(udp, 1) is None


@virtual
async def test_a_close_that_may_be_a_piece_of_a_payload_is_asked_for() -> None:
    """It was told in a damaged answer: the row says whether it is true."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+COPS\?", say=('+QIURC: "closed",0', '+COPS: 0,0,"x",8', "OK"), times=1)
        since = len(bench.wire.lines)
        await bench.stack.status()
        await asyncio.sleep(0.5)
        assert commands(bench, "AT+QISTATE=1,0", since) == ["AT+QISTATE=1,0"]
        await ends.send(10)
        bench.step(on=r"AT\+COPS\?", say=('+QIURC: "closed",0', '+COPS: 0,0,"x",8', "OK"), times=1)
        bench.step(on=r"AT\+QISTATE=1,0", say=(ROW.format(0, "TCP", 9, 4), "OK"), times=1)
        await bench.stack.status()
        assert await ends.end() is None


@virtual
async def test_a_close_of_a_socket_that_nobody_has_is_not_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It stands in a name, or comes behind the program's own close."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+COPS\?", say=('+QIURC: "closed",5', '+COPS: 0,0,"x",8', "OK"), times=1)
        with nothing_logged(caplog):
            await bench.stack.status()
            await asyncio.sleep(0.5)
        assert commands(bench, "AT+QISTATE=1,5") == []
        await ends.send(10)


@virtual
async def test_no_end_is_blamed_on_a_peer_while_the_network_is_looked_at() -> None:
    """Two connections are gone with the context, of which nothing was told: both say so."""
    async with opened("bg96") as bench:
        handles = [await silent(bench) for _ in range(2)]
        for link in range(2):
            row = ROW.format(link, "TCP", 7, 4)
            bench.step(on=rf"AT\+QISTATE=1,{link}", say=(row, "OK"))
        bench.step(on=r"AT\+QIACT\?", say=("OK",), after=1.0, times=1)
        since = len(bench.wire.lines)
        reading = [
            asyncio.ensure_future(tell(partial(bench.stack.recv, handle, 10))) for handle in handles
        ]
        while "AT+QIACT?" not in written(bench, since):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        for handle in handles:
            bench.stack.begin_send(handle, b"x", nobody)  # nobody has said that the peer has left
        for end in await asyncio.gather(*reading, return_exceptions=True):
            assert isinstance(end, errors.NetworkDown)
            assert end.reason == "the network ended the data context"
        assert commands(bench, "AT+QISTATE=1", since) == [
            f"AT+QISTATE=1,{link}" for link in (0, 1, 0, 1)
        ]


@virtual
async def test_who_looks_at_the_network_while_that_is_done_waits_for_nothing() -> None:
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+QIACT\?", passes=True, after=1.0, times=1)
        since = len(bench.wire.lines)
        await asyncio.gather(*(bench.stack._look_at_network() for _ in range(3)))
        assert commands(bench, "AT+QIACT?", since) == ["AT+QIACT?"]
        await bench.stack._look_at_network()
        assert commands(bench, "AT+QIACT?", since) == ["AT+QIACT?"] * 2


@virtual
async def test_a_connection_that_ends_with_the_context_while_it_is_looked_at() -> None:
    """The notice came with the row: there is no socket left to ask for again."""
    async with opened("bg96") as bench:
        handle = await silent(bench)
        since = len(bench.wire.lines)
        says = (ROW.format(0, "TCP", 7, 4), "OK", '+QIURC: "pdpdeact",1')
        bench.step(on=r"AT\+QISTATE=1,0", say=says, times=1)
        with pytest.raises(errors.NetworkDown):
            await tell(lambda: bench.stack.recv(handle, 10))
        await asyncio.sleep(0.1)
        assert commands(bench, "AT+QISTATE", since) == ["AT+QISTATE=1,0"]


@virtual
async def test_a_stream_that_is_shut_down_while_it_is_looked_at_was_not_lost() -> None:
    """The second look finds no socket any more, as it was asked for."""
    async with opened("bg96") as bench:
        stack = bench.stack
        handle = await stream(bench)
        bench.talks("sink.test:9")[0].say(b"x")
        assert await tell(lambda: stack.recv(handle, 10)) == b"x"
        bench.step(before=r'\r\n\+QIURC: "(closed|recv)".*', instead="")
        step = bench.step(on=r"AT\+QISTATE=1,0", say=("OK",), after=1.0, times=1)
        reading = asyncio.ensure_future(tell(lambda: stack.recv(handle, 10)))
        while not commands(bench, "AT+QISTATE=1,0"):
            await asyncio.sleep(0.01)
        since = len(bench.wire.lines)
        await stack.shutdown(handle, socket.SHUT_RDWR)
        assert await reading == b""
        await asyncio.sleep(0.5)
        assert bench.fake.scenario.used[step] == 1
        assert written(bench, since) == ["AT+QICLOSE=0,2", "AT+QISTATE=1,0"]
        assert await stack.recv(handle, 10) == b""
