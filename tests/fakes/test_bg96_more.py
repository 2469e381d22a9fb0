"""More facts of the BG96, one small test each: what mutants of the fake had survived.

AT Commands Manual V2.2 ("AT"), TCP(IP) AT Commands Manual V1.1 ("TCP"); L<n> as in `bg96_host`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.bg96 import PROFILES, Bg96, Settings, build
from fakes.bg96.codes import CmeRejected
from fakes.world import World
from tests.fakes.bg96_host import Bench, bench, tcp_server, udp_peer
from tests.ports import free_port

CME = {
    3: "operation not allowed", 4: "operation not supported", 10: "SIM not inserted",
    11: "SIM PIN required", 12: "SIM PUK required", 13: "SIM failure", 14: "SIM busy",
    16: "incorrect password", 30: "no network service",
}  # fmt: skip


def count_time(host: Bench) -> list[float]:
    """Seconds of every pause and timer of the module from now on."""
    spent: list[float] = []
    pause, timer = host.modem.sleep, host.modem.later

    async def sleep(seconds: float) -> None:
        spent.append(seconds)
        await pause(seconds)

    def later(delay: float, action: Any) -> asyncio.TimerHandle:
        spent.append(delay)
        return timer(delay, action)

    host.modem.sleep = sleep  # type: ignore[method-assign]
    host.modem.later = later  # type: ignore[method-assign]
    return spent


async def wrong(host: Bench, line: str, code: int = 552) -> None:
    """ERROR, and the reason that AT+QIGETERROR gives."""
    assert await host.command(line) == b"\r\nERROR\r\n", line
    reason = await host.info("AT+QIGETERROR")
    assert reason.startswith(f"+QIGETERROR: {code},"), (line, reason)


# ---- errors and the line ---------------------------------------------------------------------


async def test_verbose_errors_have_the_manuals_text() -> None:
    """AT, section 12.5: AT+CMEE=2 shows the text, 1 the number, 0 neither."""
    async with bench() as host:
        await host.ok("ATE0;+CMEE=2")
        for code, text in CME.items():
            host.modem._reject("+CPIN?", CmeRejected(code))
            assert host.take() == f"\r\n+CME ERROR: {text}\r\n".encode()
    for setting, code in (("absent", 10), ("failed", 13), ("busy", 14)):
        async with bench(sim=setting) as host:
            await host.ok("ATE0;+CMEE=2")
            assert await host.command("AT+CPIN?") == f"\r\n+CME ERROR: {CME[code]}\r\n".encode()


async def test_a_blocked_sim_says_so_in_words() -> None:
    """AT, AT+CPIN: three wrong PINs, then the PUK with a new PIN, which is asked for from then on."""
    async with bench(pin="1234", puk="87654321") as host:
        await host.ok("ATE0;+CMEE=2")
        for _ in range(3):
            assert await host.command("AT+CPIN=9999") == b"\r\n+CME ERROR: incorrect password\r\n"
        assert await host.command("AT+CPIN=1234") == b"\r\n+CME ERROR: SIM PUK required\r\n"
        await host.ok('AT+CPIN="87654321","5678"')
        host.modem.restart()
        await host.wait_for("\r\nRDY\r\n")
        await host.ok("ATE0;+CMEE=2")
        assert await host.command("AT+CPIN=1234") == b"\r\n+CME ERROR: incorrect password\r\n"
        await host.ok("AT+CPIN=5678")


async def test_a_line_feed_is_no_part_of_a_command() -> None:
    """AT, section 1.4: S3 ends a line, a line feed is ignored; ATE1 brings the echo back."""
    async with bench() as host:
        await host.ok("ATE0")
        host.type("AT+CGMM\n\r")
        assert await host.until(rb"OK\r\n") == b"\r\nBG96\r\n\r\nOK\r\n"
        await host.ok("ATE1")
        assert await host.ok("AT") == b"AT\r\r\nOK\r\n"


async def test_what_is_no_command_at_all_is_an_error() -> None:
    async with bench() as host:
        await host.ok("ATE0")
        for line in ("AT!", "AT#X", "AT*"):
            assert await host.command(line) == b"\r\nERROR\r\n", line


async def test_an_empty_parameter_is_its_default() -> None:
    """AT, section 1.4: optional parameters may be left out."""
    async with bench(ready=True) as host:
        await host.ok("AT+QICLOSE=0,")
        await host.ok(f'AT+QIOPEN=1,0,"UDP SERVICE","127.0.0.1",0,{free_port()},')
        await host.wait_for("+QIOPEN: 0,0\r\n")


async def test_both_spellings_of_a_name_have_their_test_form() -> None:
    """AT, chapter 2: AT+GMI and AT+CGMI are one command, with a test form each; so in every kind of fake."""

    class Sibling(Bg96):
        """Another kind of the same."""

    host = Bench(Sibling(PROFILES["bg96"], Settings(), World(time_scale=0)))
    await host.modem.start(host.hear)
    await host.ok("ATE0")
    for line in ("AT+CGMI=?", "AT+GMI=?", "AT+CGSN=?", "AT+GSN=?"):
        assert await host.ok(line) == b"\r\nOK\r\n"
    await host.modem.stop()


async def test_a_rate_that_was_not_stored_is_gone_after_a_restart() -> None:
    """AT, AT+IPR: kept only with AT&W."""
    for store, rate in (("", 115200), (";&W", 9600)):
        async with bench(port="uart1") as host:
            await host.ok("ATE0")
            await host.ok(f"AT+IPR=9600{store}")
            await asyncio.sleep(0)
            host.modem.set_line_rate(rate)
            host.take()
            host.modem.restart()
            await host.wait_for("\r\nRDY\r\n")
            await host.ok("ATE0")
            assert await host.info("AT+IPR?") == f"+IPR: {rate}"


async def test_a_name_outside_the_modules_characters_is_shown_all_the_same() -> None:
    async with bench(operator="Łódź~Net") as host:
        await host.ok("ATE0")
        assert await host.info("AT+COPS?") == '+COPS: 0,0,"?ód?~Net",8'


async def test_lines_wait_behind_an_open_prompt() -> None:
    """No log shows a line between the prompt and its result. How many can wait is this fake's own bound."""
    async with udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        host.type("AT+QISEND=0,1\r")
        await host.wait_for("\r\n> ")
        for number in range(70):
            host.modem.urc(f"+TEST: {number}")
        assert host.take() == b""
        host.type("x")
        said = await host.until(rb"SEND OK\r\n") + await host.quiet(0.01)
        assert said.count(b"+TEST: ") == 64
        assert said.startswith(b"\r\nSEND OK\r\n")


