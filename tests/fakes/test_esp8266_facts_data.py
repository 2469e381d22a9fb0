"""Sending and receiving of the Espressif fakes: what is taken, what takes how long, what is announced.

ESP-AT User Guide, "TCP/IP AT Commands" (AT+CIPSEND: address and port go together, only for UDP; packets of
transparent transmission end after 20 ms, AT+TRANSINTVL; AT+CIPTCPOPT: SO_SNDTIMEO in ms; AT+CIPSTART "UDP" mode 1
changes once; AT+CIPRECVTYPE); strings of the NonOS library; esp-at issues 465 (times) and 294 (an
announcement is missing); WiFiEspAT on growing announcements of NonOS.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.fakes.esp8266_tables import (
    MISSING,
    RANGE,
    codes,
    count,
    limits_set,
    spent_by,
)


class Speaker:
    """A far end that says what it is told to say."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.ready.set()
        await reader.read()

    async def say(self, host: Any, data: bytes, waiting: int) -> None:
        """Send, and wait until so much waits in link 0 of the module."""
        await self.ready.wait()
        assert self.writer is not None
        self.writer.write(data)
        async with asyncio.timeout(5):
            while host.modem.links[0].waiting() != waiting:
                await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)


# ---- sending -----------------------------------------------------------------------------


async def test_where_a_datagram_goes(esp: Any, udp_far: Any) -> None:
    six = await udp_far("::1")
    longest = 64 * "n"
    host = await esp("E24", resolve={longest: "127.0.0.1", "six": "::1"})
    await host.ok("AT+CIPV6=1")
    await host.ok('AT+CIPSTART=0,"UDP","127.0.0.1",9')
    await host.ok('AT+CIPSTART=1,"UDPv6","::1",9')
    await codes(host, [
        ('AT+CIPSEND=0,1,"127.0.0.1"', MISSING), ('AT+CIPSEND=0,1,"127.0.0.1",0', RANGE),
    ])  # fmt: skip
    for head in ('0,1,"127.0.0.1",1', f'0,1,"{longest}",9', f'1,1,"six",{six.port}'):
        host.send(f"AT+CIPSEND={head}\r\n".encode())
        await host.expect(b"\r\nOK\r\n\r\n>")
        host.send(b"x")
        await host.expect(b"\r\nRecv 1 bytes\r\n\r\nSEND OK\r\n")
    await host.expect(b"\r\n+IPD,1,1:x")
    assert [data for data, _ in six.got] == [b"x"]


@pytest.mark.parametrize(("kind", "nobody"), [("UDP", "0.0.0.0"), ("UDPv6", "::")])
async def test_a_datagram_to_nobody(esp: Any, kind: str, nobody: str) -> None:
    host = await esp("E24")
    await host.ok("AT+CIPV6=1")
    await host.ok(f'AT+CIPSTART=0,"{kind}","{nobody}",9,0,0')
    host.send(b"AT+CIPSEND=0,1\r\n")
    await host.expect(b"\r\nOK\r\n\r\n>")
    host.send(b"x")
    await host.expect(b"\r\nRecv 1 bytes\r\n\r\nSEND FAIL\r\n")


async def test_nonos_names_the_type_when_a_stream_has_a_target(esp: Any, far: Any) -> None:
    end, host = await far(), await esp("N17")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    assert await host.error('AT+CIPSEND=0,1,"127.0.0.1",9') == b"Link typ ERROR\r\n"


async def test_times_of_a_send(esp: Any, far: Any, monkeypatch: Any) -> None:
    """4 ms from the last byte to Recv, 7 to 8 to SEND OK; SO_SNDTIMEO limits it where it is set."""
    end = await far()
    host = await esp("E24", time_scale=1)
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.ok("AT+CIPTCPOPT=0,-1,1,5000,60")
    host.send(b"AT+CIPSEND=0,1\r\n")
    await host.expect(b"\r\nOK\r\n\r\n>")
    spent, limits = spent_by(host), limits_set(monkeypatch)
    host.send(b"x")
    await host.read_until(b"SEND OK\r\n")
    monkeypatch.undo()
    assert 5.0 in limits
    assert spent[0] == pytest.approx(0.004, abs=0.001)
    assert 0.007 <= spent[1] <= 0.008


async def test_nonos_is_busy_until_the_peer_has_it(esp: Any, far: Any) -> None:
    """`busy s...` between Recv and SEND OK."""
    end, host = await far(), await esp("N17")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    host.send(b"AT+CIPSEND=0,1\r\n")
    await host.expect(b"\r\nOK\r\n> ")
    waiting = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        if b"Recv" in host.output:
            await waiting.wait()

    host.modem.sleep = sleep
    host.send(b"x")
    await host.until(lambda: b"Recv 1 bytes\r\n" in host.output)
    host.send(b"AT\r\n")
    await host.until(lambda: b"busy" in host.output)
    waiting.set()
    told = await host.read_until(b"SEND OK\r\n")
    assert told.startswith(b"\r\nRecv 1 bytes\r\n\r\nbusy s...\r\n")


