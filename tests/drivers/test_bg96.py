"""What only the BG96 has: SIM, registration, contexts, the notice port, ids, send counters."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from atdriver.errors import SpecificationError, UnsupportedFirmware
from fakes import Step
from modems.bg96 import commands, network, sim
from netsocket import errors
from netsocket.cellular import AccessPointName, Authentication, Registration, Signal, SimState
from netsocket.interface_kinds import AsyncCellularInterface
from netsocket.stack import InterfaceStatus
from tests.drivers.rig import (
    Rig,
    assemble,
    echo_server,
    noise,
    opened,
    receive,
    udp_echo,
    until,
)
from tests.faults.bench import virtual


def sent_by_host(rig: Rig) -> list[str]:
    return [entry.detail for entry in rig.fake.journal if entry.kind == "command"]


async def fails_to_open(
    fake: dict[str, str], expected: type[OSError], words: str, **settings: object
) -> Rig:
    rig = assemble("bg96", "bg96", fake, **settings)
    try:
        with pytest.raises(expected, match=words):
            await rig.net.up()
    finally:
        await rig.net.close()
    return rig


async def test_the_port_of_the_notices_is_learnt_though_a_local_port_is_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else no answer to a name ever came: it was told on another port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        rig = assemble("bg96", "bg96")
        ports = iter([taken.getsockname()[1]])
        choose = rig.stack._free_port
        monkeypatch.setattr(rig.stack, "_free_port", lambda: next(ports, None) or choose())
        async with rig.net:
            async with asyncio.timeout(10):
                assert await rig.net.resolve("srv") == ["127.0.0.1"]
    assert 'AT+QURCCFG="urcport","usbmodem"' in sent_by_host(rig)


@virtual
async def test_pin_is_entered_when_asked() -> None:
    async with opened("bg96", "bg96", {"pin": "1234"}, pin="1234") as rig:
        assert rig.net.status is InterfaceStatus.GLOBAL_UP


async def test_pin_missing() -> None:
    await fails_to_open({"pin": "1234"}, PermissionError, r"PIN \(3 tries left\): give pin=…")


@virtual
async def test_wrong_pin_is_tried_once_only() -> None:
    for _ in range(3):
        rig = await fails_to_open({"pin": "1234"}, PermissionError, "refused", pin="9999")
        tried = [text for text in sent_by_host(rig) if text.startswith("AT+CPIN=")]
        assert len(tried) == (1 if _ == 0 else 0)


async def test_a_pin_that_is_no_number_is_refused_before_it_is_sent() -> None:
    rig = await fails_to_open({"pin": "1234"}, OSError, "4 to 8 digits", pin='1"\r')
    assert not [text for text in sent_by_host(rig) if text.startswith("AT+CPIN=")]


@pytest.mark.parametrize(
    ("tries", "words"), [(1, "only 1 try left"), (0, r"wants its PUK \(10 tries left\)")]
)
async def test_the_last_try_is_not_risked_and_a_puk_is_asked_for(tries: int, words: str) -> None:
    rig = assemble("bg96", "bg96", {"pin": "1234"}, pin="1234")
    await rig.channel.open()
    rig.fake.pin_tries, rig.fake.blocked_sim = tries, tries == 0
    with pytest.raises(errors.AuthenticationFailed, match=words):
        await rig.net.up()
    await rig.net.close()
    assert not [text for text in sent_by_host(rig) if text.startswith("AT+CPIN=")]


async def test_a_wrong_pin_tells_what_is_left() -> None:
    rig = await fails_to_open({"pin": "1234"}, PermissionError, "2 tries left", pin="9999")
    assert rig.fake.pin_tries == 2


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("absent", "no SIM card is in the module: put one in"),
        ("failed", r"the SIM does not get ready \(failed\)"),
        ("busy", r"the SIM does not get ready \(busy\)"),
    ],
)
async def test_a_sim_that_does_not_work(
    state: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim, "SIM_PATIENCE", 0.1)
    monkeypatch.setattr(sim, "POLL", 0.05)
    await fails_to_open({"sim": state}, errors.NetworkDown, words)


@virtual
async def test_no_registration_says_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    await fails_to_open(
        {"reg": "searching"}, errors.NetworkTimeout, r"\(searching; no signal\): is the antenna",
        register_timeout=0.5,
    )  # fmt: skip
    monkeypatch.setattr(network, "DENIED_PATIENCE", 0.1)
    rig = await fails_to_open({"reg": "denied"}, errors.AuthenticationFailed, "network denies")
    assert rig.net.status is InterfaceStatus.DISCONNECTED


async def test_a_module_in_flight_mode_is_switched_on_and_put_back() -> None:
    rig = assemble("bg96", "bg96")
    await rig.channel.open()
    rig.fake.receive(b"AT+CFUN=4\r")
    await asyncio.sleep(0.1)
    async with rig.net:
        assert rig.fake.functionality == 1
    assert rig.fake.functionality == 4


@virtual
async def test_the_state_of_sim_and_network() -> None:
    rig = assemble("bg96", "bg96", {"pin": "1234", "rat": "gsm"})
    net = rig.net
    assert isinstance(net, AsyncCellularInterface)
    try:
        before = await net.cellular()
        assert (before.sim, before.tries) == (SimState.PIN, 3)
        assert not before.signal.heard
        net.set_sim_pin("1234")
        await net.up()
        found = await net.cellular()
        assert (found.sim, found.tries) == (SimState.READY, None)
        assert found.registration is Registration.HOME
        assert (found.technology, found.band, found.plmn) == ("GSM", "GSM 900", "00101")
        assert found.operator == "Test Network"
        assert found.signal.rssi == -70
    finally:
        await net.close()
    async with opened("bg96", "bg95", {"reg": "roaming"}) as other:
        assert isinstance(other.net, AsyncCellularInterface)
        found = await other.net.cellular()
        assert found.technology == "LTE-M"
        # <sinr> 206 is 21.2 dB: steps of 0.2 dB from -20 dB (AT manual V2.2, AT+QCSQ).
        assert found.signal == Signal(-53, -81, 21.2, -11)


@virtual
async def test_another_apn_is_taken_at_the_next_up() -> None:
    async with opened("bg96", "bg96", {"apn": "internet"}, apn="internet") as rig:
        net = rig.net
        assert isinstance(net, AsyncCellularInterface)
        net.set_credentials("other", "me", "secret-word")
        assert net.access_point_name.authentication is Authentication.CHAP
        await net.down()
        with pytest.raises(
            errors.NetworkDown, match=r"refused APN 'other'.*give apn=NAME"
        ) as caught:
            await net.up()
        assert "secret-word" not in str(caught.value)
        net.set_credentials("internet")
        await net.up()
        assert rig.fake.contexts[1].apn == "internet"


async def test_without_an_apn_the_stored_one_or_its_absence_is_named() -> None:
    await fails_to_open({"apn": "internet"}, errors.NetworkDown, "no APN was given and none is st")


@virtual
async def test_roaming_and_lte_register_though_gprs_says_unknown() -> None:
    async with opened("bg96", "bg96", {"reg": "roaming", "rat": "m1"}) as rig:
        assert (await rig.net.refresh()).details["registration"] == "registered, roaming"


async def test_wrong_apn_is_named() -> None:
    await fails_to_open({"apn": "internet"}, errors.NetworkDown, "APN 'wrong'", apn="wrong")


async def test_right_apn() -> None:
    async with opened("bg96", "bg96", {"apn": "internet"}, apn="internet") as rig:
        assert rig.net.ip_address


async def test_an_apn_with_a_quote_is_refused_before_it_is_sent() -> None:
    with pytest.raises(SpecificationError, match="no quotes"):
        assemble("bg96", "bg96", apn='x","y')
    with pytest.raises(errors.InvalidArgument, match="no quotes"):
        AccessPointName("internet", 'me"')


async def test_without_the_right_notice_port_nothing_would_come_so_it_is_learned() -> None:
    async with echo_server() as server, opened("bg96", "bg96", {"port": "uart1"}) as rig:
        async with rig.net.tcp_socket() as sock:
            sock.settimeout(3)  # less than the slow poll: only a notice can be this fast
            await sock.connect(("srv", server.port))
            await asyncio.sleep(0.1)
            await sock.sendall(b"ping")
            assert await receive(sock, 4) == b"ping"
        told = [text for text in sent_by_host(rig) if "urcport" in text]
        assert told[-1] == 'AT+QURCCFG="urcport","uart1"'
        fake = rig.fake
    put_back = [e.detail for e in fake.journal if e.kind == "command" and "urcport" in e.detail]
    assert put_back[-1] == 'AT+QURCCFG="urcport","usbat"'


async def test_sockets_left_by_a_previous_program_are_closed_first() -> None:
    async with echo_server() as server:
        rig = assemble("bg96", "bg96")
        await rig.channel.open()
        fake = rig.fake
        for line in ("AT+QIACT=1", f'AT+QIOPEN=1,0,"TCP","127.0.0.1",{server.port},0,0'):
            fake.receive(line.encode() + b"\r")
            await asyncio.sleep(0.1)
        await until(lambda: server.writers)
        async with rig.net:
            await until(lambda: server.ended)
            sock = await rig.net.connect(("srv", server.port), timeout=60)
            await sock.sendall(b"mine")
            assert await receive(sock, 4) == b"mine"
            await sock.close()


async def test_an_id_taken_behind_our_back_is_closed_and_taken() -> None:
    """Code 563: the id was left open."""
    async with echo_server() as server, opened("bg96", "bg96") as rig:
        rig.fake.receive(f'AT+QIOPEN=1,0,"TCP","127.0.0.1",{server.port},0,0\r'.encode())
        await until(lambda: server.writers)
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        await sock.sendall(b"mine")
        assert await receive(sock, 4) == b"mine"
        await sock.close()


async def test_send_fail_is_settled_by_the_counters() -> None:
    """A peer that does not read: the module's buffer fills, SEND FAIL means nothing was taken, and
    in the end every byte arrives once."""
    data = noise(3_000_000)
    stop_reading = asyncio.Event()
    got = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stop_reading.wait()
        while part := await reader.read(65536):
            got.extend(part)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    port = server.sockets[0].getsockname()[1]
    async with opened("bg96", "bg96") as rig:
        settled: list[str] = []
        settle = rig.stack._settle  # type: ignore[attr-defined]

        async def watched(*arguments: object, why: str, **options: object) -> int:
            settled.append(why)
            return await settle(*arguments, why=why, **options)  # type: ignore[no-any-return]

        rig.stack._settle = watched  # type: ignore[attr-defined]
        sock = await rig.net.connect(("srv", port), timeout=60)
        sending = asyncio.create_task(sock.sendall(data))

        await asyncio.sleep(1.5)
        assert not sending.done(), "the peer did not read, so not all can have been accepted"
        assert settled
        assert all("SEND FAIL" in why for why in settled)
        stop_reading.set()
        await asyncio.wait_for(sending, 30)
        await sock.close()
        await until(lambda: len(got) == len(data), 10)
    assert bytes(got) == data
    server.close()
    await server.wait_closed()


async def test_a_lost_context_ends_sockets_and_comes_back() -> None:
    async with echo_server() as server, opened("bg96", "bg96") as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        rig.fake.lose_context(1)
        with pytest.raises(OSError, match="data context"):
            await asyncio.wait_for(sock.recv(1), 5)
        await sock.close()
        again = await rig.net.connect(("srv", server.port), timeout=60)
        await again.sendall(b"back")
        assert await receive(again, 4) == b"back"
        await again.close()


def write(path: Path, text: str) -> dict[str, str]:
    file = path / "scenario.yaml"
    file.write_text(text)
    return {"scenario": str(file)}


async def test_result_notice_before_its_ok(tmp_path: Path) -> None:
    """F07: +QIOPEN may overtake its OK."""
    scenario = write(
        tmp_path,
        """
