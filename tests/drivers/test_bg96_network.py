"""SIM, registration, signal and data context of a BG96: what each answer means, and the sentences that
a user reads when a start fails; in virtual time. Answers as in the BG96 AT Commands Manual V2.2."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from modems.bg96 import sim
from netsocket import errors
from netsocket.cellular import CellularState, Registration, Signal, SimState
from netsocket.interface_kinds import AsyncCellularInterface
from tests.drivers.calls import written
from tests.faults.bench import Bench, assemble, virtual
from tests.faults.ends import now


async def fails(bench: Bench, kind: type[OSError]) -> Any:
    """The start does, with an error of this very kind."""
    sim._tried.clear()
    with pytest.raises(kind) as caught:
        await bench.net.up()
    assert type(caught.value) is kind
    await bench.net.close()
    return caught.value


# -- what answers mean -------------------------------------------------------------------------------

PLAIN = CellularState(
    SimState.READY, Registration.HOME, Signal(-53, -81, 21.2, -11), "LTE-M", "Test Network", "00101",
    "LTE BAND 20",
)  # fmt: skip
ANSWERS: list[tuple[str, tuple[str, ...], dict[str, Any]]] = [
    (r"CPIN\?", ("+CPIN: READY", "OK"), {}),
    (r"CPIN\?", ("+CPIN: SIM PIN2", "OK"), {"sim": SimState.READY}),
    (r"CPIN\?", ("+CPIN: SIM PUK2", "OK"), {"sim": SimState.READY}),
    (r"CPIN\?", ("+CPIN: SIM PIN", "OK"), {"sim": SimState.PIN, "tries": 3}),
    (r"CPIN\?", ("+CPIN: SIM PUK", "OK"), {"sim": SimState.PUK, "tries": 10}),
    (r"CPIN\?", ("+CPIN: NOT READY", "OK"), {"sim": SimState.BUSY}),
    (r"CPIN\?", ("+CPIN: PH-NET PIN", "OK"), {"sim": SimState.LOCKED}),
    (r"CPIN\?", ("+CPIN: WHAT", "OK"), {"sim": SimState.UNKNOWN}),
    (r"CPIN\?", ("OK",), {"sim": SimState.UNKNOWN}),
    (r"CPIN\?", ("ERROR",), {"sim": SimState.UNKNOWN}),
    (r"CPIN\?", ("+CME ERROR: SIM not inserted",), {"sim": SimState.ABSENT}),
    (r"CPIN\?", ("+CME ERROR: 10",), {"sim": SimState.ABSENT}),
    (r"CPIN\?", ("+CME ERROR: 11",), {"sim": SimState.PIN, "tries": 3}),
    (r"CPIN\?", ("+CME ERROR: 12",), {"sim": SimState.PUK, "tries": 10}),
    (r"CPIN\?", ("+CME ERROR: 13",), {"sim": SimState.FAILED}),
    (r"CPIN\?", ("+CME ERROR: 14",), {"sim": SimState.BUSY}),
    (r"CPIN\?", ("+CME ERROR: 15",), {"sim": SimState.FAILED}),
    (r"CPIN\?", ("+CME ERROR: 3",), {"sim": SimState.UNKNOWN}),
    (r"CEREG\?", ("+CEREG: 2,5", "OK"), {"registration": Registration.ROAMING}),
    (r"CEREG\?", ("+CEREG: 2,2", "OK"), {"registration": Registration.HOME}),  # by GPRS
    (r"CEREG\?", ("ERROR",), {"registration": Registration.HOME}),
    (r"CEREG\?", ("+CEREG: 2,4", "OK"), {"registration": Registration.HOME}),
    (r"QNWINFO", ('+QNWINFO: "NBIoT","26201","LTE BAND 8",3700', "OK"),
     {"technology": "NB-IoT", "plmn": "26201", "band": "LTE BAND 8"}),
    (r"QNWINFO", ('+QNWINFO: "EDGE","26201","GSM 900",50', "OK"),
     {"technology": "GSM", "plmn": "26201", "band": "GSM 900"}),
    (r"QNWINFO", ('+QNWINFO: "5G","26201","N78"', "OK"),
     {"technology": "5G", "plmn": "26201", "band": "N78"}),
    (r"QNWINFO", ('+QNWINFO: "eMTC","26201"', "OK"), {"technology": "", "plmn": "", "band": ""}),
    (r"QNWINFO", ("+QNWINFO: No Service", "OK"), {"technology": "", "plmn": "", "band": ""}),
    (r"QNWINFO", ("ERROR",), {"technology": "", "plmn": "", "band": ""}),
    (r"COPS\?", ('+COPS: 0,0,"Two, and more",8', "OK"), {"operator": "Two, and more"}),
    (r"COPS\?", ('+COPS: 0,0,"3: the net",8', "OK"), {"operator": "3: the net"}),
    (r"COPS\?", ("+COPS: 0", "OK"), {"operator": ""}),
    (r"QCSQ", ('+QCSQ: "GSM",-71', "OK"), {"signal": Signal(-71)}),
    (r"QCSQ", ('+QCSQ: "CAT-M1",-52,-81,0,-14', "OK"), {"signal": Signal(-52, -81, -20.0, -14)}),
    (r"QCSQ", ('+QCSQ: "CAT-M1",-52,-81,251,-14', "OK"), {"signal": Signal(-52, -81, 30.2, -14)}),
    (r"QCSQ", ('+QCSQ: "CAT-M1",-52,-81,-,-14', "OK"), {"signal": Signal(-52, -81, None, -14)}),
]  # fmt: skip


@virtual
async def test_every_answer_about_sim_and_network() -> None:
    """Each alone, among the usual ones."""
    bench = assemble("bg96")
    assert isinstance(bench.net, AsyncCellularInterface)
    async with bench.net:
        bench.step(on=r"AT\+CGREG\?", say=("+CGREG: 2,1", "OK"))
        for question, says, told in ANSWERS:
            step = bench.step(on=rf"AT\+{question}", say=says, times=1)
            found = await bench.net.cellular()
            assert found == dataclasses.replace(PLAIN, **told), (question, says)
            assert bench.fake.scenario.used[step]


@pytest.mark.parametrize(
    ("lte", "gprs", "registration"),
    [
        (("+CEREG: 2,4", "OK"), ("+CGREG: 2,2", "OK"), Registration.UNKNOWN),
        (("+CEREG: 2,0", "OK"), ("+CGREG: 2,3", "OK"), Registration.DENIED),
        (("+CEREG: 2,2", "OK"), ("+CGREG: 2,0", "OK"), Registration.SEARCHING),
        (("+CEREG: 2,9", "OK"), ("ERROR",), Registration.UNKNOWN),
        (("ERROR",), ("+CGREG: 2,5", "OK"), Registration.ROAMING),
        (("ERROR",), ("ERROR",), Registration.OFF),
        (("OK",), ("OK",), Registration.OFF),
    ],
)
@virtual
async def test_the_registration_is_the_better_of_two(
    lte: tuple[str, ...], gprs: tuple[str, ...], registration: Registration
) -> None:
    bench = assemble("bg96")
    assert isinstance(bench.net, AsyncCellularInterface)
    bench.step(on=r"AT\+CEREG\?", say=lte)
    bench.step(on=r"AT\+CGREG\?", say=gprs)
    assert (await bench.net.cellular()).registration is registration
    await bench.net.close()


@pytest.mark.parametrize(
    ("says", "rssi"),
    [("+CSQ: 0,99", -113), ("+CSQ: 31,99", -51), ("+CSQ: 20,99", -73), ("+CSQ: 32,99", None),
     ("+CSQ: 99,99", None), ("+CSQ: 199,99", None), ("", None)],
)  # fmt: skip
@virtual
async def test_signal_strength_where_nothing_better_is_told(says: str, rssi: int | None) -> None:
    """0 to 31 stand for -113 to -51 dBm, 99 for unknown (AT+CSQ)."""
    bench = assemble("bg96")
    assert isinstance(bench.net, AsyncCellularInterface)
    bench.step(on=r"AT\+QCSQ", say=('+QCSQ: "NOSERVICE"', "OK"))
    bench.step(on=r"AT\+CSQ", say=(says, "OK") if says else ("ERROR",))
    assert (await bench.net.cellular()).signal == Signal(rssi)
    await bench.net.close()


@virtual
async def test_a_state_in_words() -> None:
    bench = assemble("bg96")
    async with bench.net:
        bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PIN", "OK"), times=1)
        bench.step(on=r"AT\+QPINC=.*", say=('+QPINC: "SC",1,10', "OK"), times=1)
        bench.step(on=r"AT\+QCSQ", say=('+QCSQ: "GSM",-71', "OK"), times=1)
        bench.step(on=r"AT\+QNWINFO", say=('+QNWINFO: "GSM","00101",""', "OK"), times=1)
        found = (await bench.stack.status()).details
        assert {key: found.get(key) for key in ("sim", "signal", "LTE signal", "network")} == {
            "sim": "PIN needed (1 try left)", "signal": "-71 dBm", "LTE signal": None, "network": "GSM",
        }  # fmt: skip
        bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PUK", "OK"), times=1)
        assert (await bench.stack.status()).details["sim"] == (
            "blocked, PUK needed (10 tries left)"
        )


# -- the SIM -----------------------------------------------------------------------------------------

BY_HAND = "enter it with a telephone, or by hand with `atdriver at SPEC AT+CPIN=…`"
PUK = ("the SIM is blocked and wants its PUK ({}): the operator tells it; enter it with a telephone, or "
       "by hand with `atdriver at SPEC 'AT+CPIN=\"PUK\",\"NEW PIN\"'`")  # fmt: skip


@pytest.mark.parametrize(
    ("says", "counts", "pin", "kind", "text"),
    [
        ("+CPIN: SIM PIN", "3,10", "", errors.AuthenticationFailed,
         "the SIM wants its PIN (3 tries left): give pin=…, best as ATDRIVER_PIN in the environment"),
        ("+CPIN: SIM PIN", "1,10", "1234", errors.AuthenticationFailed,
         "the SIM wants its PIN, and only 1 try left before it is blocked, which is not risked here: "
         + BY_HAND),
        ("+CPIN: SIM PUK", "0,9", "1234", errors.AuthenticationFailed, PUK.format("9 tries left")),
        ("+CPIN: SIM PUK", "0", "", errors.AuthenticationFailed,
         PUK.format("the module does not tell how many tries are left")),
        ("+CME ERROR: 10", "", "", errors.NetworkDown,
         "no SIM card is in the module: put one in (the right way round, contacts clean) and start "
         "again"),
        ("+CPIN: PH-SIM PIN", "", "", errors.NetworkDown,
         "the SIM and the module are locked to different operators or devices (AT+CPIN? asks for a "
         "PH- code): take another SIM"),
        ("+CPIN: NOT READY", "", "", errors.NetworkDown,
         "the SIM does not get ready (busy): take it out and clean it, or try it in a telephone"),
    ],
    ids=["no-pin", "last-try", "puk", "puk-untold", "absent", "locked", "busy"],
)  # fmt: skip
@virtual
async def test_a_sim_that_is_not_ready(
    says: str, counts: str, pin: str, kind: type[OSError], text: str
) -> None:
    """Nothing is tried; only a SIM that is busy is waited for."""
    bench = assemble("bg96", pin=pin)
    ok = () if "ERROR" in says else ("OK",)
    bench.step(on=r"AT\+CPIN\?", say=(says, *ok))
    bench.step(on=r"AT\+QPINC=.*", say=(f'+QPINC: "SC",{counts}', "OK"))
    begun = now()
    error = await fails(bench, kind)
    assert error.reason == text
    assert not [line for line in written(bench) if line.startswith("AT+CPIN=")]
    assert (now() - begun > 15.0) is (says == "+CPIN: NOT READY")
    assert now() - begun < 18.0


@virtual
async def test_a_sim_that_gets_ready_in_time() -> None:
    """After power-up it is busy for some seconds; a PIN that was entered takes a moment."""
    bench = assemble("bg96", fake={"pin": "1234"}, pin="1234")
    bench.step(on=r"AT\+CPIN\?", say=("+CPIN: NOT READY", "OK"), times=20)
    bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PIN", "OK"), times=3)
    sim._tried.clear()
    async with bench.net:
        lines = written(bench)
        assert lines.count("AT+CPIN=1234") == 1
        asked = [at for at, way, data in bench.wire.lines if way == ">" and b"CPIN?" in data]
        assert 0.49 < asked[1] - asked[0] < 0.6
        at = lines.index("AT+CPIN=1234")
        assert lines[at - 2 : at] == ["AT+CPIN?", 'AT+QPINC="SC"']


@virtual
async def test_a_pin_that_is_refused_is_not_tried_again() -> None:
    """Neither by the next start of this process."""
    bench = assemble("bg96", fake={"pin": "4321"}, pin="1234")
    error = await fails(bench, errors.AuthenticationFailed)
    assert error.reason == "the SIM refused the PIN (2 tries left; without any it is blocked)"
    assert error.module_code == "16"
    assert written(bench).count("AT+CPIN=1234") == 1
    again = assemble("bg96", fake={"pin": "4321"}, pin="1234")
    with pytest.raises(errors.AuthenticationFailed) as caught:
        await again.net.up()
    assert caught.value.reason == "this PIN was refused before; it is not tried again"
    await again.net.close()
    assert b"AT+CPIN=" not in again.wire.written


@virtual
async def test_another_pin_may_be_tried() -> None:
    """It was that one that was refused."""
    bench = assemble("bg96", fake={"pin": "4321"}, pin="1234")
    await fails(bench, errors.AuthenticationFailed)
    again = assemble("bg96", fake={"pin": "4321"}, pin="4321")
    async with again.net:
        assert "AT+CPIN=4321" in written(again)


@virtual
async def test_a_pin_that_blocks_the_sim() -> None:
    bench = assemble("bg96", pin="1234")
    bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PIN", "OK"), times=1)
    bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PUK", "OK"))
    bench.step(on=r"AT\+QPINC=.*", say=('+QPINC: "SC",2,7', "OK"))
    bench.step(on=r"AT\+CPIN=.*", say=("ERROR",))
    error = await fails(bench, errors.AuthenticationFailed)
    assert error.reason == PUK.format("7 tries left")
    assert error.module_code is None


# -- registration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ('+QCSQ: "CAT-M1",-52,-81,206,-14',
         "; signal -52 dBm, RSRP -81 dBm, SINR 21.2 dB, RSRQ -14 dB): wait longer with "
         "register_timeout=… (a first search may take minutes), or choose radio=gsm|ltem|nbiot as the "
         "SIM's plan has it"),
        ('+QCSQ: "NOSERVICE"',
         "; no signal): is the antenna connected, to the right socket? is there coverage for this "
         "radio=… and bands=…?"),
    ],
    ids=["heard", "unheard"],
)  # fmt: skip
@virtual
async def test_no_network_takes_it(heard: str, text: str) -> None:
    bench = assemble("bg96", register_timeout=7.0)
    bench.step(on=r"AT\+CEREG\?", say=("+CEREG: 2,2", "OK"))
    bench.step(on=r"AT\+CGREG\?", say=("+CGREG: 2,0", "OK"))
    bench.step(on=r"AT\+QCSQ", say=(heard, "OK"))
    bench.step(on=r"AT\+CSQ", say=("+CSQ: 99,99", "OK"))
    begun = now()
    error = await fails(bench, errors.NetworkTimeout)
    assert error.reason == f"no registration in 7 s (searching{text}"
    assert 7.0 <= now() - begun < 10.0
    asked = [at for at, way, data in bench.wire.lines if way == ">" and b"CEREG?" in data]
    assert 0.49 < asked[1] - asked[0] < 0.6


@pytest.mark.parametrize(("timeout", "seconds"), [(90.0, 20.0), (3.0, 3.0)])
@virtual
async def test_a_network_that_denies(timeout: float, seconds: float) -> None:
    """It counts when it lasts, or the time is over."""
    bench = assemble("bg96", register_timeout=timeout)
    bench.step(on=r"AT\+CEREG\?", say=("+CEREG: 2,3", "OK"))
    bench.step(on=r"AT\+CGREG\?", say=("ERROR",))
    begun = now()
    error = await fails(bench, errors.AuthenticationFailed)
    assert error.reason == (
        "the network denies the registration (the module tells no cause): is the SIM activated and "
        "paid for, may it roam here, does its plan cover LTE-M or NB-IoT? radio=gsm|ltem|nbiot tries "
        "another technology"
    )
    assert seconds <= now() - begun < seconds + 3.0


@virtual
async def test_news_of_the_registration_is_asked_for_at_once() -> None:
    bench = assemble("bg96")
    bench.step(on=r"AT\+CEREG\?", say=("+CEREG: 2,2", "OK"), times=1)
    bench.step(on=r"AT\+CGREG\?", say=("+CGREG: 2,0", "OK"), times=1)
    starting = asyncio.ensure_future(bench.net.up())
    while b"+CGREG?" not in bench.wire.written:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    told = now()
    bench.fake.raw(b"\r\n+CEREG: 1\r\n")
    await starting
    asked = [at for at, way, data in bench.wire.lines if way == ">" and b"+CEREG?" in data]
    assert told <= asked[1] < told + 0.05
    await bench.net.close()


# -- the data context --------------------------------------------------------------------------------

GIVE = ("give apn=NAME, which the SIM's operator tells (with user=…, password=…, auth=pap|chap where it "
        "needs them)")  # fmt: skip


@pytest.mark.parametrize(
    ("apn", "stored", "text"),
    [
        ("mine", '1,"theirs","","",0', "the network refused APN 'mine' ({}): "),
        ("", '1,"theirs","","",0',
         "the network refused APN 'theirs', which is stored in the module ({}): "),
        ("", '1,"","","",0', "no APN was given and none is stored, and the network gives no data "
         "connection without one ({}): "),
    ],
    ids=["given", "stored", "none"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("why", "says", "code"),
    [("+QIGETERROR: 561,open PDP context failed", "561 open PDP context failed", "561"),
     ("+QIGETERROR: 999,what", "999 undocumented", "999"),
     ("+QIGETERROR: 0,operate successfully", "AT+QIACT=1: ERROR", None)],
    ids=["561", "999", "0"],
)  # fmt: skip
@virtual
async def test_a_context_that_is_refused(
    apn: str, stored: str, text: str, why: str, says: str, code: str | None
) -> None:
    bench = assemble("bg96", apn=apn)
    bench.step(on=r"AT\+QICSGP=1", say=(f"+QICSGP: {stored}", "OK"))
    bench.step(on=r"AT\+QIACT=1", say=("ERROR",))
    bench.step(on=r"AT\+QIGETERROR", say=(why, "OK"))
    error = await fails(bench, errors.NetworkDown)
    assert error.reason == text.format(says) + GIVE
    assert error.module_code == code


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"apn": "a" * 101}, "an APN has at most 100 characters"),
        ({"user": "u" * 65}, "the APN's user name"),
        ({"password": "p" * 65}, "the APN's password"),
    ],
)
@virtual
async def test_names_of_a_context_that_are_too_long(settings: dict[str, str], text: str) -> None:
    with pytest.raises(OSError, match=text):
        await assemble("bg96", **{"apn": "a", "auth": "pap", **settings}).net.up()
    bench = assemble("bg96", apn="a" * 100, user="u" * 64, password="p" * 64, auth="pap")
    async with bench.net:
        line = f'AT+QICSGP=1,1,"{"a" * 100}","{"u" * 64}","{"p" * 64}",1'
        assert line in written(bench)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"apn": "internet", "user": "me", "password": "pw", "auth": "pap"}, True),
        ({"apn": "internet", "user": "me", "password": "pw", "auth": "chap"}, False),
        ({"apn": "internet", "user": "me", "password": "other", "auth": "pap"}, False),
        ({"apn": "other", "user": "me", "password": "pw", "auth": "pap"}, False),
        ({}, True),
    ],
    ids=["same", "method", "password", "apn", "none-given"],
)
@virtual
async def test_a_context_that_is_active_already(settings: dict[str, str], kept: bool) -> None:
    """It is used where it is the one that is asked for; rows of other contexts are nobody's."""
    bench = assemble("bg96", **settings)
    bench.fake.contexts[1].active = True  # type: ignore[attr-defined]
    rows = ('+QIACT: 2,1,1,"10.9.9.9"', '+QIACT: 1,0,1,"10.8.8.8"', '+QIACT: 1,1,1,"10.7.7.7"')
    bench.step(on=r"AT\+QIACT\?", say=(*rows, "OK"), times=1)
    bench.step(on=r"AT\+QICSGP=1", say=('+QICSGP: 1,"internet","me","pw",1', "OK"))
    bench.step(on=r"AT\+QIACT\?", say=('+QIACT: 1,1,1,"10.7.7.8"', "OK"), times=1)
    async with bench.net:
        lines = [line for line in written(bench) if line.startswith(("AT+QIACT=", "AT+QIDEACT"))]
        assert lines == ([] if kept else ["AT+QIDEACT=1", "AT+QIACT=1"])
        assert bench.stack.address == ("10.7.7.7" if kept else "10.7.7.8")


@virtual
async def test_how_long_the_module_may_take_for_a_context() -> None:
    """150 s are its own limit (AT+QIACT), 40 s for giving one up (AT+QIDEACT)."""
    bench = assemble("bg96", apn="internet")
    bench.step(on=r"AT\+QIACT\?", say=('+QIACT: 1,1,1,"10.7.7.7"', "OK"), times=1)
    bench.step(on=r"AT\+QIDEACT=1", passes=True, after=41.0, times=1)
    bench.step(on=r"AT\+QIACT=1", passes=True, after=151.0, times=1)
    async with bench.net:
        assert now() > 190.0
        assert written(bench).count("AT+QIACT=1") == 1
