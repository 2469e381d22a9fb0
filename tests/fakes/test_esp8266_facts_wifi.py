"""Joining, scanning and coming back: what the Espressif fakes take and show.

ESP-AT User Guide, "Wi-Fi AT Commands" (AT+CWJAP: nine parameters; AT+CWLAP: encryption 0 open, 3 WPA2,
cipher 0 none, 4 CCMP, bits b, g and n, WPS 0 or 1; AT+CWAUTOCONN; AT+CWRECONNCFG: every second for ever
unless set); a name is at most 32 bytes (IEEE 802.11).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.fakes.esp8266_tables import LONG, RANGE, answers, codes, count, restarted, spent_by

BACK = b"WIFI CONNECTED\r\nWIFI GOT IP\r\n"


async def turns() -> None:
    """Some turns of the loop: where no time passes, all that can happen has happened."""
    for _ in range(30):
        await asyncio.sleep(0)


async def test_parameters_of_a_join(esp: Any) -> None:
    host = await esp("E24", access_points={32 * "n": ""}, joined="")
    await host.ok("AT+CWMODE=1")
    await codes(host, [
        ('AT+CWJAP="' + 33 * "n" + '"', LONG), ('AT+CWJAP="' + 32 * "n" + '"', 0),
        ('AT+CWJAP="a","b",,,,,,,,', count(1, 10)), ('AT+CWJAP="' + 32 * "n" + '","x",,,,,,,', 0),
        ("AT+CWRECONNCFG=7201,0", RANGE), ("AT+CWRECONNCFG=7200,1000", 0),
    ])  # fmt: skip


async def test_a_join_takes_its_time_however_it_is_asked_for(esp: Any) -> None:
    """By command, by AT+CWJAP alone and by itself after a start."""
    host = await esp("E24", boot_time="0")
    spent = spent_by(host)
    await host.ok('AT+CWJAP="lab","secret"')
    usual = [*spent]
    await host.ok("AT+CWQAP")
    spent.clear()
    assert await host.ok("AT+CWJAP") == BACK
    assert spent == usual
    spent.clear()
    await restarted(host)
    assert spent[-len(usual) :] == usual


@pytest.mark.parametrize("firmware", ["E2", "E24"])
async def test_rows_of_a_scan(esp: Any, firmware: str) -> None:
    """Five fields in v2.0, eleven from v2.2 on. No BSSID is a group's (bit 0 of its first byte)."""
    host = await esp(firmware, access_points={"lab": "secret", "open": ""})
    rows = (await host.ok("AT+CWLAP")).splitlines()
    for row, security, name, cipher in zip(
        rows, (b"3", b"0"), (b"lab", b"open"), (b"4", b"0"), strict=True
    ):
        more = rb",-?\d+,-?\d+,%b,%b,[0-7],[01]" % (cipher, cipher) if firmware == "E24" else b""
        found = re.fullmatch(
            rb'\+CWLAP:\(%b,"%b",-\d+,"(\w\w(?::\w\w){5})",\d+%b\)' % (security, name, more), row
        )
        assert found, row
        assert int(found[1][:2], 16) & 1 == 0
    # What is not given is not looked at.
    assert (await host.ok("AT+CWLAP=,")).splitlines() == rows
    assert (await host.ok('AT+CWLAP="open"')).splitlines() == rows[1:]


async def test_nonos_joins_at_a_start_unless_told_not_to(esp: Any) -> None:
    host = await esp("N17", boot_time="0")
    for line, joined in (("AT+CWAUTOCONN=0", False), ("AT+CWAUTOCONN=1", True)):
        await host.ok(line)
        host.send(b"AT+RST\r\n")
        await host.read_until(b"\r\nready\r\n")
        await turns()
        assert bytes(host.output) == (BACK if joined else b"")
        await host.ok("ATE0")
        host.output.clear()
    # Not as an access point alone, whatever is stored.
    await host.ok("AT+CWMODE=2")
    host.send(b"AT+RST\r\n")
    await host.read_until(b"\r\nready\r\n")
    await turns()
    assert not host.output


async def test_what_can_happen_around_the_module(esp: Any) -> None:
    """By the names that scenarios use: wifi_lost comes back by itself, ap_lost only after ap_back."""
    host = await esp("E24")
    host.modem.pause = lambda: asyncio.sleep(0)
    for name, told in (
        ("wifi_lost", b"WIFI DISCONNECT\r\n" + BACK), ("ap_lost", b"WIFI DISCONNECT\r\n"), ("ap_back", BACK),
    ):  # fmt: skip
        host.modem.EVENTS[name](host.modem)
        await turns()
        assert bytes(host.output) == told, name
        host.output.clear()


async def test_stored_and_not_stored(esp: Any) -> None:
    """AT+CWJAP_CUR is forgotten by a reset; a question for _DEF is answered from flash."""
    host = await esp("N17", access_points={"lab": "secret", "other": ""}, boot_time="0")
    await host.ok('AT+CWJAP_CUR="other"')
    assert (await host.ok("AT+CWJAP_DEF?")).startswith(b'+CWJAP_DEF:"lab",')
    await restarted(host)
    assert (await host.ok("AT+CWJAP_CUR?")).startswith(b'+CWJAP_CUR:"lab",')
    await answers(host, [("AT+CWAUTOCONN=2", None)])
