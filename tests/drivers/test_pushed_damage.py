"""Push mode has no trailer that proves a length: whatever the line shows of lost or added bytes ends
the streams that are pushed, because nobody can say whose bytes they were."""

from __future__ import annotations

import pytest

from netsocket.errors import ConnectionReset
from tests.faults.bench import opened, virtual


async def pushed(said: bytes) -> bytes:
    """Connect in push mode, let the module print this, and read what came."""
    async with opened("esp8266", "E24", receive="push") as bench:
        sock = await bench.net.connect(("sink.test", 9))
        (link,) = [each.link for each in bench.stack._sockets.values()]
        assert link is not None
        bench.channel.data_received(said.replace(b"+IPD,0", b"+IPD,%d" % link))
        sock.settimeout(30.0)
        try:
            found = await sock.recv(1000)
            while len(found) < 20:
                found += await sock.recv(1000)
            return found
        finally:
            await sock.close()


TWO = b"\r\n+IPD,0,10:0123456789\r\n+IPD,0,10:abcdefghij"


@virtual
async def test_undamaged() -> None:
    assert await pushed(TWO) == b"0123456789abcdefghij"


@pytest.mark.parametrize(
    "said",
    [
        TWO.replace(b"5", b"", 1),  # one byte lost: the payload takes the CR
        TWO.replace(b"567", b"", 1),  # three lost: the payload takes a piece of the next head
        TWO.replace(b"345678", b"", 1),
        TWO.replace(b"5", b"55", 1),  # one doubled: the last byte is left over
        TWO.replace(b",10:0", b",1:0", 1),  # a digit of the length lost
        TWO.replace(b"+IPD", b"++IPD", 1),
        TWO.replace(b"10:a", b"1:a"),
        TWO.replace(b",10:0", b",100:0", 1),  # a digit doubled: the payload does not complete
        b"x" * 5000 + b"\r\n",
    ],
    ids=lambda said: repr(said[:40]),
)
@virtual
async def test_every_anomaly_ends_a_pushed_stream(said: bytes) -> None:
    with pytest.raises(ConnectionReset, match="missing"):
        await pushed(said + b"\r\n+IPD,0,2:!!")  # what is left over ends with the next line


@pytest.mark.parametrize(
    "said", [b"2,CONNECT\r\n", b"chatter\r\n", b"\r\nbusy p...\r\n", b"\0\r\n\r\n", b"\r"]
)
@virtual
async def test_what_is_no_damage_ends_nothing(said: bytes) -> None:
    assert await pushed(said + TWO) == b"0123456789abcdefghij"
