"""What an SKSTACK-IP stick refuses, tells at an odd moment, or tells damaged."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from modems.skstack.stack import GOODBYE
from modems.transfer import REFUSED_SENDS
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.capability.probes.tools import claiming
from netsocket.stack import Kind
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_skstack import OK, PEER, Stick, erxudp

NOT_NOW = b"FAIL ER10\r\n"
OTHER = "FE80:0000:0000:0000:021D:1290:0000:0002"


def connected(handle: int, local: int, port: int = 80, peer: str = PEER) -> bytes:
    return f"ETCP 1 {handle} {peer} {port:04X} {local:04X}\r\n".encode()


def erxtcp(payload: bytes, local: int, port: int = 80, peer: str = PEER) -> bytes:
    return b"ERXTCP %b %04X %04X %04X %b\r\n" % (peer.encode(), port, local, len(payload), payload)


# -- datagrams ------------------------------------------------------------------------------------


@virtual
async def test_a_port_that_the_stick_refuses_leaves_its_handle_free() -> None:
    wire = Stick()
    wire.answers[b"SKUDPPORT *"] = [b"FAIL ER06\r\n", OK]
    async with node("skstack", wire) as net, net.udp_socket() as sock:
        with pytest.raises(errors.DeviceError, match="argument out of range") as caught:
            await sock.bind(("", 5))
        assert caught.value.module_code == "6"
        await sock.bind(("", 6))
        assert wire.asked[-2:] == [b"SKUDPPORT 1 0005", b"SKUDPPORT 1 0006"]


@virtual
async def test_a_socket_that_is_bound_twice_at_once_takes_no_handle_that_is_not_there() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        stack = net.stack
        handles = [await stack.open(Kind.UDP) for _ in range(6)]
        with pytest.raises(errors.NoSocket):
            await stack.open(Kind.UDP)
        for handle in handles[:5]:
            await stack.bind(handle, SocketAddress("", 0))
        twice = [stack.bind(handles[5], SocketAddress("", 0)) for _ in range(2)]
        first, second = await asyncio.gather(*twice, return_exceptions=True)
        assert first is None
        assert isinstance(second, errors.NoSocket)
        assert wire.count(b"SKUDPPORT 6 ") == 1


@virtual
async def test_a_datagram_comes_to_the_socket_of_its_kind_and_port() -> None:
    """A stream, a listener, and another datagram socket are beside it."""
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(1, 5)
    async with (
        node("skstack", wire) as net,
        net.tcp_socket() as stream,
        net.tcp_socket() as listener,
    ):
        await stream.bind(("", 5))
        await stream.connect((PEER, 80))
        await listener.bind(("", 6))
        await listener.listen(1)
        async with net.udp_socket() as other, net.udp_socket() as sock:
            await other.bind(("", 7))
            await sock.bind(("", 5))
            wire.tell(erxudp(b"hi", 5) + erxudp(b"nobody's", 8) + erxtcp(b"tcp", 5))
            assert (await sock.recvfrom(10))[0] == b"hi"
            assert await stream.recv(10) == b"tcp"
            wire.tell(erxtcp(b"not mine", 5, peer=OTHER) + erxtcp(b"mine", 5))
            assert await stream.recv(20) == b"mine"


@virtual
async def test_a_socket_that_is_closed_while_it_is_opened_for_its_first_datagram() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        handle = await net.stack.open(Kind.UDP)
        sending = asyncio.create_task(net.stack.sendto(handle, b"a", SocketAddress(PEER, 9)))
        while not wire.count(b"SKUDPPORT"):
            await asyncio.sleep(0)
        await net.stack.close(handle)
        with pytest.raises(errors.BrokenPipe, match="closed"):
            await sending
        assert wire.asked[-1] == b"SKUDPPORT 1 0000"
        assert wire.sent == []


# -- streams --------------------------------------------------------------------------------------


@virtual
async def test_a_close_during_a_connect_leaves_the_connect_of_another_socket_alone() -> None:
    """The stick connects one after the other: the second has not begun yet."""
    wire = Stick()
    async with node("skstack", wire) as net:
        first, second = net.tcp_socket(), net.tcp_socket()
        await first.bind(("", 0x1000))
        one = asyncio.create_task(first.connect((PEER, 80)))
        await settle()
        two = asyncio.create_task(second.connect((PEER, 81)))
        await settle()
        await second.close()
        wire.tell(connected(1, 0x1000))
        await one
        await first.send(b"a")
        assert wire.sent == [b"a"]
        with pytest.raises(errors.BadHandle):
            await two
        await first.close()
        assert wire.count(b"SKCONNECT") == 1, "nobody wants the second any more"


@virtual
async def test_a_close_breaks_off_a_connect_that_nobody_answers() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        sock = net.tcp_socket()
        connecting = asyncio.create_task(sock.connect((PEER, 80)))
        await settle()
        begun = asyncio.get_running_loop().time()
        await sock.close()
        with pytest.raises(errors.BadHandle):
            await connecting
        await settle()
        async with net.tcp_socket() as other:
            await other.bind(("", 0x1000))
            wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
            await other.connect((PEER, 80))
            assert asyncio.get_running_loop().time() - begun < 5.0


@virtual
async def test_a_connect_that_is_refused_at_once() -> None:
    wire = Stick()
    wire.answers[b"SKCONNECT *"] = NOT_NOW
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        with pytest.raises(errors.DeviceError, match="cannot be carried out now") as caught:
            await sock.connect((PEER, 80))
        assert caught.value.module_code == "10"


@virtual
async def test_a_lost_port_ends_a_connect_that_is_under_way() -> None:
    wire = Stick()
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        connecting = asyncio.create_task(sock.connect((PEER, 80)))
        await settle()
        begun = asyncio.get_running_loop().time()
        wire.drop(OSError(errno.EIO, "unplugged"))
        with pytest.raises(ConnectionResetError):
            await connecting
        assert asyncio.get_running_loop().time() - begun < 1.0


@virtual
async def test_an_aborted_stream_does_not_wait_for_its_last_piece_to_leave() -> None:
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(2, 0x1000)
    wire.later[b"SKCLOSE *"] = b"ETCP 3 2\r\n"
    async with node("skstack", wire) as net:
        for abort, least, most in ((True, 0.0, 1.0), (False, GOODBYE, GOODBYE + 1.0)):
            sock = net.tcp_socket()
            await sock.bind(("", 0x1000))
            await sock.connect((PEER, 80))
            wire.outcome = [OK]  # taken, and never gone
            await sock.send(b"a")
            begun = asyncio.get_running_loop().time()
            await (sock.abort() if abort else sock.close())
            await settle(0.0)
            while wire.asked[-1] != b"SKCLOSE 2":
                await settle(0.1)
            took = asyncio.get_running_loop().time() - begun
            assert least <= took <= most
            await settle(1.0)


@virtual
async def test_a_stream_that_its_peer_ended_first_is_not_closed_again() -> None:
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        await sock.bind(("", 0x1000))
        await sock.connect((PEER, 80))
        wire.outcome = [b"ETCP 3 1\r\nFAIL ER06\r\n"]
        with pytest.raises(errors.BrokenPipe, match="peer has closed"):
            await sock.send(b"a")
        assert await sock.recv(10) == b""
        await sock.close()
    assert not wire.count(b"SKCLOSE")


@virtual
async def test_a_piece_that_the_stick_does_not_take_now_is_tried_again() -> None:
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        await sock.bind(("", 0x1000))
        await sock.connect((PEER, 80))
        wire.outcome = [NOT_NOW, NOT_NOW]
        await sock.sendall(b"abc")
        assert wire.sent == [b"abc"] * 3
        wire.outcome = [NOT_NOW] * (REFUSED_SENDS + 1)
        with pytest.raises(errors.DeviceError, match="takes no more data"):
            await sock.sendall(b"d")


@virtual
async def test_one_command_takes_no_more_than_1232_bytes_whatever_the_claims_say() -> None:
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
    async with node("skstack", wire) as net:
        with claiming(net, "frame.max_send", 1233):
            async with net.tcp_socket() as sock:
                await sock.bind(("", 0x1000))
                await sock.connect((PEER, 80))
                with pytest.raises(errors.MessageTooLong, match="1233 bytes in one SKSEND"):
                    await sock.send(bytes(1233))
        with claiming(net, "datagram.max_send", 1233):
            async with net.udp_socket() as other:
                with pytest.raises(errors.MessageTooLong, match="SKSENDTO takes 1232"):
                    await other.sendto(bytes(1233), (PEER, 9))
        assert wire.sent == []


@virtual
async def test_the_next_piece_waits_until_the_last_one_has_left() -> None:
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        await sock.bind(("", 0x1000))
        await sock.connect((PEER, 80))
        wire.outcome = [OK]
        await sock.send(b"a")
        wire.tell(b"ETCP 5 1\r\n", 3.0)
        begun = asyncio.get_running_loop().time()
        await sock.send(b"b")
        assert 3.0 <= asyncio.get_running_loop().time() - begun < 4.0
        assert wire.sent == [b"a", b"b"]


@virtual
async def test_of_a_piece_that_failed_in_another_way_nobody_knows_what_left() -> None:
    wire = Stick()
    wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
    async with node("skstack", wire) as net, net.tcp_socket() as sock:
        await sock.bind(("", 0x1000))
        await sock.connect((PEER, 80))
        wire.outcome = [b"FAIL ER09\r\n"]
        with pytest.raises(errors.SendUnknown, match="ER09") as caught:
            await sock.sendall(b"abc")
        assert caught.value.unknown == 3
        with pytest.raises(errors.BrokenPipe, match="ER09"):
            await sock.send(b"d")
        assert wire.sent == [b"abc"]


@virtual
async def test_names_are_not_asked_of_the_stick() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        before = len(wire.asked)
        with pytest.raises(errors.NotSupported):
            await net.stack.resolve("node.example", socket.AF_INET6)
        assert len(wire.asked) == before


# -- listening ------------------------------------------------------------------------------------


@virtual
async def test_a_peer_is_accepted_and_one_that_nobody_waits_for_is_closed() -> None:
    wire = Stick()
    async with node("skstack", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 0x0FA0))
        await listener.listen(1)
        assert wire.asked[-1] == b"SKTCPPORT 1 0FA0"
        wire.tell(connected(1, 0x0FA0, 5000) + erxtcp(b"hi", 0x0FA0, 5000))
        sock, peer = await listener.accept()
        assert (peer.host, peer.port) == ("fe80::21d:1290:0:1", 5000)
        assert await sock.recv(10) == b"hi"
        await sock.send(b"yo")
        assert wire.sent == [b"yo"]
        wire.tell(connected(2, 0x0BAD, 5001))
        await settle()
        assert wire.asked[-1] == b"SKCLOSE 2", "no listener has this port"
        wire.tell(b"ETCP 3 1\r\n")
        assert await sock.recv(10) == b""
        await sock.close()


@virtual
async def test_an_accepted_connection_sends_whatever_its_handle_did_before() -> None:
    """Its last owner's piece never left: no ETCP 5 came, and none will."""
    wire = Stick()
    async with node("skstack", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 0x0FA0))
        await listener.listen(1)
        for _ in range(2):
            wire.tell(connected(1, 0x0FA0, 5000))
            sock, _peer = await listener.accept()
            wire.outcome = [OK]  # no ETCP 5
            sock.settimeout(1.0)
            await sock.send(b"a")
            wire.tell(b"ETCP 3 1\r\n")
            await settle()
            await sock.close()
        assert wire.sent == [b"a", b"a"]


