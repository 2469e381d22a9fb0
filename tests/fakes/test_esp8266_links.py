"""Links, payload and +IPD of the Espressif fake, against real sockets on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import socket
from typing import Any

import pytest

from fakes.esp8266 import FIRMWARES
from tests.ports import free_port

LATER = [name for name in FIRMWARES if name != "N0"]  # that: test_esp8266_first.py
ESP_AT = [name for name in LATER if name != "N17"]
PROMPT = dict.fromkeys(ESP_AT, b"\r\nOK\r\n\r\n>") | {"N17": b"\r\nOK\r\n> "}


async def send(host: Any, head: str, data: bytes) -> None:
    """A complete AT+CIPSEND, byte for byte, up to SEND OK."""
    host.send(f"AT+CIPSEND={head}\r\n".encode())
    await host.expect(PROMPT[host.modem.profile.name])
    host.send(data)
    await host.expect(b"\r\nRecv %d bytes\r\n" % len(data))
    await host.read_until(b"\r\nSEND OK\r\n")


# ---- the golden exchanges ------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
@pytest.mark.parametrize("passive", [False, True])
async def test_golden_tcp(esp: Any, far: Any, firmware: str, passive: bool) -> None:
    """connect, send, receive, close: the bytes of the reference, for each generation."""
    gate = asyncio.Event()

    async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(4) == b"ping"
        await gate.wait()
        writer.write(b"pong")
        await reader.read()

    end = await far(pong)
    host = await esp(firmware)
    if passive:
        await host.ok("AT+CIPRECVTYPE=5,1" if firmware == "E33" else "AT+CIPRECVMODE=1")
    host.send(b'AT+CIPSTART=0,"TCP","127.0.0.1",%d\r\n' % end.port)
    await host.expect(b"0,CONNECT\r\n\r\nOK\r\n")
    host.send(b"AT+CIPSEND=0,4\r\n")
    await host.expect(PROMPT[firmware])
    host.send(b"ping")
    await host.expect(b"\r\nRecv 4 bytes\r\n\r\nSEND OK\r\n")
    gate.set()
    if passive:
        await host.expect(b"\r\n+IPD,0,4\r\n")
        host.send(b"AT+CIPRECVDATA=0,2048\r\n")
        if firmware == "N17":
            await host.expect(b"\r\n+CIPRECVDATA,4:pong\r\nOK\r\n")
        else:
            await host.expect(b"+CIPRECVDATA:4,pong\r\nOK\r\n")
        await host.error("AT+CIPRECVDATA=0,2048")  # nothing to read
    else:
        await host.expect(b"\r\n+IPD,0,4:pong")
    host.send(b"AT+CIPCLOSE=0\r\n")
    await host.expect(b"0,CLOSED\r\n\r\nOK\r\n")
    await host.quiet(0.01)


@pytest.mark.parametrize("firmware", LATER)
async def test_golden_udp(esp: Any, udp_far: Any, firmware: str) -> None:
    end = await udp_far()
    host = await esp(firmware)
    await host.ok("AT+CIPDINFO=1")
    word = b"TRUE" if firmware == "N17" else b"true"
    assert await host.ok("AT+CIPDINFO?") == b"+CIPDINFO:" + word + b"\r\n"
    host.send(b'AT+CIPSTART=1,"UDP","0.0.0.0",9,%d,0\r\n' % free_port())
    await host.expect(b"1,CONNECT\r\n\r\nOK\r\n")
    await send(host, f'1,4,"127.0.0.1",{end.port}', b"data")
    address = b"127.0.0.1" if firmware == "N17" else b'"127.0.0.1"'
    await host.expect(b"\r\n+IPD,1,4,%b,%d:data" % (address, end.port))


@pytest.mark.parametrize("firmware", LATER)
async def test_single_link_forms(esp: Any, far: Any, firmware: str) -> None:
    end = await far()
    host = await esp(firmware, mux=0)
    await host.ok("AT+CIPMUX=0")
    reason = b"MUX=0\r\n" if firmware == "N17" else b""
    assert await host.error(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}') == reason
    host.send(b'AT+CIPSTART="TCP","127.0.0.1",%d\r\n' % end.port)
    await host.expect(b"CONNECT\r\n\r\nOK\r\n")
    host.send(b"AT+CIPSEND=5\r\n")
    await host.expect(PROMPT[firmware])
    host.send(b"hello")
    await host.expect(b"\r\nRecv 5 bytes\r\n")
    rest = await host.read_until(b"hello")
    assert b"\r\n+IPD,5:hello" in rest
    assert await host.error("AT+CIPCLOSE=0") == reason
    host.output.clear()
    host.send(b"AT+CIPCLOSE\r\n")
    await host.expect(b"CLOSED\r\n\r\nOK\r\n")
    unlink = b"UNLINK\r\n" if firmware == "N17" else b""
    assert await host.error("AT+CIPCLOSE") == unlink


# ---- opening -----------------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_refusals(esp: Any, far: Any, firmware: str) -> None:
    nonos = firmware == "N17"
    end = await far()
    host = await esp(firmware)
    good = f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}'
    await host.ok(good)
    for line, reason in (
        (good, b"ALREADY CONNECTED\r\n"),
        ("AT+CIPSEND=3,4", b"link is not valid\r\n"),
        ("AT+CIPCLOSE=3", b"UNLINK\r\n"),
        ("AT+CIPCLOSE", b"MUX=1\r\n"),
        ("AT+CIPSTART=5" + good[13:], b"ID ERROR\r\n"),
        ('AT+CIPSTART=1,"XYZ","127.0.0.1",1', b"Link typ ERROR\r\n"),
        ('AT+CIPSTART=1,"TCP","no.test",1', b"DNS Fail\r\n"),
        ("AT+CIPSEND=0,0", b"too long\r\n"),
        (f"AT+CIPSEND=0,{host.modem.facts['frame.max_send'] + 1}", b"too long\r\n"),
    ):
        assert await host.error(line) == (reason if nonos else b""), line
    if nonos:
        assert await host.error("AT+CIPMUX=1") == b"link is builded\r\n"
    else:
        await host.ok("AT+CIPMUX=1")
        await host.error("AT+CIPMUX=0")
    host.modem.leave()
    await host.expect(b"WIFI DISCONNECT\r\n0,CLOSED\r\n")
    assert await host.error(good) == (b"no ip\r\n" if nonos else b"")


async def test_closed_follows_a_failed_connect(esp: Any) -> None:
    port = free_port()
    host = await esp("E22")
    host.send(b'AT+CIPSTART=2,"TCP","127.0.0.1",%d\r\n' % port)
    await host.expect(b"\r\nERROR\r\n2,CLOSED\r\n")
    host = await esp("N17", time_scale=1)
    loop = asyncio.get_running_loop()
    host.send(b'AT+CIPSTART=2,"TCP","127.0.0.1",%d\r\n' % port)
    await host.expect(b"\r\nERROR\r\n")
    began = loop.time()
    await host.expect(b"2,CLOSED\r\n")
    assert 0.03 <= loop.time() - began <= 0.5
    host = await esp("E22", time_scale=1, late_closed="50")
    host.send(b'AT+CIPSTART=2,"TCP","127.0.0.1",%d\r\n' % port)
    await host.expect(b"\r\nERROR\r\n")
    await host.quiet(0.02)
    await host.expect(b"2,CLOSED\r\n")


async def test_unreachable_host_fails_after_its_time(esp: Any) -> None:
    loop = asyncio.get_running_loop()
    host = await esp("E22", time_scale=0.05)
    began = loop.time()
    await host.error('AT+CIPSTART=0,"TCP","192.0.2.1",80')
    assert 0.14 < loop.time() - began < 0.6
    assert host.journal("guard") == ["tcp 192.0.2.1:80"]
    host = await esp("E33", time_scale=0.05)
    began = loop.time()
    await host.error('AT+CIPSTART=0,"TCP","192.0.2.1",80,0,"",500')
    assert loop.time() - began < 0.12
    host = await esp("E24")  # no timeout parameter before v4.1
    await host.error('AT+CIPSTART=0,"TCP","127.0.0.1",80,0,"",500')
    assert host.journal("connect") == []


async def test_link_messages(esp: Any, far: Any) -> None:
    end = await far()
    host = await esp("E22")
    await host.ok("AT+SYSMSG=2")
    answer = await host.ok(f'AT+CIPSTART=3,"TCP","127.0.0.1",{end.port}')
    pattern = rb'\+LINK_CONN:0,3,"TCP",0,"127.0.0.1",%d,\d+\r\n' % end.port
    assert re.fullmatch(pattern, answer)


@pytest.mark.parametrize("firmware", ["E22", "E24", "E33"])
async def test_ipv6(esp: Any, far: Any, udp_far: Any, firmware: str) -> None:
    end = await far(host="::1")
    udp = await udp_far("::1")
    host = await esp(firmware, resolve={"six.test": "::1"})
    await host.error(f'AT+CIPSTART=0,"TCPv6","::1",{end.port}')
    await host.ok("AT+CIPV6=1")
    await host.ok("AT+CIPDINFO=1")
    await host.ok(f'AT+CIPSTART=0,"TCPv6","six.test",{end.port}')
    await host.ok(f'AT+CIPSTART=1,"UDPv6","::1",{udp.port}')
    await send(host, "0,2", b"ab")
    await host.expect(b'\r\n+IPD,0,2,"::1",%d:ab' % end.port)
    await send(host, "1,2", b"cd")
    await host.expect(b'\r\n+IPD,1,2,"::1",%d:cd' % udp.port)
    await host.error(f'AT+CIPSTART=2,"TCPv6","127.0.0.1",{end.port}')
    assert b'"UDPv6","::1"' in await host.ok("AT+CIPSTATUS")


@pytest.mark.parametrize("firmware", LATER)
async def test_five_links_at_once(esp: Any, far: Any, udp_far: Any, firmware: str) -> None:
    end, udp = await far(), await udp_far()
    host = await esp(firmware)
    for number in range(5):
        kind, port = ("UDP", udp.port) if number == 4 else ("TCP", end.port)
        await host.ok(f'AT+CIPSTART={number},"{kind}","127.0.0.1",{port}')
    rows = (await host.ok("AT+CIPSTATUS")).decode().splitlines()
    assert rows[0] == "STATUS:3"
    assert [row.split(",")[0] for row in rows[1:]] == [f"+CIPSTATUS:{n}" for n in range(5)]
    assert re.fullmatch(rf'\+CIPSTATUS:0,"TCP","127.0.0.1",{end.port},\d+,0', rows[1])
    for number in range(5):
        text = b"link%d" % number
        await send(host, f"{number},5", text)
        await host.expect(b"\r\n+IPD,%d,5:%b" % (number, text))
    host.send(b"AT+CIPCLOSE=5\r\n")
    await host.expect(b"".join(b"%d,CLOSED\r\n" % n for n in range(5)) + b"\r\nOK\r\n")
    assert await host.ok("AT+CIPSTATUS") == b"STATUS:4\r\n"


# ---- sending -----------------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_swallowed_commands_and_escape(esp: Any, far: Any, firmware: str) -> None:
    end = await far()
    host = await esp(firmware)
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    host.send(b"AT+CIPSEND=0,16\r\n")
    await host.expect(PROMPT[firmware])
    host.send(b"short")
    await asyncio.sleep(0.03)
    host.send(b"AT+CIPCLOSE")  # fills the block
    await host.expect(b"\r\nRecv 16 bytes\r\n")
    await host.read_until(b"+IPD,0,16:shortAT+CIPCLOSE")
    host.send(b"AT+CIPSEND=0,100\r\n")
    await host.expect(PROMPT[firmware])
    host.send(b"some")
    await asyncio.sleep(0.03)
    host.send(b"+++")
    await host.expect(b"\r\nSEND Canceled\r\n")
    await host.ok("AT")


async def test_excess_bytes(esp: Any, far: Any) -> None:
    end = await far()
    for firmware, busy in (("N17", b"\r\nbusy s...\r\n"), ("E22", b"\r\nbusy p...\r\n")):
        host = await esp(firmware, time_scale=1)
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
        host.send(b"AT+CIPSEND=0,4\r\n")
        await host.expect(PROMPT[firmware])
        host.send(b"1234")
        await host.expect(b"\r\nRecv 4 bytes\r\n")
        host.send(b"xy\r\n")
        await host.expect(busy)
        await host.read_until(b"SEND OK\r\n")


async def test_nonos_waits_for_the_peer_esp_at_does_not(esp: Any, far: Any) -> None:
    stop = asyncio.Event()

    async def stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        await stop.wait()

    end = await far(stalled)
    end.server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    host = await esp("N17")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    for _ in range(20):  # until the peer's window is shut
        host.send(b"AT+CIPSEND=0,2048\r\n")
        await host.expect(PROMPT["N17"])
        host.send(bytes(2048))
        await host.expect(b"\r\nRecv 2048 bytes\r\n")
        await asyncio.sleep(0.02)
        if not host.output:
            break
        await host.expect(b"\r\nSEND OK\r\n")
    else:
        raise AssertionError("SEND OK although the peer took nothing")
    host.send(b"AT\r\n")
    await host.expect(b"\r\nbusy s...\r\n")
    host = await esp("E22")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await send(host, "0,2048", bytes(2048))
    await send(host, "0,2048", bytes(2048))
    await host.ok("AT+CIPTCPOPT=0,-1,0,0")
    stop.set()


async def test_link_gone_during_payload(esp: Any, far: Any) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    end = await far(leave)
    host = await esp("E22")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    host.send(b"AT+CIPSEND=0,1\r\n")
    await host.expect(PROMPT["E22"])
    host.send(b"x")
    await host.expect(b"\r\nRecv 1 bytes\r\n")
    await host.read_until(b"0,CLOSED\r\n")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    host.send(b"AT+CIPSEND=0,4\r\n")
    await host.expect(PROMPT["E22"])
    host.modem.drop_link(host.modem.links[0])
    await host.expect(b"0,CLOSED\r\n")
    host.send(b"1234")  # data mode lasts until the block is complete
    await host.expect(b"\r\nRecv 4 bytes\r\n\r\nSEND FAIL\r\n")


async def test_transparent_transmission(esp: Any, far: Any) -> None:
    end = await far()
    for firmware in ("N17", "E22"):
        host = await esp(firmware, mux=0)
        await host.error("AT+CIPSEND")
        await host.ok(f'AT+CIPSTART="TCP","127.0.0.1",{end.port}')
        await host.ok("AT+CIPMODE=1")
        host.send(b"AT+CIPSEND\r\n")
        await host.expect(b"\r\nOK\r\n\r\n>")
        host.send(b"AT\r\nraw+++bytes\x00")
        await host.expect(b"AT\r\nraw+++bytes\x00")
        await asyncio.sleep(0.03)
        host.send(b"+++")
        await host.quiet(0.05)  # no answer
        await host.ok("AT+CIPMODE=0")
    host = await esp("E22")
    await host.error("AT+CIPMODE=1")  # not with AT+CIPMUX=1


# ---- receiving ---------------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_end_with_unread_data(esp: Any, far: Any, firmware: str) -> None:
    """ESP-AT holds CLOSED back until all is read; N17 tells at once and keeps the data."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"farewell")

    end = await far(speak)
    host = await esp(firmware)
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.expect(b"\r\n+IPD,0,8\r\n")
    if firmware == "N17":
        await host.expect(b"0,CLOSED\r\n")
        assert await host.ok("AT+CIPRECVLEN?") == b"+CIPRECVLEN:8,0,0,0,0\r\n"
        host.send(b"AT+CIPRECVDATA=0,4\r\n")
        await host.expect(b"\r\n+CIPRECVDATA,4:fare\r\nOK\r\n")
        await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{end.port}')  # id reuse ends it
        await host.error("AT+CIPRECVDATA=0,4")
    else:
        await host.quiet(0.02)
        unused = b"0" if firmware == "E33" else b"-1"
        lengths = b"+CIPRECVLEN:8," + b",".join([unused] * 4) + b"\r\n"
        assert await host.ok("AT+CIPRECVLEN?") == lengths
        host.send(b"AT+CIPRECVDATA=0,4\r\n")
        await host.expect(b"+CIPRECVDATA:4,fare\r\nOK\r\n\r\n+IPD,0,4\r\n")
        host.send(b"AT+CIPRECVDATA=0,100\r\n")
        await host.expect(b"+CIPRECVDATA:4,well\r\nOK\r\n0,CLOSED\r\n")


