"""The Stack protocol's calls at their edges, on both modules, in virtual time: the error that a
caller gets, that nothing went over the wire for it, and that the next connection works."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from types import SimpleNamespace

import pytest

from modems import table
from modems.module import ModuleStack
from modems.table import PORT_ATTEMPTS
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, Kind
from tests.drivers.calls import ECHO, UDP_PEER, both, port, stream
from tests.faults.bench import assemble, opened, virtual
from tests.faults.ends import dial
from tests.faults.talk import round_trip

ANY = SocketAddress("0.0.0.0", 0)


async def heard(stack: ModuleStack, handle: Handle, count: int) -> bytes:
    got = b""
    async with asyncio.timeout(10):
        while len(got) < count:
            got += await stack.recv(handle, 1000) or b""
            await asyncio.sleep(0.05)
    return got


@both
@virtual
async def test_a_socket_that_is_not_connected(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        written = len(bench.wire.written)
        with pytest.raises(errors.NotConnected):
            await stack.recv(tcp, 100)
        with pytest.raises(errors.NotConnected):
            await stack.send(tcp, b"x")
        with pytest.raises(errors.NotConnected):
            await stack.shutdown(tcp, socket.SHUT_RDWR)
        with pytest.raises(errors.NotConnected):
            await stack.remote_address(tcp)
        with pytest.raises(errors.InvalidArgument):
            await stack.accept(tcp)
        with pytest.raises(errors.DestinationRequired):
            await stack.send(udp, b"x")
        with pytest.raises(errors.NotSupported):
            await stack.listen(udp, 1)
        assert await stack.recv(udp, 100) is None
        assert await stack.local_address(tcp) == ANY
        assert len(bench.wire.written) == written
        await stack.connect(tcp, SocketAddress("echo.test", 7))
        await stack.send(tcp, b"works")
        assert await heard(stack, tcp, 5) == b"works"


@both
@virtual
async def test_a_handle_whose_socket_was_closed(module: str) -> None:
    """Its number may be another socket's by now: the generation tells."""
    async with opened(module) as bench:
        stack = bench.stack
        old = await stream(bench, ECHO)
        await stack.close(old)
        new = await stream(bench, ECHO)
        assert new.number == old.number
        await stack.close(old)
        for call in (stack.recv(old, 1), stack.send(old, b"x"), stack.listen(old, 1)):
            with pytest.raises(errors.BadHandle):
                await call
        await stack.send(new, b"mine")
        assert await heard(stack, new, 4) == b"mine"


@both
@virtual
async def test_a_connected_stream(module: str) -> None:
    """What cannot be done to it leaves it as it is; nothing is no send, and a send has one peer."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench, ECHO)
        with pytest.raises(errors.AlreadyConnected):
            await stack.connect(tcp, SocketAddress("echo.test", 7))
        with pytest.raises(errors.InvalidArgument):
            await stack.listen(tcp, 1)
        with pytest.raises(errors.InvalidArgument):
            await stack.bind(tcp, port(8000))
        written = len(bench.wire.written)
        assert await stack.send(tcp, b"") == 0
        assert len(bench.wire.written) == written
        assert await stack.sendto(tcp, b"there", SocketAddress("192.0.2.99", 9)) == 5
        assert (await stack.remote_address(tcp)).port == 7
        while (found := await stack.recvfrom(tcp, 100)) is None:
            await asyncio.sleep(0.05)
        assert found == (b"there", await stack.remote_address(tcp))


@both
@virtual
async def test_a_stream_that_is_shut_down(module: str) -> None:
    """Both directions end, for the peer as well; only the handle is left."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench, ECHO)
        talk = bench.talks("echo.test:7")[-1]
        await stack.shutdown(tcp, socket.SHUT_RD)
        await stack.send(tcp, b"before")
        await asyncio.sleep(1.0)
        await stack.shutdown(tcp, socket.SHUT_RDWR)
        assert bytes(talk.told) == b"before"
        assert bench.talks("echo.test:7") == []
        with pytest.raises(BrokenPipeError):
            await stack.send(tcp, b"after")
        await heard(stack, tcp, 0)
        await stack.close(tcp)
        await round_trip(bench)