@virtual
async def test_a_port_that_cannot_be_listened_on_leaves_its_place_free() -> None:
    wire = Stick()
    wire.answers[b"SKTCPPORT *"] = [b"FAIL ER06\r\n", OK]
    async with node("skstack", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 4000))
        with pytest.raises(errors.DeviceError, match="out of range"):
            await listener.listen(1)
        await listener.listen(1)
        assert wire.asked[-2:] == [b"SKTCPPORT 1 0FA0"] * 2


@virtual
async def test_each_listener_ends_its_own_port() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        listeners = [net.tcp_socket() for _ in range(3)]
        for number, listener in enumerate(listeners):
            await listener.bind(("", 4000 + number))
            await listener.listen(1)
        await listeners[1].close()
        assert wire.asked[-1] == b"SKTCPPORT 2 0000"
        assert wire.count(b"SKTCPPORT") == 4
        await listeners[2].close()
        await listeners[0].close()
        assert wire.asked[-2:] == [b"SKTCPPORT 3 0000", b"SKTCPPORT 1 0000"]


@virtual
async def test_more_listens_at_once_than_the_stick_has_ports() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        stack = net.stack
        handles = [await stack.open(Kind.TCP) for _ in range(4)]
        for handle in handles[:3]:
            await stack.listen(handle, 1)
        twice = [stack.listen(handles[3], 1) for _ in range(2)]
        first, second = await asyncio.gather(*twice, return_exceptions=True)
        assert first is None
        assert isinstance(second, errors.NoSocket)
        assert wire.count(b"SKTCPPORT") == 4


