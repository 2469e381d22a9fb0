"""One socket that sends and receives without end: neither way waits for the other one's end."""

from __future__ import annotations

import asyncio

import pytest

from fakes import Peer
from tests.faults.bench import opened, virtual
from tests.faults.talk import receive

PEERS = {
    "source.test:19": Peer("chargen", rate=10_000_000),
    "talker.test:7": Peer("echo", greeting=bytes(50_000)),
}
UPLOAD = 200_000


@pytest.mark.parametrize(("module", "firmware"), [("esp8266", "E24"), ("bg96", "bg96")])
@virtual
async def test_an_upload_beside_a_download_has_its_share(module: str, firmware: str) -> None:
    """The peer has something to say all the time. It is read first, so that a peer that waits for
    its answers to be taken never keeps a send; but only as much as is sent then."""
    async with opened(module, firmware, peers=PEERS) as bench:
        sock = await bench.net.connect(("source.test", 19), timeout=30)
        got = 0

        async def download() -> None:
            nonlocal got
            while part := await sock.recv(65536):
                got += len(part)

        reading = asyncio.create_task(download())
        while got < UPLOAD:
            await asyncio.sleep(0.1)
        got = 0
        await sock.sendall(bytes(UPLOAD))
        beside = got
        reading.cancel()
        await asyncio.wait([reading])
        assert UPLOAD / 4 < beside < UPLOAD * 4


@pytest.mark.parametrize(("module", "firmware"), [("esp8266", "E24"), ("bg96", "bg96")])
@virtual
async def test_answers_are_not_left_lying_though_the_peer_has_said_more(
    module: str, firmware: str
) -> None:
    """A peer that has said much, and answers then as it reads, to a program that only sends."""
    async with opened(module, firmware, peers=PEERS) as bench:
        sock = await bench.net.connect(("talker.test", 7), timeout=30)
        (talk,) = bench.talks("talker.test:7")
        await receive(sock, 50_000)
        lying = 0

        async def look() -> None:
            nonlocal lying
            while True:
                lying = max(lying, len(talk._inbox))
                await asyncio.sleep(0.001)

        looking = asyncio.create_task(look())
        await sock.sendall(bytes(40_000))
        looking.cancel()
        assert len(talk.told) == 40_000
        assert lying < 10_000
