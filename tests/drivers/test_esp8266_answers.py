"""What callers of an Espressif module get for each of its answers, in virtual time, and what goes
over the wire. Answers as in the ESP-AT user guide and the NonOS AT instruction set."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket

import pytest

from atdriver.errors import EncodeError
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import ENABLE, TLS_LEVEL
from netsocket.stack import Kind
from tests.drivers.calls import START, commands
from tests.faults.bench import assemble, opened, virtual
from tests.faults.ends import connected, dial
from tests.faults.talk import round_trip

# -- connecting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "seconds", "error", "text"),
    [
        (
            ("DNS Fail", "ERROR"),
            0.0,
            errors.NameNotFound,
            r"\] 192\.0\.2\.\d: name not found \(module",
        ),
        (("no ip", "ERROR"), 0.0, errors.NetworkDown, r"\] the WiFi connection is down \(module"),
        (
            ("ERROR",),
            0.5,
            ConnectionRefusedError,
            r": connection refused \(0\.5 s; the module gives",
        ),
        (("ERROR",), 6.0, errors.ConnectTimeout, r":7: no connection after 6 s \(the module gives"),
        (("OK",), 0.0, errors.DeviceError, r":7: the module answered OK without CONNECT$"),
    ],
    ids=["name", "no-ip", "refused", "time-out", "no-connect"],
)
@virtual
async def test_a_connect_that_fails(
    says: tuple[str, ...], seconds: float, error: type[OSError], text: str
) -> None:
    async with opened("esp8266") as bench:
        bench.step(on=START, say=says, after=seconds, times=1)
        with pytest.raises(error, match=text) as caught:
            await bench.net.connect(("echo.test", 7), timeout=60)
        code = getattr(caught.value, "module_code", None)
        assert code == ("ERROR" if "ERROR" in says else None)
        if len(says) == 1:  # nobody can be sure what is open
            assert commands(bench, "AT+CIPCLOSE=")[-1] == "AT+CIPCLOSE=0"
        await round_trip(bench)


@virtual
async def test_a_connect_without_any_answer() -> None:
    async with opened("esp8266") as bench:
        bench.step(on=START, times=1)
        with pytest.raises(errors.ConnectTimeout):
            await bench.net.connect(("echo.test", 7), timeout=600)
        assert "AT+CIPCLOSE=0" in commands(bench, "AT+CIPCLOSE=")
        await round_trip(bench)


@virtual
async def test_a_link_that_somebody_left_open() -> None:
    async with opened("esp8266") as bench:
        bench.step(on=START, say=("ALREADY CONNECTED", "ERROR"), times=1)
        await round_trip(bench)
        assert commands(bench, "AT+CIPCLOSE=")[0] == "AT+CIPCLOSE=0"
        assert len(commands(bench, "AT+CIPSTART=0")) == 2


@virtual
async def test_the_local_port_of_a_connection_is_the_modules() -> None:
    async with opened("esp8266") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(tcp, SocketAddress("0.0.0.0", 8000))
        with pytest.raises(errors.NotSupported, match="chooses the local port") as caught:
            await bench.stack.connect(tcp, SocketAddress("echo.test", 7))
        assert caught.value.capability.id == "tcp.bind_port"
        assert commands(bench, "AT+CIPSTART") == []


# -- sending ---------------------------------------------------------------------------------------


@virtual
async def test_a_send_on_a_link_that_is_gone() -> None:
    """ERROR before the prompt, and the module does not know the link: an end, and no retry."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+CIPSEND=0,.*", say=("link is not valid", "ERROR"), times=1)
        bench.step(on=r"AT\+CIPSTAT(US|E\?)", say=("STATUS:3", "OK"), times=1)
        with pytest.raises(BrokenPipeError):
            await ends.send(100)
        assert len(commands(bench, "AT+CIPSEND=")) == 1
        assert ends.told() == 0


@virtual
async def test_a_datagram_to_the_other_version_of_ip() -> None:
    async with opened("esp8266") as bench:
        udp = await bench.stack.open(Kind.UDP)
        await bench.stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))
        written = len(bench.wire.written)
        with pytest.raises(errors.AddressFamilyNotSupported):
            await bench.stack.sendto(udp, b"x", SocketAddress("2001:db8::1", 7))
        assert len(bench.wire.written) == written


# -- reading ---------------------------------------------------------------------------------------


