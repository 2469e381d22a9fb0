"""The measuring tells the truth: what passed is counted at both ends, what is slow is seen as slow.

No judgement of real time: a slowed driver is compared to itself, by far more than any noise.
"""

from __future__ import annotations

import os
import select
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import benchmarks.wire as measuring
from benchmarks import limits, plain
from benchmarks.cells import PARTS
from benchmarks.device import PATTERN, Device, compiler, running
from netsocket.stream import AsyncTCPSocket

pytestmark = pytest.mark.skipif(compiler() is None, reason="this machine has no C compiler")


def measure(*arguments: str) -> dict[str, float]:
    return measuring.measure(measuring.parse(list(arguments)))


# -- the device --------------------------------------------------------------------------------


class Host:
    """A raw port."""

    def __init__(self, path: str) -> None:
        self.port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.port)
        self.got = b""

    def ask(self, text: bytes, until: bytes = b"OK\r\n") -> bytes:
        os.write(self.port, text)
        while until not in self.got:
            assert select.select([self.port], [], [], 5)[0], self.got[-80:]
            self.got += os.read(self.port, 65536)
        answer, self.got = self.got.split(until, 1)
        return answer


@contextmanager
def host(kind: str, **settings: float) -> Iterator[tuple[Device, Host]]:
    with running(kind, **settings) as device:  # type: ignore[arg-type]
        end = Host(device.path)
        end.ask(b"ATE0\r\n")
        try:
            yield device, end
        finally:
            os.close(end.port)


def test_a_slow_host_is_what_the_device_stamps() -> None:
    with host("bg96", each=4500) as (device, end):
        end.ask(b'AT+QIOPEN=1,0,"TCP","far",19\r', b"+QIOPEN: 0,0\r\n")
        for pause in (0.0, 0.05, 0.02):
            time.sleep(pause)
            end.ask(b"AT+QIRD=0,1500\r")
        end.ask(b"AT+QICLOSE=0\r")
        report = device.report()
    assert (report.down, report.up, report.wrong) == (4500, 0, 0)
    # The window begins behind the first frame: its turnarounds are those of the other two.
    assert report.window[:2] == (3000, 0)
    assert report.turnarounds == 2
    assert report.max_us >= 50_000
    assert report.sum_us >= 70_000
    assert report.sum_us <= report.window[2] * 1e6 + 100, "the window holds both"


def test_the_device_holds_what_comes_against_the_pattern() -> None:
    with host("bg96") as (device, end):
        end.ask(b'AT+QIOPEN=1,0,"TCP","far",9\r', b"+QIOPEN: 0,0\r\n")
        for data in (PATTERN[:100], PATTERN[101:201]):  # byte 100 is lost
            end.ask(b"AT+QISEND=0,100\r", b"> ")
            end.ask(data, b"SEND OK\r\n")
        end.ask(b"AT+QICLOSE=0\r")
        report = device.report()
    assert (report.up, report.wrong) == (200, 1)


def test_the_line_passes_as_many_bytes_as_its_rate_allows() -> None:
    found = measure("esp", "--baud", "921600", "--seconds", "0.3", "--setting", "receive=push")
    assert found["share"] <= 1.001
    assert found["turnarounds"] == 0


@pytest.mark.parametrize("kind", ["esp", "bg96"])
def test_the_line_follows_a_faster_rate_and_goes_back(kind: str) -> None:
    """At 921600 it passes what 115200 cannot, and the driver is heard when it puts the rate back."""
    arguments = (kind, "--baud", "115200", "--seconds", "0.3", "--setting", "fast=921600")
    found = measure(*arguments)
    assert 11_520 < found["rate"] <= 92_160
    assert found["share"] <= 1.001


def test_a_line_at_another_rate_carries_nothing() -> None:
    with host("bg96", baud=115200) as (_, end):
        end.ask(b"AT+IPR=921600\r")
        os.write(end.port, b"AT\r")
        assert not select.select([end.port], [], [], 0.2)[0]


# -- the runner --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "what"),
    [("esp", "down"), ("esp", "up"), ("esp", "both"), ("esp", "duplex"), ("bg96", "down")],
)
def test_both_ends_count_the_same(kind: str, what: str) -> None:
    found = measure(kind, "--what", what, "--size", "60000", "--sockets", "2")
    assert found["wrong"] == 0
    assert len(found["links"]) == (4 if what == "both" else 2)  # type: ignore[arg-type]


def test_a_lost_byte_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = AsyncTCPSocket.recv

    async def lossy(self: AsyncTCPSocket, size: int) -> bytes:
        data = await receive(self, size)
        return data[:700] + data[701:]

    monkeypatch.setattr(AsyncTCPSocket, "recv", lossy)
    with pytest.raises(ValueError, match="not what was sent, from byte 0 on"):
        measure("esp", "--size", "20000")


def test_a_byte_too_few_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def upload(connection: measuring.Connection, size: int) -> list[float]:
        await connection.send(PATTERN[: size - 1])
        return []

    monkeypatch.setitem(measuring.WORK, "up", upload)
    with pytest.raises(ValueError, match=r"asked, .* at the device"):
        measure("esp", "--what", "up", "--size", "8192")


def test_a_slowed_driver_is_seen_as_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    swift = measure("esp", "--what", "echo", "--exchanges", "10")
    send = AsyncTCPSocket.sendall

    async def slow(self: AsyncTCPSocket, data: bytes) -> None:
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        await send(self, data)

    monkeypatch.setattr(AsyncTCPSocket, "sendall", slow)
    slowed = measure("esp", "--what", "echo", "--exchanges", "10")
    burnt = 10 * 20 / (640 / 2**20)  # ms of 10 exchanges, for 640 bytes
    assert swift["cpu_ms_per_mb"] < burnt <= slowed["cpu_ms_per_mb"]
    assert slowed["max_us"] >= 20_000
    assert slowed["echo_median_ms"] >= 20


def test_a_plain_socket_sees_a_wrong_byte() -> None:
    class Wrong:
        def recv(self, size: int) -> bytes:
            return b"\x07" * size

    with pytest.raises(ValueError, match="from byte 0 on"):
        plain.download(Wrong(), 10)  # type: ignore[arg-type]


# -- the model and the table --------------------------------------------------------------------


def test_the_model_of_a_transfer_is_that_of_its_frames() -> None:
    assert limits.seconds("esp", 921600, 0.0, 1460_000, 0) == pytest.approx(
        1000 * (1460 + 62) * 10 / 921600, rel=2e-3
    )
    assert limits.seconds("bg96", 0, 0.003, 15_000, 14_600) == pytest.approx(10 * 0.003 * 3)


def test_every_place_in_the_tables_has_a_name_of_its_own() -> None:
    for part, make in PARTS.items():
        names = [task.name for task in make(1.0)]
        assert len(set(names)) == len(names), part
        assert all(task.part == part for task in make(1.0))
