"""What callers of a BG96 get for each of its answers, in virtual time, and what goes over the wire.

The codes are those of the TCP(IP) AT Commands Manual V1.1, "Summary of Error Codes".
"""

from __future__ import annotations

import asyncio

import pytest

from modems.bg96 import sim
from modems.bg96.network import DENIED_PATIENCE
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import SET_HOSTNAME, TLS_LEVEL
from netsocket.stack import Kind
from tests.drivers.calls import OPEN, commands, fails, listening, stream
from tests.faults.bench import Bench, assemble, opened, virtual
from tests.faults.ends import connected, dial
from tests.faults.talk import round_trip

# -- connecting ------------------------------------------------------------------------------------


@virtual
async def test_ids_that_somebody_left_open() -> None:
    """563, "socket identity has been used": that one is closed, another is tried, and then it is an
    error."""
    async with opened("bg96") as bench:
        fails(bench, OPEN.format("TCP"), 563, times=2)
        with pytest.raises(errors.NoSocket):
            await bench.net.connect(("echo.test", 7), timeout=300)
        assert commands(bench, "AT+QICLOSE")[-2:] == ["AT+QICLOSE=0,1", "AT+QICLOSE=1,0"]
        assert commands(bench, "AT+QSSLCLOSE") == ["AT+QSSLCLOSE=0,1"]
        fails(bench, OPEN.format("TCP"), 563)
        await round_trip(bench)


@virtual
async def test_a_connect_that_fails_late_is_no_refusal() -> None:
    """566 says "connect failed" for both: a peer that refuses does it at once."""
    async with opened("bg96") as bench:
        bench.step(on=OPEN.format("TCP"), say=("OK",), times=1)
        asyncio.get_running_loop().call_later(20.0, bench.fake.raw, b"\r\n+QIOPEN: 0,566\r\n")
        with pytest.raises(errors.ConnectTimeout) as caught:
            await bench.net.connect(("echo.test", 7), timeout=300)
        assert caught.value.module_code == "566"
        await round_trip(bench)


@virtual
async def test_an_open_that_is_never_told() -> None:
    """150 s is the module's own limit (TCP(IP) manual, AT+QIOPEN)."""
    async with opened("bg96") as bench:
        bench.step(on=OPEN.format("TCP"), say=("OK",), times=1)
        with pytest.raises(errors.ConnectTimeout):
            await bench.net.connect(("echo.test", 7), timeout=300)
        assert 150 <= asyncio.get_running_loop().time() < 160
        await round_trip(bench)


# -- names and pings -------------------------------------------------------------------------------

NAMES = {"n.test": "198.51.100.9"}


@pytest.mark.parametrize(
    ("says", "asked", "error"),
    [
        (["564"], 3, errors.NameTryAgain),
        (["568"], 3, errors.NameTryAgain),
        (["569"], 1, errors.NameTryAgain),
        (["570"], 1, errors.NetworkDown),
        (["565"], 1, errors.NameNotFound),
        (["0,0,600"], 1, errors.NameNotFound),
        (["0,1,600", '"0.0.0.0"'], 1, errors.NameNotFound),
        (["0,1,600", '"no address"'], 1, errors.NameNotFound),
        ([], 1, errors.NameTryAgain),
    ],
    ids=[
        "busy",
        "other-busy",
        "time-out",
        "context",
        "unknown",
        "none",
        "zero",
        "rubbish",
        "silence",
    ],
)
@virtual
async def test_a_name_that_is_not_resolved(
    says: list[str], asked: int, error: type[OSError]
) -> None:
    """A module that is busy is asked again, others are not; the next name is nobody else's."""
    async with opened("bg96", names=NAMES) as bench:
        notices = tuple(f'+QIURC: "dnsgip",{each}' for each in says)
        bench.step(on=r"AT\+QIDNSGIP=1,.*gone.*", say=("OK", *notices), times=asked)
        with pytest.raises(error, match=r"\] gone\.test: ") as caught:
            await bench.net.resolve("gone.test")
        code = says[0].split(",")[0] if says else "569"
        assert getattr(caught.value, "module_code", None) == code
        assert len(commands(bench, "AT+QIDNSGIP")) == asked
        assert await bench.net.resolve("n.test") == ["198.51.100.9"]


