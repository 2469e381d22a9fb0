"""N0 (AT v0.20) as its published source has it, conversation by conversation: espressif/ESP8266_AT, at/user
(at_port.c, at_baseCmd.c, at_wifiCmd.c, at_ipCmd.c; the functions are named below).

Everything runs in memory, with scripted peers, so that each conversation takes milliseconds.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from fakes.esp8266 import build
from fakes.peers import Peer

from .esp8266_tables import spent_by

OK, ERROR, FAIL = b"\r\nOK\r\n", b"\r\nERROR\r\n", b"\r\nFAIL\r\n"
AT = "192.0.2.1"
PEERS = {f"{AT}:7": Peer("echo"), f"{AT}:9": Peer("discard"), "192.0.2.2:7": Peer("echo")}
LONG = 63 * "h"
"""The longest host name: at_dataStrCpy(ipTemp, pPara, 64)."""


async def turns(count: int = 12) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def first(esp: Any, **more: Any) -> Any:
    settings = {"offline": True, "peers": PEERS, "resolve": {"srv": AT, LONG: AT}, "mux": 1} | more
    return await esp("N0", **settings)


async def talk(host: Any, *rows: tuple[str, bytes]) -> None:
    """Each line has exactly this answer, and nothing follows the last."""
    for line, answer in rows:
        host.send(line.encode() + b"\r\n")
        await host.expect(answer)
        await turns(4)
    await turns()
    assert not host.output


async def idle(host: Any) -> None:
    """The module waits for a command."""
    async with asyncio.timeout(5):
        while host.modem.running:
            await asyncio.sleep(0.001)


def open_link(number: int | str, port: int = 7) -> tuple[str, bytes]:
    prefix = f"{number}," if number != "" else ""
    return f'AT+CIPSTART={prefix}"TCP","{AT}",{port}', f"{prefix}CONNECT\r\n".encode() + OK


def said(host: Any, place: str) -> Any:
    """The last connection that a peer has."""
    return host.modem.world.peers.conversations[place][-1]


# ---- at_port.c, at_baseCmd.c -------------------------------------------------------------


async def test_start_and_version(esp: Any) -> None:
    """`ready` behind the ROM's text, the echo of each byte but LF, AT version and SDK version as one word."""
    host = await first(esp, raw=True)
    host.send(b"AT+RST\r\n")
    boot = await host.read_until(b"\r\nready\r\n")
    assert boot.startswith(b"AT+RST\r\r\n" + OK)
    assert any(byte >= 0x80 for byte in boot)
    await talk(
        host, ("AT+GMR", b"AT+GMR\r\r\n0020000903\r\n" + OK), ("", b"\r" + ERROR),
        ("AT+CIPSTATUS", b"AT+CIPSTATUS\r\r\nSTATUS:4\r\n" + OK), ("ATE0", b"ATE0\r\r\n" + OK),
        ("at+CIPSTATUS", b"STATUS:4\r\n" + OK),
    )  # fmt: skip


async def test_limits() -> None:
    """at_cmdLenMax, at_dataLenMax, the hardware's FIFO (128), UART_CLK_FREQ / 16; else as the NonOS line."""
    modem = build(firmware="N0")
    assert modem.facts == {
        "sockets.max": 5, "frame.max_send": 2048, "frame.max_recv": 2920, "frame.max_push": 1460,
        "datagram.max_send": 2048, "datagram.max_recv": 1472, "window.receive": 2920,
        "command.max_length": 128, "dns.max_name": 64, "uart.max_rate": 5_000_000, "uart.receive_buffer": 128,
    }  # fmt: skip
    assert modem.output_limit == 128


