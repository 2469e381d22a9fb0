"""The sentences of the Stack protocol's calls that fail before anything is asked of the module, or behind
its end; and what is told of a socket at each stage of its life. On both modules, in virtual time."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable
from typing import Any

import pytest

from modems.sockets import BUFFER_CAP
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Handle, InterfaceStatus, Kind
from tests.drivers.calls import (
    ECHO,
    SINK,
    UDP_PEER,
    both,
    held,
    nobody,
    port,
    stream,
    tell,
    written,
)
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import connected, dial, now

ANY = SocketAddress("0.0.0.0", 0)
OTHER = SocketAddress("192.0.2.200", 9)


async def says(bench: Bench, kind: type[OSError], call: Awaitable[Any]) -> str:
    """The words of a call that fails, with an error of this very kind and without a question."""
    since = len(bench.wire.lines)
    with pytest.raises(kind) as caught:
        await call
    assert type(caught.value) is kind
    assert written(bench, since) == []
    reason = getattr(caught.value, "reason", None)
    return str(reason if reason is not None else caught.value.strerror)


@both
@virtual
async def test_a_fresh_socket(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        for call in (
            stack.recv(tcp, 1), stack.recvfrom(tcp, 1), stack.send(tcp, b"x"), stack.send(tcp, b""),
            stack.sendto(tcp, b"x", UDP_PEER), stack.shutdown(tcp, socket.SHUT_RDWR),
            stack.remote_address(tcp), stack.remote_address(udp),
        ):  # fmt: skip
            assert await says(bench, errors.NotConnected, call) == "the socket is not connected"
        assert await says(bench, errors.InvalidArgument, stack.accept(tcp)) == (
            "the socket is not listening"
        )
        assert await says(bench, errors.DestinationRequired, stack.send(udp, b"x")) == (
            "the socket has no peer: use sendto, or connect"
        )
        assert await says(bench, errors.NotSupported, stack.listen(udp, 1)) == (
            "a datagram socket cannot listen"
        )
        for handle in (tcp, udp):
            assert await stack.local_address(handle) == ANY
        assert stack.ready(tcp, 1) is None
        assert stack.ready(udp, 1) is None
        assert await stack.recvfrom(udp, 1) is None


@both
@virtual
async def test_a_socket_that_is_closed(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        for handle in (tcp, udp):
            await stack.close(handle)
            await stack.close(handle)
            later = Handle(handle.number, handle.generation + 1)
            for gone in (handle, later):
                for call in (
                    stack.recv(gone, 1), stack.recvfrom(gone, 1), stack.send(gone, b"x"),
                    stack.sendto(gone, b"x", UDP_PEER), stack.shutdown(gone, socket.SHUT_RDWR),
                    stack.remote_address(gone), stack.local_address(gone), stack.accept(gone),
                    stack.listen(gone, 1), stack.bind(gone, ANY), stack.connect(gone, ECHO),
                    stack.set_option(gone, 1, 2, 3), stack.get_option(gone, 1, 2),
                ):  # fmt: skip
                    assert await says(bench, errors.BadHandle, call) == "the socket is closed"
                assert stack.ready(gone, 1) is None
                with pytest.raises(errors.BadHandle):
                    stack.begin_send(gone, b"x", nobody)


@both
@virtual
async def test_a_connected_socket(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench, ECHO)
        assert await says(bench, errors.AlreadyConnected, stack.connect(tcp, ECHO)) == (
            "the socket is connected already"
        )
        assert await says(bench, errors.InvalidArgument, stack.listen(tcp, 1)) == (
            "a connected socket cannot listen"
        )
        assert await says(bench, errors.InvalidArgument, stack.bind(tcp, port(8000))) == (
            "the socket is bound already"
        )
        half = await says(bench, errors.NotSupported, stack.shutdown(tcp, socket.SHUT_WR))
        record = stack.capabilities["tcp.half_close"]
        assert half == f"tcp.half_close is not supported: {record.because}"
        await stack.shutdown(tcp, socket.SHUT_RD)
        assert stack.ready(tcp, 1) == b""
        own, far = await stack.local_address(tcp), await stack.remote_address(tcp)
        assert own.host == stack.address
        assert (far.is_literal, far.port) == (True, 7)
        assert await stack.send(tcp, b"") == 0
        assert await stack.send(tcp, bytearray(b"ab")) == 2
        assert await stack.sendto(tcp, memoryview(b"cd"), UDP_PEER) == 2
        await asyncio.sleep(0.5)
        assert await tell(lambda: stack.recv(tcp, 1)) == b"a"
        assert await tell(lambda: stack.recvfrom(tcp, 1)) == (b"b", far)
        assert await tell(lambda: stack.recv(tcp, 9)) == b"cd"


@both
@virtual
async def test_a_stream_that_is_shut_down(module: str) -> None:
    """Whoever waits is told; then it is at its end in both directions."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench, ECHO)
        heard: list[Handle] = []
        stack.attach(lambda handle, _: heard.append(handle), lambda _status: None)
        await stack.shutdown(tcp, socket.SHUT_RDWR)
        assert heard[-1:] == [tcp]
        assert await stack.recv(tcp, 10) == b""
        assert await says(bench, errors.BrokenPipe, stack.send(tcp, b"x")) == (
            "the peer has closed the connection"
        )
        assert bench.talks("echo.test:7") == []
        await stack.shutdown(tcp, socket.SHUT_RDWR)
        assert (await stack.local_address(tcp)).host == "0.0.0.0"


