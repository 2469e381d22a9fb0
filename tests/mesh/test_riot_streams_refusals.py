"""Streams of a RIOT node that it refuses, that end while something waits, or that are damaged."""

from __future__ import annotations

import asyncio
import errno

import pytest

from modems.riot import commands
from modems.riot.streams import ACCEPTS
from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.stack import Kind
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_riot import PEER
from .test_riot_streams import Streams

FAILS = b"returns 0\nError: what is this?"
"""An answer with a line that is an error."""
AGAIN = b"returns -EAGAIN"


@pytest.mark.parametrize("says", [b"returns 1024", b"returns -EINVAL", b""], ids=str)
def test_a_firmware_whose_buffer_is_not_the_one_that_is_known_has_no_streams(says: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        wire.results[b"buffer_get_max_size"] = says
        async with node("riot", wire) as net:
            assert not net.capabilities["tcp.connect"].supported
            with pytest.raises(errors.NotSupported):
                await net.stack.open(Kind.TCP)
            assert not wire.count(b"gnrc_")

    scenario()


# -- connecting -----------------------------------------------------------------------------------


@virtual
async def test_a_connection_that_cannot_be_made_anew() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        wire.results[b"gnrc_tcp_tcb_init"] = FAILS
        with pytest.raises(errors.DeviceError, match="what is this"):
            await sock.connect((PEER, 80))
        assert not wire.count(b"gnrc_tcp_open")
        wire.results[b"gnrc_tcp_tcb_init"] = b"returns 0"
        await sock.connect((PEER, 80))


@virtual
async def test_a_former_connection_that_does_not_end_is_not_waited_for_for_ever() -> None:
    """Closing takes the firmware a minute at the least, whatever its limit for silence is."""
    wire = Streams()
    wire.slow.add(b"gnrc_tcp_close")
    async with node("riot", wire, silence=10) as net:
        async with net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
        begun = asyncio.get_running_loop().time()
        async with net.tcp_socket() as other:
            with pytest.raises(errors.NoSocket, match="still has its former connection"):
                await other.connect((PEER, 80))
            took = asyncio.get_running_loop().time() - begun
            assert 10 + commands.MARGIN <= took < 11 + commands.MARGIN
        assert wire.count(b"gnrc_tcp_open") == 1
        wire.end(b"returns")
        async with net.tcp_socket() as other:
            await other.connect((PEER, 80))


@virtual
async def test_a_close_while_the_former_connection_is_waited_for_makes_no_other() -> None:
    wire = Streams()
    wire.slow.add(b"gnrc_tcp_close")
    async with node("riot", wire) as net:
        async with net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
        other = net.tcp_socket()
        connecting = asyncio.create_task(other.connect((PEER, 80)))
        await settle()
        await other.close()
        with pytest.raises(errors.BadHandle):
            await connecting
        wire.end(b"returns")
        await settle(10.0)
        assert wire.count(b"gnrc_tcp_open") == 1
        assert not net.stack._sockets  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "shown",
    [
        b"returns 0\nEndpoint: nothing",
        b"returns 0\nEndpoint: addr.ipv6=2001:db8::::1 netif=6 port=50123",
        b"returns 0\nEndpoint: addr.ipv6=2001:db8::1 netif=6 port=70123",
        FAILS,
    ],
    ids=["nothing", "no address", "no port", "refused"],
)
def test_a_connection_stands_that_does_not_tell_its_port(shown: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        async with node("riot", wire) as net, net.tcp_socket() as sock:
            await sock.bind(("", 4000))
            wire.results[b"gnrc_tcp_get_local"] = shown
            await sock.connect((PEER, 80))
            assert (await sock.getsockname())[1] == 4000
            await sock.sendall(b"a")
            assert wire.asked[-1] == b"gnrc_tcp_send 30000 1"

    scenario()


# -- listening ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says", "text"),
    [
        (b"gnrc_tcp_tcb_init", FAILS, "what is this"),
        (b"gnrc_tcp_listen", b"returns -ENOMEM", "gnrc_tcp_listen returns -ENOMEM"),
    ],
    ids=["refused", "no memory"],
)
def test_a_listener_that_the_node_refuses_is_in_nobodys_way(
    name: bytes, says: bytes, text: str
) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        async with node("riot", wire) as net, net.tcp_socket() as listener:
            await listener.bind(("", 4000))
            good, wire.results[name] = wire.results[name], says
            with pytest.raises(errors.DeviceError, match=text):
                await listener.listen(1)
            await settle(5 * ACCEPTS)
            assert not wire.count(b"gnrc_tcp_accept")
            wire.results[name] = good
            async with net.tcp_socket() as other:
                await other.connect((PEER, 80))

    scenario()