async def test_the_rate(esp: Any) -> None:
    """at_setupCmdIpr: from 1 baud on; 10 ms, then the switch, then OK; stored."""
    host = await first(esp, mux=0, boot_time="0")
    spent = spent_by(host)
    for rate in (5_000_000, 1, 115200):
        host.send(f"AT+IPR={rate}\r\n".encode())
        await host.until(lambda rate=rate: host.modem.wire.module_rate == rate)
        host.modem.set_line_rate(rate)
        await turns()
        host.output.clear()
    assert spent == [0.01, 0.01, 0.01]
    await talk(host, ("AT+IPR=5000001", ERROR), ("AT+IPR=0", ERROR), ("AT+IPR=-1", ERROR))
    host.send(b"AT+IPR=9600\r\n")
    await host.until(lambda: host.modem.wire.module_rate == 9600)
    host.modem.set_line_rate(9600)
    host.modem.restart()
    await host.read_until(b"\r\nready\r\n")
    assert host.modem.wire.module_rate == 9600


async def test_lines_while_busy(esp: Any) -> None:
    """at_recvTask: the echo goes on without the CR LF of a command; AT+RST is not obeyed either."""
    host = await first(esp, raw=True, time_scale=0.001)
    await talk(host, ("AT+CWMODE=1", b"AT+CWMODE=1\r\r\n" + OK))
    join = 'AT+CWJAP="lab","wrong"'
    host.send(join.encode() + b"\r\n")
    await host.expect(join.encode() + b"\r\r\n")
    for line in (b"AT", b"AT+RST", b""):
        host.send(line + b"\r\n")
        await host.expect(line + b"\r\r\nbusy p...\r\n")
    await host.expect(b"+CWJAP:2\r\n" + FAIL)


async def test_numbers_are_what_a_text_begins_with(esp: Any) -> None:
    """C's atoi: 0 where no digit stands."""
    host = await first(esp)
    await talk(
        host, ("AT+CIPMUX=x", OK), ("AT+CIPMUX?", b"+CIPMUX:0\r\n" + OK), ("AT+CIPMUX= 1z", OK),
        ("AT+CIPMUX?", b"+CIPMUX:1\r\n" + OK), ("AT+CIPMUX=-1", ERROR), ("AT+CIPMUX=2", ERROR),
    )  # fmt: skip


# ---- at_wifiCmd.c ------------------------------------------------------------------------


async def test_modes(esp: Any) -> None:
    """1 to 3; who has joined is asked for (AT+CWLIF) where there is an own network only."""
    host = await first(esp, mux=0, raw=True)
    await host.ok("ATE0")
    await talk(
        host, ("AT+CWMODE=?", b"+CWMODE:(1-3)\r\n" + OK), ("AT+CWMODE?", b"+CWMODE:2\r\n" + OK),
        ("AT+CWLIF", OK), ('AT+CWJAP="lab","secret"', ERROR), ("AT+CWLAP", ERROR), ("AT+CWMODE=3", OK),
        ("AT+CWLIF", OK), ("AT+CWMODE=4", ERROR), ("AT+CWMODE=0", ERROR), ("AT+CWMODE?", b"+CWMODE:3\r\n" + OK),
        ("AT+CWMODE=1", OK), ("AT+CWLIF", ERROR), ("AT+CWMODE=2", OK), ("AT+CWLIF", OK),
    )  # fmt: skip


NOWHERE = ("AT+CIPSTA?", b'+CIPSTA:"0.0.0.0"\r\n' + OK)
THERE = ("AT+CIPSTA?", b'+CIPSTA:"127.0.0.1"\r\n' + OK)


async def test_joining(esp: Any) -> None:
    """at_setupCmdCwjap: SSID below 32, password below 64 characters; asked after 3 s, and from then on
    every 2 s up to the seventh time (at_japChack); no word of the station's own."""
    name, key = 31 * "s", 63 * "k"
    host = await first(esp, mux=0, access_points={"lab": "secret", "open": "", name: key})
    spent = spent_by(host)
    await talk(host, (f'AT+CWJAP="{name}","{key}"', OK))
    assert spent == [3]
    await talk(
        host, ("AT+CWJAP?", f'+CWJAP:"{name}"\r\n'.encode() + OK), (f'AT+CWJAP="{name}s","x"', ERROR),
        (f'AT+CWJAP="lab","{key}k"', ERROR), ('AT+CWJAP="lab"', ERROR), ('AT+CWJAP=lab,"secret"', ERROR), THERE,
    )  # fmt: skip
    spent.clear()
    await talk(host, ('AT+CWJAP="lab","wrong"', b"+CWJAP:2\r\n" + FAIL), NOWHERE)
    assert sum(spent) == 15
    await talk(
        host, ("AT+CWJAP?", b"No AP\r\n" + ERROR), ('AT+CWJAP="open","whatever"', OK), THERE,
        ('AT+CWJAP="other",""', b"+CWJAP:3\r\n" + FAIL), NOWHERE, ('AT+CWJAP="lab","secret"', OK),
        ("AT+CWMODE=3", OK), THERE, ("AT+CWMODE=1", OK), THERE, ("AT+CWMODE=2", OK), NOWHERE,
    )  # fmt: skip


