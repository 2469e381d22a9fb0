"""Which command exists in which firmware, as data from the vendors' documents, asked of each fake.

Espressif: ESP-AT AT Command Set and the AT core libraries release by release; ESP8266 Non-OS AT
Instruction Set (N17); espressif/ESP8266_AT at_cmd.h (N0, whose own answers test_esp8266_first.py has).
Quectel: BG96 AT Commands Manual V2.2, TCP(IP) manual V1.1, SSL manual V1.0.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fakes.esp8266 import FIRMWARES
from tests.fakes.bg96_host import bench

N0, N17, E2, E22, E32, E24, E33 = FIRMWARES
ESP_AT = {E2, E22, E32, E24, E33}
LATER = {N17} | ESP_AT
FROM22 = {E22, E32, E24, E33}
FROM24 = {E24, E33}
FIRST, FROZEN, NONE = {N0}, {N17}, set[str]()
EVERYWHERE = FIRST | LATER

COMMANDS = {
    **dict.fromkeys(("GMR", "RST", "GSLP", "CWMODE", "CWJAP", "CWQAP", "CWLAP", "CWSAP", "CWDHCP",
                     "CIFSR", "CIPSTA", "CIPAP", "CIPSTAMAC", "CIPAPMAC", "CIPSTATUS", "CIPSTART",
                     "CIPCLOSE", "CIPSEND", "CIPMUX", "CIPSERVER", "CIPMODE", "CIPSTO"), EVERYWHERE),
    **dict.fromkeys(("IPR", "CWLIF", "CIPING"), FIRST),
    **dict.fromkeys(("RESTORE", "SYSRAM", "SLEEP", "CWLAPOPT", "CIPDOMAIN", "PING", "CIPSENDEX",
                     "CIPSERVERMAXCONN", "CIPDINFO", "CIPRECVMODE", "CIPRECVDATA", "CIPRECVLEN",
                     "CIPSNTPCFG", "CIPSNTPTIME", "CIPSSLCCONF", "UART", "UART_CUR", "UART_DEF"), LATER),
    **dict.fromkeys(("CWMODE_CUR", "CWMODE_DEF", "CWJAP_CUR", "CWJAP_DEF", "CWSAP_CUR", "CWDHCP_CUR",
                     "CIPSTA_CUR", "CIPAP_CUR", "CIPSTAMAC_CUR", "CIPAPMAC_DEF", "CIPDNS_CUR",
                     "SYSMSG_CUR", "SYSMSG_DEF", "CWAUTOCONN", "CIPCLOSEMODE", "CIPSSLSIZE"), FROZEN),
    **dict.fromkeys(("SYSSTORE", "SYSLOG", "SYSMSG", "CIPTCPOPT",  "CIPSTARTEX",
                     "CIPSSLCSNI"), ESP_AT),
    **dict.fromkeys(("CMD", "CWSTATE", "CWRECONNCFG", "CIPV6"), FROM22),
    **dict.fromkeys(("CIPSENDL", "CIPSENDLCFG", "CIPSTATE", "TRANSINTVL"), FROM24),
    "CIPRECVTYPE": {E33},
    "CIPDNS": LATER,
    **dict.fromkeys(("NOSUCH", "CIPSTARTED", "CWMODE_XYZ"), NONE),
}  # fmt: skip
NOT_SIMULATED = (
    "SYSFLASH", "SYSMFG", "SYSMSGFILTER", "CIPSENDBUF", "CIPBUFSTATUS", "CIPCHECKSEQ", "CIPBUFRESET",
    "CIPRECONNINTV", "CIPSSLCCN", "CIPSSLCALPN", "CIPSSLCPSK", "CIPSSLCCIPHER", "CIPCONNPERSIST",
)  # fmt: skip
QUECTEL = (
    "CGMI", "GMI", "CGMM", "GMM", "CGMR", "GMR", "QGMR", "CGSN", "GSN", "CIMI", "CPIN", "QCCID",
    "QINISTAT", "QSIMSTAT", "CSQ", "QCSQ", "CREG", "CGREG", "CEREG", "COPS", "QNWINFO", "QCSCON",
    "QSPN", "CGATT", "CGDCONT", "CGPADDR", "CGACT", "CFUN", "CPSMS", "CEDRXS", "QTEMP", "QCFG", "IPR",
    "IFC", "CMEE", "QURCCFG", "QSCLK", "QPOWD", "QICSGP", "QIACT", "QIDEACT", "QIOPEN", "QICLOSE",
    "QISTATE", "QISEND", "QISENDEX", "QIRD", "QISDE", "QISWTMD", "QICFG", "QIGETERROR", "QIDNSCFG",
    "QIDNSGIP", "QPING", "QNTP", "QSSLCFG", "QSSLOPEN", "QSSLSEND", "QSSLRECV", "QSSLCLOSE",
    "QSSLSTATE", "CGDATA", "CMUX",
)  # fmt: skip
QUECTEL_NOT_SIMULATED = ("CCLK", "QLTS", "QFUPL", "QIACTEX")  # the last: EC200U only
ELSEWHERE = {"bg96-old": {"CMUX"}, "ec25": {"QCSCON", "CPSMS", "CEDRXS"}}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "fakes.md"


@pytest.mark.parametrize("firmware", sorted(LATER))
async def test_each_generation_has_its_commands_and_no_others(esp: Any, firmware: str) -> None:
    host = await esp(firmware)
    if firmware != N17:
        await host.ok("AT+SYSLOG=1")
    unknown = b"" if firmware == N17 else b"ERR CODE:0x01090000\r\n"
    for name, having in {**COMMANDS, **dict.fromkeys(NOT_SIMULATED, NONE)}.items():
        answer = await host.command(f"AT+{name}=?")
        wanted = b"\r\nOK\r\n" if firmware in having else unknown + b"\r\nERROR\r\n"
        assert (name, answer) == (name, wanted)
        if firmware not in having:
            for form in ("", "?", "=1", '="x"'):
                assert await host.command(f"AT+{name}{form}") == wanted, (name, form)


async def test_the_first_firmware_has_its_commands_and_no_others(esp: Any) -> None:
    host = await esp(N0)
    for name, having in COMMANDS.items():
        known = {entry.tag for entry in host.modem._class_rules if host.modem.rule_allowed(entry)}
        assert (name in known) == (N0 in having), name
        if N0 not in having:
            for form in ("", "?", "=?", "=1"):
                assert await host.command(f"AT+{name}{form}") == b"\r\nERROR\r\n", (name, form)


@pytest.mark.parametrize("firmware", ["bg96", "bg96-old", "bg95", "ec25"])
async def test_each_quectel_module_has_its_commands(firmware: str) -> None:
    async with bench(firmware=firmware, ready=True) as host:
        for name in (*QUECTEL, *QUECTEL_NOT_SIMULATED, "NOSUCH", "QIOPENED"):
            if name == "COPS":  # the test form is a scan
                continue
            known = name in QUECTEL and name not in ELSEWHERE.get(firmware, set())
            answer = await host.command(f"AT+{name}=?")
            assert answer.endswith(b"\r\nOK\r\n") == known, name
            if not known:
                for form in ("", "?", "=?", "=1"):
                    assert await host.command(f"AT+{name}{form}") == b"\r\nERROR\r\n", name
        host.type("ATO\r")
        assert await host.until(rb"NO CARRIER\r\n") == b"\r\nNO CARRIER\r\n"


def test_what_is_not_simulated_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in (*NOT_SIMULATED, *QUECTEL_NOT_SIMULATED[:-1]):
        assert re.search(rf"\b{name}\b", text), name
