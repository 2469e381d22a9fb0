"""Every generation of every module: the same small programs, judged at the far end."""

from __future__ import annotations

import asyncio
import errno
import hashlib

import pytest

from netsocket import errors
from netsocket.stack import InterfaceStatus
from tests.drivers.rig import (
    ALL,
    echo_server,
    noise,
    opened,
    receive,
    udp_echo,
    until,
)
from tests.ports import free_port

every = pytest.mark.parametrize(("module", "firmware"), ALL)


@every
async def test_stream_arrives_whole_in_both_directions(module: str, firmware: str) -> None:
    data = noise(200_000)
    async with echo_server() as server, opened(module, firmware) as rig:
        async with rig.net.tcp_socket() as sock:
            await sock.connect(("srv", server.port))
            back, _ = await asyncio.gather(receive(sock, len(data)), sock.sendall(data))
        assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()
        await until(lambda: server.ended)
        assert bytes(server.received[0]) == data
        assert not rig.engine.anomalies


@every
async def test_all_sockets_at_once_each_its_own_data(module: str, firmware: str) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        limit = rig.stack.capabilities.limit("sockets.max")
        assert limit == {"esp8266": 5, "bg96": 12}[module]

        async def one(number: int) -> None:
            data = bytes([number]) * 3000 + noise(5000)
            async with rig.net.tcp_socket() as sock:
                await sock.connect(("127.0.0.1", server.port))
                barrier.append(number)
                await until(lambda: len(barrier) == limit)
                back, _ = await asyncio.gather(receive(sock, len(data)), sock.sendall(data))
                assert back == data

        barrier: list[int] = []
        await asyncio.gather(*(one(number) for number in range(limit)))
        assert len(server.received) == limit


@every
async def test_one_socket_too_many_is_refused_and_the_others_live(
    module: str, firmware: str
) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        limit = rig.stack.capabilities.limit("sockets.max")
        socks = [rig.net.tcp_socket() for _ in range(limit)]
        for sock in socks:
            await sock.connect(("127.0.0.1", server.port))
        extra = rig.net.tcp_socket()
        with pytest.raises(OSError) as caught:
            await extra.connect(("127.0.0.1", server.port))
        assert caught.value.errno == errno.EMFILE
        await extra.close()
        await socks[0].close()
        again = rig.net.tcp_socket()
        await again.connect(("127.0.0.1", server.port))
        await again.sendall(b"room again")
        assert await receive(again, 10) == b"room again"
        for sock in (*socks[1:], again):
            await sock.close()


@every
async def test_refused_and_unknown_name(module: str, firmware: str) -> None:
    async with opened(module, firmware) as rig:
        sock = rig.net.tcp_socket()
        with pytest.raises(ConnectionRefusedError):
            await sock.connect(("127.0.0.1", free_port()))
        async with echo_server() as server:  # the same socket may try again
            await sock.connect(("srv", server.port))
            await sock.sendall(b"second try")
            assert await receive(sock, 10) == b"second try"
        await sock.close()
        with pytest.raises(errors.NameNotFound):
            await rig.net.resolve("nobody.example")
        assert await rig.net.resolve("other.example") == ["127.0.0.2"]


@every
async def test_data_before_the_peers_close_stays_readable(module: str, firmware: str) -> None:
    data = noise(9000)
    async with echo_server(echo=False) as server, opened(module, firmware) as rig:
        async with rig.net.tcp_socket() as sock:
            await sock.connect(("srv", server.port))
            await until(lambda: server.writers)
            server.writers[0].write(data)
            await server.writers[0].drain()
            server.writers[0].close()
            await asyncio.sleep(0.3)  # the close has long been seen when reading begins
            assert await receive(sock, len(data) + 1) == data
            assert await sock.recv(10) == b""
            assert await sock.recv(10) == b""


@every
async def test_close_reaches_the_peer_and_frees_the_socket(module: str, firmware: str) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        for round_ in range(rig.stack.capabilities.limit("sockets.max") + 2):
            async with rig.net.tcp_socket() as sock:
                await sock.connect(("srv", server.port))
                await sock.sendall(b"x")
                assert await receive(sock, 1) == b"x"
            await until(lambda done=round_ + 1: len(server.ended) == done)
        assert set(server.ended) == {"eof"}
        assert not rig.stack._sockets


@every
async def test_connected_datagrams(module: str, firmware: str) -> None:
    async with udp_echo(b"<") as (port, far), opened(module, firmware) as rig:
        async with rig.net.udp_socket() as sock:
            sock.settimeout(5)
            await sock.connect(("srv", port))
            for payload in (b"a", noise(1000), b"last"):
                await sock.send(payload)
                assert await sock.recv(2000) == b"<" + payload
        assert far.received == [b"a", far.received[1], b"last"]