@virtual
async def test_a_read_that_is_refused_for_a_moment() -> None:
    """ERROR, though the module says that it holds something: asked again, nothing is lost."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        step = bench.step(on=r"AT\+CIPRECVDATA=0,.*", say=("ERROR",), times=2)
        ends.say(300)
        await ends.hear(300, within=2.0)
        assert bench.fake.scenario.used[step] == 2
        assert commands(bench, "AT+CIPRECVLEN?")


@virtual
async def test_a_read_that_is_refused_and_nothing_is_told_of_it() -> None:
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+CIPRECVDATA=0,.*", say=("ERROR",), times=1)
        bench.step(on=r"AT\+CIPRECVLEN\?", say=("ERROR",), times=1)
        ends.say(300)
        await asyncio.sleep(0.5)
        ends.say(100)
        await ends.hear(400, within=12.0)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "error", "text"),
    [
        (("ERROR",), errors.NameNotFound, r"\] gone\.test: name not found$"),
        (("OK",), errors.NameNotFound, r"\] gone\.test: the module gave no usable address$"),
        (('+CIPDOMAIN:"0.0.0.0"', "OK"), errors.NameNotFound, "no usable address$"),
        (('+CIPDOMAIN:"rubbish"', "OK"), errors.NameNotFound, "no usable address$"),
        ((), errors.NameTryAgain, r"\] gone\.test: no answer from the name server$"),
    ],
    ids=["error", "none", "zero", "rubbish", "silence"],
)
@virtual
async def test_a_name_that_is_not_resolved(
    says: tuple[str, ...], error: type[OSError], text: str
) -> None:
    async with opened("esp8266", names={"n.test": "198.51.100.9"}) as bench:
        bench.step(on=r"AT\+CIPDOMAIN=.*gone.*", say=says, times=1)
        with pytest.raises(error, match=text):
            await bench.net.resolve("gone.test")
        assert await bench.net.resolve("n.test") == ["198.51.100.9"]


# -- closing ---------------------------------------------------------------------------------------


@virtual
async def test_a_close_without_an_answer() -> None:
    """The id rests: whether it is free nobody knows. The caller is not held."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+CIPCLOSE=0", times=1)
        await ends.sock.close()
        await round_trip(bench)
        assert commands(bench, "AT+CIPSTART=")[-1].startswith("AT+CIPSTART=1,")


