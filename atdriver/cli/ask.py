"""`atdriver scan`, `resolve` and `ping`: one question to the module each."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from atdriver.cli import output
from atdriver.cli.failure import FAILED, OK, note, sentence
from atdriver.cli.options import Request, host_name
from atdriver.cli.session import limit, opened, put_together, run
from netsocket.errors import ConnectTimeout
from netsocket.stack import AccessPoint

PING_INTERVAL = 1.0
"""Seconds from the end of one ping to the next."""
NETWORKS = ("SSID", "SIGNAL", "CHANNEL", "SECURITY", "BSSID")


def scan(request: Request) -> None:
    """The WiFi networks in reach, strongest first."""

    async def ask() -> list[AccessPoint]:
        modem = await put_together(request)
        async with (
            opened(modem, request, attach=False) as net,
            limit(request.timeout, "no list of networks"),
        ):
            return sorted(await net.scan(), key=lambda network: -network.rssi)

    found = run(ask())
    if request.as_json:
        output.data([asdict(network) for network in found])
    elif not found:
        note("no network in reach")
    else:
        output.table(
            NETWORKS,
            [
                (item.ssid, f"{item.rssi} dBm", str(item.channel), item.security, item.bssid)
                for item in found
            ],
        )


def resolve(request: Request, name: str) -> None:
    """The addresses of a name, one a line."""
    host = host_name(name)

    async def ask() -> list[str]:
        modem = await put_together(request)
        async with (
            opened(modem, request, attach=True) as net,
            limit(request.timeout, f"{name}: no answer"),
        ):
            return await net.resolve(host)

    addresses = run(ask())
    if request.as_json:
        output.data({"name": name, "addresses": addresses})
    else:
        for address in addresses:
            output.line(address)


def ping(request: Request, host: str, count: int) -> int:
    """Round trips, one a line; the status is 0 when at least one answer came."""
    name = host_name(host)
    times: list[float | None] = []

    async def ask() -> None:
        modem = await put_together(request)
        async with opened(modem, request, attach=True) as net:
            for number in range(count):
                if number:
                    await asyncio.sleep(PING_INTERVAL)
                try:
                    async with limit(request.timeout, f"{host}: no answer to ping"):
                        times.append(await net.ping(name))
                except ConnectTimeout as error:
                    times.append(None)
                    note(sentence(error))
                    continue
                if not request.as_json:
                    output.flushed(f"{host}: {_milliseconds(times[-1])} ms")

    run(ask())
    if request.as_json:
        shown = [None if time is None else round(time * 1000, 3) for time in times]
        output.data({"host": host, "times_ms": shown, "lost": shown.count(None)})
    return OK if any(time is not None for time in times) else FAILED


def _milliseconds(seconds: float | None) -> str:
    return f"{(seconds or 0.0) * 1000:.3f}".rstrip("0").rstrip(".")