@virtual
async def test_a_listener_that_is_closed_leaves_the_node_to_others() -> None:
    wire = Streams()
    async with node("riot", wire) as net:
        listener = net.tcp_socket()
        await listener.bind(("", 4000))
        await listener.listen(1)
        await settle(2 * ACCEPTS)
        await listener.close()
        assert wire.asked[-2:] == [b"gnrc_tcp_abort", b"gnrc_tcp_stop_listen"]
        asked = len(wire.asked)
        await settle(5 * ACCEPTS)
        assert len(wire.asked) == asked
        async with net.tcp_socket() as sock:
            await sock.connect((PEER, 80))


@virtual
async def test_a_node_that_went_on_listening_is_told_to_stop_at_the_end() -> None:
    """What ends the listener was damaged on the serial line."""
    wire = Streams()
    async with node("riot", wire) as net:
        listener = net.tcp_socket()
        await listener.bind(("", 4000))
        await listener.listen(1)
        wire.results[b"gnrc_tcp_abort"] = FAILS
        stops = wire.count(b"gnrc_tcp_stop_listen")
        await listener.close()
        assert wire.count(b"gnrc_tcp_stop_listen") == stops
        asked = len(wire.asked)
        await net.down()
        assert wire.asked[asked:] == [
            b"gnrc_tcp_abort", b"gnrc_tcp_stop_listen", b"udp server stop",
        ]  # fmt: skip


@virtual
async def test_while_a_connection_stands_no_other_is_looked_for() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 4000))
        await listener.listen(1)
        wire.results[b"gnrc_tcp_accept"] = b"returns 0"
        sock, peer = await listener.accept()
        assert peer == (PEER, 50123)
        asked = wire.count(b"gnrc_tcp_accept")
        await settle(10 * ACCEPTS)
        assert wire.count(b"gnrc_tcp_accept") == asked
        wire.results[b"gnrc_tcp_accept"] = AGAIN
        await sock.close()
        await settle(4 * ACCEPTS)
        assert wire.count(b"gnrc_tcp_accept") > asked


@pytest.mark.parametrize(
    "shown",
    [
        b"returns -ENOTCONN",
        b"returns 0\nEndpoint: addr.ipv6=2001:db8::::1 netif=6 port=50123",
        b"returns 0\nEndpoint: addr.ipv6=2001:db8::1 netif=6 port=70123",
    ],
    ids=["gone", "no address", "no port"],
)
def test_a_connection_from_nobody_is_ended_and_the_next_one_accepted(shown: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        async with node("riot", wire) as net, net.tcp_socket() as listener:
            await listener.bind(("", 4000))
            await listener.listen(1)
            wire.results[b"gnrc_tcp_get_remote"] = shown
            wire.results[b"gnrc_tcp_accept"] = b"returns 0"
            aborted = wire.count(b"gnrc_tcp_abort")
            while wire.count(b"gnrc_tcp_abort") == aborted:
                await settle(0.01)
            wire.results[b"gnrc_tcp_get_remote"] = b"returns 0"
            listener.settimeout(10.0)
            sock, peer = await listener.accept()
            assert peer.port == 50123
            await sock.close()

    scenario()


@virtual
async def test_a_listener_outlives_a_node_that_was_silent_once() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 4000))
        await listener.listen(1)
        wire.slow.add(b"gnrc_tcp_accept")
        while wire.waiting != b"gnrc_tcp_accept":
            await settle(0.01)
        wire.slow.discard(b"gnrc_tcp_accept")
        wire.waiting = b""  # its answer was lost, the shell takes lines
        await settle(30.0)
        wire.results[b"gnrc_tcp_accept"] = b"returns 0"
        listener.settimeout(10.0)
        sock, peer = await listener.accept()
        assert peer.port == 50123
        await sock.close()