async def test_identity() -> None:
    """15 digits, the last one checks the others (3GPP TS 23.003, annex B)."""
    async with bench() as host:
        await host.ok("ATE0")
        digits = [int(digit) for digit in await host.info("AT+CGSN")]
        assert len(digits) == 15
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0


async def test_revision_of_the_bg95() -> None:
    """BG95-M3, firmware R02A03 of the LA variant: the profile's name for it."""
    async with bench(firmware="bg95", latency="0") as host:
        host.type("AT+CGMR\r")
        assert b"\r\nBG95M3LAR02A03\r\n" in await host.wait_for("OK\r\n")


@pytest.mark.parametrize(
    ("name", "value"),
    [("roamservice", "255"), ("servicedomain", "1"), ("urc/delay", "0"), ("apready", "0,0,500"),
     ("urc/ri/ring", '"pulse",120,1000,5000,"off",1'), ("urc/ri/smsincoming", '"pulse",120,1'),
     ("urc/ri/other", '"pulse",120,1'), ("risignaltype", '"respective"')],
)  # fmt: skip
async def test_default_of_a_configuration(name: str, value: str) -> None:
    """AT, AT+QCFG; the pulse of RI is 120 ms (LOG-A shows it)."""
    async with bench(latency="0") as host:
        host.type(f'ATE0;+QCFG="{name}"\r')
        assert f'\r\n+QCFG: "{name}",{value}\r\n'.encode() in await host.wait_for("\r\nOK\r\n")


# ---- events, power, network ------------------------------------------------------------------