@virtual
async def test_a_close_that_comes_too_late() -> None:
    """ERROR ("UNLINK"): it was closed by itself meanwhile, and that is what was wanted."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        bench.step(before=r"0,CLOSED\r\n", instead="", times=1)
        ends.talk.fin()
        await asyncio.sleep(0.5)
        await ends.sock.close()
        assert b"AT+CIPCLOSE=0\r\n" in bench.wire.written
        await round_trip(bench)


# -- listening -------------------------------------------------------------------------------------


@virtual
async def test_a_server_of_somebody_else_is_ended() -> None:
    """NonOS says "no change" and goes on with the other port."""
    async with opened("esp8266", "N17") as bench:
        bench.step(on=r"AT\+CIPSERVER=1,8000", say=("no change", "OK"), times=1)
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(tcp, SocketAddress("0.0.0.0", 8000))
        await bench.stack.listen(tcp, 1)
        assert commands(bench, "AT+CIPSERVER=")[-3:] == [
            "AT+CIPSERVER=1,8000",
            "AT+CIPSERVER=0",
            "AT+CIPSERVER=1,8000",
        ]
        dial(bench, 8000)
        await asyncio.sleep(1.0)
        assert await bench.stack.accept(tcp) is not None


@virtual
async def test_a_link_that_nobody_opened_is_closed() -> None:
    """Once, however often it is told; a notice that makes no sense is counted."""
    async with opened("esp8266") as bench:
        for _ in range(3):
            bench.fake.raw(b"3,CONNECT\r\n")
        await asyncio.sleep(0.5)
        assert commands(bench, "AT+CIPCLOSE=3") == ["AT+CIPCLOSE=3"]
        before = bench.stack.anomalies
        bench.fake.raw(b'+LINK_CONN:0,9,"TCP",1,"nobody",7,8000\r\n')
        bench.fake.raw(b'+LINK_CONN:0,2,"TCP",1,"nobody",7,8000\r\n')
        bench.fake.raw(b'+LINK_CONN:0,4,"TCP",0,"192.0.2.4",7,8000\r\n')
        bench.fake.raw(b'+LINK_CONN:1,4,"TCP",0,"192.0.2.4",7,8000\r\n')
        await asyncio.sleep(0.5)
        assert bench.stack.anomalies > before
        assert commands(bench, "AT+CIPCLOSE=4") == ["AT+CIPCLOSE=4"]
        await round_trip(bench)


@virtual
async def test_a_peer_whose_row_cannot_be_read() -> None:
    """Its connection is accepted all the same, from nowhere."""
    async with opened("esp8266", "E2") as bench:
        bench.step(on=r"AT\+SYSMSG=.*", say=("ERROR",))
        bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:3", '+CIPSTATUS:0,"TCP","?",x,8000,1', "OK"))
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(tcp, SocketAddress("0.0.0.0", 8000))
        await bench.stack.listen(tcp, 1)
        talk = dial(bench, 8000)
        await asyncio.sleep(1.0)
        found = await bench.stack.accept(tcp)
        assert found is not None
        assert found[1].port == 0
        await bench.stack.send(found[0], b"hello")
        await asyncio.sleep(1.0)
        assert bytes(talk.told) == b"hello"


# -- options ---------------------------------------------------------------------------------------

TCP, SOL = socket.IPPROTO_TCP, socket.SOL_SOCKET


@pytest.mark.parametrize(
    ("key", "value"), [((TCP, socket.TCP_NODELAY), 1), ((SOL, socket.SO_KEEPALIVE), 1)]
)
@virtual
async def test_an_option_that_the_module_refuses(key: tuple[int, int], value: int) -> None:
    """The caller gets an error, and the option reads as it was."""
    async with opened("esp8266") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.connect(tcp, SocketAddress("echo.test", 7))
        former = await bench.stack.get_option(tcp, *key)
        assert former != value
        bench.step(on=r"AT\+CIPTCPOPT=.*", say=("ERROR",), times=1)
        with pytest.raises(errors.DeviceError):
            await bench.stack.set_option(tcp, *key, value)
        assert await bench.stack.get_option(tcp, *key) == former
        await bench.stack.set_option(tcp, *key, value)
        assert await bench.stack.get_option(tcp, *key) == value
        written = len(bench.wire.written)
        await bench.stack.set_option(tcp, *key, value)
        assert len(bench.wire.written) == written, "it has it already"


@virtual
async def test_a_firmware_without_options() -> None:
    """AT+CIPTCPOPT? is asked once."""
    async with opened("esp8266") as bench:
        bench.step(on=r"AT\+CIPTCPOPT\?", say=("ERROR",))
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.connect(tcp, SocketAddress("echo.test", 7))
        for _ in range(2):
            with pytest.raises(errors.NotSupported, match="small segments"):
                await bench.stack.set_option(tcp, TCP, socket.TCP_NODELAY, 1)
        assert len(commands(bench, "AT+CIPTCPOPT?")) == 1
        assert await bench.stack.get_option(tcp, TCP, socket.TCP_NODELAY) == 0


@virtual
async def test_options_that_there_are_not() -> None:
    async with opened("esp8266") as bench:
        tcp, udp = await bench.stack.open(Kind.TCP), await bench.stack.open(Kind.UDP)
        written = len(bench.wire.written)
        for call in (
            bench.stack.get_option(tcp, SOL, 9999),
            bench.stack.get_option(udp, TCP, socket.TCP_NODELAY),
            bench.stack.set_option(udp, TCP, socket.TCP_NODELAY, 1),
            bench.stack.set_option(udp, SOL, socket.SO_BROADCAST, 0),
        ):
            with pytest.raises(errors.NotSupported):
                await call
        await bench.stack.set_option(udp, SOL, socket.SO_BROADCAST, 1)
        assert await bench.stack.get_option(udp, SOL, socket.SO_BROADCAST) == 1
        assert len(bench.wire.written) == written


# -- the rest --------------------------------------------------------------------------------------


@virtual
async def test_pings() -> None:
    async with opened("esp8266", names={"n.test": "198.51.100.9"}) as bench:
        for says, error, text in (
            (("+timeout", "ERROR"), errors.ConnectTimeout, r"\] n\.test: no answer to ping$"),
            (("OK",), errors.DeviceError, r"\] n\.test: ping gave no time$"),
        ):
            bench.step(on=r"AT\+PING=.*", say=says, times=1)
            with pytest.raises(error, match=text):
                await bench.net.ping("n.test")
        written = len(bench.wire.written)
        with pytest.raises(EncodeError, match="a host name"):
            await bench.stack.ping("n" * 65)  # type: ignore[attr-defined]
        with pytest.raises(EncodeError, match="a host name"):
            await bench.stack.resolve("n" * 65)
        assert len(bench.wire.written) == written
        bench.step(on=r"AT\+PING=.*", say=("+PING:235", "OK"), times=1)
        assert await bench.net.ping("n.test") == 0.235


@virtual
async def test_no_ipv6_on_nonos() -> None:
    async with opened("esp8266", "N17") as bench:
        udp = await bench.stack.open(Kind.UDP)
        written = len(bench.wire.written)
        for call in (
            bench.stack.resolve("n.test", 10),
            bench.stack.sendto(udp, b"x", SocketAddress("2001:db8::1", 7)),
        ):
            with pytest.raises(errors.NotSupported) as caught:
                await call
            assert caught.value.errno == errno.EAFNOSUPPORT
        assert len(bench.wire.written) == written


@virtual
async def test_a_datagram_socket_that_gets_no_answer() -> None:
    async with opened("esp8266") as bench:
        udp = await bench.stack.open(Kind.UDP)
        bench.step(on=r'AT\+CIPSTART=\d,"UDP".*', times=1)
        with pytest.raises(OSError):
            await bench.stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))
        await asyncio.sleep(2.0)
        await bench.stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))


@virtual
async def test_the_form_of_what_is_read_is_settled_first() -> None:
    """AT+CIPDINFO=1 without an answer leaves both forms possible: nothing is read before it is
    asked for again, and no byte is lost."""
    async with opened("esp8266") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+CIPDINFO=1", times=1)
        udp = await bench.stack.open(Kind.UDP)
        with pytest.raises(OSError):
            await bench.stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))
        ends.say(300)
        await ends.hear(300, within=10.0)
        lines = commands(bench, "AT+CIP")
        assert lines.count("AT+CIPDINFO=1") == 2
        assert lines[-1].startswith("AT+CIPRECVDATA=")


@virtual
async def test_an_id_that_changes_hands_while_it_is_read() -> None:
    """The bytes may be the new owner's: neither stream is whole for certain, so both end."""
    async with opened("esp8266") as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.bind(tcp, SocketAddress("0.0.0.0", 8000))
        await stack.listen(tcp, 4)
        talk = dial(bench, 8000)
        await asyncio.sleep(1.0)
        old = await stack.accept(tcp)
        assert old is not None
        talk.say(b"whose?")
        bench.step(on=r"AT\+CIPRECVDATA=0,.*", passes=False, after=0.5,
                   say=("+CIPRECVDATA:6,whose?", "OK"), times=1)  # fmt: skip
        await asyncio.sleep(0.1)
        reading = asyncio.create_task(stack.recv(old[0], 100))
        await asyncio.sleep(0.2)
        bench.fake.raw(b'+LINK_CONN:0,0,"TCP",1,"192.0.2.9",5000,8000\r\n')
        with pytest.raises(ConnectionResetError):
            await reading
        new = await stack.accept(tcp)
        assert new is not None
        assert new[1] == SocketAddress("192.0.2.9", 5000)
        with pytest.raises(ConnectionResetError, match="first bytes"):
            await stack.recv(new[0], 100)