@virtual
async def test_a_name_whose_question_is_refused() -> None:
    async with opened("bg96", names=NAMES) as bench:
        fails(bench, r"AT\+QIDNSGIP=.*", 565)
        with pytest.raises(errors.NameNotFound) as caught:
            await bench.net.resolve("n.test")
        assert caught.value.module_code == "565"
        assert await bench.net.resolve("n.test") == ["198.51.100.9"]


# -- the data context ------------------------------------------------------------------------------


@virtual
async def test_a_context_that_is_active_already_though_its_activation_fails() -> None:
    bench = assemble("bg96")
    fails(bench, r"AT\+QIACT=1", 568)
    bench.step(on=r"AT\+QIACT\?", say=("OK",), times=1)
    bench.fake.contexts[1].active = True  # type: ignore[attr-defined]
    async with bench.net:
        assert bench.net.ip_address
        assert len(commands(bench, "AT+QIACT=1")) == 1
        await round_trip(bench)


@virtual
async def test_a_context_that_must_be_given_up_first() -> None:
    """572, "operation not allowed": AT+QIDEACT, and once more."""
    bench = assemble("bg96")
    fails(bench, r"AT\+QIACT=1", 572)
    async with bench.net:
        assert commands(bench, "AT+QIDEACT") == ["AT+QIDEACT=1"]
        assert len(commands(bench, "AT+QIACT=1")) == 2
        await round_trip(bench)


@virtual
async def test_a_context_that_is_refused_for_good() -> None:
    bench = assemble("bg96")
    fails(bench, r"AT\+QIACT=1", 572, times=None)
    with pytest.raises(errors.NetworkDown) as caught:
        await bench.net.up()
    assert caught.value.module_code == "572"
    assert len(commands(bench, "AT+QIACT=1")) == 2, "not for ever"
    await bench.net.close()


@virtual
async def test_a_context_without_an_address() -> None:
    bench = assemble("bg96")
    bench.step(on=r"AT\+QIACT\?", say=("OK",))
    with pytest.raises(errors.NetworkDown, match="active but has no address"):
        await bench.net.up()
    await bench.net.close()


@pytest.mark.parametrize("why", ["ERROR", "OK", "+QIGETERROR: rubbish"])
@virtual
async def test_a_refusal_without_a_reason(why: str) -> None:
    """The module tells no code: then the error has none, and the module's own words."""
    bench = assemble("bg96")
    bench.step(on=r"AT\+QIGETERROR", say=(why, "OK") if why.startswith("+") else (why,))
    bench.step(on=r"AT\+QIACT=1", say=("ERROR",))
    with pytest.raises(errors.NetworkDown, match=r"AT\+QIACT=1.*ERROR") as caught:
        await bench.net.up()
    assert caught.value.module_code is None
    await bench.net.close()


@virtual
async def test_an_active_context_of_another_network_is_replaced() -> None:
    """The stored profile differs from what is asked for, in whatever form it is told."""
    for stored in ('+QICSGP: 1,"other","","",0', "+QICSGP: 1", '+QICSGP: 1,"\x01","","",0'):
        bench = assemble("bg96", apn="internet")
        bench.step(on=r"AT\+QIACT\?", say=('+QIACT: 1,1,1,"10.7.7.7"', "OK"), times=1)
        bench.step(on=r"AT\+QICSGP=1", say=(stored, "OK"))
        async with bench.net:
            lines = commands(bench, "AT+QI")
            assert lines.index("AT+QIDEACT=1") < lines.index("AT+QIACT=1"), stored
            assert any(line.startswith('AT+QICSGP=1,1,"internet"') for line in lines)
            await round_trip(bench)


# -- registration ----------------------------------------------------------------------------------


@virtual
async def test_a_denial_counts_when_it_lasts() -> None:
    """A module that is turned away by one network goes on to the next."""
    bench = assemble("bg96", register_timeout=90.0)
    for state, times in ((3, 4), (2, 2), (3, None)):
        bench.step(on=r"AT\+CEREG\?", say=(f"+CEREG: 2,{state}", "OK"), times=times)
    bench.step(on=r"AT\+CGREG\?", say=("ERROR",))
    with pytest.raises(errors.AuthenticationFailed, match="denies the registration"):
        await bench.net.up()
    assert len(commands(bench, "AT+CEREG?")) > DENIED_PATIENCE / 0.5
    await bench.net.close()


# -- reading ---------------------------------------------------------------------------------------


