"""What an OpenThread node refuses, and what the program is told of it."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from modems.openthread.commands import SEND
from modems.openthread.stack import GOODBYE
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.capability.probes.tools import claiming
from netsocket.stack import Kind
from tests.engine.virtual_time import virtual

from .rig import ShellLink, node, settle
from .test_openthread import DONE, LONG, NONE, PEER, link

ESTABLISHED = b"TCP: Connection established\r\n"
BUSY = b"Error 5: Busy\r\n"
STATE = b"Error 13: InvalidState\r\n"


def since(wire: ShellLink, start: bytes) -> list[bytes]:
    """What was asked from the first line of this start on, after the bring-up."""
    at = next(n for n, line in enumerate(wire.asked) if line.startswith(start))
    return wire.asked[at:]


# -- datagrams ------------------------------------------------------------------------------------


@virtual
async def test_the_datagram_socket_that_somebody_left_open_is_taken_over() -> None:
    wire = link()
    wire.answers[b"udp open"] = [b"Error 24: Already\r\n", DONE]
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 1234))
        assert since(wire, b"udp open") == [
            b"udp open", b"udp close", b"udp open", b"udp bind :: 1234",
        ]  # fmt: skip
        wire.tell(f"2 bytes from {PEER} 77 hi\r\n".encode())
        assert (await sock.recvfrom(10))[0] == b"hi"


@virtual
async def test_a_node_that_opens_no_datagram_socket() -> None:
    wire = link(udp_open=b"Error 3: NoBufs\r\n")
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        with pytest.raises(errors.DeviceError, match="NoBufs") as caught:
            await sock.bind(("", 1234))
        assert caught.value.module_code == "3"
        assert not wire.count(b"udp bind")


@pytest.mark.parametrize("said", [b"Error 1: Failed\r\n", b"Error 24: Already\r\n"], ids=str)
def test_a_datagram_port_that_is_taken(said: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        wire.answers[b"udp bind *"] = said
        async with node("openthread", wire) as net, net.udp_socket() as sock:
            with pytest.raises(errors.AddressInUse, match="UDP port 1234"):
                await sock.bind(("", 1234))
            assert wire.asked[-1] == b"udp close", "the next bind finds it closed"
            wire.answers[b"udp bind *"] = DONE
            await sock.bind(("", 1235))

    scenario()


@virtual
async def test_a_bind_that_fails_for_another_reason_says_which() -> None:
    wire = link()
    wire.answers[b"udp bind *"] = b"Error 7: InvalidArgs\r\n"
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        with pytest.raises(errors.DeviceError, match="InvalidArgs"):
            await sock.bind(("", 1234))


@virtual
async def test_a_datagram_socket_that_the_node_closed_says_so() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 1234))
        wire.answers[b"udp send *"] = STATE
        with pytest.raises(errors.ModuleRestarted, match="closed the socket"):
            await sock.sendto(b"a", (PEER, 9))
        with pytest.raises(errors.ModuleRestarted):
            await sock.recvfrom(10)
        closed = wire.count(b"udp close")
        await sock.close()
        assert wire.count(b"udp close") == closed, "it is closed already"


@pytest.mark.parametrize(
    ("said", "kind", "number"),
    [
        (b"Error 4: NoRoute\r\n", errors.HostUnreachable, "4"),
        (b"Error 9: AddressQuery\r\n", errors.HostUnreachable, "9"),
        (b"Error 10: NoAddress\r\n", errors.HostUnreachable, "10"),
        (b"Error 16: Detached\r\n", errors.NetworkDown, "16"),
        (b"Error 7: InvalidArgs\r\n", errors.DeviceError, "7"),
        (b"Error 99: Strange\r\n", errors.DeviceError, "99"),
    ],
    ids=str,
)
def test_a_datagram_that_is_refused(said: bytes, kind: type[OSError], number: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        async with node("openthread", wire) as net, net.udp_socket() as sock:
            await sock.bind(("", 1234))
            wire.answers[b"udp send *"] = said
            with pytest.raises(kind, match=said.split()[-1].decode()) as caught:
                await sock.sendto(b"a", (PEER, 9))
            assert caught.value.module_code == number  # type: ignore[attr-defined]
            wire.answers[b"udp send *"] = DONE
            await sock.sendto(b"b", (PEER, 9))
            assert wire.asked[-1] == f"udp send {LONG} 9 -x 62".encode()

    scenario()


@virtual
async def test_a_socket_that_is_closed_while_it_is_opened_for_its_first_datagram() -> None:
    """The node is left without an open socket, and nothing is sent by it."""
    wire = link()
    async with node("openthread", wire) as net:
        handle = await net.stack.open(Kind.UDP)
        sending = asyncio.create_task(net.stack.sendto(handle, b"a", SocketAddress(PEER, 9)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert wire.asked[-1] == b"udp open"
        await net.stack.close(handle)
        with pytest.raises(errors.BrokenPipe, match="closed"):
            await sending
        assert [line.split()[1] for line in since(wire, b"udp open")] == [
            b"open",
            b"bind",
            b"close",
        ]


@pytest.mark.parametrize("encoding", ["none", "hex"])
def test_what_the_air_does_not_carry_is_refused_whatever_the_claims_say(encoding: str) -> None:
    """The node would say Done to it, and never deliver it."""

    @virtual
    async def scenario() -> None:
        wire = link()
        async with node("openthread", wire, line=4096, encoding=encoding) as net:
            most = net.capabilities.limit("datagram.max_send")
            with claiming(net, "datagram.max_send", most + 1):
                async with net.udp_socket() as sock:
                    await sock.bind(("", 5))
                    with pytest.raises(errors.MessageTooLong, match=r"on the air; .* up to 1232"):
                        await sock.sendto(bytes(most + 1), (PEER, 9))
                    assert not wire.count(b"udp send")
                    await sock.sendto(bytes(most), (PEER, 9))
            assert wire.count(b"udp send") == 1

    scenario()


# -- streams --------------------------------------------------------------------------------------


@virtual
async def test_a_stream_leaves_from_the_port_that_it_is_bound_to() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    wire.answers[b"tcp bind *"] = [STATE, DONE]
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.bind(("", 4001))
        await sock.connect((PEER, 80))
        assert since(wire, b"tcp bind") == [
            b"tcp bind :: 4001",
            b"tcp abort",  # the connection of before is in TIME-WAIT
            b"tcp bind :: 4001",
            f"tcp connect {LONG} 80".encode(),
        ]
        assert (await sock.getsockname()).port == 4001


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"Error 1: Failed\r\n", errors.AddressInUse, "TCP port 4001 is in use"),
        (b"Error 24: Already\r\n", errors.AddressInUse, "TCP port 4001 is in use"),
        (b"Error 7: InvalidArgs\r\n", errors.DeviceError, "InvalidArgs"),
    ],
    ids=str,
)  # fmt: skip
def test_a_port_that_a_stream_cannot_leave_from(
    said: bytes, kind: type[OSError], text: str
) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        wire.later[b"tcp connect *"] = ESTABLISHED
        wire.answers[b"tcp bind *"] = said
        async with node("openthread", wire) as net:
            async with net.tcp_socket() as sock:
                await sock.bind(("", 4001))
                with pytest.raises(kind, match=text):
                    await sock.connect((PEER, 80))
                assert not wire.count(b"tcp connect")
            async with net.tcp_socket() as sock:
                await sock.connect((PEER, 80))  # the connection is free

    scenario()


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"Error 10: NoAddress\r\n", errors.HostUnreachable, "NoAddress"),
        (b"Error 16: Detached\r\n", errors.NetworkDown, "Detached"),
        (BUSY, errors.ModuleBusy, "Busy"),
        (b"Error 3: NoBufs\r\n", errors.DeviceError, "NoBufs"),
    ],
    ids=str,
)
def test_a_connect_that_is_refused_by_the_node(said: bytes, kind: type[OSError], text: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        wire.answers[b"tcp connect *"] = said
        async with node("openthread", wire) as net, net.tcp_socket() as sock:
            with pytest.raises(kind, match=text) as caught:
                await sock.connect((PEER, 80))
            assert "[fd23:2822::aaaa:bbbb:cccc:dddd]:80: " in str(caught.value)
            assert wire.count(b"tcp connect") == 1

    scenario()


@virtual
async def test_an_ipv4_address_in_a_network_without_nat64() -> None:
    """The node says InvalidState, as it does for an endpoint that is not free."""
    wire = link()
    wire.answers[b"tcp connect *"] = STATE
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        with pytest.raises(errors.HostUnreachable, match="no NAT64") as caught:
            await sock.connect(("192.0.2.1", 80))
        assert caught.value.module_code == "13"
        assert since(wire, b"tcp connect") == [
            b"tcp connect 192.0.2.1 80", b"tcp abort", b"tcp connect 192.0.2.1 80",
        ]  # fmt: skip
        with pytest.raises(errors.DeviceError, match="InvalidState"):
            await sock.connect((PEER, 80))


@virtual
async def test_a_node_that_says_nothing_to_a_connect() -> None:
    """The limit is the command's; the node is told to forget it."""
    wire = link()
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        write = wire.write
        wire.write = lambda data: None if b"tcp connect" in data else write(data)  # type: ignore[method-assign]
        with pytest.raises(errors.ConnectTimeout, match=f"tcp connect .* {SEND:g} s"):
            await sock.connect((PEER, 80))
        assert wire.asked[-1] == b"tcp abort"
        wire.write = write  # type: ignore[method-assign]
        wire.later[b"tcp connect *"] = ESTABLISHED
        await sock.connect((PEER, 80))


