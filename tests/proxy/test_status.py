"""What a running proxy shows."""

from __future__ import annotations

import asyncio
import io
import json
import sys

import pytest

from atdriver.cli import proxy_status
from atdriver.cli.proxy_status import Modem, Rates, Status, look, show
from netsocket.adapters.passage import Figures
from tests.drivers.rig import echo_server

from .rig import served

ESP = Modem("esp8266", True, "", 3, 5, "-52 dBm")


def status(**more: int) -> Status:
    zero = dict.fromkeys([*Figures.__dataclass_fields__, "asking", "queued", "connecting"], 0)
    return Status(**{**zero, "relaying": 3, "up": 1500, "down": 2_000_000, **more}, modems=(ESP,))


def test_one_line_for_people() -> None:
    assert status().text((1234.0, 99.6)) == (
        "3 connected | up 1.23 kB/s  down 100 B/s | 2 MB in all | esp8266 3/5 -52 dBm"
    )
    busy = status(connecting=1, queued=2, failed=4, denied=5, turned_away=6, dropped=7)
    assert busy.text((0.0, 0.0)).startswith("3 connected | 1 connecting | 2 queued | up 0 B/s")
    for words in ("4 failed", "5 denied", "6 turned away", "7 datagrams dropped"):
        assert words in busy.text((0.0, 0.0))
    down = Modem("bg96", False, "it attaches again", 0, None, None)
    assert status().text((0, 0)).replace("x", "").count("|") == 3
    assert proxy_status._modem(down) == "bg96: it attaches again"


def test_rates_are_those_of_the_last_seconds() -> None:
    rates = Rates()
    assert rates.after(0.0, 0, 0) == (0.0, 0.0)
    assert rates.after(1.0, 1000, 0) == (1000.0, 0.0)
    for second in range(2, 6):
        rates.after(float(second), 1000, 0)
    assert rates.after(6.0, 1000, 500) == (0.0, pytest.approx(250.0, rel=0.4))


async def test_a_proxy_is_looked_at() -> None:
    async with served("esp8266") as proxy, echo_server() as echo:
        await proxy.net.refresh()
        client = await proxy.through_socks("srv", echo.port)
        await client.send(b"12345")
        await client.exactly(5)
        seen = look(proxy.proxy, proxy.pool)
        assert (seen.relaying, seen.up, seen.down, seen.served) == (1, 5, 5, 1)
        (modem,) = seen.modems
        assert (modem.name, modem.up, modem.in_use, modem.capacity) == ("esp8266", True, 1, 5)
        assert (modem.signal or "").endswith("dBm")


async def shown(proxy: object, pool: object, seconds: float, *, as_json: bool = False) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await show(proxy, pool, as_json=as_json)  # type: ignore[arg-type]


async def test_json_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proxy_status, "TICK", 0.02)
    async with served() as proxy, echo_server() as echo:
        running = asyncio.create_task(shown(proxy.proxy, proxy.pool, 0.6, as_json=True))
        await asyncio.sleep(0.1)
        client = await proxy.through_socks("127.0.0.1", echo.port)
        await client.send(b"x")
        await client.exactly(1)
        await running
    first, *_, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["event"], first["relaying"], first["up"]) == ("status", 0, 0)
    assert (last["relaying"], last["up"], last["down"]) == (1, 1, 1)
    assert last["modems"][0]["name"] == "host"


async def test_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proxy_status, "TICK", 0.02)
    monkeypatch.setattr(proxy_status, "PLAIN", 0.1)
    async with served(user="me", password="secret-word") as proxy:
        running = asyncio.create_task(shown(proxy.proxy, proxy.pool, 1.0))
        await asyncio.sleep(0.1)
        client = await proxy.client()
        await client.send(b"\x05\x01\x02\x01\x02me\x01x")
        await client.exactly(4)
        proxy.proxy.meter.up += 5000
        await running
    told = capsys.readouterr().err
    assert "atdriver: user or password wrong or missing, 1 times by now" in told
    assert "5 kB in all" in told
    assert "secret-word" not in told


async def test_a_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(proxy_status, "TICK", 0.02)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    async with served() as proxy, echo_server() as echo:
        await proxy.through_socks("127.0.0.1", echo.port)
        await shown(proxy.proxy, proxy.pool, 0.3)
    assert "1 connected | up 0 B/s  down 0 B/s | 0 B in all | host" in screen.getvalue()
