"""Sockets of the BG96: results of sends, notices, ends and the last free id.

TCP(IP) AT Commands Manual V1.1 ("TCP"): AT+QIOPEN, AT+QISEND, AT+QISENDEX, AT+QISWTMD, AT+QICLOSE and
chapter 5; BG95&BG77&BG600L TCP/IP Application Note V1.1 for the BG95; L<n> as in `bg96_host`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import Any

import pytest

from tests.fakes.bg96_host import bench, refuse, take, tcp_server, udp_peer
from tests.fakes.test_bg96_tcp import deaf_server
from tests.ports import free_port


def failing(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EPIPE, "gone")


async def test_a_write_that_fails() -> None:
    """TCP, chapter 5: 558, socket write failed; a datagram to an address of the other family too."""
    async with tcp_server() as server, bench(ready=True) as host:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        await host.open(1, "UDP SERVICE", "127.0.0.1", 0, free_port())
        link = host.modem.links.get(0)
        assert link is not None
        assert link.tcp is not None
        link.tcp.write = failing  # type: ignore[method-assign]
        assert await host.send(0, b"x") == b"ERROR"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 558,socket write failed"
        host.modem.last_error = 0
        assert await host.send(1, b"x", ',"::1",9') == b"ERROR"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 558,socket write failed"


async def test_a_dead_network_carries_nothing() -> None:
    """UDP tells nobody; a connection fails as one without an answer does: 566."""
    async with udp_peer() as peer, tcp_server() as server, bench(ready=True, link="dead") as host:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        assert await host.send(0, b"x") == b"SEND OK"
        await host.ok(f'AT+QIOPEN=1,1,"TCP","127.0.0.1",{server.port}')
        assert await host.wait_for("+QIOPEN: 1,566\r\n")
        assert peer.received.empty()
        assert not server.connections


async def test_text_that_ends_a_payload() -> None:
    """TCP, AT+QISEND: Ctrl-Z ends it, ESC cancels it, and nothing else does."""
    async with udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        text = bytes(set(range(256)) - {0x0D, 0x1A, 0x1B})
        host.type("AT+QISEND=0\r")
        await host.wait_for("\r\n> ")
        host.type(text + b"\x1a")
        await host.wait_for("SEND OK\r\n")
        assert (await peer.next())[0] == text


async def test_ports_from_one_up() -> None:
    async with bench(ready=True) as host:
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, free_port())
        assert await host.send(0, b"x", ',"127.0.0.1",1') == b"SEND OK"

        def refused(port: int, **_: Any) -> Any:
            raise PermissionError(errno.EACCES, str(port))

        host.modem.sockets.open_udp = refused  # type: ignore[method-assign]
        await host.ok('AT+QIOPEN=1,1,"UDP SERVICE","127.0.0.1",0,1')
        await host.wait_for("+QIOPEN: 1,556\r\n")


async def test_what_qisendex_takes() -> None:
    """TCP, AT+QISENDEX: hex digits in pairs, 512 at most; not for a UDP service or a listener (572)."""
    async with udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, free_port())
        await host.open(11, "UDP", "127.0.0.1", peer.port)
        await refuse(host, ['AT+QISENDEX=12,"00"', 'AT+QISENDEX=11,"0"', 'AT+QISENDEX=11,"0g"', 'AT+QISENDEX=11,""',
                            "AT+QISENDEX=11,00", 'AT+QISENDEX=11,"00",0', f'AT+QISENDEX=11,"{"00" * 257}"'])  # fmt: skip
        await refuse(host, ['AT+QISENDEX=0,"00"'], 572)
        await refuse(host, ['AT+QISENDEX=1,"00"'], 567)
        for digits in ("00", "fF" * 256):
            assert await host.command(f'AT+QISENDEX=11,"{digits}"') == b"\r\nSEND OK\r\n"
            assert (await peer.next())[0] == bytes.fromhex(digits)
    async with udp_peer() as peer, bench(firmware="bg95", ready=True) as host:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        for indication in ("", ",0", ",2"):
            assert await host.command(f'AT+QISENDEX=0,"00"{indication}') == b"\r\nSEND OK\r\n"
        await refuse(host, ['AT+QISENDEX=0,"00",3', 'AT+QISENDEX=0,"00",0,0'])


async def test_nothing_is_sent_before_or_after_the_connection() -> None:
    """TCP, chapter 5: 567, socket closed."""
    async with bench(ready=True, connect_delay="1000") as host:
        host.modem.time_scale = 1.0
        await host.ok('AT+QIOPEN=1,0,"TCP","127.0.0.1",9')
        await refuse(host, ["AT+QISEND=0,1", 'AT+QISENDEX=0,"00"'], 567)
    async with tcp_server() as server, bench(ready=True) as host:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.close()
        await host.wait_for('"closed",0\r\n')
        await refuse(host, ["AT+QISEND=0,1", 'AT+QISENDEX=0,"00"'], 567)


async def test_keepalive_is_on_or_off() -> None:
    """BG95 note: <enable> 0 or 1."""
    async with bench(firmware="bg95", ready=True) as host:
        await refuse(host, ['AT+QICFG="tcp/keepalive",2,1,25,3'])
        await take(host, ['AT+QICFG="tcp/keepalive",1,1,25,3'])


async def test_two_datagrams_at_once_are_told_by_the_first() -> None:
    """TCP, AT+QICFG="recvind": the length of what one AT+QIRD gives."""
    async with udp_peer() as peer, bench(ready=True) as host:
        port = free_port()
        await host.ok('AT+QICFG="recvind",1')
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, port)
        for data in (b"12345", b"123"):
            peer.transport.sendto(data, ("127.0.0.1", port))
        assert await host.until(rb"recv[^\r]*\r\n") == b'\r\n+QIURC: "recv",0,5\r\n'
        for data in (b"12345", b"123"):
            assert await host.read(0) == data


async def test_a_notice_after_direct_push_and_back() -> None:
    """TCP, AT+QISWTMD: what was pushed was read; the next data are announced again."""
    async with tcp_server() as server, bench(ready=True) as host:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        _, writer = await server.connection()
        writer.write(b"one")
        await host.wait_for('\r\n+QIURC: "recv",0\r\n')
        await host.ok("AT+QISWTMD=0,1")
        await host.wait_for('\r\n+QIURC: "recv",0,3\r\none\r\n')
        await host.ok("AT+QISWTMD=0,0")
        writer.write(b"two")
        await host.wait_for('\r\n+QIURC: "recv",0\r\n')
        assert await host.read(0) == b"two"


async def test_the_end_is_told_behind_data_that_waited_for_a_prompt() -> None:
    """TCP, 2.2: direct push; the data, then ``closed`` (order seen in L48)."""
    async with tcp_server() as server, udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "TCP", "127.0.0.1", server.port, mode=1)
        await host.open(1, "UDP", "127.0.0.1", peer.port)
        _, writer = await server.connection()
        host.type("AT+QISEND=1,1\r")
        await host.wait_for("\r\n> ")
        writer.write(b"last words")
        writer.close()
        link = host.modem.links.get(0)
        assert link is not None
        async with asyncio.timeout(5):
            while link.tcp is None or not link.tcp.ended:
                await asyncio.sleep(0.001)
        host.type("x")
        assert await host.wait_for('"closed",0\r\n') == (
            b'\r\nSEND OK\r\n\r\n+QIURC: "recv",0,10\r\nlast words\r\n\r\n+QIURC: "closed",0\r\n'
        )


async def test_the_last_free_id_is_zero() -> None:
    """TCP, AT+QIOPEN: twelve ids, 0-11; accepted ones from 11 down (L46, L47), then ``incoming full``."""
    port = free_port()
    async with bench(ready=True) as host:
        await host.open(5, "TCP LISTENER", "127.0.0.1", 0, port)
        clients = []
        try:
            for number in (11, 10, 9, 8, 7, 6, 4, 3, 2, 1, 0):
                clients.append(await asyncio.open_connection("127.0.0.1", port))
                await host.wait_for(f'+QIURC: "incoming",{number},5,')
            with contextlib.suppress(ConnectionResetError):
                clients.append(await asyncio.open_connection("127.0.0.1", port))
            await host.wait_for('\r\n+QIURC: "incoming full"\r\n')
        finally:
            for _, writer in clients:
                writer.transport.abort()


@pytest.mark.parametrize("line", ["=0,1", "=0,0"])
async def test_a_deaf_peer_is_reset(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP, AT+QICLOSE: waits as long as it may, then forces the end; the peer never sees an orderly one."""
    monkeypatch.setattr("fakes.bg96.opening._FLUSH_REAL_MIN", 0.02)
    loop = asyncio.get_running_loop()
    async with bench(ready=True) as host:
        with deaf_server() as (server, port):
            await host.open(0, "TCP", "127.0.0.1", port)
            peer, _ = await loop.sock_accept(server)
            with peer:
                peer.setblocking(False)
                for _ in range(7):
                    assert await host.send(0, b"z" * 1460) == b"SEND OK"
                begun = loop.time()
                await host.ok(f"AT+QICLOSE{line}")
                assert loop.time() - begun < 0.2
                assert await ended(peer) == "reset"


async def test_a_peer_that_listens_sees_an_orderly_end() -> None:
    async with bench(ready=True) as host, tcp_server() as server:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, _ = await server.connection()
        assert await host.send(0, b"z" * 1460) == b"SEND OK"
        await host.ok("AT+QICLOSE=0")
        assert len(await asyncio.wait_for(reader.read(), 5)) == 1460


async def ended(peer: socket.socket) -> str:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5):
            while await loop.sock_recv(peer, 65536):
                pass
    except ConnectionResetError:
        return "reset"
    return "orderly"