# -- what it tells --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"ETCP 1 1 FE80::::1 0050 1000\r\n",
        b"ETCP 1 1 " + PEER.encode() + b" 0050\r\n",
        b"ETCP 1 1 " + PEER.encode() + b" 10050 1000\r\n",
        b"ETCP 1\r\n",
        b"ETCP 3 x\r\n",
        b"EPONG " + PEER.encode() + b"\r\n",
        b"ETCP 5 3\r\n",
        b"ETCP 3 3\r\n",
        b"ETCP 2 1\r\n",
    ],
    ids=lambda said: said.decode().strip(),
)  # fmt: skip
def test_a_notice_that_is_damaged_or_about_nothing_ends_no_stream(
    said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    @virtual
    async def scenario() -> None:
        wire = Stick()
        wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
        async with node("skstack", wire) as net, net.tcp_socket() as sock:
            await sock.bind(("", 0x1000))
            await sock.connect((PEER, 80))
            asked = len(wire.asked)
            wire.tell(said + erxtcp(b"hi", 0x1000))
            assert await sock.recv(10) == b"hi"
            await sock.sendall(b"yo")
            assert wire.sent == [b"yo"]
            await settle()
            assert len(wire.asked) == asked, "nothing is done about it"

    scenario()
    assert "failed" not in caplog.text


@virtual
async def test_damaged_notices_are_counted() -> None:
    wire = Stick()
    async with node("skstack", wire) as net:
        for said in (
            b"ETCP 1 1 FE80::::1 0050 1000\r\n",
            b"ETCP 1 1 " + PEER.encode() + b" 10050 1000\r\n",
            b"ETCP 3 x\r\n",
            b"ETCP 3\r\n",
        ):
            before = net.stack.anomalies  # type: ignore[attr-defined]
            wire.tell(said)
            await settle()
            assert net.stack.anomalies == before + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("ropt", [b"OK 00\r\n", b"OK 01\r\n"], ids=["binary", "hexadecimal"])
def test_bytes_from_no_address_leave_no_hole_in_a_stream(ropt: bytes) -> None:
    """One byte of the head was changed on the serial line: nobody knows whose bytes these are."""

    @virtual
    async def scenario() -> None:
        wire = Stick(ropt)
        wire.later[b"SKCONNECT *"] = connected(1, 0x1000)
        async with node("skstack", wire) as net, net.tcp_socket() as sock:
            await sock.bind(("", 0x1000))
            await sock.connect((PEER, 80))
            shown = b"4849" if b"01" in ropt else b"HI"
            said = b"ERXTCP %b 0050 1000 0002 %b\r\n" % (PEER.encode(), shown)
            wire.tell(said.replace(b"FE80", b"FE:0") + said)
            with pytest.raises(errors.ConnectionReset, match="bytes may be missing"):
                await sock.recv(10)

    scenario()
