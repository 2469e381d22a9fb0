"""The kernel's stack on a carrier of packets, and a host's interface by name; lwIP is the peer."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import Any

import pytest

from netsocket.capability import run
from netsocket.capability.farremote import RemoteFarEnd
from netsocket.capability.nameserver import NameServer
from netsocket.errors import NameNotFound, NetworkDown, NetworkNotFound, NotSupported
from netsocket.interface_kinds import interface_for
from netsocket.ip.backends import backend, tun
from netsocket.ip.ethernet import EthernetStack
from netsocket.ip.link import IpPacketLink, IpSettings
from netsocket.ip.lwip import LwipStack
from netsocket.ip.lwip_build import missing
from netsocket.ip.pair import packet_pair
from netsocket.stack import InterfaceStatus
from netsocket.stream import AsyncTCPSocket
from tests.ip.namespace import (
    TUN,
    alone,
    give,
    interfaces,
    make_veth,
    remove,
    routes,
    rules,
    set_up,
)

pytestmark = TUN
WITH_LWIP = pytest.mark.skipif(missing() != "", reason=missing() or "it is here")
OWN = IpSettings(("10.64.0.2/32", "fd64::2/128"), ("192.0.2.53",), ("10.64.0.1",), 1400)
ITS = IpSettings(("192.0.2.53/0", "2001:db8::1/64"), (), (), 1400)
"""Not in one network with `OWN`: what is sent there takes the default route of the device."""


async def until_told(told: list[Any], wanted: object) -> None:
    async with asyncio.timeout(10.0):
        while wanted not in told:
            await asyncio.sleep(0.01)


async def carried(out: AsyncTCPSocket, back: AsyncTCPSocket, size: int) -> int:
    """How many bytes arrive; both ends at work, as no buffer between them need hold them all."""

    async def send() -> None:
        await out.sendall(bytes(size))
        await out.shutdown(socket.SHUT_WR)

    got = 0
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(send())
        while data := await back.recv(65_536):
            got += len(data)
    return got


@WITH_LWIP
def test_sockets_over_a_tun_reach_beyond_it_and_no_other_route_changes() -> None:
    async def work() -> None:
        mine, its = packet_pair()
        before, ruled = routes(), rules()
        far = interface_for(LwipStack(IpPacketLink("far", its, ITS)))
        async with far, interface_for(await tun(IpPacketLink("near", mine, OWN))) as net:
            device = net.snapshot.details["device"]
            assert net.ip_address == "10.64.0.2"
            assert device in interfaces()
            defaults = {each for each in routes() - before if each[0] is None}
            assert defaults == set()
            for host in ("192.0.2.53", "2001:db8::1"):
                async with far.tcp_socket() as listener, net.tcp_socket() as sock:
                    await listener.bind((host, 80))
                    await listener.listen()
                    async with asyncio.timeout(30):  # whichever of the two fails, it tells
                        (taken, peer), _ = await asyncio.gather(
                            listener.accept(), sock.connect((host, 80))
                        )
                    async with taken:
                        assert peer.host in ("10.64.0.2", "fd64::2")
                        assert await carried(sock, taken, 200_000) == 200_000
            async with net.tcp_socket() as sock:
                with pytest.raises(NotSupported):
                    await sock.setsockopt(socket.SOL_SOCKET, 25, b"lo\0")
        assert device not in interfaces()
        assert rules() == ruled
        assert routes() == before
        assert mine.fileno() == -1

    alone(work)


@WITH_LWIP
def test_names_are_asked_of_the_links_server_and_over_tcp_when_they_do_not_fit() -> None:
    many = [f"10.9.{n // 250}.{n % 250 + 1}" for n in range(400)]
    server = NameServer({"one.example": ["10.9.9.9", "2001:db8::9"], "many.example": many})

    async def work() -> None:
        mine, its = packet_pair()
        far = interface_for(LwipStack(IpPacketLink("far", its, ITS)))
        async with far, interface_for(await tun(IpPacketLink("near", mine, OWN))) as net:
            sock, listener = far.udp_socket(), far.tcp_socket()
            await sock.bind(("", 53))
            await listener.bind(("", 53))
            await listener.listen()

            async def datagrams() -> None:
                while True:
                    question, sender = await sock.recvfrom(4096)
                    answer = server.answer(question)
                    assert answer is not None
                    if len(answer) > 512:
                        answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:12]
                        answer = answer[:4] + b"\0\1\0\0\0\0\0\0" + question[12:]
                    await sock.sendto(b"\0\0forged", sender)
                    await sock.sendto(answer, sender)

            async def streams() -> None:
                while True:
                    taken, _ = await listener.accept()
                    async with taken:
                        question = await taken.recv(4096)
                        answer = server.answer(question[2:])
                        assert answer is not None
                        await taken.sendall(len(answer).to_bytes(2, "big") + answer)

            serving = [asyncio.create_task(datagrams()), asyncio.create_task(streams())]
            assert await net.resolve("one.example") == ["10.9.9.9", "2001:db8::9"]
            assert await net.resolve("one.example", socket.AF_INET6) == ["2001:db8::9"]
            assert set(await net.resolve("many.example")) == set(many)
            with pytest.raises(NameNotFound):
                await net.resolve("nosuch.example")
            for each in serving:
                each.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            await sock.close()
            await listener.close()

    alone(work)


def test_a_carrier_that_ends_breaks_the_sockets_and_removes_the_device() -> None:
    async def work() -> None:
        mine, its = packet_pair()
        async with interface_for(await tun(IpPacketLink("near", mine, OWN))) as net:
            device = net.snapshot.details["device"]
            told: list[InterfaceStatus] = []
            net.on_status(told.append)
            async with net.udp_socket() as sock, net.tcp_socket() as stream:
                waiting = asyncio.gather(
                    sock.recvfrom(1), stream.connect(("192.0.2.1", 9)), return_exceptions=True
                )
                await asyncio.sleep(0.05)
                its.close()
                async with asyncio.timeout(5.0):
                    for each in await waiting:
                        assert isinstance(each, NetworkDown), each
            assert told == [InterfaceStatus.DISCONNECTED]
            assert device not in interfaces()

    alone(work)


def test_an_interface_that_is_not_there() -> None:
    async def work() -> None:
        with pytest.raises(NetworkNotFound, match=r"nosuch0.*there are lo"):
            await interface_for(EthernetStack("nosuch0")).up()

    alone(work)


def test_a_pulled_cable_and_an_adapter_that_is_unplugged_are_told() -> None:
    async def work() -> None:
        make_veth("atd0", "atd1")
        with pytest.raises(NetworkDown, match="administratively down"):
            await interface_for(EthernetStack("atd0")).up()
        set_up("atd0", "10.79.0.2/24")
        with pytest.raises(NetworkDown, match="no carrier"):
            await interface_for(EthernetStack("atd0")).up()
        set_up("atd1")
        async with interface_for(EthernetStack("atd0")) as net, net.udp_socket() as sock:
            assert net.ip_address == "10.79.0.2"
            assert net.status is InterfaceStatus.GLOBAL_UP
            told: list[InterfaceStatus] = []
            net.on_status(told.append)
            waiting = asyncio.create_task(sock.recvfrom(1))
            set_up("atd1", state="down")
            await until_told(told, InterfaceStatus.CONNECTING)
            assert not waiting.done()
            set_up("atd1")
            await until_told(told, InterfaceStatus.GLOBAL_UP)
            assert not waiting.done()
            remove("atd0")
            await until_told(told, InterfaceStatus.DISCONNECTED)
            with pytest.raises(NetworkDown, match="atd0 has gone"):
                await waiting

    alone(work)


@pytest.mark.gate
def test_every_probe_on_a_hosts_interface_with_the_far_end_behind_a_cable() -> None:
    async def work() -> None:
        make_veth("atd0", "atd1")
        script = (
            "echo here && read go && ip addr add 10.79.0.1/24 dev atd1 && ip link set lo up && "
            "ip link set atd1 up && "
            f"exec {sys.executable} -m atdriver far-end --host 10.79.0.1 --token 0123456789"
        )
        process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "here\n"
            give("atd1", process.pid)
            process.stdin.write("go\n")
            process.stdin.flush()
            set_up("atd0", "10.79.0.2/24")
            lines = iter(process.stdout.readline, "ready\n")
            control = int(next(lines).rpartition(":")[2])
            list(lines)
            async with RemoteFarEnd("10.79.0.1", control, "0123456789") as far:
                found = await run(EthernetStack("atd0"), far, reachable=True)
        finally:
            process.kill()
            process.communicate()
        assert found.contradictions() == []
        assert found.claims.firmware == "operating system, atd0"

    alone(work)


async def test_back_ends_are_chosen_by_name_or_by_what_is_here() -> None:
    assert backend("tun") is tun
    assert backend() in (tun, backend("lwip"))
    with pytest.raises(ValueError, match="one of auto, lwip, tun"):
        backend("slirp")