async def test_a_join_without_address(esp: Any) -> None:
    """STATION_CONNECTING (1) is the state of one that has no address after all."""
    host = await first(esp, mux=0, dhcp="none")
    await talk(host, ('AT+CWJAP="lab","secret"', b"+CWJAP:1\r\n" + FAIL), NOWHERE)


async def test_leaving(esp: Any) -> None:
    host = await first(esp, mux=0)
    await talk(
        host, ("AT+CWQAP", OK), NOWHERE, ("AT+CIPSTATUS", b"STATUS:5\r\n" + OK), ("AT+CWQAP", OK),
        ('AT+CIPSTART="TCP","192.0.2.1",7', b"no ip\r\n"), ('AT+CWJAP="lab","wrong"', b"+CWJAP:2\r\n" + FAIL),
        ("AT+CIPSTATUS", b"STATUS:5\r\n" + OK), ('AT+CWJAP="lab","secret"', OK), ("AT+CIPSTATUS", b"STATUS:5\r\n" + OK),
        ("AT+CWJAP?", b'+CWJAP:"lab"\r\n' + OK), ("AT+CIPSTATUS", b"STATUS:2\r\n" + OK),
    )  # fmt: skip


async def test_scan(esp: Any) -> None:
    """scan_done: five fields; at_setupCmdCwlap: SSID and BSSID in quotes, empty for any."""
    row = rb'\+CWLAP:\(3,"lab",-\d+,"[0-9a-f:]{17}",\d+\)\r\n'
    host = await first(esp, mux=0, access_points={"lab": "secret", "open": ""})
    both = await host.ok("AT+CWLAP")
    assert re.fullmatch(row + row.replace(b"3,", b"0,").replace(b"lab", b"open"), both)
    assert await host.ok('AT+CWLAP="","",0') == both
    assert re.fullmatch(row, await host.ok('AT+CWLAP="lab","",0'))
    assert await host.ok('AT+CWLAP="lab","0a:1B:2c:3d:4e:5f",6') == await host.ok(
        'AT+CWLAP="lab",""'
    )
    await talk(
        host, ('AT+CWLAP="lab"', ERROR), ('AT+CWLAP="lab",', ERROR), ('AT+CWLAP=lab,""', ERROR),
        ('AT+CWLAP="lab","0a:1b:2c:3d:4e"', ERROR), (f'AT+CWLAP="{32 * "s"}",""', ERROR),
        (f'AT+CWLAP="{31 * "s"}",""', OK),
    )  # fmt: skip


async def test_addresses(esp: Any) -> None:
    """AT+CIPSTA takes an address and nothing behind it; DHCP on (1 station, 2 both) ends that; the query
    of AT+CWDHCP is an empty function."""
    host = await first(esp, mux=0)
    own = ("AT+CIPSTA?", b'+CIPSTA:"10.0.0.2"\r\n' + OK)
    given = ('AT+CIPSTA="10.0.0.2","10.0.0.1","255.0.0.0"', OK)
    await talk(
        host, THERE, given, own, ("AT+CWDHCP?", b""), ("AT+CWDHCP=0,1", OK), own, ("AT+CWDHCP=1,0", OK), own,
        ("AT+CWDHCP=2,0", OK), own, ("AT+CWDHCP=1,1", OK), THERE, given, own, ("AT+CWDHCP=2,1", OK), THERE,
        ("AT+CWDHCP=3,1", ERROR), ("AT+CWDHCP=-1,1", ERROR), ("AT+CWDHCP=0,0", OK),
        ("AT+CIFSR", b'+CIFSR:STAIP,"127.0.0.1"\r\n+CIFSR:STAMAC,"5c:cf:7f:12:34:56"\r\n' + OK),
        ("AT+CIPSTATUS", b"STATUS:2\r\n" + OK), ("AT+CWMODE=2", OK),
        ("AT+CIFSR", b'+CIFSR:APIP,"192.168.4.1"\r\n+CIFSR:APMAC,"5e:cf:7f:12:34:56"\r\n' + OK),
    )  # fmt: skip


