"""What each command of the BG96 takes and refuses, what it shows by default, and every code's text.

TCP(IP) AT Commands Manual V1.1 (ranges: chapter 3; codes: chapter 5), AT Commands Manual V2.2 (codes:
section 12.5), SSL AT Commands Manual V1.0; QICFG of the BG95: BG95&BG77&BG600L TCP/IP Application Note V1.1.
"""

from __future__ import annotations

import errno
import re

import pytest

from fakes.bg96 import build
from fakes.bg96.codes import CME_TEXTS, TCPIP_TEXTS, tcpip_code
from tests.fakes.bg96_host import bench, refuse, show, take, watch_time
from tests.ports import free_port

TCPIP = {
    0: "operate successfully", 550: "unknown error", 551: "operation blocked", 552: "invalid parameters",
    553: "memory not enough", 554: "create socket failed", 555: "operation not supported",
    556: "socket bind failed", 557: "socket listen failed", 558: "socket write failed",
    559: "socket read failed", 560: "socket accept failed", 561: "open pdp context failed",
    562: "close pdp context failed", 563: "socket identity has been used", 564: "dns busy",
    565: "dns parse failed", 566: "socket connect failed", 567: "socket has been closed",
    568: "operation busy", 569: "operation timeout", 570: "pdp context broken down", 571: "cancel send",
    572: "operation not allowed", 573: "apn not configured", 574: "port busy",
}  # fmt: skip
CME = {
    3: "operation not allowed", 4: "operation not supported", 10: "SIM not inserted",
    11: "SIM PIN required", 12: "SIM PUK required", 13: "SIM failure", 16: "incorrect password",
    30: "no network service",
}  # fmt: skip


def test_every_code_has_the_manuals_text() -> None:
    assert dict(TCPIP_TEXTS) == TCPIP
    shown = dict(CME_TEXTS)
    assert {code: shown[code] for code in CME} == CME
    assert {code: shown[code] for code in TCPIP} == TCPIP


async def test_every_code_is_shown_by_qigeterror() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 0,operate successfully"
        for code, text in TCPIP.items():
            host.modem.last_error = code
            assert await host.info("AT+QIGETERROR") == f"+QIGETERROR: {code},{text}"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EADDRINUSE, 556), (errno.EADDRNOTAVAIL, 556), (errno.EACCES, 556), (errno.EPERM, 556),
     (errno.EMFILE, 554), (errno.ENFILE, 554), (errno.ENOMEM, 553), (errno.ENOBUFS, 553),
     (errno.EAFNOSUPPORT, 555), (errno.ECONNREFUSED, 566), (errno.ETIMEDOUT, 566),
     (errno.EHOSTUNREACH, 566), (None, 566)],
)  # fmt: skip
def test_code_of_a_socket_error(number: int | None, code: int) -> None:
    error = OSError() if number is None else OSError(number, "x")
    assert tcpip_code(error) == code