async def test_the_card_comes_and_goes() -> None:
    """AT, AT+QSIMSTAT: the notice, with its blank, only when it is switched on."""
    for switched in (0, 1):
        async with bench(ready=True) as host:
            await host.ok(f"AT+QSIMSTAT={switched}")
            Bg96.EVENTS["sim_out"](host.modem)
            assert (b"\r\n+QSIMSTAT : 1,0\r\n" in host.said) == bool(switched)
            assert b"\r\n+CPIN: NOT READY\r\n" in host.take()
            Bg96.EVENTS["sim_in"](host.modem)
            assert (b"\r\n+QSIMSTAT : 1,1\r\n" in host.said) == bool(switched)
            assert b"\r\n+CPIN: READY\r\n" in host.take()


async def test_a_start_without_a_card() -> None:
    """AT, table 12: +CPIN: NOT READY instead of READY."""
    async with bench(sim="absent") as host:
        await host.ok('ATE0;+QURCCFG="urcport","usbmodem"')
        host.modem.restart()
        said = await host.until(rb"\+CFUN: 1\r\n\r\n\+[^\r]*\r\n")
        assert said.endswith(b"\r\n+CFUN: 1\r\n\r\n+CPIN: NOT READY\r\n")


async def test_a_context_is_lost_with_and_without_a_word() -> None:
    """TCP, "pdpdeact"; a silent loss was measured (L61). A context that is not active is not lost."""
    async with bench(ready=True) as host:
        host.modem.lose_context(5)
        host.modem.lose_context(2)
        Bg96.EVENTS["pdp_lost"](host.modem)
        assert host.take() == b'\r\n+QIURC: "pdpdeact",1\r\n'
        Bg96.EVENTS["pdp_lost"](host.modem)
        assert host.take() == b""
        await host.ok("AT+QIDEACT=1")
        Bg96.EVENTS["pdp_lost"](host.modem)
        assert host.take() == b""
        await host.ok("AT+QIACT=1")
        host.take()
        Bg96.EVENTS["pdp_lost_silently"](host.modem)
        assert await host.quiet(0.005) == b""


async def test_full_functionality_twice_changes_nothing() -> None:
    """AT, AT+CFUN: 1 when it is 1 keeps the network; 4 loses it, and 1 finds it again."""
    async with bench(ready=True) as host:
        await host.ok("AT+CFUN=1")
        assert await host.info("AT+QIACT?") != ""
        assert await host.info("AT+CEREG?") == "+CEREG: 0,1"
        await host.ok("AT+CFUN=4")
        assert host.take() == b'\r\n+QIURC: "pdpdeact",1\r\n'
        assert await host.info("AT+CEREG?") == "+CEREG: 0,0"
        await host.ok("AT+CFUN=0")
        assert await host.info("AT+CEREG?") == "+CEREG: 0,0"


async def test_attach_and_detach() -> None:
    """AT, AT+CGATT: its OK comes when it is attached."""
    async with bench(ready=True) as host:
        host.modem.time_scale = 1.0
        await host.ok("AT+CGATT=0")
        assert await host.info("AT+CGATT?") == "+CGATT: 0"
        await host.ok("AT+CGATT=1")
        assert await host.info("AT+CGATT?") == "+CGATT: 1"
        await host.ok("AT+CREG=1")
        host.modem.set_registration(5)
        host.take()
        await host.ok("AT+CGATT=1")
        assert await host.info("AT+CREG?") == "+CREG: 1,5", "already attached"
        host.modem.settings = Settings(sim="absent")
        host.modem.set_registration(0)
        host.take()
        await host.ok("AT+CGATT=1")
        assert await host.info("AT+CGATT?") == "+CGATT: 0", "no card"


async def test_scan() -> None:
    """AT, AT+COPS=?: state 2 is the current operator, 1 available; then the modes and formats."""
    async with bench(operator="Home", plmn="00199") as host:
        await host.ok("ATE0")
        for stat, state in ((1, 2), (2, 1)):
            host.modem.set_registration(stat)
            assert await host.info("AT+COPS=?") == (
                f'+COPS: ({state},"Home","Home","00199",8),(1,"Other Net","Other Net","00102",0)'
                ",,(0,1,2,3,4),(0,1,2)"
            )


async def test_search_takes_the_time_it_is_set_to() -> None:
    async with bench(reg="delay:1000", time_scale=1.0) as host:
        await host.ok("ATE0")
        assert await host.info("AT+CEREG?") == "+CEREG: 0,2"


