"""A module that may be waiting for payload and answers nothing is led out of that again and again:
it may have been deaf, and takes a probe for payload then."""

from __future__ import annotations

import pytest

from atdriver.answering import BUSY_ATTEMPTS
from atdriver.dialect import Dialect
from atdriver.errors import CommandTimeout
from atdriver.events import Failed
from atdriver.exchange import Command
from atdriver.resync import PROBE_TIMEOUT, QUIET
from modems.bg96 import commands as bg96_at
from modems.bg96 import dialect as bg96
from modems.esp8266 import commands as esp_at
from modems.esp8266 import dialect as esp

from .harness import Bench

SEND = esp_at.send(0, b"ping and so on and so on", None, 15.0)
QISEND = bg96_at.send(0, b"ping", None)
OK = b"\r\nOK\r\n"
SPARE = bg96.SPARE + b"\r"


def given_up(dialect: Dialect, command: Command, prompt: bytes = b"") -> Bench:
    """A send whose prompt, or result, did not come; the way out and the first probe are written."""
    bench = Bench(dialect)
    bench.send(command)
    if prompt:
        bench.feed(prompt)
    bench.tick(command.timeout if prompt else command.prompt_timeout)
    to_probe(bench)
    return bench


def to_probe(bench: Bench) -> tuple[bytes, ...]:
    """Time passes until a probe is written; all that is written in its breath."""
    probe = bench.engine.probe.text + bench.engine.dialect.terminator
    for _ in range(50):
        bench.take_writes()
        deadline = bench.engine.next_deadline()
        assert deadline is not None
        bench.tick(deadline - bench.now)
        writes = bench.take_writes()
        if writes and writes[-1] == probe:
            return writes
    raise AssertionError("no probe")


@pytest.mark.parametrize(("prompt", "filling"), [(b"", b"ping"), (b"\r\n> ", bytes(4))])
def test_a_bg96_is_filled_up_before_each_probe_and_in_one_breath(
    prompt: bytes, filling: bytes
) -> None:
    bench = given_up(bg96.DIALECT, QISEND, prompt)
    for _ in range(10):
        assert to_probe(bench) == (filling + SPARE, b"AT\r")


def test_an_espressif_module_hears_the_escape_and_a_second_of_silence_before_each_probe() -> None:
    bench = given_up(esp.DIALECT, SEND)
    for _ in range(5):
        bench.tick(PROBE_TIMEOUT)
        assert bench.take_writes() == ()
        bench.tick(0.2)
        assert bench.take_writes() == (b"+++",)
        bench.tick(1.0)
        assert bench.take_writes() == ()
        bench.tick(0.1 + QUIET)
        assert bench.take_writes() == (b"AT\r\n",)


def test_what_a_probe_would_complete_is_filled_up_instead() -> None:
    bench = Bench(esp.DIALECT)
    bench.send(esp_at.send(0, b"ping", None, 15.0))
    bench.take_writes()
    bench.tick(esp_at.PROMPT)
    for _ in range(5):
        assert to_probe(bench)[-1] == b"AT\r\n"
        bench.tick(PROBE_TIMEOUT)
        bench.tick(0.2)
        assert bench.take_writes() == (b"ping\r\n", b"AT\r\n")


@pytest.mark.parametrize("data", [b"ATZ", b"so: at+cfun=0", b"A/", b"what a day"])
@pytest.mark.parametrize("dialect", [esp.DIALECT, bg96.DIALECT], ids=["esp8266", "bg96"])
def test_payload_that_could_be_a_command_is_never_written_without_a_prompt(
    dialect: Dialect, data: bytes
) -> None:
    """The module may be waiting for a command: the line that announced the payload got lost."""
    bench = Bench(dialect)
    if dialect is esp.DIALECT:
        bench.send(esp_at.send(0, data, None, 15.0))
    else:
        bench.send(bg96_at.send(0, data, None))
    bench.tick(200.0)
    announced, _, behind = b"".join(bench.take_writes()).partition(b"\r")
    assert announced.endswith(b"=0,%d" % len(data))
    assert behind.count(b"AT\r") > 5
    assert data not in behind.replace(b"AT\r", b"")


