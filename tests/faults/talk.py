"""What most fault tests say: ready-made scenarios, a round trip, and what must hold afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from fakes import Scenario
from fakes.scenario import load
from netsocket.stream import AsyncTCPSocket

from .bench import Bench

T = TypeVar("T")

TOKENS = (
    b"\r\nOK\r\n", b"\r\nERROR\r\n", b"+IPD,0,5:", b"\r\n+IPD,1,4\r\n", b"0,CLOSED\r\n", b"> ",
    b'\r\n+QIURC: "closed",0\r\n', b'\r\n+QIURC: "recv",0\r\n', b"\r\nSEND OK\r\n", b"\r\nready\r\n",
    b"\r\nRDY\r\n", b"+CIPRECVDATA:4,", b"\r\n+QIRD: 4\r\n", b"+++", b"\0\x1a\x1b\x11\x13\r", b"\n",
    b"\r\nSEND FAIL\r\n", b"busy p...\r\n", b"AT+CIPCLOSE=0\r\n", b"WIFI DISCONNECT\r\n",
)  # fmt: skip
"""Payload that looks like the protocol of either module."""


def ready_made(fault: str) -> Scenario:
    """The scenario of fakes.scenarios for this id."""
    return load(fault)


async def within(seconds: float, call: Awaitable[T]) -> T:
    """The call, which must end in this time one way or the other (V4)."""
    async with asyncio.timeout(seconds) as limit:
        try:
            return await call
        except TimeoutError:
            assert not limit.expired(), f"not ended after {seconds} s"
            raise


async def receive(sock: AsyncTCPSocket, count: int, seconds: float = 60.0) -> bytes:
    """Exactly `count` bytes, or fewer before the end of the stream."""
    got = bytearray()
    async with asyncio.timeout(seconds):
        while len(got) < count and (part := await sock.recv(count - len(got))):
            got += part
    return bytes(got)


async def round_trip(bench: Bench, text: bytes = b"are you there?", seconds: float = 90.0) -> None:
    """A new connection, there and back, judged by what its peer was told (V1, V2, V9)."""
    async with asyncio.timeout(seconds):
        async with await bench.net.connect(("echo.test", 7), timeout=seconds) as sock:
            talk = bench.talks("echo.test:7")[-1]
            await sock.sendall(text)
            assert await receive(sock, len(text)) == text
            assert bytes(talk.told) == text


@contextmanager
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No exception ended in a log on the way (V10)."""
    yield
    raised = [record for record in caplog.records if record.exc_info]
    assert not raised, [record.getMessage() for record in raised]