@virtual
async def test_a_module_that_a_program_left_in_another_mode() -> None:
    """AT+CIPMUX=1 fails while a single connection is open: it is closed, and asked again."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CIPMUX=1", say=("Link is builded", "ERROR"), times=1)
    async with bench.net:
        lines = commands(bench, "AT+CIP")
        at = lines.index("AT+CIPMUX=1")
        assert lines[at : at + 3] == ["AT+CIPMUX=1", "AT+CIPCLOSE=5", "AT+CIPMUX=1"]
        await round_trip(bench)


@pytest.mark.parametrize("says", [("ERROR",), ("+CIPSSLCCONF:rubbish", "OK"), ("OK",)])
@virtual
async def test_tls_of_the_module_whose_settings_are_not_told(says: tuple[str, ...]) -> None:
    """It is set all the same, and there is nothing to put back."""
    async with opened("esp8266", "E33") as bench:
        bench.step(on=r"AT\+CIPSSLCCONF\?", say=says)
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
        with contextlib.suppress(OSError):  # whether the peer speaks TLS is of no interest here
            await bench.stack.connect(tcp, SocketAddress("echo.test", 7))
        assert commands(bench, "AT+CIPSSLCCONF=") == ["AT+CIPSSLCCONF=0,0"]
    assert len(commands(bench, "AT+CIPSSLCCONF=")) == 1


@pytest.mark.parametrize("what", ["read", "send"])
@virtual
async def test_what_waits_in_line_for_a_link_that_was_given_up_is_not_begun(what: str) -> None:
    """The link may be the next connection's by then: what a read fetches, or a send carries, too."""
    async with opened("esp8266") as bench:
        sock = await bench.net.connect(("echo.test", 7), timeout=10)
        (one,) = bench.stack._sockets.values()
        bench.step(on=r"AT\+CWJAP\?", passes=True, after=1.0, times=1)
        asking = asyncio.ensure_future(bench.net.refresh())
        await asyncio.sleep(0.5)
        if what == "read":
            waiting = asyncio.ensure_future(sock.recv(100))
            bench.channel.data_received(b"\r\n+IPD,%d,5\r\n" % one.link)
        else:
            waiting = asyncio.ensure_future(sock.send(b"hello"))
        await asyncio.sleep(0.1)
        mark = len(bench.wire.written)
        link, one.link = one.link, None  # as when it ended
        bench.stack._break(one, errors.ConnectionReset("ended"))
        await asking
        with pytest.raises(ConnectionResetError):
            await waiting
        assert b"AT+CIPRECVDATA" not in bench.wire.written[mark:]
        assert b"AT+CIPSEND" not in bench.wire.written[mark:]
        one.link = link  # for the end
