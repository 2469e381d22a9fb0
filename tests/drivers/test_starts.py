"""A start and an end as they go over the wire, command by command, and what a module says of itself
then; in virtual time. Each command is in the vendor's manual; which there are in a firmware, too."""

from __future__ import annotations

import asyncio
import logging

import pytest

from atdriver.errors import RestartSeen, UnsupportedFirmware, WrongModule
from netsocket.stack import InterfaceStatus
from tests.drivers.calls import written
from tests.faults.bench import assemble, opened, virtual

# -- Espressif ---------------------------------------------------------------------------------------

FOUND = ["AT", "AT", "AT+CIPSTAMAC?", "AT+CIPSTAMAC?", "ATE0", "AT+GMR"]
LEFT_OPEN = ["AT+CIPMODE=0", "AT+CIPSERVER=0", "AT+CIPSTATUS", "AT+CIPMUX=1", "AT+CIPDINFO=0"]
BY_FIRMWARE = {
    "N17": (["AT+CIPRECVMODE=1"], "_CUR", []),
    "E2": (["AT+CIPRECVTYPE?", "AT+CIPRECVMODE=1", "AT+CIPV6=1"], "", ["AT+SYSSTORE=1"]),
    "E24": (["AT+CIPRECVTYPE?", "AT+CIPRECVMODE=1", "AT+CIPV6=1", "AT+CIPSENDLCFG?"], "",
            ["AT+SYSSTORE=1"]),
    "E33": (["AT+CIPRECVTYPE?", "AT+CIPV6=1", "AT+CIPSENDLCFG?"], "", ["AT+SYSSTORE=1"]),
}  # fmt: skip


@pytest.mark.parametrize("firmware", BY_FIRMWARE)
@virtual
async def test_an_espressif_module_is_set_up_and_left_as_it_was(firmware: str) -> None:
    """What a firmware does not know is asked for, and not used; nothing is written to flash."""
    own, cur, stores = BY_FIRMWARE[firmware]
    bench = assemble("esp8266", firmware)
    async with bench.net:
        since = len(bench.wire.lines)
        assert written(bench) == [
            *FOUND,
            *(["AT+SYSSTORE=0"] if stores else []),
            *LEFT_OPEN,
            *own,
            f"AT+CWJAP{cur}?", f"AT+CWMODE{cur}=1", f"AT+CWDHCP{cur}=1,1", f"AT+CWJAP{cur}?",
            f'AT+CWJAP{cur}="lab","secret99"', f"AT+CIPSTA{cur}?",
            f"AT+CIPSTA{cur}?", f"AT+CWJAP{cur}?",
        ]  # fmt: skip
    assert written(bench, since) == [
        f"AT+CWJAP{cur}?", "AT+CWQAP",
        *(["AT+CIPV6=0"] if firmware in ("E24", "E33") else []),
        "AT+CIPRECVMODE=0", "AT+CIPDINFO=0", "AT+CIPMUX=0", *stores, "ATE1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("firmware", "receive", "asks", "told"),
    [("N17", "push", "AT+CIPRECVMODE=0", "push"), ("N17", "pull", "AT+CIPRECVMODE=1", "pull"),
     ("E24", "push", "AT+CIPRECVMODE=0", "push"), ("E24", "pull", "AT+CIPRECVMODE=1", "pull_all"),
     ("E33", "push", "", "push"), ("E33", "pull", "", "pull")],
)  # fmt: skip
@virtual
async def test_how_data_is_received(firmware: str, receive: str, asks: str, told: str) -> None:
    """Set for all links, or link by link (since v3.3)."""
    async with opened("esp8266", firmware, receive=receive) as bench:
        assert [line for line in written(bench) if "RECVMODE" in line] == ([asks] if asks else [])
        assert (await bench.stack.status()).details["receive"] == told


@virtual
async def test_a_firmware_that_can_only_push_is_used_all_the_same() -> None:
    bench = assemble("esp8266", "N17")
    bench.step(on=r"AT\+CIPRECVMODE=1", say=("ERROR",))
    async with bench.net:
        assert (await bench.stack.status()).details["receive"] == "push"


