"""Every command line as the manuals have it, and how long its answer may take: limits in seconds as the
manuals tell them, with what the driver gives beyond; a payload has its time on a line of 9600 baud."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from atdriver.errors import EncodeError
from atdriver.exchange import Command
from modems.bg96 import commands as bg96
from modems.bg96 import dialect
from modems.commands import query, simple
from modems.esp8266 import commands as esp
from modems.esp8266.dialect import RECEIVED_E, RECEIVED_N, unstick

SECOND = bytes(960)
"""What takes one on that line."""
PEER = ("192.0.2.1", 7)
Make = Callable[[], Command]


@pytest.mark.parametrize(
    ("make", "line", "seconds"),
    [
        (lambda: simple("AT"), "AT", 3.0),
        (lambda: query("AT?", b"x"), "AT?", 3.0),
        (lambda: bg96.line_rate(9600), "AT+IPR=9600", 3.0),
        (lambda: bg96.pin(b"1234"), "AT+CPIN=1234", 10.0),
        (lambda: bg96.profile(b'"a"', b'"b"', b'"c"', 2), 'AT+QICSGP=1,1,"a","b","c",2', 3.0),
        (lambda: bg96.open_tcp(3, "h", 7, 8), 'AT+QIOPEN=1,3,"TCP","h",7,8,0', 10.0),
        (lambda: bg96.open_tls(3, "h", 7), 'AT+QSSLOPEN=1,5,3,"h",7,0', 10.0),
        (lambda: bg96.open_listener(3, 8), 'AT+QIOPEN=1,3,"TCP LISTENER","127.0.0.1",0,8,0', 10.0),
        (lambda: bg96.open_udp(3, 8), 'AT+QIOPEN=1,3,"UDP SERVICE","127.0.0.1",0,8,0', 10.0),
        (lambda: bg96.state(3), "AT+QISTATE=1,3", 3.0),
        (lambda: bg96.state(3, tls=True), "AT+QSSLSTATE=3", 3.0),
        (lambda: bg96.send(3, SECOND, None), "AT+QISEND=3,960", 121.0),
        (lambda: bg96.send(3, SECOND * 2, PEER), 'AT+QISEND=3,1920,"192.0.2.1",7', 122.0),
        (lambda: bg96.send(3, SECOND, None, tls=True), "AT+QSSLSEND=3,960", 121.0),
        (lambda: bg96.sent(3), "AT+QISEND=3,0", 3.0),
        (lambda: bg96.unread(3), "AT+QIRD=3,0", 3.0),
        (lambda: bg96.read(3, 1500, datagram=False), "AT+QIRD=3,1500", 40.0),
        (lambda: bg96.read(3, 1500, datagram=True), "AT+QIRD=3", 40.0),
        (lambda: bg96.read(3, 1500, datagram=False, tls=True), "AT+QSSLRECV=3,1500", 40.0),
        (lambda: bg96.close(3, 2), "AT+QICLOSE=3,2", 17.0),
        (lambda: bg96.close(3, 0, tls=True), "AT+QSSLCLOSE=3,0", 15.0),
        (lambda: bg96.resolve(b'"n"'), 'AT+QIDNSGIP=1,"n"', 10.0),
        (lambda: bg96.ping(b'"n"'), 'AT+QPING=1,"n",10,1', 10.0),
        (lambda: esp.join("_CUR", b'"s"', b'"p"'), 'AT+CWJAP_CUR="s","p"', 25.0),
        (esp.scan, "AT+CWLAP", 20.0),
        (lambda: esp.start_tcp(3, "192.0.2.1", 7, 0), 'AT+CIPSTART=3,"TCP","192.0.2.1",7', 30.0),
        (
            lambda: esp.start_tcp(3, "192.0.2.1", 7, 60),
            'AT+CIPSTART=3,"TCP","192.0.2.1",7,60',
            30.0,
        ),
        (lambda: esp.start_tcp(3, "::1", 7, 0), 'AT+CIPSTART=3,"TCPv6","::1",7', 30.0),
        (lambda: esp.start_tcp(3, "h", 7, 0, tls=True), 'AT+CIPSTART=3,"SSL","h",7', 60.0),
        (lambda: esp.start_tcp(3, "::1", 7, 0, tls=True), 'AT+CIPSTART=3,"SSLv6","::1",7', 60.0),
        (lambda: esp.start_udp(3, 8, None), 'AT+CIPSTART=3,"UDP","0.0.0.0",8,8,0', 30.0),
        (lambda: esp.start_udp(3, 8, ("::1", 9)), 'AT+CIPSTART=3,"UDPv6","::1",9,8,0', 30.0),
        (lambda: esp.send(3, SECOND, None, 30.0), "AT+CIPSEND=3,960", 31.0),
        (lambda: esp.send(3, SECOND, PEER, 9.0), 'AT+CIPSEND=3,960,"192.0.2.1",7', 10.0),
        (lambda: esp.read(3, 1920, RECEIVED_E), "AT+CIPRECVDATA=3,1920", 7.0),
        (esp.waiting, "AT+CIPRECVLEN?", 3.0),
        (lambda: esp.close(3), "AT+CIPCLOSE=3", 8.0),
        (lambda: esp.line_rate(9600, rtscts=True), "AT+UART_CUR=9600,8,1,0,3", 3.0),
        (lambda: esp.line_rate(9600, rtscts=False), "AT+UART_CUR=9600,8,1,0,0", 3.0),
        (esp.links, "AT+CIPSTATUS", 3.0),
        (lambda: esp.resolve(b'"n"'), 'AT+CIPDOMAIN="n"', 20.0),
        (lambda: esp.resolve(b'"n"', 3), 'AT+CIPDOMAIN="n",3', 20.0),
        (lambda: esp.ping(b'"n"'), 'AT+PING="n"', 20.0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_command_and_its_time(make: Make, line: str, seconds: float) -> None:
    command = make()
    assert command.text.decode("ascii") == line
    assert command.timeout == pytest.approx(seconds)


def test_what_asks_for_a_payload_and_what_ends_it() -> None:
    """A BG96 prompts 20 to 30 s late where the network is bad; NonOS says SEND FAIL and then SEND OK for
    one block, and a peer's end is told while the payload is awaited."""
    theirs, ours = bg96.send(3, b"hello", None), esp.send(3, b"hello", None, 30.0)
    for command in (theirs, ours):
        assert command.payload == b"hello"
        assert command.ok == (b"SEND OK",)
        assert command.stray == (b"SEND OK", 0.3)
    assert (theirs.prompt_timeout, ours.prompt_timeout) == (60.0, 5.0)
    assert theirs.error == (b"ERROR", b"SEND FAIL")
    assert ours.error == (b"ERROR", b"SEND FAIL", b"SEND Canceled", b"SEND CANCELLED")
    assert ours.confirm == b"Recv 5 bytes"
    assert ours.before_prompt == (b"OK",)
    assert theirs.may_echo
    for command, text, whose in (
        (theirs, b'+QIURC: "closed",3', True), (theirs, b'+QSSLURC: "closed",3', True),
        (theirs, b'+QIURC: "closed",4', False), (theirs, b'+QIURC: "pdpdeact",1', True),
        (theirs, b'+QIURC: "pdpdeact",2', False), (ours, b"3,CLOSED", True),
        (ours, b"2,CLOSED", False),
    ):  # fmt: skip
        assert command.cut is not None
        assert bool(command.cut.fullmatch(text)) is whose, text