async def test_ranges_of_the_tcpip_commands() -> None:
    async with bench() as host:
        await host.ready()
        await refuse(host, [
            'AT+QIOPEN=0,0,"TCP","127.0.0.1",9', 'AT+QIOPEN=17,0,"TCP","127.0.0.1",9',
            'AT+QIOPEN=1,-1,"TCP","127.0.0.1",9', 'AT+QIOPEN=1,12,"TCP","127.0.0.1",9',
            'AT+QIOPEN=1,0,"TCP","127.0.0.1",0', 'AT+QIOPEN=1,0,"TCP","127.0.0.1",65536',
            'AT+QIOPEN=1,0,"TCP","127.0.0.1",9,65536', 'AT+QIOPEN=1,0,"TCP","127.0.0.1",9,0,3',
            'AT+QIOPEN=1,0,"TCP","127.0.0.1",9,0,0,0', 'AT+QIOPEN=1,0,"TCP","",9', 'AT+QIOPEN=1,0,"XYZ","127.0.0.1",9',
            'AT+QIOPEN=1,0,TCP,"127.0.0.1",9', 'AT+QIOPEN=1,0,"TCP","127.0.0.1"', 'AT+QIOPEN=1,0,"TCP"',
            'AT+QIOPEN=1,0,"UDP SERVICE","127.0.0.1",1,5000', 'AT+QIOPEN=1,0,"UDP SERVICE","127.0.0.1",0,0',
            'AT+QIOPEN=1,0,"UDP SERVICE","127.0.0.2",0,5000', 'AT+QIOPEN=1,0,"TCP LISTENER","127.0.0.1",0',
            "AT+QICLOSE=12", "AT+QICLOSE=-1", "AT+QICLOSE=0,65536", "AT+QICLOSE=0,1,1", "AT+QICLOSE=",
            "AT+QISEND=12,1", "AT+QISEND=0,1461", "AT+QISEND=0,1,1,1,1",
            "AT+QIRD=12", "AT+QIRD=0,1,1",
            "AT+QISTATE=2,1", "AT+QISTATE=0,0", "AT+QISTATE=0,17", "AT+QISTATE=1,12", "AT+QISTATE=1,1,1",
            "AT+QISWTMD=12,0", "AT+QISWTMD=0,0,0",
            "AT+QICSGP=0", "AT+QICSGP=17", 'AT+QICSGP=1,0,"x"', 'AT+QICSGP=1,4,"x"', 'AT+QICSGP=1,1,"x","","",4',
            'AT+QICSGP=1,1,"x","","",0,0', "AT+QIDEACT=0", "AT+QIDEACT=17", "AT+QIDEACT=1,1",
            'AT+QIDNSCFG=1,"1.1.1.1","1.1.1.2","1.1.1.3"', "AT+QIDNSCFG=0", "AT+QIDNSCFG=17",
            'AT+QIDNSGIP=1,"x","y"', "AT+QIDNSGIP=1,x", 'AT+QIDNSGIP=0,"x"',
            'AT+QPING=1,"x",0', 'AT+QPING=1,"x",256', 'AT+QPING=1,"x",1,0', 'AT+QPING=1,"x",1,11', 'AT+QPING=1,"x",1,1,1',
            'AT+QNTP=1,"x",0', 'AT+QNTP=1,"x",65536', 'AT+QNTP=1,"x",123,1,1',
            'AT+QICFG="transpktsize",0', 'AT+QICFG="transpktsize",1461', 'AT+QICFG="transwaittm",-1',
            'AT+QICFG="transwaittm",21', 'AT+QICFG="dataformat",0,2', 'AT+QICFG="dataformat",2,0',
            'AT+QICFG="viewmode",2', 'AT+QICFG="recvind",2', 'AT+QICFG="tcp/retranscfg",2,600',
            'AT+QICFG="tcp/retranscfg",21,600', 'AT+QICFG="tcp/retranscfg",8,4', 'AT+QICFG="tcp/retranscfg",8,1001',
            'AT+QICFG="viewmode",1,1', 'AT+QICFG="nonsense"', 'AT+QICFG="tcp/keepalive"', "AT+QICFG=viewmode",
        ])  # fmt: skip
        await refuse(host, ["AT+QISEND=0,1", "AT+QIRD=0", "AT+QISWTMD=0,0"], 567)
        await refuse(host, ['AT+QIOPEN=1,0,"TCP","127.0.0.1",9,0,2'], 555)
        await refuse(
            host,
            [
                'AT+QIOPEN=2,0,"TCP","127.0.0.1",9',
                'AT+QIDNSGIP=2,"x"',
                'AT+QPING=16,"x"',
                'AT+QNTP=2,"x"',
            ],
            561,
        )
        await take(host, [
            "AT+QICLOSE=11", "AT+QICLOSE=0,0", "AT+QICLOSE=0,65535", "AT+QISTATE=0,1", "AT+QISTATE=0,16", "AT+QISTATE=1,0",
            "AT+QISTATE=1,11", 'AT+QICSGP=16,1,"x","u","p",3', 'AT+QICSGP=2,3,"x"', 'AT+QICSGP=2,2,"x"', "AT+QIDEACT=16",
            'AT+QICFG="transpktsize",1', 'AT+QICFG="transpktsize",1460', 'AT+QICFG="transwaittm",0', 'AT+QICFG="transwaittm",20',
            'AT+QICFG="dataformat",1,1', 'AT+QICFG="dataformat",0,0', 'AT+QICFG="viewmode",1', 'AT+QICFG="viewmode",0',
            'AT+QICFG="recvind",1', 'AT+QICFG="recvind",0', 'AT+QICFG="tcp/retranscfg",3,5', 'AT+QICFG="tcp/retranscfg",20,1000',
        ])  # fmt: skip
        await show(host, {
            "AT+QICSGP=16": '+QICSGP: 1,"x","u","p",3', "AT+QICSGP=2": '+QICSGP: 2,"x","","",0',
            "AT+QICSGP=9": '+QICSGP: 1,"","","",0',
            'AT+QICFG="tcp/retranscfg"': '+QICFG: "tcp/retranscfg",20,1000', 'AT+QICFG="transpktsize"': '+QICFG: "transpktsize",1460',
        })  # fmt: skip


async def test_ranges_on_an_open_socket() -> None:
    async with bench(ready=True) as host:
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, free_port())
        await refuse(host, ["AT+QIRD=0,1501", "AT+QIRD=0,-1", "AT+QISEND=0,1", 'AT+QISEND=0,1,"srv",9',
                            'AT+QISEND=0,1,"127.0.0.1",0', 'AT+QISEND=0,1,"127.0.0.1",65536'])  # fmt: skip
        await show(
            host,
            {"AT+QIRD=0,1500": "+QIRD: 0", "AT+QIRD=0": "+QIRD: 0", "AT+QIRD=0,0": "+QIRD: 0,0,0"},
        )
        assert await host.ok("ATZ") == b"\r\nOK\r\n"
        assert await host.ok("ATE0") == b"ATE0\r\r\nOK\r\n"  # AT manual V2.2, ATZ: echo is back


