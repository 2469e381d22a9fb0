"""Line discipline, basic commands and Wi-Fi of the Espressif fake, generation by generation."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from fakes import FakeError, UnknownFirmwareError, UnknownSettingError
from fakes import build as build_by_name
from fakes.esp8266 import FIRMWARES, build, build_esp32

LATER = [name for name in FIRMWARES if name != "N0"]  # that: test_esp8266_first.py
ESP_AT = [name for name in LATER if name != "N17"]


# ---- build -------------------------------------------------------------------------------


def test_defaults_and_names() -> None:
    assert build.firmwares == build_esp32.firmwares == FIRMWARES
    assert build().profile.name == "E22"
    assert build_esp32().profile.name == "E24"
    assert build_by_name("esp32", firmware="E33").facts["frame.max_send"] == 8192
    assert build(firmware="N17").facts["command.max_length"] == 126
    assert all(build(firmware=name).facts["sockets.max"] == 5 for name in FIRMWARES)


def test_unknown_names_are_listed() -> None:
    with pytest.raises(UnknownFirmwareError, match=r"N0, N17, E2, E22"):
        build(firmware="E1")
    with pytest.raises(UnknownSettingError, match="flow, late_closed"):
        build(colour="red")
    for bad in ({"flow": "maybe"}, {"late_closed": "x"}, {"join_time": "-1"}):
        with pytest.raises(ValueError, match="valid"):
            build(**bad)
    with pytest.raises(UnknownSettingError):
        build(station_ip="10.0.0.1")
    with pytest.raises(FakeError):
        build(baud=10_000_000)


# ---- lines -------------------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_echo_style(esp: Any, firmware: str) -> None:
    host = await esp(firmware, raw=True)
    host.send(b"AT\r\n")
    echo = b"AT\r\r\n" if firmware == "N17" else b"AT\r\n"
    await host.expect(echo + b"\r\nOK\r\n")
    host.send(b"AT")  # an unterminated line is echoed as it comes
    await host.expect(b"AT")
    host.send(b"E0\r\n")
    await host.expect(echo[2:].replace(b"\r", b"E0\r", 1) + b"\r\nOK\r\n")
    host.send(b"AT\r\n")
    await host.expect(b"\r\nOK\r\n")
    await host.ok("ATE1")
    host.send(b"AT\r\n")
    await host.expect(echo + b"\r\nOK\r\n")


GMR = {
    "N17": rb"AT version:1\.7\.\d\.\d\([A-Z][a-z]{2} +\d+ \d{4} [\d:]+\)\r\nSDK version:",
    "E2": rb"AT version:2\.1\.0\.0\(ded5b14 - Jul 24 2020 12:01:05\)\r\n",
    "E22": rb"AT version:2\.2\.\d\.\d\(\w+ - ESP8266 - [^)]*\)\r\n",
    "E22-ESP32": rb"AT version:2\.2\.\d\.\d\(\w+ - ESP32 - [^)]*\)\r\n",
    "E24": rb"AT version:3\.2\.0\.0\(s-ec2dec2 - ESP32C3 - [^)]*\)\r\n",
    "E33": rb"AT version:4\.1\.1\.0\(ba4dd0e - ESP32C3 - Jul 31 2025 08:38:07\)\r\n",
}


@pytest.mark.parametrize("firmware", LATER)
async def test_version(esp: Any, firmware: str) -> None:
    host = await esp(firmware)
    answer = await host.ok("AT+GMR")
    assert re.match(GMR[firmware], answer)
    assert answer.endswith(b")\r\n") or answer.endswith(b"1.7.4\r\n")


@pytest.mark.parametrize("firmware", ESP_AT)
async def test_esp_at_acts_on_cr_lf_only(esp: Any, firmware: str) -> None:
    host = await esp(firmware)
    host.send(b"AT+GMR\r")
    await host.quiet(0.02)
    host.send(b"AT\r\n")  # glued to the pending text
    await host.expect(b"\r\nERROR\r\n")


async def test_nonos_acts_on_lf_and_skips_what_precedes_at(esp: Any) -> None:
    host = await esp("N17")
    host.send(b"AT\n")
    await host.expect(b"\r\nOK\r\n")
    host.send(b"\x00\xffjunkAT\r\n")
    await host.expect(b"\r\nOK\r\n")


@pytest.mark.parametrize("firmware", LATER)
async def test_longest_line(esp: Any, firmware: str) -> None:
    host = await esp(firmware)
    limit = host.modem.facts["command.max_length"]
    name = "x" * (limit - len('AT+CIPDOMAIN=""'))
    await host.error(f'AT+CIPDOMAIN="{name}"')
    host.send(b"AT+X" + b"x" * limit + b"\r\n")
    if firmware == "N17":
        await host.quiet(0.02)
    else:
        await host.expect(b"\r\nERROR\r\n")
    await host.ok("AT")


async def test_busy_lines(esp: Any) -> None:
    host = await esp("E22", time_scale=0.02)
    host.send(b"AT+CWLAP\r\n")
    await asyncio.sleep(0.005)
    host.send(b"AT\r\n\r\n")
    await host.expect(b"\r\nbusy p...\r\n\r\nbusy p...\r\n+CWLAP:(3,")
    await host.read_until(b"OK\r\n")
    await host.ok("AT+SYSLOG=1")
    host.send(b"AT\r\n\r\n")  # a second terminator is one more line
    await host.expect(b"ERR CODE:0x010b0000\r\n\r\nbusy p...\r\n\r\nOK\r\n")


async def test_error_codes(esp: Any) -> None:
    host = await esp("E24")
    assert await host.error("AT+NONE") == b""
    await host.ok("AT+SYSLOG=1")
    assert await host.error("AT+NONE") == b"ERR CODE:0x01090000\r\n"
    assert await host.error("AT+CWMODE") == b"ERR CODE:0x010c0000\r\n"
    assert await host.error("AT+CIPMUX=1,2,3") == b"ERR CODE:0x01060103\r\n"
    assert await host.error("AT+CIPMUX=2") == b"ERR CODE:0x01070000\r\n"
    assert await host.error("AT+CIPMUX=x") == b"ERR CODE:0x01050000\r\n"
    assert await host.error("AT+CIPCLOSE=0") == b"ERR CODE:0x010a0000\r\n"
    assert await host.error('AT+CWJAP="a') == b"ERR CODE:0x01080000\r\n"


async def test_commands_by_generation(esp: Any) -> None:
    have = {
        "AT+CMD?": {"E22", "E22-ESP32", "E24", "E33"},
        "AT+CWSTATE?": {"E22", "E22-ESP32", "E24", "E33"},
        "AT+CWRECONNCFG?": {"E22", "E22-ESP32", "E24", "E33"},
        "AT+CIPV6=1": {"E22", "E22-ESP32", "E24", "E33"},
        "AT+SYSSTORE=0": set(ESP_AT),
        "AT+SYSLOG=0": set(ESP_AT),
        "AT+SYSMSG=0": set(ESP_AT),
        "AT+SYSMSG_CUR=0": {"N17"},
        "AT+CIPTCPOPT?": set(ESP_AT),
        "AT+CIPTCPOPT=0,-1,0,0": set(ESP_AT),
        "AT+CIPTCPOPT=0,-1,0,0,0": {"E24", "E33"},
        "AT+CIPRECVTYPE?": {"E33"},
        "AT+CIPSTATE?": {"E24", "E33"},
        "AT+CIPRECVMODE=1": set(LATER),
        "AT+CIPSTATUS": set(LATER),
        "AT+CWMODE_CUR=1": {"N17"},
        "AT+CWDHCP_DEF=1,1": {"N17"},
        "AT+CIPCLOSEMODE=0,1": {"N17"},
        "AT+CIPSERVER?": {"E22", "E22-ESP32", "E24", "E33"},
        "AT+CIPMUX=?": set(LATER),
    }
    for firmware in LATER:
        host = await esp(firmware)
        for line, owners in have.items():
            answer = await host.command(line)
            assert answer.endswith(b"\r\nOK\r\n") == (firmware in owners), (firmware, line)


async def test_command_list(esp: Any) -> None:
    host = await esp("E33")
    answer = await host.ok("AT+CMD?")
    rows = answer.decode().splitlines()
    assert any(row.endswith('"AT",0,0,0,1') for row in rows)
    assert all(re.fullmatch(r'\+CMD:\d+,"AT[E+\w]*",[01],[01],[01],[01]', row) for row in rows)
    names = {row.split('"')[1]: row.split('",')[1] for row in rows}
    assert names["AT+CIPRECVTYPE"] == "1,1,1,0"
    assert names["AT+CIPSTATUS"] == "1,0,0,1"
    assert "AT+CWAUTOCONN" not in names
    host = await esp("E22")
    assert b"CIPRECVTYPE" not in await host.ok("AT+CMD?")


async def test_memory_and_messages(esp: Any) -> None:
    assert re.fullmatch(rb"\+SYSRAM:\d+\r\n", await (await esp("N17")).ok("AT+SYSRAM?"))
    host = await esp("E24")
    assert re.fullmatch(rb"\+SYSRAM:\d+,\d+", await host.ok("AT+SYSRAM?"))
    await host.ok("AT+SYSMSG=2")
    assert await host.ok("AT+SYSMSG?") == b"+SYSMSG:2"


# ---- UART --------------------------------------------------------------------------------


async def test_uart_switches_after_ok(esp: Any) -> None:
    host = await esp("E22")
    host.modem.set_line_rate(115200)
    assert await host.ok("AT+UART_CUR=921600,8,1,0,0") == b""  # OK at the old rate
    host.send(b"AT\r\n")
    await asyncio.sleep(0.02)
    assert b"OK" not in host.output
    host.modem.set_line_rate(921600)
    host.send(b"\r\n")  # ends the noise
    await asyncio.sleep(0.02)
    host.output.clear()
    await host.ok("AT")
    await host.error("AT+UART_CUR=921600,9,1,0,0")
    await host.error("AT+UART_CUR=6000000,8,1,0,0")
    await host.error("AT+UART_CUR=921600")


async def test_uart_real_divider_and_storage(esp: Any) -> None:
    host = await esp("E22", boot_time="0")
    assert await host.ok("AT+UART_CUR?") == b"+UART_CUR:115273,8,1,0,0\r\n"
    await host.ok("AT+UART_CUR=921600,8,1,0,3")
    assert await host.ok("AT+UART_DEF?") == b"+UART_DEF:115273,8,1,0,0\r\n"
    host.send(b"AT+RST\r\n")
    await host.read_until(b"ready\r\n")
    assert host.modem.wire.module_rate == 115200
    await host.ok("AT+UART_DEF=57600,8,1,0,0")
    host.modem.restart()
    await host.read_until(b"ready\r\n")
    assert host.modem.wire.module_rate == 57600
    host = await esp("E24")
    assert await host.ok("AT+UART_CUR?") == b"+UART_CUR:115200,8,1,0,0\r\n"


async def test_paced_line(esp: Any) -> None:
    host = await esp("E22", baud=9600)
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await host.command("AT+GMR")
    expected = (len(b"AT+GMR\r\n") + len(answer)) * 10 / 9600
    assert expected * 0.98 <= loop.time() - began < expected + 0.15


# ---- reset and storage --------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_reset(esp: Any, firmware: str) -> None:
    host = await esp(firmware, time_scale=0.01)
    await host.ok("AT+CIPDINFO=1")
    host.send(b"AT+RST\r\n")
    await host.expect(b"\r\nOK\r\nWIFI DISCONNECT\r\n")
    boot = await host.read_until(b"\r\nready\r\n")
    noisy = any(byte >= 0x80 for byte in boot)
    assert noisy == (host.modem.profile.esp8266)
    if not noisy:
        assert boot == b"\r\nready\r\n"
    # the stored access point is joined without being asked
    await host.expect(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
    assert b"AT\r" in await host.command("AT")  # echo is on again
    await host.ok("ATE0")
    assert b":0" in await host.ok("AT+CIPMUX?")
    assert b"alse" in (await host.ok("AT+CIPDINFO?")).replace(b"FALSE", b"alse")


async def test_reset_while_busy(esp: Any) -> None:
    host = await esp("E22-ESP32", time_scale=0.05)
    host.send(b"AT+CWLAP\r\n")
    await asyncio.sleep(0.01)
    host.send(b"AT+RST\r\n")
    await host.expect(b"Will force to restart!!!\r\n\r\nready\r\n")


async def test_settings_are_stored_or_not(esp: Any) -> None:
    host = await esp("E22", raw=True, boot_time="0")
    await host.ok("ATE0")
    assert await host.ok("AT+CWMODE?") == b"+CWMODE:0\r\n"
    assert await host.ok("AT+SYSSTORE=0") == b""
    assert await host.ok("AT+SYSSTORE?") == b"+SYSSTORE:0\r\n"
    await host.ok("AT+CWMODE=1")
    await host.ok('AT+CWJAP="lab","secret"')
    host.modem.restart()
    await host.read_until(b"ready\r\n")
    await asyncio.sleep(0.02)
    assert b"WIFI" not in host.output
    await host.ok("ATE0")
    assert await host.ok("AT+SYSSTORE?") == b"+SYSSTORE:1\r\n"
    await host.ok("AT+CWMODE=1")
    host.modem.restart()
    await host.read_until(b"ready\r\n")
    await host.ok("ATE0")
    assert await host.ok("AT+CWMODE?") == b"+CWMODE:1\r\n"
    host.send(b"AT+RESTORE\r\n")
    await host.expect(b"\r\nOK\r\n")
    await host.read_until(b"ready\r\n")
    await host.ok("ATE0")
    assert await host.ok("AT+CWMODE?") == b"+CWMODE:0\r\n"


async def test_nonos_cur_and_def(esp: Any) -> None:
    host = await esp("N17", raw=True, boot_time="0")
    await host.ok("ATE0")
    await host.ok("AT+CWMODE_CUR=3")
    assert await host.ok("AT+CWMODE_CUR?") == b"+CWMODE_CUR:3\r\n"
    assert await host.ok("AT+CWMODE_DEF?") == b"+CWMODE_DEF:2\r\n"
    await host.ok("AT+CWMODE=1")  # the plain name stores
    assert await host.ok("AT+CWMODE_DEF?") == b"+CWMODE_DEF:1\r\n"


# ---- Wi-Fi -------------------------------------------------------------------------------


@pytest.mark.parametrize("firmware", ["N17", "E24"])
async def test_a_network_without_dhcp(esp: Any, firmware: str) -> None:
    """`DHCP TIMEOUT` is in the NonOS library only; how the join then ends is not documented."""
    timed_out = b"DHCP TIMEOUT\r\n" if firmware == "N17" else b""
    last = {"none": b"\r\nOK\r\n", "fail": b"+CWJAP:1\r\n\r\nERROR\r\n"}
    if firmware == "N17":
        last["fail"] = b"+CWJAP:1\r\n\r\nFAIL\r\n"
    for setting, end in last.items():
        host = await esp(firmware, raw=True, access_points={"lab": ""}, dhcp=setting)
        await host.ok("ATE0")
        await host.ok("AT+CWMODE=1")
        host.send(b'AT+CWJAP="lab",""\r\n')
        await host.expect(b"WIFI CONNECTED\r\n" + timed_out + end)
        assert b'+CIPSTA:ip:"0.0.0.0"' in await host.ok("AT+CIPSTA?")
    with pytest.raises(UnknownSettingError):
        build(dhcp="perhaps")


@pytest.mark.parametrize("firmware", LATER)
async def test_join(esp: Any, firmware: str) -> None:
    nonos = firmware == "N17"
    points = {"lab": "secret", 'we"ird,\\': "p,w", "open": ""}
    host = await esp(firmware, raw=True, access_points=points)
    await host.ok("ATE0")
    await host.ok("AT+CWMODE=1")
    assert await host.ok("AT+CWJAP?") == (b"No AP\r\n" if nonos else b"")
    final = b"\r\nFAIL\r\n" if nonos else b"\r\nERROR\r\n"
    assert await host.command('AT+CWJAP="lab","wrong"') == b"+CWJAP:2\r\n" + final
    assert await host.command('AT+CWJAP="none","x"') == b"+CWJAP:3\r\n" + final
    host.send(b'AT+CWJAP="lab","secret"\r\n')
    await host.expect(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n\r\nOK\r\n")
    row = (await host.ok("AT+CWJAP?")).decode()
    fields = {"N17": 5, "E2": 8}.get(firmware, 9)
    assert re.fullmatch(r'\+CWJAP:"lab","[0-9a-f:]{17}",\d+,-\d+(,0)+\r\n', row)
    assert row.count(",") == fields - 1
    # once joined, a new join leaves first; specials are escaped in the command only
    host.send(b'AT+CWJAP="we\\"ird\\,\\\\","p\\,w"\r\n')
    await host.expect(b"WIFI DISCONNECT\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n\r\nOK\r\n")
    assert b'+CWJAP:"we"ird,\\",' in await host.ok("AT+CWJAP?")
    if "CWSTATE" not in host.modem.profile.absent:
        assert (await host.ok("AT+CWSTATE?")).startswith(b"+CWSTATE:2,")
    await host.ok('AT+CWJAP="open",""')
    got = await host.command("AT+CWQAP") + bytes(host.output)
    host.output.clear()
    if nonos:
        assert got == b"\r\nOK\r\nWIFI DISCONNECT\r\n"
    else:
        assert got == b"WIFI DISCONNECT\r\n\r\nOK\r\n"
    assert await host.ok("AT+CIPSTATUS") == b"STATUS:5\r\n"


async def test_scan(esp: Any) -> None:
    points = {f"net{i}": "x" for i in range(3)}
    for firmware, fields in (("N17", 11), ("E2", 5), ("E24", 11)):
        host = await esp(firmware, access_points=points | {"lab": ""})
        rows = (await host.ok("AT+CWLAP")).decode().splitlines()
        assert len(rows) == 4
        assert all(row.startswith("+CWLAP:(") and row.count(",") == fields - 1 for row in rows)
        assert len((await host.ok('AT+CWLAP="net1"')).splitlines()) == 1
        await host.ok("AT+CWLAPOPT=1,6")
        rows = (await host.ok("AT+CWLAP")).decode().splitlines()
        levels = [int(row.split(",")[1].rstrip(")")) for row in rows]
        assert levels == sorted(levels, reverse=True)


async def test_scan_needs_station_mode(esp: Any) -> None:
    host = await esp("E22", raw=True)
    await host.ok("ATE0")
    await host.error("AT+CWLAP")
    await host.error('AT+CWJAP="lab","secret"')


async def test_dhcp_arguments_are_swapped(esp: Any) -> None:
    host = await esp("N17")
    assert await host.ok("AT+CWDHCP?") == b"+CWDHCP:3\r\n"
    await host.ok("AT+CWDHCP_CUR=1,0")  # station off
    assert await host.ok("AT+CWDHCP_CUR?") == b"+CWDHCP_CUR:1\r\n"
    host = await esp("E22")
    await host.ok("AT+CWDHCP=0,1")  # off, station
    assert await host.ok("AT+CWDHCP?") == b"+CWDHCP:2\r\n"


async def test_addresses(esp: Any) -> None:
    host = await esp("E24", station_ip="127.0.0.9")
    assert await host.ok("AT+CIPSTA?") == (
        b'+CIPSTA:ip:"127.0.0.9"\r\n+CIPSTA:gateway:"127.0.0.9"\r\n+CIPSTA:netmask:"255.0.0.0"\r\n'
    )
    answer = await host.ok("AT+CIFSR")
    assert re.fullmatch(rb'\+CIFSR:STAIP,"127.0.0.9"\r\n\+CIFSR:STAMAC,"[0-9a-f:]+"\r\n', answer)
    assert re.fullmatch(rb'\+CIPSTAMAC:"[0-9a-f:]{17}"\r\n', await host.ok("AT+CIPSTAMAC?"))
    await host.ok('AT+CIPSTA="192.168.1.5","192.168.1.1","255.255.255.0"')
    assert b'ip:"192.168.1.5"' in await host.ok("AT+CIPSTA?")
    await host.error('AT+CIPSTA="x"')
    host = await esp("N17", raw=True)
    await host.ok("ATE0")
    await host.ok("AT+CWMODE_CUR=3")
    answer = await host.ok("AT+CIFSR")
    assert b'+CIFSR:APIP,"192.168.4.1"\r\n' in answer
    assert b'+CIFSR:STAIP,"0.0.0.0"\r\n' in answer
    assert b"+CIPSTA_CUR:ip:" in await host.ok("AT+CIPSTA_CUR?")


async def test_lost_access_point_comes_back(esp: Any, far: Any) -> None:
    end = await far()
    host = await esp("E22", time_scale=0.01)
    await host.ok(f'AT+CIPSTART=1,"TCP","127.0.0.1",{end.port}')
    password = host.modem.world.access_points.pop("lab")
    host.modem.lose_wifi()
    await host.expect(b"WIFI DISCONNECT\r\n1,CLOSED\r\n")
    await host.error(f'AT+CIPSTART=1,"TCP","127.0.0.1",{end.port}')
    assert (await host.ok("AT+CWSTATE?")).startswith(b'+CWSTATE:4,"lab"')
    host.modem.world.access_points["lab"] = password
    await host.expect(b"WIFI CONNECTED\r\nWIFI GOT IP\r\n")
    await host.ok(f'AT+CIPSTART=1,"TCP","127.0.0.1",{end.port}')


# ---- names, ping, time -------------------------------------------------------------------


@pytest.mark.parametrize("firmware", LATER)
async def test_domain(esp: Any, firmware: str) -> None:
    host = await esp(firmware, resolve={"a.test": "127.0.0.5", "six.test": "::1"})
    quote = b"" if firmware in ("N17", "E2") else b'"'
    expected = b"+CIPDOMAIN:" + quote + b"127.0.0.5" + quote + b"\r\n"
    assert await host.ok('AT+CIPDOMAIN="a.test"') == expected
    assert (await host.ok('AT+CIPDOMAIN="10.1.2.3"')).count(b"10.1.2.3")
    assert await host.error('AT+CIPDOMAIN="b.test"') == (
        b"DNS Fail\r\n" if firmware == "N17" else b""
    )
    await host.error('AT+CIPDOMAIN="' + "x" * 65 + '"')
    if host.modem.profile.level >= 22:
        await host.ok("AT+CIPV6=1")
        assert b'"::1"' in await host.ok('AT+CIPDOMAIN="six.test",3')
        await host.error('AT+CIPDOMAIN="six.test",2')
    assert (await host.command('AT+CIPDOMAIN="a.test",1,5000')).endswith(b"OK\r\n") == (
        firmware == "E33"
    )


async def test_name_servers(esp: Any) -> None:
    host = await esp("N17")
    await host.ok('AT+CIPDNS_CUR=1,"1.1.1.1","9.9.9.9"')
    assert await host.ok("AT+CIPDNS_CUR?") == b"+CIPDNS_CUR:1.1.1.1\r\n+CIPDNS_CUR:9.9.9.9\r\n"
    assert await host.ok("AT+CIPDNS?") == b"+CIPDNS_CUR:1.1.1.1\r\n+CIPDNS_CUR:9.9.9.9\r\n"
    host = await esp("E24")
    await host.ok('AT+CIPDNS=1,"1.1.1.1","9.9.9.9","8.8.4.4"')
    assert await host.ok("AT+CIPDNS?") == b'+CIPDNS:1,"1.1.1.1","9.9.9.9","8.8.4.4"'


async def test_ping(esp: Any) -> None:
    host = await esp("N17", resolve={"a.test": "127.0.0.1", "far.test": "192.0.2.1"})
    assert re.fullmatch(rb"\+\d+\r\n", await host.ok('AT+PING="a.test"'))
    assert await host.error('AT+PING="far.test"') == b"+timeout\r\n"
    host = await esp("E22", resolve={"far.test": "192.0.2.1"})
    assert re.fullmatch(rb"\+PING:\d+\r\n", await host.ok('AT+PING="127.0.0.1"'))
    assert await host.error('AT+PING="far.test"') == b"+PING:TIMEOUT\r\n"


async def test_clock(esp: Any) -> None:
    host = await esp("E24", time_scale=0.02)
    host.send(b"AT+CIPSNTPTIME?\r\n")
    await host.expect(b"+CIPSNTPTIME:Thu Jan 01 00:00:00 1970\r\nOK\r\n")
    await host.ok('AT+CIPSNTPCFG=1,2,"pool.test"')
    assert await host.ok("AT+CIPSNTPCFG?") == b'+CIPSNTPCFG:1,2,"pool.test"\r\n'
    await host.expect(b"+TIME_UPDATED\r\n")
    host.send(b"AT+CIPSNTPTIME?\r\n")
    assert b"1970" not in await host.read_until(b"\r\nOK\r\n")
