"""N0 (AT v0.20) byte by byte, after its source: espressif/ESP8266_AT, at/user.

Logs: L41 ARMmbed/esp8266-driver#22, L44 espressif/ESP8266_AT#7.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from fakes.esp8266 import build
from tests.ports import free_port


async def first(esp: Any, mux: int = 1, **more: Any) -> Any:
    return await esp("N0", mux=mux, **more)


def with_reset(writer: Any) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def ask(host: Any, line: str, answer: bytes) -> None:
    host.send(line.encode() + b"\r\n")
    await host.expect(answer)
    await host.quiet(0.01)


async def test_version_echo_and_lines(esp: Any) -> None:
    host = await first(esp, raw=True)
    await ask(host, "AT", b"AT\r\r\n\r\nOK\r\n")
    await ask(host, "AT+GMR", b"AT+GMR\r\r\n0020000903\r\n\r\nOK\r\n")
    await ask(host, "", b"\r\r\nERROR\r\n")  # "only get enter": CR echoed, LF not
    await ask(host, "x at", b"x at\r\r\n\r\nOK\r\n")
    await ask(host, "at+gmr", b"at+gmr\r\r\n\r\nERROR\r\n")  # the head may be small, a name not
    await ask(host, "ATE0", b"ATE0\r\r\n\r\nOK\r\n")
    await ask(host, "ATE", b"\r\nERROR\r\n")
    await ask(host, "AT+CIFSR" + "=" * 118, b"\r\nERROR\r\n")
    assert host.journal("overlong") == []
    await ask(host, "AT" + "x" * 127, b"\r\nERROR\r\n")
    assert len(host.journal("overlong")) == 1
    await ask(host, "AT", b"\r\nOK\r\n")


@pytest.mark.parametrize("line", [
    "AT+UART=115200,8,1,0,0", "AT+RESTORE", "AT+CIPDOMAIN=\"a\"", "AT+CWMODE_CUR=1", "AT+CIPDINFO=1",
    "AT+CIPRECVMODE=1", "AT+PING=\"a\"", "AT+CIPSERVERMAXCONN=1", "AT+CIPSSLSIZE=4096", "AT+CMD?",
    "AT+CIPSTA_DEF?", "AT+CIPCLOSEMODE=0,1", "AT+CIPSENDBUF=0,1", "AT+GMR=?", "AT+CIPMUX=?",
    "AT+CIPSERVER?", "AT+SYSRAM?", "AT+CWSTATE?", "AT+CIPSNTPTIME?", "AT+SLEEP=0",
])  # fmt: skip
async def test_what_came_later_is_an_error(esp: Any, line: str) -> None:
    await ask(await first(esp), line, b"\r\nERROR\r\n")


async def test_test_forms(esp: Any) -> None:
    host = await first(esp, mux=0)
    await ask(host, "AT+CWMODE=?", b"+CWMODE:(1-3)\r\n\r\nOK\r\n")
    for name in ("CWQAP", "CIFSR", "CIPSTATUS", "CIPCLOSE", "CIPSEND"):
        await ask(host, f"AT+{name}=?", b"\r\nOK\r\n")
    await ask(
        host, "AT+CIPSTART=?", b'+CIPSTART:(id)("type"),("ip address"),(port)\r\n'
        b'+CIPSTART:((id)"type"),("domain name"),(port)\r\n\r\nOK\r\n')  # fmt: skip


async def test_reasons_stand_alone(esp: Any) -> None:
    host = await first(esp, resolve={"srv": "127.0.0.1"})
    for line, reason in {
        'AT+CIPSTART=5,"TCP","127.0.0.1",7': "ID ERROR", 'AT+CIPSTART=0,"SSL","a",7': "Link typ ERROR",
        'AT+CIPSTART="TCP","127.0.0.1",7': "Link typ ERROR", 'AT+CIPSTART=0,"TCP",5,7': "IP ERROR",
        'AT+CIPSTART=0,"TCP","127.0.0.1"': "ENTRY ERROR", 'AT+CIPSTART=0,"UDP","",9': "Miss param",
        'AT+CIPSTART=0,"UDP","127.0.0.1",9,0': "Miss param2", "AT+CIPSEND=0,4": "link is not",
        'AT+CIPSTART=0,"TCP","nowhere",7': "DNS Fail", "AT+CIPCLOSE=0": "link is not",
        "AT+CIPCLOSE": "MUX=1", "AT+CIPSERVER=0": "no change",
    }.items():  # fmt: skip
        await ask(host, line, reason.encode() + b"\r\n")
    for line in ("AT+CIPSEND=4", "AT+CIPSEND=5,4", "AT+CIPCLOSE=6", "AT+CIPMUX=2", "AT+CIPSTO=9",
                 "AT+CIPMODE=1", "AT+CIPSERVER=0,1", "AT+CIPSERVER=2", "AT+CIPSEND"):  # fmt: skip
        await ask(host, line, b"\r\nERROR\r\n")
    await ask(host, "AT+CIPCLOSE=5", b"")  # no link at all: not a word
    await ask(host, "AT+CIPMUX=0", b"\r\nOK\r\n")
    for line, answer in {
        "AT+CIPCLOSE=0": b"MUX=0\r\n", "AT+CIPCLOSE": b"\r\nERROR\r\n",
        "AT+CIPSERVER=1": b"\r\nERROR\r\n", "AT+CIPMODE=1": b"\r\nOK\r\n",
        "AT+CIPSEND=4": b"IPMODE=1\r\n\r\nERROR\r\n",
        'AT+CIPSTART=0,"TCP","127.0.0.1",7': b"Link typ ERROR\r\n",
    }.items():  # fmt: skip
        await ask(host, line, answer)


async def test_client(esp: Any, far: Any) -> None:
    end = await far()
    host = await first(esp, mux=0)
    await ask(host, "ATE1", b"\r\nOK\r\n")
    line = f'AT+CIPSTART="TCP","127.0.0.1",{end.port}'
    await ask(host, line, line.encode() + b"\r\r\nCONNECT\r\n\r\nOK\r\n")
    await ask(host, "ATE0", b"ATE0\r\r\n\r\nOK\r\n")
    await ask(host, "AT+CIPSTATUS", b'STATUS:3\r\n+CIPSTATUS:0,"TCP","127.0.0.1",%d,0\r\n\r\nOK\r\n'
              % end.port)  # fmt: skip
    await ask(host, line, b"ALREAY CONNECT\r\n")
    await ask(host, "AT+CIPMUX=1", b"link is builded\r\n")
    await ask(host, "AT+CIPSEND=2049", b"too long\r\n")
    await ask(host, "AT+CIPSEND=4x", b"type error\r\n")
    await ask(host, 'AT+CIPSEND=4,"127.0.0.1",7', b"type error\r\n")
    await ask(host, "ATE1", b"\r\nOK\r\n")
    await ask(host, "AT+CIPSEND=5", b"AT+CIPSEND=5\r\r\n> ")
    host.send(b"p\ni")  # the payload is echoed, its LF not
    await host.expect(b"pi")
    host.send(b"ng")
    await host.expect(b"ng\r\nSEND OK\r\n\r\n+IPD,5:p\ning\r\nOK\r\n")
    await ask(host, "AT+CIPCLOSE", b"AT+CIPCLOSE\r\r\nCLOSED\r\n\r\nOK\r\n")
    await ask(host, "AT+CIPSTATUS", b"AT+CIPSTATUS\r\r\nSTATUS:4\r\n\r\nOK\r\n")


async def test_ends_of_links(esp: Any, far: Any, connect: Any) -> None:
    end = await far()
    host = await first(esp)
    for number in (0, 1):
        await ask(host, f'AT+CIPSTART={number},"TCP","127.0.0.1",{end.port}',
                  b"%d,CONNECT\r\n\r\nOK\r\n" % number)  # fmt: skip
    end.writers[0].close()
    await host.expect(b"0,CLOSED\r\n\r\nOK\r\n")
    with_reset(end.writers[1])
    await host.expect(b"1,CLOSED\r\n\r\nERROR\r\n")  # L41
    end.server.close()
    await end.server.wait_closed()
    for mux in (1, 0):  # the id also in single mode
        await ask(host, f"AT+CIPMUX={mux}", b"\r\nOK\r\n")
        number = "3," if mux else ""
        await ask(host, f'AT+CIPSTART={number}"TCP","127.0.0.1",{end.port}',
                  b"%s,CLOSED\r\n\r\nERROR\r\n" % (b"3" if mux else b"0"))  # fmt: skip
    await host.quiet()


async def test_server_cannot_stop(esp: Any, connect: Any) -> None:
    host = await first(esp)
    await ask(host, "AT+CIPSTO?", b"+CIPSTO:180\r\n\r\nOK\r\n")
    port = free_port()
    await ask(host, f"AT+CIPSERVER=1,{port}", b"\r\nOK\r\n")
    await ask(host, f"AT+CIPSERVER=1,{port}", b"no change\r\n")
    await ask(host, "AT+CIPSERVER=0", b"we must restart\r\n")
    await ask(host, "AT+CIPSTO=28801", b"\r\nERROR\r\n")
    await ask(host, "AT+CIPSTO=28800", b"\r\nOK\r\n")
    _, first_writer = await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    _, second_writer = await connect(port)
    await host.expect(b"1,CONNECT\r\n")
    await ask(host, "AT+CIPCLOSE=5", b"we must restart\r\n")
    first_writer.close()
    await host.expect(b"0,CLOSED\r\n")  # without OK: it was accepted
    with_reset(second_writer)
    await host.expect(b"1,CONNECT\r\n")  # sic, at_tcpserver_recon_cb
    _, third_writer = await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    await ask(host, "AT+CIPCLOSE=0", b"0,CLOSED\r\n\r\nOK\r\n")
    third_writer.close()


async def test_udp(esp: Any, udp_far: Any) -> None:
    peer = await udp_far()
    host = await first(esp, mux=0, resolve={"srv": "127.0.0.1"})
    await ask(host, f'AT+CIPSTART="UDP","127.0.0.1",{peer.port}', b"0,CONNECT\r\n\r\nOK\r\n")
    await ask(host, "AT+CIPSEND=4", b"> ")
    host.send(b"ping")
    await host.expect(b"\r\nSEND OK\r\n\r\n+IPD,4:ping\r\nOK\r\n")
    await ask(host, "AT+CIPCLOSE", b"CLOSED\r\n\r\nOK\r\n")
    await ask(host, f'AT+CIPSTART="UDP","srv",{peer.port}', b"0,CONNECT\r\n\r\nOK\r\n")
    await ask(host, "AT+CIPSEND=4", b"")  # L44: no prompt, for ever
    await ask(host, "AT", b"\r\nbusy p...\r\n")


async def test_wifi(esp: Any) -> None:
    host = await first(esp, raw=True)
    await host.ok("ATE0")
    host.output.clear()
    for line, answer in [
        ("AT+CWMODE?", b"+CWMODE:2\r\n\r\nOK\r\n"),
        ("AT+CWMODE=0", b"\r\nERROR\r\n"),
        ('AT+CWJAP="lab","secret"', b"\r\nERROR\r\n"),
        ("AT+CWLAP", b"\r\nERROR\r\n"),
        ("AT+CWMODE=1", b"\r\nOK\r\n"),
        ("AT+CWJAP?", b"No AP\r\n\r\nERROR\r\n"),
        ('AT+CIPSTART="TCP","127.0.0.1",7', b"no ip\r\n"),
        ("AT+CIPSTA?", b'+CIPSTA:"0.0.0.0"\r\n\r\nOK\r\n'),
        ('AT+CWJAP="nowhere","secret"', b"+CWJAP:3\r\n\r\nFAIL\r\n"),
        ('AT+CWJAP="lab"', b"\r\nERROR\r\n"),
        ('AT+CWJAP="lab","secret"', b"\r\nOK\r\n"),
        ("AT+CWJAP?", b'+CWJAP:"lab"\r\n\r\nOK\r\n'),
        ("AT+CIPSTA?", b'+CIPSTA:"127.0.0.1"\r\n\r\nOK\r\n'),
        ("AT+CWDHCP?", b""),
        ("AT+CIPING", b"\r\nOK\r\n"),
        ("AT+CIPSTATUS", b"STATUS:2\r\n\r\nOK\r\n"),
        ("AT+CWQAP", b"\r\nOK\r\n"),
        ("AT+CIPSTAMAC?", b'+CIPSTAMAC:"5c:cf:7f:12:34:56"\r\n\r\nOK\r\n'),
    ]:
        await ask(host, line, answer)
    scan = await host.ok("AT+CWLAP")
    assert scan.startswith(b'+CWLAP:(3,"lab",-')
    assert scan.count(b",") == 4


async def test_reset_and_rate(esp: Any) -> None:
    host = await first(esp, boot_time="0")
    host.send(b"AT+RST\r\n")
    got = await host.read_until(b"\r\nready\r\n")
    assert got.startswith(b"\r\nOK\r\n\r\n")
    assert b"WIFI" not in got
    assert await host.command("ATE0") == b"ATE0\r\r\n\r\nOK\r\n"
    await host.ok("AT+CIPMUX=0")
    host.modem.set_line_rate(9600)  # the OK comes at the new rate already
    host.modem.wire.set_module_rate(9600)
    assert build(firmware="N0").facts["command.max_length"] == 128
    await ask(host, "AT+IPR=0", b"\r\nERROR\r\n")
    host.send(b"AT+IPR=115200\r\n")
    await host.until(lambda: host.modem.wire.module_rate == 115200)
    host.modem.set_line_rate(115200)
    host.output.clear()
    await ask(host, "AT", b"\r\nOK\r\n")