async def test_numbers_are_bare_and_strings_quoted() -> None:
    """L37: a quoted number is 552; so are signs, blanks in a number and more than ten digits."""
    async with bench(ready=True) as host:
        await refuse(host, ['AT+QICLOSE="0"', "AT+QICLOSE=+0", "AT+QICLOSE=0x0", "AT+QICLOSE=00000000000",
                            'AT+QICLOSE=0"', 'AT+QICLOSE="0', "AT+QIDNSGIP=1,srv"])  # fmt: skip
        await take(host, ["AT+QICLOSE=0000000000", "AT+QICLOSE= 0 , 1 "])


async def test_what_a_start_leaves() -> None:
    """Defaults that AT+CFUN=1,1 brings back (TCP(IP) manual V1.1, AT+QICFG: not stored)."""
    defaults = {
        'AT+QICFG="transpktsize"': '+QICFG: "transpktsize",1024', 'AT+QICFG="transwaittm"': '+QICFG: "transwaittm",2',
        'AT+QICFG="dataformat"': '+QICFG: "dataformat",0,0', 'AT+QICFG="viewmode"': '+QICFG: "viewmode",0',
        'AT+QICFG="recvind"': '+QICFG: "recvind",0', 'AT+QICFG="tcp/retranscfg"': '+QICFG: "tcp/retranscfg",8,600',
        "AT+QISDE?": "+QISDE: 1", "AT+CMEE?": "+CMEE: 1", "AT+IFC?": "+IFC: 0,0", "AT+CFUN?": "+CFUN: 1",
        "AT+QSIMSTAT?": "+QSIMSTAT: 0,1", "AT+CGDCONT?": '+CGDCONT: 1,"IPV4V6","","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0',
        "AT+CGACT?": "+CGACT: 1,0", "AT+CGPADDR": "+CGPADDR: 1,0.0.0.0", "AT+QIACT?": "", "AT+QISTATE?": "", "AT+QISTATE": "",
        "AT+QICSGP=1": '+QICSGP: 1,"","","",0', "AT+QINISTAT": "+QINISTAT: 3", "AT+CGATT?": "+CGATT: 1",
        "AT+QSCLK?": "+QSCLK: 0", "AT+CPSMS?": "+CPSMS: 0", "AT+CEDRXS?": "",
        'AT+QURCCFG="urcport"': '+QURCCFG: "urcport","usbat"', "AT+CSQ": "+CSQ: 31,99",
        "AT+QSPN": '+QSPN: "Test Network","Test Network","Test Network",0,"00101"', "AT+QCSCON?": "+QCSCON:0,1",
    }  # fmt: skip
    async with bench() as host:
        await host.ok("ATE0")
        await show(host, defaults)
        await take(host, ['AT+QICFG="transwaittm",9', 'AT+QICFG="dataformat",1,0', 'AT+QICFG="viewmode",1', "AT+QISDE=0", "AT+CMEE=2",
                          "AT+IFC=2,2", "AT+QSIMSTAT=1", 'AT+QURCCFG="urcport","usbmodem"', "AT+CEREG=2"])  # fmt: skip
        await show(host, {"AT+QISDE?": "+QISDE: 0", "AT+IFC?": "+IFC: 2,2", "AT+QSIMSTAT?": "+QSIMSTAT: 1,1",
                          'AT+QICFG="dataformat"': '+QICFG: "dataformat",1,0'})  # fmt: skip
        host.type("AT+CFUN=1,1\r")
        await host.wait_for("+QIND: SMS DONE\r\n")
        await host.ok("ATE0")
        host.take()
        kept = {
            'AT+QURCCFG="urcport"': '+QURCCFG: "urcport","usbmodem"',
            "AT+CEREG?": "+CEREG: 0,1",
        }
        await show(host, defaults | kept)


