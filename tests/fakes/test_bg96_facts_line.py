"""The line, the port's settings, contexts, card and power: single facts, one small test each.

AT Commands Manual V2.2 ("AT"), TCP(IP) AT Commands Manual V1.1 ("TCP"); L<n> as in `bg96_host`.
"""

from __future__ import annotations

import asyncio
import re

import pytest

import fakes
from fakes.bg96 import PROFILES, build, build_bg95, build_ec25
from fakes.bg96.syntax import split_line
from tests.fakes.bg96_host import (
    bench,
    refuse,
    show,
    take,
    tcp_server,
    udp_peer,
    watch_time,
)
from tests.ports import free_port

ERROR = b"\r\nERROR\r\n"


# ---- the line --------------------------------------------------------------------------------


async def test_line_feeds_are_no_part_of_the_line_nor_of_its_echo() -> None:
    """AT, 1.4; V.250, 5.2.2: control characters other than S3 and S5 are ignored."""
    async with bench() as host:
        for line in ("AT\r\n", "A\nT\r\n", "\n\nAT\r"):
            host.type(line)
            assert await host.until(rb"OK\r\n") == b"AT\r\r\nOK\r\n"
        host.type("AT+CG\nMM\r\n")
        assert await host.until(rb"OK\r\n") == b"AT+CGMM\r\r\nBG96\r\n\r\nOK\r\n"


async def test_what_stands_behind_a_command_belongs_to_it() -> None:
    assert split_line("AT+CGMM~") == ["+CGMM~"]
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.command("AT+CGMM~") == ERROR


async def test_going_online_has_one_result() -> None:
    """AT, ATO: NO CARRIER when there is nothing to go back to."""
    async with bench() as host:
        await host.ok("ATE0")
        host.type("ATO\r")
        assert await host.until(rb"NO CARRIER\r\n") == b"\r\nNO CARRIER\r\n"
        assert await host.quiet(0.005) == b""


async def test_a_line_outside_the_modules_characters_is_shown_all_the_same() -> None:
    async with bench() as host:
        await host.ok('ATE0;+QURCCFG="urcport","usbmodem"')
        host.modem.urc("+TEST: Łé")
        assert host.take() == b"\r\n+TEST: ?\xe9\r\n"


async def test_the_last_result_is_of_the_last_tcpip_command() -> None:
    """TCP, AT+QIGETERROR: the last TCP/IP command, and no other, sets it; SEND OK is success."""
    async with udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "UDP", "127.0.0.1", peer.port)

        async def last() -> int:
            return int((await host.info("AT+QIGETERROR")).split()[1].partition(",")[0])

        assert await host.command("AT+QIACT=17") == ERROR
        assert await last() == 552
        for other in ("AT", "AT+CSQ", "AT+CGDCONT?"):
            await host.ok(other)
            assert await last() == 552
        await host.ok("AT+QISDE?")
        assert await last() == 0
        for wrong in ('AT+CGDCONT=1,"X"', 'AT+CGDCONT=17,"IP"', "AT+CPIN=1", "AT+QISDE=2"):
            assert (await host.command(wrong)).startswith((ERROR, b"\r\n+CME ERROR: "))
            assert await last() == 0, wrong
        assert await host.command("AT+QIACT=17") == ERROR
        assert await host.send(0, b"x") == b"SEND OK"
        assert await last() == 0


async def test_error_100() -> None:
    """3GPP TS 27.007, 9.2: 100 is "unknown"; a real module refused AT+CGACT=1,1 with it."""
    async with bench(reg="denied") as host:
        await host.ok("ATE0")
        assert await host.command("AT+CGACT=1,1") == b"\r\n+CME ERROR: 100\r\n"
        await host.ok("AT+CMEE=2")
        assert await host.command("AT+CGACT=1,1") == b"\r\n+CME ERROR: unknown\r\n"


# ---- settings --------------------------------------------------------------------------------