def test_how_much_a_read_may_bring() -> None:
    theirs, ours = bg96.read(3, 1500, datagram=False), esp.read(3, 1920, RECEIVED_N)
    assert (theirs.block_max, theirs.block_lead) == (1500, b"\r\n\r\n")
    assert (ours.block_max, ours.block_lead) == (1920, b"\r\n")
    assert theirs.block is not None
    assert ours.block is RECEIVED_N
    assert theirs.block.name == "qird"
    tls = bg96.read(3, 1500, datagram=False, tls=True).block
    assert tls is not None
    assert tls.name == "qsslrecv"


@pytest.mark.parametrize(
    ("make", "line", "counts"),
    [
        (lambda: esp.start_tcp(3, "h", 7, 0), b"3,CONNECT", True),
        (lambda: esp.start_tcp(3, "h", 7, 0), b"2,CONNECT", False),
        (lambda: esp.start_udp(3, 8, None), b'+LINK_CONN:0,3,"UDP",0,"192.0.2.1",7,8', True),
        (lambda: esp.start_tcp(3, "h", 7, 0), b'+LINK_CONN:0,3,"TCP",1,"192.0.2.1",7,8', False),
        (lambda: esp.start_tcp(3, "h", 7, 0), b'+LINK_CONN:1,3,"TCP",0,"192.0.2.1",7,8', False),
        (lambda: esp.close(3), b"3,CLOSED", True),
        (lambda: esp.close(3), b"4,CLOSED", False),
        (esp.links, b'+CIPSTATUS:4,"TCP"', True),
        (esp.links, b"STATUS:3", True),
        (esp.waiting, b"+CIPRECVLEN:-1,0,5", True),
        (lambda: esp.ping(b'"n"'), b"+PING:23", True),
        (lambda: esp.ping(b'"n"'), b"+23", True),
        (esp.scan, b'+CWLAP:(3,"x",-5)', True),
        (lambda: esp.resolve(b'"n"'), b'+CIPDOMAIN:"::1"', True),
        (lambda: bg96.state(3), b"+QISTATE: 3", True),
        (lambda: bg96.state(3, tls=True), b"+QSSLSTATE: 3", True),
        (lambda: bg96.sent(3), b"+QISEND: 1,2,3", True),
        (lambda: bg96.sent(3), b"+QISEND: 1,2", False),
        (lambda: bg96.unread(3), b"+QIRD: 1,2,3", True),
        (lambda: bg96.unread(3), b"+QIRD: 1", False),
    ],
)
def test_what_is_an_answer(make: Make, line: bytes, counts: bool) -> None:
    command = make()
    assert command.info is not None
    assert bool(command.info.fullmatch(line)) is counts


