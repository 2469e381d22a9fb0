"""The listening port of an Espressif module and the bookkeeping of its link ids: what goes over the wire,
and what becomes of connections that come in whatever is told of them; in virtual time."""

from __future__ import annotations

import asyncio
import socket

import pytest

from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Kind
from tests.drivers.calls import (
    ECHO,
    START,
    UDP_PEER,
    held,
    line_is_busy,
    listening,
    stream,
    tell,
    tells,
    written,
)
from tests.faults.bench import Bench, opened, virtual
from tests.faults.ends import dial, now

NOWHERE = SocketAddress("0.0.0.0", 0)
PEER = SocketAddress("192.0.2.44", 4444)


# -- what goes over the wire -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("firmware", "settings", "cur", "types"),
    [
        ("N17", {}, "_CUR", []),
        ("E24", {}, "", []),
        ("E33", {}, "", [f"AT+CIPRECVTYPE={link},1" for link in range(5)]),
        ("E33", {"receive": "push"}, "", []),
    ],
)
@virtual
async def test_a_listener_is_set_up_and_taken_down(
    firmware: str, settings: dict[str, str], cur: str, types: list[str]
) -> None:
    """Ids that peers cannot take are left for the driver, which begins at the other end; an accepted
    link is not cut for its silence."""
    async with opened("esp8266", firmware, **settings) as bench:
        stack, since = bench.stack, len(bench.wire.lines)
        listener = await listening(bench)
        assert written(bench, since) == [
            f"AT+SYSMSG{cur}?", f"AT+SYSMSG{cur}=2", "AT+CIPSERVERMAXCONN=4", *types,
            "AT+CIPSERVER=1,8000", "AT+CIPSTO=0",
        ]  # fmt: skip
        since = len(bench.wire.lines)
        await stream(bench)
        assert held_links(bench) == {4}
        (start,) = [line for line in written(bench, since) if "CIPSTART" in line]
        assert start.startswith('AT+CIPSTART=4,"TCP"')
        since = len(bench.wire.lines)
        await stack.close(listener)
        assert written(bench, since) == ["AT+CIPSERVER=0"]
        since = len(bench.wire.lines)
        await listening(bench)
        assert written(bench, since) == [
            "AT+CIPSERVERMAXCONN=4", "AT+CIPSERVER=1,8000", "AT+CIPSTO=0"]  # fmt: skip
        since = len(bench.wire.lines)
    ended = written(bench, since)
    at = ended.index(f"AT+SYSMSG{cur}=0")
    assert ended[at : at + 3] == [f"AT+SYSMSG{cur}=0", "AT+CIPSERVERMAXCONN=5", "AT+CIPSTO=180"]


def held_links(bench: Bench) -> set[int | None]:
    return {sock.link for sock in bench.stack._sockets.values()} - {None}


@pytest.mark.parametrize(("count", "told"), [(1, 1), (5, 5), (0, 1), (9, 5)])
@virtual
async def test_how_many_links_peers_may_take(count: int, told: int) -> None:
    async with opened("esp8266", server_links=count) as bench:
        await listening(bench)
        assert f"AT+CIPSERVERMAXCONN={told}" in written(bench)


@virtual
async def test_what_nobody_listened_with_is_not_put_back() -> None:
    async with opened("esp8266") as bench:
        since = len(bench.wire.lines)
    assert not [line for line in written(bench, since) if "SYSMSG" in line or "SERVER" in line]