modem: bg96
steps:
  - on: 'AT\\+QIOPEN=1,0,"TCP".*'
    raw: "\\r\\n+QIOPEN: 0,566\\r\\n\\r\\nOK\\r\\n"
""",
    )
    async with opened("bg96", "bg96", scenario) as rig:
        with pytest.raises(ConnectionRefusedError):
            await rig.net.connect(("127.0.0.1", 9), timeout=60)


async def test_missing_send_ok_is_settled_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D06: the result of a send is lost; the counters say that the module has the bytes."""
    scenario = write(
        tmp_path,
        """
modem: bg96
steps:
  - before: '\\r\\nSEND OK\\r\\n'
    drop: 11
    times: 1
""",
    )
    monkeypatch.setattr(commands, "SEND", 0.5)
    async with echo_server() as server, opened("bg96", "bg96", scenario) as rig:
        async with rig.net.tcp_socket() as sock:
            sock.settimeout(20)
            await sock.connect(("srv", server.port))
            await sock.sendall(b"once only ")
            await sock.sendall(b"and then this")
            assert await receive(sock, 23) == b"once only and then this"
        assert bytes(server.received[0]) == b"once only and then this"


async def test_qird_that_says_more_than_was_asked_or_loses_bytes_breaks_the_socket(
    tmp_path: Path,
) -> None:
    scenario = write(
        tmp_path,
        """
modem: bg96
steps:
  - on: 'AT\\+QIRD=0,1500'
    raw: "\\r\\n+QIRD: 10\\r\\nshort\\r\\n\\r\\nOK\\r\\n"
    times: 1
""",
    )
    async with echo_server() as server, opened("bg96", "bg96", scenario) as rig:
        async with rig.net.tcp_socket() as sock:
            sock.settimeout(60)
            await sock.connect(("srv", server.port))
            await sock.sendall(b"0123456789")
            with pytest.raises(ConnectionResetError):
                await sock.recv(100)
        other = await rig.net.connect(("srv", server.port), timeout=60)
        await other.sendall(b"fine")
        await other.close()