async def test_the_sequence_says_what_is_searched_first() -> None:
    """AT, 4.2.1: 01 GSM, 02 Cat M1, 03 Cat NB1."""
    for sequence, act in (("0102", 0), ("0201", 8), ("00", 8)):
        async with bench(rat="m1+gsm", latency="0") as host:
            await host.ok(f'ATE0;+QCFG="nwscanseq",{sequence},1')
            await asyncio.sleep(0.005)
            assert await host.info("AT+COPS?") == f'+COPS: 0,0,"Test Network",{act}'


async def test_pin_takes_its_time() -> None:
    """LOG-B: READY about 0.4 s behind the OK, SMS DONE about 0.85 s."""
    async with bench(pin="1234", latency="0") as host:
        await host.ok("ATE0")
        spent = count_time(host)
        await host.ok("AT+CPIN=1234")
        assert spent[1:3] == pytest.approx([0.4, 0.85], abs=0.1)


# ---- messages --------------------------------------------------------------------------------


async def test_message_settings() -> None:
    """AT, AT+CPMS, AT+CNMI, AT+CMGF, AT+CTZR; AT&F puts the time zone notice back (table 7)."""
    async with bench(latency="0") as host:
        await host.ok("ATE0")
        assert await host.info('AT+CPMS="MT","MT","MT"') == "+CPMS: 0,23,0,23,0,23"
        assert await host.info("AT+CPMS?") == '+CPMS: "MT",0,23,"MT",0,23,"MT",0,23'
        for mt in "0123":
            await host.ok(f"AT+CNMI=2,{mt}")
            assert await host.info("AT+CNMI?") == f"+CNMI: 2,{mt},0,0,0"
        assert await host.command("AT+CNMI=2,9") == b"\r\nERROR\r\n"
        assert await host.info("AT+CMGF=?") == "+CMGF: (0,1)"
        assert await host.info("AT+CTZR?") == "+CTZR: 0"
        await host.ok("AT+CTZR=2")
        assert await host.info("AT+CTZR?") == "+CTZR: 2"
        await host.ok("AT&FE0")
        assert await host.info("AT+CTZR?") == "+CTZR: 0"


# ---- contexts and names ----------------------------------------------------------------------


async def test_the_only_apn() -> None:
    """TCP, chapter 5: 561, open PDP failed."""
    async with bench(apn="internet") as host:
        await host.ok("ATE0")
        await host.ok('AT+QICSGP=1,1,"other"')
        await wrong(host, "AT+QIACT=1", 561)
        await wrong(host, "AT+QIACT=1,1")
        await host.ok('AT+QICSGP=1,1,"internet"')
        await host.ok("AT+QIACT=1")


async def test_a_dead_network_resolves_nothing_and_has_no_time() -> None:
    """TCP, chapter 5: 565 no such name, 569 timeout."""
    async with bench(link="dead", resolve={"srv": "127.0.0.9"}, ready=True) as host:
        await host.ok('AT+QIDNSGIP=1,"srv"')
        assert await host.until(rb"dnsgip\",[^\r]*\r\n") == b'\r\n+QIURC: "dnsgip",565\r\n'
        await host.ok('AT+QNTP=1,"srv",123,1')
        assert await host.until(rb"\+QNTP: [^\r]*\r\n") == b"\r\n+QNTP: 569\r\n"


async def test_pings_take_50_to_150_ms() -> None:
    """Cat M1 in good coverage; both ends of the range occur."""
    async with bench(ready=True) as host:
        for end in (min, max):
            host.modem.random.randint = lambda low, high, end=end: end(low, high)  # type: ignore[method-assign, misc]
            await host.ok('AT+QPING=1,"127.0.0.9",1,1')
            shown = {min: 50, max: 150}[end]
            await host.wait_for(f"+QPING: 0,1,1,0,{shown},{shown},{shown}\r\n")