# -- receiving ------------------------------------------------------------------------------------


@virtual
async def test_no_read_leaves_for_a_socket_that_is_closed_before() -> None:
    wire = Streams()
    async with node("riot", wire) as net:
        sock = net.tcp_socket()
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        await settle(0.02)  # a read waits a moment for sends
        await sock.close()
        with pytest.raises(errors.BadHandle):
            await reader
        await settle(5.0)
        assert not wire.count(b"gnrc_tcp_recv")


@virtual
async def test_no_read_leaves_for_a_socket_that_is_closed_during_a_send() -> None:
    wire = Streams()
    wire.slow.add(b"gnrc_tcp_send")
    async with node("riot", wire) as net:
        sock = net.tcp_socket()
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        sender = asyncio.create_task(sock.send(b"abc"))
        await settle(1.0)
        assert wire.waiting == b"gnrc_tcp_send"
        closing = asyncio.create_task(sock.close())
        await settle(1.0)
        wire.end(b"sent 3")
        await closing
        await asyncio.wait({reader, sender})
        assert isinstance(reader.exception(), errors.BadHandle)
        await settle(5.0)
        assert not wire.count(b"gnrc_tcp_recv")


@virtual
async def test_a_lost_port_is_what_a_read_that_waits_is_told() -> None:
    wire = Streams()
    async with node("riot", wire, reconnect="never") as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        await wire.reads()
        wire.drop(OSError(errno.EIO, "unplugged"))
        with pytest.raises(errors.ConnectionReset, match="the port of the riot is gone"):
            await reader


class Damaged(Streams):
    """The beginning of what a read brought is not printed as it is."""

    def _ending(self, name: bytes, words: list[bytes]) -> bytes:
        return super()._ending(name, words).replace(b"<begin>", self.begin)

    begin = b"<begin>"


@pytest.mark.parametrize("begin", [b"<begn>", b"<begin>x"], ids=bytes.decode)
def test_a_byte_that_the_node_does_not_print_breaks_the_stream(begin: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Damaged()
        async with node("riot", wire) as net, net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            reader = asyncio.create_task(sock.recv(10))
            await wire.peer_says(b"a")
            assert await reader == b"a"
            reader = asyncio.create_task(sock.recv(10))
            await wire.reads()
            wire.begin = begin
            wire.received = b"b"
            wire.end(b"received 1")
            with pytest.raises(errors.ConnectionReset, match="did not print what it received"):
                await reader

    scenario()


# -- sending --------------------------------------------------------------------------------------


@virtual
async def test_a_send_that_the_node_refuses() -> None:
    """In words that mean an address that is out of reach where a datagram is sent."""
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        wire.results[b"gnrc_tcp_send"] = b"returns 0\nError sending data"
        with pytest.raises(errors.DeviceError, match="Error sending data"):
            await sock.send(b"abc")


@virtual
async def test_a_line_for_the_buffer_that_the_node_refuses_is_written_again() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        wire.results[b"buffer_write"] = FAILS
        with pytest.raises(errors.DeviceError, match="does not repeat what is written"):
            await sock.send(b"abc")
        assert wire.count(b"buffer_write 0 abc") == 3
        assert not wire.count(b"gnrc_tcp_send")
        del wire.results[b"buffer_write"]
        await sock.sendall(b"abc")


@virtual
async def test_a_send_that_waited_for_another_when_the_node_restarted_writes_nothing() -> None:
    wire = Streams()
    async with node("riot", wire, reconnect="never") as net:
        stack = net.stack
        handle = await stack.open(Kind.TCP)
        await stack.connect(handle, SocketAddress(PEER, 80))
        sends = [asyncio.create_task(stack.send(handle, b"abc")) for _ in range(2)]
        while not wire.count(b"buffer_init"):
            await asyncio.sleep(0)
        asked = len(wire.asked)
        wire.tell(b"main(): This is RIOT! (Version: 2026.01)\n", 0.0)
        for each in await asyncio.gather(*sends, return_exceptions=True):
            assert isinstance(each, errors.ModuleRestarted)
        await settle(1.0)
        assert not [line for line in wire.asked[asked:] if line.startswith(b"buffer_")]
