"""Driver, simulated module, peers and faults in one virtual minute after another (see docs)."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from modems.esp8266.stack import Esp8266Stack
from modems.sockets import ModuleSocket

from .__main__ import Job, command
from .payload import Stream, record
from .run import Simulation
from .schedule import Fault, as_text, from_plain

SEEDS = 138
"""Schedules in `make test`, beside those that were found; more by `make gates`, `make nightly` and
`make simulation`."""

FOUND = (
    ("esp8266", "E24", 4, 0.05, 28),  # a restart without a word: only the echo gave it away
    ("esp8266", "E24", 4, 0.15, 100),  # CLOSED because the WiFi was lost looked like the peer's
    ("esp8266", "E24", 4, 0.15, 4444),  # a byte of the escape was lost: probes became payload
    ("esp8266", "E24", 5, 0.05, 185),  # CLOSED of the id's former owner hit a queued connect
    ("esp8266", "E24", 4, 0.15, 1007),  # WIFI GOT IP was lost: attaching for ever
    ("esp8266", "E24", 4, 0.15, 1009),  # payload behind a damaged head was taken for a notice
    ("esp8266", "E33", 5, 0.15, 2005),  # the same; it was told when the module joined again
    ("esp8266", "E33", 5, 0.05, 2001),  # a forged +IPD behind a damaged head was taken for data
    ("esp8266", "E33", 5, 0.15, 7399430949),  # three CLOSED at once, and not a word of the WiFi
    ("esp8266", "E24", 4, 0.15, 7399438652),  # busy with the send, then its prompt was lost
    ("bg96", "bg96", 4, 0.05, 26),  # the context was gone without a notice
    ("bg96", "bg96", 4, 0.05, 4),  # a prompt later than the patience: a probe was sent as data
    ("bg96", "bg96", 11, 0.05, 103),  # the late answer to one name was given to the next
    ("bg96", "bg96", 11, 0.05, 129),  # deaf when the announced data was filled up
    ("bg96", "bg96", 4, 0.15, 6030),  # the same for 20 s: the questions behind it were payload
    ("bg96", "bg96", 11, 0.15, 5935),  # it began to hear between the filling and the question
    ("bg96", "bg96", 11, 0.05, 176),  # a damaged answer blocked the port for two minutes
)
"""Runs that failed once, and what was wrong in the driver."""


def holds(job: Job) -> str:
    """The hash of its trace."""
    run = job.simulation()
    result = run.run()
    assert not result.violations, "\n".join([*result.violations, "replay: " + command(run)])
    assert result.connections > job.slots
    assert result.received > 1000
    assert result.told > 1000
    return result.trace_hash


@pytest.mark.parametrize("seed", range(1000, 1000 + SEEDS))
def test_nothing_is_lost_doubled_or_misdelivered(seed: int) -> None:
    holds(Job.nth(seed))


@pytest.mark.gate
@pytest.mark.parametrize("shard", range(35))
def test_other_schedules_every_month(shard: int) -> None:
    """With those of `make test`: 500."""
    today = datetime.datetime.now(datetime.UTC)
    first = (today.year * 12 + today.month) * 10_000 + 10 * shard
    for seed in range(first, first + 10):
        holds(Job.nth(seed))


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("shard", range(100))
def test_other_schedules_every_night(shard: int) -> None:
    """10,000."""
    first = datetime.datetime.now(datetime.UTC).toordinal() * 10_000 + 100 * shard
    for seed in range(first, first + 100):
        holds(Job.nth(seed))


@pytest.mark.parametrize("found", FOUND, ids=lambda found: "-".join(map(str, found)))
def test_what_failed_once(found: tuple[str, str, int, float, int]) -> None:
    module, firmware, slots, rate, seed = found
    holds(Job(seed, module, firmware, slots, rate))


def traces(first: int, count: int, process: int) -> list[str]:
    """The same in a process whose sets and dictionaries have another order."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--all", "--traces", "--jobs", "1"]
        + [f"{first}-{first + count - 1}"],
        env={**os.environ, "PYTHONHASHSEED": str(process)},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.splitlines()


@pytest.mark.parametrize(
    ("first", "count"),
    [
        (6, 2),
        *(pytest.param(at, 5, marks=pytest.mark.gate) for at in range(50, 100, 5)),
        *(pytest.param(at, 20, marks=pytest.mark.nightly) for at in range(1100, 2100, 20)),
    ],
)
def test_a_seed_is_the_whole_run(first: int, count: int) -> None:
    here = [f"{seed} {holds(Job.nth(seed))}" for seed in range(first, first + count)]
    assert len({line.split()[1] for line in here}) == count
    assert traces(first, count, first) == here


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
    faults = [Fault(15.0 + at, ("dup", 1 + at * 53 % 400)) for at in range(100)]
    runs = (alone(*faults, seed=seed) for seed in range(16))  # some are in the head of a block
    assert any("V8" in each for run in runs for each in run.run().violations)


def test_a_damaged_serial_number_is_no_other_module() -> None:
    """It is asked for again when a module that has restarted is identified."""
    faults = [Fault(15.0 + at, ("dup", 1 + at * 53 % 400)) for at in range(100)]
    for seed in (4, 10, 12):
        assert not alone(*faults, seed=seed).run().violations


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
    run = Job(5, "bg96", "bg96", 4, 0.3).simulation()
    assert from_plain(as_text(run.faults)) == run.faults