async def test_settings_of_the_port() -> None:
    """AT manual V2.2: AT+IPR, AT+IFC, AT+CMEE, AT+CFUN, S registers and the & commands."""
    async with bench(port="uart1") as host:
        await host.ok("ATE0")
        assert (
            await host.info("AT+IPR=?")
            == "+IPR: (9600,19200,38400,57600,115200,230400,460800,921600)"
        )
        for rate in (9600, 19200, 38400, 57600, 230400, 460800, 921600, 115200):
            await take(host, [f"AT+IPR={rate}"])
            assert await host.info("AT+IPR?") == f"+IPR: {rate}"
        assert await host.info("AT+CMEE=?") == "+CMEE: (0-2)"
        await take(host, ["AT+IFC=0,2", "AT+IFC=2,0", "AT+IFC=0,0", "AT+IFC=2,2", "ATV1", "ATQ", "ATQ0", "ATX", "ATX0", "ATX4",
                          "AT&C", "AT&C0", "AT&C1", "AT&D", "AT&D2", "ATS0=0", "ATS0=0"])  # fmt: skip
    async with bench(ready=True) as host:
        for line in ("AT+IPR=9601", "AT+IPR=14400", "AT+IFC=1,1", "AT+CMEE=3", "AT+CMEE=-1", "ATX5", "AT&D3", "AT&C2", "ATV0", "ATQ1",
                     "AT+CFUN=2", "AT+CFUN=5", "AT+QCFG=", 'AT+QCFG="nwscanmode",2', 'AT+QCFG="iotopmode",3',
                     'AT+QCFG="servicedomain",0', 'AT+QCFG="urc/delay",2', "AT+CREG=4", "AT+CREG=3", "AT+QSCLK=3", "AT+QSIMSTAT=2"):  # fmt: skip
            answer = await host.command(line)
            assert answer.startswith((b"\r\nERROR", b"\r\n+CME ERROR")), line
        assert await host.command("AT+CFUN=0,1") == b"\r\n+CME ERROR: 3\r\n"
        await show(host, {
            'AT+QCFG="iotopmode"': '+QCFG: "iotopmode",0', 'AT+QCFG="servicedomain"': '+QCFG: "servicedomain",1',
            'AT+QCFG="urc/delay"': '+QCFG: "urc/delay",0', 'AT+QCFG="cmux/urcport"': '+QCFG: "cmux/urcport",0',
            'AT+QCFG="nwscanseq"': '+QCFG: "nwscanseq",00', "AT+QIACT=?": "+QIACT: (1-16)",
            "AT+QISEND=?": "+QISEND: (0-11),(0-1460)", "AT+QIRD=?": "+QIRD: (0-11),(0-1500)",
            "AT+IFC=?": "+IFC: (0,2),(0,2)",
        })  # fmt: skip
        await take(host, ['AT+QCFG="nwscanmode",1,0', 'AT+QCFG="iotopmode",2,0', 'AT+QCFG="iotopmode",1,0', 'AT+QCFG="servicedomain",2,0',
                          'AT+QCFG="urc/delay",1', "AT+QSCLK=0", "AT+QSCLK=1", "AT+QSCLK=2", "AT+COPS=0", 'AT+COPS=4,2,"00101"',
                          "AT+QCSCON=1", "AT+CGATT=1"])  # fmt: skip


async def test_profiles_differ_where_their_manuals_do() -> None:
    """TCP(IP) manual V1.0 (bg96-old) has no recvind and no IPv6; the BG95 has keep-alive, in minutes."""
    async with bench(firmware="bg96-old", ready=True) as host:
        await refuse(
            host, ['AT+QICFG="recvind",1', 'AT+QICSGP=1,2,"x"', 'AT+QICFG="tcp/keepalive",0']
        )
        assert await host.command('AT+QCFG="cmux/urcport"') == b"\r\nERROR\r\n"
        assert await host.info("AT+CGMR") == "BG96MAR02A06M1G"
        await take(host, ['AT+QICSGP=1,1,"x"'])
    async with bench(firmware="bg95", ready=True) as host:
        await show(host, {'AT+QICFG="tcp/keepalive"': '+QICFG: "tcp/keepalive",0', "AT+CGMM": "BG95-M3",
                          "AT+QCSQ": '+QCSQ: "eMTC",-53,-81,206,-11'})  # fmt: skip
        await refuse(host, [
            'AT+QICFG="tcp/keepalive",2', 'AT+QICFG="tcp/keepalive",1', 'AT+QICFG="tcp/keepalive",1,0,25,3',
            'AT+QICFG="tcp/keepalive",1,121,25,3', 'AT+QICFG="tcp/keepalive",1,1,24,3', 'AT+QICFG="tcp/keepalive",1,1,101,3',
            'AT+QICFG="tcp/keepalive",1,1,25,2', 'AT+QICFG="tcp/keepalive",1,1,25,11', 'AT+QICFG="tcp/keepalive",1,1,25,3,1',
        ])  # fmt: skip
        await take(
            host, ['AT+QICFG="tcp/keepalive",1,1,25,3', 'AT+QICFG="tcp/keepalive",1,120,100,10']
        )
        assert await host.info('AT+QICFG="tcp/keepalive"') == '+QICFG: "tcp/keepalive",1,120,100,10'
        await take(host, ['AT+QICFG="tcp/keepalive",0'])
        assert await host.info('AT+QICFG="tcp/keepalive"') == '+QICFG: "tcp/keepalive",0'
    for rat, name, act, band in (("nb1", "NBIoT", 9, "LTE BAND 20"), ("gsm", "GSM", 0, "GSM 900")):
        async with bench(firmware="bg95", rat=rat, ready=True) as host:
            assert (await host.info("AT+COPS?")).endswith(f",{act}")
            assert (await host.info("AT+QNWINFO")).startswith(
                f'+QNWINFO: "{name}","00101","{band}",'
            )
    async with bench(rat="nb1", ready=True) as host:
        assert (await host.info("AT+QCSQ")) == '+QCSQ: "CAT-NB1",-53,-81,206,-11'
        assert (await host.info("AT+QNWINFO")).startswith('+QNWINFO: "CAT-NB1",')


