"""Facts of every generation of Espressif's AT firmware as tables: what `build` gives, which commands there are,
parameters at their limits, what a reset leaves.

DOC: ESP-AT User Guide, AT Command Set. Codes: ESP-AT include/esp_at_core.h (class in the second byte).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.esp8266 import build
from fakes.esp8266.modem import EspressifModem
from fakes.peers import Peer
from fakes.scenario import Scenario
from tests.fakes.test_command_tables import COMMANDS
from tests.ports import free_port

OK, ERROR = b"\r\nOK\r\n", b"\r\nERROR\r\n"
NAMES = ("N0", "N17", "E2", "E22", "E22-ESP32", "E24", "E33")
AT = "192.0.2.1"
PEERS = {
    f"{AT}:7": Peer("echo"),
    f"{AT}:9": Peer("discard"),
    f"{AT}:19": Peer(then="close", after=100),
}
COUNT, RANGE, PARSE, FAILED = 0x01060000, 0x01070000, 0x01080000, 0x010A0000
"""For COUNT how many are needed and how many came stand in the low bytes."""


async def talk(host: Any, *rows: tuple[str, bytes]) -> None:
    """Each line has exactly this answer, and nothing follows the last."""
    for line, answer in rows:
        host.send(line.encode("latin-1") + b"\r\n")
        await host.expect(answer)
    for _ in range(12):
        await asyncio.sleep(0)
    assert not host.output


def code(number: int) -> bytes:
    return b"ERR CODE:0x%08x\r\n" % number + ERROR


async def scripted(esp: Any, firmware: str, **more: Any) -> Any:
    """A module with peers in memory; AT+SYSLOG=1 on ESP-AT."""
    host = await esp(firmware, offline=True, peers=PEERS, **more)
    if firmware.startswith("E"):
        await host.ok("AT+SYSLOG=1")
    return host


# ---- build -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "buffer"), [
    ("N0", 128), ("N17", 2048), ("E2", 2048), ("E22", 2048), ("E22-ESP32", 8192), ("E24", 8192), ("E33", 8192),
])  # fmt: skip
def test_names_and_usual_settings(name: str, buffer: int) -> None:
    """docs/fakes.md: real model time and seed 0 unless given, the transmit buffers of at_uart_task.c."""
    modem = build(firmware=name)
    assert (modem.profile.name, modem.output_limit) == (name, buffer)
    assert (modem.time_scale, modem.seed, modem.has_address) == (1.0, 0, False)


@pytest.mark.parametrize("kind", ["esp8266", "esp32"])
async def test_names_of_the_module_in_a_scenario(esp: Any, kind: str) -> None:
    host = await scripted(esp, "E24", scenario=Scenario(modem=kind))
    await talk(host, (f'AT+CIPSTART=0,"TCP","{AT}",7', b"0,CONNECT\r\n" + OK))


@pytest.mark.parametrize("name", NAMES)
def test_commands(name: str) -> None:
    """The table of the documents against the profile, without a module."""
    tags = {entry.tag for entry in EspressifModem._class_rules}
    profile = build(firmware=name).profile
    for command, having in COMMANDS.items():
        if command in tags:
            assert profile.has(command) == (name in having), command


# ---- lines -------------------------------------------------------------------------------


async def test_longest_line(esp: Any) -> None:
    """DOC AT Command Types: 256 characters; half of these are the backslashes of an escape."""
    host = await scripted(esp, "E24")
    line = 'AT+CIPSNTPCFG=0,8,"' + 64 * "\\s" + '","' + 45 * "\\t" + '","' + 6 * "\\u" + '"'
    assert len(line) == 256
    await talk(host, (line, OK), (line.replace("=0,", "=00,"), code(0x01040000)))


@pytest.mark.parametrize("firmware", ["N0", "N17"])
async def test_what_surrounds_a_command_of_nonos(esp: Any, firmware: str) -> None:
    """at_recvTask: what precedes "AT" is not part of it, and what came while a command ran is gone."""
    host = await scripted(esp, firmware)
    await talk(host, ("x y\x00AT", OK), ("no head", ERROR))
    assert host.journal("stray")[0] == "x y\x00"
    host.send(b"AT\r\nA")
    await host.expect(OK)
    await talk(host, ("T", ERROR))


async def test_restart_of_each_chip(esp: Any) -> None:
    """The ROM of the ESP8266 speaks at 74880 baud, unreadable here; an ESP32's speaks elsewhere."""
    for firmware in NAMES:
        host = await scripted(esp, firmware, boot_time="0")
        host.modem.restart()
        boot = await host.read_until(b"\r\nready\r\n")
        assert any(byte >= 0x80 for byte in boot) == (firmware in ("N0", "N17", "E2", "E22")), (
            firmware
        )


# ---- parameters --------------------------------------------------------------------------