async def test_the_type_of_a_context_chooses_the_address() -> None:
    """TCP, AT+QICSGP: type 1 IPv4, 2 IPv6, 3 both."""
    async with udp_peer() as peer, bench(resolve={"four": "127.0.0.1"}) as host:
        await host.ok("ATE0")
        for kind, code in ((1, 0), (2, 565), (3, 0)):
            await host.ok(f'AT+QICSGP=1,{kind},"x"')
            await host.ok("AT+QIACT=1")
            await host.ok(f'AT+QIOPEN=1,0,"UDP","four",{peer.port}')
            assert (
                await host.until(rb"\+QIOPEN: [^\r]*\r\n") == f"\r\n+QIOPEN: 0,{code}\r\n".encode()
            )
            await host.ok("AT+QIDEACT=1")


# ---- sockets ---------------------------------------------------------------------------------


async def test_ranges_of_an_open() -> None:
    """TCP, AT+QIOPEN: contexts 1-16, ports up to 65535."""
    async with bench(ready=True) as host:
        await wrong(host, 'AT+QIOPEN=0,0,"TCP","127.0.0.1",9')
        await wrong(host, 'AT+QIOPEN=1,0,"UDP","127.0.0.1",65536')
        await wrong(host, 'AT+QIOPEN=1,0,"UDP","127.0.0.1",9,65536')
        await host.open(0, "UDP", "127.0.0.1", 65535)
        host.modem.sockets.open_udp = (  # type: ignore[method-assign]
            lambda port, **_: pytest.fail("port") if port != 65535 else _refused()
        )
        await host.ok('AT+QIOPEN=1,1,"UDP SERVICE","127.0.0.1",0,65535')
        await host.wait_for("+QIOPEN: 1,556\r\n")


def _refused() -> None:
    raise PermissionError(13, "in use")


async def test_ranges_of_a_send() -> None:
    """TCP, AT+QISEND and AT+QISENDEX: four parameters at most, two of a connection; ports up to 65535."""
    async with udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, free_port())
        await host.open(1, "UDP", "127.0.0.1", peer.port)
        await wrong(host, 'AT+QISEND=0,1,"127.0.0.1",9,1')
        await wrong(host, 'AT+QISEND=1,1,"127.0.0.1"')
        assert await host.send(0, b"x", ',"127.0.0.1",65535') == b"SEND OK"
        await wrong(host, 'AT+QISENDEX=1,""')
        await wrong(host, f'AT+QISENDEX=1,"{"0" * 514}"')
        await host.ok("AT+QISWTMD=1,1")
        await host.ok("AT+QISWTMD=1,0")
        await host.open(11, "UDP", "127.0.0.1", peer.port)
        await host.ok("AT+QISWTMD=11,0")


async def test_nothing_goes_through_a_socket_that_is_gone() -> None:
    """TCP, chapter 5: 567, socket closed."""
    async with udp_peer() as peer, bench(ready=True) as host:
        await host.open(0, "UDP", "127.0.0.1", peer.port)
        host.type("AT+QISEND=0,1\r")
        await host.wait_for("\r\n> ")
        host.modem.lose_context(1)
        host.type("x")
        await host.wait_for("\r\nERROR\r\n")
        host.take()
        assert await host.info("AT+QIGETERROR") == "+QIGETERROR: 567,socket has been closed"


async def test_a_connection_that_is_still_opening_has_nothing_to_read() -> None:
    """TCP, AT+QIRD: ERROR, 567, before the connection stands."""
    async with bench(ready=True, connect_delay="1000") as host:
        host.modem.time_scale = 1.0
        await host.ok('AT+QIOPEN=1,0,"TCP","127.0.0.1",9')
        await wrong(host, "AT+QIRD=0", 567)
        assert ",1,1,0,0," in await host.info("AT+QISTATE=1,0")


async def test_the_notice_tells_the_length_of_the_first_datagram() -> None:
    """TCP, AT+QICFG="recvind",1."""
    async with udp_peer() as peer, bench(ready=True) as host:
        port = free_port()
        await host.ok('AT+QICFG="recvind",1')
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, port)
        peer.transport.sendto(b"12345", ("127.0.0.1", port))
        assert await host.until(rb"recv[^\r]*\r\n") == b'\r\n+QIURC: "recv",0,5\r\n'