# ---- at_ipCmd.c: links -------------------------------------------------------------------


@pytest.mark.parametrize(("mux", "kinds"), [
    (0, ('(id)("type")', '((id)"type")')), (1, ('("type")', '("type")')),
])  # fmt: skip
async def test_test_forms(esp: Any, mux: int, kinds: tuple[str, str]) -> None:
    """at_testCmdCipstart has them the wrong way round."""
    host = await first(esp, mux=mux)
    hosts = zip(kinds, ("ip address", "domain name"), strict=True)
    lines = "".join(f'+CIPSTART:{kind},("{name}"),(port)\r\n' for kind, name in hosts)
    await talk(
        host, ("AT+CIPSTART=?", lines.encode() + OK), ("AT+CIPSEND=?", OK), ("AT+CIPCLOSE=?", OK),
        ("AT+CIPSTATUS=?", OK), ("AT+CIFSR=?", OK), ("AT+CWQAP=?", OK), ("AT+CWJAP=?", ERROR),
        ("AT+CIPING", OK), ("AT+CIPING=?", ERROR),
    )  # fmt: skip


async def test_what_cannot_be_opened(esp: Any) -> None:
    """at_setupCmdCipstart: the reason is all; ids are 0 to 4, a host has at most 63 characters, an IPv6
    address is a name that nobody has."""
    host = await first(esp)
    await talk(
        host, (f'AT+CIPSTART=5,"TCP","{AT}",7', b"ID ERROR\r\n"), (f'AT+CIPSTART=-1,"TCP","{AT}",7', b"ID ERROR\r\n"),
        (f'AT+CIPSTART="TCP","{AT}",7', b"Link typ ERROR\r\n"), ("AT+CIPSTART=0", b"Link typ ERROR\r\n"),
        ('AT+CIPSTART=0,"TCPv6","::1",7', b"Link typ ERROR\r\n"), (f'AT+CIPSTART=0,"TCP","{LONG}h",7', b"IP ERROR\r\n"),
        ('AT+CIPSTART=0,"TCP","nobody",7', b"DNS Fail\r\n"), ('AT+CIPSTART=0,"TCP","::1",7', b"DNS Fail\r\n"),
        (f'AT+CIPSTART=0,"TCP","{AT}"7', b"ENTRY ERROR\r\n"), (f'AT+CIPSTART=0,"UDP","{AT}",0', b"Miss param\r\n"),
        ('AT+CIPSTART=0,"UDP","",9', b"Miss param\r\n"), (f'AT+CIPSTART=0,"UDP","{AT}",9,0,2', b"Miss param2\r\n"),
        (f'AT+CIPSTART=4,"TCP","{AT}",8', b"4,CLOSED\r\n" + ERROR), ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK),
        ("AT+CWQAP", OK), ("AT+CWMODE=3", OK), (f'AT+CIPSTART=4,"TCP","{AT}",7', b"4,CLOSED\r\n" + ERROR),
        ('AT+CIPSTART=4,"TCP","srv",7', b"DNS Fail\r\n"),
    )  # fmt: skip


