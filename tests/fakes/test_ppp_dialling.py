"""The simulated modem dials: results, data mode, and PPP behind CONNECT, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes import Scenario, ScenarioError, Step, build
from fakes.virtualtime import VirtualTimeLoop

from .ppp_client import CCP, CHAP, IPCP, IPV6CP, LCP, PAP, Client, stuff

NET = bytes((10, 0, 2))


def talk(work: Callable[[Client], Awaitable[None]], **options: Any) -> Client:
    """Run `work` against a module in memory; a crash of the module fails it."""
    options.setdefault("offline", True)
    modem = build("bg96", **options)
    client = None

    async def run() -> None:
        nonlocal client
        client = Client(modem)
        await modem.start(client.deliver)
        try:
            await asyncio.sleep(0.1)
            assert await client.ask("ATE0") == "OK"
            await work(client)
        finally:
            await modem.stop()
        assert [each.detail for each in modem.journal if each.kind == "crash"] == []

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    assert client is not None
    return client


@pytest.mark.parametrize(
    "line",
    ["ATD*99#", "ATDT*99#", "atd*99***1#", "ATD*99**PPP*1#", "ATD*99**1*1#", 'AT+CGDATA="PPP",1', 'AT+CGDATA="PPP"', "ATX1DT*99#"],
    ids=["bare", "tone", "cid", "l2p", "l2p-number", "cgdata", "cgdata-bare", "chained"],
)  # fmt: skip
def test_connect(line: str) -> None:
    async def work(client: Client) -> None:
        assert await client.dial(line) == "CONNECT 150000000"
        await client.until(lambda: client.seen(LCP, 1))

    talk(work)


def test_what_does_not_connect() -> None:
    async def work(client: Client) -> None:
        for line in ("ATD*99***17#", "ATD*99***2#", "ATD*99**SLIP*1#", "ATDxyz", "AT+CGDATA?"):
            assert "ERROR" in await client.dial(line), line
        assert await client.dial("ATD5551234;") == "NO CARRIER"
        assert await client.ask("ATO") == "NO CARRIER"
        assert await client.ask("ATH") == "OK"
        await client.ask('AT+CGDCONT=1,"IP","wrong"')
        assert await client.dial() == "NO CARRIER"

    talk(work, apn="right")
    for setting, result in (("busy", "BUSY"), ("no-dialtone", "NO DIALTONE"), ("error", "ERROR")):

        async def refused(client: Client, result: str = result) -> None:
            assert await client.dial() == result
            assert await client.ask("AT") == "OK"

        talk(refused, dial=setting)


def test_addresses_and_name_servers_come_by_nak() -> None:
    async def work(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        assert client.wants[IPCP] == {3: NET + b"\x0f", 129: NET + b"\x03", 131: NET + b"\x04"}
        assert client.theirs[IPCP] == {3: NET + b"\x02"}
        assert client.theirs[LCP].keys() == {2, 5, 7, 8}
        client.control(LCP, 9, 77, client.wants[LCP][5] + b"hello")
        await client.until(lambda: client.seen(LCP, 10))
        assert client.seen(LCP, 10) == [b"\x0a\x4d\x00\x0d" + client.theirs[LCP][5] + b"hello"]
        client.send(0x00FB, b"what")  # a protocol that nobody speaks
        await client.until(lambda: client.seen(LCP, 8))
        assert client.seen(LCP, 8)[0][4:] == b"\x00\xfbwhat"
        client.control(LCP, 99, 5, b"?")  # an unknown code
        await client.until(lambda: client.seen(LCP, 7))
        assert client.seen(LCP, 7)[0][4:] == b"\x63\x05\x00\x05?"

    talk(work)


def test_the_peer_ends_it() -> None:
    async def work(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        client.ppp = True
        client.control(LCP, 5, 9)
        await client.until(lambda: client.seen(LCP, 6))
        client.ppp = False
        client.text.clear()
        await client.until(lambda: client.text == b"\r\nNO CARRIER\r\n")
        assert await client.ask("AT+CGACT?") == "OK"
        assert b"+CGACT: 1,0" in client.text
        client.acked.clear()
        client.granted.clear()
        assert await client.dial() == "CONNECT 150000000"  # redial
        client.wants[IPCP] = {3: bytes(4)}
        await client.bring_up(IPCP)

    talk(work)


def test_escape_and_back() -> None:
    async def work(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        client.modem.receive(b"+++")  # no silence before: payload
        await asyncio.sleep(3)
        assert client.modem.call.online  # type: ignore[attr-defined]
        await client.escape()
        assert client.text == b"\r\nOK\r\n"
        assert await client.ask("AT+CSQ") == "OK"
        assert "ERROR" in await client.ask("ATD*99#")  # there is a call
        client.modem.call.server.terminate()  # type: ignore[attr-defined]
        assert await client.ask("ATX0") == "OK"
        assert await client.ask("ATO") == "CONNECT"
        await client.until(lambda: client.seen(LCP, 5))

    talk(work)


def test_escape_characters_that_are_payload_come_through() -> None:
    got = bytearray()

    async def work(client: Client) -> None:
        client.mute = True
        await client.dial()
        client.modem.call.server.receive = got.extend  # type: ignore[attr-defined]
        client.modem.call.resume()  # type: ignore[attr-defined]
        typed = ((1.5, b"+++a"), (1.5, b"++"), (1.5, b"+"), (0.5, b"+"), (1.5, b"+++"), (0.5, b"+"), (1.5, b"b"))  # fmt: skip
        for pause, data in typed:
            await asyncio.sleep(pause)
            client.modem.receive(data)
        await asyncio.sleep(1.5)

    talk(work)
    assert bytes(got) == b"+++a++++++++b"


def test_notices_wait_for_command_mode_and_context_loss_hangs_up() -> None:
    async def work(client: Client) -> None:
        await client.ask('AT+QURCCFG="urcport","usbmodem"')
        await client.dial()
        await client.bring_up(IPCP)
        client.modem.urc("+QIND: 1")
        await client.escape()
        assert client.text == b"\r\nOK\r\n\r\n+QIND: 1\r\n"
        assert await client.ask("ATO") == "CONNECT 150000000"
        client.text.clear()
        client.ppp = False
        client.modem.EVENTS["pdp_lost"](client.modem)
        await client.until(lambda: b"NO CARRIER" in client.text)
        assert client.text == b'\r\nNO CARRIER\r\n\r\n+QIURC: "pdpdeact",1\r\n'

    talk(work)


@pytest.mark.parametrize("mode", ["0", "1", "2"])
def test_dtr(mode: str) -> None:
    async def work(client: Client) -> None:
        await client.ask(f"AT&D{mode}")
        await client.dial()
        await client.bring_up(IPCP)
        client.ppp = False
        client.text.clear()
        client.modem.set_dtr(False)
        await asyncio.sleep(0.1)
        assert client.text == {"0": b"", "1": b"\r\nOK\r\n", "2": b"\r\nNO CARRIER\r\n"}[mode]
        if mode == "1":
            assert await client.ask("ATH") == "OK"
            assert await client.ask("ATO") == "NO CARRIER"

    talk(work)


def test_a_lost_first_frame_is_made_up_for_by_the_restart_timer() -> None:
    async def work(client: Client) -> None:
        await client.dial()
        began = asyncio.get_running_loop().time()
        client.request(LCP)  # lost
        await client.until(lambda: LCP in client.granted)
        assert 2.9 < asyncio.get_running_loop().time() - began < 3.1
        assert not client.seen(LCP, 2)
        await client.bring_up(IPCP)

    talk(work, ppp="lose-first")


def test_silence_and_giving_up() -> None:
    async def silent(client: Client) -> None:
        await client.dial()
        client.request(LCP)
        await asyncio.sleep(60)
        assert not client.frames

    async def mute(client: Client) -> None:
        client.mute = True
        await client.dial()
        client.ppp = False
        client.text.clear()
        began = asyncio.get_running_loop().time()
        await client.until(lambda: b"NO CARRIER" in client.text)
        assert 29 < asyncio.get_running_loop().time() - began < 31  # ten requests, 3 s each
        assert client.text.count(b"~") == 18  # the first is gone with CONNECT

    talk(silent, ppp="silent")
    talk(mute)


@pytest.mark.parametrize(("kind", "code"), [("pap", PAP), ("chap", CHAP)], ids=["pap", "chap"])
def test_authentication(kind: str, code: int) -> None:
    async def right(client: Client) -> None:
        client.user, client.password = b"who", b"secret"
        await client.dial()
        await client.bring_up(IPCP)
        assert client.theirs[LCP][3][:2] == code.to_bytes(2, "big")

    async def wrong(client: Client) -> None:
        client.user, client.password = b"who", b"guess"
        await client.dial()
        await client.bring_up()
        assert client.seen(code, 3 if kind == "pap" else 4)
        await client.until(lambda: client.seen(LCP, 5))
        client.ppp = False
        client.text.clear()
        await client.until(lambda: b"NO CARRIER" in client.text)

    options = {"ppp_auth": kind, "ppp_user": "who", "ppp_password": "secret"}
    talk(right, **options)
    with pytest.raises(AssertionError):  # its bring_up waits for a success that never comes
        talk(wrong, **options)


def test_faults_of_the_server() -> None:
    async def no_dns(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        assert client.wants[IPCP] == {3: NET + b"\x0f"}

    async def offers(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        assert client.theirs[IPCP].keys() == {3}  # without VJ, which was rejected
        assert any(protocol == CCP for protocol, _ in client.frames)

    async def loop(client: Client) -> None:
        await client.dial()
        client.request(LCP)
        await client.until(lambda: client.theirs.get(LCP) == client.wants[LCP])

    async def deaf(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        client.control(LCP, 9, 1, bytes(4))
        await asyncio.sleep(10)
        assert not client.seen(LCP, 10)

    async def damaged(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        for n in range(10):
            client.control(LCP, 9, n, bytes(4))
        await asyncio.sleep(1)
        assert client.bad >= 2
        assert len(client.seen(LCP, 10)) == 8  # of ten

    async def keepalive(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        await asyncio.sleep(65)
        assert len(client.seen(LCP, 9)) == 6  # all answered
        client.protocols.discard(LCP)
        client.mute = True
        await client.until(lambda: client.seen(LCP, 5))
        client.ppp = False
        client.text.clear()
        await client.until(lambda: b"NO CARRIER" in client.text)

    async def escaped(client: Client) -> None:
        await client.dial()
        client.protocols.add(LCP)
        await client.bring_up(IPCP)
        assert client.theirs[LCP][2] == b"\xff\xff\xff\xff"
        client.modem.receive(
            stuff(b"\xff\x03\xc0\x21\x09\x01\x00\x08abcd").replace(b"\x7d", b"\x11\x7d")
        )
        await client.until(lambda: client.seen(LCP, 10))  # what was put in is taken out again

    for faults, work in (
        ("no-dns", no_dns), ("offer-vj+offer-ccp", offers), ("loop", loop), ("no-echo", deaf),
        ("damage", damaged), ("keepalive", keepalive), ("all-controls", escaped),
    ):  # fmt: skip
        talk(work, ppp=faults)


def test_ipv6_is_there_when_the_context_has_it() -> None:
    async def without(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        client.request(IPV6CP)
        await client.until(lambda: client.seen(LCP, 8))
        assert client.seen(LCP, 8)[0][4:6] == b"\x80\x57"

    async def both(client: Client) -> None:
        await client.ask('AT+CGDCONT=1,"IPV4V6","x"')
        await client.dial()
        await client.bring_up(IPCP, IPV6CP)
        assert client.theirs[IPV6CP][1] != client.wants[IPV6CP][1]

    async def alone(client: Client) -> None:
        await client.ask('AT+CGDCONT=1,"IPV6","x"')
        await client.dial()
        client.wants[IPV6CP][1] = bytes(8)  # none of its own: it is given one
        await client.bring_up(IPV6CP)
        assert client.wants[IPV6CP][1] != bytes(8)
        client.protocols.add(IPCP)
        client.request(IPCP)
        await client.until(lambda: client.seen(LCP, 8))

    for work in (without, both, alone):
        talk(work)


def test_scenario_words() -> None:
    async def work(client: Client) -> None:
        await client.dial()
        client.ppp = False
        client.text.clear()
        await client.until(lambda: b"NO CARRIER" in client.text)

    client = talk(work, scenario=Scenario((Step(at=3.0, do=(("event", "carrier_lost"),)),)))
    assert b"NO CARRIER" in client.text

    async def dropped(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        await asyncio.sleep(3)
        client.control(LCP, 9, 1, bytes(4))
        await asyncio.sleep(1)
        assert not client.seen(LCP, 10)
        await asyncio.sleep(3)
        client.control(LCP, 9, 2, bytes(4))
        await client.until(lambda: client.seen(LCP, 10))

    talk(
        dropped,
        scenario=Scenario(
            (Step(at=2.0, do=(("ppp", "no-echo"),)), Step(at=6.0, do=(("ppp", "end no-echo"),)))
        ),
    )
    with pytest.raises(ScenarioError):
        Scenario((Step(at=1.0, do=(("dtr", "off"),)),))
