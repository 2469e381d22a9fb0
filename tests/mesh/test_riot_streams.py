"""The RIOT driver's streams against exchanges as RIOT's tests/net/gnrc_tcp/main.c prints them."""

from __future__ import annotations

import asyncio
import re

import pytest

import fakes
from atdriver.errors import SpecificationError
from atdriver.links.memory import MemoryLink
from atdriver.links.paced import PacedLink
from atdriver.modem import assemble
from fakes.peers import Peer
from modems.riot.capabilities import PACE
from modems.riot.dialect import BURST, PAUSE
from netsocket import errors
from netsocket.stack import InterfaceStatus
from tests.engine.scripted_link import ScriptedLink
from tests.engine.virtual_time import virtual

from .rig import node, settle
from .test_riot import LONG, PEER, Riot

ENDPOINT = f"Endpoint: addr.ipv6={PEER} netif=6 port=50123\n".encode()
RESULTS = {
    b"buffer_get_max_size": b"returns 2048",
    b"gnrc_tcp_tcb_init": b"returns 0",
    b"gnrc_tcp_open": b"returns 0",
    b"gnrc_tcp_listen": b"returns 0",
    b"gnrc_tcp_accept": b"returns -EAGAIN",
    b"gnrc_tcp_close": b"returns",
    b"gnrc_tcp_abort": b"returns",
    b"gnrc_tcp_stop_listen": b"returns",
    b"gnrc_tcp_get_local": b"returns 0",
    b"gnrc_tcp_get_remote": b"returns 0",
}
WORD = re.compile(rb"(?:\\.|[^ \\])+")


class Streams(Riot):
    """A node with the commands. What `slow` names does not end by itself, see `end`."""

    def __init__(self, piece: int | None = None) -> None:
        super().__init__(piece)
        self.results = dict(RESULTS)
        self.slow = {b"gnrc_tcp_recv"}
        self.received = b""  # what buffer_read shows
        self.waiting = b""  # the command that does
        self.damage = 0  # so many lines of buffer_write lose a byte

    def write(self, data: bytes) -> None:
        ScriptedLink.write(self, data)
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            self.asked.append(line)
            assert not self.waiting, "a line for a shell that takes none"
            name = line.partition(b" ")[0]
            if not name.startswith((b"gnrc_", b"buffer_")):
                self.tell(line + b"\r\n" + self._answer(line) + b"> ")
                continue
            words = [re.sub(rb"\\(.)", rb"\1", word) for word in WORD.findall(line)]
            if self.damage and name == b"buffer_write":
                self.damage -= 1
                words[2] = words[2][1:]
            shown = b"".join(b", argv[%d] = %b" % pair for pair in enumerate(words))
            said = line + b"\r\n%b: argc=%d%b\n" % (name, len(words), shown)
            if name in self.slow:
                self.waiting = name
            else:
                said += self._ending(name, words) + b"> "
            self.tell(said)

    def _ending(self, name: bytes, words: list[bytes]) -> bytes:
        if name == b"buffer_read":
            return b"buffer_read: <begin>%b<end>\n" % self.received
        if name == b"gnrc_tcp_send" and name not in self.results:
            return b"gnrc_tcp_send: sent %b\n" % words[2]
        result = self.results.get(name)
        if result is None:
            return b""
        more = ENDPOINT if b"_get_" in name and result == b"returns 0" else b""
        return b"%b: %b\n%b" % (name, result, more)

    def end(self, result: bytes) -> None:
        """The command that waits ends."""
        name, self.waiting = self.waiting, b""
        self.tell(b"%b: %b\n> " % (name, result), 0.002)  # behind what is being said

    def written_bytes(self) -> bytes:
        """Everything that left."""
        return b"".join(data for _, data in self.written)

    async def peer_says(self, shown: bytes) -> None:
        """Each of its bytes ends one read."""
        for at in range(len(shown)):
            await self.reads()
            self.received = shown[at : at + 1].replace(b"\0", b"")
            self.end(b"received 1")

    async def reads(self) -> None:
        """Wait for a read that waits."""
        async with asyncio.timeout(60):
            while self.waiting != b"gnrc_tcp_recv":
                await asyncio.sleep(0.01)

    def buffered(self) -> list[bytes]:
        """Lines since the last buffer_init."""
        last = max(at for at, line in enumerate(self.asked) if line == b"buffer_init")
        return self.asked[last + 1 :]