@pytest.mark.parametrize(
    ("says", "wanted", "back"),
    [(("+SYSMSG:5", "OK"), 7, 5), (("OK",), 2, 0), (("ERROR",), 2, 0), (("+SYSMSG:8", "OK"), 2, 0)],
)
@virtual
async def test_other_bits_of_the_notices_stay(
    says: tuple[str, ...], wanted: int, back: int
) -> None:
    """What cannot be asked for was off: the question came later than the setting."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+SYSMSG\?", say=says)
        bench.step(on=r"AT\+SYSMSG=.*", say=("OK",))
        await listening(bench)
        assert f"AT+SYSMSG={wanted}" in written(bench)
        since = len(bench.wire.lines)
    assert f"AT+SYSMSG={back}" in written(bench, since)


@virtual
async def test_a_listener_of_ipv6() -> None:
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+CIPSERVER=1.*", say=("OK",))
        await listening(bench, host="::")
        assert 'AT+CIPSERVER=1,8000,"TCPv6"' in written(bench)


@virtual
async def test_a_port_that_is_refused() -> None:
    """It listens nowhere then, and may try again."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+CIPSERVER=1,8000", say=("ERROR",), times=1)
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(tcp, SocketAddress("0.0.0.0", 8000))
        with pytest.raises(errors.AddressInUse) as caught:
            await bench.stack.listen(tcp, 1)
        assert caught.value.reason == (
            "the module does not listen on port 8000 (it gives no reason)"
        )
        assert caught.value.module_code == "ERROR"
        await bench.stack.listen(tcp, 1)
        other = await bench.stack.open(Kind.TCP)
        with pytest.raises(errors.NotSupported) as refused:
            await bench.stack.listen(other, 1)
        assert refused.value.strerror == (
            "the module has one listening port, and it is in use (8000)"
        )
        assert refused.value.capability.id == "tcp.listen"


# -- connections that come ---------------------------------------------------------------------------


@virtual
async def test_a_peer_is_who_the_notice_says() -> None:
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        tells(bench, '+LINK_CONN:0,2,"TCP",1,"192.0.2.44",4444,8000')
        found = await tell(lambda: bench.stack.accept(listener))
        assert found[1] == PEER
        assert held_links(bench) == {2}
        tells(bench, '+LINK_CONN:1,2,"TCP",1,"192.0.2.44",4444,8000')
        await asyncio.sleep(0.1)
        assert await tell(lambda: bench.stack.recv(found[0], 1)) == b""


