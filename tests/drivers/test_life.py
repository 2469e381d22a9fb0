"""The life of a module behind its interface: what a restart, a silence or a lost port is called, what is
asked while nobody uses it, which settings are told and put back. On both modules, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from atdriver.errors import (
    CommandFailed,
    CommandTimeout,
    ModuleSilent,
    PortLost,
    RestartSeen,
    SpecificationError,
)
from atdriver.links.memory import MemoryLink
from modems.lifecycle import ModuleState
from modems.module import ModuleStack
from netsocket import errors
from netsocket.stack import InterfaceStatus, Kind
from tests.drivers.calls import ECHO, both, statuses, stream, written
from tests.faults.bench import assemble, opened, virtual
from tests.faults.ends import now
from tests.faults.talk import round_trip

UP, CONNECTING, DOWN = (
    InterfaceStatus.GLOBAL_UP,
    InterfaceStatus.CONNECTING,
    InterfaceStatus.DISCONNECTED,
)
BANNER = {"esp8266": b"\r\nready\r\n", "bg96": b"\r\nRDY\r\n"}
CANARY = {"esp8266": "AT+CIPMUX?", "bg96": "AT+CEREG?"}


class QuickLink(MemoryLink):
    """Its close does not wait for the module to end."""

    async def close(self) -> None:
        self._receiver = None


async def until(stack: ModuleStack, status: InterfaceStatus) -> None:
    async with asyncio.timeout(600):
        while stack.told is not status:
            await asyncio.sleep(0.05)


# -- ends --------------------------------------------------------------------------------------------


@both
@virtual
async def test_a_restart(module: str) -> None:
    """Every socket ends with it, the epoch counts it, and it comes up again by itself."""
    async with opened(module) as bench:
        stack, told = bench.stack, statuses(bench)
        tcp, epoch = await stream(bench), stack.epoch
        bench.fake.raw(BANNER[module])
        await asyncio.sleep(0.05)
        assert stack.epoch == epoch + 1
        assert told == [CONNECTING]
        for call in (stack.recv(tcp, 1), stack.send(tcp, b"x")):
            with pytest.raises(errors.ModuleRestarted) as caught:
                await call
            assert caught.value.reason == f"the {module} restarted"
        await until(stack, UP)
        assert told == [CONNECTING, UP]
        assert stack.failure is None
        assert stack.recovery == {"restart": 1, "retry": 1}
        with pytest.raises(errors.ModuleRestarted):
            await stack.recv(tcp, 1)


@pytest.mark.parametrize(
    ("module", "says"), [("esp8266", ()), ("bg96", ()), ("bg96", ("OK",))], ids=["E", "B", "B-OK"]
)
@virtual
async def test_a_call_that_a_restart_ends(module: str, says: tuple[str, ...]) -> None:
    """Whatever the module said last, and whether a command is under way or a notice is due."""
    async with opened(module) as bench:
        stack = bench.stack
        tcp = await stack.open(Kind.TCP)
        bench.step(on=r"AT\+(CIPSTART|QIOPEN).*", say=says, times=1)
        call = asyncio.ensure_future(stack.connect(tcp, ECHO))
        await asyncio.sleep(2.0)
        bench.fake.raw(BANNER[module])
        with pytest.raises(errors.ModuleRestarted) as caught:
            await call
        assert caught.value.reason == f"the {module} restarted during the call"
        assert isinstance(caught.value.__cause__, OSError)


@both
@virtual
async def test_a_module_that_does_not_answer_any_more(module: str) -> None:
    async with opened(module, reconnect="never") as bench:
        stack, told = bench.stack, statuses(bench)
        tcp = await stream(bench)
        bench.fake.be_deaf(10_000)
        begun = now()
        await until(stack, DOWN)
        assert 60.0 < now() - begun < 100.0
        for error in (stack.failure, await raised(stack.recv(tcp, 1))):
            assert isinstance(error, errors.ConnectionReset)
            assert error.reason == f"the {module} at {module}:fake does not answer any more"
        assert told == [CONNECTING, DOWN]
        assert stack.recovery == {"failed": 1, "resync": 1, "silent": 1}


@both
@virtual
async def test_a_port_that_is_gone(module: str) -> None:
    async with opened(module, reconnect="never") as bench:
        stack, told = bench.stack, statuses(bench)
        tcp = await stream(bench)
        bench.channel.link_lost(PortLost("unplugged"))
        await asyncio.sleep(0.1)
        for error in (stack.failure, await raised(stack.recv(tcp, 1))):
            assert isinstance(error, errors.ConnectionReset)
            assert error.reason == f"{module}:fake: the port of the {module} is gone"
        assert told == [DOWN]
        assert stack.recovery == {"failed": 1, "unplugged": 1}


async def raised(call: object) -> BaseException:
    with pytest.raises(OSError) as caught:
        await call  # type: ignore[misc]
    return caught.value


@both
@virtual
async def test_a_restart_while_it_is_brought_up(module: str) -> None:
    """It spoils it, though it hit no command."""
    bench = assemble(module)
    last = {"esp8266": r"AT\+CWDHCP.*", "bg96": r"AT\+CFUN\?"}[module]
    answer = {"esp8266": ("OK",), "bg96": ("+CFUN: 1", "OK")}[module]
    bench.step(on=last, say=(*answer, BANNER[module].strip().decode()), times=1)
    with pytest.raises(RestartSeen):
        await bench.net.up()
    assert bench.net.status is DOWN
    await bench.net.up()
    assert bench.net.status is UP
    await bench.net.close()


@both
@virtual
async def test_it_is_reset_and_opened_anew_by_hand(module: str) -> None:
    """What it knew is gone: sockets end, and the epoch counts it."""
    async with opened(module) as bench:
        stack = bench.stack
        for count, how in enumerate((stack.reset, stack.reopen), 1):
            tcp, epoch = await stream(bench), stack.epoch
            since = len(bench.wire.lines)
            begun = now()
            await how()
            assert stack.epoch > epoch
            error = await raised(stack.recv(tcp, 1))
            assert isinstance(error, errors.ModuleRestarted)
            assert error.reason in (f"the {module} is started anew", f"the {module} restarted")
            await stack.close(tcp)
            reset = {"esp8266": "AT+RST", "bg96": "AT+CFUN=1,1"}[module]
            assert (reset in written(bench, since)) is (count == 1)
            assert now() - begun < 20.0
            assert (await stack.status()).state is UP


@both
@virtual
async def test_a_port_that_is_there_again_is_opened_anew_by_hand(module: str) -> None:
    """Without recovery it waits for that; what the interface was told before stays true."""
    async with opened(module, reconnect="never") as bench:
        bench.channel.link_lost(PortLost("unplugged"))
        await asyncio.sleep(0.1)
        assert bench.net.status is DOWN
        assert not bench.channel.reachable
        await bench.net.up()
        assert bench.net.status is UP
        assert bench.channel.reachable
        await round_trip(bench)


@both
@virtual
async def test_a_module_that_stalls_as_it_is_opened_anew_by_hand_is_not_called_up(
    module: str,
) -> None:
    """The module answers again, but has neither its settings nor a network."""
    async with opened(module) as bench:
        stack, told = bench.stack, statuses(bench)
        first = {"esp8266": r"AT\+GMR", "bg96": r"AT\+CGMM|ATI|AT\+CGMR"}[module]
        bench.step(on=first, passes=True, after=25.0, times=1)
        assert isinstance(await raised(stack.reopen()), CommandTimeout)
        await asyncio.sleep(120.0)
        assert told == [CONNECTING]
        assert stack.state is not ModuleState.IP_READY


@both
@virtual
async def test_what_is_configured_while_it_recovers_is_not_configured_again(module: str) -> None:
    """A program asked it something in the meantime."""
    async with opened(module) as bench:
        since = len(bench.wire.lines)
        bench.fake.raw(BANNER[module])
        await asyncio.sleep(0.05)
        await bench.stack.configure()
        assert bench.stack.told is CONNECTING
        await until(bench.stack, UP)
        assert written(bench, since).count("ATE0") == 1
        await round_trip(bench)


@both
@virtual
async def test_a_module_that_does_not_come_back_from_its_reset(module: str) -> None:
    """20 s are waited for it."""
    async with opened(module) as bench:
        bench.fake.be_deaf(10_000)
        begun = now()
        with pytest.raises(ModuleSilent):
            await bench.stack.reset()
        assert 20.0 <= now() - begun < 30.0


# -- while nobody uses it ----------------------------------------------------------------------------


@both
@virtual
async def test_it_is_asked_whether_it_is_still_there(module: str) -> None:
    """Each 8 s of silence; and once a minute whether the network is."""
    network = {"esp8266": "AT+CWJAP?", "bg96": "AT+QIACT?"}[module]
    async with opened(module) as bench:
        since, begun = len(bench.wire.lines), now()
        await asyncio.sleep(185.0)
        lines = bench.wire.lines[since:]
        asked = [
            at - begun for at, way, data in lines if way == ">" and CANARY[module] in str(data)
        ]
        gaps = [b - a for a, b in zip(asked, asked[1:], strict=False)]
        assert all(7.5 < gap < 17.0 for gap in gaps)
        assert 18 <= len(asked) <= 24
        looks = [at - begun for at, way, data in lines if way == ">" and network in str(data)]
        assert 2 <= len(looks) <= 3
        assert 55.0 < looks[0] < 70.0


@both
@virtual
async def test_an_echo_that_comes_back_is_switched_off(module: str) -> None:
    """A module that restarted without a word echoes; so does one that somebody told to."""
    async with opened(module) as bench:
        bench.fake.echo = True  # type: ignore[attr-defined]
        since = len(bench.wire.lines)
        await bench.stack.status()
        await asyncio.sleep(0.5)
        assert "ATE0" in written(bench, since)
        assert bench.net.status is UP


# -- settings that it keeps --------------------------------------------------------------------------


@virtual
async def test_what_a_bg96_keeps() -> None:
    bench = assemble("bg96")
    found = await bench.stack.kept_settings()
    assert list(found) == [
        'AT+QURCCFG="urcport"', "AT+IPR?", "AT+QICSGP=1", 'AT+QCFG="nwscanmode"', 'AT+QCFG="iotopmode"',
        'AT+QCFG="nwscanseq"', 'AT+QCFG="band"',
    ]  # fmt: skip
    assert found['AT+QURCCFG="urcport"'] == '+QURCCFG: "urcport","usbat"'
    assert found["AT+QICSGP=1"] == '+QICSGP: 1,"","","",0'
    assert not bench.channel.reachable


@virtual
async def test_what_an_espressif_module_keeps() -> None:
    """What a firmware does not know is left out; an answer of several lines is told in one."""
    bench = assemble("esp8266", "E24")
    bench.step(on=r"AT\+UART_DEF\?", say=("+UART_DEF:115200,8,1,0,0", "+UART_DEF:again", "OK"))
    bench.step(on=r"AT\+SYSSTORE\?", say=("+SYSSTORE:1", "OK"))
    bench.step(on=r"AT\+CW(MODE|DHCP)_DEF\?", say=("ERROR",))
    assert await bench.stack.kept_settings() == {
        "AT+UART_DEF?": "+UART_DEF:115200,8,1,0,0 / +UART_DEF:again",
        "AT+SYSSTORE?": "+SYSSTORE:1",
    }


@virtual
async def test_a_profile_is_put_back_where_it_differs() -> None:
    """It is the only setting that a driver leaves; its password is a secret. A refusal is no error."""
    bench = assemble("bg96")
    former = await bench.stack.kept_settings()
    wanted = dict(former)
    wanted["AT+QICSGP=1"] = '+QICSGP: 1,"theirs","me","pw",2'
    wanted["AT+IPR?"] = "+IPR: 9600"
    since = len(bench.wire.lines)
    found = await bench.stack.put_back(wanted)
    sets = [line for line in written(bench, since) if line.startswith("AT+QICSGP=1,")]
    assert sets == ['AT+QICSGP=1,1,"theirs","me","pw",2']
    assert found["AT+QICSGP=1"] == '+QICSGP: 1,"theirs","me","pw",2'
    assert found["AT+IPR?"] == former["AT+IPR?"]
    since = len(bench.wire.lines)
    assert await bench.stack.put_back({}) == found
    assert await bench.stack.put_back(found) == found
    assert not [line for line in written(bench, since) if line.startswith("AT+QICSGP=1,")]
    bench.step(on=r"AT\+QICSGP=1,.*", say=("ERROR",))
    assert await bench.stack.put_back(former) == found


@both
@virtual
async def test_settings_of_a_module_that_is_up_are_told_without_taking_it_down(module: str) -> None:
    async with opened(module) as bench:
        assert await bench.stack.kept_settings()
        assert bench.net.status is UP
        assert bench.channel.reachable


# -- ends of a start ---------------------------------------------------------------------------------


@both
@virtual
async def test_an_end_does_not_take_long(module: str) -> None:
    """A module that answers nothing has 5 s for its sockets, 3 s for its settings."""
    bench = assemble(module)
    await bench.net.up()
    await stream(bench)
    bench.fake.be_deaf(10_000)
    begun = now()
    await bench.net.close()
    assert now() - begun < 12.0
    assert not bench.channel.reachable
    assert bench.stack._sockets == {}


@both
@virtual
async def test_an_end_leaves_nothing_behind(module: str) -> None:
    """Also of what cleans up behind a call that was cut short, and waits for a deaf module; though the
    port is closed in no time."""
    bench = assemble(module, link=lambda fake: QuickLink(fake, module))
    await bench.net.up()
    left: list[int] = []
    bench.net.on_status(lambda _status: left.append(len(bench.stack._tasks)))
    bench.step(on={"esp8266": r"AT\+CIPSTART=.*", "bg96": r"AT\+QIOPEN=.*"}[module], say=())
    handle = await bench.stack.open(Kind.TCP)
    call = asyncio.ensure_future(bench.stack.connect(handle, ECHO))
    await asyncio.sleep(0.5)
    bench.fake.be_deaf(10_000)
    begun = now()
    await bench.net.close()
    assert now() - begun < 12.0
    assert left == [0], "when it is told to be down"
    assert bench.stack._sockets == {}
    await asyncio.gather(call, return_exceptions=True)
    await bench.fake.stop()


@both
@virtual
async def test_a_refused_setting_does_not_keep_the_others_from_being_put_back(module: str) -> None:
    bench = assemble(module)
    async with bench.net:
        refused = {"esp8266": r"AT\+CIPRECVMODE=0", "bg96": r"AT\+CEREG=0"}[module]
        bench.step(on=refused, say=("ERROR",))
        since = len(bench.wire.lines)
    assert written(bench, since)[-1] == "ATE1"


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"apn": 'a"b'}, "no quotes and no control characters in the APN"),
        ({"apn": "a", "user": "\n"}, "no quotes and no control characters in the user name"),
        ({"radio": "5g"}, "radio=5g: auto, or gsm, ltem, nbiot, several joined by + in searching "
         "order"),
        ({"bands": "b3+b7"}, "bands=b3+b7: b7 is no band; all, or gsm900, gsm1800, gsm850, "
         "gsm1900, b1, b2, b3, b4, b5, b8, b12, b13, b18, b19, b20, b26, b28, b39, joined by +"),
        ({"bands": "b3++b8"}, "bands=b3++b8: nothing is no band; all, or gsm900, gsm1800, gsm850, "
         "gsm1900, b1, b2, b3, b4, b5, b8, b12, b13, b18, b19, b20, b26, b28, b39, joined by +"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(settings: dict[str, str], text: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        assemble("bg96", **settings)
    assert caught.value.strerror == text


@virtual
async def test_a_password_without_an_apn_is_anothers() -> None:
    """It stands in the environment, perhaps for another module."""
    bench = assemble("bg96", user="me", password="pw")
    async with bench.net:
        assert b"AT+QICSGP=1,1" not in bench.wire.written


@virtual
async def test_a_radio_that_is_refused() -> None:
    bench = assemble("bg96", radio="nbiot")
    bench.step(on=r'AT\+QCFG="iotopmode",.*', say=("+CME ERROR: 50",))
    bench.step(on=r'AT\+QCFG="nwscanmode"', say=('+QCFG: "nwscanmode",3', "OK"))
    with pytest.raises(errors.DeviceError) as caught:
        await bench.net.up()
    assert caught.value.reason == (
        'the module refuses AT+QCFG="iotopmode",1 (radio=… and bands=…): not every variant has every '
        "technology"
    )
    assert caught.value.module_code == "50"
    assert isinstance(caught.value.__cause__, CommandFailed)
    await bench.net.close()


@pytest.mark.parametrize(
    ("seen", "wanted", "line"),
    [
        ("0xf,0x400a0e189f,0xa0e189f", "gsm900", '"band",1,400a0e189f,a0e189f'),
        ("0xf,0x400a0e189f,0xa0e189f", "b20", '"band",f,80000,80000'),
        ("0xf,0x400a0e189f,0xa0e189f", "b39+gsm850", '"band",4,4000000000,a0e189f'),
        ("f,80000,80000", "B20", ""),
        ("", "b20", '"band",0,80000,80000'),
        ("0xf,0x1", "b1", '"band",0,1,1'),
        ("x,y,z", "b1", '"band",x,1,1'),
    ],
)
@virtual
async def test_bands_are_written_where_they_differ(seen: str, wanted: str, line: str) -> None:
    """Those of a technology that is not named stay; 0 where the module does not tell them."""
    bench = assemble("bg96", bands=wanted, persist=True)
    bench.step(on=r'AT\+QCFG="band"', say=(f'+QCFG: "band",{seen}', "OK") if seen else ("ERROR",))
    bench.step(on=r'AT\+QCFG="band",.*', say=("OK",))
    async with bench.net:
        found = [each for each in written(bench) if each.startswith('AT+QCFG="band",')]
        assert found == ([f"AT+QCFG={line},1"] if line else [])


@virtual
async def test_a_setting_that_is_no_text() -> None:
    bench = assemble("bg96", bands="all", persist=True)
    bench.step(on=r'AT\+QCFG="band"', raw=b'\r\n+QCFG: "band",\xff,\xfe,1\r\n\r\nOK\r\n')
    async with bench.net:
        assert 'AT+QCFG="band",f,400a0e189f,a0e189f,1' in written(bench)


@pytest.mark.parametrize(
    ("seen", "radio", "back"),
    [("020301", "gsm+ltem", "020301"), ("20301", "gsm+ltem", "020301"), ("0", "gsm+ltem", "00"),
     ("0102", "gsm+ltem", "")],
)  # fmt: skip
@virtual
async def test_a_sequence_is_put_back_with_two_digits_a_step(
    seen: str, radio: str, back: str
) -> None:
    """The module leaves out a leading 0."""
    bench = assemble("bg96", radio=radio)
    bench.step(on=r'AT\+QCFG="nwscanseq"', say=(f'+QCFG: "nwscanseq",{seen}', "OK"))
    bench.step(on=r'AT\+QCFG="nwscanseq",.*', say=("OK",))
    bench.step(on=r'AT\+QCFG="nwscanmode"', say=('+QCFG: "nwscanmode",0', "OK"))
    bench.step(on=r'AT\+QCFG="iotopmode"', say=('+QCFG: "iotopmode",0', "OK"))
    async with bench.net:
        sets = [each for each in written(bench) if each.startswith("AT+QCFG=") and "," in each]
        assert sets == (['AT+QCFG="nwscanseq",0102,1'] if back else [])
        since = len(bench.wire.lines)
    sets = [each for each in written(bench, since) if each.startswith("AT+QCFG=") and "," in each]
    assert sets == ([f'AT+QCFG="nwscanseq",{back},1'] if back else [])


@virtual
async def test_a_registration_of_before_is_waited_for() -> None:
    """Once the radio has been set anew, for 2 s: the module says for a moment that it stands."""
    bench = assemble("bg96", radio="gsm")
    bench.step(on=r'AT\+QCFG="nwscanmode"', say=('+QCFG: "nwscanmode",0', "OK"))
    bench.step(on=r'AT\+QCFG="nwscanmode",1,1', say=("OK",))
    async with bench.net:
        lines = [(at, data) for at, way, data in bench.wire.lines if way == ">"]
        at = next(at for at, data in lines if b'nwscanmode",1' in data)
        asked = [moment - at for moment, data in lines if b"CEREG?" in data and moment > at]
        assert 0.19 < asked[1] - asked[0] < 0.25
        sim = next(moment - at for moment, data in lines if b"CPIN?" in data and moment > at)
        assert 2.0 <= sim < 2.4