@both
@virtual
async def test_a_shutdown_that_the_module_refuses(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stream(bench, ECHO)
        bench.step(on=r"AT\+(CIP|QI)CLOSE=.*", say=("ERROR",))
        await stack.shutdown(tcp, socket.SHUT_RDWR)
        assert await stack.recv(tcp, 10) == b""


@both
@virtual
async def test_bound_sockets(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, other, third = [await stack.open(Kind.TCP) for _ in range(3)]
        strange = stack.bind(tcp, port(8000, "192.0.2.77"))
        assert await says(bench, errors.AddressNotAvailable, strange) == (
            "192.0.2.77 is not an address of the module"
        )
        assert stack.address is not None
        await stack.bind(tcp, port(8000, stack.address))
        assert await stack.local_address(tcp) == port(8000)
        assert await says(bench, errors.InvalidArgument, stack.bind(tcp, ANY)) == (
            "the socket is bound already"
        )
        assert await says(bench, errors.AddressInUse, stack.bind(other, port(8000))) == (
            "port 8000 is bound already"
        )
        await stack.bind(other, ANY)
        await stack.bind(third, ANY)
        await stack.bind(third, ANY)
        udp = await stack.open(Kind.UDP)
        await stack.bind(udp, port(8000))  # another protocol's
        assert await stack.local_address(udp) == port(8000, stack.address)


@both
@virtual
async def test_a_listener(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        tcp, same = await stack.open(Kind.TCP), await stack.open(Kind.TCP)
        await stack.bind(tcp, port(8000))
        await stack.listen(tcp, 0)
        connect = stack.connect(tcp, ECHO)
        assert await says(bench, errors.InvalidArgument, connect) == "the socket is listening"
        talk = dial(bench, 8000)
        found = await tell(lambda: stack.accept(tcp))
        assert found[1] == await stack.remote_address(found[0])
        assert (await stack.local_address(found[0])).port == 8000
        assert await stack.accept(tcp) is None
        talk.say(b"hello")
        assert await tell(lambda: stack.recv(found[0], 10)) == b"hello"
        # What it accepted has the port, too, and keeps nobody from it.
        await stack.close(tcp)
        await stack.bind(same, port(8000))


@both
@virtual
async def test_a_listener_that_is_being_closed(module: str) -> None:
    """It has nothing more to give away."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        await stack.bind(tcp, port(8000))
        await stack.listen(tcp, 5)
        dial(bench, 8000)
        dial(bench, 8000)
        await asyncio.sleep(0.5)
        stop = {"esp8266": r"AT\+CIPSERVER=0", "bg96": r"AT\+QICLOSE=0,0"}[module]
        bench.step(on=stop, passes=True, after=0.5, times=1)
        closing = asyncio.ensure_future(stack.close(tcp))
        await asyncio.sleep(0.1)
        assert await says(bench, errors.InvalidArgument, stack.accept(tcp)) == (
            "the socket is not listening"
        )
        await closing
        assert bench.talks("dial:8000") == []
        assert stack._sockets == {}


@both
@virtual
async def test_all_sockets_are_in_use(module: str) -> None:
    async with opened(module) as bench:
        stack = bench.stack
        count = {"esp8266": 5, "bg96": 12}[module]
        handles = [await stack.open(Kind.TCP) for _ in range(count)]
        assert [handle.number for handle in handles] == list(range(count))
        assert await says(bench, errors.NoSocket, stack.open(Kind.UDP)) == (
            f"all {count} sockets of the {module} are in use"
        )
        await stack.close(handles[2])
        again = await stack.open(Kind.UDP)
        assert (again.number, again.generation) == (2, count + 1)


@both
@virtual
async def test_a_module_that_is_not_attached(module: str) -> None:
    """What is known of the reason is told."""
    bench = assemble(module)
    stack = bench.stack
    assert await says(bench, errors.NetworkDown, stack.open(Kind.TCP)) == (
        f"the {module} is not attached (off)"
    )
    await stack.configure()
    assert await says(bench, errors.NetworkDown, stack.open(Kind.TCP)) == (
        f"the {module} is not attached (configured)"
    )
    await bench.net.up()
    tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
    assert stack.failure is None
    bench.fake.be_deaf(10_000)
    bench.fake.raw(b"\r\nready\r\n" if module == "esp8266" else b"\r\nRDY\r\n")
    await asyncio.sleep(0.2)
    for call in (stack.connect(tcp, ECHO), stack.open(Kind.TCP)):
        assert await says(bench, errors.NetworkDown, call) == (
            f"the {module} is not attached (the {module} restarted)"
        )
    with pytest.raises(errors.ModuleRestarted) as caught:
        await stack.sendto(udp, b"x", UDP_PEER)
    assert caught.value.reason == f"the {module} restarted"
    assert str(stack.failure) == str(caught.value)
    await bench.net.close()


@both
@virtual
async def test_no_ipv6(module: str) -> None:
    firmware = {"esp8266": "N17", "bg96": "bg96"}[module]
    async with opened(module, firmware) as bench:
        stack = bench.stack
        tcp, udp = await stack.open(Kind.TCP), await stack.open(Kind.UDP)
        for call in (
            stack.bind(tcp, port(0, "::")), stack.bind(udp, port(0, "::")),
            stack.connect(tcp, SocketAddress("2001:db8::1", 7)),
        ):  # fmt: skip
            since = len(bench.wire.lines)
            with pytest.raises(errors.NotSupported) as caught:
                await call
            assert caught.value.errno == errno.EAFNOSUPPORT
            assert caught.value.capability.id == "ipv6"
            assert written(bench, since) == []
        await stack.bind(tcp, ANY)


# -- datagrams ---------------------------------------------------------------------------------------


@both
@virtual
async def test_a_datagram_socket_that_is_closed_while_it_opens(module: str) -> None:
    """The attempt runs on in the module; what it opened is closed."""
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        bench.step(on=r'AT\+(CIPSTART|QIOPEN).*"UDP.*', passes=True, after=1.0, times=1)
        binding = asyncio.ensure_future(stack.bind(udp, port(9000)))
        await asyncio.sleep(0.5)
        since = len(bench.wire.lines)
        await stack.close(udp)
        await asyncio.gather(binding, return_exceptions=True)
        await asyncio.sleep(0.5)
        closed = [line for line in written(bench, since) if "CLOSE=0" in line]
        assert len(closed) == 1
        assert stack._sockets == {}


@both
@virtual
async def test_a_datagram_socket_with_a_peer(module: str) -> None:
    """It hears him alone, and may choose another one."""
    async with opened(module) as bench:
        stack = bench.stack
        udp = await stack.open(Kind.UDP)
        await stack.connect(udp, ECHO)
        first = await stack.remote_address(udp)
        assert await stack.send(udp, b"to me") == 5
        assert await tell(lambda: stack.recvfrom(udp, 2)) == (b"to", first)
        assert await stack.send(udp, b"again") == 5
        assert await tell(lambda: stack.recv(udp, 100)) == b"again"
        await stack.connect(udp, OTHER)
        assert await stack.remote_address(udp) == OTHER
        assert len([line for line in written(bench) if ',"UDP' in line]) == (
            1 if module == "esp8266" else 2  # one of them learnt the port of the notices
        )
        sock = held(bench)
        for sender, data in ((first, b"stranger"), (OTHER, b"friend"), (None, b"nobody's")):
            sock.deliver(data, sender)
        assert await stack.recvfrom(udp, 100) == (b"friend", OTHER)
        assert await stack.recvfrom(udp, 100) == (b"nobody's", SocketAddress("", 0))
        assert await stack.recvfrom(udp, 100) is None


# -- ends --------------------------------------------------------------------------------------------


@both
@virtual
async def test_a_read_that_got_no_answer(module: str) -> None:
    """The bytes of this read are gone from the module and did not arrive."""
    async with opened(module) as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+(CIPRECVDATA|QIRD)=0,[1-9].*", times=1)
        ends.say(300)
        error = await ends.end(within=120)
        assert isinstance(error, ConnectionResetError)
        assert str(error.strerror).startswith(
            "received data was lost (is another program using the port?): AT+"
        )


@virtual
async def test_more_is_pushed_than_is_kept() -> None:
    """There the peer cannot be slowed down: a hole in a stream must never be handed out."""
    async with opened("esp8266", receive="push") as bench:
        ends = await connected(bench)
        sock = held(bench)
        sock.buffer += ends.back.piece(0, BUFFER_CAP - 100)
        ends.said = BUFFER_CAP - 100
        ends.say(100)
        await asyncio.sleep(0.5)
        assert sock.broken is None
        ends.say(1)
        await asyncio.sleep(0.5)
        assert sock.broken is not None
        assert sock.broken.strerror == (
            f"more than {BUFFER_CAP} bytes unread, and this mode cannot slow the peer down"
        )
        assert len(sock.buffer) == BUFFER_CAP


@both
@virtual
async def test_a_link_that_takes_nothing_is_given_up(module: str) -> None:
    """26 refusals in a row; one that works in between begins the count anew."""
    async with opened(module) as bench:
        tcp = await stream(bench, SINK)
        send = r"AT\+(CIP|QI)SEND=0,[1-9].*"
        for tries in (25, 25):
            bench.step(on=send, say=("ERROR",), times=tries)
            for _ in range(tries):
                assert await bench.stack.send(tcp, b"x") == 0
            assert await bench.stack.send(tcp, b"x") == 1
        bench.step(on=send, say=("ERROR",))
        for _ in range(25):
            assert await bench.stack.send(tcp, b"x") == 0
        with pytest.raises(errors.DeviceError) as caught:
            await bench.stack.send(tcp, b"x")
        assert caught.value.reason.startswith("the module takes no more data: AT+")
        with pytest.raises(errors.DeviceError):
            await bench.stack.recv(tcp, 1)


@both
@virtual
async def test_a_refused_send_is_told_of_in_a_moment(module: str) -> None:
    async with opened(module) as bench:
        tcp = await stream(bench, SINK)
        bench.step(on=r"AT\+(CIP|QI)SEND=0,[1-9].*", say=("ERROR",), times=1)
        heard: list[float] = []
        bench.stack.attach(lambda _handle, _generation: heard.append(now()), lambda _status: None)
        assert await bench.stack.send(tcp, b"x") == 0
        begun = now()
        await asyncio.sleep(1.0)
        (at,) = heard
        assert 0.15 < at - begun < 0.21


# -- the interface -----------------------------------------------------------------------------------


@both
@virtual
async def test_an_interface_tells_each_change_once(module: str) -> None:
    bench = assemble(module)
    told: list[InterfaceStatus] = []
    bench.stack.attach(lambda _handle, _generation: None, told.append)
    await bench.stack.up()
    await bench.stack.up()
    await bench.stack.down()
    await bench.stack.down()
    with pytest.raises(OSError):
        bench.fake.be_deaf(10_000)
        await bench.stack.up()
    await bench.stack.down()
    up = [InterfaceStatus.CONNECTING, InterfaceStatus.GLOBAL_UP, InterfaceStatus.DISCONNECTED]
    assert told == [*up, InterfaceStatus.CONNECTING, InterfaceStatus.DISCONNECTED]
