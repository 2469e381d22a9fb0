"""J07: the address is judged, whatever the name; and it is the one connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from netsocket.adapters.destinations import DestinationRefused, Destinations, Region
from netsocket.adapters.pool import Pool
from netsocket.adapters.proxy import Proxy
from netsocket.address import SocketAddress
from netsocket.hoststack import HostStack
from netsocket.interface import AsyncNetworkInterface
from tests.drivers.rig import echo_server, udp_echo

from .rig import LOOPBACK, asked, proxy_over

REGIONS = {
    Region.LOOPBACK: "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
    Region.UNSPECIFIED: "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0",
    Region.LINK_LOCAL: "169.254.169.254 fe80::1 fe80::1%eth0 ::ffff:169.254.0.1",
    Region.MULTICAST: "224.0.0.1 239.1.2.3 255.255.255.255 240.0.0.1 ff02::1",
    Region.PRIVATE: "10.0.0.1 172.16.0.1 192.168.4.1 100.64.0.1 192.0.2.7 fc00::1 ::ffff:10.0.0.1",
    Region.PUBLIC: "9.9.9.9 1.1.1.1 2620:fe::fe ::ffff:9.9.9.9 64:ff9b::909:909",
}


def region_of(host: str, own: str | None = None) -> Region:
    """What refuses it when everything is refused."""
    with pytest.raises(DestinationRefused) as caught:
        Destinations(frozenset(Region)).check(host, own)
    assert isinstance(caught.value, PermissionError)
    return caught.value.region


@pytest.mark.parametrize(
    ("region", "host"), [(region, host) for region in REGIONS for host in REGIONS[region].split()]
)
def test_regions(region: Region, host: str) -> None:
    assert region_of(host) is region
    if region in (Region.PRIVATE, Region.PUBLIC):
        Destinations().check(host)
    else:
        with pytest.raises(DestinationRefused):
            Destinations().check(host)
    Destinations.of(allow=[region.value]).check(host)
    with pytest.raises(DestinationRefused):
        Destinations.of(refuse=[region.value]).check(host)


def test_the_modules_own_address() -> None:
    assert region_of("192.168.4.2", "192.168.4.2") is Region.OWN
    assert region_of("9.9.9.9", "9.9.9.9") is Region.OWN
    assert region_of("192.168.4.2", "192.168.4.3") is Region.PRIVATE
    with pytest.raises(DestinationRefused):
        Destinations().check("192.168.4.2", "192.168.4.2")


@pytest.mark.parametrize("wrong", [{"allow": ["moon"]}, {"allow": ["own"], "refuse": ["own"]}])
def test_what_is_no_choice(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError):
        Destinations.of(**wrong)


class Names(HostStack):
    """The operating system's stack with names of a hostile server: each question gets the next
    answer."""

    def __init__(self, *answers: list[str]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.connected: list[SocketAddress] = []

    async def resolve(self, name: str, family: int = 0) -> Sequence[str]:
        return self.answers.pop(0)

    async def connect(self, handle: Any, address: SocketAddress) -> None:
        self.connected.append(address)
        await super().connect(handle, address)


async def test_the_usual_proxy_refuses_both_languages() -> None:
    """A name for 127.0.0.1, the address, datagrams: nothing is connected to or sent."""
    stack = Names(["127.0.0.1"], ["127.0.0.1", "::1"])
    async with (
        echo_server() as server,
        udp_echo() as (port, echo),
        AsyncNetworkInterface(stack) as net,
        proxy_over(net, destinations=Destinations()) as served,
    ):
        for host in ("rebound.test", "127.0.0.1"):
            client = await served.client()
            assert (await client.socks(host, server.port))[0] == 2
        for host in ("rebound2.test", "127.0.0.1"):
            client = await served.client()
            target = f"{host}:{server.port}"
            await client.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            status, _, text = await client.answer()
            assert (status, b"loopback" in text) == (403, True)
        client = await served.client()
        target = f"127.0.0.1:{server.port}"
        await client.send(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert (await client.answer())[0] == 403
        client = await served.client()
        code, (host, relay) = await client.socks("0.0.0.0", 0, command=3)
        assert code == 0
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(host, relay)
        )
        transport.sendto(bytes(3) + asked("127.0.0.1", port)[3:] + b"hello")
        async with asyncio.timeout(10):
            while not served.proxy.figures.dropped:
                await asyncio.sleep(0.01)
        transport.close()
        assert not stack.connected
        assert not server.received
        assert not echo.received


async def test_the_address_that_was_judged_is_the_one_connected_to() -> None:
    """The name server answers otherwise at every question: there is only one."""
    stack = Names(["127.0.0.1"], ["169.254.169.254"])
    async with (
        echo_server() as server,
        AsyncNetworkInterface(stack) as net,
        proxy_over(net) as served,
    ):
        client = await served.through_socks("rebound.test", server.port)
        await client.send(b"hello")
        assert await client.exactly(5) == b"hello"
        assert stack.connected == [("127.0.0.1", server.port)]
        assert len(stack.answers) == 1


async def test_of_several_addresses_those_that_are_allowed_are_tried_in_order() -> None:
    stack = Names(["169.254.0.1", "127.0.0.9", "127.0.0.1"])
    async with (
        echo_server() as server,
        AsyncNetworkInterface(stack) as net,
        proxy_over(net) as served,
    ):
        client = await served.through_socks("several.test", server.port)
        await client.send(b"hello")
        assert await client.exactly(5) == b"hello"
        assert [address.host for address in stack.connected] == ["127.0.0.9", "127.0.0.1"]
        assert served.in_use == 1


async def test_none_of_several_answers() -> None:
    stack = Names(["127.0.0.8", "127.0.0.9"])
    async with (
        echo_server() as server,
        AsyncNetworkInterface(stack) as net,
        Pool.of(net) as pool,
        Proxy(pool, destinations=LOOPBACK) as proxy,
    ):
        address = await proxy.listen(port=0)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"\x05\x01\x00" + asked("several.test", server.port))
        assert (await reader.readexactly(4))[3:] == b"\x05"
        writer.close()
        assert len(stack.connected) == 2
