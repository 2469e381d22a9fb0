"""What happens by itself in an Espressif module: notices, the WiFi that is lost and comes back, and the looks
that find what none told; names and sends. In virtual time; answers as in the ESP-AT User Guide."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.actions import perform
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import ENABLE, SET_HOSTNAME, TLS_LEVEL
from netsocket.stack import Handle, InterfaceStatus, Kind
from tests.drivers.calls import (
    ECHO,
    READS,
    SINK,
    START,
    held,
    listening,
    statuses,
    stream,
    tell,
    tells,
    written,
)
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import connected, now

UP, CONNECTING = InterfaceStatus.GLOBAL_UP, InterfaceStatus.CONNECTING


async def reason(call: Any, kind: type[OSError]) -> str:
    with pytest.raises(kind) as caught:
        await call
    assert type(caught.value) is kind
    return str(getattr(caught.value, "reason", caught.value.strerror))


# -- the WiFi ----------------------------------------------------------------------------------------


@virtual
async def test_a_wifi_that_is_lost_and_comes_back_by_itself() -> None:
    """The module ends its connections: no peer's doing. What is up again is told by the module."""
    async with opened("esp8266") as bench:
        told = statuses(bench)
        tcp, other = await stream(bench), await stream(bench)
        tells(bench, "WIFI DISCONNECT", "0,CLOSED")
        await asyncio.sleep(0.1)
        assert told == [CONNECTING]
        assert await reason(bench.stack.recv(tcp, 1), errors.ConnectionReset) == (
            "the WiFi connection was lost"
        )
        assert str(bench.stack.failure) == str(errors.NetworkDown("the WiFi connection was lost"))
        bench.step(on=r"AT\+CIPSTA\?", say=('+CIPSTA:ip:"10.0.0.8"', "OK"))
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:2", "OK"))
        tells(bench, "WIFI CONNECTED", "WIFI GOT IP")
        await asyncio.sleep(1.0)
        assert told == [CONNECTING, UP]
        assert bench.stack.address == "10.0.0.8"
        assert await reason(bench.stack.recv(other, 1), errors.ConnectionReset) == (
            "the WiFi connection was lost"
        )
        assert bench.stack.recovery == {"wifi lost": 1}


@pytest.mark.parametrize("firmware", ["N17", "E24"])
@virtual
async def test_a_wifi_that_does_not_come_back_is_joined_again(firmware: str) -> None:
    """Two looks, 5 s apart, and then a join; sockets live on where their links do."""
    async with opened("esp8266", firmware) as bench:
        told = statuses(bench)
        cur = "_CUR" if firmware == "N17" else ""
        bench.step(on=rf"AT\+CIPSTA{cur}\?", say=(f'+CIPSTA{cur}:ip:"0.0.0.0"', "OK"), times=2)
        since = len(bench.wire.lines)
        begun = now()
        tells(bench, "WIFI DISCONNECT")
        while told[-1:] != [UP]:
            await asyncio.sleep(0.1)
        joins = [line for line in written(bench, since) if line.startswith(f"AT+CWMODE{cur}")]
        assert len(joins) == 1
        assert 14.0 < now() - begun < 20.0
        assert bench.stack.recovery == {"wifi lost": 1, "retry": 3}
        assert (await bench.stack.status()).details["recovery"] == "retry 3, wifi lost 1"


@virtual
async def test_a_loss_that_nobody_heard_of_is_found_out() -> None:
    """Once a minute it is asked for; a question that was refused once is no loss."""
    async with opened("esp8266") as bench:
        told = statuses(bench)
        bench.step(on=r"AT\+CWJAP\?", say=("ERROR",), times=1)
        await asyncio.sleep(75.0)
        assert told == []
        assert b"AT+CWJAP?" in bench.wire.written
        bench.step(on=r"AT\+CWJAP\?", say=("No AP", "OK"), times=2)
        begun = now()
        while not told:
            await asyncio.sleep(0.1)
        assert told == [CONNECTING]
        assert now() - begun < 75.0


