"""What happens by itself in a BG96: notices and the looks that find what none told; connect ids, and the
codes of opens. In virtual time; forms as in the TCP(IP) AT Commands Manual V1.1."""

from __future__ import annotations

import asyncio
import logging

import pytest

from atdriver.errors import EncodeError
from modems.bg96.dialect import ERRORS
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.module_tls import ENABLE, TLS_LEVEL
from netsocket.stack import InterfaceStatus, Kind
from tests.drivers.calls import (
    OPEN,
    SINK,
    commands,
    fails,
    held,
    listening,
    stream,
    tell,
    tells,
    written,
)
from tests.faults.bench import opened, virtual
from tests.faults.ends import dial, now

PEER = SocketAddress("192.0.2.44", 4444)
ROW = '+QISTATE: {},"{}","192.0.2.44",{},50000,{},1,0,0,"usbmodem"'


# -- opening -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (552, errors.ConnectionRefused, "192.0.2.1:7: connection refused (code 552 after 0.0 s; the "
         "module does not tell it from unreachable)"),
        (566, errors.ConnectionRefused, "192.0.2.1:7: connection refused (code 566 after 0.0 s; the "
         "module does not tell it from unreachable)"),
        (569, errors.ConnectTimeout, "192.0.2.1:7: 569 operation timeout"),
        (565, errors.NameNotFound, "192.0.2.1: name not found"),
        (556, errors.AddressInUse, "local port 8000 is in use"),
        (561, errors.NetworkDown, "192.0.2.1:7: 561 open PDP context failed"),
        (570, errors.NetworkDown, "192.0.2.1:7: 570 PDP context broken down"),
        (573, errors.NetworkDown, "192.0.2.1:7: 573 APN not configured"),
        (554, errors.NoSocket, "192.0.2.1:7: 554 create socket failed"),
        (553, errors.NoBuffers, "192.0.2.1:7: 553 memory not enough"),
        (551, errors.HostUnreachable, "192.0.2.1:7: 551 operation blocked"),
        (999, errors.HostUnreachable, "192.0.2.1:7: 999 undocumented"),
    ],
)  # fmt: skip
@virtual
async def test_a_connect_that_fails(code: int, kind: type[OSError], text: str) -> None:
    """The id is given back."""
    async with opened("bg96") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.bind(tcp, SocketAddress("0.0.0.0", 8000))
        bench.step(on=OPEN.format("TCP"), say=("OK", f"+QIOPEN: 0,{code}"), times=1)
        since = len(bench.wire.lines)
        with pytest.raises(kind) as caught:
            await bench.stack.connect(tcp, SocketAddress("192.0.2.1", 7))
        assert type(caught.value) is kind
        assert getattr(caught.value, "reason", "") == text
        assert getattr(caught.value, "module_code", "") == str(code)
        assert written(bench, since) == [
            'AT+QIOPEN=1,0,"TCP","192.0.2.1",7,8000,0', "AT+QICLOSE=0,0"]  # fmt: skip
        await bench.stack.connect(tcp, SINK)


@virtual
async def test_a_connect_of_tls_that_fails() -> None:
    async with opened("bg96") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        await bench.stack.set_option(tcp, TLS_LEVEL, ENABLE, 1)
        bench.step(on=r"AT\+QSSLOPEN=.*", say=("OK", "+QSSLOPEN: 0,566"), times=1)
        since = len(bench.wire.lines)
        with pytest.raises(errors.ConnectionRefused) as caught:
            await bench.stack.connect(tcp, SocketAddress("192.0.2.1", 443))
        assert caught.value.reason.endswith(
            "the module does not tell it from unreachable, or from a failed TLS handshake)"
        )
        assert written(bench, since) == [
            'AT+QSSLCFG="sslversion",5,4', 'AT+QSSLCFG="ciphersuite",5,0XFFFF',
            'AT+QSSLCFG="seclevel",5,0', 'AT+QSSLCFG="sni",5,1',
            'AT+QSSLOPEN=1,5,0,"192.0.2.1",443,0', "AT+QSSLCLOSE=0,0",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("last", "says", "code", "kind"),
    [
        ("+QIGETERROR: 0,operate successfully", "ERROR", "550", errors.HostUnreachable),
        ("ERROR", "ERROR", "550", errors.HostUnreachable),
        ("+QIGETERROR: 0,operate successfully", "+CME ERROR: 573", "573", errors.NetworkDown),
        ("+QIGETERROR: 563,x", "ERROR", "563", errors.NoSocket),
    ],
)
@virtual
async def test_a_refusal_is_explained_by_the_last_error(
    last: str, says: str, code: str, kind: type[OSError]
) -> None:
    """By the command's own code where it has none, and 550, "unknown error", without either."""
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+QIGETERROR", say=(last, "OK") if "+" in last else (last,))
        bench.step(on=OPEN.format("TCP"), say=(says,))
        tcp = await bench.stack.open(Kind.TCP)
        with pytest.raises(kind) as caught:
            await bench.stack.connect(tcp, SocketAddress("192.0.2.1", 7))
        assert type(caught.value) is kind
        assert getattr(caught.value, "module_code", "") == code
        assert getattr(caught.value, "reason", "") == f"192.0.2.1:7: {code} {ERRORS[int(code)]}"


