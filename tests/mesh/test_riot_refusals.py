"""What a RIOT node refuses, tells at an odd moment, or tells damaged; and its status."""

from __future__ import annotations

import socket

import pytest

from atdriver.errors import SpecificationError
from atdriver.modem import assemble
from modems.recovery import NETWORK_LOOK
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from netsocket.stack import InterfaceStatus, Kind
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_riot import IFCONFIG, Riot, dump

RUNNING = b"Error: server already running on port 8808\n"
STARTED = b"Success: started UDP server on port 8808\n"
LINK_ONLY = (
    b"Iface  6  HWaddr: 2A:5B  Channel: 26  NID: 0x23\n"
    b"          inet6 addr: fe80:0:0:0:7862:5cff:fe04:2a5b  scope: link  VAL\n"
    b"          inet6 addr: ff02::1  scope: link  VAL\n"
)
BARE = b"Iface  6  HWaddr: 2A:5B\n"


# -- coming up ------------------------------------------------------------------------------------


@virtual
async def test_an_address_beyond_the_link_is_waited_for() -> None:
    wire = Riot()
    wire.answers[b"ifconfig"] = [LINK_ONLY, LINK_ONLY, IFCONFIG]
    async with node("riot", wire) as net:
        assert net.ip_address == "2001:db8:1:0:7862:5cff:fe04:2a5b"


@virtual
async def test_a_node_without_a_router_has_its_address_of_the_link() -> None:
    wire = Riot()
    wire.answers[b"ifconfig"] = LINK_ONLY
    async with node("riot", wire, attach_timeout=2) as net:
        assert net.ip_address == "fe80::7862:5cff:fe04:2a5b"
        assert 4 <= wire.count(b"ifconfig") <= 10


@virtual
async def test_a_node_without_an_interface_is_not_up() -> None:
    wire = Riot()
    wire.answers[b"ifconfig"] = BARE
    with pytest.raises(errors.NetworkNotFound, match="no interface with an address"):
        async with node("riot", wire, attach_timeout=1):
            pass


@virtual
async def test_a_node_that_lost_its_addresses_waits_for_others() -> None:
    wire = Riot()
    async with node("riot", wire, attach_timeout=1) as net:
        wire.answers[b"ifconfig"] = BARE
        await settle(NETWORK_LOOK + 10.0)
        assert net.status is not InterfaceStatus.GLOBAL_UP
        assert net.ip_address is None
        wire.answers[b"ifconfig"] = IFCONFIG
        await settle(60.0)
        assert net.status is InterfaceStatus.GLOBAL_UP


@virtual
async def test_a_node_that_keeps_its_addresses_is_only_asked() -> None:
    wire = Riot()
    async with node("riot", wire) as net:
        before = wire.count(b"ifconfig")
        await settle(NETWORK_LOOK + 10.0)
        assert wire.count(b"ifconfig") == before + 1
        assert net.status is InterfaceStatus.GLOBAL_UP


def test_a_prefix_that_is_none_is_told() -> None:
    with pytest.raises(SpecificationError, match=r"setting nat64=64:ff9b::/64: .* 96 bits"):
        assemble("riot:tcp://127.0.0.1:1", keywords={"nat64": "64:ff9b::/64"})


# -- datagrams ------------------------------------------------------------------------------------