@virtual
async def test_what_a_program_left_open_is_closed() -> None:
    """Each link by its id; where that fails, the one there is without multiplexing."""
    bench = assemble("esp8266")
    rows = [f'+CIPSTATUS:{link},"TCP","192.0.2.1",7,5000,0' for link in (0, 3)]
    bench.step(on=r"AT\+CIPSTATUS", say=("STATUS:3", *rows, "OK"), times=1)
    bench.step(on=r"AT\+CIPCLOSE=3", say=("ERROR",), times=1)
    bench.step(on=r"AT\+CIPCLOSE(=0)?", say=("OK",))
    async with bench.net:
        closes = [line for line in written(bench) if line.startswith("AT+CIPCLOSE")]
        assert closes == ["AT+CIPCLOSE=0", "AT+CIPCLOSE=3", "AT+CIPCLOSE"]


@virtual
async def test_a_module_that_does_not_tell_what_a_program_left_open() -> None:
    """It comes up all the same, and no link is closed at a guess; the server is ended in any case."""
    bench = assemble("esp8266")
    bench.step(on=r"AT\+CIPSTATUS", say=("ERROR",), times=1)
    async with bench.net:
        closes = [
            line for line in written(bench) if line.startswith(("AT+CIPCLOSE", "AT+CIPSERVER"))
        ]
        assert closes == ["AT+CIPSERVER=0"]


@virtual
async def test_what_an_espressif_module_says_of_itself() -> None:
    async with opened("esp8266", "E24") as bench:
        found = await bench.stack.status()
        assert found.state is InterfaceStatus.GLOBAL_UP
        assert found.ip_address == "127.0.0.1"
        assert found.details == {
            "manufacturer": "Espressif",
            "firmware": "3.2.0.0(s-ec2dec2 - ESP32C3 - Jul 28 2023 07:05:28)",
            "generation": "E24",
            "chip": "ESP32C3",
            "receive": "pull_all",
            "ssid": "lab",
            "rssi": "-65 dBm",
        }


@virtual
async def test_a_network_that_the_module_was_in_already() -> None:
    """It is neither joined again nor left; another one is left, unless it is to stay."""
    for stay, found_in, left in ((False, "lab", 0), (False, "cafe", 1), (True, "cafe", 0)):
        bench = assemble("esp8266", "E24", stay=stay)
        row = f'+CWJAP:"{found_in}","5c:cf:7f:00:00:01",6,-50'
        bench.step(on=r"AT\+CWJAP\?", say=(row, "OK"), times=1)
        async with bench.net:
            pass
        assert written(bench).count("AT+CWQAP") == left


# -- Quectel -----------------------------------------------------------------------------------------

QUECTEL = [
    "AT", "AT", "AT+CGSN", "AT+CGSN", "ATE0", "AT&D0", "ATI", "AT+CMEE=1", "AT+CEREG=2", "AT+QISDE=0",
    'AT+QICFG="dataformat",0,0', 'AT+QICFG="viewmode",0', 'AT+QICFG="recvind",0',
]  # fmt: skip
REGISTERS = ["AT+CFUN?", "AT+CPIN?", "AT+CEREG?", "AT+QIACT?"]
LOOKS = ["AT+CPIN?", "AT+QNWINFO", "AT+CEREG?", "AT+QCSQ", "AT+COPS?", "AT+QIACT?"]


@virtual
async def test_a_bg96_is_set_up_and_left_as_it_was() -> None:
    """The port of the notices is learnt from a socket, of which only the local port is chance."""
    bench = assemble("bg96", apn="internet", user="me", password="pw", auth="chap")
    async with bench.net:
        since = len(bench.wire.lines)
        lines = written(bench)
        (opened_,) = (line for line in lines if line.startswith("AT+QIOPEN"))
        head, _, port = opened_.removesuffix(",0").rpartition(",")
        assert head == 'AT+QIOPEN=1,11,"UDP SERVICE","127.0.0.1",0'
        assert int(port) >= 49152
        assert lines == [
            *QUECTEL, "AT+QISTATE?", "AT+QSSLSTATE", *REGISTERS,
            'AT+QICSGP=1,1,"internet","me","pw",2', "AT+QIACT=1", "AT+QIACT?",
            opened_, "AT+QISTATE=1,11", "AT+QICLOSE=11,0",
            'AT+QURCCFG="urcport"', 'AT+QURCCFG="urcport","usbmodem"', *LOOKS,
        ]  # fmt: skip
    assert written(bench, since) == ['AT+QURCCFG="urcport","usbat"', "AT+CEREG=0", "ATE1"]