@virtual
async def test_a_close_while_the_port_of_a_connect_is_bound() -> None:
    """The node has not been told to connect: there is nothing to break off, and nothing stays."""
    wire = link()
    async with node("openthread", wire) as net:
        sock = net.tcp_socket()
        await sock.bind(("", 4001))
        connecting = asyncio.create_task(sock.connect((PEER, 80)))
        while not wire.count(b"tcp bind"):
            await asyncio.sleep(0)
        await sock.close()
        with pytest.raises(errors.BadHandle):
            await connecting
        wire.later[b"tcp connect *"] = ESTABLISHED
        await settle(60.0)
        async with net.tcp_socket() as other:
            await other.connect((PEER, 80))


@virtual
async def test_a_close_breaks_off_a_connect_that_the_peer_has_not_answered() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        sock = net.tcp_socket()
        connecting = asyncio.create_task(sock.connect((PEER, 80)))
        await settle()
        begun = asyncio.get_running_loop().time()
        await sock.close()
        with pytest.raises(errors.BadHandle):
            await connecting
        await settle()
        assert wire.asked[-1] == b"tcp abort"
        wire.later[b"tcp connect *"] = ESTABLISHED
        async with net.tcp_socket() as other:
            await other.connect((PEER, 80))
            assert asyncio.get_running_loop().time() - begun < 5.0