async def test_registration_reports() -> None:
    """AT manual V2.2, AT+CREG and its siblings: states, and level 4 with the PSM fields (L39)."""
    async with bench(rat="gsm") as host:
        await host.ok('ATE0;+QURCCFG="urcport","usbmodem"')
        await take(host, ["AT+CREG=2", "AT+CGREG=4", "AT+CEREG=1"])
        await show(host, {
            "AT+CREG?": '+CREG: 2,1,"66C0","1042",0', "AT+CEREG?": "+CEREG: 1,0",
            "AT+CGREG?": '+CGREG: 4,1,"66C0","1042","0",,,,"00000000","01100000","00000000"',
        })  # fmt: skip
        host.modem.set_registration(5)
        assert await host.quiet() == (
            b'\r\n+CREG: 5,"66C0","1042",0\r\n\r\n+CGREG: 5,"66C0","1042","0",,,,"00000000","01100000","00000000"\r\n'
        )
        for state in (2, 3, 0, 4):
            host.modem.set_registration(state)
            assert await host.quiet() == b"\r\n+CREG: %d\r\n\r\n+CGREG: %d\r\n" % (state, state)
        await show(host, {
            "AT+CSQ": "+CSQ: 99,99", "AT+QCSQ": '+QCSQ: "NOSERVICE"', "AT+QNWINFO": "+QNWINFO: No Service",
            "AT+COPS?": "+COPS: 0", "AT+CGATT?": "+CGATT: 0", "AT+QCSCON?": "+QCSCON:0,0",
            "AT+QSPN": '+QSPN: "","","",0,"00101"',
        })  # fmt: skip
    async with bench(reg="roaming") as host:
        await host.ok("ATE0")
        await take(host, ["AT+CEREG=4"])
        assert (
            await host.info("AT+CEREG?")
            == '+CEREG: 4,5,"271B","3355B16","8",,,"00000000","00000000"'
        )
    for setting, stat in (("searching", 2), ("denied", 3)):
        async with bench(reg=setting) as host:
            await host.ok("ATE0")
            assert await host.info("AT+CEREG?") == f"+CEREG: 0,{stat}"
            await refuse(host, ["AT+QIACT=1"], 561)


def test_facts() -> None:
    """The limits of the manuals in one place (QISENDEX 512, PIN tries 3, QPING 10 times 255 s; PUK tries 10:
    3GPP TS 31.101)."""
    assert dict(build().facts) == {
        "sockets.max": 12, "contexts.max": 16, "contexts.active": 3, "frame.max_send": 1460,
        "frame.max_recv": 1500, "frame.max_send_hex": 512, "buffer.send": 10240, "ping.max_count": 10,
        "ping.max_timeout": 255, "close.default_timeout": 10, "close.max_timeout": 65535, "sim.pin_tries": 3,
        "sim.puk_tries": 10,
    }  # fmt: skip


async def test_what_takes_how_long() -> None:
    """Real logs: a command 2 to 4 ms over USB and 10 to 30 ms over UART; a context 6 to 10 ms on LTE, 0.57
    to 0.99 s on GSM, 0.49 to 0.67 s to end it; the start after AT+CFUN=1,1 about 2.9 s after pdpdeact."""
    for port, low, high in (("usbmodem", 0.002, 0.004), ("uart1", 0.01, 0.03)):
        async with bench(port=port) as host:
            spent = watch_time(host)
            await host.ok("ATE0")
            assert low <= sum(spent) <= high
    async with bench(latency="0.5") as host:
        spent = watch_time(host)
        await host.ok("ATE0")
        assert spent == [0.5]
    for rat, low, high in (("m1", 0.006, 0.01), ("gsm", 0.57, 0.99)):
        async with bench(rat=rat, latency="0") as host:
            spent = watch_time(host)
            await host.ok("AT+QIACT=1")
            assert low <= sum(spent) <= high
            spent.clear()
            await host.ok("AT+QIDEACT=1")
            assert 0.49 <= sum(spent) <= 0.67
            spent.clear()
            await host.ok("AT+QIDEACT=1")
            assert sum(spent) == 0
            await host.ok("AT+CGACT=1,1")
            spent.clear()
            host.type("AT+CFUN=1,1\r")
            await host.wait_for("\r\nRDY\r\n")
            assert spent[:3] == pytest.approx([0, 3.0, 2.9], abs=0.05)  # L4: to pdpdeact, to RDY
            await host.ok("ATE0")
            spent.clear()
            host.modem.off()
            host.modem.restart()
            await host.wait_for("\r\nRDY\r\n")
            assert spent[0] == pytest.approx(4.9)  # hardware design V1.3: PWRKEY to UART ready
    async with bench(latency="0", ready=True) as host:
        spent = watch_time(host)
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, free_port())
        assert sum(spent) == pytest.approx(0.002)  # real log
        spent.clear()
        await host.ok('AT+QIOPEN=1,1,"TCP","192.0.2.1",80')
        await host.wait_for("+QIOPEN: 1,566\r\n")
        assert 60 <= sum(spent) <= 150, "an unanswered connect ends before the host's 150 s"
        spent.clear()
        await host.ok("AT+COPS=?")
        assert 14 <= sum(spent) <= 44.7