@pytest.mark.parametrize("persist", [False, True])
@virtual
async def test_a_port_for_the_notices_that_was_given(persist: bool) -> None:
    """No socket is needed to find it; it is put back unless it is to stay."""
    bench = assemble("bg96", urc_port="usbmodem", persist=persist)
    async with bench.net:
        since = len(bench.wire.lines)
        assert written(bench) == [
            *QUECTEL, 'AT+QURCCFG="urcport"', 'AT+QURCCFG="urcport","usbmodem"',
            "AT+QISTATE?", "AT+QSSLSTATE", *REGISTERS, "AT+QIACT=1", "AT+QIACT?", *LOOKS,
        ]  # fmt: skip
    back = [] if persist else ['AT+QURCCFG="urcport","usbat"']
    assert written(bench, since) == [*back, "AT+CEREG=0", "ATE1"]


@pytest.mark.parametrize("says", [("ERROR",), ("OK", "+QIOPEN: 11,556")], ids=["error", "notice"])
@pytest.mark.parametrize("times", [1, 3])
@virtual
async def test_a_socket_that_fails_is_opened_on_another_port(
    says: tuple[str, ...], times: int
) -> None:
    """The one from which the port of the notices is learnt, four times at the most."""
    bench = assemble("bg96")
    bench.step(on=r"AT\+QIOPEN=1,11,.*", say=says, times=times)
    async with bench.net:
        opens = [line for line in written(bench) if line.startswith("AT+QIOPEN")]
        assert len(set(opens)) == len(opens) == times + 1
        assert 'AT+QURCCFG="urcport","usbmodem"' in written(bench)