@pytest.mark.parametrize("code", [561, 570, 573, 566])
@virtual
async def test_a_code_that_says_that_the_context_is_gone(code: int) -> None:
    """It is looked at, once for many; what has none is brought up again."""
    async with opened("bg96") as bench:
        fails(bench, OPEN.format("TCP"), code, times=2)
        since = len(bench.wire.lines)
        calls = [await bench.stack.open(Kind.TCP) for _ in range(2)]
        found = await asyncio.gather(
            *(bench.stack.connect(each, SocketAddress("192.0.2.1", 7)) for each in calls),
            return_exceptions=True,
        )
        assert [getattr(each, "module_code", "") for each in found] == [str(code)] * 2
        await asyncio.sleep(0.5)
        assert len(commands(bench, "AT+QIACT?", since)) == (0 if code == 566 else 1)
        assert bench.net.status is InterfaceStatus.GLOBAL_UP


@virtual
async def test_a_context_that_is_gone_without_a_notice() -> None:
    """Every socket ends, and it comes back by the manual's order: deactivate, activate."""
    async with opened("bg96") as bench:
        tcp = await stream(bench)
        bench.fake.contexts[1].active = False  # type: ignore[attr-defined]
        fails(bench, OPEN.format("TCP"), 561)
        since = len(bench.wire.lines)
        other = await bench.stack.open(Kind.TCP)
        with pytest.raises(errors.NetworkDown):
            await bench.stack.connect(other, SocketAddress("192.0.2.1", 7))
        await asyncio.sleep(2.0)
        with pytest.raises(errors.NetworkDown) as caught:
            await bench.stack.recv(tcp, 1)
        assert caught.value.reason == "the network ended the data context"
        found = [
            line for line in written(bench, since) if line.startswith(("AT+QIACT=", "AT+QIDE"))
        ]
        assert found == ["AT+QIDEACT=1", "AT+QIACT=1"]
        assert bench.net.status is InterfaceStatus.GLOBAL_UP


@virtual
async def test_a_notice_that_the_context_is_lost() -> None:
    """Of ours; what waits for the module is told at once. Another's is nobody's."""
    async with opened("bg96", names={"n.test": "198.51.100.9"}) as bench:
        stack = bench.stack
        tcp = await stream(bench)
        tells(bench, '+QIURC: "pdpdeact",2')
        await asyncio.sleep(0.1)
        assert await stack.recv(tcp, 1) is None
        for question in (r"AT\+QIOPEN=1,1,.*", r"AT\+QIDNSGIP=.*", r"AT\+QPING=.*"):
            bench.step(on=question, say=("OK",), times=1)
        other = await stack.open(Kind.TCP)
        calls = asyncio.gather(
            stack.connect(other, SocketAddress("192.0.2.1", 7)), stack.resolve("n.test"),
            stack.ping("192.0.2.1"), return_exceptions=True,  # type: ignore[attr-defined]
        )  # fmt: skip
        await asyncio.sleep(0.5)
        begun = now()
        tells(bench, '+QIURC: "pdpdeact",1')
        found = await calls
        assert now() - begun < 2.0
        assert [getattr(each, "module_code", "") for each in found] == ["570"] * 3
        assert [type(each) for each in found] == [
            errors.NetworkDown, errors.NetworkDown, errors.ConnectTimeout]  # fmt: skip