@virtual
async def test_what_a_former_program_left_is_thrown_away_before_a_connection_is_made() -> None:
    wire = Streams()
    async with node("riot", wire) as net:
        assert net.capabilities["tcp.connect"].supported
        assert not net.capabilities["tcp.transparent"].supported
        anew = [b"gnrc_tcp_abort", b"gnrc_tcp_stop_listen", b"gnrc_tcp_tcb_init"]
        start = wire.asked.index(b"buffer_get_max_size")
        assert wire.asked[start + 1 : start + 4] == anew
        async with net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            opened = f"gnrc_tcp_open [{LONG}]:80 0".encode()
            assert wire.asked[-5:] == [*anew, opened, b"gnrc_tcp_get_local"]
            assert (await sock.getsockname())[1] == 50123
        assert wire.asked[-1] == b"gnrc_tcp_close"


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (b"returns -ECONNREFUSED", errors.ConnectionRefused),
        (b"returns -ETIMEOUT", errors.ConnectTimeout),
        (b"returns -EADDRINUSE", errors.AddressInUse),
        (b"returns -EINVAL", errors.HostUnreachable),
        (b"returns -ENOMEM", errors.NoSocket),
        (b"returns -EISCONN", errors.DeviceError),
        (b"", errors.DeviceError),
    ],
    ids=lambda each: each.decode() if isinstance(each, bytes) else each.__name__,
)
def test_a_connect_that_fails_says_why(says: bytes, error: type[OSError]) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        async with node("riot", wire) as net, net.tcp_socket() as sock:
            wire.results[b"gnrc_tcp_open"] = says
            with pytest.raises(error):
                await sock.connect((PEER, 80))
            wire.results[b"gnrc_tcp_open"] = b"returns 0"
            await sock.connect((PEER, 80))

    scenario()


@virtual
async def test_text_is_cut_into_lines_that_the_shell_leaves_as_they_are() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        await sock.sendall(b'\0it\'s "a\\b"\0\0\xff\0')
        assert wire.buffered() == [
            b'buffer_write 1 it\\\'s\\ \\"a\\\\b\\"',
            b"buffer_write 13 \xff",
            b"gnrc_tcp_send 30000 15",
        ]
        await sock.sendall(b" " * 512)
        *lines, last = wire.buffered()
        assert last == b"gnrc_tcp_send 30000 512"
        assert max(map(len, lines)) <= 127
        offsets = [int(line.split()[1]) for line in lines]
        sizes = [line.count(b"\\ ") for line in lines]
        assert offsets == [sum(sizes[:at]) for at in range(len(sizes))]
        assert sum(sizes) == 512


@virtual
async def test_what_no_line_carries_is_refused_before_a_byte_leaves() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        before = len(wire.written_bytes())
        for bad in (*range(1, 32), 127):
            with pytest.raises(errors.NotSupported) as caught:
                await sock.sendall(b"a" * 511 + bytes([bad]))
            assert caught.value.capability.id == "tcp.transparent"
            assert f"{bad:#04x}" in str(caught.value)
        assert len(wire.written_bytes()) == before
        await sock.sendall(b"still good")


@virtual
async def test_a_line_that_lost_a_byte_is_written_again() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        wire.damage = 2
        await sock.sendall(b"abc")
        assert wire.count(b"buffer_write 0 abc") == 3
        wire.damage = 3
        sends = wire.count(b"gnrc_tcp_send")
        with pytest.raises(errors.DeviceError):
            await sock.sendall(b"def")
        assert wire.count(b"gnrc_tcp_send") == sends
        await sock.sendall(b"ghi")