@pytest.mark.parametrize("says", [("ERROR",), ("OK", "+QIOPEN: 11,556")], ids=["error", "notice"])
@virtual
async def test_a_port_for_the_notices_that_is_not_found(
    says: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """It is up all the same: what waits is found by looking."""
    bench = assemble("bg96")
    bench.step(on=r"AT\+QIOPEN=1,11,.*", say=says)
    with caplog.at_level(logging.WARNING, "atdriver"):
        async with bench.net:
            assert len([line for line in written(bench) if line.startswith("AT+QIOPEN")]) == 4
    assert caplog.messages == ["bg96: it does not tell on which port it sends its notices"]


@virtual
async def test_a_port_for_the_notices_that_is_refused_is_not_put_back() -> None:
    bench = assemble("bg96", urc_port="usbmodem")
    bench.step(on=r'AT\+QURCCFG="urcport","usbmodem"', say=("ERROR",))
    async with bench.net:
        since = len(bench.wire.lines)
    assert written(bench, since) == ["AT+CEREG=0", "ATE1"]


@virtual
async def test_the_port_that_was_found_first_is_put_back() -> None:
    """Also when it is brought up again in between, and the module says another one."""
    bench = assemble("bg96", urc_port="usbmodem")
    async with bench.net:
        bench.fake.raw(b"\r\nRDY\r\n")
        bench.step(on=r'AT\+QURCCFG="urcport"', say=('+QURCCFG: "urcport","uart1"', "OK"))
        await asyncio.sleep(10.0)
        assert bench.net.status is InterfaceStatus.GLOBAL_UP
        since = len(bench.wire.lines)
    assert written(bench, since)[0] == 'AT+QURCCFG="urcport","usbat"'


@virtual
async def test_a_port_for_the_notices_that_is_set_already() -> None:
    bench = assemble("bg96", urc_port="usbat")
    async with bench.net:
        since = len(bench.wire.lines)
        assert [line for line in written(bench) if "urcport" in line] == ['AT+QURCCFG="urcport"']
    assert written(bench, since) == ["AT+CEREG=0", "ATE1"]


@virtual
async def test_sockets_that_a_program_left_open_are_closed() -> None:
    """One that is refused, or a row that cannot be read, does not keep the others open."""
    bench = assemble("bg96")
    rows = [f'+QISTATE: {link},"TCP","192.0.2.1",7,5000,2,1,{link},0,"usbmodem"' for link in (0, 7)]
    damaged = ("+QISTATE: x", "+QISTATE: 12,1")
    bench.step(on=r"AT\+QISTATE\?", say=(*damaged, *rows, "OK"), times=1)
    row = '+QSSLSTATE: 3,"SSLClient","192.0.2.1",443,0,2,1,3,1,"usbmodem"'
    bench.step(on=r"AT\+QSSLSTATE", say=(row, "OK"), times=1)
    bench.step(on=r"AT\+QICLOSE=0,0", say=("ERROR",), times=1)
    bench.step(on=r"AT\+(QICLOSE=7|QSSLCLOSE=3),0", say=("OK",), times=1)
    async with bench.net:
        lines = written(bench)
        at = lines.index("AT+QISTATE?")
        assert lines[at : at + 5] == ["AT+QISTATE?", "AT+QICLOSE=0,0", "AT+QICLOSE=7,0",
                                      "AT+QSSLSTATE", "AT+QSSLCLOSE=3,0"]  # fmt: skip


@pytest.mark.parametrize("persist", [False, True])
@virtual
async def test_a_radio_that_was_off_is_switched_on_and_off_again(persist: bool) -> None:
    bench = assemble("bg96", urc_port="usbat", persist=persist)
    bench.step(on=r"AT\+CFUN\?", say=("+CFUN: 4", "OK"), times=1)
    async with bench.net:
        since = len(bench.wire.lines)
        lines = written(bench)
        assert lines[lines.index("AT+CFUN?") + 1] == "AT+CFUN=1"
    off = [] if persist else ["AT+CFUN=4"]
    assert written(bench, since) == ["AT+CEREG=0", *off, "ATE1"]


@virtual
async def test_a_radio_of_which_nothing_is_told_is_left_alone() -> None:
    for says in (("ERROR",), ("OK",)):
        bench = assemble("bg96", urc_port="usbat")
        bench.step(on=r"AT\+CFUN\?", say=says, times=1)
        async with bench.net:
            pass
        assert not [line for line in written(bench) if line.startswith("AT+CFUN=")]


@pytest.mark.parametrize("says", [("ERROR",), ("+QSSLSTATE: x", "OK"), ("+QSSLSTATE: 12,1", "OK")])
@virtual
async def test_a_module_without_tls_is_no_worse(says: tuple[str, ...]) -> None:
    bench = assemble("bg96", urc_port="usbat")
    bench.step(on=r"AT\+QSSLSTATE", say=says)
    async with bench.net:
        assert not [line for line in written(bench) if line.startswith("AT+QSSLCLOSE")]


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
def test_a_module_that_nobody_has_asked(module: str) -> None:
    stack = assemble(module).stack
    assert stack.address is None
    assert stack.failure is None
    assert stack.recovery == {}
    assert stack.capabilities.firmware == {"esp8266": "E0 unknown", "bg96": "unknown"}[module]
    assert stack.capabilities.module == module
    assert stack.capabilities.limit("frame.max_send") == {"esp8266": 2048, "bg96": 1460}[module]


@virtual
async def test_what_a_bg96_says_of_itself() -> None:
    async with opened("bg96") as bench:
        found = await bench.stack.status()
        assert found.state is InterfaceStatus.GLOBAL_UP
        assert found.ip_address == "127.0.0.1"
        assert found.details == {
            "manufacturer": "Quectel",
            "model": "BG96",
            "firmware": "BG96MAR02A07M1G",
            "sim": "ready",
            "registration": "registered",
            "signal": "-53 dBm",
            "LTE signal": "RSRP -81 dBm, SINR 21.2 dB, RSRQ -11 dB",
            "operator": "Test Network",
            "network": "LTE-M LTE BAND 20",
        }


@virtual
async def test_a_module_that_is_no_bg96() -> None:
    for says, shown in (
        (
            ("SIMCOM", "SIM7000", "Revision: 1", "four", "five"),
            "SIMCOM / SIM7000 / Revision: 1 / four",
        ),
        ((), "nothing"),
    ):
        bench = assemble("bg96")
        bench.step(on="ATI", say=(*says, "OK"))
        with pytest.raises(UnsupportedFirmware) as caught:
            await bench.net.up()
        assert caught.value.strerror == (
            f"this is no BG96, BG95, BG77, BG600L: ATI answers {shown}"
        )
        await bench.net.close()


@pytest.mark.parametrize(
    ("module", "question", "back"),
    [
        ("esp8266", r"AT\+GMR", ["AT+CIPRECVMODE=0", "AT+CIPDINFO=0", "AT+CIPMUX=0", "AT+SYSSTORE=1"]),
        ("bg96", "ATI", ["AT+CEREG=0"]),
    ],
)  # fmt: skip
@virtual
async def test_what_is_put_back_where_nothing_was_set(
    module: str, question: str, back: list[str]
) -> None:
    """A start that failed early does not know how far the module had come; more it did not touch."""
    bench = assemble(module)
    bench.step(on=question, say=("OK",))
    with pytest.raises(UnsupportedFirmware):
        await bench.net.up()
    since = len(bench.wire.lines)
    await bench.net.close()
    assert written(bench, since) == [*back, "ATE1"]


@pytest.mark.parametrize("module", ["esp8266", "bg96"])
@virtual
async def test_why_it_is_not_up_is_kept(module: str) -> None:
    bench = assemble(module)
    bench.step(on=r"AT\+GMR|ATI", say=("OK",), times=1)
    with pytest.raises(UnsupportedFirmware) as caught:
        await bench.net.up()
    assert bench.stack.failure is caught.value
    await bench.net.up()
    assert bench.stack.failure is None
    await bench.net.close()


@virtual
async def test_a_module_that_tells_no_revision() -> None:
    bench = assemble("bg96")
    bench.step(on="ATI", say=("Quectel", "BG77", "OK"))
    async with bench.net:
        found = (await bench.stack.status()).details
        assert (found["model"], found["firmware"]) == ("BG77", "")


@virtual
async def test_its_relatives_are_known_by_their_first_letters() -> None:
    bench = assemble("bg96")
    bench.step(on="ATI", say=("Quectel", "BG95-M3", "Revision: BG95M3LAR02A04", "OK"))
    async with bench.net:
        found = (await bench.stack.status()).details
        assert (found["manufacturer"], found["model"], found["firmware"]) == (
            "Quectel", "BG95-M3", "BG95M3LAR02A04")  # fmt: skip


# -- both --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "hello", "leaves"), [("esp8266", "AT", "AT+CIPMUX=0"), ("bg96", "AT", "AT+CEREG=0")]
)
@virtual
async def test_where_nobody_answered_nothing_is_put_back(
    module: str, hello: str, leaves: str
) -> None:
    """Also not when there was a module the last time."""
    bench = assemble(module)
    await bench.net.up()
    await bench.net.down()
    assert leaves in written(bench)
    since = len(bench.wire.lines)
    bench.fake.be_deaf(10_000)
    with pytest.raises(OSError):
        await bench.net.up()
    await bench.net.close()
    assert hello in written(bench, since)
    assert leaves not in written(bench, since)


