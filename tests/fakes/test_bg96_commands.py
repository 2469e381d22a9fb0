"""Line discipline, identification, SIM and registration of the BG96 fake, byte by byte."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fakes
from fakes import FakeError
from fakes.bg96 import FACTS, build
from fakes.bg96.syntax import split_line
from tests.fakes.bg96_host import bench


async def test_echo_carries_the_cr() -> None:
    async with bench() as host:  # L1
        assert await host.command("AT") == b"AT\r\r\nOK\r\n"
        assert await host.command("AT") == b"AT\r\r\nOK\r\n"
        assert await host.command("ATE0") == b"ATE0\r\r\nOK\r\n"
        assert await host.command("AT") == b"\r\nOK\r\n"
        assert await host.command("AT+CMEE=1") == b"\r\nOK\r\n"
        assert await host.command("AT+QISDE=0") == b"\r\nOK\r\n"
        assert await host.quiet() == b""


async def test_queries_have_two_frames() -> None:
    async with bench(address="10.1.2.160") as host:  # L2
        await host.ok("ATE0")
        assert await host.command("AT+CPIN?") == b"\r\n+CPIN: READY\r\n\r\nOK\r\n"
        assert await host.command("AT+CFUN?") == b"\r\n+CFUN: 1\r\n\r\nOK\r\n"
        assert await host.command("AT+QICSGP=1") == b'\r\n+QICSGP: 1,"","","",0\r\n\r\nOK\r\n'
        assert await host.command("AT+QIACT?") == b"\r\nOK\r\n"
        assert await host.command("AT+QIACT=1") == b"\r\nOK\r\n"
        answer = await host.command("AT+QIACT?")
        assert answer == b'\r\n+QIACT: 1,1,1,"10.1.2.160"\r\n\r\nOK\r\n'
        assert await host.command("AT+QSSLSTATE") == b"\r\nOK\r\n"


async def test_chained_command_and_lines_without_prefix() -> None:
    async with bench() as host:  # L5
        assert await host.command("AT&FZE0") == b"AT&FZE0\r\r\nOK\r\n"
        answer = await host.command("ATI")
        assert answer == b"\r\nQuectel\r\nBG96\r\nRevision: BG96MAR02A07M1G\r\n\r\nOK\r\n"
        assert await host.command("AT+CGMI") == b"\r\nQuectel\r\n\r\nOK\r\n"
        assert await host.command("AT+CGMM") == b"\r\nBG96\r\n\r\nOK\r\n"  # L41
        assert await host.info("AT+CSQ;+QINISTAT") == "+CSQ: 31,99\r\n\r\n+QINISTAT: 3"
        assert await host.command("AT+CSQ;+NOPE;+CSQ") == b"\r\n+CSQ: 31,99\r\n\r\nERROR\r\n"


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("AT", []),
        ("at+cgmi", ["+CGMI"]),
        ("AT&FZE0", ["&F", "Z", "E0"]),
        ("AT+IPR=115200;&W", ["+IPR=115200", "&W"]),
        ('AT+X="a;b",c;+Y?', ['+X="a;b",c', "+Y?"]),
        ("\x1aAT+CSQ", ["+CSQ"]),
        ("garbage", None),
        ("", None),
    ],
)
def test_split_line(line: str, commands: list[str] | None) -> None:
    assert split_line(line) == commands


async def test_line_feed_after_the_command_is_ignored() -> None:
    async with bench() as host:
        host.type("AT\r\nAT\r\n")
        await asyncio.sleep(0.02)
        host.type("ATE0\r\n")
        await host.wait_for("ATE0\r\r\nOK\r\n")
        assert await host.command("\nAT+CGMM\r\n".strip("\r")) == b"\r\nBG96\r\n\r\nOK\r\n"


async def test_identity() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+CGMR") == "BG96MAR02A07M1G"
        assert await host.info("AT+QGMR") == "BG96MAR02A07M1G_01.019.01.019"
        for line in ("AT+CGSN", "AT+GSN"):
            imei = await host.info(line)
            assert len(imei) == 15
            assert imei.isdigit()
        assert len(await host.info("AT+CIMI")) == 15
        card = (await host.info("AT+QCCID")).removeprefix("+QCCID: ")
        assert len(card) == 20
        assert card.endswith("F")


async def test_mixed_error_styles() -> None:
    async with bench() as host:  # L28
        await host.ok("ATE0")
        assert await host.command("AT+CSQ?") == b"\r\n+CME ERROR: 3\r\n"
        for line in ("AT+QSPN?", "AT+CGPADDR?", "AT+QTEMP?", "AT+NONSENSE", "AT+CIMI?"):
            assert await host.command(line) == b"\r\nERROR\r\n", line
        await host.ok("AT+CMEE=0")
        assert await host.command("AT+CSQ?") == b"\r\nERROR\r\n"
        await host.ok("AT+CMEE=2")
        assert await host.command("AT+CSQ?") == b"\r\n+CME ERROR: operation not allowed\r\n"
        assert await host.info("AT+CMEE?") == "+CMEE: 2"
        assert await host.command("AT+CMEE=3") == b"\r\nERROR\r\n"


async def test_network_reports_on_lte() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
        assert await host.info("AT+CGREG?") == "+CGREG: 0,4"  # L29
        await host.ok("AT+CREG=2;+CGREG=2;+CEREG=2")
        assert await host.info("AT+CREG?") == '+CREG: 2,1,"FFFE","3355B16",8'  # L26
        assert await host.info("AT+CGREG?") == "+CGREG: 2,4"
        assert await host.info("AT+CEREG?") == '+CEREG: 2,1,"271B","3355B16",8'
        assert await host.info("AT+QCSQ") == '+QCSQ: "CAT-M1",-53,-81,206,-11'  # L28
        assert (await host.info("AT+QNWINFO")).startswith('+QNWINFO: "CAT-M1","00101",')
        assert await host.info("AT+COPS?") == '+COPS: 0,0,"Test Network",8'
        assert (await host.info("AT+COPS=?")).endswith(",,(0,1,2,3,4),(0,1,2)")  # L25
        name = '"Test Network","Test Network","Test Network"'
        assert await host.info("AT+QSPN") == f'+QSPN: {name},0,"00101"'
        assert await host.info("AT+QCSCON?") == "+QCSCON:0,1"
        assert await host.info("AT+CGATT?") == "+CGATT: 1"


async def test_network_reports_on_gsm_and_nb1() -> None:
    async with bench(rat="gsm", reg="roaming") as host:
        await host.ok("ATE0")
        assert await host.info("AT+CGREG?") == "+CGREG: 0,5"
        await host.ok("AT+CGREG=4")
        wanted = '+CGREG: 4,5,"66C0","1042","0",,,,"00000000","01100000","00000000"'
        assert await host.info("AT+CGREG?") == wanted
        assert await host.info("AT+QCSQ") == '+QCSQ: "GSM",-70'
    async with bench(rat="nb1", firmware="bg95") as host:
        await host.ok("ATE0;+CEREG=2")
        assert await host.info("AT+CEREG?") == '+CEREG: 2,1,"271B","3355B16",9'
        assert (await host.info("AT+QCSQ")).startswith('+QCSQ: "NBIoT",')
        assert await host.info("AT+CGMM") == "BG95-M3"


@pytest.mark.parametrize(("reg", "stat"), [("searching", 2), ("denied", 3)])
async def test_not_registered(reg: str, stat: int) -> None:
    async with bench(reg=reg) as host:
        await host.ok("ATE0")
        assert await host.info("AT+CEREG?") == f"+CEREG: 0,{stat}"
        assert await host.info("AT+QCSQ") == '+QCSQ: "NOSERVICE"'
        assert await host.info("AT+QNWINFO") == "+QNWINFO: No Service"
        assert await host.info("AT+COPS?") == "+COPS: 0"
        # A network that denies the registration is heard.
        assert await host.info("AT+CSQ") == ("+CSQ: 31,99" if reg == "denied" else "+CSQ: 99,99")
        assert await host.command("AT+QIACT=1") == b"\r\nERROR\r\n"
        wanted = "+QIGETERROR: 561,open pdp context failed"
        assert await host.info("AT+QIGETERROR") == wanted


async def test_registration_after_a_delay() -> None:
    async with bench(reg="delay:30", time_scale=0.005) as host:
        await host.ok('ATE0;+CEREG=2;+CREG=1;+QURCCFG="urcport","usbmodem"')
        assert await host.info("AT+CEREG?") == "+CEREG: 2,2"
        notices = await host.wait_for('\r\n+CEREG: 1,"271B","3355B16",8\r\n')
        assert notices == b'\r\n+CREG: 1\r\n\r\n+CEREG: 1,"271B","3355B16",8\r\n'
        await host.ok("AT+QIACT=1")


async def test_pin() -> None:
    async with bench(pin="1234") as host:
        await host.ok('ATE0;+QURCCFG="urcport","usbmodem"')
        assert await host.info("AT+CPIN?") == "+CPIN: SIM PIN"
        assert await host.info("AT+QINISTAT") == "+QINISTAT: 0"
        assert await host.command("AT+CIMI") == b"\r\nERROR\r\n"
        assert await host.command("AT+CPIN=0000") == b"\r\n+CME ERROR: 16\r\n"
        assert await host.info("AT+CEREG?") == "+CEREG: 0,0"
        await host.ok('AT+CPIN="1234"')
        notices = await host.wait_for("+QIND: SMS DONE\r\n")
        wanted = b"\r\n+CPIN: READY\r\n\r\n+QUSIM: 1\r\n\r\n+QIND: SMS DONE\r\n"
        assert notices == wanted
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
        assert await host.command("AT+CPIN=1234") == b"\r\n+CME ERROR: 3\r\n"
        tries = [record.detail for record in host.modem.journal if record.kind == "pin"]
        assert tries == ["wrong, 2 tries left", "accepted"]


async def test_puk_after_three_tries() -> None:
    async with bench(pin="1234", puk="87654321") as host:
        await host.ok("ATE0")
        for _ in range(3):
            assert await host.command("AT+CPIN=9999") == b"\r\n+CME ERROR: 16\r\n"
        assert await host.info("AT+CPIN?") == "+CPIN: SIM PUK"
        assert await host.command("AT+CPIN=1234") == b"\r\n+CME ERROR: 12\r\n"
        await host.ok("AT+CPIN=87654321,4321")
        assert await host.info("AT+CPIN?") == "+CPIN: READY"


async def test_technologies_and_bands_decide_which_network_serves() -> None:
    """AT manual V2.2, 4.2.1 to 4.2.5."""
    async with bench(rat="gsm+m1", time_scale=0.0) as host:
        await host.ok("ATE0;+CEREG=2")
        assert (await host.info("AT+QNWINFO")).startswith('+QNWINFO: "CAT-M1"')
        await host.ok('AT+QCFG="nwscanmode",1,0')  # after a reboot
        assert (await host.info("AT+QNWINFO")).startswith('+QNWINFO: "CAT-M1"')
        await host.ok('AT+QCFG="nwscanmode",0')
        for setting, served in (
            ('"nwscanseq",0102,1', '"GSM"'),
            ('"nwscanmode",3,1', '"CAT-M1"'),
            ('"nwscanmode",1,1', '"GSM"'),
            ('"band",8,0,0,1', "No Service"),  # GSM 1900 only
            ('"band",1,0,0', '"GSM"'),  # at once when not said
            ('"nwscanmode",3', '"CAT-M1"'),
            ('"iotopmode",1', "No Service"),  # NB-IoT only, and there is none
            ('"iotopmode",2', '"CAT-M1"'),
            ('"band",0,4,0', "No Service"),
        ):
            await host.ok(f"AT+QCFG={setting}")
            await asyncio.sleep(0.01)
            assert (await host.info("AT+QNWINFO")).startswith(f"+QNWINFO: {served}"), setting
        assert await host.info("AT+CEREG?") == "+CEREG: 2,2"


async def test_a_setting_for_after_the_reboot_acts_then() -> None:
    async with bench(rat="gsm+m1", time_scale=0.0) as host:
        await host.ok('ATE0;+QCFG="nwscanmode",1,0')
        host.modem.restart()
        await asyncio.sleep(0.1)
        await host.ok("ATE0")
        assert (await host.info("AT+QNWINFO")).startswith('+QNWINFO: "GSM"')


async def test_tries_left() -> None:
    """AT manual V2.2, 5.7."""
    async with bench(pin="1234") as host:
        await host.ok("ATE0")
        assert await host.info('AT+QPINC="SC"') == '+QPINC: "SC",3,10'
        assert b"CME ERROR: 16" in await host.command("AT+CPIN=0000")
        assert await host.info('AT+QPINC="SC"') == '+QPINC: "SC",2,10'
        both = await host.command("AT+QPINC?")
        assert both == b'\r\n+QPINC: "SC",2,10\r\n+QPINC: "P2",3,10\r\n\r\nOK\r\n'
        await host.ok("AT+CPIN=1234")
        assert await host.info('AT+QPINC="SC"') == '+QPINC: "SC",3,10'
        assert await host.command('AT+QPINC="XX"') == b"\r\nERROR\r\n"


@pytest.mark.parametrize(("sim", "code"), [("failed", 13), ("busy", 14)])
async def test_a_sim_that_does_not_work(sim: str, code: int) -> None:
    """AT manual V2.2, 12.5: 13 failure, 14 busy."""
    async with bench(sim=sim) as host:
        await host.ok("ATE0;+CMEE=1")
        assert await host.command("AT+CPIN?") == b"\r\n+CME ERROR: %d\r\n" % code
        assert await host.info("AT+CEREG?") == "+CEREG: 0,0"


async def test_no_sim() -> None:
    async with bench(sim="absent") as host:
        await host.ok("ATE0")
        assert await host.command("AT+CPIN?") == b"\r\n+CME ERROR: 10\r\n"
        assert await host.info("AT+QSIMSTAT?") == "+QSIMSTAT: 0,0"
        await host.ok("AT+CMEE=2")
        assert await host.command("AT+CPIN?") == b"\r\n+CME ERROR: SIM not inserted\r\n"
        assert await host.info("AT+CEREG?") == "+CEREG: 0,0"


async def test_card_is_taken_out() -> None:
    async with bench(ready=True) as host:
        await host.ok("AT+QSIMSTAT=1")
        host.modem.remove_sim()
        said = await host.quiet()
        assert said.startswith(b"\r\n+QSIMSTAT : 1,0\r\n\r\n+CPIN: NOT READY\r\n")
        assert said.endswith(b'\r\n+QIURC: "pdpdeact",1\r\n')
        assert await host.command("AT+CPIN?") == b"\r\n+CME ERROR: 10\r\n"


async def test_functionality_zero_and_back() -> None:
    async with bench() as host:
        await host.ready()
        await host.ok("AT+CFUN=0")
        assert await host.quiet() == b'\r\n+QIURC: "pdpdeact",1\r\n'
        assert await host.command("AT+CPIN?") == b"\r\n+CME ERROR: 13\r\n"
        await host.ok("AT+CFUN=1")
        await host.wait_for("+QIND: SMS DONE\r\n")
        await asyncio.sleep(0.01)
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
        assert await host.command("AT+QIACT=1") == b"\r\nERROR\r\n"  # QIDEACT first
        await host.ok("AT+QIDEACT=1")
        await host.ok("AT+QIACT=1")


async def test_soft_reset_order() -> None:
    async with bench(time_scale=0.02) as host:  # L4
        await host.ready()
        started = asyncio.get_running_loop().time()
        host.type("AT+CFUN=1,1\r")
        assert await host.wait_for("POWERED DOWN\r\n") == b"\r\nOK\r\n\r\nPOWERED DOWN\r\n"
        for _ in range(5):
            host.type("AT\r")
            await asyncio.sleep(0.002)
        assert await host.wait_for('"pdpdeact",1\r\n') == b'\r\n+QIURC: "pdpdeact",1\r\n'
        host.type("AT\r")
        assert await host.wait_for("RDY\r\n") == b"\r\nRDY\r\n"
        assert asyncio.get_running_loop().time() - started >= 5.9 * 0.02
        assert await host.command("AT") == b"AT\r\r\nOK\r\n"  # echo is on again
        boot = await host.wait_for("+QIND: SMS DONE\r\n")
        lines = [line for line in boot.decode().split("\r\n") if line]
        assert lines == ["+CFUN: 1", "+CPIN: READY", "+QUSIM: 1", "+QIND: SMS DONE"]
        assert await host.info("ATE0") is not None
        assert await host.info("AT+QIACT?") == ""


async def test_bg95_answers_error_until_app_ready() -> None:
    async with bench(firmware="bg95", time_scale=0.02) as host:  # L43
        host.type("AT+CFUN=1,1\r")
        await host.wait_for("\r\nRDY\r\n")
        assert await host.command("ATE0") == b"ATE0\r\r\nERROR\r\n"
        assert await host.wait_for("APP RDY\r\n") == b"\r\nAPP RDY\r\n"
        assert await host.command("ATE0") == b"ATE0\r\r\nOK\r\n"


async def test_silent_restart() -> None:
    async with bench(ready=True) as host:
        host.modem.restart(silent=True)
        assert await host.quiet() == b""
        assert await host.command("AT") == b"AT\r\r\nOK\r\n"
        await host.ok("ATE0")
        assert await host.info("AT+QIACT?") == ""
        await asyncio.sleep(0.01)
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"


async def test_power_off_and_on() -> None:
    async with bench() as host:
        host.type("AT+QPOWD\r")
        await host.wait_for("\r\nOK\r\n\r\nPOWERED DOWN\r\n")
        host.type("AT\r")
        assert await host.quiet() == b""
        host.modem.restart()
        await host.wait_for("\r\nRDY\r\n")
        assert await host.command("AT") == b"AT\r\r\nOK\r\n"


async def test_rate_switches_after_ok_on_the_uart_only() -> None:
    async with bench(port="uart1", baud=115200) as host:
        host.modem.set_line_rate(115200)
        await host.ok("ATE0")
        assert await host.info("AT+IPR?") == "+IPR: 115200"
        assert await host.command("AT+IPR=460800") == b"\r\nOK\r\n"
        await asyncio.sleep(0.01)
        host.type("AT\r")
        assert b"OK" not in await host.quiet()
        host.modem.set_line_rate(460800)
        host.type("\r")
        await host.quiet()
        assert await host.command("AT") == b"\r\nOK\r\n"
        assert await host.command("AT+IPR=12345") == b"\r\nERROR\r\n"
    async with bench() as host:
        host.modem.set_line_rate(9600)
        assert await host.command("AT+IPR=9600") == b"AT+IPR=9600\r\r\nOK\r\n"
        assert await host.info("ATE0") == "ATE0"


async def test_stored_rate_and_reset_values() -> None:
    async with bench(port="uart1") as host:
        await host.ok("ATE0;+CMEE=2")
        await host.ok("AT+IPR=9600;&W")
        await host.ok("AT&F")
        assert await host.command("AT+CMEE?") == b"AT+CMEE?\r\r\n+CMEE: 1\r\n\r\nOK\r\n"
        host.type("AT+CFUN=1,1\r")
        await host.wait_for("\r\nRDY\r\n")
        await host.ok("ATE0")
        assert await host.info("AT+IPR?") == "+IPR: 9600"


@pytest.mark.parametrize("reset", ["AT&F", "ATZ"])
async def test_registration_notices_are_reset(reset: str) -> None:
    """AT manual V2.2, tables 7 (AT&F) and 9 (ATZ): CREG, CGREG and CEREG 0."""
    async with bench() as host:
        await host.ok("ATE0;+CREG=2;+CGREG=2;+CEREG=2")
        await host.ok(reset)
        await host.ok("ATE0")
        for name in ("CREG", "CGREG", "CEREG"):
            assert (await host.info(f"AT+{name}?")).startswith(f"+{name}: 0,"), name


async def test_configuration_table() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info('AT+QCFG="nwscanmode"') == '+QCFG: "nwscanmode",0'
        await host.ok('AT+QCFG="nwscanmode",3,1')
        assert await host.info('AT+QCFG="nwscanmode"') == '+QCFG: "nwscanmode",3'
        await host.ok('AT+QCFG="nwscanseq",020301,1')
        assert await host.info('AT+QCFG="nwscanseq"') == '+QCFG: "nwscanseq",020301'
        wanted = '+QCFG: "band",0xf,0x400a0e189f,0xa0e189f'
        assert await host.info('AT+QCFG="band"') == wanted
        await host.ok('AT+QCFG="band",f,80000,80000,1')
        assert await host.info('AT+QCFG="band"') == '+QCFG: "band",0xf,0x80000,0x80000'
        # A mask of 0 or 0x40000000 changes nothing (AT manual V2.2, 4.2.5).
        await host.ok('AT+QCFG="band",0,40000000,1,1')
        assert await host.info('AT+QCFG="band"') == '+QCFG: "band",0xf,0x80000,0x1'
        for line in ('AT+QCFG="nwscanmode",9', 'AT+QCFG="nwscanseq",0202',
                     'AT+QCFG="nwscanseq",04', 'AT+QCFG="nwscanmode",3,2',
                     'AT+QCFG="band",10,0,0', 'AT+QCFG="band",0,80000',
                     'AT+QCFG="band",0,0,4000000000', 'AT+QCFG="band",x,0,0',
                     'AT+QCFG="nonsense"', "AT+QCFG"):  # fmt: skip
            assert await host.command(line) == b"\r\nERROR\r\n"
        for line in ("AT&D0", "AT+IFC=2,2", "AT+IFC=0,0", 'AT+QCFG="urc/ri/ring","off"'):
            await host.ok(line)
        assert await host.info("AT+QICLOSE=?") == "+QICLOSE: (0-11),(0-65535)"
        await host.ok("AT+QIOPEN=?")
        assert await host.command("AT+QNOPE=?") == b"\r\nERROR\r\n"
        assert await host.info("AT+QTEMP") == "+QTEMP: 30,27,27"
        await host.ok('AT+CPSMS=1,,,"00000100","00001111"')
        assert await host.info("AT+CPSMS?") == '+CPSMS: 1,,,"00000100","00001111"'
        await host.ok('AT+CEDRXS=1,4,"0101"')
        assert await host.info("AT+CEDRXS?") == '+CEDRXS: 4,"0101"'


async def test_nothing_is_taken_while_a_command_runs() -> None:
    async with bench(time_scale=0.05, rat="gsm") as host:
        await host.ok("ATE0")
        host.type("AT+QIACT=1\r")
        await asyncio.sleep(0.005)
        host.type("AT+CSQ\r")
        assert await host.until(rb"OK\r\n") == b"\r\nOK\r\n"
        assert await host.quiet() == b""
        assert [r.detail for r in host.modem.journal if r.kind == "busy"] == ["AT+CSQ"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [b"AT+QIRD=", b"AT+QIOPEN=1,0,", b'"', b"\r", b"\n", b"\x1a", b",,,", b";AT+", b"?"]
            ),
            st.text('ATQI+=?,;"0123456789\r', max_size=40).map(str.encode),
        ),
        max_size=12,
    )
)
def test_garbage_is_survived(pieces: list[bytes]) -> None:
    async def run() -> None:
        async with bench() as host:
            for piece in pieces:
                host.type(piece)
                await asyncio.sleep(0)
            # Close an open prompt if the garbage made one, then the module must answer.
            for _ in range(20):
                host.type(b"\x1b\r" + b"\0" * 1500 + b"\rATE0\r")
                await asyncio.sleep(0.002)
                host.take()
                host.type("AT\r")
                await asyncio.sleep(0.002)
                if host.take() == b"\r\nOK\r\n":
                    return
            raise AssertionError("dead")

    asyncio.run(run())


async def test_overlong_line_is_an_error_and_bounded() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        for _ in range(100):
            host.type("A" * 10000)
            await asyncio.sleep(0)
        assert await host.command("") == b"\r\nERROR\r\n"
        await host.ok("AT")


@pytest.mark.parametrize(
    "options",
    [
        {"firmware": "bg97"},
        {"nonsense": "1"},
        {"port": "com1"},
        {"pin": "12"},
        {"reg": "lost"},
        {"reg": "delay:x"},
        {"state3": "maybe"},
        {"latency": "-1"},
        {"apn": 'a"b'},
        {"ping": "a,b"},
        {"access_points": {"lab": ""}},
    ],
)
def test_build_refuses(options: dict[str, object]) -> None:
    with pytest.raises(FakeError) as caught:
        build(**options)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


def test_build_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match="bg96-old"):
        build(firmware="bg97")
    with pytest.raises(ValueError, match="urcport_fixed"):
        build(nonsense="1")
    assert build.firmwares == ("bg96", "bg96-old", "bg95", "ec25")  # type: ignore[attr-defined]
    modem = fakes.build("bg96", firmware="bg95")
    assert modem.facts == FACTS
    assert modem.facts["sockets.max"] == 12


async def test_message_settings_of_an_empty_store() -> None:
    """AT manual V2.2 sections 8.2, 8.4, 8.13 with their examples; defaults of Table 7."""
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+CPMS?") == '+CPMS: "ME",0,23,"ME",0,23,"ME",0,23'
        assert await host.info('AT+CPMS="SM","SM","SM"') == "+CPMS: 0,50,0,50,0,50"
        assert await host.info('AT+CPMS="ME"') == "+CPMS: 0,23,0,50,0,50"
        for wrong in ('AT+CPMS="XY"', "AT+CPMS=ME", 'AT+CPMS="ME","ME","ME","ME"', "AT+CMGF=2"):
            assert await host.command(wrong) == b"\r\nERROR\r\n", wrong
        await host.ok("AT+CMGF=1")
        await host.ok("AT+CNMI=1,2,0,1,0")
        await host.ok("AT+CNMI=2,,,0")
        assert await host.info("AT+CNMI?") == "+CNMI: 2,2,0,0,0"
        for wrong in ("AT+CNMI=3", "AT+CNMI=2,1,1", "AT+CNMI=2,1,0,0,0,0", "AT+CNMI=12"):
            assert await host.command(wrong) == b"\r\nERROR\r\n", wrong
        await host.ok("ATZE0")  # Table 9 has none of them
        assert await host.info("AT+CMGF?") == "+CMGF: 1"
        await host.ok("AT&F")
        await host.ok("ATE0")
        assert await host.info("AT+CMGF?") == "+CMGF: 0"
        assert await host.info("AT+CNMI?") == "+CNMI: 2,1,0,0,0"
        assert await host.info("AT+CPMS?") == '+CPMS: "ME",0,23,"ME",0,23,"ME",0,23'


async def test_time_zone_settings_are_kept_over_a_reboot() -> None:
    """AT manual V2.2 sections 6.7 and 6.15."""
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+CTZU?") == "+CTZU: 0"
        assert await host.info("AT+CTZU=?") == "+CTZU: (0,1)"
        assert await host.info("AT+CTZR=?") == "+CTZR: (0-2)"
        await host.ok("AT+CTZU=1")
        await host.ok("AT+CTZR=2")
        assert await host.command("AT+CTZU=2") == b"\r\nERROR\r\n"
        await host.ok("AT+CFUN=1,1")
        await host.wait_for("RDY\r\n")
        await host.ok("ATE0")
        assert await host.info("AT+CTZU?") == "+CTZU: 1"
        assert await host.info("AT+CTZR?") == "+CTZR: 2"
