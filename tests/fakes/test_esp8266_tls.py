"""TLS links of the Espressif fake: ESP-AT User Guide, TCP/IP AT Commands, against real TLS servers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.netsocket.certificates import serving


class Peer:
    def __init__(self) -> None:
        self.port = 0
        self.names: list[str | None] = []
        self.versions: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.readers: list[asyncio.StreamReader] = []

    async def writer(self) -> asyncio.StreamWriter:
        async with asyncio.timeout(5):
            while not self.writers:
                await asyncio.sleep(0.005)
        return self.writers[-1]


@asynccontextmanager
async def tls_peer(name: str = "good") -> AsyncIterator[Peer]:
    peer = Peer()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.versions.append(writer.get_extra_info("ssl_object").version())
        peer.readers.append(reader)
        peer.writers.append(writer)

    context = serving(name)
    context.sni_callback = lambda _object, given, _context: peer.names.append(given)
    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()
    for writer in peer.writers:
        writer.transport.abort()
    await asyncio.sleep(0)


@pytest.mark.parametrize("firmware", ["E22", "E24"])
async def test_exact_bytes_active(esp: Callable[..., Any], firmware: str) -> None:
    host = await esp(firmware)
    async with tls_peer() as peer:
        host.send(b'AT+CIPSTART=0,"SSL","127.0.0.1",%d\r\n' % peer.port)
        await host.expect(b"0,CONNECT\r\n\r\nOK\r\n")
        writer = await peer.writer()
        assert peer.versions == ["TLSv1.2"]
        writer.write(b"pong")
        await host.expect(b"\r\n+IPD,0,4:pong")
        rows = await host.ok("AT+CIPSTATUS")
        assert re.search(rb'\+CIPSTATUS:0,"SSL","127.0.0.1",%d,\d+,0\r\n' % peer.port, rows)
        writer.close()
        await host.expect(b"0,CLOSED\r\n")


async def test_lengths_are_of_records_and_the_end_is_one(esp: Callable[..., Any]) -> None:
    """esp-at #589: 552 bytes announced as 581; #729: ERROR, then CLOSED behind a close_notify."""
    host = await esp("E24")
    await host.ok("AT+CIPRECVMODE=1")
    async with tls_peer() as peer:
        host.send(b'AT+CIPSTART=0,"SSL","127.0.0.1",%d\r\n' % peer.port)
        await host.expect(b"0,CONNECT\r\n\r\nOK\r\n")
        writer = await peer.writer()
        writer.write(b"x" * 552)
        await host.expect(b"\r\n+IPD,0,581\r\n")
        host.send(b"AT+CIPRECVDATA=0,581\r\n")
        await host.expect(b"+CIPRECVDATA:552," + b"x" * 552 + b"\r\nOK\r\n")
        writer.close()
        await host.expect(b"\r\n+IPD,0,31\r\n")
        host.send(b"AT+CIPRECVLEN?\r\n")
        await host.expect(b"+CIPRECVLEN:31,-1,-1,-1,-1\r\n\r\nOK\r\n")
        host.send(b"AT+CIPRECVDATA=0,31\r\n")
        await host.expect(b"\r\nERROR\r\n0,CLOSED\r\n")


@pytest.mark.parametrize("name", ["good", "expired", "unknown-ca"])
async def test_certificates_are_looked_at_only_in_mode_2(
    esp: Callable[..., Any], name: str
) -> None:
    host = await esp("E24")
    async with tls_peer(name) as peer:
        host.send(b'AT+CIPSTART=0,"SSL","127.0.0.1",%d\r\n' % peer.port)
        await host.expect(b"0,CONNECT\r\n\r\nOK\r\n")
        await host.ok("AT+CIPSSLCCONF=1,2,0,0")
        host.send(b'AT+CIPSTART=1,"SSL","127.0.0.1",%d\r\n' % peer.port)
        await host.expect(b"\r\nERROR\r\n1,CLOSED\r\n")


async def test_the_name_is_indicated_when_it_was_set(esp: Callable[..., Any]) -> None:
    host = await esp("E24")
    async with tls_peer() as peer:
        for text in (None, b'"srv.example"'):
            if text:
                await host.ok(f"AT+CIPSSLCSNI=0,{text.decode()}")
            host.send(b'AT+CIPSTART=0,"SSL","127.0.0.1",%d\r\n' % peer.port)
            await host.expect(b"0,CONNECT\r\n\r\nOK\r\n")
            host.send(b"AT+CIPCLOSE=0\r\n")
            await host.expect(b"0,CLOSED\r\n\r\nOK\r\n")
        assert peer.names == [None, "srv.example"]
        rows = await host.ok("AT+CIPSSLCSNI?")
        assert rows.startswith(b'+CIPSSLCSNI:0,"srv.example"\r\n+CIPSSLCSNI:1,""\r\n')
    for wrong in ('=0,"' + "n" * 65 + '"', "=0,srv", '=6,"srv"', '="srv"'):
        await host.error(f"AT+CIPSSLCSNI{wrong}")


async def test_how_many(esp: Callable[..., Any]) -> None:
    async with tls_peer() as peer:
        for firmware, most in (("E22", 1), ("E24", 5)):
            host = await esp(firmware)
            for number in range(most):
                await host.ok(f'AT+CIPSTART={number},"SSL","127.0.0.1",{peer.port}')
            if most < 5:
                await host.error(f'AT+CIPSTART={most},"SSL","127.0.0.1",{peer.port}')
        host = await esp("N17")
        await host.error(f'AT+CIPSTART=0,"SSL","127.0.0.1",{peer.port}')


async def test_a_peer_without_tls(esp: Callable[..., Any], far: Callable[..., Any]) -> None:
    host, end = await esp("E24"), await far()
    host.send(b'AT+CIPSTART=0,"SSL","127.0.0.1",%d\r\n' % end.port)
    await host.expect(b"\r\nERROR\r\n0,CLOSED\r\n")