@virtual
async def test_a_read_that_is_refused_for_a_moment() -> None:
    """ERROR, though the module says that it holds something: asked again, nothing is lost."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        step = bench.step(on=r"AT\+QIRD=0,[1-9].*", say=("ERROR",), times=2)
        ends.say(300)
        await ends.hear(300, within=2.0)
        assert bench.fake.scenario.used[step] == 2
        assert "AT+QIRD=0,0" in commands(bench, "AT+QIRD")


@pytest.mark.parametrize("answer", ["ERROR", "OK"])
@virtual
async def test_a_read_that_is_refused_and_nothing_is_told_of_it(answer: str) -> None:
    """The socket is still the module's, so it lives."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+QIRD=0,[1-9].*", say=("ERROR",), times=1)
        bench.step(on=r"AT\+QIRD=0,0", say=(answer,), times=1)
        ends.say(300)
        await asyncio.sleep(1.0)
        await ends.hear(300, within=12.0)


@pytest.mark.parametrize("answer", ["ERROR", "OK"])
@virtual
async def test_a_read_of_a_socket_that_the_module_has_lost(answer: str) -> None:
    async with opened("bg96") as bench:
        ends = await connected(bench)
        bench.step(on=r"AT\+QIRD=0,0", say=(answer,))
        bench.step(on=r"AT\+QIRD=0.*", say=("ERROR",))
        bench.step(on=r"AT\+QISTATE=1,0", say=("OK",))
        ends.say(300)
        error = await ends.end()
        assert isinstance(error, ConnectionResetError)
        assert "has lost the socket" in str(error)


# -- notices ---------------------------------------------------------------------------------------


@virtual
async def test_notices_that_make_no_sense_are_counted_and_change_nothing() -> None:
    async with opened("bg96") as bench:
        ends = await connected(bench)
        before = bench.stack.anomalies
        for line in ('+QIURC: "recv",77', '+QIURC: "incoming",0,99,"10.0.0.1",7', "+QIOPEN: 99,0",
                     '+QIURC: "incoming",3,0,"nowhere at all",7'):  # fmt: skip
            bench.fake.raw(f"\r\n{line}\r\n".encode())
        await asyncio.sleep(0.5)
        assert bench.stack.anomalies > before
        await ends.send(100)
        ends.say(100)
        await ends.hear(100)


# -- ids -------------------------------------------------------------------------------------------


async def streams(bench: Bench, count: int) -> None:
    for _ in range(count):
        await bench.stack.connect(await bench.stack.open(Kind.TCP), SocketAddress("sink.test", 9))


@virtual
async def test_an_id_that_is_being_closed_again_is_waited_for() -> None:
    """A connection more than may wait is closed at once, and its id is the last that is free."""
    async with opened("bg96") as bench:
        await listening(bench, 1)
        await streams(bench, 9)
        bench.step(on=r"AT\+QICLOSE=10,0", passes=True, after=0.5, times=1)
        dial(bench, 8000)
        dial(bench, 8000)
        await asyncio.sleep(0.1)
        await round_trip(bench)
        assert commands(bench, "AT+QICLOSE=10") == ["AT+QICLOSE=10,0", "AT+QICLOSE=10,2"]


@virtual
async def test_no_id_is_free() -> None:
    """What came in and cannot be closed takes one: an error, not a connection too many."""
    async with opened("bg96") as bench:
        await listening(bench, 1)
        await streams(bench, 9)
        bench.step(on=r"AT\+QICLOSE=10,0")
        dial(bench, 8000)
        dial(bench, 8000)
        await asyncio.sleep(0.1)
        with pytest.raises(errors.NoSocket, match="in use"):
            await bench.net.connect(("echo.test", 7), timeout=60)


@pytest.mark.parametrize("says", [(), ("OK",)], ids=["silence", "no-notice"])
@virtual
async def test_a_listener_that_gets_no_answer(says: tuple[str, ...]) -> None:
    async with opened("bg96") as bench:
        bench.step(on=OPEN.format("TCP LISTENER"), say=says, times=1)
        with pytest.raises(OSError):
            await listening(bench, 1)
        assert commands(bench, "AT+QICLOSE=0,0")
        await round_trip(bench)


