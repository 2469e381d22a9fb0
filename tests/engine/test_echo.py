"""An echo that had been switched off: a hint at a restart, which the canary confirms or not."""

from __future__ import annotations

import pytest

from modems.esp8266 import dialect as esp

from .harness import IN_STEP, Bench, answers, done, odd, out_of_step, refused, restarted
from .test_engine_rules import AT, ERROR, OK

HINT = (odd("the echo came back", b""), out_of_step("the echo came back"))


@pytest.fixture
def bench() -> Bench:
    bench = Bench(esp.DIALECT)
    bench.engine.probe = esp.CANARY
    return bench


@pytest.mark.parametrize("result", [OK, ERROR], ids=["OK", "ERROR"])
def test_behind_the_command_the_canary_is_asked(bench: Bench, result: bytes) -> None:
    """The command itself keeps its result."""
    bench.send(AT)
    bench.feed(b"AT\r\n" + result)
    assert bench.take() == ((done if result == OK else refused)(AT), *HINT)
    bench.tick(0.5)
    assert esp.CANARY.text + b"\r\n" in bench.take_writes()
    bench.feed(b"+CIPMUX:0\r\n\r\nOK\r\n")
    assert restarted(b"+CIPMUX:0") in bench.take()


def test_a_canary_that_lives_is_asked_once(bench: Bench) -> None:
    bench.send(AT)
    bench.feed(b"AT\r\n" + OK)
    bench.in_sync(answers(esp.CANARY, b"+CIPMUX:1\r\n" + OK, esp.DIALECT.terminator))
    assert bench.take() == (done(AT), *HINT, IN_STEP)
    for _ in range(3):
        bench.send(AT)
        bench.feed(b"AT\r\n" + OK)
    assert bench.take() == (done(AT),) * 3
    bench.engine.probe = esp.CANARY  # the module was configured anew
    bench.send(AT)
    bench.feed(b"AT\r\n" + OK)
    assert bench.take() == (done(AT), *HINT)


def test_a_command_that_is_not_repeated_makes_the_next_echo_a_hint_again(bench: Bench) -> None:
    bench.send(AT)
    bench.feed(b"AT\r\n" + OK)
    bench.in_sync(answers(esp.CANARY, b"+CIPMUX:1\r\n" + OK, esp.DIALECT.terminator))
    bench.send(AT)
    bench.feed(OK)
    assert bench.take() == (done(AT), *HINT, IN_STEP, done(AT))
    bench.send(AT)
    bench.feed(b"AT\r\n" + OK)
    assert bench.take() == (done(AT), *HINT)


def test_before_the_module_is_configured_it_echoes() -> None:
    bench = Bench(esp.DIALECT)
    bench.send(AT)
    bench.feed(b"AT\r\n" + OK)
    assert bench.take() == (done(AT),)
