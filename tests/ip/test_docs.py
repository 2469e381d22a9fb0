"""The example of docs/lwip.md, run."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from netsocket.capability.nameserver import NameServer
from netsocket.interface_kinds import interface_for
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip import LwipStack
from netsocket.ip.pair import packet_pair
from tests.ip.rig import LWIP

pytestmark = LWIP
PAGE = Path(__file__).resolve().parents[2] / "docs" / "lwip.md"


async def test_the_ten_lines() -> None:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert found is not None
    made: dict[str, Any] = {}
    exec(found.group(1), made)
    mine, its = packet_pair()
    settings = IpSettings(("10.64.0.1/24", "fd64::1/64"), mtu=1400)
    server = NameServer({"example.org": ["10.64.0.1"]})
    async with interface_for(LwipStack(IpPacketLink("far", its, settings))) as far:
        async with far.udp_socket() as names, far.tcp_socket() as listener:
            await names.bind(("", 53))
            await listener.bind(("", 80))
            await listener.listen()

            async def answer() -> None:
                while True:
                    question, sender = await names.recvfrom(1000)
                    await names.sendto(server.answer(question) or b"", sender)

            async def serve() -> bytes:
                taken, _ = await listener.accept()
                async with taken:
                    got = await taken.recv(1000)
                    await taken.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
                    return got

            answering, serving = asyncio.create_task(answer()), asyncio.create_task(serve())
            assert await made["fetch"](mine) == b"HTTP/1.0 200 OK\r\n\r\nhello"
            assert (await serving).startswith(b"GET / HTTP/1.0\r\n")
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