async def test_small_settings() -> None:
    """AT, AT+QURCCFG, AT+QCFG (5.7: quoted values keep their quotes), AT+CNMI, AT+CPMS, AT+CMGF."""
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.command('AT+QURCCFG="urcport","usbat",1') == ERROR
        await take(host, ['AT+QCFG="urc/delay",1', 'AT+QCFG="urc/delay",0', 'AT+QCFG="risignaltype","physical"',
                          'AT+QCFG="urc/ri/other","off",1', "AT+CNMI=0", "AT+CNMI=1,0,2,1,1", "AT+CMGF=1"])  # fmt: skip
        await show(host, {
            'AT+QCFG="urc/delay"': '+QCFG: "urc/delay",0',
            'AT+QCFG="risignaltype"': '+QCFG: "risignaltype","physical"',
            'AT+QCFG="urc/ri/other"': '+QCFG: "urc/ri/other","off",1',
            "AT+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",
            "AT+CNMI?": "+CNMI: 1,0,2,1,1", "AT+CMGF?": "+CMGF: 1",
        })  # fmt: skip
        await take(host, ["AT+CNMI", "AT+CMGF"])
        await show(host, {"AT+CNMI?": "+CNMI: 2,1,0,0,0", "AT+CMGF?": "+CMGF: 0"})
        for wrong in ("AT+CPMS=", "AT+CNMI=3", 'AT+CPMS="XX"', 'AT+CPMS="ME","ME","ME","ME"'):
            assert await host.command(wrong) == ERROR, wrong


def test_builders_and_names() -> None:
    for builder in (build, build_bg95, build_ec25):
        assert builder.firmwares == tuple(PROFILES)  # type: ignore[attr-defined]
        assert "urcport_fixed" in builder.settings  # type: ignore[attr-defined]
    for name in ("bg96", "bg95", "ec25"):
        modem = fakes.build(name)
        assert modem.profile.name == name  # type: ignore[attr-defined]
        assert name in {modem.kind, *modem.aliases}


async def test_defaults_of_a_module() -> None:
    """Times as on a real module, the same every time; the test network 001-01 of 3GPP TS 23.003; a card's
    number begins with 89 (ITU-T E.118) and ends with a filler F; 56 ms to +QIOPEN (measured, EC21)."""
    modem = build()
    assert modem.time_scale == 1.0
    assert modem.random.random() == build(seed=0).random.random()
    async with tcp_server() as server, bench(ready=True) as host:
        assert re.fullmatch(r"00101\d{10}", await host.info("AT+CIMI"))
        assert re.fullmatch(r"\+QCCID: 89\d{17}F", await host.info("AT+QCCID"))
        spent = watch_time(host)
        await host.open(0, "TCP", "127.0.0.1", server.port)
        assert 0.056 in spent


# ---- contexts --------------------------------------------------------------------------------


async def test_why_a_context_is_refused() -> None:
    """TCP, AT+QIACT: contexts 1-16; 572 for a fourth one, for an active one, and before AT+QIDEACT."""
    async with bench(ready=True) as host:
        await refuse(host, ["AT+QIACT=0", "AT+QIACT=17", "AT+QIACT=1,1"])
        await take(host, ["AT+QIACT=2", "AT+QIACT=16"])
        await refuse(host, ["AT+QIACT=3", "AT+QIACT=1"], 572)
        host.modem.lose_context(2)
        host.take()
        await refuse(host, ["AT+QIACT=2"], 572)
        assert await host.info("AT+QIACT?") == "\r\n".join(
            f'+QIACT: {number},1,1,"127.0.0.1"' for number in (1, 16)
        )


async def test_what_runs_when_the_context_goes() -> None:
    """TCP, chapter 5: 570, PDP context broken down, also for a connect that is under way (L22 for a ping)."""
    async with bench(ready=True, connect_delay="1000") as host:
        host.modem.time_scale = 1.0
        await host.ok('AT+QIOPEN=1,0,"TCP","127.0.0.1",9')
        await host.ok('AT+QSSLOPEN=1,1,1,"127.0.0.1",9,0')
        await host.ok('AT+QPING=1,"127.0.0.1",255,1')
        host.take()
        host.modem.lose_context(1)
        assert sorted(host.take().split(b"\r\n")) == [b""] * 5 + [
            b"+QIOPEN: 0,570", b'+QIURC: "pdpdeact",1', b"+QPING: 570", b"+QSSLOPEN: 1,570",
        ]  # fmt: skip


