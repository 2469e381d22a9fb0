"""Names, clock and the settings of TLS: what the Espressif fakes take and show.

ESP-AT User Guide, "TCP/IP AT Commands" (AT+CIPDOMAIN: 64 bytes; 1 prefers IPv4 and is the default, 2 is IPv4
only, 3 IPv6 only; time-out since v4.1; AT+CIPSNTPCFG: hours east of Greenwich, up to three servers; AT+CIPSSLCSNI:
64 bytes, id 5 for all; AT+CIPSSLCCONF of NonOS: one mode).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.fakes.esp8266_tables import (
    FAILED,
    LONG,
    MISSING,
    RANGE,
    answers,
    codes,
    count,
    restarted,
)


async def test_which_address_of_a_name(esp: Any) -> None:
    names = {"six": "::1", "both": "::1,127.0.0.1", 64 * "n": "127.0.0.1"}
    host = await esp("E33", resolve=names)
    await codes(host, [
        ('AT+CIPDOMAIN="six",3', FAILED), ('AT+CIPDOMAIN="six"', FAILED), ('AT+CIPDOMAIN="six",1,0,0', count(1, 4)),
        ('AT+CIPDOMAIN="both",0', RANGE), ('AT+CIPDOMAIN="both",4', RANGE),
        (f'AT+CIPDOMAIN="{64 * "n"}"', 0), (f'AT+CIPDOMAIN="{65 * "n"}"', LONG),
    ])  # fmt: skip
    four, six = b'+CIPDOMAIN:"127.0.0.1"\r\n', b'+CIPDOMAIN:"::1"\r\n'
    await answers(host, [("AT+SYSLOG=0", b""), ('AT+CIPDOMAIN="both"', four), ("AT+CIPV6=1", b"")])
    await answers(host, [
        ('AT+CIPDOMAIN="both"', four), ('AT+CIPDOMAIN="both",1', four), ('AT+CIPDOMAIN="both",2', four),
        ('AT+CIPDOMAIN="both",3', six), ('AT+CIPDOMAIN="six"', six), ('AT+CIPDOMAIN="six",1', six),
        ('AT+CIPDOMAIN="six",2', None), (f'AT+CIPDOMAIN="{64 * "n"}",3', None),
    ])  # fmt: skip


async def test_servers_and_zone_of_the_clock(esp: Any) -> None:
    host = await esp("E24")
    for given in ('8,"a","b","c"', "-12"):
        await host.ok(f"AT+CIPSNTPCFG=1,{given}")
        told = await host.ok("AT+CIPSNTPCFG?")
        assert told.endswith(b"+CIPSNTPCFG:1,%b\r\n" % given.encode())
    for zone in (-12, 0, 14):
        await host.ok(f"AT+CIPSNTPCFG=1,{zone}")
        await host.read_until(b"+TIME_UPDATED\r\n")
        host.send(b"AT+CIPSNTPTIME?\r\n")
        told = (await host.read_until(b"\r\nOK\r\n"))[:-6].removeprefix(b"+CIPSNTPTIME:")
        shown = datetime.strptime(told.decode(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
        assert abs((shown - datetime.now(UTC)).total_seconds() - zone * 3600) < 6


@pytest.mark.parametrize(("suffix", "left"), [("CUR", b"127.0.0.1"), ("DEF", b"1.1.1.1")])
async def test_name_servers_after_a_reset(esp: Any, suffix: str, left: bytes) -> None:
    host = await esp("N17", boot_time="0")
    await host.ok(f'AT+CIPDNS_{suffix}=1,"1.1.1.1"')
    await restarted(host)
    assert await host.ok("AT+CIPDNS_CUR?") == b"+CIPDNS_CUR:%b\r\n" % left


async def test_names_to_indicate(esp: Any) -> None:
    host, longest = await esp("E24"), 64 * "n"
    await codes(host, [
        ("AT+CIPSSLCSNI=0", count(2, 1)), ('AT+CIPSSLCSNI=0,"a","b"', count(2, 3)), ("AT+CIPSSLCSNI=0,", MISSING),
        ('AT+CIPSSLCSNI=6,"a"', RANGE), (f'AT+CIPSSLCSNI=0,"{longest}n"', LONG),
        (f'AT+CIPSSLCSNI=5,"{longest}"', 0), ('AT+CIPSSLCSNI=2,"a"', 0),
    ])  # fmt: skip
    rows = (await host.ok("AT+CIPSSLCSNI?")).decode().splitlines()
    assert rows == [f'+CIPSSLCSNI:{n},"{"a" if n == 2 else longest}"' for n in range(5)]


async def test_one_mode_of_nonos(esp: Any) -> None:
    host = await esp("N17")
    for mode in (3, 0):
        await host.ok(f"AT+CIPSSLCCONF={mode}")
        assert await host.ok("AT+CIPSSLCCONF?") == b"+CIPSSLCCONF:%d\r\n" % mode