@virtual
async def test_a_notice_of_the_wifi_makes_one_look_at_the_links() -> None:
    """However often it is told, half a second later; the address may be another one."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        since = len(bench.wire.lines)
        bench.step(on=r"AT\+CIPSTA\?", say=('+CIPSTA:ip:"10.0.0.8"', "OK"), times=1)
        for _ in range(3):
            tells(bench, "WIFI GOT IP")
            await asyncio.sleep(0.1)
        assert written(bench, since) == []
        await asyncio.sleep(0.5)
        assert written(bench, since) == ["AT+CIPSTATUS", "AT+CIPSTA?"]
        assert bench.stack.address == "10.0.0.8"
        assert await bench.stack.send(tcp, b"x") == 1
        bench.step(on=r"AT\+CIPSTA\?", say=("OK",), times=1)
        tells(bench, "WIFI GOT IP")
        await asyncio.sleep(1.0)
        assert bench.stack.address == "10.0.0.8", "the last that is known"
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:2", "OK"), times=1)
        tells(bench, "WIFI GOT IP")
        await asyncio.sleep(1.0)
        assert await reason(bench.stack.recv(tcp, 1), errors.ConnectionReset) == (
            "the WiFi connection was lost"
        )


@virtual
async def test_notices_of_a_wifi_that_nobody_wants() -> None:
    """While it is only asked questions, or before its start, nothing is done about them."""
    bench = assemble("esp8266")
    await bench.stack.configure()
    since = len(bench.wire.lines)
    tells(bench, "WIFI DISCONNECT", "WIFI CONNECTED", "WIFI GOT IP")
    await asyncio.sleep(2.0)
    assert written(bench, since) == []
    await bench.net.up()
    assert bench.net.status is UP
    await bench.net.close()


# -- looks -------------------------------------------------------------------------------------------


@virtual
async def test_data_of_which_nothing_was_told_is_found() -> None:
    """The waiting lengths are asked for each 3 s."""
    async with opened("esp8266") as bench:
        await stream(bench)
        tcp = await stream(bench, ECHO)
        bench.step(before=r"\r\n\+IPD.*", instead="")
        bench.talks("echo.test:7")[0].say(b"unheard")
        begun = now()
        assert await tell(lambda: bench.stack.recv(tcp, 10)) == b"unheard"
        assert now() - begun < 3.5
        since = len(bench.wire.lines)
        await asyncio.sleep(13.0)
        assert written(bench, since).count("AT+CIPRECVLEN?") == 4


@virtual
async def test_an_end_of_which_nothing_was_told_is_found() -> None:
    """The links are looked at each 15 s; one for which data is waiting is read first."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        bench.step(before=r"0,CLOSED\r\n", instead="")
        bench.talks("sink.test:9")[0].fin()
        begun = now()
        while True:
            try:
                assert await bench.stack.recv(tcp, 1) is None
            except errors.ConnectionReset as error:
                assert error.reason == "it ended, and the notice of it was lost"
                break
            await asyncio.sleep(0.1)
        assert 5.0 < now() - begun < 16.0


@pytest.mark.parametrize(("receive", "polls"), [("pull", True), ("push", False)])
@virtual
async def test_what_is_looked_for(receive: str, polls: bool) -> None:
    """Nothing while there are no sockets; lengths where data waits in the module, and links."""
    async with opened("esp8266", receive=receive) as bench:
        since = len(bench.wire.lines)
        await asyncio.sleep(40.0)
        assert set(written(bench, since)) == {"AT+CIPMUX?"}, "is it still there?"
        await stream(bench)
        since = len(bench.wire.lines)
        await asyncio.sleep(40.0)
        found = written(bench, since)
        assert ("AT+CIPRECVLEN?" in found) is polls
        assert 2 <= found.count("AT+CIPSTATUS") <= 3