@virtual
async def test_the_server_that_somebody_left_running_is_taken_over() -> None:
    wire = Riot()
    wire.answers[b"udp server start *"] = [RUNNING, STARTED]
    async with node("riot", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        assert wire.asked[-3:] == [
            b"udp server start 8808", b"udp server stop", b"udp server start 8808",
        ]  # fmt: skip
        wire.tell(dump(b"hi"))
        assert await sock.recv(10) == b"hi"


@virtual
async def test_a_server_that_does_not_start() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        wire.answers[b"udp server start *"] = b"Error: invalid port specified\n"
        with pytest.raises(errors.DeviceError, match="invalid port"):
            await sock.bind(("", 8808))
        assert wire.count(b"udp server start") == 1
        wire.answers[b"udp server start *"] = RUNNING
        with pytest.raises(errors.DeviceError, match="already running"):
            await sock.bind(("", 8808))
        assert wire.count(b"udp server start") == 3


@virtual
async def test_one_datagram_socket() -> None:
    async with node("riot", Riot()) as net, net.udp_socket():
        with pytest.raises(errors.NoSocket, match="one socket of this kind"):
            await net.stack.open(Kind.UDP)


@virtual
async def test_a_line_of_a_dump_that_nobody_named_the_sender_of_is_nothing() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        wire.tell(b"00000010  41  42\n")
        await settle()
        wire.tell(dump(b"hi"), 0.1)
        assert await sock.recv(10) == b"hi"


@virtual
async def test_what_comes_while_no_socket_is_open_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = Riot()
    async with node("riot", wire) as net:
        wire.tell(dump(b"old"))
        rows = dump(bytes(40)).splitlines(keepends=True)
        wire.tell(rows[0] + rows[1] + rows[3], 0.1)  # and not whole
        await settle(1.0)
        async with net.udp_socket() as sock:
            await sock.bind(("", 8808))
            wire.tell(dump(b"new"))
            assert await sock.recv(10) == b"new"
    assert "failed" not in caplog.text


@virtual
async def test_the_next_datagram_ends_a_dump_whose_last_line_is_full() -> None:
    """It need not wait for the pause that would."""
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        wire.tell(dump(bytes(16)) + dump(b"hi"))
        assert await sock.recv(100) == bytes(16)
        assert await sock.recv(100) == b"hi"


@virtual
async def test_a_damaged_line_of_a_dump_spoils_its_datagram_alone() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        rows = dump(bytes(20)).splitlines(keepends=True)
        wire.tell(rows[0] + rows[1] + rows[2][:-4] + b"?\n")
        sock.settimeout(5.0)
        with pytest.raises(errors.PayloadIncomplete, match="dump"):
            await sock.recv(100)
        wire.tell(b"what is this?\n")  # nothing is being printed, so nothing is missing
        wire.tell(dump(b"hi"), 0.01)
        assert await sock.recv(100) == b"hi"


@pytest.mark.parametrize(
    ("good", "bad"),
    [(b"2001:db8:1:", b"2001:db8:::"), (b"61234", b"91234")],
    ids=["address", "port"],
)
def test_a_datagram_whose_sender_is_damaged_raises_and_the_next_one_comes(
    good: bytes, bad: bytes
) -> None:
    @virtual
    async def scenario() -> None:
        wire = Riot()
        async with node("riot", wire) as net, net.udp_socket() as sock:
            await sock.bind(("", 8808))
            wire.tell(dump(b"lost").replace(good, bad))
            sock.settimeout(5.0)
            with pytest.raises(errors.PayloadIncomplete, match="dump"):
                await sock.recv(100)
            wire.tell(dump(b"hi"))
            assert await sock.recv(100) == b"hi"

    scenario()


@virtual
async def test_a_restart_in_the_middle_of_a_dump_leaves_nothing_of_it() -> None:
    wire = Riot()
    async with node("riot", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        wire.tell(dump(bytes(16)) + b"main(): This is RIOT! (Version: 2026.01)\n")
        with pytest.raises(errors.ModuleRestarted):
            await sock.recv(100)
        await sock.close()
        await settle(30.0)
        async with net.udp_socket() as again:
            await again.bind(("", 8808))
            wire.tell(b"00000010  42  43\n" + dump(b"hi"))
            assert await again.recv(100) == b"hi"


@virtual
async def test_names_are_not_asked_of_the_node() -> None:
    wire = Riot()
    async with node("riot", wire) as net:
        before = len(wire.asked)
        with pytest.raises(errors.NotSupported):
            await net.stack.resolve("node.example", socket.AF_INET6)
        assert len(wire.asked) == before


@virtual
async def test_an_ipv4_address_where_the_network_translates_none() -> None:
    wire = Riot()
    async with node("riot", wire, nat64="") as net, net.udp_socket() as sock:
        await sock.bind(("", 8808))
        before = len(wire.asked)
        with pytest.raises(errors.HostUnreachable, match=r"192\.0\.2\.1.*no NAT64 prefix"):
            await sock.sendto(b"a", ("192.0.2.1", 9))
        assert len(wire.asked) == before


# -- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (IFCONFIG, {"role": "host", "channel": "26", "pan id": "0x0023", "neighbours": "1"}),
        (BARE, {"role": "host", "neighbours": "1"}),
        (IFCONFIG + b"          RTR  \n",
         {"role": "router", "channel": "26", "pan id": "0x0023", "neighbours": "1"}),
    ],
    ids=["host", "little", "router"],
)  # fmt: skip
def test_the_status_says_what_the_node_says(said: bytes, wanted: dict[str, str]) -> None:
    @virtual
    async def scenario() -> None:
        wire = Riot()
        async with node("riot", wire) as net:
            assert isinstance(net, AsyncMeshInterface)
            wire.answers[b"ifconfig"] = said
            await net.refresh()
            details = net.snapshot.details
            assert {key: details[key] for key in wanted} == wanted
            assert {"channel", "pan id"} & set(details) <= set(wanted)

    scenario()
