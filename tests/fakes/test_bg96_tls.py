"""Module TLS of the BG96 fake, from the BG96 SSL AT Commands Manual V1.0, against real TLS servers."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.fakes.bg96_host import Bench, Server, bench, tcp_server
from tests.netsocket.certificates import serving


@asynccontextmanager
async def tls_server(name: str = "good") -> AsyncIterator[Server]:
    state = Server()
    names: list[object] = []

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state.connections.append((reader, writer))
        state.arrived.set()

    context = serving(name)
    context.sni_callback = lambda _object, given, _context: names.append(given)
    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    state.port = server.sockets[0].getsockname()[1]
    state.names = names  # type: ignore[attr-defined]
    try:
        yield state
    finally:
        server.close()
        for _, writer in state.connections:
            writer.transport.abort()
        await asyncio.sleep(0)


async def open_tls(host: Bench, number: int, port: int, context: int = 1) -> bytes:
    host.type(f'AT+QSSLOPEN=1,{context},{number},"127.0.0.1",{port},0\r')
    return await host.until(rb"\+QSSLOPEN: \d+,\d+\r\n")


async def test_exact_bytes_of_a_connection() -> None:
    async with bench(ready=True) as host, tls_server() as server:
        assert await open_tls(host, 3, server.port) == b"\r\nOK\r\n\r\n+QSSLOPEN: 3,0\r\n"
        reader, writer = await server.connection()
        host.type("AT+QSSLSEND=3,5\r")
        assert await host.wait_for("> ") == b"\r\n> "
        host.type(b"\x00OK\r\n")
        assert await host.wait_for("OK\r\n") == b"\r\nSEND OK\r\n"
        assert await reader.readexactly(5) == b"\x00OK\r\n"
        writer.write(b"\x20\x02\r\nOK")
        assert await host.until(rb"\r\n.*\r\n") == b'\r\n+QSSLURC: "recv",3\r\n'
        answer = await host.command("AT+QSSLRECV=3,1500")
        assert answer == b"\r\n+QSSLRECV: 6\r\n\x20\x02\r\nOK\r\n"
        assert await host.until(rb"OK\r\n") == b"\r\nOK\r\n"
        assert await host.command("AT+QSSLRECV=3,1500") == b"\r\n+QSSLRECV: 0\r\n\r\nOK\r\n"
        row = await host.info("AT+QSSLSTATE")
        assert re.fullmatch(
            rf'\+QSSLSTATE: 3,"SSLClient","127.0.0.1",{server.port},\d+,2,1,3,0,"usbmodem",1', row
        )
        assert await host.command("AT+QISTATE?") == b"\r\nOK\r\n"
        await host.ok("AT+QSSLCLOSE=3,1")
        assert await reader.read() == b""
        assert await host.command("AT+QSSLSTATE") == b"\r\nOK\r\n"


async def test_the_end_comes_behind_the_data_and_the_id_stays_taken() -> None:
    async with bench(ready=True) as host, tls_server() as server:
        await open_tls(host, 0, server.port)
        _, writer = await server.connection()
        writer.write(b"x" * 2000)
        writer.close()
        await host.wait_for('\r\n+QSSLURC: "recv",0\r\n')
        await host.wait_for('\r\n+QSSLURC: "closed",0\r\n')
        for count in (1500, 500):
            answer = await host.command("AT+QSSLRECV=0,1500")
            assert answer == b"\r\n+QSSLRECV: %d\r\n" % count + b"x" * count + b"\r\n\r\nOK\r\n"
        assert (await open_tls(host, 0, server.port)).endswith(b"+QSSLOPEN: 0,563\r\n")
        await host.ok("AT+QSSLCLOSE=0")
        assert (await open_tls(host, 0, server.port)).endswith(b"+QSSLOPEN: 0,0\r\n")


async def test_settings() -> None:
    async with bench(ready=True) as host:  # L38
        assert await host.info('AT+QSSLCFG="ignorelocaltime",1') == (
            '+QSSLCFG: "ignorelocaltime",1,1'
        )
        await host.ok('AT+QSSLCFG="ciphersuite",2,0XFFFF')
        for wrong in ('"ciphersuite",2,"0XFFFF"', '"seclevel",2,3', '"sslversion",6,4', '"sni",1,1',
                      '"negotiatetime",1,301'):  # fmt: skip
            assert await host.command(f"AT+QSSLCFG={wrong}") == b"\r\nERROR\r\n"
        await host.ok('AT+QSSLCFG="seclevel",2,1')
        assert await host.info('AT+QSSLCFG="seclevel",2') == '+QSSLCFG: "seclevel",2,1'
        assert await host.info('AT+QSSLCFG="seclevel",1') == '+QSSLCFG: "seclevel",1,0'


@pytest.mark.parametrize("name", ["good", "expired", "wrong-host", "unknown-ca"])
async def test_without_seclevel_every_certificate_is_taken(name: str) -> None:
    async with bench(ready=True) as host, tls_server(name) as server:
        assert (await open_tls(host, 0, server.port)).endswith(b"0,0\r\n")
        await host.ok('AT+QSSLCFG="seclevel",2,1')
        refused = await open_tls(host, 1, server.port, context=2)
        assert refused.endswith(b"+QSSLOPEN: 1,566\r\n"), "no authority is known to it"
        assert (await host.info("AT+QIGETERROR")).startswith("+QIGETERROR: 566,")
        assert server.names[0] is None  # type: ignore[attr-defined]
        writer = (await server.connection())[1]
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"


async def test_no_tls_peer_and_no_peer() -> None:
    async with bench(ready=True) as host, tcp_server(echo=True) as plain:
        assert (await open_tls(host, 0, plain.port)).endswith(b"+QSSLOPEN: 0,566\r\n")
        old = plain.port
    async with bench(ready=True) as host:
        assert (await open_tls(host, 0, old)).endswith(b"+QSSLOPEN: 0,566\r\n")
        for line in ("AT+QSSLRECV=0,1500", "AT+QSSLSEND=0,4", 'AT+QSSLOPEN=1,6,0,"x",443,0',
                     'AT+QSSLOPEN=1,1,12,"x",443,0', 'AT+QSSLOPEN=2,1,0,"x",443,0'):  # fmt: skip
            assert await host.command(line) == b"\r\nERROR\r\n"
        await host.ok("AT+QSSLCLOSE=0")


async def test_ids_are_those_of_the_sockets() -> None:
    async with bench(ready=True) as host, tls_server() as server:
        await open_tls(host, 0, server.port)
        await host.ok('AT+QIOPEN=1,0,"TCP","127.0.0.1",9,0,0')
        assert await host.until(rb"\+QIOPEN: 0,\d+\r\n") == b"\r\n+QIOPEN: 0,563\r\n"
        for line in ("AT+QISEND=0,4", "AT+QIRD=0,10"):
            assert await host.command(line) == b"\r\nERROR\r\n"
        await host.ok("AT+QICLOSE=0,0")
        assert (await host.info("AT+QSSLSTATE=0")).startswith("+QSSLSTATE: 0,")


async def test_a_cut_stream_is_closed_too() -> None:
    async with bench(ready=True) as host, tls_server() as server:
        await open_tls(host, 0, server.port)
        _, writer = await server.connection()
        writer.transport.get_extra_info("socket")
        writer.transport.abort()
        assert await host.until(rb"\r\n.*\r\n") == b'\r\n+QSSLURC: "closed",0\r\n'
        assert isinstance(ssl.SSLError(), OSError)