@virtual
async def test_a_listener_that_is_closed_before_it_listens() -> None:
    async with opened("bg96") as bench:
        bench.step(on=OPEN.format("TCP LISTENER"), say=("OK",), times=1)
        handle = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(handle, SocketAddress("0.0.0.0", 8000))
        call = asyncio.create_task(bench.stack.listen(handle, 1))
        await asyncio.sleep(1.0)
        await bench.stack.close(handle)
        with pytest.raises(errors.BadHandle):
            await call
        await round_trip(bench)


@virtual
async def test_a_listener_that_begins_as_all_is_taken_down_is_closed_again() -> None:
    """Else the module goes on accepting, for nobody. It is slow: the close of a stream before it takes
    the time that there is for closes."""
    bench = assemble("bg96")
    async with bench.net:
        await stream(bench)
        bench.step(on=OPEN.format("TCP LISTENER"), passes=True, after=9.0, times=1)
        call = asyncio.ensure_future(listening(bench, 1))
        await asyncio.sleep(0.5)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert commands(bench, "AT+QICLOSE=1,") == ["AT+QICLOSE=1,0"]


@virtual
async def test_an_id_that_a_peer_gets_while_it_is_being_opened_stays_the_peers() -> None:
    """Code 563 is no reason to close it: another one is taken."""
    async with opened("bg96") as bench:
        handle = await listening(bench, 1)
        says = ('+QIURC: "incoming",1,0,"192.0.2.44",4444', "OK", "+QIOPEN: 1,563")
        bench.step(on=r"AT\+QIOPEN=1,1,.*", say=says, times=1)
        since = len(bench.wire.lines)
        ends = await connected(bench)
        assert [line[:13] for line in commands(bench, "AT+QIOPEN", since)] == [
            "AT+QIOPEN=1,1", "AT+QIOPEN=1,2"]  # fmt: skip
        assert commands(bench, "AT+QICLOSE", since) == []
        found = await bench.stack.accept(handle)
        assert found is not None
        assert found[1] == SocketAddress("192.0.2.44", 4444)
        await ends.send(10)


@virtual
async def test_an_id_that_the_module_gives_to_somebody_else() -> None:
    """It gives away free ids only: our stream is gone, and the other one is taken."""
    async with opened("bg96") as bench:
        handle = await listening(bench, 1)
        ends = await connected(bench)
        bench.fake.raw(b'\r\n+QIURC: "incoming",1,0,"192.0.2.44",4444\r\n')
        error = await ends.end()
        assert isinstance(error, ConnectionResetError)
        assert "has lost the socket" in str(error)
        found = await bench.stack.accept(handle)
        assert found is not None
        assert found[1] == SocketAddress("192.0.2.44", 4444)


# -- notices among names from the air --------------------------------------------------------------


def in_a_name(bench: Bench, notice: str) -> None:
    """The next answer that holds a name has this in it; who wrote it, nobody knows."""
    bench.step(on=r"AT\+COPS\?", say=(notice, '+COPS: 0,0,"somebody",8', "OK"), times=1)


@pytest.mark.parametrize("state", ["2", "0", ""], ids=["connected", "not-yet", "no-row"])
@virtual
async def test_an_open_that_is_told_in_a_name_is_looked_at(state: str) -> None:
    async with opened("bg96") as bench:
        bench.step(on=OPEN.format("TCP"), say=("OK",), times=1)
        row = f'+QISTATE: 0,"TCP","192.0.2.1",7,50000,{state},1,0,0,"usbmodem"'
        step = bench.step(on=r"AT\+QISTATE=1,0", say=(row, "OK") if state else ("OK",))
        in_a_name(bench, "+QIOPEN: 0,0")
        handle = await bench.stack.open(Kind.TCP)
        call = asyncio.create_task(bench.stack.connect(handle, SocketAddress("192.0.2.1", 7)))
        await asyncio.sleep(1.0)
        await bench.stack.status()
        await asyncio.sleep(1.0)
        assert bench.fake.scenario.used[step] == 1
        assert call.done() is (state == "2")
        await bench.stack.close(handle)
        await asyncio.gather(call, return_exceptions=True)