async def test_datagrams_beyond_the_buffer_are_lost_and_counted() -> None:
    """The buffer takes 10240 bytes (EC200U note, "sendinfo", by analogy); the journal counts the rest."""
    async with udp_peer() as peer, bench(ready=True) as host:
        port = free_port()
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, port)
        for _ in range(9):
            peer.transport.sendto(bytes(1400), ("127.0.0.1", port))
        await host.wait_for('"recv",0\r\n')
        for _ in range(200):
            lost = [r.detail for r in host.modem.journal if r.kind == "datagrams-lost"]
            if sum(int(each.rpartition(" ")[2]) for each in lost) == 2:
                break
            await asyncio.sleep(0.001)
        else:
            pytest.fail(f"lost: {lost}")
        assert await host.info("AT+QIRD=0,0") == "+QIRD: 9800,0,9800"


async def test_a_peer_sees_an_orderly_end_when_the_context_goes() -> None:
    """TCP, AT+QIDEACT closes the connections of a context: an end of data, no reset."""
    async with tcp_server() as server, bench(ready=True) as host:
        await host.open(0, "TCP", "127.0.0.1", server.port)
        reader, _ = await server.connection()
        await host.ok("AT+QIDEACT=1")
        assert await asyncio.wait_for(reader.read(1), 5) == b""


async def test_a_close_waits_ten_seconds_by_default() -> None:
    """TCP, AT+QICLOSE: timeout 0-65535 s, default 10 (LOG-A: 10.001 s with a silent peer)."""
    for delay, line, seconds in (("100", "", 10), ("100", ",3", 3), (None, "", 0)):
        options = {} if delay is None else {"close_delay": delay}
        async with tcp_server() as server, bench(ready=True, latency="0", **options) as host:
            await host.open(0, "TCP", "127.0.0.1", server.port)
            spent = count_time(host)
            await host.ok(f"AT+QICLOSE=0{line}")
            assert sum(spent) == seconds


async def test_a_name_is_opened_while_another_is_looked_up() -> None:
    """568 was seen once (L63) and is a setting; by default both go on."""
    async with udp_peer() as peer, bench(ready=True, resolve={"srv": "127.0.0.1"}) as host:
        for setting, code in ((False, 0), (True, 568)):
            if setting:
                host.modem.settings = Settings(open_dns_busy=True)
            host.modem.time_scale = 0.05
            await host.ok('AT+QIDNSGIP=1,"srv"')
            await host.ok(f'AT+QIOPEN=1,0,"UDP","srv",{peer.port}')
            said = await host.until(rb"\+QIOPEN: [^\r]*\r\n")
            assert said == f"\r\n+QIOPEN: 0,{code}\r\n".encode()
            await host.wait_for('"dnsgip","127.0.0.1"\r\n')
            await host.ok("AT+QICLOSE=0")


# ---- what build takes ------------------------------------------------------------------------


async def test_words_that_build_takes() -> None:
    """Each disputed behaviour has a name for both sides, and no third."""
    words = {
        "port": ("uart1", "usbat", "usbmodem"), "open_inactive": ("error", "urc"),
        "qiact_already": ("error", "ok"), "open_result_port": ("issuer", "urcport"),
        "udp_rest": ("drop", "keep"), "close_unknown": ("ok", "error"),
        "sim": ("ready", "absent", "failed", "busy"), "link": ("ok", "dead"),
    }  # fmt: skip
    async with bench(operator="a~b"):
        for name, values in words.items():
            for value in values:
                assert getattr(build(**{name: value}).settings, name) == value
            with pytest.raises(ValueError, match=name):
                build(**{name: "perhaps"})
        for name in ("imei", "imsi"):
            assert getattr(build(**{name: "1" * 15}).settings, name) == "1" * 15
            for text in ("1" * 14, "1" * 16, "a" * 15):
                with pytest.raises(ValueError, match=name):
                    build(**{name: text})


# ---- what the profiles differ in -------------------------------------------------------------

