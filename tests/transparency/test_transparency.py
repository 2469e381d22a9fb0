"""R15: every byte passes as it is, in both directions, on all sockets at once."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import Any

import pytest

from fakes import Peer
from fakes.actions import perform
from tests.faults.bench import BOTH, opened, virtual

from .tokens import TOKENS, straddling

SOCKETS = {"esp8266": 5, "bg96": 12}
BORDERS = {"esp8266": (64, 2920, 5760), "bg96": (64, 1460, 1500)}
"""A packet of USB, a frame that is sent, a block that is read."""
MIB = 1 << 20


async def talk(net: Any, place: str, data: bytes) -> bytes:
    """Say this to a peer, and end; what it said until its own end."""
    host, port = place.split(":")
    async with await net.connect((host, int(port)), timeout=60) as sock:
        sock.settimeout(600)
        got = bytearray()
        if data:
            await sock.sendall(data)
        else:
            while part := await sock.recv(65536):
                got += part
        return bytes(got)


@pytest.mark.parametrize("chunk", ["whole", pytest.param("packets64", marks=pytest.mark.gate)])
@pytest.mark.parametrize("module", [module for module, _ in BOTH])
@virtual
async def test_tokens_across_every_border(module: str, chunk: str) -> None:
    data = b"".join(map(straddling, BORDERS[module]))
    peers = {"out.test:9": Peer("discard"), "in.test:7": Peer(greeting=data, then="close")}
    async with opened(module, peers=peers) as bench:
        perform(bench.fake, "chunk", chunk)
        told: list[Any] = []
        bench.fake.world.peers.opened = told.append
        assert await talk(bench.net, "in.test:7", b"") == data
        await talk(bench.net, "out.test:9", data)
        await asyncio.sleep(5)
        assert bytes(told[-1].told) == data


@pytest.mark.gate
@pytest.mark.parametrize("module", [module for module, _ in BOTH])
@virtual
async def test_tokens_byte_by_byte(module: str) -> None:
    data = straddling(64)
    peers = {"out.test:9": Peer("discard"), "in.test:7": Peer(greeting=data, then="close")}
    async with opened(module, peers=peers) as bench:
        perform(bench.fake, "chunk", "single")
        assert await talk(bench.net, "in.test:7", b"") == data


@pytest.mark.parametrize(
    ("module", "firmware", "size"),
    [
        *(pytest.param(*each, MIB, marks=pytest.mark.gate) for each in BOTH),
        *(
            pytest.param(*each, 16 * MIB, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])
            for each in BOTH
        ),
    ],
)
@virtual
async def test_all_sockets_at_once(module: str, firmware: str, size: int) -> None:
    """So many bytes to an echo on each, and back."""
    async with opened(module, firmware, peers={"echo.test:7": Peer("echo")}) as bench:

        async def exchange(number: int) -> None:
            source = random.Random(number)
            said, heard = hashlib.sha256(), hashlib.sha256()
            sock = await bench.net.connect(("echo.test", 7), timeout=60)
            sock.settimeout(3600)

            async def write() -> None:
                left = size
                while left:
                    piece = source.randbytes(min(left, 50_000)) + source.choice(TOKENS)
                    piece = piece[:left]
                    said.update(piece)
                    await sock.sendall(piece)
                    left -= len(piece)

            writing = asyncio.create_task(write())
            got = 0
            while got < size:
                part = await sock.recv(65536)
                assert part
                heard.update(part)
                got += len(part)
            await writing
            assert heard.digest() == said.digest()
            await sock.close()

        await asyncio.gather(*(exchange(number) for number in range(SOCKETS[module])))
        assert not bench.stack.anomalies


def test_there_are_forty_tokens() -> None:
    assert len(set(TOKENS)) == len(TOKENS) == 40
    assert set(straddling(1460)) == set(range(256))
    assert all(token in straddling(64) for token in TOKENS)
