"""What the drivers of all mesh nodes share: IPv4 in a prefix, what they claim and what they lack."""

from __future__ import annotations

import asyncio
import socket

import pytest

from atdriver.errors import ReplyCorrupt
from atdriver.exchange import Reply
from atdriver.flight import STALL
from modems import meshclaims
from modems.meshnode import MeshNode, Translation, best_address
from netsocket import errors
from netsocket.capability.model import Manual
from netsocket.capability.probes.tools import claiming
from netsocket.stack import Kind
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_openthread import PEER, link

MANUAL = Manual("none", "", "")


def test_the_address_that_reaches_farthest_is_a_nodes_own() -> None:
    far, near, nearest = "2a00::1", "fd00::1", "fe80::1"
    assert best_address([nearest, near, far]) == far
    assert best_address([nearest, "ff02::1", near]) == near
    assert best_address([near, "fd00::2"]) == near, "the one that the node says first"
    assert best_address([nearest, "ff02::1"]) == ""


def test_ipv4_addresses_go_into_the_prefix_and_come_out_of_it() -> None:
    known = Translation("64:ff9b::/96")
    assert known.inside("192.0.2.1") == "0064:ff9b:0000:0000:0000:0000:c000:0201"
    assert known.outside("64:ff9b::c000:201") == "192.0.2.1"
    assert known.outside("64:ff9b:1::c000:201") == "64:ff9b:1::c000:201"
    assert Translation().inside("192.0.2.1") is None


def test_a_driver_that_claims_nothing_about_a_promise_is_told_which() -> None:
    """Some depend on the node, so none is shared."""
    with pytest.raises(AssertionError, match=r"nothing is claimed about tcp\.transparent"):
        own = {
            id_: (meshclaims.FULL, "") for id_ in meshclaims.CATALOGUE if id_ != "tcp.transparent"
        }
        meshclaims.claims("node", "", MANUAL, own, {})


@virtual
async def test_a_node_has_no_socket_options() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        before = len(wire.asked)
        with pytest.raises(errors.NotSupported, match="no socket options"):
            await sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with pytest.raises(errors.NotSupported, match="no socket options"):
            await sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert len(wire.asked) == before


@virtual
async def test_a_datagram_that_does_not_fit_into_a_line_is_too_long_whatever_the_claims_say() -> (
    None
):
    """Nothing of it leaves: a node would cut the line without a word."""
    wire = link()
    async with node("openthread", wire) as net:
        most = net.capabilities.limit("datagram.max_send")
        with claiming(net, "datagram.max_send", most + 1):
            async with net.udp_socket() as sock:
                await sock.bind(("", 5))
                before = len(wire.asked)
                with pytest.raises(errors.MessageTooLong, match=f"a datagram of {most + 1} bytes:"):
                    await sock.sendto(bytes(most + 1), (PEER, 65535))
                assert len(wire.asked) == before


@virtual
async def test_what_is_missing_on_the_serial_line_breaks_streams_and_no_datagram_socket() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    async with node("openthread", wire) as net, net.udp_socket() as datagrams:
        await datagrams.bind(("", 5))
        async with net.tcp_socket() as stream, net.tcp_socket() as unused:
            await stream.connect((PEER, 80))
            wire.tell(b"TCP: Rexeived 2 bytes: hi\r\n")
            stream.settimeout(5.0)
            with pytest.raises(errors.ConnectionReset, match="bytes may be missing"):
                await stream.recv(10)
            wire.tell(f"2 bytes from {PEER} 9 ok\r\n".encode())
            assert (await datagrams.recvfrom(10))[0] == b"ok"
            await stream.close()
            await unused.connect((PEER, 80))


@virtual
async def test_what_a_node_tells_while_its_answers_are_in_doubt_is_not_believed() -> None:
    """It may be a piece of what somebody sent, whose beginning was lost."""
    wire = link()
    async with node("openthread", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 4000))
        await listener.listen(1)
        stack = net.stack
        assert isinstance(stack, MeshNode)
        write = wire.write
        wire.write = lambda data: None  # type: ignore[method-assign]
        asking = asyncio.create_task(net.ping(PEER))
        await settle(0.1)
        wire.tell(b"60 bytes from ::1 9 broken off")
        await settle(STALL + 0.1)  # now the node is asked whether it is in step
        before = stack.anomalies
        wire.tell(f"\r\nAccepted connection from [{PEER}]:5000\r\n".encode())
        await settle(0.1)
        assert stack.anomalies == before + 1
        wire.write = write  # type: ignore[method-assign]
        await asyncio.wait({asking})
        assert isinstance(asking.exception(), ReplyCorrupt)
        await settle(20.0)
        wire.tell(f"Accepted connection from [{PEER}]:5001\r\n".encode())
        listener.settimeout(5.0)
        _, peer = await listener.accept()
        assert peer.port == 5001


@virtual
async def test_nothing_can_be_fetched_from_a_node_that_prints() -> None:
    """Whoever takes one of its sockets for one of a module that keeps data learns it at once."""
    wire = link()
    async with node("openthread", wire) as net:
        stack = net.stack
        assert isinstance(stack, MeshNode)
        sock = stack._socket(await stack.open(Kind.UDP))
        assert not sock.pull
        for fetch in (
            lambda: stack._read_command(sock),
            lambda: stack._take_in(sock, 0, Reply()),
        ):
            with pytest.raises(AssertionError, match="a node that prints"):
                fetch()
        with pytest.raises(AssertionError, match="a node that prints"):
            await stack._nothing_read(sock)
