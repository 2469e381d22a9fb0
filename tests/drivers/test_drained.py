"""A BG96 whose read came back short: it is empty, probably, and only a read that finds nothing makes
sure. That one is put off for a moment, and no byte waits longer for it: in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.faults.bench import Bench, opened, virtual
from tests.faults.talk import receive

MOMENT = 0.005
"""Seconds that such a read may be put off."""
TURN = 0.02
"""Seconds that a command and its answer take at the most on the simulated module (USB: 3 ms)."""
REQUEST = bytes(range(32))


def commands(bench: Bench, since: int) -> list[bytes]:
    """What was asked of the sockets from then on."""
    lines = bench.wire.lines[since:]
    return [data.partition(b"=")[0] for _, way, data in lines if way == ">" and b"AT+QI" in data]


def taciturn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module says nothing of what comes in until a read has found nothing: so, too, can be
    understood that one notice comes until the buffer has been read (BG96 TCP/IP manual, "recv")."""
    fake: Any = bench.fake
    read, urc, unsure = fake._read, fake.urc, False

    def watched(*arguments: Any) -> Any:
        nonlocal unsure
        header, data = read(*arguments)
        unsure = bool(data)
        return header, data

    monkeypatch.setattr(fake, "_read", watched)
    monkeypatch.setattr(fake, "urc", lambda text: ('"recv"' in text and unsure) or urc(text))


@pytest.mark.parametrize("notices", ["plenty", "few"])
@virtual
async def test_an_exchange_is_one_send_and_one_read(
    monkeypatch: pytest.MonkeyPatch, notices: str
) -> None:
    async with opened("bg96") as bench:
        if notices == "few":
            taciturn(bench, monkeypatch)
        sock = await bench.net.connect(("echo.test", 7), timeout=30)
        since = len(bench.wire.lines)
        for _ in range(10):
            await sock.sendall(REQUEST)
            assert await receive(sock, 32) == REQUEST
        assert commands(bench, since) == [b"AT+QISEND", b"AT+QIRD"] * 10


@pytest.mark.parametrize("after", [0.0, 0.001, MOMENT, 0.1])
@virtual
async def test_what_comes_untold_waits_a_moment_only(
    monkeypatch: pytest.MonkeyPatch, after: float
) -> None:
    """Behind the short read, while nobody asks: the program is told of it all the same."""
    async with opened("bg96") as bench:
        taciturn(bench, monkeypatch)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        (talk,) = bench.talks("sink.test:9")
        talk.say(b"first")
        assert await sock.recv(100) == b"first"
        await asyncio.sleep(after)
        assert not sock.stirred
        talk.say(b"second")
        async with asyncio.timeout(MOMENT + TURN):
            while not sock.stirred:
                await asyncio.sleep(0.001)
        assert await sock.recv(100) == b"second"


@virtual
async def test_a_send_goes_before_that_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("bg96") as bench:
        taciturn(bench, monkeypatch)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        (talk,) = bench.talks("sink.test:9")
        talk.say(b"first")
        assert await sock.recv(100) == b"first"
        talk.say(b"second")
        since = len(bench.wire.lines)
        await sock.sendall(bytes(1460) * 3)
        await asyncio.sleep(MOMENT + TURN)
        asked = commands(bench, since)
        assert asked[0] == b"AT+QISEND"
        assert b"AT+QIRD" in asked
        (held,) = (bytes(each.buffer) for each in bench.stack._sockets.values())
        assert held == b"second"


@virtual
async def test_the_end_behind_a_short_read_has_all_bytes_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened("bg96") as bench:
        taciturn(bench, monkeypatch)
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        (talk,) = bench.talks("sink.test:9")
        talk.say(b"first")
        assert await sock.recv(100) == b"first"
        talk.say(b"last")
        talk.fin()
        assert await sock.recv(100) == b"last"
        assert await sock.recv(100) == b""


@pytest.mark.parametrize("how", ["close", "down"])
@virtual
async def test_nothing_is_read_behind_a_close(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    async with opened("bg96") as bench:
        sock = await bench.net.connect(("sink.test", 9), timeout=30)
        (talk,) = bench.talks("sink.test:9")
        talk.say(b"first")
        assert await sock.recv(100) == b"first"
        since = len(bench.wire.lines)
        if how == "close":
            await sock.close(abort=True)
        else:
            await bench.net.down()
        await asyncio.sleep(1)
        assert b"AT+QIRD" not in commands(bench, since)