async def test_ping_and_time_defaults() -> None:
    """AT+QPING: 4 times, 4 s each, 32 bytes; the mean counts up in integers (L22). AT+QNTP: up to 125 s."""
    async with bench(ping="10,20,31", latency="0", resolve={"srv": "127.0.0.9"}) as host:
        await host.ready()
        spent = watch_time(host)
        await host.ok('AT+QPING=1,"127.0.0.9"')
        lines = (await host.until(rb"\+QPING: 0,4,.*\r\n")).decode().split("\r\n\r\n")
        assert [line.strip() for line in lines[:4]] == [
            f'+QPING: 0,"127.0.0.9",32,{ms},255' for ms in (10, 20, 31, 10)
        ]
        assert lines[4].strip() == "+QPING: 0,4,4,0,10,31,17"  # 10, 15, 20 (61 // 3), 17 (70 // 4)
        assert sum(spent) == pytest.approx(0.071)
        await host.ok('AT+QPING=1,"srv",255,10')
        assert (await host.until(rb"\+QPING: 0,10,.*\r\n")).count(b"+QPING: 0,") == 11
        await host.ok('AT+QPING=1,"srv",1,1')
        await host.until(rb"\+QPING: 0,1,1,0,.*\r\n")
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 0,operate successfully"
        spent.clear()
        await host.ok('AT+QPING=1,"192.0.2.1"')
        assert (await host.until(rb"(?:\r\n\+QPING: 569\r\n){5}")).count(b"569") == 5
        assert spent == [0, *[4] * 4]
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 569,operation timeout"
        spent.clear()
        await host.ok('AT+QPING=1,"nobody"')
        await host.wait_for("+QPING: 565\r\n")
        await host.ok('AT+QNTP=1,"nobody"')
        await host.wait_for("+QNTP: 565\r\n")
        spent.clear()
        await host.ok('AT+QNTP=1,"192.0.2.1",1')
        await host.wait_for("+QNTP: 569\r\n")
        assert sum(spent) == pytest.approx(125)
        await host.ok('AT+QNTP=1,"srv",65535')
        told = await host.until(rb'\+QNTP: 0,"[^"]*"\r\n')
        assert re.search(rb'"\d{4}/\d\d/\d\d,\d\d:\d\d:\d\d\+\d\d"', told)
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 0,operate successfully"
    async with bench(ready=True) as host:
        times = []
        for _ in range(12):
            await host.ok('AT+QPING=1,"127.0.0.9",4,10')
            said = await host.until(rb"\+QPING: 0,10,.*\r\n")
            times += [int(ms) for ms in re.findall(rb'",32,(\d+),255', said)]
        assert min(times) >= 50
        assert max(times) <= 150  # Cat M1 in good coverage


async def test_names_and_servers() -> None:
    """AT+QIDNSGIP: count and TTL, then each address; a literal answers at once. AT+QIDNSCFG shows two servers,
    0.0.0.0 for none."""
    async with bench(latency="0", resolve={"srv": "127.0.0.9"}) as host:
        await host.ready()
        spent = watch_time(host)
        await host.ok('AT+QIDNSGIP=1,"srv"')
        first = await host.until(rb'"dnsgip","127\.0\.0\.9"\r\n')
        assert re.fullmatch(
            rb'\r\n\+QIURC: "dnsgip",0,1,\d+\r\n\r\n\+QIURC: "dnsgip","127\.0\.0\.9"\r\n', first
        )
        assert sum(spent) > 0
        spent.clear()
        await host.ok('AT+QIDNSGIP=1,"127.0.0.8"')
        await host.wait_for('\r\n+QIURC: "dnsgip",0,1,0\r\n\r\n+QIURC: "dnsgip","127.0.0.8"\r\n')
        assert sum(spent) == 0
        host.modem.last_error = 552
        await host.ok('AT+QIDNSGIP=1,"nobody"')
        await host.wait_for('+QIURC: "dnsgip",565\r\n')
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 565,dns parse failed"
        assert (await host.info("AT+QIDNSCFG=1")).endswith(',"0.0.0.0"')
        await take(host, ['AT+QIDNSCFG=1,"1.1.1.1"'])
        assert await host.info("AT+QIDNSCFG=1") == '+QIDNSCFG: 1,"1.1.1.1","0.0.0.0"'