async def test_errors_of_nonos_without_a_reason(esp: Any) -> None:
    await talk(
        await scripted(esp, "N17"), ("AT+CIPDINFO=x", ERROR), ("AT+PING=5", ERROR), ("AT+CIPDINFO=", ERROR),
        ("AT+CIPDNS=?", OK), ("AT+CIPDNS_DEF=?", OK), ("AT+CIPDNS_XUR=?", ERROR),
        ("AT+CIPDNS?", b"+CIPDNS_CUR:127.0.0.1\r\n" + OK),
    )  # fmt: skip


LONG_SENDS = (
    ("AT+CIPSENDLCFG?", b"+CIPSENDLCFG:1024,2920\r\n" + OK), ("AT+CIPSENDLCFG=100,100", OK),
    ("AT+CIPSENDLCFG=1048576,2920", OK), ("AT+CIPSENDLCFG?", b"+CIPSENDLCFG:1048576,2920\r\n" + OK),
    ("AT+CIPSENDLCFG=99", code(RANGE)), ("AT+CIPSENDLCFG=1048577", code(RANGE)),
    ("AT+CIPSENDLCFG=100,99", code(RANGE)), ("AT+CIPSENDLCFG=100,2921", code(RANGE)),
    ("AT+CIPSENDLCFG=1,2,3", code(COUNT | 0x0103)), ("AT+CIPSENDLCFG=500,700", OK), ("AT+CIPSENDLCFG=600", OK),
    ("AT+CIPSENDLCFG?", b"+CIPSENDLCFG:600,2920\r\n" + OK),
)  # fmt: skip
INTERVAL = (
    ("AT+TRANSINTVL?", b"+TRANSINTVL:20\r\n" + OK), ("AT+TRANSINTVL=0", OK), ("AT+TRANSINTVL=1000", OK),
    ("AT+TRANSINTVL?", b"+TRANSINTVL:1000\r\n" + OK), ("AT+TRANSINTVL=-1", code(RANGE)),
    ("AT+TRANSINTVL=1001", code(RANGE)),
)  # fmt: skip
STORE = (
    ("AT+SYSSTORE=2", code(RANGE)), ("AT+SYSSTORE=0", OK), ("AT+SYSSTORE=1", OK),
    ("AT+SYSSTORE?", b"+SYSSTORE:1\r\n" + OK), ("AT+SYSSTORE=1,1", code(COUNT | 0x0102)), ("AT+CWMODE=1,1,1", code(COUNT | 0x0103)),
    ("AT+SYSLOG=2", code(RANGE)), ("AT+SYSLOG=-1", code(RANGE)), ('AT+PING="a\\', code(PARSE)),
)  # fmt: skip
LEFT_OUT = (
    ("AT+CIPMUX=0", OK), ("AT+CIPTCPOPT=,1,0", OK), (f'AT+CIPSTARTEX="TCP","{AT}",7', code(FAILED)),
    ("AT+CIPTCPOPT?", b"+CIPTCPOPT:0,-1,1,0,0\r\n"
     + b"".join(b"+CIPTCPOPT:%d,-1,0,0,0\r\n" % link for link in range(1, 5)) + OK),
)  # fmt: skip
FULL = (
    *((f'AT+CIPSTARTEX="TCP","{AT}",7', b"%d,CONNECT\r\n" % link + OK) for link in range(5)),
    (f'AT+CIPSTARTEX="TCP","{AT}",7', code(FAILED)),
)


@pytest.mark.parametrize("rows", [LONG_SENDS, INTERVAL, STORE, LEFT_OUT, FULL])
async def test_parameters(esp: Any, rows: tuple[tuple[str, bytes], ...]) -> None:
    """Ranges and defaults of DOC; a parameter left out is an empty field, the first one too; a lone
    backslash ends nothing; AT+CIPSTARTEX takes the lowest free id."""
    await talk(await scripted(esp, "E24"), *rows)


async def test_rate_read_back(esp: Any) -> None:
    """The ESP8266's UART clock is 80 MHz, divided by a whole number (uart_register.h UART_CLK_FREQ)."""
    host = await scripted(esp, "E22")
    for asked, real in ((4_000_000, 4_000_000), (2_962_962, 2_962_962), (115_200, 115_273)):
        host.send(b"AT+UART_CUR=%d,8,1,0,0\r\n" % asked)
        await host.expect(OK)
        host.modem.set_line_rate(asked)
        await talk(host, ("AT+UART_CUR?", b"+UART_CUR:%d,8,1,0,0\r\n" % real + OK))


# ---- what is stored ----------------------------------------------------------------------