@pytest.mark.parametrize(
    ("firmware", "given", "pause"), [("E22", 20, 0.02), ("E24", 5, 0.005), ("N17", 20, 0.02)]
)
async def test_what_ends_a_packet_of_transparent_mode(
    esp: Any, udp_far: Any, firmware: str, given: int, pause: float
) -> None:
    end = await udp_far()
    host = await esp(firmware, mux=0)
    if firmware == "E24":
        await host.ok(f"AT+TRANSINTVL={given}")
    await host.ok(f'AT+CIPSTART="UDP","127.0.0.1",{end.port}')
    await host.ok("AT+CIPMODE=1")
    guards: list[float] = []
    real = host.modem.take_some

    async def take_some(limit: int, *, escape: bytes, guard: float) -> Any:
        guards.append(guard)
        return await real(limit, escape=escape, guard=guard)

    host.modem.take_some = take_some
    host.send(b"AT+CIPSEND\r\n")
    await host.expect(b"\r\nOK\r\n\r\n>")
    await asyncio.sleep(0.021)  # the escape is a packet of its own
    host.send(b"+++")
    async with asyncio.timeout(5):
        while host.modem.running:
            await asyncio.sleep(0.001)
    assert guards == [pytest.approx(pause)]
    assert end.got == []


# ---- receiving ---------------------------------------------------------------------------


async def test_parameters_of_receiving(esp: Any) -> None:
    host = await esp("E33")
    await codes(host, [
        ("AT+CIPRECVTYPE=0,0,0", count(2, 3)), ("AT+CIPRECVTYPE=0", count(2, 1)), ("AT+CIPRECVTYPE=0,-1", RANGE),
        ("AT+CIPRECVTYPE=0,2", RANGE), ("AT+CIPRECVTYPE=6,0", RANGE), ("AT+CIPRECVTYPE=5,1", 0),
        ("AT+CIPDINFO=0", 0), ("AT+CIPDINFO=1", 0), ("AT+CIPDINFO=2", RANGE), ("AT+CIPRECVDATA=0,0", RANGE),
        ("AT+CIPRECVMODE=-1", RANGE), ("AT+CIPRECVMODE=0", 0), ("AT+CIPRECVMODE=1", 0), ("AT+CIPRECVMODE=2", RANGE),
    ])  # fmt: skip


@pytest.mark.parametrize("firmware", ["N17", "E24"])
async def test_what_is_announced(esp: Any, far: Any, firmware: str) -> None:
    """NonOS repeats with growing totals; ESP-AT says it again only when the host has read."""
    speaker = Speaker()
    end, host = await far(speaker), await esp(firmware)
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await speaker.say(host, bytes(31), 31)
    await speaker.say(host, bytes(37), 68)
    first, nonos = b"\r\n+IPD,0,31\r\n", firmware == "N17"
    await host.expect(first + (b"\r\n+IPD,0,68\r\n" if nonos else b""))
    assert not host.output
    host.send(b"AT+CIPRECVDATA=0,68\r\n")
    await host.read_until(b"\r\nOK\r\n")
    await speaker.say(host, b"x", 1)
    await host.expect(b"\r\n+IPD,0,1\r\n")
    assert not host.output


async def test_announcements_of_a_single_link(esp: Any, far: Any) -> None:
    speaker = Speaker()
    end, host = await far(speaker), await esp("E24", mux=0)
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART="TCP","127.0.0.1",{end.port}')
    await speaker.say(host, b"pong", 4)
    await host.expect(b"\r\n+IPD,4\r\n")


async def test_data_whose_announcement_got_lost(esp: Any, far: Any) -> None:
    """They are there to be read; nothing is announced that is not there."""
    speaker = Speaker()
    end, host = await far(speaker), await esp("N17")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await speaker.say(host, b"pong", 4)
    host.modem.links[0].tcp.changed = None
    await speaker.say(host, b"more", 8)
    await host.expect(b"\r\n+IPD,0,4\r\n")
    assert await host.ok("AT+CIPRECVLEN?") == b"+CIPRECVLEN:8,0,0,0,0\r\n"
    assert await host.ok("AT+CIPRECVDATA=0,8") == b"\r\n+CIPRECVDATA,8:pongmore"
    assert not host.output


async def test_the_destination_changes_once(esp: Any, udp_far: Any) -> None:
    """Mode 1: the first foreign sender, and nobody after it."""
    one, two, three = await udp_far(), await udp_far(), await udp_far()
    host = await esp("E24")
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        link = probe.getsockname()
    await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{one.port},{link[1]},1')
    for far in (two, three, one):
        far.transport.sendto(b"x", link)
        await host.expect(b"\r\n+IPD,0,1:x")
    host.send(b"AT+CIPSEND=0,3\r\n")
    await host.expect(b"\r\nOK\r\n\r\n>")
    host.send(b"hey")
    await host.read_until(b"SEND OK\r\n")
    await host.expect(b"\r\n+IPD,0,3:hey")
    assert [data for data, _ in two.got] == [b"hey"]


async def test_the_largest_datagram(esp: Any, udp_far: Any) -> None:
    far, host = await udp_far(), await esp("E24")
    await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{far.port}')
    for size in (1473, 1472):
        far.transport.sendto(bytes(size), ("127.0.0.1", host.modem.links[0].local_port))
    await host.expect(b"\r\n+IPD,0,1472:" + bytes(1472))