@pytest.mark.parametrize(
    ("piece", "everything"),
    [(None, bytes(range(256))), (1, b"\0\n\r>< \x1b\x7f\xff")],
    ids=["whole", "byte by byte"],
)
def test_every_byte_is_received_one_at_a_time(piece: int | None, everything: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams(piece)
        async with node("riot", wire) as net, net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            before = dict(net.stack.channel.engine.anomalies)  # type: ignore[attr-defined]
            said = asyncio.create_task(wire.peer_says(everything))
            found = b""
            while len(found) < len(everything):
                found += await sock.recv(100)
            await said
            assert found == everything
            assert net.stack.channel.engine.anomalies == before  # type: ignore[attr-defined]
            assert wire.count(b"gnrc_tcp_recv 1000000000 1") == len(everything)

    scenario()


@virtual
async def test_a_line_end_may_be_printed_as_two_bytes() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        for shown, byte in ((b"\r\n", b"\n"), (b"\r", b"\r"), (b"\n", b"\n")):
            read = asyncio.create_task(sock.recv(10))
            await wire.reads()
            wire.received = shown
            wire.end(b"received 1")
            assert await read == byte


@virtual
async def test_no_read_leaves_before_a_program_asks() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        await settle(30)
        assert not wire.count(b"gnrc_tcp_recv")
        reader = asyncio.create_task(sock.recv(10))
        await settle(0.02)
        await sock.sendall(b"first")  # a request of the same moment goes before the read
        await wire.reads()
        assert wire.asked[-2:] == [b"gnrc_tcp_send 30000 5", b"gnrc_tcp_recv 1000000000 1"]
        await wire.peer_says(b"x")
        assert await reader == b"x"


@virtual
async def test_while_a_read_waits_all_else_is_tried_again_and_goes_first_then() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock, net.udp_socket() as datagrams:
        await sock.connect((PEER, 80))
        await datagrams.bind(("", 8808))
        reader = asyncio.create_task(sock.recv(10))
        await wire.reads()
        asked = len(wire.asked)
        sender = asyncio.create_task(sock.sendall(b"hello"))
        other = asyncio.create_task(datagrams.sendto(b"x", (PEER, 9)))
        await settle(100.0)
        assert "read waits" in (await net.stack.status()).details["shell"]
        with pytest.raises(errors.ModuleBusy):
            await net.mesh()  # type: ignore[attr-defined]
        wire.tell(b"Received UDP data from [" + PEER.encode() + b"%6]:9\n00000000  41\n")
        assert await datagrams.recv(10) == b"A"  # what comes by itself still does
        assert len(wire.asked) == asked
        assert not any(each.done() for each in (reader, sender, other))
        await wire.peer_says(b"y")
        assert await reader == b"y"
        again = asyncio.create_task(sock.recv(10))
        await sender
        await other
        await wire.peer_says(b"z")
        assert await again == b"z"


@virtual
async def test_a_node_that_says_nothing_while_it_reads_is_given_up() -> None:
    """The firmware's own limit comes before."""
    wire = Streams()
    async with node("riot", wire, reconnect="never", silence=10.0) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        await wire.reads()
        wire.waiting = b""
        begun = asyncio.get_running_loop().time()
        with pytest.raises(errors.ConnectionReset):
            await reader
        assert 10 < asyncio.get_running_loop().time() - begun < 60
    with pytest.raises(SpecificationError):
        assemble("riot:tcp://127.0.0.1:1", keywords={"silence": 0.5})


@pytest.mark.parametrize(
    "says", [b"returns -ENOTCONN", b"returns -ECONNRESET", b"returns -ECONNABORTED", b"returns 7"]
)
def test_a_read_that_ends_badly_breaks_the_stream(says: bytes) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        async with node("riot", wire) as net, net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            reader = asyncio.create_task(sock.recv(10))
            await wire.peer_says(b"a")
            assert await reader == b"a"
            reader = asyncio.create_task(sock.recv(10))
            await wire.reads()
            wire.end(says)
            with pytest.raises(errors.ConnectionReset):
                await reader
        assert wire.asked[-2:] == [b"gnrc_tcp_abort", b"udp server stop"]

    scenario()


@virtual
async def test_a_byte_that_is_not_printed_is_never_made_up() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        await wire.reads()
        wire.received = b"ab"
        wire.end(b"received 1")
        with pytest.raises(errors.ConnectionReset):
            await reader


@virtual
async def test_the_end_of_the_stream() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        await wire.reads()
        wire.end(b"returns 0")
        assert await reader == b""
        assert await sock.recv(10) == b""
        assert wire.count(b"gnrc_tcp_recv") == 1
    assert wire.count(b"gnrc_tcp_close") == 1


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (b"returns -ENOTCONN", errors.BrokenPipe),
        (b"returns -ECONNRESET", errors.ConnectionReset),
        (b"returns -ECONNABORTED", errors.ConnectionReset),
        (b"returns -ETIMEDOUT", errors.SendUnknown),
        (b"sent 3", errors.SendUnknown),
    ],
    ids=lambda each: each.decode() if isinstance(each, bytes) else each.__name__,
)
def test_a_send_that_fails_says_what_is_known(says: bytes, error: type[OSError]) -> None:
    @virtual
    async def scenario() -> None:
        wire = Streams()
        async with node("riot", wire) as net, net.tcp_socket() as sock:
            await sock.connect((PEER, 80))
            wire.results[b"gnrc_tcp_send"] = says
            with pytest.raises(error) as caught:
                await sock.sendall(b"hello")
            if isinstance(caught.value, errors.SendUnknown):
                assert (caught.value.accepted, caught.value.unknown) == (0, 5)
            with pytest.raises(OSError, match=r".*"):
                await sock.sendall(b"more")
            assert wire.count(b"gnrc_tcp_send") == 1

    scenario()


