"""Recordings replay, and a recording or a driver that is different does not."""

from __future__ import annotations

import asyncio
import copy
import re
import time
from pathlib import Path
from typing import Any

import pytest

from hil import results
from hil.bench import Bench, Options
from hil.recording import SessionTrace, decode, encode, load, whole_lines
from hil.replay import Mismatch, replay
from hil.seam import Meter, Seam
from hil.timers import NotingLoop, OutsideLink, context
from modems.table import ModuleSockets
from netsocket.address import SocketAddress
from netsocket.capability.verdict import PROBES, Outcome
from netsocket.stack import Handle, Kind
from tests.netsocket.scripted import ScriptedStack

Records = list[dict[str, Any]]
SOME = ("TCPSOCKET_TRANSPARENT", "TCPSOCKET_DRAIN", "UDPSOCKET_TWO_PEERS", "TCPSOCKET_LISTEN_ACCEPT",
        "SYNCHRONOUS_DNS_INVALID", "TCPSOCKET_CONNECT_REFUSED", "NETWORKINTERFACE_STATUS")  # fmt: skip


@pytest.fixture(
    scope="module",
    params=[  # each recorded once, so what reads it stays in one process
        pytest.param(spec, marks=pytest.mark.xdist_group(spec))
        for spec in ("bg96:fake", "esp8266:fake")
    ],
)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder = tmp_path_factory.mktemp("results")
    bench = Bench(Options(request.param, results=folder))
    bench.start()
    for name in SOME:
        assert bench.judge(PROBES[name]).outcome in (Outcome.PASS, Outcome.PARTIAL), name
    bench.finish()
    (path,) = folder.glob("*/*.trace.gz")
    return load(path)


def changed(records: Records, pattern: str, new: str, direction: str, which: int = -1) -> Records:
    """A copy in which one record that matches is different."""
    found = copy.deepcopy(records)
    hits = [r for r in found if r["dir"] == direction and re.search(pattern, r["data"])]
    assert hits, pattern
    before = hits[which]["data"]
    hits[which]["data"] = re.sub(pattern, new, before, count=1)
    assert hits[which]["data"] != before
    return found


def test_a_recording_replays(recorded: Records) -> None:
    player = replay(recorded)
    assert player.calls > 40
    assert player.bytes > 13_000
    wire = [record for record in recorded if record["dir"] != "!"]
    assert len(wire) > 200
    assert "fakefake" not in str(recorded), "the WiFi password"


def test_another_byte_from_the_module(recorded: Records) -> None:
    other = changed(recorded, r"\\x05\\x06\\x07", r"\\x05\\x06\\x08", "<")
    with pytest.raises(Mismatch, match=r"TCPSOCKET_DRAIN, record \d+: call \d+ returned"):
        replay(other)


def test_another_byte_to_the_module(recorded: Records) -> None:
    other = changed(recorded, r"\\x05\\x06\\x07", r"\\x05\\x06\\x08", ">")
    with pytest.raises(
        Mismatch, match=r"TCPSOCKET_TRANSPARENT, .* the driver writes .* instead of"
    ):
        replay(other)


def test_an_answer_that_never_came(recorded: Records) -> None:
    other = copy.deepcopy(recorded)
    (last, *_) = [n for n, r in enumerate(other) if r["dir"] == "<" and "SEND OK" in r["data"]][-1:]
    del other[last]
    with pytest.raises(Mismatch):
        replay(other)


def test_another_result(recorded: Records) -> None:
    other = changed(recorded, r"^raised (\d+) ConnectionRefused\w* \d+", r"returned \1 None", "!")
    with pytest.raises(Mismatch, match="TCPSOCKET_CONNECT_REFUSED"):
        replay(other)


def test_a_driver_that_does_one_thing_more(
    recorded: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModuleSockets, "_free_port", lambda self: 50_000)
    with pytest.raises(Mismatch, match="the driver writes"):
        replay(recorded)


class Wire:
    """A link of a driver that only hears, and notes what it hears."""

    name, has_rate = "wire", False

    def __init__(self, trace: SessionTrace) -> None:
        self.trace = trace

    async def open(self, receiver: Any) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        self.trace.note(f"heard {data!r}")


def test_what_comes_at_once_to_a_late_computer_is_recorded_one_after_the_other() -> None:
    """The replay's next move is made when the driver has done all that the last one led to."""

    async def late(first: str) -> list[str]:
        trace = SessionTrace()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NotingLoop)
        loop.note = trace.note
        stack, wire = ScriptedStack(), Wire(trace)
        Seam(stack, Meter(), trace)
        link: Any = OutsideLink(wire)  # type: ignore[arg-type]
        await link.open(wire)

        async def driver() -> None:
            await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            trace.note("looked")

        task = loop.create_task(driver(), context=context(True))
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251  (the machine is busy)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if first == "heard":
            link.data_received(b"x")
        await stack.status()
        await task
        return [record["data"].split()[0] for record in trace.since(0)]

    for first in ("heard", "call"):
        with asyncio.Runner(loop_factory=NotingLoop) as runner:
            said = runner.run(late(first))
        assert said[:3] == ["timer", "looked", first], said


def test_half_a_line_goes_to_its_other_half_and_whole_ones_stay() -> None:
    reads = [(0.0, r"OK\r\n\r\n+CWJAP:\x5c"), (0.01, "net"), (0.02, r'work"\r\nOK\r\n'),
             (0.03, r"\r\n+IPD,0,5\r\n"), (0.04, "half a"), (0.1, r" line\r\n")]  # fmt: skip
    records: Records = [{"t": t, "dir": "<", "data": data} for t, data in reads]
    records[4:4] = [{"t": 0.035, "dir": ">", "data": "half"}]
    found = whole_lines(records)
    assert [(record["t"], record["data"]) for record in found] == [
        (0.0, r"OK\r\n\r\n"), (0.02, r'+CWJAP:\x5cnetwork"\r\nOK\r\n'), (0.03, r"\r\n+IPD,0,5\r\n"),
        (0.035, "half"), (0.04, "half a"), (0.1, r" line\r\n")]  # fmt: skip
    assert whole_lines(found) == found
    assert records[0]["data"] == reads[0][1], "a copy"


def test_what_is_no_recording() -> None:
    with pytest.raises(ValueError, match="no recording"):
        replay([{"t": 0.0, "dir": ">", "data": "AT"}])


def test_values_survive() -> None:
    for value in (Handle(1, 2), SocketAddress("192.0.2.1", 7), Kind.UDP, bytes(range(256)), 5, "x"):
        assert decode(encode(value)) == value


@pytest.mark.parametrize("path", [*results.FOLDER.glob("*/*.trace.gz")] or [None])
def test_contributed_recordings_replay(path: Path | None) -> None:
    """Of real modules: what a driver does with them stays the same."""
    if path is not None:
        assert replay(load(path)).calls > 0
