"""BG95 and EC25 as table differences of the BG96 fake.

EC25&EC21 AT Commands Manual V1.3; EC2x&EG9x&EG2x-G&EM05 AT Commands Manual V2.0; BG95 TCP/IP
Application Note V1.1; EC25 answers as real modules gave them (1NCE "EC25 RAT configuration").
"""

from __future__ import annotations

import asyncio

import pytest

import fakes
from fakes import FakeError
from fakes.bg96 import build_bg95
from tests.fakes.bg96_host import bench


def test_names() -> None:
    assert fakes.build("ec25").profile.name == "ec25"  # type: ignore[attr-defined]
    assert fakes.build("bg95").profile.name == "bg95"  # type: ignore[attr-defined]
    assert fakes.build("bg95", firmware="bg96-old").profile.name == "bg96-old"  # type: ignore[attr-defined]
    assert build_bg95(rat="nb1+gsm").profile.model == "BG95-M3"
    for module, rat in (("ec25", "m1"), ("bg96", "lte"), ("bg95", "m1+m1"), ("ec25", "lte+x")):
        with pytest.raises(FakeError, match="rat="):
            fakes.build(module, rat=rat)


async def test_who_the_ec25_is() -> None:
    async with bench(firmware="ec25", ready=True) as host:
        assert await host.info("ATI") == "Quectel\r\nEC25\r\nRevision: EC25EFAR06A08M4G"
        assert await host.info("AT+CGMM") == "EC25"
        assert await host.info("AT+QINISTAT") == "+QINISTAT: 7"
        for absent in ("AT+CPSMS?", "AT+CEDRXS=?", "AT+QCSCON?", "AT+CPSMS=1",
                       'AT+QCFG="iotopmode"', 'AT+QCFG="psm/urc"', "AT+CEREG=4"):  # fmt: skip
            assert await host.command(absent) == b"\r\nERROR\r\n", absent
        for known in ("AT+QIOPEN=?", "AT+QCFG=?", "AT+CEREG=?"):
            await host.ok(known)


@pytest.mark.parametrize(
    ("rat", "act", "signal", "network"),
    [
        ("lte", 7, '"LTE",-53,-81,206,-11', '"FDD LTE","00101","LTE BAND 3",1300'),
        ("umts", 2, '"WCDMA",-70,-75,-5', '"WCDMA","00101","WCDMA 2100",10763'),
        ("gsm", 0, '"GSM",-70', '"GSM","00101","GSM 900",5'),
    ],
)
async def test_networks_of_the_ec25(rat: str, act: int, signal: str, network: str) -> None:
    async with bench(firmware="ec25", rat=rat, ready=True) as host:
        assert await host.info("AT+QCSQ") == f"+QCSQ: {signal}"
        assert await host.info("AT+QNWINFO") == f"+QNWINFO: {network}"
        assert (await host.info("AT+COPS?")).endswith(f",{act}")
        await host.ok("AT+CREG=2;+CGREG=2;+CEREG=2")
        for name in ("CREG", "CGREG"):
            assert (await host.info(f"AT+{name}?")).endswith(f",{act}"), name
        eps = await host.info("AT+CEREG?")
        assert eps.endswith(f",{act}") if rat == "lte" else eps == "+CEREG: 2,0"


async def test_search_of_the_ec25() -> None:
    """AT+QCFG="nwscanmode": 0 all, 1 GSM, 2 UMTS, 3 LTE; "nwscanseq" names five technologies."""
    async with bench(firmware="ec25", rat="gsm+umts+lte", ready=True) as host:
        assert await host.info('AT+QCFG="nwscanseq"') == '+QCFG: "nwscanseq",0301020405'
        await host.ok('AT+QCFG="nwscanseq",00')
        for mode, act in ((1, 0), (2, 2), (3, 7), (0, 7)):
            await host.ok(f'AT+QCFG="nwscanmode",{mode},1')
            await asyncio.sleep(0.01)
            assert (await host.info("AT+COPS?")).endswith(f",{act}"), mode
        for wrong in ('AT+QCFG="nwscanmode",4', 'AT+QCFG="nwscanseq",06', 'AT+QCFG="nwscanseq",0101',
                      'AT+QCFG="nwscanseq",'):  # fmt: skip
            assert await host.command(wrong) == b"\r\nERROR\r\n", wrong
        await host.ok('AT+QCFG="nwscanseq",0405030201')
        assert await host.info('AT+QCFG="band"') == '+QCFG: "band",0xd3,0x1a0000800d5,0x0'
        await host.ok('AT+QCFG="band",0,4,0,1')
        assert (
            await host.command('AT+QCFG="band",4,0,0,1') == b"\r\nERROR\r\n"
        )  # GSM 850: not an -E


async def test_start_of_the_ec25() -> None:
    """``+QIND: PB DONE`` ends it (EC2x AT manual V2.0); no ``APP RDY``."""
    async with bench(firmware="ec25", port="usbat", pin="1234") as host:
        await host.ok("ATE0")
        await host.ok("AT+CPIN=1234")
        await host.wait_for("\r\n+QIND: SMS DONE\r\n\r\n+QIND: PB DONE\r\n")
        host.modem.restart()
        said = await host.until(rb"\+CPIN: SIM PIN\r\n")
        assert said == b"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: SIM PIN\r\n"


async def test_sockets_of_the_ec25_are_those_of_the_family() -> None:
    """Connect ids 0-11, 1460 bytes out, 1500 in; notices go to "usbat" from the factory."""
    async with bench(firmware="ec25") as host:
        await host.ok("ATE0")
        assert await host.info('AT+QURCCFG="urcport"') == '+QURCCFG: "urcport","usbat"'
        assert await host.info("AT+QISEND=?") == "+QISEND: (0-11),(0-1460)"
        assert await host.info("AT+QIRD=?") == "+QIRD: (0-11),(0-1500)"
        await host.ok('AT+QICFG="tcp/keepalive",1,2,30,3')
        assert await host.command('AT+QISENDEX=0,"00",1') == b"\r\nERROR\r\n"
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 552,invalid parameters"


async def test_of_the_bg95() -> None:
    """Retransmissions 12; AT+QISENDEX with a release assistance indication 0-2."""
    async with bench(firmware="bg95", ready=True) as host:
        assert await host.info('AT+QICFG="tcp/retranscfg"') == '+QICFG: "tcp/retranscfg",12,600'
        for text, code in (('0,"00",2', 567), ('0,"00",3', 552), ('0,"00",0,0', 552)):
            assert await host.command(f"AT+QISENDEX={text}") == b"\r\nERROR\r\n"
            assert (await host.info("AT+QIGETERROR")).startswith(f"+QIGETERROR: {code},"), text