@virtual
async def test_a_close_that_may_be_a_piece_of_a_payload_is_asked_for() -> None:
    """It was told in a damaged answer: the links say whether it is true; once for many."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        sniffed = ("0,CLOSED", "1,CONNECT FAIL", '+CWLAP:(3,"x",-50,"5c:cf:7f:00:00:01",6)', "OK")
        bench.step(on=r"AT\+CWLAP", say=sniffed, times=2)
        since = len(bench.wire.lines)
        await bench.stack.scan()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        assert written(bench, since).count("AT+CIPSTATUS") == 1
        await ends.send(10)
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:4", "OK"), times=1)
        await bench.stack.scan()  # type: ignore[attr-defined]
        error = await ends.end()
        assert error is not None
        assert error.strerror == "the connection ended while the serial line was disturbed"


# -- pushed data -------------------------------------------------------------------------------------


@virtual
async def test_pushed_data_of_a_link_that_is_pulled_is_nobodys() -> None:
    """Somebody's payload behind a damaged answer: it is counted, and the last read is in doubt."""
    async with opened("esp8266") as bench:
        tcp = await stream(bench)
        before = bench.stack.anomalies
        tells(bench, "\r\n+IPD,0,5:hello")
        await asyncio.sleep(0.1)
        assert bench.stack.anomalies == before + 1
        assert await bench.stack.recv(tcp, 10) is None


@virtual
async def test_pushed_data_and_the_end_behind_it() -> None:
    async with opened("esp8266", receive="push") as bench:
        tcp = await stream(bench)
        tells(bench, "\r\n+IPD,0,5:hello0,CLOSED", "\r\n+IPD,3,5:nobod")
        await asyncio.sleep(0.1)
        assert await bench.stack.recv(tcp, 10) == b"hello"
        assert await bench.stack.recv(tcp, 10) == b""
        assert b"CIPRECVDATA" not in bench.wire.written


@virtual
async def test_pushed_data_among_names_from_the_air() -> None:
    """Whoever chose such a name must not speak for the peer."""
    async with opened("esp8266", receive="push") as bench:
        tcp = await stream(bench)
        row = b'+CWLAP:(3,"x",-50,"5c:cf:7f:00:00:01",6)\r\n'
        bench.step(on=r"AT\+CWLAP", raw=row + b"\r\n+IPD,0,5:hello" + row + b"\r\nOK\r\n", times=1)
        await bench.stack.scan()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        assert await reason(bench.stack.recv(tcp, 10), errors.ConnectionReset) == (
            "received bytes may be another connection's: the serial line was disturbed"
        )


@virtual
async def test_a_pushed_stream_in_which_bytes_may_be_missing() -> None:
    async with opened("esp8266", receive="push") as bench:
        tcp = await stream(bench)
        udp = await bench.stack.open(Kind.UDP)
        await bench.stack.sendto(udp, b"x", SINK)
        tells(bench, "\r\n+IPD,0,5:hello")
        tells(bench, "\r\n+IPD,0,x:what")
        await asyncio.sleep(0.1)
        assert (await reason(bench.stack.recv(tcp, 10), errors.ConnectionReset)).startswith(
            "bytes may be missing on the serial line ("
        )
        assert await bench.stack.recvfrom(udp, 10) is None


# -- names, pings, sends -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "line"),
    [(0, 'AT+CIPDOMAIN="n.test"'), (2, 'AT+CIPDOMAIN="n.test"'), (10, 'AT+CIPDOMAIN="n.test",3')],
)
@pytest.mark.parametrize(
    ("says", "found"),
    [
        ('+CIPDOMAIN:"192.0.2.9"', ["192.0.2.9"]), ("+CIPDOMAIN:192.0.2.9", ["192.0.2.9"]),
        ('+CIPDOMAIN:"2001:DB8::9"', ["2001:db8::9"]), ('+CIPDOMAIN:"0.0.0.0"', None),
        ('+CIPDOMAIN:"255.255.255.255"', None), ('+CIPDOMAIN:"::"', None),
    ],
)  # fmt: skip
@virtual
async def test_the_address_of_a_name(
    family: int, line: str, says: str, found: list[str] | None
) -> None:
    """Of both versions the module prefers IPv4; 3 asks for IPv6 alone."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+CIPDOMAIN=.*", say=(says, "OK"), times=1)
        since = len(bench.wire.lines)
        if found is None:
            assert await reason(bench.stack.resolve("n.test", family), errors.NameNotFound) == (
                "n.test: the module gave no usable address"
            )
        else:
            assert await bench.stack.resolve("n.test", family) == found
        assert written(bench, since) == [line]


@virtual
async def test_questions_while_the_wifi_is_away() -> None:
    """Then that is the reason, whatever the module says."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        tells(bench, "WIFI DISCONNECT")
        await asyncio.sleep(0.1)
        bench.step(on=r"AT\+CIPDOMAIN=.*", say=("DNS Fail", "ERROR"), times=1)
        bench.step(on=START, say=("ERROR",), times=1)
        for call in (stack.resolve("n.test"), stack.connect(tcp, SocketAddress("192.0.2.1", 7))):
            assert await reason(call, errors.NetworkDown) == "the WiFi connection is down"


