"""Which network serves, by technology, sequence and band; and how registration comes and goes.

AT Commands Manual V2.2 ("AT"), 4.2.1 "nwscanseq", 4.2.2 "nwscanmode", 4.2.3 "iotopmode", 4.2.5 "band" (of
the EC25: EC25&EC21 AT manual V1.3, AT+QCFG); the bit of an LTE band is its number less one; AT+QNWINFO of
Cat M1 is a line of a real log, other channels lie in their band by 3GPP TS 36.101, table 5.7.3-1.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from fakes.bg96 import Bg96
from tests.fakes.bg96_host import Bench, bench, take

NONE = "No Service"


async def served(host: Bench, *settings: str) -> str:
    """What AT+QNWINFO names first once these settings of AT+QCFG act."""
    for setting in settings:
        await host.ok(f"AT+QCFG={setting},1")
    for _ in range(4):
        await asyncio.sleep(0)
    said = await host.info("AT+QNWINFO")
    return NONE if said.endswith(NONE) else said.split('"')[1]


@pytest.mark.parametrize(
    ("firmware", "rat", "steps"),
    [
        ("bg96", "nb1", [('"nwscanmode",1', NONE), ('"nwscanmode",3', "CAT-NB1"), ('"iotopmode",0', NONE),
                         ('"iotopmode",1', "CAT-NB1"), ('"iotopmode",2', "CAT-NB1"),
                         ('"band",0,80000,4', NONE), ('"band",0,4,80000', "CAT-NB1")]),
        ("bg96", "m1", [('"nwscanmode",1', NONE), ('"nwscanmode",3', "CAT-M1"), ('"iotopmode",1', NONE),
                        ('"iotopmode",2', "CAT-M1"), ('"iotopmode",0', "CAT-M1"),
                        ('"band",0,4,80000', NONE), ('"band",0,80000,4', "CAT-M1")]),
        ("bg96", "gsm", [('"nwscanmode",3', NONE), ('"nwscanmode",1', "GSM"), ('"iotopmode",1', "GSM"),
                         ('"band",2,1,1', NONE), ('"band",1,4,4', "GSM"), ('"nwscanmode",0', "GSM")]),
        ("bg96", "m1+nb1+gsm", [('"nwscanseq",00', "CAT-M1"), ('"nwscanseq",03', "CAT-NB1"),
                                ('"nwscanseq",01', "GSM"), ('"nwscanseq",02', "CAT-M1"),
                                ('"nwscanseq",030201', "CAT-NB1"), ('"iotopmode",0', "CAT-M1"),
                                ('"nwscanseq",0103', "GSM"), ('"nwscanmode",3', "CAT-M1")]),
        ("bg95", "m1+nb1", [('"nwscanseq",02', "eMTC"), ('"nwscanseq",03', "NBIoT")]),
        ("ec25", "umts", [('"band",80,0,0', NONE), ('"band",1,0,0', NONE), ('"band",10,0,0', "WCDMA"), ('"nwscanmode",1', NONE),
                          ('"nwscanmode",3', NONE), ('"nwscanmode",2', "WCDMA")]),
        ("ec25", "lte", [('"band",0,1,0', NONE), ('"band",0,4,0', "FDD LTE"), ('"nwscanmode",2', NONE),
                         ('"nwscanmode",3', "FDD LTE")]),
        ("ec25", "lte+umts+gsm", [('"nwscanseq",01', "GSM"), ('"nwscanseq",03', "WCDMA"),
                                  ('"nwscanseq",04', "FDD LTE"), ('"nwscanseq",0301', "WCDMA"),
                                  ('"nwscanseq",020501', "GSM"), ('"nwscanseq",0401', "FDD LTE")]),
    ],
)  # fmt: skip
async def test_which_network_serves(firmware: str, rat: str, steps: list[tuple[str, str]]) -> None:
    async with bench(firmware=firmware, rat=rat) as host:
        await host.ok("ATE0")
        found = [(setting, await served(host, setting)) for setting, _ in steps]
    assert found == steps


async def test_cells() -> None:
    """LOG-B: "LTE BAND 20", 6300; its channels are 6150 to 6449."""
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+QNWINFO") == '+QNWINFO: "CAT-M1","00101","LTE BAND 20",6300'
    for firmware, name in (("bg96", "CAT-NB1"), ("bg95", "NBIoT")):
        async with bench(firmware=firmware, rat="nb1") as host:
            await host.ok("ATE0")
            cell = re.fullmatch(rf'\+QNWINFO: "{name}","00101","LTE BAND 20",(\d+)',
                                await host.info("AT+QNWINFO"))  # fmt: skip
            assert cell is not None
            assert 6150 <= int(cell[1]) <= 6449


@pytest.mark.parametrize("firmware", ["bg96", "ec25"])
async def test_notices_can_be_switched_off_again(firmware: str) -> None:
    """AT, chapter 6: <n> 0, 1 and 2 for all three; 4 for packets on the BG96 alone."""
    async with bench(firmware=firmware) as host:
        await host.ok("ATE0")
        for name in ("CREG", "CGREG", "CEREG"):
            for level in (2, 1, 0):
                await take(host, [f"AT+{name}={level}"])
                assert (await host.info(f"AT+{name}?")).startswith(f"+{name}: {level},")
            packets = firmware == "bg96" and name != "CREG"
            answer = await host.command(f"AT+{name}=4")
            assert answer == (b"\r\nOK\r\n" if packets else b"\r\nERROR\r\n")


@pytest.mark.parametrize("line", ["AT+CFUN=4", "AT+CFUN=0", "AT+CGATT=0"])
async def test_a_search_ends_with_the_radio(line: str) -> None:
    """AT, AT+CFUN and AT+CGATT: what is switched off in the search finds nothing."""
    async with bench() as host:
        await host.ok("ATE0")
        pending = held(host.modem)
        host.modem.search(1.0)
        assert await host.info("AT+CEREG?") == "+CEREG: 0,2"
        await host.ok(line)
        for action in pending:
            action()
        assert await host.info("AT+CEREG?") == "+CEREG: 0,0"


async def test_a_search_ends_with_the_card() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        pending = held(host.modem)
        host.modem.search(1.0)
        host.modem.remove_sim()
        host.modem.stat = 2
        pending.pop()()
        assert await host.info("AT+CEREG?") == "+CEREG: 0,2", "no card, no network"


def held(modem: Bg96) -> list[Callable[[], Any]]:
    """What the module would do later, from now on done by the test."""
    pending: list[Callable[[], Any]] = []
    modem.later = lambda _delay, action: pending.append(action)  # type: ignore[method-assign,assignment,return-value]
    return pending


async def test_full_functionality_again_says_nothing() -> None:
    """AT, AT+CFUN=1 when it is 1: the network is kept, nothing is searched."""
    async with bench(ready=True) as host:
        await host.ok("AT+CEREG=1;+CREG=1")
        await host.ok("AT+CFUN=1")
        assert await host.quiet(0.005) == b""


async def test_a_card_that_comes_back_is_searched_with() -> None:
    """AT, AT+QSIMSTAT: inserted; a card that was taken out asks for its PIN again (3GPP TS 31.101)."""
    for options, stat in (({}, 1), ({"pin": "1234"}, 0)):
        async with bench(**options) as host:
            await host.ok("ATE0")
            if options:
                await host.ok("AT+CPIN=1234")
                await asyncio.sleep(0.002)
            assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
            Bg96.EVENTS["sim_out"](host.modem)
            assert await host.info("AT+CEREG?") == "+CEREG: 0,0"
            Bg96.EVENTS["sim_in"](host.modem)
            await asyncio.sleep(0.002)
            assert await host.info("AT+CPIN?") == f"+CPIN: {'SIM PIN' if options else 'READY'}"
            assert await host.info("AT+CEREG?") == f"+CEREG: 0,{stat}"


async def test_after_a_start_it_searches() -> None:
    """A module that has just started is not registered yet; one that the host finds running is."""
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
        pending = held(host.modem)
        host.modem.restart()
        await host.wait_for("\r\nRDY\r\n")
        await host.ok("ATE0")
        assert await host.info("AT+CEREG?") == "+CEREG: 0,2"
        for action in pending:
            action()
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