@virtual
async def test_a_lost_port_ends_a_connect_that_is_under_way() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        connecting = asyncio.create_task(sock.connect((PEER, 80)))
        await settle()
        assert wire.count(b"tcp connect")
        begun = asyncio.get_running_loop().time()
        wire.drop(OSError(errno.EIO, "unplugged"))
        with pytest.raises(ConnectionResetError):
            await connecting
        assert asyncio.get_running_loop().time() - begun < 1.0


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"Error 7: InvalidArgs\r\n", errors.DeviceError, "InvalidArgs"),
        (STATE, errors.BrokenPipe, "the connection is gone .*InvalidState"),
    ],
    ids=str,
)
def test_a_piece_of_a_stream_that_is_refused(said: bytes, kind: type[OSError], text: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        wire.later[b"tcp connect *"] = ESTABLISHED
        async with node("openthread", wire) as net, net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            wire.answers[b"tcp send *"] = said
            with pytest.raises(kind, match=text):
                await sock.send(b"abc")
            assert wire.count(b"tcp send -x") == 1
            if kind is errors.BrokenPipe:  # what the peer said before is read, and then its end
                assert await sock.recv(10) == b""

    scenario()


@virtual
async def test_a_busy_node_sends_the_end_behind_what_it_has() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    wire.answers[b"tcp sendend"] = [BUSY, BUSY, DONE]
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        await sock.shutdown(socket.SHUT_WR)
        assert wire.count(b"tcp sendend") == 3
        wire.tell(b"TCP: Received 2 bytes: hi\r\nTCP: Reached end of stream\r\n")
        assert await sock.recv(10) == b"hi"
        assert await sock.recv(10) == b""


@virtual
async def test_a_node_that_stays_busy_is_not_waited_for_longer_than_a_goodbye_takes() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    wire.answers[b"tcp sendend"] = BUSY
    async with node("openthread", wire) as net:
        sock = net.tcp_socket()
        await sock.connect((PEER, 80))
        begun = asyncio.get_running_loop().time()
        await sock.close()
        assert GOODBYE <= asyncio.get_running_loop().time() - begun < GOODBYE + 1
        assert wire.asked[-1] == b"tcp abort"


@virtual
async def test_both_directions_are_ended_and_the_connection_given_up() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    wire.later[b"tcp sendend"] = b"TCP: Reached end of stream\r\n"
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        await sock.shutdown(socket.SHUT_RDWR)
        assert wire.asked[-2:] == [b"tcp sendend", b"tcp abort"]
        assert await sock.recv(10) == b""
        with pytest.raises(errors.BrokenPipe):
            await sock.send(b"a")


@virtual
async def test_one_direction_of_a_connection_that_broke_is_not_ended() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    async with node("openthread", wire) as net:
        stack = net.stack
        handle = await stack.open(Kind.TCP)
        await stack.connect(handle, SocketAddress(PEER, 80))
        wire.tell(b"TCP: Connection reset\r\n")
        await settle()
        with pytest.raises(errors.ConnectionReset, match="TCP: Connection reset"):
            await stack.shutdown(handle, socket.SHUT_WR)
        assert not wire.count(b"tcp sendend")
        await stack.close(handle)


@virtual
async def test_a_firmware_without_tcp_opens_no_stream() -> None:
    wire = link(tcp_init_linked=NONE)
    async with node("openthread", wire) as net:
        with pytest.raises(errors.NotSupported, match="no tcp commands"):
            await net.stack.open(Kind.TCP)


# -- listening ------------------------------------------------------------------------------------


@virtual
async def test_one_listener_at_a_time() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.tcp_socket() as first:
        await first.bind(("", 4000))
        await first.listen(1)
        async with net.tcp_socket() as second:
            await second.bind(("", 4001))
            with pytest.raises(errors.NotSupported, match="one listener at a time"):
                await second.listen(1)
        assert wire.count(b"tcp listen") == 1
        assert wire.asked[-1] == b"tcp listen :: 4000", "the first goes on"


@virtual
async def test_a_listener_that_another_one_took_the_place_of_does_not_end_it() -> None:
    """Both were told Done before either knew: the node listens on the port that it heard last."""
    wire = link()
    async with node("openthread", wire) as net, net.tcp_socket() as second:
        first = net.tcp_socket()
        await first.bind(("", 4000))
        await second.bind(("", 4001))
        await asyncio.gather(first.listen(1), second.listen(1))
        await first.close()
        assert wire.asked[-1] == b"tcp listen :: 4001"
        wire.tell(f"Accepted connection from [{PEER}]:5000\r\n".encode())
        _, peer = await second.accept()
        assert peer.port == 5000


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (b"Error 1: Failed\r\n", errors.AddressInUse, "TCP port 4000 is in use"),
        (b"Error 24: Already\r\n", errors.AddressInUse, "TCP port 4000 is in use"),
        (b"Error 3: NoBufs\r\n", errors.DeviceError, "NoBufs"),
    ],
    ids=str,
)  # fmt: skip
def test_a_listener_that_the_node_refuses(said: bytes, kind: type[OSError], text: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        wire.answers[b"tcp listen *"] = [said, DONE]
        async with node("openthread", wire) as net, net.tcp_socket() as listener:
            await listener.bind(("", 4000))
            with pytest.raises(kind, match=text):
                await listener.listen(1)
            async with net.tcp_socket() as other:
                await other.bind(("", 4001))
                await other.listen(1)

    scenario()


@virtual
async def test_a_connection_that_nobody_waits_for_is_reset() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        wire.tell(f"Accepted connection from [{PEER}]:5000\r\n{ESTABLISHED.decode()}".encode())
        await settle()
        assert wire.asked[-1] == b"tcp abort"
        async with net.tcp_socket() as sock:
            wire.later[b"tcp connect *"] = ESTABLISHED
            await sock.connect((PEER, 80))


@virtual
async def test_a_connection_that_comes_beside_another_one_disturbs_neither() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    async with node("openthread", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 4000))
        await listener.listen(1)
        async with net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            aborted = wire.count(b"tcp abort")
            wire.tell(f"Accepted connection from [{PEER}]:5000\r\n".encode())
            wire.tell(b"TCP: Received 2 bytes: hi\r\n", 0.01)
            assert await sock.recv(10) == b"hi"
            assert wire.count(b"tcp abort") == aborted
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await listener.accept()