@pytest.mark.parametrize("tls", [False, True])
@virtual
async def test_a_connect_that_is_refused(tls: bool) -> None:
    async with opened("esp8266", "E24") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        if tls:
            await bench.stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
        for seconds, kind, text in (
            (2.4, errors.ConnectionRefused, ("connection refused or TLS handshake failed" if tls else
             "connection refused") + " (2.4 s; the module gives no reason)"),
            (2.6, errors.ConnectTimeout, "no connection after 3 s (the module gives no reason)"),
        ):  # fmt: skip
            bench.step(on=r"AT\+CIPSTART=.*", say=("ERROR",), after=seconds, times=1)
            call = bench.stack.connect(tcp, SocketAddress("192.0.2.1", 7))
            assert await reason(call, kind) == f"192.0.2.1:7: {text}"


@virtual
async def test_a_connect_without_any_answer() -> None:
    """30 s, and 30 more for a handshake; what may be open is closed."""
    for tls, seconds in ((False, 30.0), (True, 60.0)):
        async with opened("esp8266") as bench:
            tcp = await bench.stack.open(Kind.TCP)
            if tls:
                await bench.stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
            bench.step(on=r"AT\+CIPSTART=.*", times=1)
            begun = now()
            text = await reason(
                bench.stack.connect(tcp, SocketAddress("192.0.2.1", 7)), errors.ConnectTimeout
            )
            assert text.startswith("192.0.2.1:7: AT+CIPSTART=0,")
            assert seconds <= now() - begun < seconds + 10.0
            assert written(bench)[-1] == "AT+CIPCLOSE=0"


@virtual
async def test_tls_of_the_module_as_it_goes_over_the_wire() -> None:
    """No verification; the name that was chosen, else the host's; each written where it differs."""
    async with opened("esp8266", "E24") as bench:
        stack = bench.stack
        bench.step(on=r"AT\+CIPSTART=.*", say=("0,CONNECT", "OK"))
        bench.step(on=r"AT\+CIPCLOSE=0", say=("0,CLOSED", "OK"))
        bench.step(
            on=r"AT\+CIPSSLCCONF\?",
            say=("+CIPSSLCCONF:0,2,1,1", "+CIPSSLCCONF:1,0,0,0", "OK"),
            times=1,
        )
        bench.step(on=r"AT\+CIPSSLCCONF\?", say=("+CIPSSLCCONF:0,0,0,0", "OK"))
        bench.step(on=r"AT\+CIPSSLC(CONF|SNI)=.*", say=("OK",))
        for name, host, lines in (
            (b"", "192.0.2.1", ["AT+CIPSSLCCONF=0,0"]),
            (b"", "a.test", ['AT+CIPSSLCSNI=0,"a.test"']),
            (b"", "a.test", []),
            (b"b.test", "a.test", ['AT+CIPSSLCSNI=0,"b.test"']),
            (b"", "192.0.2.1", ['AT+CIPSSLCSNI=0,""']),
        ):
            tcp = await stack.open(Kind.TCP)
            await stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
            if name:
                await stack.set_option(tcp, TLS_LEVEL, SET_HOSTNAME, name)
            bench.step(on=r"AT\+CIPDOMAIN=.*", say=('+CIPDOMAIN:"192.0.2.1"', "OK"), times=1)
            since = len(bench.wire.lines)
            await stack.connect(tcp, SocketAddress(host, 443))
            found = [line for line in written(bench, since) if line.startswith("AT+CIPSSLC")]
            assert found == ["AT+CIPSSLCCONF?", *lines]
            assert written(bench)[-1] == 'AT+CIPSTART=0,"SSL","192.0.2.1",443'
            await stack.close(tcp)
        since = len(bench.wire.lines)
    assert "AT+CIPSSLCCONF=0,2,1,1" in written(bench, since)