async def test_after_a_silent_loss_nothing_opens() -> None:
    async with bench(ready=True) as host:
        host.modem.EVENTS["pdp_lost_silently"](host.modem)
        assert host.take() == b""
        await refuse(host, ['AT+QIOPEN=1,0,"UDP","127.0.0.1",9'], 570)


async def test_a_name_without_an_ipv4_address() -> None:
    """TCP, AT+QICSGP: type 1 is IPv4; 565, no such name there."""
    async with bench(resolve={"six": "::1", "four": "127.0.0.1"}, ready=True) as host:
        for name, code in (("six", 565), ("four", 0)):
            await host.ok(f'AT+QIOPEN=1,0,"UDP","{name}",{free_port()}')
            assert await host.wait_for(f"+QIOPEN: 0,{code}\r\n")


async def test_a_lookup_that_succeeds_is_the_last_result() -> None:
    async with bench(resolve={"srv": "127.0.0.1"}, ready=True) as host:
        for name, code in (("nobody", 565), ("srv", 0)):
            await host.ok(f'AT+QIDNSGIP=1,"{name}"')
            await host.until(rb'"dnsgip",(565|"[^"]*")\r\n')
            assert (await host.info("AT+QIGETERROR")).startswith(f"+QIGETERROR: {code},")


# ---- card and power --------------------------------------------------------------------------


async def test_ten_wrong_puks_end_the_card() -> None:
    """AT, 5.7, and 3GPP TS 31.101: ten tries, then not even the right one helps."""
    async with bench(pin="1234", puk="87654321") as host:
        await host.ok("ATE0")
        for _ in range(3):
            await host.command("AT+CPIN=9999")
        for left in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0):
            assert await host.command("AT+CPIN=11111111,4321") == b"\r\n+CME ERROR: 16\r\n"
            assert await host.info('AT+QPINC="SC"') == f'+QPINC: "SC",0,{left}'
        assert await host.command("AT+CPIN=87654321,4321") == b"\r\n+CME ERROR: 16\r\n"


async def test_the_right_puk_brings_all_tries_back() -> None:
    async with bench(pin="1234", puk="87654321") as host:
        await host.ok("ATE0")
        for _ in range(3):
            await host.command("AT+CPIN=9999")
        await host.command("AT+CPIN=11111111,4321")
        await host.ok("AT+CPIN=87654321,4321")
        assert await host.info('AT+QPINC="SC"') == '+QPINC: "SC",3,10'


async def test_a_module_that_is_off_says_nothing() -> None:
    """AT, AT+QPOWD: POWERED DOWN is the last word."""
    async with bench(ready=True) as host:
        host.type("AT+QPOWD\r")
        await host.wait_for("\r\nOK\r\n\r\nPOWERED DOWN\r\n")
        host.modem.urc_port = "usbmodem"
        host.modem.urc("+TEST: 1")
        host.type("AT\r")
        await asyncio.sleep(0.002)
        assert host.take() == b""


@pytest.mark.parametrize(
    ("setting", "port", "comes"),
    [("issuer", "usbat", True), ("urcport", "usbat", False), ("urcport", "usbmodem", True)],
)
async def test_where_the_result_of_an_open_goes(setting: str, port: str, comes: bool) -> None:
    """Not documented: the port of the command, or that of the unsolicited lines."""
    async with bench(ready=True, open_result_port=setting) as host:
        await host.ok(f'AT+QURCCFG="urcport","{port}"')
        await host.ok(f'AT+QIOPEN=1,0,"UDP","127.0.0.1",{free_port()}')
        said = await host.quiet(0.01)
        assert said == (b"\r\n+QIOPEN: 0,0\r\n" if comes else b"")
