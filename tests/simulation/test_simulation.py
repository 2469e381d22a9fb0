"""Driver, simulated module, peers and faults in one virtual minute after another (see docs)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modems.esp8266.stack import Esp8266Stack
from modems.sockets import ModuleSocket

from .__main__ import RATES, TARGETS, command, simulate
from .payload import Stream, record
from .run import Simulation
from .schedule import Fault, as_text, from_plain

SEEDS = 6
"""Seeds of each target in `make test`; more by `make simulation`."""

FOUND = (
    ("esp8266", "E24", 4, 0.05, 28),  # a restart without a word: only the echo gave it away
    ("esp8266", "E24", 4, 0.15, 100),  # CLOSED because the WiFi was lost looked like the peer's
    ("esp8266", "E24", 5, 0.05, 185),  # CLOSED of the id's former owner hit a queued connect
    ("esp8266", "E24", 4, 0.15, 1007),  # WIFI GOT IP was lost: attaching for ever
    ("esp8266", "E24", 4, 0.15, 1009),  # payload behind a damaged head was taken for a notice
    ("esp8266", "E33", 5, 0.05, 2001),  # a forged +IPD behind a damaged head was taken for data
    ("bg96", "bg96", 4, 0.05, 26),  # the context was gone without a notice
    ("bg96", "bg96", 4, 0.05, 4),  # a prompt later than the patience: a probe was sent as data
    ("bg96", "bg96", 11, 0.05, 103),  # the late answer to one name was given to the next
    ("bg96", "bg96", 11, 0.05, 129),  # deaf when the announced data was filled up
    ("bg96", "bg96", 11, 0.05, 176),  # a damaged answer blocked the port for two minutes
)
"""Runs that failed once, and what was wrong in the driver."""


def holds(module: str, firmware: str, slots: int, rate: float, seed: int) -> None:
    run = simulate(module, firmware, seed, None, rate, slots)
    result = run.run()
    assert not result.violations, "\n".join([*result.violations, "replay: " + command(run)])
    assert result.connections > slots
    assert result.received > 1000
    assert result.told > 1000


@pytest.mark.parametrize("number", range(SEEDS))
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: "-".join(map(str, target)))
def test_nothing_is_lost_doubled_or_misdelivered(target: tuple[str, str, int], number: int) -> None:
    holds(*target, RATES[number % 2], 1000 + number)


@pytest.mark.parametrize("found", FOUND, ids=lambda found: "-".join(map(str, found)))
def test_what_failed_once(found: tuple[str, str, int, float, int]) -> None:
    holds(*found)


@pytest.mark.parametrize("target", TARGETS[::2], ids=lambda target: target[0])
def test_a_seed_is_the_whole_run(target: tuple[str, str, int]) -> None:
    module, firmware, slots = target
    first, second, other = (
        simulate(module, firmware, seed, None, 0.15, slots).run() for seed in (7, 7, 8)
    )
    assert first.trace_hash == second.trace_hash != other.trace_hash


# -- the judge can be shown something --------------------------------------------------------------


def alone(*faults: Fault, module: str = "esp8266", seed: int = 3) -> Simulation:
    return Simulation(module, "bg96" if module == "bg96" else "E24", seed, list(faults))


def broken(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, wrong: Callable[..., object]
) -> None:
    monkeypatch.setattr(owner, name, wrong)


def test_a_driver_that_doubles_received_bytes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    take = ModuleSocket.take

    def twice(self: ModuleSocket, size: int) -> bytes:
        data = take(self, size)
        return data + data[-1:] if len(data) > 500 else data

    broken(monkeypatch, ModuleSocket, "take", twice)
    assert any(" V1 " in f" {each} " for each in alone().run().violations)


def test_a_driver_that_believes_a_damaged_answer_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch, Esp8266Stack, "_verify", lambda self, name, text: False)
    run = alone(Fault(23.25, ("dup", 251)), seed=1009)  # in the head of a block, see FOUND
    assert any("V8" in each for each in run.run().violations)


def test_a_driver_that_sends_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """SEND FAIL means "nobody knows": a driver that takes it for "nothing went" sends it twice."""

    async def as_if_refused(self: object, sock: object, error: object, size: int) -> int:
        return 0

    broken(monkeypatch, Esp8266Stack, "_after_failed_send", as_if_refused)
    failing = Fault(
        20.0, step={"before": r"\r\nSEND OK\r\n", "times": 40, "instead": "\r\nSEND FAIL\r\n"}
    )
    assert any("V2" in each for each in alone(failing).run().violations)


def test_payload_says_where_it_comes_from() -> None:
    wrong = Stream(5).piece(0, 64) + Stream(9).piece(96, 64)
    complaint = Stream(5).complaint(wrong)
    assert complaint is not None
    assert "byte 96 of stream 9" in complaint
    assert Stream(5).complaint(Stream(5).piece(0, 1000)) is None
    assert len(record(1, 2)) == 32


def test_faults_can_be_written_down() -> None:
    run = simulate("bg96", "bg96", 5, None, 0.3, 4)
    assert from_plain(as_text(run.faults)) == run.faults
