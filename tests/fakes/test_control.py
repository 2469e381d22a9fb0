"""The control socket: every word, and what a wrong request is told."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeModem, LinkPathError, Peer, build
from fakes.control import serve_control

Ask = Callable[..., Awaitable[dict[str, Any]]]


@asynccontextmanager
async def controlled(
    modem: FakeModem, place: str, stopped: Callable[[], object] = lambda: None
) -> AsyncIterator[tuple[Ask, bytearray]]:
    said = bytearray()
    await modem.start(said.extend)
    try:
        async with serve_control(modem, place, stopped) as told:
            if ":" in told:
                reader, writer = await asyncio.open_connection(*told.split(":"))
            else:
                reader, writer = await asyncio.open_unix_connection(told)

            async def ask(raw: bytes = b"", **request: Any) -> dict[str, Any]:
                writer.write(raw or json.dumps(request).encode() + b"\n")
                answer: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), 5))
                return answer

            yield ask, said
            writer.close()
            await writer.wait_closed()
    finally:
        await modem.stop()


async def test_inject_ask_and_change_the_world(tmp_path: Path) -> None:
    place = str(tmp_path / "ctl")
    modem = build(
        "esp8266", time_scale=0.0, peers={"srv:7": Peer("echo")}, access_points={"lab": "secret99"}
    )
    async with controlled(modem, place) as (ask, said):
        assert stat.S_IMODE(os.stat(place).st_mode) == 0o600
        assert await ask(do="urc", value="WIFI LOST", id=7) == {"ok": True, "id": 7}
        assert said == b"WIFI LOST\r\n"
        assert (await ask(do="step", value={"on": r"AT\+X", "say": ["+X: 1", "OK"]}))["step"] == 0
        modem.receive(b"AT+X\r\n")
        found = await ask(do="wait", kind="command", match=r"AT\+\w", timeout=2)
        assert found["record"]["detail"] == "AT+X"
        number = found["record"]["n"]
        late = await ask(do="wait", match=r"AT\+\w", since=number + 1, timeout="20ms")
        assert late == {"ok": False, "error": "no command like that within 0.02 s"}
        assert b"+X: 1\r\nOK\r\n" in said
        counters = await ask(do="counters")
        assert counters["counters"]["command"] == 1
        assert counters["steps"] == {"1": 1}
        assert counters["written"] == len(said)
        journal = await ask(do="journal", kinds=["command"], since=number)
        assert [each["detail"] for each in journal["records"]] == ["AT+X"]
        assert (await ask(do="journal", since=journal["next"]))["records"] == []
        assert (await ask(do="world", value={"access_points": {"new": "12345678"}}))["ok"]
        assert "new" in modem.world.access_points
        assert (await ask(do="peer", value={"does": "reset"}))["result"] == 0
        assert (await ask(do="facts"))["module"] == "esp8266"
        words = await ask(do="help")
        assert "reset" in words["actions"]
        assert words["events"] == ["ap_back", "ap_lost", "wifi_lost"]
    assert "ctl" not in os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"hello\n", "not JSON"),
        (b"\xff\n", "not JSON"),
        (b"[1]\n", "must be a mapping"),
        (b'{"do": "dance"}\n', "unknown word 'dance'; valid: step, journal"),
        (b'{"do": "urc"}\n', "urc: must be text"),
        (b'{"do": "urc", "vlaue": "x"}\n', "unknown key 'vlaue'; valid: do, value, id"),
        (b'{"do": "event", "value": "flood"}\n', "valid: pdp_lost"),
        (b'{"do": "step", "value": {"on": "("}}\n', "not a regular expression"),
        (b'{"do": "step", "value": {"on": "AT", "sya": 1}}\n', "unknown key 'sya'"),
        (b'{"do": "wait", "match": "("}\n', "not a regular expression"),
        (b'{"do": "journal", "since": -1}\n', "whole number"),
    ],
)
async def test_a_wrong_request_is_told_and_the_next_works(raw: bytes, sentence: str) -> None:
    async with controlled(build("bg96", time_scale=0.0), "0") as (ask, _said):
        answer = await ask(raw)
        assert answer["ok"] is False
        assert sentence in answer["error"]
        assert (await ask(do="counters"))["ok"]


async def test_the_path(tmp_path: Path) -> None:
    place = tmp_path / "ctl"
    place.write_text("mine")
    modem = build("bg96", time_scale=0.0)
    with pytest.raises(LinkPathError, match="is no socket"):
        async with controlled(modem, str(place)):
            pass
    assert place.read_text() == "mine"
    place.unlink()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place))
    dead.close()
    async with controlled(modem, str(place)) as (ask, _said):
        assert (await ask(do="facts"))["ok"]
        with pytest.raises(LinkPathError, match="served by another program"):
            async with controlled(build("bg96"), str(place)):
                pass
    with pytest.raises(LinkPathError, match="cannot be created"):
        async with controlled(modem, str(tmp_path / "no" / "ctl")):
            pass


async def test_stop_and_a_client_that_leaves_early() -> None:
    asked = asyncio.Event()
    async with controlled(build("bg96", time_scale=0.0), "0", asked.set) as (ask, _said):
        assert (await ask(do="stop", id="x")) == {"ok": True, "id": "x"}
        await asyncio.wait_for(asked.wait(), 2)
    async with controlled(build("bg96", time_scale=0.0), "0") as (ask, _said):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(do="wait", timeout=60)  # the context ends while it waits
