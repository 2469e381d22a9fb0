"""The module's own access point, its addresses and deep sleep: what is taken, refused and shown.

ESP-AT User Guide, "Wi-Fi AT Commands" (AT+CWSAP: password 8 to 63 bytes, encryption 0 to 4 without WEP,
1 to 10 stations, visible unless hidden is 1, only in modes 2 and 3) and "Basic AT Commands" (AT+GSLP: 0 to
2^31-1 ms, 0 restarts at once); ESP8266 Non-OS AT Instruction Set (AT+CWSAP: 1 to 8 stations);
MaJerle/ESP8266_AT_Commands_parser issue 50 (an open network on channel 1 with 4 stations, not hidden).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.esp8266_tables import (
    LONG,
    MISSING,
    RANGE,
    answers,
    codes,
    count,
    delays_of,
    restarted,
)


async def test_parameters_of_the_own_network(esp: Any) -> None:
    host = await esp("E24", joined="")
    await host.ok("AT+CWMODE=2")
    await codes(host, [
        ('AT+CWSAP="net","12345678",5', count(4, 3)),
        ('AT+CWSAP="net","12345678",5,3,1,0,0', count(4, 7)),
        ('AT+CWSAP="' + 33 * "n" + '","12345678",5,3', LONG),
        ('AT+CWSAP="' + 32 * "n" + '","12345678",5,3', 0),
        ('AT+CWSAP="net","' + 64 * "p" + '",5,3', LONG), ('AT+CWSAP="net","' + 63 * "p" + '",5,3', 0),
        ('AT+CWSAP="net","12345678",0,3', RANGE), ('AT+CWSAP="net","12345678",1,3', 0),
        ('AT+CWSAP="net","12345678",13,3', 0), ('AT+CWSAP="net","12345678",14,3', RANGE),
        ('AT+CWSAP="net","12345678",5,-1', RANGE), ('AT+CWSAP="net","12345678",5,0', 0),
        ('AT+CWSAP="net","12345678",5,4', 0), ('AT+CWSAP="net","12345678",5,5', RANGE),
        ('AT+CWSAP="net","12345678",5,3,0', RANGE), ('AT+CWSAP="net","12345678",5,3,1', 0),
        ('AT+CWSAP="net","12345678",5,3,10', 0), ('AT+CWSAP="net","12345678",5,3,11', RANGE),
        ('AT+CWSAP="net","12345678",5,3,4,-1', RANGE), ('AT+CWSAP="net","12345678",5,3,4,0', 0),
        ('AT+CWSAP="net","12345678",5,3,4,1', 0), ('AT+CWSAP="net","12345678",5,3,4,2', RANGE),
        ('AT+CWSAP=,"12345678",5,3', MISSING),
    ])  # fmt: skip


async def test_what_is_left_out_of_the_own_network(esp: Any) -> None:
    host = await esp("E24", joined="")
    await host.ok("AT+CWMODE=2")
    await answers(host, [
        ('AT+CWSAP="net",,5,0', b""), ("AT+CWSAP?", b'+CWSAP:"net","",5,0,4,0\r\n'),
        ('AT+CWSAP="net","12345678",5,3,,1', b""), ("AT+CWSAP?", b'+CWSAP:"net","12345678",5,3,4,1\r\n'),
        ('AT+CWSAP="net","",5,0,7', b""), ("AT+CWSAP?", b'+CWSAP:"net","",5,0,7,0\r\n'),
        ("AT+CIPAP?", b'+CIPAP:ip:"192.168.4.1"\r\n+CIPAP:gateway:"192.168.4.1"\r\n'
                      b'+CIPAP:netmask:"255.255.255.0"\r\n'),
        ("AT+CWMODE=1", b""), ("AT+CWSAP?", None), ('AT+CWSAP="net",,5,0', None),
    ])  # fmt: skip


async def test_own_network_of_nonos(esp: Any) -> None:
    """_CUR is for now, _DEF is stored as well; what reads back is named like the question."""
    host = await esp("N17", boot_time="0")
    await answers(host, [
        ("AT+CWMODE=3", b""),
        ('AT+CWSAP="net","",5,0,9', None), ('AT+CWSAP_DEF="net","",5,0,8', b""),
        ('AT+CWSAP_CUR="two","",6,0,1,1', b""),
        ("AT+CWSAP_CUR?", b'+CWSAP_CUR:"two","",6,0,1,1\r\n'),
        ("AT+CWSAP?", b'+CWSAP:"two","",6,0,1,1\r\n'),
        ("AT+CWSAP_DEF?", b'+CWSAP_DEF:"net","",5,0,8,0\r\n'),
    ])  # fmt: skip
    await restarted(host)
    await answers(host, [("AT+CWSAP_CUR?", b'+CWSAP_CUR:"net","",5,0,8,0\r\n')])


async def test_own_network_of_the_first_firmware(esp: Any) -> None:
    """Four parameters (at_wifiCmd.c of AT v0.20), as many are shown."""
    host = await esp("N0", mux=0)
    await host.ok("AT+CWMODE=2")
    await answers(host, [
        ('AT+CWSAP="net","12345678",5,3,4', None), ('AT+CWSAP="net","12345678",5,3', b""),
        ("AT+CWSAP?", b'+CWSAP:"net","12345678",5,3\r\n'),
    ])  # fmt: skip


@pytest.mark.parametrize("length", [0, 50, 2147483647])
async def test_deep_sleep_in_milliseconds(esp: Any, length: int) -> None:
    host = await esp("E24", boot_time="0")
    if length == 50:
        await codes(host, [("AT+GSLP=-1", RANGE), ("AT+GSLP=2147483648", RANGE)])
    delays, deaf = delays_of(host), []
    host.modem.be_deaf = deaf.append
    host.send(b"AT+GSLP=%d\r\n" % length)
    await host.expect(b"%d\r\n\r\nOK\r\n" % length)
    assert delays == deaf == [length / 1000]
    await host.read_until(b"\r\nready\r\n")


async def test_addresses_of_now_and_of_flash(esp: Any) -> None:
    """AT+CWDHCP_CUR and AT+CIPSTA_CUR are forgotten by a reset, _DEF is not; the longest addresses."""
    host = await esp("N17", boot_time="0")
    own = (
        b'+CIPSTA:ip:"127.0.0.1"\r\n+CIPSTA:gateway:"127.0.0.1"\r\n+CIPSTA:netmask:"255.0.0.0"\r\n'
    )
    told = (b'+CIPSTA:ip:"192.168.100.100"\r\n+CIPSTA:gateway:"192.168.100.101"\r\n'
            b'+CIPSTA:netmask:"255.255.255.192"\r\n')  # fmt: skip
    address = '"192.168.100.100","192.168.100.101","255.255.255.192"'
    for suffix, dhcp, kept in (("CUR", 3, own), ("DEF", 0, told)):
        await answers(host, [
            (f"AT+CWDHCP_{suffix}=0,0", b""), ("AT+CWDHCP?", b"+CWDHCP:2\r\n"),
            (f"AT+CIPSTA_{suffix}={address}", b""), ("AT+CIPSTA?", told), ("AT+CWDHCP?", b"+CWDHCP:0\r\n"),
        ])  # fmt: skip
        await restarted(host)
        await answers(host, [("AT+CWDHCP?", b"+CWDHCP:%d\r\n" % dhcp), ("AT+CIPSTA?", kept)])
    # Its own address, not its gateway's or its mask.
    assert (await host.ok("AT+CIFSR")).startswith(b'+CIFSR:STAIP,"192.168.100.100"\r\n')