def test_names_from_the_air_are_no_protocol() -> None:
    assert esp.scan().foreign
    assert bg96.OPERATOR.foreign
    assert not bg96.state(3).foreign


@pytest.mark.parametrize(
    ("make", "secret"),
    [
        (lambda: bg96.pin(b"1234"), "1234"),
        (lambda: bg96.profile(b'"a"', b'"b"', b'"c0de"', 2), "c0de"),
        (lambda: esp.join("", b'"s"', b'"c0de"'), "c0de"),
    ],
)
def test_secrets_are_not_shown(make: Make, secret: str) -> None:
    command = make()
    assert secret.encode() in command.text
    assert secret not in str(command)
    assert secret not in repr(command)


def test_a_setting_that_is_no_text_is_no_command() -> None:
    """It came from the module, which may have said anything."""
    with pytest.raises(EncodeError) as caught:
        simple("é" * 50)
    assert str(caught.value).endswith(f"no command of this driver: {'é' * 40!a}")


NULS = bytes(64)


@pytest.mark.parametrize(
    ("payload", "written", "steps", "again"),
    [
        (b"x" * 17, False, "escape", b""),
        (b"x" * 16, True, "escape", b""),
        (b"x" * 16, False, b"x" * 16 + b"\r\n", b"x" * 16 + b"\r\n"),
        (b"xAT\r", False, "escape", bytes(4) + b"\r\n"),
        (b"at\r", False, bytes(3) + b"\r\n", bytes(3) + b"\r\n"),
        (b"xA/", False, bytes(3) + b"\r\n", bytes(3) + b"\r\n"),
    ],
)
def test_the_way_out_of_an_espressif_modules_data_phase(
    payload: bytes, written: bool, steps: bytes | str, again: bytes
) -> None:
    """`+++` as a packet of its own, twice; a count that a probe would complete is filled up, with what
    is no command."""
    out = (0.2, b"+++"), (1.1, b"")
    way = unstick(esp.send(3, payload, None, 30.0), written)
    assert way.steps == ((*out, *out) if isinstance(steps, str) else ((0.2, steps),))
    assert way.again == (((0.2, again),) if again else out)
    assert unstick(simple("AT"), written) == ((), ())


@pytest.mark.parametrize(
    ("payload", "written", "fill"),
    [(b"hello", False, b"hello"), (b"hello", True, bytes(5)), (b"xaT\r", False, bytes(4)),
     (b"AT", False, bytes(2)), (b"\r", False, b"\r"), (b"xa/", False, bytes(3))],
)  # fmt: skip
def test_the_way_out_of_a_bg96s_data_phase(payload: bytes, written: bool, fill: bytes) -> None:
    """The count is filled up, and more than that, in case a part of it is lost, too, in one breath with
    what ends the line; bytes that may be the whole payload are given a second to be confirmed before."""
    way = dialect.unstick(bg96.send(3, payload, None), written)
    line = fill + NULS + b"\r"
    assert way.again == ((0.2, line),)
    assert way.steps == (((0.2, fill), (1.0, line)) if fill == payload else way.again)
    assert dialect.unstick(simple("AT"), written) == ((), ())