@virtual
async def test_other_notices_in_a_name_do_no_harm() -> None:
    """A close is looked at, a name is asked for again, a ping and a peer are not believed."""
    async with opened("bg96", names=NAMES) as bench:
        ends = await connected(bench)
        for notice in ('+QIURC: "closed",0', '+QIURC: "closed",77', '+QIURC: "recv",0',
                       '+QPING: 0,"192.0.2.1",32,1,255', '+QIURC: "dnsgip",0,0,1',
                       '+QIURC: "incoming",5,0,"192.0.2.44",4444'):  # fmt: skip
            in_a_name(bench, notice)
            await bench.stack.status()
            await asyncio.sleep(1.0)
        assert commands(bench, "AT+QISTATE=1,0")
        assert await bench.net.resolve("n.test") == ["198.51.100.9"]
        await ends.send(100)
        ends.say(100)
        await ends.hear(100)


# -- what the module refuses to tell ---------------------------------------------------------------


@virtual
async def test_a_wrong_pin_whose_tries_are_not_told() -> None:
    """Whether it blocked the SIM is asked for."""
    for answer, words in (("ERROR", "does not tell"), ('+QPINC: "SC",rubbish', "does not tell")):
        bench = assemble("bg96", fake={"pin": "4321"}, pin="87654321")
        sim._tried.clear()
        bench.step(on=r"AT\+QPINC=.*", say=(answer, "OK") if "rubbish" in answer else (answer,))
        with pytest.raises(errors.AuthenticationFailed, match=words):
            await bench.net.up()
        assert len(commands(bench, "AT+CPIN=")) == 1
        await bench.net.close()


@virtual
async def test_a_wrong_pin_that_blocks_the_sim() -> None:
    bench = assemble("bg96", fake={"pin": "4321"}, pin="87654321")
    bench.step(on=r"AT\+QPINC=.*", say=("ERROR",))
    bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PIN", "OK"), times=1)
    bench.step(on=r"AT\+CPIN=.*", say=("+CME ERROR: 12",))
    bench.step(on=r"AT\+CPIN\?", say=("+CPIN: SIM PUK", "OK"))
    with pytest.raises(errors.AuthenticationFailed, match="wants its PUK") as caught:
        await bench.net.up()
    assert caught.value.module_code == "12"
    assert "87654321" not in str(caught.value)
    await bench.net.close()


@virtual
async def test_a_status_of_which_the_module_tells_nothing() -> None:
    """Each question may be refused, or answered with nothing; the rest is told."""
    async with opened("bg96") as bench:
        assert (await bench.stack.status()).details["operator"]
        for answer in ("ERROR", "OK"):
            for question in (r"COPS\?", "QNWINFO", "QCSQ", "CSQ"):
                bench.step(on=rf"AT\+{question}", say=(answer,), times=1)
            found = (await bench.stack.status()).details
            assert "operator" not in found
            assert "network" not in found
            assert found["signal"] == "none"
            assert found["sim"]


@pytest.mark.parametrize("answer", ["ERROR", "OK"])
@virtual
async def test_a_close_when_the_counters_are_not_told(answer: str) -> None:
    """Whether the peer has it all cannot be known: it closes, and the module sends the rest."""
    async with opened("bg96") as bench:
        ends = await connected(bench)
        await ends.send(300)
        step = bench.step(on=r"AT\+QISEND=0,0", say=(answer,))
        await ends.sock.close()
        assert bench.fake.scenario.used[step] == 1
        assert ends.told() == 300
        assert commands(bench, "AT+QICLOSE")[-1] == "AT+QICLOSE=0,2"


@virtual
async def test_a_datagram_that_is_not_sent() -> None:
    """SEND FAIL is a full buffer: nothing was taken, and it may be tried again; ERROR is an end."""
    async with opened("bg96") as bench:
        udp = await bench.stack.open(Kind.UDP)
        peer = SocketAddress("192.0.2.1", 7)
        assert await bench.stack.sendto(udp, b"first", peer) == 5
        bench.step(before=r"\r\nSEND OK\r\n", instead="\r\nSEND FAIL\r\n", times=1)
        assert await bench.stack.sendto(udp, b"x", peer) == 0
        bench.step(on=r"AT\+QISEND=.*", say=("ERROR",), times=1)
        with pytest.raises(errors.DeviceError, match="the datagram was refused"):
            await bench.stack.sendto(udp, b"x", peer)
        assert await bench.stack.sendto(udp, b"last", peer) == 4


@virtual
async def test_a_name_for_tls_that_is_none() -> None:
    async with opened("bg96") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        for name, value in ((SET_HOSTNAME, b"\xff"), (99, 1)):
            with pytest.raises(OSError):
                await bench.stack.set_option(tcp, TLS_LEVEL, name, value)