@every
async def test_datagrams_to_and_from_many_peers(module: str, firmware: str) -> None:
    receive_mode = {"receive": "push"} if module == "esp8266" else {}
    async with (
        udp_echo(b"1") as (one, _),
        udp_echo(b"2") as (two, _),
        opened(module, firmware, **receive_mode) as rig,
        rig.net.udp_socket() as sock,
    ):
        sock.settimeout(5)
        for port, mark in ((one, b"1"), (two, b"2"), (one, b"1")):
            await sock.sendto(b"hello", ("srv", port))
            data, sender = await sock.recvfrom(2000)
            assert (data, sender[1]) == (mark + b"hello", port)
        # Boundaries: three at once come back as three.
        for size in (10, 20, 30):
            await sock.sendto(bytes(size), ("srv", one))
        sizes = [len((await sock.recvfrom(2000))[0]) for _ in range(3)]
        assert sorted(sizes) == [11, 21, 31]


@every
async def test_datagram_too_long_or_empty_is_refused_before_anything_is_written(
    module: str, firmware: str
) -> None:
    async with udp_echo() as (port, far), opened(module, firmware) as rig:
        async with rig.net.udp_socket() as sock:
            limit = rig.stack.capabilities.limit("datagram.max_send")
            with pytest.raises(OSError) as caught:
                await sock.sendto(bytes(limit + 1), ("127.0.0.1", port))
            assert caught.value.errno == errno.EMSGSIZE
            with pytest.raises(errors.NotSupported) as refused:
                await sock.sendto(b"", ("127.0.0.1", port))
            assert refused.value.capability.id == "udp.zero_length"
        assert far.received == []


@every
async def test_half_close_is_refused_with_the_record_that_says_why(
    module: str, firmware: str
) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        async with rig.net.tcp_socket() as sock:
            await sock.connect(("srv", server.port))
            with pytest.raises(errors.NotSupported) as caught:
                await sock.shutdown(1)
            assert caught.value.capability.id == "tcp.half_close"
            await sock.sendall(b"still open")
            assert await receive(sock, 10) == b"still open"


@every
async def test_module_restart_breaks_sockets_and_the_interface_comes_back(
    module: str, firmware: str
) -> None:
    reset = "AT+RST" if module == "esp8266" else "AT+CFUN=1,1"
    async with echo_server() as server, opened(module, firmware) as rig:
        sock = rig.net.tcp_socket()
        await sock.connect(("srv", server.port))
        waiting = asyncio.create_task(sock.recv(10))
        await asyncio.sleep(0.05)
        rig.fake.receive(reset.encode() + rig.engine.dialect.terminator)  # behind the driver's back
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(waiting, 10)
        assert rig.stack.epoch >= 1
        with pytest.raises(ConnectionError):
            await sock.send(b"x")
        await sock.close()
        await until(lambda: rig.net.status is InterfaceStatus.GLOBAL_UP, 20)
        again = await rig.net.connect(("srv", server.port), timeout=60)
        await again.sendall(b"back")
        assert await receive(again, 4) == b"back"
        await again.close()


@every
async def test_down_and_up_again(module: str, firmware: str) -> None:
    async with echo_server() as server, opened(module, firmware) as rig:
        await rig.net.down()
        assert rig.net.status is InterfaceStatus.DISCONNECTED
        with pytest.raises(OSError):
            sock = rig.net.tcp_socket()
            await sock.connect(("srv", server.port))
        await rig.net.up()
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        await sock.sendall(b"hello")
        assert await receive(sock, 5) == b"hello"
        await sock.close()


@every
async def test_a_deaf_module_holds_nobody(module: str, firmware: str) -> None:
    """close() frees the host side although the module never answers again."""
    async with echo_server() as server, opened(module, firmware) as rig:
        sock = rig.net.tcp_socket()
        await sock.connect(("srv", server.port))
        rig.fake.receive = lambda data: None
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            await sock.sendall(b"into the void")
        rig.channel.link.drop(OSError(errno.EIO, "unplugged"))
        async with asyncio.timeout(5):
            await sock.close()
        assert not rig.stack._sockets
        assert rig.net.status is InterfaceStatus.CONNECTING  # it tries again by itself


@every
async def test_the_fakes_facts_equal_the_drivers_claims(module: str, firmware: str) -> None:
    """Every number exists twice, each from the manual."""
    async with opened(module, firmware) as rig:
        facts = rig.fake.facts
        claims = rig.stack.capabilities
        compared = 0
        for name in ("sockets.max", "frame.max_send", "frame.max_recv"):
            if name in facts:
                assert claims.limit(name) == facts[name], name
                compared += 1
        assert compared >= 2
        terminator = len(rig.engine.dialect.terminator)
        assert rig.channel.max_command - terminator <= facts.get("command.max_length", 10_000)