@pytest.mark.parametrize("rows", ["CIPSTATUS", "CIPSTATE?"])
@virtual
async def test_a_peer_is_asked_for_where_the_notice_is_bare(rows: str) -> None:
    """By AT+CIPSTATUS, or by what took its place; meanwhile nobody can accept it."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+SYSMSG.*", say=("ERROR",))
        question = rows.replace("?", r"\?")
        if rows != "CIPSTATUS":
            bench.step(on=r"AT\+CIPSTATUS", say=("ERROR",))
        name = rows.removesuffix("?")
        row = f'+{name}:{{}},"TCP","192.0.2.{{}}",4444,8000,1'
        bench.step(
            on=rf"AT\+{question}", say=(row.format(0, 40), row.format(3, 44), "OK"), after=0.5
        )
        listener = await listening(bench)
        tells(bench, "3,CONNECT")
        await asyncio.sleep(0.3)
        assert await bench.stack.accept(listener) is None
        assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER


@virtual
async def test_a_peer_that_is_gone_before_it_is_asked_for() -> None:
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+SYSMSG.*", say=("ERROR",))
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:3", "OK"))
        listener = await listening(bench)
        tells(bench, "3,CONNECT", "3,CLOSED")
        found = await tell(lambda: bench.stack.accept(listener))
        assert found[1] == NOWHERE
        assert await tell(lambda: bench.stack.recv(found[0], 1)) == b""


@virtual
async def test_the_backlog_and_no_more() -> None:
    """One too many is closed at once, however often it is told; nobody else is."""
    async with opened("esp8266") as bench:
        listener = await listening(bench, 1)
        since = len(bench.wire.lines)
        tells(bench, '+LINK_CONN:0,0,"TCP",1,"192.0.2.44",4444,8000')
        for _ in range(2):
            tells(bench, '+LINK_CONN:0,1,"TCP",1,"192.0.2.45",4444,8000')
        await asyncio.sleep(0.5)
        assert written(bench, since) == ["AT+CIPRECVDATA=0,5760", "AT+CIPCLOSE=1"] or written(
            bench, since
        ) == ["AT+CIPCLOSE=1"]
        assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER
        assert await bench.stack.accept(listener) is None


@virtual
async def test_a_connection_that_nobody_listens_for() -> None:
    """Opened by the module without being asked, by a program of before: it is closed."""
    async with opened("esp8266") as bench:
        since = len(bench.wire.lines)
        tells(bench, '+LINK_CONN:0,1,"TCP",1,"192.0.2.44",4444,8000', "2,CONNECT",
              '+LINK_CONN:0,3,"TCP",0,"192.0.2.44",4444,8000')  # fmt: skip
        await asyncio.sleep(0.5)
        assert written(bench, since) == ["AT+CIPCLOSE=1", "AT+CIPCLOSE=2", "AT+CIPCLOSE=3"]
        tcp = await stream(bench, ECHO)
        since = len(bench.wire.lines)
        tells(bench, '+LINK_CONN:0,0,"TCP",0,"192.0.2.44",4444,8000', "0,CONNECT")
        await asyncio.sleep(0.5)
        assert written(bench, since) == [], "that is ours"
        assert await bench.stack.send(tcp, b"x") == 1


@virtual
async def test_nonsense_is_counted() -> None:
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        before = bench.stack.anomalies
        for count, line in enumerate((
            '+LINK_CONN:0,5,"TCP",1,"192.0.2.44",4444,8000', "+LINK_CONN:0,1,what",
            '+LINK_CONN:0,1,"TCP",1,"192.0.2.44",65536,8000', '+LINK_CONN:0,1,"TCP",1,"no body",1,8000',
            '+LINK_CONN:0,1,"TCP",1,"192.0.2.44"',
        ), 1):  # fmt: skip
            tells(bench, line)
            await asyncio.sleep(0.1)
            assert bench.stack.anomalies == before + count, line
        assert await bench.stack.accept(listener) is None


@virtual
async def test_an_id_that_the_next_peer_has_already() -> None:
    """NonOS reports the end at once, and drops what was not read when the id is used again."""
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        for number in (1, 2):
            tells(bench, f'+LINK_CONN:0,0,"TCP",1,"192.0.2.4{number}",4444,8000')
            await asyncio.sleep(0.1)
        first, second = [await tell(lambda: bench.stack.accept(listener)) for _ in range(2)]
        assert (first[1].host, second[1].host) == ("192.0.2.41", "192.0.2.42")
        with pytest.raises(errors.ConnectionReset) as caught:
            await bench.stack.recv(first[0], 1)
        assert caught.value.reason == "the connection ended before all was read"
        assert await bench.stack.recv(second[0], 1) is None


@virtual
async def test_an_id_whose_last_owner_had_read_all() -> None:
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        talk = dial(bench, 8000)
        first = await tell(lambda: bench.stack.accept(listener))
        assert await bench.stack.recv(first[0], 1) is None
        talk.fin()
        await asyncio.sleep(0.1)
        dial(bench, 8000)
        second = await tell(lambda: bench.stack.accept(listener))
        assert held_links(bench) == {0}
        assert await tell(lambda: bench.stack.recv(first[0], 1)) == b""
        assert await bench.stack.recv(second[0], 1) is None


@virtual
async def test_a_connection_whose_notice_was_lost_is_found() -> None:
    """By the look at the links that is made anyway; one that rests, or is being closed, is not."""
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        bench.step(before=r"\+LINK_CONN.*", instead="", times=1)
        dial(bench, 8000)
        begun = now()
        found = await tell(lambda: bench.stack.accept(listener))
        assert found[1].host.startswith("192.0.2.")
        assert 10.0 < now() - begun < 20.0
        row = '+CIPSTATUS:{},"TCP","192.0.2.44",4444,8000,{}'
        bench.step(on=r"AT\+CIPSTATUS", say=(row.format(0, 1), row.format(3, 0), "OK"))
        await asyncio.sleep(20.0)
        assert await bench.stack.accept(listener) is None, "the other side opened that one"


@pytest.mark.parametrize(("silent", "seconds"), [(False, 1.0), (True, 30.0)])
@virtual
async def test_how_long_an_id_rests(silent: bool, seconds: float) -> None:
    """Behind a close whose end was not told, and behind one that got no answer at all."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        bench.step(before=r"0,CLOSED\r\n", instead="", times=1)
        bench.step(on=r"AT\+CIPCLOSE=0", passes=True, after=9.0 if silent else 0.0, times=1)
        await bench.stack.close(tcp)
        begun, link = now(), 1
        while link:
            other = await stream(bench)
            (link,) = held_links(bench)
            await bench.stack.close(other)
            await asyncio.sleep(0.05)
        assert seconds - 0.1 < now() - begun < seconds + 0.2


