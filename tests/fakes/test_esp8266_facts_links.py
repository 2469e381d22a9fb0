"""Opening and closing links of the Espressif fakes: parameters, names, and what the peer sees of a close.

ESP-AT User Guide, "TCP/IP AT Commands" (AT+CIPSTART: names of 64 bytes at most, keep-alive 0 to 7200 s,
10 s for each packet of a handshake; AT+CIPTCPOPT: SO_LINGER -1 off, 0 RST, SO_SNDTIMEO 0 to 600000 ms,
keep-alive since v2.4; AT+CIPSSLCCONF: 2 and 3 verify the server); AT+CIPCLOSEMODE of NonOS as WiFiEspAT uses it.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.fakes.esp8266_tables import (
    LONG,
    RANGE,
    codes,
    limits_set,
    spent_by,
)
from tests.netsocket.certificates import serving

LONGEST = "0000:0000:0000:0000:0000:0000:0000:0001"  # no literal address has more characters
FIN, RST = "FIN", "RST"


async def test_parameters_of_a_link(esp: Any) -> None:
    host = await esp("E24", resolve={64 * "n": "127.0.0.1"})
    udp, tcp, close = 'AT+CIPSTART=0,"UDP"', 'AT+CIPSTART=0,"TCP"', ("AT+CIPCLOSE=0", 0)
    await codes(host, [
        ("AT+CIPMUX=-1", RANGE), ("AT+CIPCLOSE=-1", RANGE),
        (f'{udp},"{64 * "n"}",9', 0), close, (f'{udp},"{65 * "n"}",9', LONG), (f'{tcp},"{65 * "n"}",9', LONG),
        (f'{tcp},"127.0.0.1",0', RANGE), (f'{tcp},"127.0.0.1",65536', RANGE),
        (f'{udp},"127.0.0.1",-1', RANGE), (f'{udp},"127.0.0.1",65536', RANGE),
        (f'{udp},"127.0.0.1",0', 0), close, (f'{udp},"127.0.0.1",65535', 0), close,
        (f'{tcp},"127.0.0.1",9,-1', RANGE), (f'{tcp},"127.0.0.1",9,7201', RANGE),
        (f'{tcp},"127.0.0.1",9,0,"{LONGEST}0"', LONG), (f'{udp},"127.0.0.1",9,0,0,"{LONGEST}0"', LONG),
        (f'{udp},"127.0.0.1",9,0,0,"{LONGEST}"', 0), close,
        (f'{udp},"127.0.0.1",9,5000,-1', RANGE), (f'{udp},"127.0.0.1",9,5000,3', RANGE),
        ("AT+CIPTCPOPT=0,-1,0,600000", 0), ("AT+CIPTCPOPT=0,-1,0,600001", RANGE),
    ])  # fmt: skip
    # The highest own port: somebody else may have it, but it is in range.
    told = await host.command(f'{udp},"127.0.0.1",9,65535')
    assert b"%08x" % RANGE not in told


async def test_the_own_address_may_be_named(esp: Any, far: Any) -> None:
    host, end = await esp("E24", resolve={"srv": "127.0.0.1"}), await far()
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port},7200,"{LONGEST}"')
    await host.ok(f'AT+CIPSTART=1,"TCP","srv",{end.port}')


async def test_datagram_links_choose_their_own_port(esp: Any) -> None:
    """Without a local port each gets one of its own; AT+CIPSTATUS shows it."""
    host = await esp("E24")
    for number in (0, 1):
        await host.ok(f'AT+CIPSTART={number},"UDP","127.0.0.1",9')
    rows = await host.ok("AT+CIPSTATUS")
    ports = [int(port) for port in re.findall(rb'"127\.0\.0\.1",9,(\d+),0\r\n', rows)]
    assert len(set(ports)) == 2
    assert min(ports) > 1023


@pytest.mark.parametrize(("firmware", "fields"), [("E22", 3), ("E24", 4)])
async def test_options_that_are_left_out(esp: Any, firmware: str, fields: int) -> None:
    host = await esp(firmware)
    await host.ok("AT+CIPTCPOPT=0,,1")
    rows = (await host.ok("AT+CIPTCPOPT?")).splitlines()
    assert rows[0] == b"+CIPTCPOPT:0," + b",".join([b"-1", b"1", b"0", b"0"][:fields])


async def test_a_name_gives_the_address_that_the_type_wants(esp: Any, far: Any) -> None:
    four, six = await far(), await far(host="::1")
    host = await esp("E24", resolve={"both": "127.0.0.1,::1", "four": "127.0.0.1"})
    await host.ok("AT+CIPV6=1")
    for kind, address, port in (
        ("UDP", "127.0.0.1", 9), ("UDPv6", "::1", 9), ("TCP", "127.0.0.1", four.port), ("TCPv6", "::1", six.port),
    ):  # fmt: skip
        await host.ok(f'AT+CIPSTART=0,"{kind}","both",{port}')
        assert b'+CIPSTATUS:0,"%b","%b",%d,' % (kind.encode(), address.encode(), port) in (
            await host.ok("AT+CIPSTATUS")
        )
        await host.ok("AT+CIPCLOSE=0")
    await host.error(f'AT+CIPSTART=0,"TCPv6","four",{four.port}')
    await host.error('AT+CIPSTART=0,"UDPv6","127.0.0.1",9')


async def test_single_mode_takes_no_id(esp: Any) -> None:
    host = await esp("N17", mux=0)
    await host.ok("AT+CIPMUX=0")
    assert await host.error('AT+CIPSTART=0,"TCP","127.0.0.1",9') == b"MUX=0\r\n"


async def test_the_time_for_a_connection(esp: Any) -> None:
    """AT+CIPSTART, sixth parameter (v4.1): milliseconds."""
    host = await esp("E33")
    spent = spent_by(host)
    await host.error('AT+CIPSTART=0,"TCP","192.0.2.1",80,0,"",500')
    assert spent == [pytest.approx(0.5)]


# ---- what the peer sees --------------------------------------------------------------------


@pytest.mark.parametrize(("firmware", "steps"), [
    ("E24", [("", FIN), ("AT+CIPTCPOPT=0,0,1,1,1", RST), ("AT+CIPTCPOPT=0,-1,0,0,0", FIN),
             ("AT+CIPTCPOPT=0,1,0,0,0", FIN), ("AT+CIPTCPOPT=1,0", FIN)]),
    ("N17", [("", FIN), ("AT+CIPCLOSEMODE=0,1", RST), ("", FIN), ("AT+CIPCLOSEMODE=1,1", FIN)]),
])  # fmt: skip
async def test_how_a_close_looks_to_the_peer(
    esp: Any, far: Any, firmware: str, steps: list[tuple[str, str]]
) -> None:
    """AT+CIPCLOSEMODE holds for the next close of that id, AT+CIPTCPOPT for the id until it is changed."""
    ends: asyncio.Queue[str] = asyncio.Queue()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
            ends.put_nowait(FIN)
        except ConnectionError:
            ends.put_nowait(RST)

    host, end = await esp(firmware), await far(watch)
    for setting, how in steps:
        if setting:
            await host.ok(setting)
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
        await host.ok("AT+CIPCLOSE=0")
        async with asyncio.timeout(5):
            assert await ends.get() == how, setting


# ---- TLS ---------------------------------------------------------------------------------


async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_who_verifies_the_server(esp: Any, monkeypatch: Any) -> None:
    """The module knows no authority but the vendor's own, so what verifies refuses; IPv6 has its type; the
    handshake has 10 s."""
    server = await asyncio.start_server(hold, "::1", 0, ssl=serving("good"))
    async with server:
        port = server.sockets[0].getsockname()[1]
        host = await esp("E24", time_scale=1)
        await host.ok("AT+CIPV6=1")
        limits = limits_set(monkeypatch)
        for mode in (0, 1, 2, 3):
            await host.ok(f"AT+CIPSSLCCONF={mode},{mode}")
            told = await host.command(f'AT+CIPSTART={mode},"SSLv6","::1",{port}')
            assert told.endswith(b"\r\nERROR\r\n" if mode & 2 else b"\r\nOK\r\n"), mode
            host.output.clear()
        monkeypatch.undo()
        assert limits.count(10) == 4
        assert b'+CIPSTATUS:0,"SSLv6","::1",' in await host.ok("AT+CIPSTATUS")
        await host.ok("AT+CIPCLOSE=5")  # since Python 3.12 a server waits for its connections