@pytest.mark.parametrize("said", [OK, b"\r\nERROR\r\n", b"\r\n+CME ERROR: 58\r\n"])
def test_what_shows_that_the_module_hears_ends_it(said: bytes) -> None:
    bench = given_up(bg96.DIALECT, QISEND)
    bench.feed(said)
    for _ in range(10):
        bench.tick(PROBE_TIMEOUT + 0.25)
    assert set(bench.take_writes()) == {b"AT\r"}


def test_the_answer_of_the_canary_ends_it_too_though_its_result_is_lost() -> None:
    bench = Bench(bg96.DIALECT)
    bench.engine.probe = bg96.CANARY
    bench.send(QISEND)
    bench.tick(QISEND.prompt_timeout)
    to_probe(bench)
    bench.feed(b'\r\n+CEREG: 2,1,"1A2B","1A2B3C",8\r\n')
    for _ in range(10):
        bench.tick(PROBE_TIMEOUT)
    assert set(bench.take_writes()) == {b"AT+CEREG?\r"}


def test_a_restart_ends_it() -> None:
    bench = given_up(bg96.DIALECT, QISEND)
    bench.feed(b"\r\nRDY\r\n")
    for _ in range(10):
        bench.tick(PROBE_TIMEOUT)
    assert set(bench.take_writes()) == {b"AT\r"}


def test_a_notice_does_not_show_that_the_module_hears() -> None:
    bench = given_up(bg96.DIALECT, QISEND)
    bench.feed(b'\r\n+QIURC: "recv",3\r\n')
    assert to_probe(bench) == (b"ping" + SPARE, b"AT\r")


@pytest.mark.parametrize("busy", [b"\r\nbusy p...\r\n", b"busy s...\r\n"])
def test_a_busy_module_may_be_about_to_wait_for_the_payload(busy: bytes) -> None:
    """It carries the send out at last, and its prompt is lost: the probe behind would be payload."""
    bench = given_up(esp.DIALECT, SEND)
    for pause in (0.5, 0.75, 1.0):
        bench.feed(busy)
        bench.tick(pause)
        bench.tick(0.2)
        assert bench.take_writes() == (b"+++",)
        assert to_probe(bench) == (b"AT\r\n",)
    bench.feed(b"\r\nERROR\r\n")
    for _ in range(10):
        bench.tick(PROBE_TIMEOUT)
    assert set(bench.take_writes()) == {b"AT\r\n"}


def busy(command: Command = SEND) -> Bench:
    """A send that the module answered with "busy", and no answer for a second."""
    bench = Bench(esp.DIALECT)
    bench.send(command)
    bench.feed(b"\r\nbusy p...\r\n")
    bench.tick(1.0)
    to_probe(bench)
    bench.take()
    return bench


@pytest.mark.parametrize("said", [OK + b"\r\n>", b"\r\n>", b""])
def test_a_busy_module_carries_the_send_out_after_all(said: bytes) -> None:
    """Seen on ESP-AT 4.1.1, log L37. Whatever comes of its prompt, no probe becomes payload; it is
    offered again only when it did not come."""
    bench = busy()
    bench.feed(said)
    if said:
        bench.tick(0.2)
        assert bench.take_writes() == (b"+++",)
        (ended,) = (each for each in bench.events if isinstance(each, Failed))
        assert str(ended.error) == "AT+CIPSEND=0,24: no answer within 1 s"
        assert isinstance(ended.error, CommandTimeout)
        to_probe(bench)
    for _ in range(5):
        bench.tick(PROBE_TIMEOUT)
        bench.tick(0.2)
        assert bench.take_writes() == (b"+++",)
        assert to_probe(bench) == (b"AT\r\n",)
    for _ in range(2):
        bench.feed(OK)
        bench.tick(QUIET)
        bench.tick(1.0)
    assert (SEND.text + b"\r\n" in bench.take_writes()) is not bool(said)


