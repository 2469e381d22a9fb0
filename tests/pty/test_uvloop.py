"""uvloop from end to end: the serial port, sockets of the module, asyncio's face, descriptors."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest
import uvloop

from atdriver import aopen_modem
from atdriver.errors import PortBusy
from netsocket.errors import NetsocketError
from tests.netsocket.certificates import serving, trusting
from tests.pty.test_transfers import SETTINGS, simulated

LOCAL = "127.0.0.1"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


class Upper(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data.upper(), addr)


class Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.answer.set_result(data)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    payload = os.urandom(30_000)
    writer.write(payload)
    assert await reader.readexactly(len(payload)) == payload
    writer.close()
    await writer.wait_closed()


async def whole(module: str, path: str) -> None:
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"
    loop = asyncio.get_running_loop()
    plain = await asyncio.start_server(echo, LOCAL, 0)
    tls = await asyncio.start_server(echo, LOCAL, 0, ssl=serving())
    upper, _ = await loop.create_datagram_endpoint(Upper, (LOCAL, 0))
    address = (LOCAL, plain.sockets[0].getsockname()[1])
    async with aopen_modem(f"{module}:{path}", **SETTINGS[module]) as net:
        await exchange(*await net.open_connection(*address, timeout=20))
        port = tls.sockets[0].getsockname()[1]
        await exchange(
            *await net.open_connection(
                LOCAL, port, ssl=trusting(), server_hostname="localhost", timeout=20
            )
        )
        reader, writer = await net.open_connection(LOCAL, port, timeout=20)
        await writer.start_tls(trusting(), server_hostname="localhost")
        await exchange(reader, writer)
        transport, protocol = await net.create_datagram_endpoint(
            Answer, remote_addr=(LOCAL, upper.get_extra_info("sockname")[1])
        )
        transport.sendto(b"datagram")
        assert await asyncio.wait_for(protocol.answer, 20) == b"DATAGRAM"
        transport.close()
        real = await net.create_socket(address, timeout=20)
        assert type(real) is socket.socket
        real.setblocking(False)
        await exchange(*await asyncio.open_connection(sock=real))
        with pytest.raises(PortBusy):
            async with aopen_modem(f"{module}:{path}", **SETTINGS[module]):
                pass
    async with aopen_modem(f"{module}:{path}", **SETTINGS[module]) as net:  # it was given back
        with pytest.raises(NetsocketError):
            await net.open_connection("no-such-name.example", 80, timeout=20)
    upper.close()
    for server in (plain, tls):
        server.close()


@pytest.mark.parametrize(("module", "firmware"), [("esp8266", "E24"), ("bg96", "bg96")])
def test_everything_over_a_pty(module: str, firmware: str) -> None:
    with simulated(module, firmware) as path:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(whole(module, path))