async def test_status_rows_choose() -> None:
    """AT+QISTATE=0,context and =1,id (TCP(IP) manual V1.1, AT+QISTATE)."""
    async with bench(ready=True) as host:
        await take(host, ["AT+QIACT=2"])
        ports = [free_port() for _ in range(3)]
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, ports[0])
        await host.open(11, "TCP LISTENER", "127.0.0.1", 0, ports[1])
        await host.ok(f'AT+QIOPEN=2,1,"UDP SERVICE","127.0.0.1",0,{ports[2]}')
        await host.wait_for("+QIOPEN: 1,0\r\n")
        rows = {
            0: f'+QISTATE: 0,"UDP SERVICE","127.0.0.1",0,{ports[0]},2,1,0,0,"usbmodem"',
            1: f'+QISTATE: 1,"UDP SERVICE","127.0.0.1",0,{ports[2]},2,2,1,0,"usbmodem"',
            11: f'+QISTATE: 11,"TCP LISTENER","127.0.0.1",0,{ports[1]},3,1,11,0,"usbmodem"',
        }  # fmt: skip
        await show(host, {
            "AT+QISTATE": "\r\n".join(rows.values()), "AT+QISTATE?": "\r\n".join(rows.values()),
            "AT+QISTATE=0,1": rows[0] + "\r\n" + rows[11], "AT+QISTATE=0,2": rows[1], "AT+QISTATE=0,3": "",
            "AT+QISTATE=1,0": rows[0], "AT+QISTATE=1,1": rows[1], "AT+QISTATE=1,11": rows[11], "AT+QISTATE=1,2": "",
        })  # fmt: skip
        await refuse(host, ["AT+QISEND=11,5", "AT+QIRD=11"], 572)


async def test_contexts_are_profiles() -> None:
    """AT+QICSGP, AT+CGDCONT and AT+CGACT act on the same sixteen profiles."""
    async with bench() as host:
        await host.ok("ATE0")
        await take(
            host,
            [
                'AT+CGDCONT=1,"IPV4V6","apn"',
                'AT+CGDCONT=2,"IP","two"',
                'AT+CGDCONT=16,"IPV6","six"',
            ],
        )
        await show(host, {
            "AT+QICSGP=1": '+QICSGP: 3,"apn","","",0', "AT+QICSGP=2": '+QICSGP: 1,"two","","",0',
            "AT+QICSGP=16": '+QICSGP: 2,"six","","",0', "AT+CGACT?": "+CGACT: 1,0\r\n+CGACT: 2,0\r\n+CGACT: 16,0",
        })  # fmt: skip
        for bad in (
            'AT+CGDCONT=0,"IP","x"',
            'AT+CGDCONT=17,"IP","x"',
            'AT+CGDCONT=1,"PPP","x"',
            "AT+CGACT=1,0",
            "AT+CGACT=1,17",
        ):
            assert await host.command(bad) == b"\r\nERROR\r\n", bad
        await take(host, ["AT+CGDCONT=2", "AT+CGACT=1,16", "AT+CGACT=1,16"])
        await show(
            host,
            {
                "AT+CGACT?": "+CGACT: 1,0\r\n+CGACT: 16,1",
                "AT+QIACT?": '+QIACT: 16,1,2,"2001:DB8:0:0:0:0:0:1"',
            },
        )
        await take(host, ["AT+CGACT=0,16", "AT+CGACT=0,1"])
        assert await host.info("AT+QIACT?") == ""
        host.modem.service_lost()
        assert (await host.command("AT+CGACT=1,1")).startswith(b"\r\n+CME ERROR: ")


