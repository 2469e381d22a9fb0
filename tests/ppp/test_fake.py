"""`bg96,data=ppp:fake` as a user has it: lwIP, PPP, the simulated module's own server and network."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import fakes
from atdriver import aopen_modem
from atdriver.cli import report
from atdriver.cli.options import Request
from atdriver.links.memory import MemoryLink
from atdriver.modem import assemble
from netsocket import errors
from netsocket.stack import InterfaceStatus
from tests.ip.rig import LWIP
from tests.ports import free_port

pytestmark = LWIP
GATEWAY, GATEWAY_6 = "10.0.2.2", "fd00:a02::2"


@contextlib.asynccontextmanager
async def echo(host: str) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_both_families_names_and_a_connection_that_comes_in() -> None:
    into = free_port()
    async with aopen_modem("bg96,data=ppp:fake", apn="internet", forward=f"tcp:{into}") as net:
        for local, far in (("127.0.0.1", GATEWAY), ("::1", GATEWAY_6), ("127.0.0.1", "far.test")):
            async with echo(local) as port:
                reader, writer = await net.open_connection(far, port)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                writer.close()
        assert await net.resolve("far.test") == [GATEWAY]
        async with net.tcp_socket() as listener:
            await listener.bind(("", into))
            await listener.listen()
            _, writer = await asyncio.open_connection("127.0.0.1", into)
            accepted, _ = await listener.accept()
            writer.write(b"knock")
            assert await accepted.recv(10) == b"knock"
            await accepted.close()
            writer.close()


async def test_datagrams_of_both_families() -> None:
    loop = asyncio.get_running_loop()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, peer: Any) -> None:
            self.transport.sendto(data, peer)

    async with aopen_modem("bg96,data=ppp,ip=lwip:fake", apn="internet") as net:
        for local, far in (("127.0.0.1", GATEWAY), ("::1", GATEWAY_6)):
            server, _ = await loop.create_datagram_endpoint(Echo, local_addr=(local, 0))
            place = (far, server.get_extra_info("sockname")[1])
            async with net.udp_socket() as sock:
                for size in (1, 1200):
                    sock.settimeout(30)
                    await sock.sendto(bytes(size), place)
                    assert await sock.recvfrom(2000) == (bytes(size), place)
            server.close()


@pytest.mark.nightly
async def test_sixteen_mebibytes_and_a_link_that_is_killed_in_the_middle() -> None:
    """Nothing but the beginning of what was sent has come when the link dies; the interface returns,
    and all of it comes."""
    data = random.Random(8).randbytes(16 << 20)
    fake = fakes.build("bg96", time_scale=0)
    modem = assemble("bg96,data=ppp,ip=lwip:tcp://127.0.0.1:1", keywords={"apn": "internet"})
    assert modem.channel is not None
    modem.channel.link_with(lambda _: MemoryLink(fake, "bg96"))
    net = modem.interface()
    async with echo("127.0.0.1") as port, net:
        reader, writer = await net.open_connection(GATEWAY, port)
        sending = asyncio.create_task(sent(writer, data))
        got = bytearray()
        with pytest.raises(errors.ConnectionReset, match="the PPP link is gone"):
            while piece := await reader.read(65536):
                got += piece
                if len(got) - len(piece) < 8 << 20 <= len(got):
                    fake.carrier_lost()
        with pytest.raises(OSError, match="the PPP link is gone"):
            await sending
        writer.close()
        assert 8 << 20 <= len(got) < 16 << 20
        assert data.startswith(got)
        while net.status is not InterfaceStatus.GLOBAL_UP:
            await asyncio.sleep(0.1)
        reader, writer = await net.open_connection(GATEWAY, port)
        sending = asyncio.create_task(sent(writer, data))
        back = hashlib.sha256(await reader.readexactly(len(data)))
        assert back.digest() == hashlib.sha256(data).digest()
        await sending
        writer.close()


async def sent(writer: Any, data: bytes) -> None:
    for at in range(0, len(data), 65536):
        writer.write(data[at : at + 65536])
        await writer.drain()


async def test_at_is_answered_while_bytes_pass_on_the_other_channel() -> None:
    async with (
        echo("127.0.0.1") as port,
        aopen_modem("bg96,data=ppp,mux=yes:fake", apn="internet") as net,
    ):
        reader, writer = await net.open_connection(GATEWAY, port)
        data = bytes(range(256)) * 512
        writer.write(data)
        answer = asyncio.create_task(reader.readexactly(len(data)))
        asked = 0
        while not answer.done():
            assert (await net.cellular()).registration.registered  # type: ignore[attr-defined]
            asked += 1
        assert await answer == data
        assert asked
        writer.close()


@pytest.mark.gate
def test_probes_find_what_is_claimed(tmp_path: Path) -> None:
    """Of each chapter one or two; all of them: `atdriver report bg96,data=ppp:fake`."""
    only = ["tcp.connect", "tcp.listen", "tcp.half_close", "dns.resolve", "udp.echo", "wait.event",
            "cellular.sim", "interface.ping", "ipv6", "tls.handshake", "tcp.local_name"]  # fmt: skip
    status = report.show(
        [Request("bg96,data=ppp:fake")],
        tmp_path,
        compare=None,
        far_end="127.0.0.1",
        token=None,
        name=None,
        only=[each for each in only if each in report.CATALOGUE],
    )
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert '"bg96,data=ppp:fake"' in text
    assert status == 0


async def test_the_drivers_stack_and_the_fakes_network_are_settings_of_their_own() -> None:
    """`ip=` chooses this computer's stack, `network=` what the simulated module leads to."""
    async with aopen_modem("bg96,data=ppp,ip=lwip,network=own:fake", apn="internet") as net:
        assert await net.resolve("far.test") == [GATEWAY]
    with pytest.raises(ValueError, match="network='other': choose own, slirp, auto"):
        await aopen_modem("bg96,data=ppp,ip=lwip,network=other:fake")