@virtual
async def test_a_result_of_an_open_that_was_given_up_is_not_the_next_ones() -> None:
    """Its id comes last until 150 s are over, or the result was told."""
    async with opened("bg96") as bench:
        stack = bench.stack
        for told, after, link in ((False, 100.0, 1), (False, 151.0, 0), (True, 1.0, 0)):
            bench.step(on=OPEN.format("TCP"), say=("OK",), times=1)
            tcp = await stack.open(Kind.TCP)
            call = asyncio.ensure_future(stack.connect(tcp, SocketAddress("192.0.2.1", 7)))
            await asyncio.sleep(0.5)
            await stack.close(tcp)
            with pytest.raises(errors.BadHandle) as caught:
                await call
            assert caught.value.reason == "the socket was closed while connecting"
            if told:
                tells(bench, "+QIOPEN: 0,566")
            await asyncio.sleep(after)
            other = await stream(bench)
            assert held(bench).link == link
            await stack.close(other)
            await asyncio.sleep(151.0)


@virtual
async def test_ids_are_given_from_the_lowest_and_no_further() -> None:
    async with opened("bg96") as bench:
        stack = bench.stack
        handles = [await stream(bench) for _ in range(12)]
        assert [stack._sockets[each.number].link for each in handles] == list(range(12))
        await stack.close(handles[4])
        handles[4] = await stream(bench)
        assert stack._sockets[handles[4].number].link == 4
        await stack.close(handles[4])
        tcp = await stack.open(Kind.TCP)
        stack._surplus.add(4)  # type: ignore[attr-defined]
        begun = now()
        with pytest.raises(errors.NoSocket) as caught:
            await stack.connect(tcp, SocketAddress("192.0.2.1", 9))
        assert caught.value.reason == "all 12 connect ids are in use"
        assert 1.9 < now() - begun < 2.1
        stack._surplus.clear()  # type: ignore[attr-defined]


# -- names and pings ---------------------------------------------------------------------------------


@virtual
async def test_the_addresses_of_a_name() -> None:
    """All that there are, without those that are none."""
    async with opened("bg96") as bench:
        for count, told, found in (
            (3, ("192.0.2.1", "0.0.0.0", "192.0.2.2"), ["192.0.2.1", "192.0.2.2"]),
            (2, ("255.255.255.255", "2001:DB8::1"), ["2001:db8::1"]),
            (1, ("192.0.2.3", "192.0.2.4"), ["192.0.2.3"]),
            (
                64,
                tuple(f"192.0.2.{n}" for n in range(1, 65)),
                [f"192.0.2.{n}" for n in range(1, 65)],
            ),
        ):
            bench.step(on=r"AT\+QIDNSGIP=1,.*", say=(
                "OK", f'+QIURC: "dnsgip",0,{count},600', *(f'+QIURC: "dnsgip","{each}"' for each in told),
            ), times=1)  # fmt: skip
            assert await bench.stack.resolve("n.test") == found
        assert commands(bench, "AT+QIDNSGIP")[-1] == 'AT+QIDNSGIP=1,"n.test"'


@pytest.mark.parametrize(
    ("code", "tries", "kind", "text"),
    [
        (564, 3, errors.NameTryAgain, "n.test: 564 DNS busy"),
        (568, 3, errors.NameTryAgain, "n.test: 568 operation busy"),
        (569, 1, errors.NameTryAgain, "n.test: 569 operation timeout"),
        (570, 1, errors.NetworkDown, "n.test: 570 PDP context broken down"),
        (565, 1, errors.NameNotFound, "n.test: name not found"),
        (0, 1, errors.NameNotFound, "n.test: name not found"),
    ],
)
@virtual
async def test_a_name_without_an_address(
    code: int, tries: int, kind: type[OSError], text: str
) -> None:
    """A module that is busy is asked three times, a second apart."""
    async with opened("bg96") as bench:
        says = ("OK", f'+QIURC: "dnsgip",{code}' + (",0,600" if not code else ""))
        bench.step(on=r"AT\+QIDNSGIP=1,.*", say=says, times=3)
        begun = now()
        with pytest.raises(kind) as caught:
            await bench.stack.resolve("n.test")
        assert getattr(caught.value, "reason", caught.value.strerror).startswith(text)
        assert getattr(caught.value, "module_code", "") == str(code)
        asked = [at for at, way, data in bench.wire.lines if way == ">" and b"QIDNSGIP" in data]
        assert len(asked) == tries
        assert now() - begun < tries + 0.1
        assert all(0.95 < b - a < 1.1 for a, b in zip(asked, asked[1:], strict=False))