@virtual
async def test_in_hexadecimal_every_byte_passes_both_ways() -> None:
    wire = Streams()
    async with node("riot", wire, encoding="hex") as net, net.tcp_socket() as sock:
        assert net.capabilities["tcp.transparent"].supported
        await sock.connect((PEER, 80))
        everything = bytes(range(256))
        await sock.sendall(everything)
        *lines, last = wire.buffered()
        assert b"".join(line.split()[2] for line in lines) == everything.hex().encode()
        assert last == b"gnrc_tcp_send 30000 512"
        said = asyncio.create_task(wire.peer_says(b"000d0a"))
        assert [await sock.recv(10) for _ in range(3)] == [b"\0", b"\r", b"\n"]
        await said
        half = asyncio.create_task(sock.recv(10))
        await wire.peer_says(b"0")
        await wire.reads()
        wire.end(b"returns 0")
        with pytest.raises(errors.ConnectionReset):
            await half
    async with node("riot", Streams(), encoding="hex") as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        wire = net.stack.channel.link  # type: ignore[attr-defined]
        plain = asyncio.create_task(sock.recv(10))
        await wire.peer_says(b"p")
        with pytest.raises(errors.ConnectionReset):
            await plain
    with pytest.raises(SpecificationError):
        assemble("riot:tcp://127.0.0.1:1", keywords={"encoding": "base64"})


@virtual
async def test_a_peer_is_looked_for_and_the_listener_stops_behind_its_connection() -> None:
    wire = Streams()
    async with node("riot", wire) as net:
        listener = net.tcp_socket()
        await listener.bind(("", 7000))
        await listener.listen()
        assert wire.asked[-1] in (b"gnrc_tcp_listen [::]:7000", b"gnrc_tcp_accept 0")
        accepting = asyncio.create_task(listener.accept())
        await settle(3.0)
        assert wire.count(b"gnrc_tcp_accept 0") >= 5
        with pytest.raises(errors.NoSocket):
            await net.connect((PEER, 80))
        wire.results[b"gnrc_tcp_accept"] = b"returns 0"
        sock, peer = await accepting
        assert peer == (PEER, 50123)
        looks = wire.count(b"gnrc_tcp_accept")
        stops = wire.count(b"gnrc_tcp_stop_listen")
        await listener.close()  # the command would end the connection, too
        await sock.sendall(b"hi")
        await settle(3.0)
        assert wire.count(b"gnrc_tcp_accept") == looks
        assert wire.count(b"gnrc_tcp_stop_listen") == stops
        await sock.close()
        assert wire.count(b"gnrc_tcp_stop_listen") == stops + 1
        await (await net.connect((PEER, 80))).close()


@virtual
async def test_a_close_does_not_wait_for_a_peer_that_says_nothing() -> None:
    wire = Streams()
    async with node("riot", wire) as net:
        sock = net.tcp_socket()
        await sock.connect((PEER, 80))
        reader = asyncio.create_task(sock.recv(10))
        await wire.reads()
        async with asyncio.timeout(10):
            await sock.close()
        with pytest.raises(OSError, match=r".*"):
            await reader
        connecting = asyncio.create_task(net.connect((PEER, 81)))
        await settle(100.0)
        assert not wire.count(b"gnrc_tcp_close")
        wire.end(b"received 1")  # it does in the end, and nobody wants to know
        await (await connecting).close()
        order = [line.split()[0] for line in wire.asked if b"tcp_close" in line or b":81" in line]
        assert order == [b"gnrc_tcp_close", b"gnrc_tcp_open", b"gnrc_tcp_close"]
        assert net.status is InterfaceStatus.GLOBAL_UP


@virtual
async def test_one_stream_at_a_time() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as first, net.tcp_socket() as second:
        await first.connect((PEER, 80))
        with pytest.raises(errors.NoSocket):
            await second.connect((PEER, 80))
        with pytest.raises(errors.NoSocket):
            await second.listen()
        with pytest.raises(errors.NoSocket):
            await net.tcp_socket().open()


@virtual
async def test_no_host_is_more_than_an_address() -> None:
    wire = Streams()
    async with node("riot", wire) as net, net.tcp_socket() as sock:
        before = len(wire.written_bytes())
        for host in ("::1]:1 0\nreboot\n", "fe80::1%6\nreboot", "a.b\nreboot", "fe80::1 reboot"):
            with pytest.raises((OSError, ValueError)):
                await sock.connect((host, 80))
        sent = wire.written_bytes()[before:]
        assert b"reboot" not in sent


@virtual
async def test_a_stream_comes_at_the_pace_that_is_claimed() -> None:
    """By that number probes are left out. Here the node's commands and the pauses between lines take
    all the time; a computer, a serial line and a radio add to it."""
    fake = fakes.build("riot", tcp="yes", offline=True, peers={"192.0.2.7:19": Peer("chargen")})
    link = PacedLink(MemoryLink(fake), BURST, PAUSE)
    async with node("riot", link, nat64="fd00:64:64::/96") as net, net.tcp_socket() as sock:
        await sock.connect(("192.0.2.7", 19))
        loop = asyncio.get_running_loop()
        begun, count = loop.time(), 0
        while count < 400:
            count += len(await sock.recv(100))
        assert PACE <= count / (loop.time() - begun) <= PACE * 1.25
