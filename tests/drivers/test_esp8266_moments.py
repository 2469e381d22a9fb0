"""What comes from an Espressif module at a bad moment: behind a damaged answer, while a listener closes,
while an id changes hands. In virtual time; answers as in the ESP-AT User Guide."""

from __future__ import annotations

import asyncio
import logging

import pytest

from netsocket.address import SocketAddress
from netsocket.stack import InterfaceStatus, Kind
from tests.drivers.calls import (
    SINK,
    START,
    UDP_PEER,
    commands,
    listening,
    statuses,
    stream,
    tell,
    tells,
)
from tests.faults.bench import opened, virtual
from tests.faults.ends import connected

UP, CONNECTING = InterfaceStatus.GLOBAL_UP, InterfaceStatus.CONNECTING
PEER = SocketAddress("192.0.2.44", 4444)
CAME = '+LINK_CONN:0,{},"TCP",1,"192.0.2.44",4444,8000'
ROW = '+{}:{},"TCP","192.0.2.44",4444,8000,1'
NETWORK = '+CWLAP:(3,"x",-50,"5c:cf:7f:00:00:01",6)'


def mistakes(caplog: pytest.LogCaptureFixture) -> list[object]:
    """Errors of the program's own that the log tells of: neither a module nor a port raises them."""
    told = [each for record in caplog.records for each in (record.args or ())]
    return [each for each in told if isinstance(each, Exception) and not isinstance(each, OSError)]


@virtual
async def test_a_wifi_that_is_back_without_an_address() -> None:
    """It was lost again before it could be asked: then it is not up, and the next notice tells."""
    async with opened("esp8266") as bench:
        told = statuses(bench)
        tells(bench, "WIFI DISCONNECT")
        await asyncio.sleep(0.1)
        bench.step(on=r"AT\+CIPSTA\?", say=('+CIPSTA:ip:"0.0.0.0"', "OK"), times=2)
        tells(bench, "WIFI CONNECTED", "WIFI GOT IP")
        await asyncio.sleep(1.0)
        assert told == [CONNECTING]
        tells(bench, "WIFI GOT IP")
        await asyncio.sleep(1.0)
        assert told == [CONNECTING, UP]


@virtual
async def test_a_doubtful_end_while_the_links_cannot_be_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Then it is not believed, the log says why, and the next one is looked into again."""
    caplog.set_level(logging.DEBUG, "atdriver.modems")
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+CWLAP", say=("0,CLOSED", NETWORK, "OK"), times=2)
        bench.step(on=r"AT\+CIPSTAT(US|E\?)", say=("ERROR",), times=2)
        await bench.net.scan()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        assert "looking at the links: [Errno 5] AT+CIPSTATE?: ERROR" in caplog.text
        await ends.send(10)
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:4", "OK"), times=1)
        await bench.net.scan()  # type: ignore[attr-defined]
        error = await ends.end()
        assert error is not None
        assert error.strerror == "the connection ended while the serial line was disturbed"


@virtual
async def test_a_datagram_among_names_from_the_air() -> None:
    """Whoever chose such a name must not speak for a peer; a datagram less is no end."""
    async with opened("esp8266", receive="push") as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        await stack.sendto(udp, b"x", SINK)
        datagram = '\r\n+IPD,0,5,"192.0.2.1",7:'
        forged = f"{NETWORK}\r\n{datagram}hello{NETWORK}\r\n\r\nOK\r\n"
        bench.step(on=r"AT\+CWLAP", raw=forged.encode(), times=1)
        await bench.net.scan()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        assert await stack.recvfrom(udp, 10) is None
        tells(bench, f"{datagram}truly")
        assert await tell(lambda: stack.recvfrom(udp, 10)) == (b"truly", UDP_PEER)


@virtual
async def test_a_listener_that_is_closed_while_it_is_asked_who_came(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The answer comes when nobody listens any more: the connection is closed, and that is all."""
    caplog.set_level(logging.DEBUG, "atdriver.modems")
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+SYSMSG.*", say=("ERROR",))
        listener = await listening(bench)
        bench.step(on=r"AT\+CIPSTATUS", say=("ERROR",), after=1.0, times=1)
        bench.step(on=r"AT\+CIPSTATE\?", say=(ROW.format("CIPSTATE", 3), "OK"), times=1)
        since = len(bench.wire.lines)
        tells(bench, "3,CONNECT")
        await asyncio.sleep(0.3)
        await bench.stack.close(listener)
        await asyncio.sleep(0.5)
        assert commands(bench, "AT+CIPS", since) == [
            "AT+CIPSTATUS", "AT+CIPSERVER=0", "AT+CIPSTATE?"]  # fmt: skip
        assert commands(bench, "AT+CIPCLOSE=") == ["AT+CIPCLOSE=3"]
        assert mistakes(caplog) == []


@virtual
async def test_an_id_that_a_peer_takes_from_a_datagram_socket() -> None:
    """Its close crosses a connection that comes in, whose data waits in the module as that of all."""
    async with opened("esp8266", "E33") as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        await stack.sendto(udp, b"x", UDP_PEER)
        listener = await listening(bench)
        assert commands(bench, "AT+CIPRECVTYPE=0") == ["AT+CIPRECVTYPE=0,0"]
        bench.step(on=r"AT\+CIPCLOSE=0", say=("0,CLOSED", CAME.format(0), "OK"), times=1)
        bench.step(on=r"AT\+CIPSTATUS", say=(ROW.format("CIPSTATUS", 0), "OK"), times=1)
        await stack.close(udp)
        found = await tell(lambda: stack.accept(listener))
        assert found[1] == PEER
        await asyncio.sleep(0.1)
        assert commands(bench, "AT+CIPRECVTYPE=0") == ["AT+CIPRECVTYPE=0,0", "AT+CIPRECVTYPE=0,1"]


@virtual
async def test_an_id_that_a_peer_takes_from_a_connect_without_any_answer() -> None:
    """The connect takes another one; the peer's is not closed."""
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        bench.step(on=START, times=1)
        connecting = asyncio.ensure_future(stream(bench, SocketAddress("192.0.2.1", 7)))
        await asyncio.sleep(0.2)
        tells(bench, CAME.format(4))
        tcp = await connecting
        assert [line[:14] for line in commands(bench, "AT+CIPSTART=")] == [
            "AT+CIPSTART=4,", "AT+CIPSTART=3,"]  # fmt: skip
        assert "AT+CIPCLOSE=4" not in commands(bench, "AT+CIPCLOSE=")
        assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER
        assert await bench.stack.send(tcp, b"works") == 5
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b"works"