@virtual
async def test_a_name_that_is_refused_without_a_reason() -> None:
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+QIGETERROR", say=("ERROR",))
        bench.step(on=r"AT\+QIDNSGIP=.*", say=("ERROR",), times=1)
        bench.step(on=r"AT\+QIDNSGIP=.*", say=("+CME ERROR: 561",), times=1)
        for kind, code in ((errors.NameNotFound, "550"), (errors.NetworkDown, "561")):
            with pytest.raises(kind) as caught:
                await bench.stack.resolve("n.test")
            assert getattr(caught.value, "module_code", "") == code


@virtual
async def test_how_long_a_name_may_be() -> None:
    """253 for a name, 150 for a ping."""
    async with opened("bg96", names={"n" * 253: "192.0.2.9", "n" * 150: "192.0.2.9"}) as bench:
        assert await bench.stack.resolve("n" * 253) == ["192.0.2.9"]
        for call in (bench.stack.resolve("n" * 254), bench.stack.ping("n" * 151)):  # type: ignore[attr-defined]
            with pytest.raises(EncodeError, match="a host name"):
                await call
        bench.step(
            on=r"AT\+QPING=.*",
            say=("OK", '+QPING: 0,"192.0.2.9",32,235,255', "+QPING: 0,1,1,0,2,2,2"),
            times=1,
        )
        assert await bench.stack.ping("n" * 150) == 0.235  # type: ignore[attr-defined]
        assert commands(bench, "AT+QPING") == [f'AT+QPING=1,"{"n" * 150}",10,1']


@pytest.mark.parametrize(
    ("says", "kind", "text", "code"),
    [
        ("+QPING: 565", errors.NameNotFound, "n.test: name not found", "565"),
        ("+QPING: 569", errors.ConnectTimeout, "n.test: 569 operation timeout", "569"),
        ("", errors.ConnectTimeout, "n.test: no answer to ping", None),
    ],
)
@virtual
async def test_a_ping_without_an_answer(
    says: str, kind: type[OSError], text: str, code: str | None
) -> None:
    """30 s are waited for it; where an answer came, its summary for a second."""
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+QPING=.*", say=("OK", *((says,) if says else ())), times=1)
        begun = now()
        with pytest.raises(kind) as caught:
            await bench.stack.ping("n.test")  # type: ignore[attr-defined]
        error = caught.value
        assert getattr(error, "reason", error.strerror).startswith(text)
        assert getattr(error, "module_code", None) == code
        seconds = 1.0 if says else 30.0
        assert seconds - 0.1 < now() - begun < seconds + 0.2
        bench.step(
            on=r"AT\+QPING=.*",
            say=("OK", '+QPING: 0,"192.0.2.9",32,7,255', "+QPING: 0,1,1,0,7,7,7"),
            times=1,
        )
        begun = now()
        assert await bench.stack.ping("n.test") == 0.007  # type: ignore[attr-defined]
        assert now() - begun < 0.5


@virtual
async def test_a_refusal_in_words_that_are_no_text() -> None:
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+QPING=.*", raw=b"\r\n+CME ERROR: \xff\r\n", times=1)
        with pytest.raises(errors.DeviceError) as caught:
            await bench.stack.ping("n.test")  # type: ignore[attr-defined]
        assert caught.value.module_code == "+CME ERROR: \ufffd"


@virtual
async def test_a_ping_that_stands_in_a_name_is_not_believed() -> None:
    """Who wrote it, nobody knows."""
    async with opened("bg96") as bench:
        bench.step(on=r"AT\+QPING=.*", say=("OK",), times=1)
        pinging = asyncio.ensure_future(bench.stack.ping("n.test"))  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        forged = '+QPING: 0,"192.0.2.9",32,1,255'
        bench.step(on=r"AT\+COPS\?", say=(forged, '+COPS: 0,0,"x",8', "OK"), times=1)
        await bench.stack.status()
        await asyncio.sleep(2.0)
        assert not pinging.done()
        tells(bench, '+QPING: 0,"192.0.2.9",32,77,255', "+QPING: 0,1,1,0,77,77,77")
        assert await pinging == 0.077