async def test_what_is_open(esp: Any) -> None:
    """TCP rows have no local port; a UDP link leaves the state alone; AT+CIPMUX asks for the state, and
    AT+CIFSR changes it."""
    host = await first(esp)
    udp = f'AT+CIPSTART=1,"UDP","{AT}",7,5001,0'
    await talk(host, (udp, b"1,CONNECT\r\n" + OK))
    row = f'+CIPSTATUS:1,"UDP","{AT}",7,5001,0\r\n'.encode()
    rows = f'+CIPSTATUS:0,"TCP","{AT}",7,0\r\n'.encode() + row
    await talk(host, ("AT+CIPSTATUS", b"STATUS:4\r\n" + row + OK), open_link(0))
    await talk(
        host, (open_link(0)[0], b"ALREAY CONNECT\r\n"), ("AT+CIPMUX=0", b"link is builded\r\n")
    )
    await talk(host, ("AT+CIPSTATUS", b"STATUS:3\r\n" + rows + OK))
    await host.ok("AT+CIFSR")
    await talk(
        host,
        ("AT+CIPSTATUS", b"STATUS:2\r\n" + rows + OK),
        ("AT+CIPMUX=0", OK),
        ("AT+CIPMUX=1", OK),
    )
    await talk(host, (f'AT+CIPSTART=2"TCP","{LONG}",7', b"2,CONNECT\r\n" + OK))


async def test_udp(esp: Any) -> None:
    """The peer of an open link; a host left out is everybody, a port left out any; by name nothing can be
    sent (at_dns_found; issue 7 of espressif/ESP8266_AT)."""
    host = await first(esp)
    await talk(
        host, (f'AT+CIPSTART=0,"UDP","{AT}",7', b"0,CONNECT\r\n" + OK), (f'AT+CIPSTART=1,"UDP","{AT}",7', b"1,CONNECT\r\n" + OK),
        ('AT+CIPSTART=2,"UDP","",0,5002', b"2,CONNECT\r\n" + OK), (f'AT+CIPSTART=3,"UDP","{AT}",7,5003,2', b"3,CONNECT\r\n" + OK),
        ('AT+CIPSTART=4,"UDP","srv",7', b"4,CONNECT\r\n" + OK),
    )  # fmt: skip
    rows = (await host.ok("AT+CIPSTATUS")).decode().split("\r\n")
    found = re.fullmatch(r'\+CIPSTATUS:2,"UDP","255\.255\.255\.255",(\d+),5002,0', rows[3])
    assert found is not None
    assert 1024 <= int(found[1]) < 65536
    assert rows[4] == f'+CIPSTATUS:3,"UDP","{AT}",7,5003,0'
    assert all(int(row.split(",")[4]) > 1024 for row in rows[1:3])
    for number, follows in ((0, False), (3, True)):  # mode 0 keeps its peer, 2 follows the sender
        link = host.modem.links[number]
        link.udp.arrive(b"hi", ("192.0.2.2", 7))
        await host.expect(b"\r\n+IPD,%d,2:hi" % number + OK)
        assert link.remote == (("192.0.2.2", 7) if follows else (AT, 7))
    host.send(b"AT+CIPSEND=4,1\r\n")
    await turns()
    assert not host.output  # no prompt
    await talk(host, ("AT", b"\r\nbusy p...\r\n"))


@pytest.mark.parametrize("mux", [0, 1])
async def test_links_end(esp: Any, mux: int) -> None:
    """at_tcpclient_discon_cb: CLOSED and OK; at_tcpclient_recon_cb: CLOSED with the id in either mode, and
    ERROR; of an accepted link neither, and CONNECT where it breaks (at_tcpserver_recon_cb)."""
    host = await first(esp, mux=mux)
    place, number = f"{AT}:7", b"0," * mux
    await talk(host, open_link(0 if mux else ""))
    said(host, place).fin()
    await host.expect(number + b"CLOSED\r\n" + OK)
    await talk(host, ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK), open_link(0 if mux else ""))
    said(host, place).rst()
    await host.expect(b"0,CLOSED\r\n" + ERROR)
    await talk(host, ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK))