@both
@virtual
async def test_a_stream_that_broke(module: str) -> None:
    """Every call says why, whatever it is."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp, udp = await stream(bench, ECHO), await stack.open(Kind.UDP)
        await stack.bind(udp, port(9000))
        bench.fake.raw(b"\r\nready\r\n" if module == "esp8266" else b"\r\nRDY\r\n")
        await asyncio.sleep(0.1)
        for call in (
            stack.recv(tcp, 1),
            stack.send(tcp, b"x"),
            stack.shutdown(tcp, socket.SHUT_WR),
            stack.recvfrom(udp, 1),
            stack.sendto(udp, b"x", SocketAddress("echo.test", 7)),
        ):
            with pytest.raises(errors.ModuleRestarted):
                await call


@both
@virtual
async def test_bind(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, other = await stack.open(Kind.TCP), await stack.open(Kind.TCP)
        with pytest.raises(errors.AddressNotAvailable):
            await stack.bind(tcp, port(8000, "192.0.2.77"))
        own = (await stack.status()).ip_address
        assert own is not None
        await stack.bind(tcp, port(8000, own))
        with pytest.raises(errors.InvalidArgument):
            await stack.bind(tcp, port(8001))
        with pytest.raises(errors.AddressInUse):
            await stack.bind(other, port(8000))
        await stack.bind(other, port(8001))
        if module == "bg96":
            third = await stack.open(Kind.TCP)
            for call in (
                stack.bind(third, port(8002, "::")),
                stack.connect(third, SocketAddress("2001:db8::1", 7)),
            ):
                with pytest.raises(errors.NotSupported) as caught:
                    await call
                assert caught.value.errno == errno.EAFNOSUPPORT


@both
@virtual
async def test_datagram_ports_that_are_taken_in_the_module(module: str) -> None:
    """A port that was asked for is an error, and may be tried again; one of the driver's choice is
    chosen anew."""
    refused = {
        "esp8266": {"on": r'AT\+CIPSTART=\d,"UDP".*', "say": ("ERROR",)},
        "bg96": {"on": r'AT\+QIOPEN=1,(\d+),"UDP SERVICE".*', "say": ("ERROR",)},
    }[module]
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        if module == "bg96":
            bench.step(on=r"AT\+QIGETERROR", say=("+QIGETERROR: 556,bind", "OK"), times=2)
        bench.step(**refused, times=1)
        with pytest.raises(errors.AddressInUse):
            await stack.bind(udp, port(9000))
        bench.step(**refused, times=1)
        await stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))
        assert (await stack.local_address(udp)).port >= 49152
        await stack.close(udp)
        again = await stack.open(Kind.UDP)
        await stack.bind(again, port(9000))


@virtual
async def test_a_program_that_seeds_chance_gets_other_ports_each_time() -> None:
    """Else its next start draws the ports of the last one, which the module may still hold."""
    drawn = []
    async with opened("bg96") as bench:
        for _ in range(2):
            random.seed(1)
            udp = await bench.stack.open(Kind.UDP)
            await bench.stack.sendto(udp, b"x", SocketAddress("192.0.2.1", 7))
            drawn.append((await bench.stack.local_address(udp)).port)
            await bench.stack.close(udp)
    assert drawn[0] != drawn[1]


@both
@virtual
async def test_a_port_of_the_drivers_choice_is_none_that_it_has_given(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(module) as bench:
        drawn = iter((50_000, 50_000, 50_000, 50_001))
        monkeypatch.setattr(table, "PORTS", SimpleNamespace(choice=lambda _ports: next(drawn)))
        given = []
        for _ in range(2):
            udp = await bench.stack.open(Kind.UDP)
            await bench.stack.sendto(udp, b"x", UDP_PEER)
            given.append((await bench.stack.local_address(udp)).port)
        assert given == [50_000, 50_001]
        assert bench.wire.written.count(b",50000") == 1, "it is not even tried"


@both
@virtual
async def test_a_datagram_socket_whose_ports_are_all_taken(module: str) -> None:
    refused = {"esp8266": r'AT\+CIPSTART=\d,"UDP".*', "bg96": r'AT\+QIOPEN=1,\d+,"UDP SERVICE".*'}
    async with opened(module) as bench:
        step = bench.step(on=refused[module], say=("ERROR",))
        if module == "bg96":
            bench.step(on=r"AT\+QIGETERROR", say=("+QIGETERROR: 556,bind", "OK"))
        udp = await bench.stack.open(Kind.UDP)
        with pytest.raises(errors.AddressInUse):
            await bench.stack.sendto(udp, b"x", UDP_PEER)
        assert bench.fake.scenario.used[step] == PORT_ATTEMPTS
        await round_trip(bench)


@both
@virtual
async def test_listening(module: str) -> None:
    """Once more is a new backlog, no port means one of the driver's choice, and it connects no more."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.listen(tcp, 1)
        written = len(bench.wire.written)
        await stack.listen(tcp, 3)
        with pytest.raises(errors.InvalidArgument):
            await stack.connect(tcp, SocketAddress("echo.test", 7))
        assert len(bench.wire.written) == written
        assert await stack.accept(tcp) is None
        own = await stack.local_address(tcp)
        assert own.port >= 49152
        talk = dial(bench, own.port)
        await asyncio.sleep(0.5)
        found = await stack.accept(tcp)
        assert found is not None
        await stack.send(found[0], b"hello")
        await asyncio.sleep(0.5)
        assert bytes(talk.told) == b"hello"


