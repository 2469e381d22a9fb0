"""`atdriver demo`: the main job with no hardware, told step by step."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atdriver import open_modem
from atdriver.cli import output
from atdriver.cli.ending import Ending, orderly
from atdriver.cli.failure import FAILED, OK, Failure
from atdriver.cli.stage import EchoServer, FakeModule, WebServer, page
from netsocket.blocking_interface import NetworkInterface
from netsocket.capability.model import CapabilityTable
from netsocket.capability.report import render_html, render_markdown

SITE = "web.example"
ECHO = "echo.example"
"""Names that only the simulated modules can resolve."""
SSID, PASSWORD = "demo-network", "demo-password"
CALL_LIMIT = 10.0
"""Seconds for one blocking call."""
EVIDENCE = (
    "Written by `atdriver demo`: the modules behind these tables were simulated, so this page "
    "shows what the drivers claim from the manuals, not what hardware did."
)


@dataclass(frozen=True, slots=True)
class Player:
    """One module of the demo: how the fake is started, and how it is opened."""

    module: str
    name: str
    fake: tuple[str, ...]
    settings: dict[str, str]


PLAYERS = (
    Player(
        "esp8266",
        "ESP8266 (WiFi)",
        ("esp8266", "--firmware", "E24", "--ap", f"{SSID}:{PASSWORD}"),
        {"ssid": SSID, "password": PASSWORD},
    ),
    Player("bg96", "BG96 (cellular)", ("bg96",), {"apn": "internet"}),
)
_NAMES = ("--resolve", f"{SITE}=127.0.0.1", "--resolve", f"{ECHO}=127.0.0.1")


def show(out: Path, *, keep: bool) -> int:
    """Play it; the status is 1 when anything differed from what was sent."""
    begun = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)  # a wrong --out is told before the play, not after
    with contextlib.ExitStack() as stack:
        ending = stack.enter_context(orderly())
        web, echo = WebServer(), EchoServer()
        stack.callback(web.close)
        stack.callback(echo.close)
        _say("Both modules below are SIMULATED: programs behind pseudo terminals. The servers,")
        _say("the sockets, the driver and every byte in between are real.")
        _say("")
        _say(f"real HTTP server  127.0.0.1:{web.port}  serves one page of {len(page())} bytes")
        _say(f"real UDP server   127.0.0.1:{echo.port}  sends every datagram back")
        fakes, tables, good = [], [], True
        for player in PLAYERS:
            ending.check()
            fake = stack.enter_context(FakeModule(*player.fake, "--time-scale", "0.05", *_NAMES))
            fakes.append(fake)
            table, same = _play(player, fake, (web.port, echo.port), ending)
            tables.append(table)
            good = good and same
        ending.check()
        report = write_report(out, tables)
        _say("")
        _say(f"capability report: {report}")
        _say(f"{'everything arrived unchanged' if good else 'SOMETHING DIFFERED'}, "
             f"{time.monotonic() - begun:.1f} s in all; both modules were simulated")  # fmt: skip
        if keep and good:
            _invite(fakes, web.port)
            while not ending.asked:
                time.sleep(0.1)
            ending.accept()
    return OK if good else FAILED


def _play(
    player: Player, fake: FakeModule, servers: tuple[int, int], ending: Ending
) -> tuple[CapabilityTable, bool]:
    ending.check()
    web, echo = servers
    _say("")
    _say(f"== {player.name}, simulated by process {fake.pid} behind {fake.port}")
    begun = time.monotonic()
    shown = ", ".join(f"{key}=…" if key == "password" else f"{key}={value!r}"
                      for key, value in player.settings.items())  # fmt: skip
    spec = f"{player.module}:{fake.port}"
    settings: dict[str, Any] = dict(player.settings)
    with open_modem(spec, **settings) as net:
        _say(f"open_modem({spec!r}, {shown}): attached as {net.ip_address}", begun)
        route = (
            f"Python program → Socket API → AT commands → {fake.port} → simulated {player.module}"
        )
        ending.check()
        good = _fetch(net, web, route)
        ending.check()
        return net.capabilities, _echo(net, echo, route) and good


def _fetch(net: NetworkInterface, port: int, route: str) -> bool:
    """The page by name, with the standard library's HTTP client over our socket."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection(SITE, port, timeout=CALL_LIMIT)
    connection.sock = net.create_connection((SITE, port), timeout=CALL_LIMIT)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            body = connection.getresponse().read()
        except http.client.HTTPException as error:
            raise Failure(f"the page came damaged: {error!r}") from error
    same = body == page()
    _say(f"{route} → TCP server on 127.0.0.1:{port}")
    _say(f"  GET http://{SITE}/ (name resolved by the module): {len(body)} bytes, "
         f"{'the page, byte for byte' if same else 'NOT THE PAGE'}", begun)  # fmt: skip
    return same


def _echo(net: NetworkInterface, port: int, route: str) -> bool:
    begun = time.monotonic()
    datagram = bytes(range(256)) * 2
    with net.udp_socket() as sock:
        sock.settimeout(CALL_LIMIT)
        sock.sendto(datagram, (ECHO, port))
        answer, _ = sock.recvfrom(2048)
    same = answer == datagram
    _say(f"{route} → UDP server on 127.0.0.1:{port}")
    _say(f"  one datagram to {ECHO}: {len(datagram)} bytes out, {len(answer)} back, "
         f"{'the same' if same else 'NOT THE SAME'}", begun)  # fmt: skip
    return same


def write_report(out: Path, tables: list[CapabilityTable]) -> Path:
    """index.html, report.md and report.json in `out`; returns its path. Raises OSError."""
    index = out / "index.html"
    index.write_text(render_html(tables, EVIDENCE), encoding="utf-8")
    (out / "report.md").write_text(render_markdown(tables, EVIDENCE), encoding="utf-8")
    data = {"evidence": EVIDENCE, "modules": [table.to_dict() for table in tables]}
    (out / "report.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return index


def _invite(fakes: list[FakeModule], web: int) -> None:
    _say("")
    _say("The simulated modules stay until Ctrl-C. In another terminal, for example:")
    for player, fake in zip(PLAYERS, fakes, strict=True):
        _say(f"  atdriver info {player.module}:{fake.port}")
    _say(f"  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | atdriver nc "
         f"bg96:{fakes[-1].port} {SITE} {web} --set apn=internet")  # fmt: skip


def _say(text: str, begun: float | None = None) -> None:
    took = "" if begun is None else f"  ({time.monotonic() - begun:.2f} s)"
    output.flushed(text + took)
