"""Tables of commands and answers for the fact tests of the Espressif fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

LONG, TYPE, RANGE = 0x01040000, 0x01050000, 0x01070000
MISSING, UNKNOWN, FAILED = 0x01060000, 0x01090000, 0x010A0000
"""Classes of errors (ESP-AT include/esp_at_core.h); MISSING: a field that is there and empty."""


def count(needed: int, came: int) -> int:
    """The code for a wrong number of parameters."""
    return 0x01060000 | needed << 8 | came


async def codes(host: Any, rows: Iterable[tuple[str, int]]) -> None:
    """Each line ends with this code (AT+SYSLOG=1 is set here), with OK where it is 0."""
    await host.ok("AT+SYSLOG=1")
    wrong = []
    for line, code in rows:
        answer = await host.command(line)
        good = b"ERR CODE:0x%08x\r\n\r\nERROR\r\n" % code if code else b"\r\nOK\r\n"
        if not answer.endswith(good):
            wrong.append(f"{line}: {answer!r}, not {good!r}")
        host.output.clear()
    assert not wrong, "\n".join(wrong)


async def answers(host: Any, rows: Iterable[tuple[str, bytes | None]]) -> None:
    """Each line gets exactly this before its OK; ERROR alone or behind a reason where it is None."""
    wrong = []
    for line, expected in rows:
        answer = await host.command(line)
        good = b"\r\nERROR\r\n" if expected is None else expected + b"\r\nOK\r\n"
        if not (answer.endswith(good) if expected is None else answer == good):
            wrong.append(f"{line}: {answer!r}, not {good!r}")
        host.output.clear()
    assert not wrong, "\n".join(wrong)


def delays_of(host: Any) -> list[float]:
    """What the module puts off, in seconds of its time."""
    delays: list[float] = []
    real = host.modem.later

    def later(delay: float, action: Any) -> Any:
        delays.append(delay)
        return real(delay, action)

    host.modem.later = later
    return delays


def spent_by(host: Any) -> list[float]:
    """What the module spends, in seconds of its time (nothing is really waited for)."""
    spent: list[float] = []
    real: Callable[[float], Awaitable[None]] = host.modem.sleep

    async def sleep(seconds: float) -> None:
        spent.append(seconds)
        await real(seconds)

    host.modem.sleep = sleep
    return spent


def limits_set(monkeypatch: Any) -> list[float | None]:
    """The seconds of every `asyncio.timeout` from now on."""
    limits: list[float | None] = []
    real = asyncio.timeout

    def timeout(delay: float | None) -> AbstractAsyncContextManager[Any]:
        limits.append(delay)
        return real(delay)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    return limits


async def restarted(host: Any) -> None:
    """AT+RST, up to the address of a stored access point, echo off."""
    host.send(b"AT+RST\r\n")
    await host.read_until(b"WIFI GOT IP\r\n")
    await host.ok("ATE0")
    host.output.clear()