@both
@virtual
async def test_a_listener_whose_ports_are_all_taken(module: str) -> None:
    refused = {"esp8266": r"AT\+CIPSERVER=1,.*", "bg96": r'AT\+QIOPEN=1,\d+,"TCP LISTENER".*'}
    async with opened(module) as bench:
        step = bench.step(on=refused[module], say=("ERROR",))
        if module == "bg96":
            bench.step(on=r"AT\+QIGETERROR", say=("+QIGETERROR: 556,bind", "OK"))
        tcp = await bench.stack.open(Kind.TCP)
        with pytest.raises(errors.AddressInUse):
            await bench.stack.listen(tcp, 1)
        assert bench.fake.scenario.used[step] > 1
        await bench.stack.close(tcp)
        await round_trip(bench)


@both
@virtual
async def test_a_listener_that_does_not_end(module: str) -> None:
    """The module refuses to stop: the handle is gone all the same, and so are those who wait."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.bind(tcp, port(8000))
        await stack.listen(tcp, 3)
        dial(bench, 8000)
        await asyncio.sleep(0.5)
        stop = {"esp8266": r"AT\+CIPSERVER=0", "bg96": r"AT\+QICLOSE=0,0"}[module]
        bench.step(on=stop, say=("ERROR",), times=1)
        await stack.close(tcp)
        with pytest.raises(errors.BadHandle):
            await stack.accept(tcp)
        assert bench.talks("dial:8000") == []
        await round_trip(bench)


@virtual
async def test_the_one_listening_port_of_an_espressif_module() -> None:
    async with opened("esp8266") as bench:
        stack = bench.stack
        first, same, other = [await stack.open(Kind.TCP) for _ in range(3)]
        await stack.bind(first, port(8000))
        await stack.listen(first, 1)
        with pytest.raises(errors.AddressInUse):
            await stack.bind(same, port(8000))
        await stack.bind(other, port(8001))
        with pytest.raises(errors.NotSupported, match="one listening port"):
            await stack.listen(other, 1)
        await stack.close(first)
        await stack.listen(other, 1)
        assert await stack.accept(other) is None


# -- settings that a module keeps ------------------------------------------------------------------


@both
@virtual
async def test_what_the_module_keeps_is_told_and_put_back(module: str) -> None:
    """`kept_settings` and `put_back` find a module that is not up, change nothing else, and leave."""
    bench = assemble(module)
    former = await bench.stack.kept_settings()
    assert former
    assert not bench.channel.reachable
    assert await bench.stack.put_back(former) == former, "nothing to do"
    assert not bench.channel.reachable


@virtual
async def test_an_apn_is_put_back() -> None:
    """As it was, with what else stands in the same setting."""
    bench = assemble("bg96", apn="internet", user="me", password="secret-word", auth="pap")
    former = await bench.stack.kept_settings()
    async with bench.net:
        assert await bench.stack.kept_settings() != former
    assert await bench.stack.kept_settings() != former, "the next start finds the context active"
    before = len(bench.wire.written)
    assert await bench.stack.put_back(former) == former
    assert bench.wire.written[before:].count(b"AT+QICSGP=1,") == 1


@both
@virtual
async def test_a_module_that_is_only_asked_questions(module: str) -> None:
    bench = assemble(module)
    await bench.stack.configure()
    written = len(bench.wire.written)
    await bench.stack.configure()
    assert len(bench.wire.written) == written, "it is configured already"
    with pytest.raises(errors.NetworkDown):
        await bench.stack.open(Kind.TCP)
    assert await bench.stack.kept_settings()
    await bench.net.up()
    await bench.net.up()
    await round_trip(bench)
    await bench.net.close()
