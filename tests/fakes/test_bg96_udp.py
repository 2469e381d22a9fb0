"""UDP of the BG96 fake: connected sockets, UDP services, datagram boundaries."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.fakes.bg96_host import bench, udp_peer
from tests.ports import free_port


async def test_udp_echo() -> None:
    async with bench(ready=True) as host, udp_peer(echo=True) as peer:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        assert await host.send(0, b"first") == b"SEND OK"
        data, sender = await peer.next()
        assert data == b"first"
        await host.wait_for('\r\n+QIURC: "recv",0\r\n')
        assert await host.command("AT+QIRD=0,1500") == b"\r\n+QIRD: 5\r\nfirst\r\n\r\nOK\r\n"
        assert await host.command("AT+QIRD=0,1500") == b"\r\n+QIRD: 0\r\n\r\nOK\r\n"
        assert await host.info("AT+QISEND=0,0") == "+QISEND: 5,5,0"  # acked = total
        assert await host.info("AT+QIRD=0,0") == "+QIRD: 5,5,0"
        state = f'+QISTATE: 0,"UDP","127.0.0.1",{peer.port},{sender[1]},2,1,0,0,"usbmodem"'
        assert await host.info("AT+QISTATE=1,0") == state


async def test_datagram_boundaries_and_largest() -> None:
    async with bench(ready=True) as host, udp_peer(echo=True) as peer:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        blocks = [b"a" * 1460, b"b", b"c" * 700]
        for block in blocks:
            assert await host.send(0, block) == b"SEND OK"
        assert [(await peer.next())[0] for _ in blocks] == blocks
        await asyncio.sleep(0.01)
        host.take()
        assert [await host.read(0) for _ in blocks] == blocks
        assert await host.command("AT+QISEND=0,1461") == b"\r\nERROR\r\n"


@pytest.mark.parametrize(("rest", "second"), [("drop", b"next"), ("keep", b"345")])
async def test_short_read_of_a_datagram(rest: str, second: bytes) -> None:
    async with bench(ready=True, udp_rest=rest) as host, udp_peer(echo=True) as peer:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        await host.send(0, b"012345")
        await host.send(0, b"next")
        await peer.next()
        await peer.next()
        await asyncio.sleep(0.01)
        host.take()
        assert await host.read(0, 3) == b"012"
        assert await host.read(0, 10) == second


async def test_source_filter() -> None:
    async with bench(ready=True) as host, udp_peer() as peer, udp_peer() as stranger:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        await host.send(0, b"hello")
        _, module = await peer.next()
        stranger.transport.sendto(b"not for you", module)
        assert await host.quiet() == b""
        peer.transport.sendto(b"for you", module)
        await host.wait_for('"recv",0\r\n')
        assert await host.read(0) == b"for you"


async def test_udp_service() -> None:
    async with bench(ready=True, address="100.84.28.125") as host:  # L20
        port = free_port()
        line = f'AT+QIOPEN=1,2,"UDP SERVICE","127.0.0.1",0,{port},0'
        assert await host.command(line) == b"\r\nOK\r\n"
        assert await host.wait_for("2,0\r\n") == b"\r\n+QIOPEN: 2,0\r\n"
        state = f'+QISTATE: 2,"UDP SERVICE","100.84.28.125",0,{port},2,1,2,0,"usbmodem"'
        assert await host.info("AT+QISTATE=1,2") == state
        async with udp_peer() as one, udp_peer() as two:
            for peer, data in ((one, b"to one"), (two, b"to two")):
                assert await host.send(2, data, f',"127.0.0.1",{peer.port}') == b"SEND OK"
                assert await peer.next() == (data, ("127.0.0.1", port))
            one.transport.sendto(b"x" * 1200, ("127.0.0.1", port))
            # asyncio's own sendto() leaves out datagrams of no bytes.
            with socket.socket(fileno=two.transport.get_extra_info("socket").fileno()) as raw:
                raw.sendto(b"", ("127.0.0.1", port))
                raw.detach()
            await host.wait_for('\r\n+QIURC: "recv",2\r\n')
            await asyncio.sleep(0.01)
            # The whole datagram whatever length is asked for.
            answer = await host.command("AT+QIRD=2,10")
            header = f'\r\n+QIRD: 1200,"127.0.0.1",{one.port}\r\n'.encode()
            assert answer == header + b"x" * 1200 + b"\r\n\r\nOK\r\n"
            answer = await host.command("AT+QIRD=2")
            wanted = f'\r\n+QIRD: 0,"127.0.0.1",{two.port}\r\n\r\nOK\r\n'
            assert answer == wanted.encode()
            assert await host.command("AT+QIRD=2") == b"\r\n+QIRD: 0\r\n\r\nOK\r\n"
            for bad in (
                "AT+QISEND=2,3",
                'AT+QISEND=2,3,"one.example",9',
                'AT+QISEND=2,3,"127.0.0.1",0',
                'AT+QISENDEX=2,"00"',
                "AT+QISEND=2",
            ):
                assert await host.command(bad) == b"\r\nERROR\r\n", bad


async def test_udp_service_direct_push() -> None:
    async with bench(ready=True) as host, udp_peer() as peer:
        port = free_port()
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, port, 1)
        peer.transport.sendto(b"pushed", ("127.0.0.1", port))
        wanted = f'\r\n+QIURC: "recv",0,6,"127.0.0.1",{peer.port}\r\npushed\r\n'
        assert await host.until(rb"pushed\r\n") == wanted.encode()


async def test_unreachable_datagram_vanishes() -> None:
    async with bench(ready=True) as host:
        await host.open(0, "UDP", "192.0.2.9", 9)
        assert await host.send(0, b"into the void") == b"SEND OK"
        assert any(record.kind == "unreachable" for record in host.modem.journal)


async def test_port_taken() -> None:
    async with bench(ready=True) as host, udp_peer() as peer:
        line = f'AT+QIOPEN=1,0,"UDP SERVICE","127.0.0.1",0,{peer.port},0'
        await host.ok(line)
        await host.wait_for("\r\n+QIOPEN: 0,556\r\n")


async def test_overflow_drops_silently() -> None:
    async with bench(ready=True) as host, udp_peer() as peer:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        await host.send(0, b"?")
        _, module = await peer.next()
        for number in range(20):
            peer.transport.sendto(bytes([number]) * 1000, module)
        await host.wait_for('"recv",0\r\n')
        await asyncio.sleep(0.02)
        assert await host.info("AT+QIRD=0,0") == "+QIRD: 10000,0,10000"
        for number in range(10):
            assert await host.read(0) == bytes([number]) * 1000
        assert await host.read(0) == b""


async def test_ipv6_loopback() -> None:
    async with bench() as host:
        await host.ok('ATE0;+QISDE=0;+QURCCFG="urcport","usbmodem";+QICSGP=1,2,"v6"')
        await host.ok("AT+QIACT=1")
        port = free_port()
        line = f'AT+QIOPEN=1,0,"UDP SERVICE","0:0:0:0:0:0:0:1",0,{port},0'
        await host.ok(line)
        await host.wait_for("\r\n+QIOPEN: 0,0\r\n")
        await host.open(1, "UDP", "0:0:0:0:0:0:0:1", port)
        assert await host.send(1, b"six") == b"SEND OK"
        await host.wait_for('"recv",0\r\n')
        answer = await host.command("AT+QIRD=0")
        assert answer.startswith(b'\r\n+QIRD: 3,"0:0:0:0:0:0:0:1",')
        await host.ok('AT+QIOPEN=1,2,"TCP","127.0.0.1",9')
        await host.wait_for("\r\n+QIOPEN: 2,566\r\n")