@virtual
async def test_a_connection_that_took_long_is_not_asked_for_data() -> None:
    """The look at silent sockets is for those that are there."""
    async with opened("bg96") as bench:
        tcp = await bench.stack.open(Kind.TCP)
        bench.step(before=r"\r\n\+QIOPEN: 0,0\r\n", instead="", times=1)
        asyncio.get_running_loop().call_later(14.0, tells, bench, "+QIOPEN: 0,0")
        begun = now()
        await bench.stack.connect(tcp, SINK)
        assert now() - begun > 13.0
        since = len(bench.wire.lines)
        assert await bench.stack.recv(tcp, 10) is None
        assert written(bench, since) == []


# -- listening ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (556, errors.AddressInUse, "port 8000 is in use"),
        (570, errors.NetworkDown, "port 8000: 570 PDP context broken down"),
        (557, errors.DeviceError, "port 8000: 557 socket listen failed"),
    ],
)
@virtual
async def test_a_listener_that_fails(code: int, kind: type[OSError], text: str) -> None:
    async with opened("bg96") as bench:
        bench.step(on=OPEN.format("TCP LISTENER"), say=("OK", f"+QIOPEN: 0,{code}"), times=1)
        since = len(bench.wire.lines)
        with pytest.raises(kind) as caught:
            await listening(bench, 1)
        assert type(caught.value) is kind
        assert getattr(caught.value, "reason", "") == text
        assert getattr(caught.value, "module_code", "") == str(code)
        assert written(bench, since) == [
            'AT+QIOPEN=1,0,"TCP LISTENER","127.0.0.1",0,8000,0', "AT+QICLOSE=0,0"]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "text"), [
    (556, errors.AddressInUse, "UDP port 9000 is in use"),
    (553, errors.DeviceError, "UDP socket: 553 memory not enough"),
])  # fmt: skip
@virtual
async def test_a_datagram_socket_that_fails(code: int, kind: type[OSError], text: str) -> None:
    async with opened("bg96") as bench:
        udp = await bench.stack.open(Kind.UDP)
        bench.step(on=OPEN.format("UDP SERVICE"), say=("OK", f"+QIOPEN: 0,{code}"), times=1)
        since = len(bench.wire.lines)
        with pytest.raises(kind) as caught:
            await bench.stack.bind(udp, SocketAddress("0.0.0.0", 9000))
        assert type(caught.value) is kind
        assert getattr(caught.value, "reason", "") == text
        assert getattr(caught.value, "module_code", "") == str(code)
        assert written(bench, since) == [
            'AT+QIOPEN=1,0,"UDP SERVICE","127.0.0.1",0,9000,0', "AT+QICLOSE=0,0"]  # fmt: skip
        await bench.stack.bind(udp, SocketAddress("0.0.0.0", 9000))


@virtual
async def test_a_peer_is_who_the_notice_says_and_one_too_many_is_closed() -> None:
    async with opened("bg96") as bench:
        stack = bench.stack
        listener = await listening(bench, 1)
        since = len(bench.wire.lines)
        tells(bench, '+QIURC: "incoming",11,0,"192.0.2.44",4444', '+QIURC: "incoming",10,0,"192.0.2.45",1',
              '+QIURC: "incoming",9,5,"192.0.2.46",1')  # fmt: skip
        found = await tell(lambda: stack.accept(listener))
        assert found[1] == PEER
        await asyncio.sleep(0.5)
        assert sorted(commands(bench, "AT+QICLOSE", since)) == ["AT+QICLOSE=10,0", "AT+QICLOSE=9,0"]
        assert await stack.accept(listener) is None
        await stack.close(listener)
        assert commands(bench, "AT+QICLOSE", since)[-1] == "AT+QICLOSE=0,0"


@virtual
async def test_notices_that_make_no_sense_are_counted() -> None:
    async with opened("bg96") as bench:
        listener = await listening(bench, 1)
        before = bench.stack.anomalies
        for count, line in enumerate((
            '+QIURC: "recv",12', '+QIURC: "closed",12', "+QIOPEN: 12,0",
            '+QIURC: "incoming",12,0,"192.0.2.44",4444', '+QIURC: "incoming",3,12,"192.0.2.44",4444',
            '+QIURC: "incoming",3,0,"192.0.2.44",65536', '+QIURC: "incoming",3,0,"a b",4444',
        ), 1):  # fmt: skip
            tells(bench, line)
            await asyncio.sleep(0.1)
            assert bench.stack.anomalies == before + count, line
        assert await bench.stack.accept(listener) is None


