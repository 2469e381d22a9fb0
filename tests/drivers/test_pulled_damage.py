"""A read whose answer was damaged so that it ends well at a wrong place: what is left over of it
tells, and the stream ends. Both answers were found among a million (tests/engine/test_pulled.py)."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.errors import ConnectionReset
from tests.drivers.rig import until
from tests.faults.bench import opened, virtual
from tests.faults.talk import round_trip

TWICE = (
    b"+CIPRECVDATA:90,"
    b'\xff\xfe\x80\r\n+QIRD: 4\r\n\r\n+QIURC: "closed",0\r\n0,CLOSED\r\nOK\r\n\r\n\r\nOK\r\n\r\n+IPD'
    b",1,3:abc\r\n+CIPREC\r\nOK\r\n\r\n",
    b"\r\nOK\r\n",
    b"\r\n+IPD,1,3:abc\r\n+CIPRECVDATA,5:\r\nOK\r\n",
)
"""37 bytes came again: an answer to no command is left over."""
PUSHED = (
    b"+CIPRECVDATA:77,\x00\r\n+IPD,1,3:abc\x1aSEND OK\x00> \r\n+QIRD: 4\r\n\r\n+CIPRECVDATA,5:\r\nRecv"
    b" 4 byt+IPDbc\x00\r\x11\x13",
    b"\r\nOK\r\n",
    b"\r+IPD,0,5:\r\r\nOK\r\n",
)
"""Bytes came again: left over is a payload that this mode never pushes."""


@pytest.mark.parametrize("parts", [TWICE, PUSHED], ids=["twice", "pushed"])
@pytest.mark.parametrize("reads", [1, 2])
@virtual
async def test_what_is_left_over_of_an_answer_ends_the_stream(
    parts: tuple[bytes, bytes, bytes], reads: int
) -> None:
    """In the same piece as the answer's end, and in one behind it."""
    counted, result, left_over = parts
    assert len(counted.partition(b",")[2]) == int(counted[13:15])
    async with opened("esp8266", "E24") as bench:
        other = await bench.net.connect(("echo.test", 7), timeout=10)
        sock = await bench.net.connect(("sink.test", 9), timeout=10)
        link = max(each.number for each in bench.stack._sockets.values())
        asked = bench.step(on=r"AT\+CIPRECVDATA=.*", say=(), times=1)
        receiving = asyncio.ensure_future(sock.recv(1000))
        bench.channel.data_received(b"\r\n+IPD,%d,90\r\n" % bench.stack._sockets[link].link)
        await until(lambda: bench.fake.scenario.used.get(asked), 10)
        left_over = left_over.replace(b"+IPD,0", b"+IPD,%d" % bench.stack._sockets[link].link)
        if reads == 1:
            bench.channel.data_received(counted + result + left_over)
            with pytest.raises(ConnectionReset, match="incomplete or doubled"):
                await receiving
        else:
            bench.channel.data_received(counted + result)
            assert await receiving == counted.partition(b",")[2]  # nothing tells yet
            bench.channel.data_received(left_over)
        with pytest.raises(ConnectionReset, match="incomplete or doubled"):
            await sock.recv(1000)
        await sock.close()
        await round_trip(bench)
        await other.close()