@virtual
async def test_ping() -> None:
    async with opened("bg96", "bg96", {"ping": "235"}) as rig:
        assert await rig.net.ping("srv") == 0.235
        with pytest.raises(OSError, match="name not found"):
            await rig.net.ping("nobody.example")


@pytest.mark.parametrize(
    "knob", ["state3", "prompt_space", "cme_for_qi", "qiact_already", "open_inactive"]
)
async def test_the_disputed_points_are_survived_either_way(knob: str) -> None:
    value = {"state3": "yes", "prompt_space": "no", "cme_for_qi": "yes", "qiact_already": "ok",
             "open_inactive": "urc"}[knob]  # fmt: skip
    async with echo_server() as server, opened("bg96", "bg96", {knob: value}) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        await sock.sendall(noise(4000))
        assert len(await receive(sock, 4000)) == 4000
        await sock.close()
        with pytest.raises(OSError):
            await rig.net.connect(("nobody.example", 1), timeout=60)


async def test_an_ec25_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedFirmware, match="Quectel / EC25"):
        async with opened("bg96", "ec25"):
            pass


@pytest.mark.parametrize("firmware", ["bg96-old", "bg95"])
async def test_relatives(firmware: str) -> None:
    async with echo_server() as server, opened("bg96", firmware) as rig:
        sock = await rig.net.connect(("srv", server.port), timeout=60)
        await sock.sendall(b"hello")
        assert await receive(sock, 5) == b"hello"
        await sock.close()