def test_a_busy_module_carries_the_send_out_when_it_was_told_not_to_be() -> None:
    """Then its own bytes must not follow the prompt: who was told sends them again."""
    bench = busy(esp_at.send(0, b"ping", None, 15.0))
    bench.feed(OK + OK)
    assert [each[2] for each in bench.take() if each[0] == "failed"] == ["ModuleBusy"]
    bench.feed(b"\r\n>")
    bench.tick(0.2)
    assert bench.take_writes() == (b"+++",)


def test_a_deaf_module_is_led_out_before_it_is_reset() -> None:
    """Or the reset would be payload."""
    bench = given_up(bg96.DIALECT, QISEND)
    bench.tick(100.0)
    bench.take_writes()
    bench.probing(steps=((0.2, b"\rAT+CFUN=1,1\r"), (6.0, b"")))
    bench.tick(bg96.FILL_AFTER)
    assert bench.take_writes() == (b"ping" + SPARE,)
    bench.tick(0.2)
    assert bench.take_writes() == (b"\rAT+CFUN=1,1\r",)


def test_a_port_that_is_opened_anew_does_not_end_it() -> None:
    """Behind a USB bridge that came back the module still waits for what was announced."""
    bench = given_up(bg96.DIALECT, QISEND)
    bench.engine.forget()
    bench.probing()
    for _ in range(3):
        assert to_probe(bench)[-2:] == (b"ping" + SPARE, b"AT\r")


def test_what_was_given_up_first_is_forgotten_with_the_next_send() -> None:
    bench = given_up(bg96.DIALECT, QISEND)
    for _ in range(2):
        bench.feed(OK)
        bench.tick(QUIET)
        bench.tick(1.0)
    assert bench.engine.ready
    bench.take_writes()
    longer = bg96_at.send(0, b"ping pong", None)
    bench.send(longer)
    bench.tick(longer.prompt_timeout)
    to_probe(bench)
    assert to_probe(bench) == (b"ping pong" + SPARE, b"AT\r")


@pytest.mark.parametrize("prompted", [True, False])
def test_a_small_send_is_not_filled_up_while_it_may_be_offered_again(prompted: bool) -> None:
    """When its prompt comes it is, and its fate is unknown."""
    bench = busy(esp_at.send(0, b"ping", None, 15.0))
    if prompted:
        bench.feed(b"\r\n>")
        bench.tick(0.2)
        assert bench.take_writes() == (b"ping\r\n", b"AT\r\n")
    else:
        bench.tick(PROBE_TIMEOUT)
        bench.tick(0.2)
        assert bench.take_writes() == (b"+++",)


@pytest.mark.parametrize("prompt", [OK + b"\r\n>", b"\r\n>", b""])
@pytest.mark.parametrize("data", [b"ping", b"ping and so on and so on"])
def test_a_module_that_stays_busy_may_carry_it_out_as_well(data: bytes, prompt: bytes) -> None:
    command = esp_at.send(0, data, None, 15.0)
    bench = busy(command)
    for left in reversed(range(BUSY_ATTEMPTS - 1)):
        for _ in range(2):
            bench.feed(OK)
            bench.tick(QUIET)
            bench.tick(1.0)
        assert bench.take_writes()[-1] == command.text + b"\r\n"
        bench.feed(b"\r\nbusy p...\r\n")
        bench.tick(1.0)
        if left:
            to_probe(bench)
    assert [each[2] for each in bench.take() if each[0] == "failed"] == ["ModuleBusy"]
    bench.feed(prompt)
    bench.tick(0.2)
    assert bench.take_writes() == (b"+++",)