async def test_a_server(esp: Any) -> None:
    """at_setupCmdCipserver: port 333 unless given; there is no end of it."""
    host = await first(esp, mux=0)
    await talk(
        host, ("AT+CIPSERVER=1", ERROR), ("AT+CIPMUX=1", OK), ("AT+CIPSERVER=0", b"no change\r\n"), ("AT+CIPSTO=9", ERROR),
        ("AT+CIPSERVER=0,1", ERROR), ("AT+CIPSERVER=2", ERROR), ("AT+CIPSERVER=10", ERROR), ("AT+CIPSERVER=", ERROR),
        ("AT+CIPSERVER=1", OK), ("AT+CIPSERVER=1,80", b"no change\r\n"), ("AT+CIPSERVER=0", b"we must restart\r\n"),
        ("AT+CIPSTO=28801", ERROR), ("AT+CIPSTO=-1", ERROR), ("AT+CIPSTO=28800", OK), ("AT+CIPSTO=0", OK),
        ("AT+CIPSTO?", b"+CIPSTO:0\r\n" + OK), ("AT+CIPCLOSE=5", b"we must restart\r\n"),
    )  # fmt: skip
    dial = host.modem.sockets.dial
    for number in (0, 1, 2):
        assert dial(333, Peer("echo"), remote=("192.0.2.3", 4000 + number))
        await host.expect(b"%d,CONNECT\r\n" % number)
    assert not dial(80, Peer("echo"))
    rows = "".join(f'+CIPSTATUS:{n},"TCP","192.0.2.3",{4000 + n},1\r\n' for n in range(3))
    await talk(host, ("AT+CIPSTATUS", b"STATUS:3\r\n" + rows.encode() + OK))
    for link, word in ((0, "CLOSED"), (1, "CONNECT")):
        peer = host.modem.world.peers.conversations["dial:333"][link]
        (peer.fin if word == "CLOSED" else peer.rst)()
        await host.expect(b"%d,%b\r\n" % (link, word.encode()))
    await talk(
        host, ("AT+CIPCLOSE=2", b"2,CLOSED\r\n" + OK), ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK)
    )
    await talk(
        host,
        ("AT+CIPSERVER=1,5000", b"no change\r\n"),
        ("AT+CIPMUX=0", OK),
        ("AT+CIPMODE=1", ERROR),
    )
    await talk(host, open_link(""), ("AT+CIPCLOSE", b"we must restart\r\n"))
    other = await first(esp)
    await talk(other, ("AT+CIPSERVER=1,5000", OK), ("AT+CIPCLOSE=1", b"link is not\r\n"))
    assert other.modem.sockets.dial(5000, Peer("echo"))


async def test_closing(esp: Any) -> None:
    """at_setupCmdCipclose, at_exeCmdCipclose: each form for its mode; 5 with no link has no answer."""
    host = await first(esp)
    await talk(
        host, ("AT+CIPCLOSE=5", b""), ("AT+CIPCLOSE=0", b"link is not\r\n"), ("AT+CIPCLOSE=6", ERROR),
        ("AT+CIPCLOSE=-1", ERROR), ("AT+CIPCLOSE", b"MUX=1\r\n"), open_link(0), open_link(1), open_link(4),
        ("AT+CIPCLOSE=1", b"1,CLOSED\r\n" + OK), ("AT+CIPCLOSE=5", b"0,CLOSED\r\n4,CLOSED\r\n" + OK),
        ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK), ("AT+CIPMUX=0", OK), ("AT+CIPCLOSE=0", b"MUX=0\r\n"),
        ("AT+CIPCLOSE", ERROR), open_link(""), ("AT+CIPCLOSE", b"CLOSED\r\n" + OK),
    )  # fmt: skip


# ---- at_ipCmd.c: data --------------------------------------------------------------------