async def test_a_refused_port_of_our_own_choice_is_chosen_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with udp_echo(b"!") as (port, _), opened("bg96", "bg96") as rig:
        choices = [port, port, 50_123]  # the echo server holds the first two
        monkeypatch.setattr(rig.stack, "_free_port", lambda: choices.pop(0))
        async with rig.net.udp_socket() as sock:
            sock.settimeout(5)
            await sock.sendto(b"x", ("127.0.0.1", port))
            assert (await sock.recvfrom(10))[0] == b"!x"
        assert not choices


@pytest.mark.parametrize("strangers", [1, 5])
async def test_a_datagram_behind_a_strangers_is_heard(strangers: int) -> None:
    """The module says `recv` once: what waits behind a datagram that is dropped must be read."""
    async with (
        udp_echo(b"!") as (port, _),
        udp_echo(b"?") as (other, stranger),
        opened("bg96", "bg96") as rig,
    ):
        async with rig.net.udp_socket() as sock:
            sock.settimeout(3)
            await sock.sendto(b"hello", ("127.0.0.1", other))
            await sock.recvfrom(10)
            local = stranger.peers[0]
            await sock.connect(("127.0.0.1", port))
            for _ in range(strangers):
                stranger.transport.sendto(b"unwanted", local)
            await sock.send(b"wanted")
            assert await sock.recv(100) == b"!wanted"


async def test_the_late_result_of_an_abandoned_open_answers_no_other() -> None:
    """AT+QICLOSE during a connect; the module tells the connect's result afterwards all the same."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(3):  # a full queue answers nobody
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
            async with opened("bg96", "bg96") as rig, echo_server() as server:
                sock = rig.net.tcp_socket()
                sock.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    await sock.connect(listener.getsockname())
                await sock.close()
                rig.fake.scenario.add(
                    Step(on=r"AT\+QIOPEN=.*", passes=True, times=1, do=(("urc", "+QIOPEN: 0,566"),))
                )
                async with rig.net.tcp_socket() as second:
                    await second.connect(("127.0.0.1", server.port))
                    await second.sendall(b"hello")
                    assert await second.recv(10) == b"hello"


async def test_a_restart_ends_a_close_that_waits_for_acknowledgements(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        async with opened("bg96", "bg96") as rig:
            sock = rig.net.tcp_socket()
            await sock.connect(listener.getsockname())
            sock.settimeout(0.3)
            with listener.accept()[0]:
                with pytest.raises(TimeoutError):
                    while True:
                        await sock.send(bytes(1460))
                closing = asyncio.create_task(sock.close())
                asked = sent_by_host(rig).count("AT+QISEND=0,0")
                await until(lambda: sent_by_host(rig).count("AT+QISEND=0,0") > asked)
                await asyncio.sleep(0.05)
                rig.fake.restart()
                await asyncio.wait_for(closing, 5)
            assert not [text for text in sent_by_host(rig) if text.startswith("AT+QICLOSE=0")]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