@virtual
async def test_all_ids_rest() -> None:
    """Two seconds are waited for one."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        handles = [await stream(bench) for _ in range(5)]
        bench.step(on=r"AT\+CIPCLOSE=\d", times=5)
        for handle in handles:
            await stack.close(handle)
        tcp = await stack.open(Kind.TCP)
        resting = dict(stack._resting)  # type: ignore[attr-defined]
        stack._resting.update(dict.fromkeys(resting, now() + 30.0))  # type: ignore[attr-defined]
        begun = now()
        with pytest.raises(errors.NoSocket) as caught:
            await stack.connect(tcp, SocketAddress("192.0.2.1", 9))
        assert caught.value.reason == (
            "no link id is free: a closed one has not been confirmed yet"
        )
        assert 1.9 < now() - begun < 2.1


@virtual
async def test_a_close_that_crosses_the_peers() -> None:
    """The id has a new owner before ours is done: whether he was hit, the module knows."""
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        tells(bench, '+LINK_CONN:0,0,"TCP",1,"192.0.2.41",4444,8000')
        first = await tell(lambda: bench.stack.accept(listener))
        bench.step(on=r"AT\+CIPCLOSE=0", say=("OK",), after=0.5, times=1)
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:3", "OK"))
        closing = asyncio.ensure_future(bench.stack.close(first[0]))
        await asyncio.sleep(0.2)
        tells(bench, '+LINK_CONN:0,0,"TCP",1,"192.0.2.44",4444,8000')
        await closing
        second = await tell(lambda: bench.stack.accept(listener))
        assert second[1] == PEER
        await asyncio.sleep(0.5)
        with pytest.raises(errors.ConnectionReset) as caught:
            await bench.stack.recv(second[0], 1)
        assert caught.value.reason == "the link was closed"


# -- an id that a peer takes at this moment ----------------------------------------------------------


@virtual
async def test_an_id_that_a_peer_takes_at_this_moment() -> None:
    """The connect takes another one, and nobody notices."""
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        bench.step(on=START, say=("ALREADY CONNECTED", "ERROR"), after=0.5, times=1)
        connecting = asyncio.ensure_future(stream(bench, SocketAddress("192.0.2.1", 7)))
        await asyncio.sleep(0.2)
        tells(bench, '+LINK_CONN:0,4,"TCP",1,"192.0.2.44",4444,8000')
        tcp = await connecting
        assert [line[:14] for line in written(bench) if "CIPSTART" in line] == [
            "AT+CIPSTART=4,", "AT+CIPSTART=3,"]  # fmt: skip
        assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER
        assert await bench.stack.send(tcp, b"works") == 5
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b"works"


@pytest.mark.parametrize("server", [1, 0])
@virtual
async def test_where_the_notice_does_not_tell_who_opened_a_link(server: int) -> None:
    """The rows do: a peer's is given away, one that was left open is closed."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+SYSMSG.*", say=("ERROR",))
        listener = await listening(bench)
        bench.step(on=START, say=("ALREADY CONNECTED", "ERROR"), times=1)
        row = f'+CIPSTATUS:4,"TCP","192.0.2.44",4444,8000,{server}'
        bench.step(on=r"AT\+CIPSTATUS", say=(row, "OK"), times=1)
        tcp = await stream(bench, SocketAddress("192.0.2.1", 7))
        starts = [line[:13] for line in written(bench) if "CIPSTART" in line]
        assert starts == ["AT+CIPSTART=4", f"AT+CIPSTART={3 if server else 4}"]
        if server:
            assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER
        else:
            assert "AT+CIPCLOSE=4" in written(bench)
        assert await bench.stack.send(tcp, b"works") == 5