async def test_own_network_of_a_new_module(esp: Any) -> None:
    """MaJerle/ESP8266_AT_Commands_parser issue 50: +CWSAP_CUR:"ESP_A0591D","",1,0,4,0 (the name ends with the MAC)."""
    network = b':"ESP_123456","",1,0,4,0\r\n'
    host = await scripted(esp, "N17", raw=True)
    await host.ok("ATE0")
    await talk(
        host, ("AT+CWSAP_CUR?", b"+CWSAP_CUR" + network + OK), ("AT+CIPMUX?", b"+CIPMUX:0\r\n" + OK),
        ('AT+CWSAP_CUR="net","12345678",5,3', OK), ("AT+CWSAP_DEF?", b"+CWSAP_DEF" + network + OK),
    )  # fmt: skip
    first = await scripted(esp, "N0", raw=True)
    await first.ok("ATE0")
    await talk(first, ("AT+CWSAP?", b'+CWSAP:"ESP_123456","",1,0\r\n' + OK))


async def test_what_a_reset_leaves(esp: Any) -> None:
    """Nothing of a join that was not stored; AT+RESTORE puts the rate back to 115200 (NVS erased)."""
    host = await scripted(esp, "E24", boot_time="0", baud=None)
    await host.ok("AT+SYSSTORE=0")
    await host.ok('AT+CWJAP="lab","secret"')
    await host.ok("AT+UART_DEF=57600,8,1,0,0")
    host.modem.set_line_rate(57600)
    await host.ok("AT+RESTORE")
    host.modem.set_line_rate(115200)
    await host.read_until(b"\r\nready\r\n")
    assert host.modem.wire.module_rate == 115200
    await host.ok("ATE0")
    await talk(
        host, ("AT+CWMODE?", b"+CWMODE:0\r\n" + OK), ("AT+CIPSTATUS", b"STATUS:5\r\n" + OK),
        ("AT+CWSTATE?", b'+CWSTATE:0,""\r\n' + OK), ("AT+UART_DEF?", b"+UART_DEF:115200,8,1,0,0\r\n" + OK),
        ("AT+CIPMUX?", b"+CIPMUX:0\r\n" + OK),
    )  # fmt: skip


# ---- links -------------------------------------------------------------------------------


async def test_long_sends(esp: Any) -> None:
    """AT+CIPSENDL: up to 2147483647 bytes; when the link ends the rest is still taken, then SEND FAIL.
    AT+CIPSENDEX: a `0` without a backslash is a character."""
    host = await scripted(esp, "E24")
    await talk(host, (f'AT+CIPSTART=0,"TCP","{AT}",9', b"0,CONNECT\r\n" + OK))
    await talk(host, ("AT+CIPSENDL=0,2147483648", code(RANGE)), ("AT+CIPSENDEX=0,9", OK + b"\r\n>"))
    host.send(rb"0a\0")
    await host.expect(b"\r\nRecv 2 bytes\r\n\r\nSEND OK\r\n")
    assert bytes(host.modem.world.peers.conversations[f"{AT}:9"][0].told) == b"0a"
    await talk(host, ("AT+CIPSENDL=0,2147483647", OK + b"\r\n>"))
    await asyncio.sleep(0.021)  # the escape is a packet of its own
    host.send(b"+++")
    await host.expect(b"\r\nSEND CANCELLED\r\n")
    await talk(host, (f'AT+CIPSTART=1,"TCP","{AT}",19', b"1,CONNECT\r\n" + OK))
    await talk(host, ("AT+CIPSENDLCFG=1000,100", OK), ("AT+CIPSENDL=1,500", OK + b"\r\n>"))
    host.send(bytes(100))
    await host.expect(b"1,CLOSED\r\n")
    host.send(bytes(400))
    await host.expect(b"\r\nSEND FAIL\r\n")
    await talk(host, ("AT", OK))


async def test_a_server_link_is_closed_not_broken(esp: Any, connect: Any) -> None:
    """DOC AT+CIPSERVER=0,1 "shutdown the server and close all connections": the peer sees an end."""
    host = await esp("E24")
    port = free_port()
    await host.ok(f"AT+CIPSERVER=1,{port}")
    reader, _ = await connect(port)
    await host.expect(b"0,CONNECT\r\n")
    await talk(host, ("AT+CIPSERVER=0,1", b"0,CLOSED\r\n" + OK))
    assert await reader.read() == b""


async def test_waiting_for_what_cannot_be_reached(esp: Any) -> None:
    """docs/fakes.md connect_timeout: 3 s; NonOS has its CLOSED 30 to 500 ms behind the ERROR."""
    host = await esp("N17")
    spent: list[float] = []
    later: list[float] = []
    real, put_off = host.modem.sleep, host.modem.later

    async def sleep(seconds: float) -> None:
        spent.append(seconds)
        await real(seconds)

    host.modem.sleep = sleep
    host.modem.later = lambda delay, action: (later.append(delay), put_off(delay, action))[1]
    await talk(host, (f'AT+CIPSTART=0,"TCP","{AT}",80', ERROR + b"0,CLOSED\r\n"))
    assert spent == [3.0]
    assert 0.03 <= later[0] <= 0.5