async def test_every_configuration_reads_its_default() -> None:
    """AT manual V2.2, AT+QCFG."""
    defaults = {
        "nwscanmode": "0", "nwscanseq": "00", "iotopmode": "0", "roamservice": "255", "servicedomain": "1",
        "band": "0xf,0x400a0e189f,0xa0e189f", "psm/enter": "0", "psm/urc": "0", "urc/delay": "0",
        "urc/ri/ring": '"pulse",120,1000,5000,"off",1', "urc/ri/smsincoming": '"pulse",120,1',
        "urc/ri/other": '"pulse",120,1', "risignaltype": '"respective"', "ledmode": "0", "gprsattach": "1",
        "usbnet": "0", "apready": "0,0,500", "cmux/urcport": "0",
    }  # fmt: skip
    async with bench() as host:
        await host.ok("ATE0")
        await show(
            host,
            {f'AT+QCFG="{name}"': f'+QCFG: "{name}",{value}' for name, value in defaults.items()},
        )
        for name, refused in (
            ("nwscanmode", "24"),
            ("iotopmode", "3"),
            ("servicedomain", "03"),
            ("urc/delay", "2"),
        ):
            for value in refused:
                assert await host.command(f'AT+QCFG="{name}",{value}') == b"\r\nERROR\r\n", (
                    name,
                    value,
                )
        for name, taken in (("nwscanmode", "130"), ("iotopmode", "120"), ("servicedomain", "21")):
            for value in taken:
                await host.ok(f'AT+QCFG="{name}",{value},0')
                assert (await host.info(f'AT+QCFG="{name}"')).endswith(f",{value}")


def test_settings_of_build() -> None:
    """Words and numbers that build takes, and none beside them."""
    good = {
        "port": ("usbat", "usbmodem", "uart1"), "open_inactive": ("error", "urc"), "qiact_already": ("error", "ok"),
        "open_result_port": ("issuer", "urcport"), "udp_rest": ("drop", "keep"), "close_unknown": ("ok", "error"),
        "sim": ("ready", "absent"), "rat": ("m1", "nb1", "gsm"), "link": ("ok", "dead"), "imei": ("1" * 15,),
        "imsi": ("1" * 15,), "pin": ("", "1234", "12345678"), "puk": ("12345678",), "latency": ("0", "86400", "0.5"),
        "reg": ("home", "roaming", "searching", "denied", "delay:0", "delay:86400"), "ping": ("", "1", "1,2,3"),
        "state3": ("yes", "no"), "prompt_space": ("yes", "no"),
    }  # fmt: skip
    bad = {
        "port": ("usb",), "imei": ("1" * 14, "1" * 16, "1" * 14 + "x"), "imsi": ("1" * 14,), "pin": ("123", "123456789", "12x4"),
        "puk": ("1234567", "123456789"), "latency": ("-0.1", "86400.1", "x"), "reg": ("", "delay", "delay:", "delay:x", "lost", "x:1"),
        "ping": ("x", "1;2"), "state3": ("1", "true"), "operator": ('a"b', "a\rb", "a\nb"),
    }  # fmt: skip
    for name, values in good.items():
        for value in values:
            build(**{name: value})
    for name, values in bad.items():
        for value in values:
            with pytest.raises(ValueError, match=name):
                build(**{name: value})


async def test_tls_configuration() -> None:
    """AT+QSSLCFG of the SSL AT Commands Manual V1.0: contexts 0-5, versions 0-4, levels 0-2, 10 to 300 s."""
    async with bench(ready=True) as host:
        for context in (0, 5):
            await show(host, {
                f'AT+QSSLCFG="negotiatetime",{context}': f'+QSSLCFG: "negotiatetime",{context},300',
                f'AT+QSSLCFG="ciphersuite",{context}': f'+QSSLCFG: "ciphersuite",{context},0XFFFF',
            })  # fmt: skip
            for name, value in (("sslversion", 0), ("sslversion", 4), ("seclevel", 0), ("seclevel", 2),
                                ("negotiatetime", 10), ("negotiatetime", 300), ("ignorelocaltime", 0)):  # fmt: skip
                await take(host, [f'AT+QSSLCFG="{name}",{context},{value}'])
                assert (
                    await host.info(f'AT+QSSLCFG="{name}",{context}')
                    == f'+QSSLCFG: "{name}",{context},{value}'
                )
        assert await host.info('AT+QSSLCFG="sslversion",1') != '+QSSLCFG: "sslversion",1,0'
        await refuse(host, [
            'AT+QSSLCFG="sslversion",6', 'AT+QSSLCFG="sslversion",-1', 'AT+QSSLCFG="sslversion",6,3', 'AT+QSSLCFG="sslversion",0,5',
            'AT+QSSLCFG="seclevel",0,3', 'AT+QSSLCFG="negotiatetime",0,9', 'AT+QSSLCFG="negotiatetime",0,301',
            'AT+QSSLCFG="ciphersuite",0,"0XFFFF"', 'AT+QSSLCFG="sslversion",0,3,1', 'AT+QSSLCFG="nonsense",0',
        ])  # fmt: skip


@pytest.mark.parametrize(
    ("chosen", "absent", "expected"),
    [
        ("own", "", "Gateway"),
        ("own", "no libslirp", "Gateway"),
        ("auto", "", "SlirpGateway"),
        ("auto", "no libslirp", "Gateway"),
        ("slirp", "", "SlirpGateway"),
    ],
)
def test_what_is_behind_the_call(
    chosen: str, absent: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakes.slirp.missing", lambda: absent)
    assert build(network=chosen)._behind().__name__ == expected