@pytest.mark.parametrize("bad", ["[fd23::::1]:5000", f"[{PEER}]:90000"], ids=["address", "port"])
def test_a_connection_whose_peer_is_damaged_is_reset_and_the_next_one_accepted(bad: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        async with node("openthread", wire) as net, net.tcp_socket() as listener:
            await listener.bind(("", 4000))
            await listener.listen(1)
            wire.tell(f"Accepted connection from {bad}\r\n".encode())
            await settle()
            assert wire.asked[-1] == b"tcp abort"
            listener.settimeout(5.0)
            wire.tell(f"Accepted connection from [{PEER}]:5001\r\n".encode())
            _, peer = await listener.accept()
            assert peer.port == 5001

    scenario()


# -- what comes -----------------------------------------------------------------------------------


@virtual
async def test_a_datagram_that_may_have_swallowed_a_piece_of_the_stream_breaks_it() -> None:
    """Its text is shorter than it says, and holds what begins a piece of the stream."""
    wire = link()
    wire.later[b"tcp connect *"] = ESTABLISHED
    async with node("openthread", wire) as net, net.udp_socket() as u, net.tcp_socket() as sock:
        await u.bind(("", 5))
        await sock.connect((PEER, 80))
        wire.tell(f"60 bytes from {PEER} 9 ab\r\nTCP: Received 2 bytes: hi\r\n".encode())
        with pytest.raises(errors.PayloadIncomplete):
            await u.recvfrom(100)
        sock.settimeout(5.0)
        with pytest.raises(errors.ConnectionReset, match="could not be told from a text"):
            await sock.recv(10)


@pytest.mark.parametrize("bad", ["fd23::::1 77", f"{PEER} 90000"], ids=["address", "port"])
def test_a_datagram_whose_sender_is_damaged_raises_and_the_next_one_comes(bad: str) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        async with node("openthread", wire) as net, net.udp_socket() as sock:
            await sock.bind(("", 5))
            sock.settimeout(5.0)
            wire.tell(f"2 bytes from {bad} ab\r\n".encode())
            with pytest.raises(errors.PayloadIncomplete, match="sender was damaged"):
                await sock.recvfrom(10)
            wire.tell(f"2 bytes from {PEER} 77 ok\r\n".encode())
            assert (await sock.recvfrom(10))[0] == b"ok"

    scenario()


@virtual
async def test_a_datagram_that_may_have_swallowed_something_raises_where_there_is_no_stream() -> (
    None
):
    wire = link()
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 5))
        wire.tell(f"60 bytes from {PEER} 9 ab\r\nTCP: Received 2 bytes: hi\r\n".encode())
        sock.settimeout(5.0)
        with pytest.raises(errors.PayloadIncomplete, match="60 bytes"):
            await sock.recvfrom(100)