PROFILE_ANSWERS = [
    ("bg96", "+CGMM", "BG96"),
    ("bg96", '+QICFG="tcp/keepalive"', None),  # TCP: none
    ("bg96", '+QICFG="tcp/retranscfg"', '+QICFG: "tcp/retranscfg",8,600'),
    ("bg96", "+CEDRXS=0", ""),
    ("bg96", "+QINISTAT", "+QINISTAT: 3"),
    ("bg96-old", "+CGMM", "BG96"),
    ("bg96-old", "+CGMR", "BG96MAR02A06M1G"),  # its release notes
    ("bg96-old", '+QCFG="cmux/urcport"', None),  # the same: no multiplexer
    ("bg95", "+CGMM", "BG95-M3"),  # zephyr #88686
    ("bg95", '+QICFG="tcp/keepalive"', '+QICFG: "tcp/keepalive",0'),  # TCP/IP note V1.1
    ("bg95", '+QICFG="tcp/retranscfg"', '+QICFG: "tcp/retranscfg",12,600'),
    ("ec25", "+CGMM", "EC25"),
    ("ec25", "+CGMR", "EC25EFAR06A08M4G"),  # 1NCE, "EC25 RAT configuration"
    ("ec25", '+QICFG="tcp/keepalive"', '+QICFG: "tcp/keepalive",0'),
    ("ec25", "+QINISTAT", "+QINISTAT: 7"),  # EC2x AT manual V2.0: 4 is the phone book
    # EC25&EC21 AT manual V1.3: neither Cat M1 nor power saving mode
    *(("ec25", f'+QCFG="{name}"', None) for name in ("iotopmode", "psm/enter", "psm/urc")),
    *(("ec25", f"+{name}?", None) for name in ("CPSMS", "CEDRXS", "QCSCON")),
]


@pytest.mark.parametrize(("firmware", "line", "answer"), PROFILE_ANSWERS)
async def test_answer_of_a_profile(firmware: str, line: str, answer: str | None) -> None:
    async with bench(firmware=firmware, latency="0") as host:
        host.type(f"ATE0{';' if line[0] == '+' else ''}{line}\r")
        said = await host.until(rb"\r\n(?:OK|ERROR)\r\n")
        shown = f"\r\n{answer}\r\n\r\nOK\r\n" if answer else "\r\nOK\r\n"
        shown = "\r\nERROR\r\n" if answer is None else shown
        assert said.endswith(shown.encode())
        assert said.count(b"\r\n") == shown.count("\r\n")


@pytest.mark.parametrize(("firmware", "code"), [("bg96", 552), ("bg95", 567)])
async def test_release_assistance_is_the_bg95s(firmware: str, code: int) -> None:
    """BG95 TCP/IP note V1.1, AT+QISENDEX: a third parameter; here there is no such socket anyway."""
    async with bench(firmware=firmware, latency="0") as host:
        await host.ok("ATE0")
        await wrong(host, 'AT+QISENDEX=0,"00",1', code)


@pytest.mark.parametrize(("firmware", "low", "high"), [("bg95", 2.5, 4.2), ("ec25", 12, 15)])
async def test_time_from_the_power_key(firmware: str, low: float, high: float) -> None:
    """Device OS of Particle: BG95 at least 2.5 s, EG91 at least 12 s; EC21 less than 15 s."""
    async with bench(firmware=firmware, latency="0") as host:
        host.modem.off()
        spent = count_time(host)
        host.modem.restart()
        await host.wait_for("\r\nRDY\r\n")
        assert low <= spent[0] < high


async def test_the_phone_book_is_the_last_to_be_ready() -> None:
    """EC2x AT manual V2.0: +QIND: PB DONE."""
    async with bench(firmware="ec25", latency="0") as host:
        await host.ok('ATE0;+QURCCFG="urcport","usbmodem"')
        host.modem.restart()
        await host.wait_for("\r\n+QIND: SMS DONE\r\n\r\n+QIND: PB DONE\r\n")


async def test_the_buffer_takes_10240_bytes() -> None:
    """EC200U note, "sendinfo", by analogy."""
    async with udp_peer() as peer, bench(ready=True, latency="0") as host:
        port = free_port()
        await host.open(0, "UDP SERVICE", "127.0.0.1", 0, port)
        for size in (*[1460] * 7, 21, 20, 1):
            peer.transport.sendto(bytes(size), ("127.0.0.1", port))
        await host.wait_for('"recv",0\r\n')
        async with asyncio.timeout(1):
            while sum(r.kind == "datagrams-lost" for r in host.modem.journal) < 1:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.005)
        assert await host.info("AT+QIRD=0,0") == "+QIRD: 10240,0,10240"