async def test_sending_refused(esp: Any) -> None:
    """at_setupCmdCipsend: at most four digits behind the id, at most 2048, held in 16 bits."""
    host = await first(esp)
    await talk(
        host, ("AT+CIPSEND=4", ERROR), ("AT+CIPSEND=5,4", ERROR), ("AT+CIPSEND=-1,4", ERROR), ("AT+CIPSEND=0;4", ERROR),
        ("AT+CIPSEND=0,4", b"link is not\r\n"), open_link(0), ("AT+CIPSEND=0,2049", b"too long\r\n"),
        ("AT+CIPSEND=0,4x", b"type error\r\n"), (f'AT+CIPSEND=0,4,"{AT}",7', b"type error\r\n"),
        ("AT+CIPSEND=0,00004", b"type error\r\n"), ("AT+CIPSEND=0,65540", b"type error\r\n"),
        ("AT+CIPSEND=0,-4", b"too long\r\n"), ("AT+CIPSEND", ERROR),
    )  # fmt: skip


async def test_sending(esp: Any) -> None:
    """`> ` alone; the payload's echo but for its LFs; a line behind it is busy (with no CR LF before)."""
    host = await first(esp)
    await talk(host, open_link(1, 9), ("ATE1", OK), ("AT+CIPSEND=1,4", b"AT+CIPSEND=1,4\r\r\n> "))
    for piece, echo in ((b"p", b"p"), (b"i\n", b"i")):
        host.send(piece)
        await host.expect(echo)
    host.send(b"gAT\r\n")
    await host.expect(b"gAT\rbusy s...\r\n\r\nSEND OK\r\n")
    await talk(host, ("ATE0", b"ATE0\r\r\n" + OK), ("AT+CIPSEND=1,2048", b"> "))
    host.send(2048 * b"x")
    await host.expect(b"\r\nSEND OK\r\n")
    assert bytes(said(host, f"{AT}:9").told) == b"pi\ng" + 2048 * b"x"


async def test_nothing_to_send(esp: Any) -> None:
    """Length 0 takes a byte, and never ends (at_recvTask, at_ipDataSending)."""
    host = await first(esp)
    await talk(host, open_link(0), ("AT+CIPSEND=0,0", b"> "))
    host.send(b"\n\n")
    await host.expect(b"busy s...\r\n")
    await talk(host, ("AT", b"busy s...\r\n"))
    host.modem.restart()
    await host.read_until(b"\r\nready\r\n")
    await host.ok("ATE0")


async def test_a_send_that_the_end_answers(esp: Any) -> None:
    """There is no SEND FAIL: the link's CLOSED and ERROR are the answer."""
    host = await first(esp, peers=PEERS | {f"{AT}:13": Peer("stall")})
    await talk(host, open_link(0, 13), ("AT+CIPSEND=0,1", b"> "))
    host.send(b"x")
    await asyncio.sleep(0.005)
    said(host, f"{AT}:13").rst()
    await host.expect(b"0,CLOSED\r\n" + ERROR)
    await idle(host)
    await talk(host, ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK))


async def test_transparent(esp: Any) -> None:
    """AT+CIPMODE=1 for a single link without a server; the prompt has no OK, what comes is bare, and the
    end of a link is not told."""
    host = await first(esp)
    await talk(
        host,
        ("AT+CIPMODE=1", ERROR),
        ("AT+CIPMUX=0", OK),
        ("AT+CIPMODE=2", ERROR),
        ("AT+CIPMODE=-1", ERROR),
    )
    await talk(
        host, ("AT+CIPSEND", ERROR), ("AT+CIPMODE=1", OK), ("AT+CIPMODE?", b"+CIPMODE:1\r\n" + OK), ("AT+CIPSEND", ERROR),
        open_link(""), ("AT+CIPSEND=4", b"IPMODE=1\r\n" + ERROR), ("AT+CIPMODE=0", OK), ("AT+CIPSEND", ERROR),
        ("AT+CIPMODE=1", OK), ("AT+CIPSEND", b"\r\n>"),
    )  # fmt: skip
    peer = said(host, f"{AT}:7")
    peer.say(b"hi")
    await host.expect(b"hi")
    peer.fin()
    await turns()
    assert not host.output
    assert not host.modem.open_links()
    await asyncio.sleep(0.021)  # the escape is a packet of its own
    host.send(b"+++")
    await idle(host)
    await talk(host, ("AT+CIPSTATUS", b"STATUS:4\r\n" + OK))