@virtual
async def test_how_many_connections_of_tls_there_are() -> None:
    for firmware, most in (("E22", 1), ("E24", 5)):
        async with opened("esp8266", firmware) as bench:
            bench.step(on=r"AT\+CIPSSLC(CONF|SNI)=.*", say=("OK",))
            for link in range(most):
                bench.step(on=rf"AT\+CIPSTART={link},.*", say=(f"{link},CONNECT", "OK"))
            handles = [await bench.stack.open(Kind.TCP) for _ in range(min(most + 1, 5))]
            for count, handle in enumerate(handles):
                await bench.stack.set_option(handle, TLS_LEVEL, ENABLE, 1)
                call = bench.stack.connect(handle, SocketAddress("192.0.2.1", 443))
                if count < most:
                    await call
                else:
                    assert await reason(call, errors.NoSocket) == (
                        f"this module has {most} TLS connection(s) at a time"
                    )


async def read_once(bench: Bench, tcp: Handle, block: bytes) -> list[str]:
    """The reads that an announcement of 5 bytes leads to, of which one brings `block`."""
    since = len(bench.wire.lines)
    bench.step(on=READS["esp8266"], raw=block, times=1)
    bench.step(on=READS["esp8266"], say=("ERROR",), times=1)
    bench.step(on=r"AT\+CIPRECVLEN\?", say=("+CIPRECVLEN:0,0,0,0,0", "OK"), times=1)
    tells(bench, "\r\n+IPD,0,5")
    assert await tell(lambda: bench.stack.recv(tcp, 9000)) == block.split(b",", 1)[1][:-6]
    await asyncio.sleep(0.5)
    await bench.stack.recv(tcp, 1)
    return [line for line in written(bench, since) if line.startswith("AT+CIPRECVDATA=")]


@virtual
async def test_a_read_is_followed_by_another_one_where_more_is_expected() -> None:
    """Behind a full one, behind less than was announced, and behind each of TLS: one record at a time."""
    for tls, size, reads in ((False, 5, 1), (False, 4, 2), (True, 5, 2)):
        async with opened("esp8266") as bench:
            tcp = await bench.stack.open(Kind.TCP)
            await bench.stack.connect(tcp, SINK)
            held(bench).tls = tls
            block = b"+CIPRECVDATA:%d,%b\r\nOK\r\n" % (size, bytes(size))
            found = await read_once(bench, tcp, block)
            assert found == ["AT+CIPRECVDATA=0,5760"] * reads, (tls, size)


@pytest.mark.parametrize("how", ["peer-closed", "no-row", "row"])
@virtual
async def test_a_send_that_is_refused(how: str) -> None:
    """ERROR before the prompt: the links say whether the connection stands."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await stream(bench)
        bench.step(on=r"AT\+CIPSEND=0,1", say=("link is not valid", "ERROR"), times=1)
        if how == "no-row":
            row = '+CIPSTATUS:1,"TCP","192.0.2.44",4444,8000,0'
            bench.step(on=r"AT\+CIPSTATUS", say=(row, "OK"), times=1)
        if how == "row":
            assert await stack.send(tcp, b"x") == 0
            assert await stack.send(tcp, b"x") == 1
            return
        if how == "peer-closed":
            await stack.shutdown(tcp, 2)
        text = await reason(stack.send(tcp, b"x"), errors.BrokenPipe)
        assert text == ("the connection is closed" if how == "no-row" else
                        "the peer has closed the connection")  # fmt: skip
        assert await tell(lambda: stack.recv(tcp, 1)) == b""


@virtual
async def test_a_listener_and_a_wifi_that_is_lost() -> None:
    """Its links end with it, the listening port does not."""
    async with opened("esp8266") as bench:
        listener = await listening(bench)
        perform(bench.fake, "event", "wifi_lost")
        await asyncio.sleep(20.0)
        assert bench.net.status is UP
        tells(bench, '+LINK_CONN:0,0,"TCP",1,"192.0.2.44",4444,8000')
        assert (await tell(lambda: bench.stack.accept(listener)))[1].port == 4444
