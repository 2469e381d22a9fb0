"""V12: no secret in logs, exception texts or traces."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from atdriver.channel import Channel
from atdriver.trace import trace_to
from tests.drivers.rig import assemble

CANARY = "c4n4ry-S3cr3t"


@pytest.mark.parametrize("firmware", ["N17", "E22", "E24"])
@pytest.mark.parametrize("known", [True, False])
async def test_wifi_password(
    firmware: str, known: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    trace = tmp_path / "trace.jsonl"
    rig = assemble("esp8266", firmware, password=CANARY)
    rig.channel.trace_with(trace_to(str(trace)))
    if known:
        rig.channel.link._module.world.access_points["lab"] = CANARY
    shown = ""
    try:
        await rig.net.up()
    except OSError as error:
        shown = f"{error!r} {error} {error.__cause__!r}"
    assert bool(shown) is not known
    await rig.net.close()
    sent = [entry.detail for entry in rig.fake.journal if entry.kind == "command"]
    assert any(CANARY in text for text in sent), "the module must have got it"
    assert trace.stat().st_size > 1000
    for text in (trace.read_text(), caplog.text, shown, repr(rig.stack), repr(rig.net)):
        assert CANARY not in text


@pytest.mark.parametrize("right", ["74185296", "11112222"])
async def test_pin(right: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    trace = tmp_path / "trace.jsonl"
    rig = assemble("bg96", "bg96", {"pin": right}, pin="74185296")
    rig.channel.trace_with(trace_to(str(trace)))
    shown = ""
    try:
        await rig.net.up()
    except OSError as error:
        shown = f"{error!r} {error} {error.__cause__!r}"
    await rig.net.close()
    for text in (trace.read_text(), caplog.text, shown):
        assert "74185296" not in text


async def test_a_reopened_channel_goes_on_in_the_same_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    rig = assemble("bg96", "bg96")
    assert isinstance(rig.channel, Channel)
    rig.channel.trace_with(trace_to(str(trace)))
    await rig.net.up()
    await rig.net.down()
    first = trace.stat().st_size
    await rig.net.up()
    await rig.net.close()
    assert trace.stat().st_size > first > 0