@virtual
async def test_a_connection_that_is_turned_away(caplog: pytest.LogCaptureFixture) -> None:
    async with opened("bg96") as bench:
        with caplog.at_level(logging.WARNING, "atdriver"):
            tells(bench, '+QIURC: "incoming full"')
            await asyncio.sleep(0.1)
        assert caplog.messages == ["bg96: a connection was turned away, all connect ids are in use"]


@virtual
async def test_what_came_to_a_listener_without_a_notice_is_found() -> None:
    """The rows are looked at each 15 s; one that is known, or not a peer's, is left alone."""
    async with opened("bg96") as bench:
        stack = bench.stack
        listener = await listening(bench, 5)
        rows = (ROW.format(0, "TCP LISTENER", 0, 1), ROW.format(11, "TCP INCOMING", 4444, 2),
                ROW.format(5, "TCP", 1, 2))  # fmt: skip
        bench.step(on=r"AT\+QISTATE\?", say=(*rows, "OK"))
        bench.step(on=r"AT\+QISTATE=1,11", say=(rows[1], "OK"))
        begun = now()
        found = await tell(lambda: stack.accept(listener))
        assert found[1] == PEER
        assert 14.0 < now() - begun < 16.0
        await asyncio.sleep(40.0)
        assert await stack.accept(listener) is None
        assert sorted(str(sock.link) for sock in stack._sockets.values()) == ["0", "11"]


@virtual
async def test_whose_listener_it_came_to_is_in_its_row() -> None:
    async with opened("bg96") as bench:
        stack = bench.stack
        first = await stream(bench)
        listener = await listening(bench, 5)
        row = '+QISTATE: {},"{}","192.0.2.44",{},8000,2,1,{},0,"usbmodem"'
        rows = (row.format(1, "TCP LISTENER", 0, 1), row.format(11, "TCP INCOMING", 4444, 1),
                row.format(10, "TCP INCOMING", 4445, 5))  # fmt: skip
        bench.step(on=r"AT\+QISTATE\?", say=(*rows, "OK"))
        bench.step(on=r"AT\+QISTATE=1,11", say=(rows[1], "OK"))
        assert (await tell(lambda: stack.accept(listener)))[1] == PEER
        await asyncio.sleep(1.0)
        assert commands(bench, "AT+QICLOSE=10") == ["AT+QICLOSE=10,0"], "to nobody"
        await stack.close(first)
        tells(bench, '+QIURC: "incoming",0,1,"192.0.2.46",7')
        assert (await tell(lambda: stack.accept(listener)))[1].host == "192.0.2.46"


@pytest.mark.parametrize("says", [("ERROR",), ("+QISTATE: 0", "OK"), ("+QISTATE: x,1", "OK")])
@virtual
async def test_looks_go_on_behind_one_that_failed(says: tuple[str, ...]) -> None:
    async with opened("bg96") as bench:
        listener = await listening(bench, 5)
        bench.step(on=r"AT\+QISTATE\?", say=says, times=1)
        row = ROW.format(11, "TCP INCOMING", 4444, 2)
        listens = ROW.format(0, "TCP LISTENER", 0, 1)
        bench.step(on=r"AT\+QISTATE\?", say=(listens, row, "OK"))
        bench.step(on=r"AT\+QISTATE=1,11", say=(row, "OK"))
        begun = now()
        assert (await tell(lambda: bench.stack.accept(listener)))[1] == PEER
        assert 29.0 < now() - begun < 31.0


@pytest.mark.parametrize("times", [1, 2])
@virtual
async def test_a_listener_that_the_module_has_lost(times: int) -> None:
    """A row may be lost on the serial line: only what is said twice counts."""
    async with opened("bg96") as bench:
        listener = await listening(bench, 1)
        bench.step(on=r"AT\+QISTATE\?", say=("OK",), times=times)
        await asyncio.sleep(16.0)
        since = len(bench.wire.lines)
        if times == 1:
            assert await bench.stack.accept(listener) is None
            dial(bench, 8000)
            assert await tell(lambda: bench.stack.accept(listener))
            return
        with pytest.raises(errors.ConnectionReset) as caught:
            await bench.stack.accept(listener)
        assert caught.value.reason == "the module has lost the socket"
        await bench.stack.close(listener)
        assert commands(bench, "AT+QICLOSE", since) == [], "its id may be another's"