@virtual
async def test_peers_that_take_every_id() -> None:
    async with opened("esp8266") as bench:
        await listening(bench)
        tcp = await bench.stack.open(Kind.TCP)
        for link in (4, 3, 2, 1, 0):
            bench.step(on=rf"AT\+CIPSTART={link},.*",
                       say=(f'+LINK_CONN:0,{link},"TCP",1,"192.0.2.44",4444,8000', "ERROR"))  # fmt: skip
        with pytest.raises(errors.NoSocket) as caught:
            await bench.stack.connect(tcp, SocketAddress("192.0.2.1", 7))
        assert caught.value.reason == "connections that come in take every link id"


# -- push, and datagrams -----------------------------------------------------------------------------


@virtual
async def test_a_datagram_to_anybody_of_ipv6() -> None:
    """Mode 0: the remote that is given is only the default; to nobody in particular it is ::."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        bench.step(on=r"AT\+CIPSTART=.*", say=("0,CONNECT", "OK"), times=2)
        for bound, line in (
            (SocketAddress("::", 9000), 'AT+CIPSTART=0,"UDPv6","::",9000,9000,0'),
            (SocketAddress("0.0.0.0", 9000), 'AT+CIPSTART=0,"UDP","0.0.0.0",9000,9000,0'),
        ):
            since = len(bench.wire.lines)
            udp = await stack.open(Kind.UDP)
            await stack.bind(udp, bound)
            assert line in written(bench, since)
            bench.step(on=r"AT\+CIPCLOSE=0", say=("0,CLOSED", "OK"), times=1)
            await stack.close(udp)
        udp = await stack.open(Kind.UDP)
        since = len(bench.wire.lines)
        await stack.sendto(udp, b"x", UDP_PEER)
        (start,) = [line for line in written(bench, since) if "CIPSTART" in line]
        assert start.startswith('AT+CIPSTART=0,"UDP","192.0.2.1",7,')
        assert start.endswith(",0")
        assert held(bench).family == socket.AF_INET


@virtual
async def test_a_datagram_port_that_is_refused() -> None:
    async with opened("esp8266") as bench:
        udp = await bench.stack.open(Kind.UDP)
        bench.step(on=r'AT\+CIPSTART=0,"UDP".*', say=("ERROR",), times=1)
        with pytest.raises(errors.AddressInUse) as caught:
            await bench.stack.bind(udp, SocketAddress("0.0.0.0", 9000))
        assert caught.value.reason.startswith("UDP port 9000 cannot be opened: AT+CIPSTART=0,")
        assert caught.value.module_code == "ERROR"
        await bench.stack.bind(udp, SocketAddress("0.0.0.0", 9000))
        assert held_links(bench) == {1}, "the first rests"


@virtual
async def test_an_open_that_waits_in_line_is_not_anothers() -> None:
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        asking = await line_is_busy(bench)
        connecting = asyncio.ensure_future(stream(bench, SocketAddress("192.0.2.1", 7)))
        await asyncio.sleep(0.1)
        tells(bench, '+LINK_CONN:0,4,"TCP",1,"192.0.2.44",4444,8000')
        await asking
        tcp = await connecting
        assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER
        assert await bench.stack.send(tcp, b"works") == 5
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b"works"