@pytest.mark.parametrize(
    ("module", "question", "banner", "leaves"),
    [("esp8266", r"AT\+CIPSTAMAC\?", "ready", "AT+CIPMUX=0"), ("bg96", r"AT\+CGSN", "RDY", "AT+CEREG=0")],
)  # fmt: skip
@virtual
async def test_a_start_that_failed_before_anything_was_set(
    module: str, question: str, banner: str, leaves: str
) -> None:
    bench = assemble(module)
    await bench.net.up()
    await bench.net.down()
    since = len(bench.wire.lines)
    bench.step(on=question, say=(banner,), times=1)
    with pytest.raises(RestartSeen):
        await bench.net.up()
    await bench.net.close()
    assert leaves not in written(bench, since)


@pytest.mark.parametrize(
    ("module", "question", "head"),
    [("esp8266", r"AT\+CIPSTAMAC\?", "+CIPSTAMAC:"), ("bg96", r"AT\+CGSN", "")],
)
@virtual
async def test_another_module_at_the_same_port(module: str, question: str, head: str) -> None:
    """It is left alone, and the error has both numbers, for programs as well."""
    async with opened(module) as bench:
        own = bench.stack._me
        assert own
        bench.step(on=question, say=(f"{head}other", "OK"))
        since = len(bench.wire.lines)
        with pytest.raises(WrongModule) as caught:
            await bench.stack.reopen()
        assert (caught.value.expected, caught.value.found) == (own, f"{head}other")
        assert caught.value.strerror == (
            f"{module}:fake: another {bench.stack.name} answers here ({head}other, not {own})"
        )
        assert set(written(bench, since)) == {"AT", question.replace("\\", "")}
        await bench.net.close()