async def test_announcements(esp: Any, far: Any) -> None:
    """N17 repeats with growing totals, ESP-AT announces again only after a read."""

    async def steps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size in (31, 37, 39):
            writer.write(bytes(size))
            await asyncio.sleep(0.03)
        await reader.read()

    end = await far(steps)
    host = await esp("N17")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.expect(b"\r\n+IPD,0,31\r\n\r\n+IPD,0,68\r\n\r\n+IPD,0,107\r\n")
    await host.error("AT+CIPRECVDATA=0,2049")
    host = await esp("E22")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.expect(b"\r\n+IPD,0,31\r\n")
    await host.quiet(0.1)
    host.send(b"AT+CIPRECVDATA=0,31\r\n")
    await host.expect(b"+CIPRECVDATA:31," + bytes(31) + b"\r\nOK\r\n\r\n+IPD,0,76\r\n")


async def test_peer_prefix_of_passive_data(esp: Any, far: Any) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"abc")
        await reader.read()

    end = await far(speak)
    host = await esp("E24")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok("AT+CIPDINFO=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.expect(b"\r\n+IPD,0,3\r\n")
    host.send(b"AT+CIPRECVDATA=0,10\r\n")
    await host.expect(b'+CIPRECVDATA:3,"127.0.0.1",%d,abc\r\nOK\r\n' % end.port)


@pytest.mark.parametrize("firmware", ["E2", "E22", "E24"])
async def test_passive_udp_loses_its_boundaries(esp: Any, udp_far: Any, firmware: str) -> None:
    """Six datagrams of 444 bytes; 1000 are read; the rest of the cut one is gone."""
    end = await udp_far()
    host = await esp(firmware)
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok("AT+CIPDINFO=1")
    await host.ok(f'AT+CIPSTART=1,"UDP","127.0.0.1",9,{free_port()},0')
    port = host.modem.links[1].local_port
    for number in range(6):
        end.transport.sendto(bytes([65 + number]) * 444, ("127.0.0.1", port))
    await host.expect(b"\r\n+IPD,1,")
    await asyncio.sleep(0.02)
    await host.read_until(b"\r\n")
    assert b",2664," in await host.ok("AT+CIPRECVLEN?")
    host.send(b"AT+CIPRECVDATA=1,1000\r\n")
    data = b"A" * 444 + b"B" * 444 + b"C" * 112
    await host.expect(b'+CIPRECVDATA:1000,"127.0.0.1",9,' + data + b"\r\nOK\r\n")
    await host.expect(b"\r\n+IPD,1,1332\r\n")
    assert b'"127.0.0.1",9,' in await host.ok("AT+CIPSTATUS")  # the AT+CIPSTART peer


async def test_receive_type_is_per_link(esp: Any, far: Any, udp_far: Any) -> None:
    end, udp = await far(), await udp_far()
    host = await esp("E33")
    await host.ok("AT+CIPRECVTYPE=5,1")
    await host.ok("AT+CIPRECVTYPE=1,0")
    answer = await host.ok("AT+CIPRECVTYPE?")
    assert answer.startswith(b"+CIPRECVTYPE:0,1\r\n+CIPRECVTYPE:1,0\r\n")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.ok(f'AT+CIPSTART=1,"UDP","127.0.0.1",{udp.port}')
    await send(host, "0,2", b"ab")
    await host.expect(b"\r\n+IPD,0,2\r\n")
    await send(host, "1,2", b"cd")
    await host.expect(b"\r\n+IPD,1,2:cd")
    await host.error("AT+CIPRECVDATA=1,2")


async def test_nonos_receive_mode_touches_tcp_only(esp: Any, udp_far: Any) -> None:
    udp = await udp_far()
    host = await esp("N17")
    await host.ok("AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=1,"UDP","127.0.0.1",{udp.port}')
    await send(host, "1,2", b"cd")
    await host.expect(b"\r\n+IPD,1,2:cd")


async def test_udp_modes(esp: Any, udp_far: Any) -> None:
    one, two = await udp_far(), await udp_far()
    for mode, receiver in ((0, one), (1, two), (2, two)):
        host = await esp("E22")
        local = free_port()
        await host.ok(f'AT+CIPSTART=0,"UDP","127.0.0.1",{one.port},{local},{mode}')
        two.transport.sendto(b"foreign", ("127.0.0.1", local))
        await host.expect(b"\r\n+IPD,0,7:foreign")
        before = len(receiver.got)
        await send(host, "0,3", b"hey")
        await host.expect(b"\r\n+IPD,0,3:hey")
        assert receiver.got[before:] == [(b"hey", ("127.0.0.1", local))]
        if mode == 1:  # changed once: stays with the first foreign sender
            one.transport.sendto(b"other", ("127.0.0.1", local))
            await host.expect(b"\r\n+IPD,0,5:other")
            await send(host, "0,3", b"hey")
            await host.expect(b"\r\n+IPD,0,3:hey")
            assert two.got[-1][0] == b"hey"
    await host.error('AT+CIPSTART=1,"UDP","127.0.0.1",9,0,2')  # mode needs the local port


async def test_udp_that_cannot_leave_and_datagram_sizes(esp: Any, udp_far: Any) -> None:
    end = await udp_far()
    host = await esp("E22")
    await host.ok(f'AT+CIPSTART=0,"UDP","192.0.2.1",9,{free_port()},0')
    await send(host, "0,3", b"hey")
    assert host.journal("guard") == ["udp 192.0.2.1:9"]
    await send(host, f'0,2048,"127.0.0.1",{end.port}', bytes(2048))
    await host.quiet(0.02)  # the echo of 2048 bytes needs IP reassembly
    await send(host, f'0,1472,"127.0.0.1",{end.port}', bytes(1472))
    await host.expect(b"\r\n+IPD,0,1472:" + bytes(1472))
    host.modem.links[0].udp.send(b"", "127.0.0.1", host.modem.links[0].local_port)
    await host.quiet(0.02)
    taken = host.modem.links[0].local_port
    await host.error(f'AT+CIPSTART=1,"UDP","127.0.0.1",9,{taken},0')


@pytest.mark.parametrize("firmware", LATER)
async def test_one_mebibyte_through_an_echo_by_pull(esp: Any, far: Any, firmware: str) -> None:
    data = os.urandom(1 << 20)
    end = await far()
    host = await esp(firmware)
    await host.ok("AT+CIPRECVTYPE=5,1" if firmware == "E33" else "AT+CIPRECVMODE=1")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    limit = host.modem.facts["frame.max_send"]
    nonos = firmware == "N17"
    header = re.compile(rb"\+CIPRECVDATA,(\d+):" if nonos else rb"\+CIPRECVDATA:(\d+),")
    digest = hashlib.sha256()
    got = 0

    async def pull() -> bool:
        nonlocal got
        host.output.clear()
        host.send(b"AT+CIPRECVDATA=0,2048\r\n")
        await host.until(lambda: header.search(host.output) or b"ERROR\r\n" in host.output)
        found = header.search(host.output)
        if not found:
            return False
        end_at = found.end() + int(found[1])
        await host.until(lambda: len(host.output) >= end_at + 6)
        digest.update(host.output[found.end() : end_at])
        assert host.output[end_at : end_at + 6] == b"\r\nOK\r\n"
        got += int(found[1])
        return True

    for at in range(0, len(data), limit):
        block = data[at : at + limit]
        host.output.clear()
        host.send(b"AT+CIPSEND=0,%d\r\n" % len(block))
        await host.read_until(b">")
        host.send(block)
        await host.read_until(b"SEND OK\r\n")
        while got < at and await pull():
            pass
    async with asyncio.timeout(20):
        while got < len(data):
            if not await pull():
                await asyncio.sleep(0.001)
    assert digest.digest() == hashlib.sha256(data).digest()


async def test_active_stream_stops_for_a_slow_host(esp: Any, far: Any) -> None:
    """With flow control the peer is held back and no byte is lost."""
    data = os.urandom(300_000)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    end = await far(flood)
    host = await esp("E22")
    host.modem.pause_output()
    host.send(b'AT+CIPSTART=0,"TCP","127.0.0.1",%d\r\n' % end.port)
    await host.quiet(0.1)
    assert host.modem.wire.outward.backlog < 20_000
    host.modem.resume_output()
    await host.expect(b"0,CONNECT\r\n\r\nOK\r\n")
    stream = await host.read_until(b"0,CLOSED\r\n", 20)
    got = bytearray()
    at = 0
    head = re.compile(rb"\r\n\+IPD,0,(\d+):")
    while (found := head.match(stream, at)) is not None:
        at = found.end() + int(found[1])
        got += stream[found.end() : at]
        assert int(found[1]) <= 2920
    assert stream[at:] == b"0,CLOSED\r\n"
    assert bytes(got) == data


async def test_active_stream_overruns_without_flow_control(esp: Any, far: Any) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(100_000))

    end = await far(flood)
    host = await esp("N17", flow="none")
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    host.modem.pause_output()
    await asyncio.sleep(0.2)
    assert host.journal("overrun")
    host.modem.resume_output()
    await host.read_until(b"0,CLOSED\r\n")


# ---- server ------------------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_server(esp: Any, connect: Any, firmware: str) -> None:
    host = await esp(firmware, time_scale=0.01)
    port = free_port()
    if firmware == "N17":
        assert await host.ok("AT+CIPSERVER=0") == b"no change\r\n"
    await host.ok("AT+CIPSERVERMAXCONN=2")
    await host.ok(f"AT+CIPSERVER=1,{port}")
    again = await host.command(f"AT+CIPSERVER=1,{port}")
    if firmware == "N17":
        assert again == b"no change\r\n\r\nOK\r\n"
    else:
        assert again.endswith(b"ERROR\r\n" if firmware in ("E24", "E33") else b"OK\r\n")
    await host.error("AT+CIPSERVERMAXCONN=3")
    await host.error("AT+CIPMUX=0")
    pairs = [await connect(port) for _ in range(2)]
    await host.expect(b"0,CONNECT\r\n1,CONNECT\r\n")
    row = (await host.ok("AT+CIPSTATUS")).decode().splitlines()[1]
    own = pairs[0][1].get_extra_info("sockname")[1]
    assert row == f'+CIPSTATUS:0,"TCP","127.0.0.1",{own},{port},1'
    reader, writer = pairs[1]
    writer.write(b"request")
    await host.expect(b"\r\n+IPD,1,7:request")
    await send(host, "1,5", b"reply")
    assert await reader.readexactly(5) == b"reply"
    # the third waits in the backlog until an id is free
    third = await connect(port)
    if firmware == "N17":
        await host.quiet(0.02)
    else:
        await host.expect(b"Have 2 Connections\r\n")
    pairs[0][1].close()
    await host.expect(b"0,CLOSED\r\n0,CONNECT\r\n")
    await host.ok("AT+CIPSERVER=0")
    with pytest.raises(ConnectionRefusedError):
        await connect(port)
    await host.ok("AT+CIPCLOSE=5")
    for _, writer in [*pairs, third]:
        writer.close()


async def test_silent_server_links_are_closed(esp: Any, connect: Any) -> None:
    host = await esp("E22", time_scale=0.01)
    port = free_port()
    await host.ok(f"AT+CIPSERVER=1,{port}")
    await host.ok("AT+CIPSTO=5")
    assert await host.ok("AT+CIPSTO?") == b"+CIPSTO:5\r\n"
    reader, writer = await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    assert await asyncio.wait_for(reader.read(), 2) == b""
    await host.expect(b"0,CLOSED\r\n")
    writer.close()
    await host.ok("AT+CIPSTO=0")
    reader, writer = await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    await host.quiet(0.1)
    writer.close()
    await host.expect(b"0,CLOSED\r\n")


async def test_server_stop_can_close_its_links(esp: Any, connect: Any) -> None:
    host = await esp("E22")
    port = free_port()
    await host.ok(f"AT+CIPSERVER=1,{port}")
    assert await host.ok("AT+CIPSERVER?") == b'+CIPSERVER:1,%d,"TCP",0\r\n' % port
    _, writer = await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    assert await host.command("AT+CIPSERVER=0,1") == b"0,CLOSED\r\n\r\nOK\r\n"
    assert await host.ok("AT+CIPSERVER?") == b"+CIPSERVER:0\r\n"
    writer.close()


async def test_abortive_close(esp: Any, far: Any) -> None:
    ends: list[BaseException | bytes] = []

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ends.append(await reader.read())
        except ConnectionError as error:
            ends.append(error)

    end = await far(watch)
    for firmware, command in (
        ("N17", "AT+CIPCLOSEMODE=0,1"),
        ("E22", "AT+CIPTCPOPT=0,0,0,0"),
        ("E24", "AT+CIPTCPOPT=5,-1,1,0,60"),
    ):
        host = await esp(firmware)
        await host.ok(command)
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
        await host.ok("AT+CIPCLOSE=0")
        await asyncio.sleep(0.01)
    assert [isinstance(item, ConnectionResetError) for item in ends] == [True, True, False]


# ---- asynchronous text and garbage ---------------------------------------------------------


async def test_notice_between_ok_and_prompt(esp: Any, far: Any) -> None:
    """Before v2.3 OK and the prompt are two writes; later they are one."""
    end = await far()
    for firmware, between in (("E22", True), ("E24", False)):
        host = await esp(firmware)
        await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
        host.modem.before_write.append(
            lambda literal: b"\r\n+IPD,1,1:x" if literal.endswith(b">") else None
        )
        host.send(b"AT+CIPSEND=0,4\r\n")
        if between:
            await host.expect(b"\r\nOK\r\n\r\n+IPD,1,1:x\r\n>")
        else:
            await host.expect(b"\r\n+IPD,1,1:x\r\nOK\r\n\r\n>")
        host.modem.before_write.clear()
        host.send(b"abcd")
        await host.read_until(b"abcd")


async def test_nonos_notice_inside_the_echo(esp: Any) -> None:
    host = await esp("N17")
    await host.ok("ATE1")
    host.send(b"AT+CIPSEND=0,")
    await asyncio.sleep(0.005)
    host.modem.urc("1,CONNECT")
    host.send(b"98\r\n")
    await host.expect(b"AT+CIPSEND=0,1,CONNECT\r\n98\r\r\nlink is not valid\r\n\r\nERROR\r\n")


@pytest.mark.parametrize("firmware", LATER)
async def test_garbage(esp: Any, firmware: str) -> None:
    host = await esp(firmware)
    rng = host.modem.random
    names = ["CIPSTART", "CIPSEND", "CWJAP", "CIPCLOSE", "UART_CUR", "CIPRECVDATA", "CIPSERVER"]
    for _ in range(300):
        tail = bytes(rng.choice(b'0123456789,"\\TCPUDP=?.x\xff\x00+-') for _ in range(12))
        head = f"AT+{rng.choice(names)}".encode() + rng.choice([b"=", b"?", b""])
        host.send(head + tail + b"\r\n")
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    host.send(b"+++")
    await asyncio.sleep(0.05)
    assert host.journal("crash") == []


async def test_stop_with_everything_open(esp: Any, far: Any) -> None:
    end = await far()
    host = await esp("E22", time_scale=1)
    await host.ok(f'AT+CIPSTART=0,"TCP","127.0.0.1",{end.port}')
    await host.ok(f"AT+CIPSERVER=1,{free_port()}")
    host.send(b"AT+CIPSEND=0,100\r\n")
    await host.expect(PROMPT["E22"])
    await host.modem.stop()


# ---- settings of the module's TLS client ---------------------------------------------------


@pytest.mark.parametrize("firmware", ESP_AT)
async def test_tls_client_settings(esp: Any, firmware: str) -> None:
    """ESP-AT User Guide, AT+CIPSSLCCONF; no AT+CIPSSLSIZE (its AT Command Set Comparison)."""
    host = await esp(firmware)  # AT+CIPMUX=1
    host.send(b"AT+CIPSSLCCONF?\r\n")
    await host.expect(b"".join(b"+CIPSSLCCONF:%d,0,0,0\r\n" % n for n in range(5)) + b"\r\nOK\r\n")
    await host.ok("AT+CIPSSLCCONF=5,2,0,1")
    await host.ok("AT+CIPSSLCCONF=1,1")
    await host.ok("AT+CIPMUX=0")
    await host.ok("AT+CIPSSLCCONF=3")
    for wrong in ("=4", "=0,0,0,0", '="0"', "=", "=-1"):
        await host.error(f"AT+CIPSSLCCONF{wrong}")
    host.send(b"AT+CIPSSLCCONF?\r\n")
    rows = [b"0,3,0,0", b"1,1,0,0", b"2,2,0,1", b"3,2,0,1", b"4,2,0,1"]
    await host.expect(b"".join(b"+CIPSSLCCONF:%s\r\n" % row for row in rows) + b"\r\nOK\r\n")
    await host.error("AT+CIPSSLSIZE=4096")


async def test_tls_client_settings_of_nonos(esp: Any) -> None:
    """ESP8266 AT Instruction Set, AT+CIPSSLSIZE (2048 to 4096) and AT+CIPSSLCCONF (two bits)."""
    host = await esp("N17")
    await host.ok("AT+CIPSSLSIZE=2048")
    await host.ok("AT+CIPSSLSIZE=4096")
    for wrong in ("2047", "4097", "", "x"):
        await host.error(f"AT+CIPSSLSIZE={wrong}")
    await host.ok("AT+CIPSSLCCONF=2")
    await host.error("AT+CIPSSLCCONF=4")
    host.send(b"AT+CIPSSLCCONF?\r\n")
    await host.expect(b"+CIPSSLCCONF:2\r\n\r\nOK\r\n")
