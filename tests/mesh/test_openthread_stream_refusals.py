"""What an OpenThread node refuses of its one stream and its listener, and what the program is told of it."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from modems.openthread.commands import SEND
from modems.openthread.stack import GOODBYE
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Kind
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_openthread import DONE, LONG, NONE, PEER, link
from .test_openthread_refusals import ESTABLISHED, STATE, since

BUSY = b"Error 5: Busy\r\n"


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