@virtual
async def test_what_comes_for_a_socket_that_is_closed_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wire = link()
    async with node("openthread", wire) as net:
        async with net.udp_socket() as sock:
            await sock.bind(("", 5))
        wire.tell(f"3 bytes from {PEER} 9 old\r\nTCP: Received 3 bytes: old\r\n".encode())
        await settle()
        async with net.udp_socket() as sock:
            await sock.bind(("", 5))
            wire.tell(f"3 bytes from {PEER} 9 new\r\n".encode())
            assert (await sock.recvfrom(10))[0] == b"new"
    assert "failed" not in caplog.text


# -- names ----------------------------------------------------------------------------------------


@virtual
async def test_a_name_whose_address_is_of_another_family_or_of_none() -> None:
    wire = link(
        dns_resolve_six=b"DNS response for six. - fd00:0:0:0:0:0:0:1 TTL:60 \r\nDone\r\n",
        dns_resolve_odd=b"DNS response for odd. - nothing\r\nDone\r\n",
        dns_resolve_two=b"DNS response for two. - nothing\r\n"
        b"DNS response for two. - fd00:0:0:0:0:0:0:2 TTL:60 \r\nDone\r\n",
    )
    async with node("openthread", wire) as net:
        with pytest.raises(errors.NameNotFound, match="no usable address"):
            await net.resolve("six", socket.AF_INET)
        assert await net.resolve("six", socket.AF_INET6) == ["fd00::1"]
        with pytest.raises(errors.NameNotFound, match="no usable address"):
            await net.resolve("odd")
        assert await net.resolve("two") == ["fd00::2"]


@virtual
async def test_a_ping_that_the_node_refuses() -> None:
    wire = link()
    wire.answers[b"ping *"] = b"Error 16: Detached\r\n"
    async with node("openthread", wire) as net:
        with pytest.raises(errors.NetworkDown, match="Detached"):
            await net.ping(PEER)
