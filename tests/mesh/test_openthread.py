"""The OpenThread driver against exchanges as two simulated nodes printed them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable

import pytest

from atdriver.errors import SpecificationError
from atdriver.modem import assemble
from atdriver.trace import Trace
from modems.openthread import dataset
from modems.openthread.stack import CONNECT
from netsocket import errors
from netsocket.interface_kinds import AsyncMeshInterface
from netsocket.stack import InterfaceStatus
from tests.engine.virtual_time import virtual

from .rig import Answers, ShellLink, node, settle

OWN = b"fd23:2822:0:0:1111:2222:3333:4444"
PEER = "fd23:2822:0:0:aaaa:bbbb:cccc:dddd"
LONG = "fd23:2822:0000:0000:aaaa:bbbb:cccc:dddd"
HEX = dataset.build("lab", "00112233445566778899aabbccddeeff", 15, "0x1234")
DONE = b"Done\r\n"
NONE = b"Error 35: InvalidCommand\r\n"


def link(piece: int | None = None, **more: bytes | Callable[[bytes], bytes]) -> ShellLink:
    running = [False]

    def start(_: bytes) -> bytes:
        running[0] = True
        return DONE

    def stop(_: bytes) -> bytes:
        running[0] = False
        return DONE

    def state(_: bytes) -> bytes:
        return (b"leader" if running[0] else b"disabled") + b"\r\nDone\r\n"

    stored = [b""]

    def keep(line: bytes) -> bytes:
        stored[0] = line.split()[-1]
        return DONE

    def commit(_: bytes) -> bytes:
        stored[0] = HEX.encode()
        return DONE

    def active(_: bytes) -> bytes:
        return stored[0] + b"\r\nDone\r\n" if stored[0] else b"Error 23: NotFound\r\n"

    answers: Answers = {
        b"state": state,
        b"version": b"OPENTHREAD/thread-reference; SIMULATION; May 1 2026\r\nDone\r\n",
        b"eui64": b"18b4300000000001\r\nDone\r\n",
        b"udp close": DONE, b"udp open": DONE, b"udp bind *": DONE, b"udp send *": DONE,
        b"tcp stoplistening": DONE, b"tcp abort": DONE, b"tcp deinit": DONE,
        b"tcp init linked": DONE, b"tcp listen *": DONE, b"tcp sendend": DONE,
        b"tcp send *": DONE, b"tcp connect *": DONE, b"tcp bind *": DONE,
        b"dataset active -x": active, b"dataset set active *": keep,
        b"dataset init new": DONE, b"dataset commit active": commit,
        b"ifconfig up": DONE, b"ifconfig down": DONE, b"thread start": start,
        b"thread stop": stop,
        b"ipaddr": b"fd23:2822:0:0:0:ff:fe00:fc00\r\nfd23:2822:0:0:0:ff:fe00:4000\r\n" + OWN
        + b"\r\nfe80:0:0:0:1:2:3:4\r\nDone\r\n",
    }  # fmt: skip
    made = ShellLink(answers, NONE, piece=piece)
    answers.update({key.replace("_", " ").encode(): value for key, value in more.items()})
    return made


@virtual
async def test_a_fresh_node_forms_a_network_and_goes_back_to_what_it_was() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        assert isinstance(net, AsyncMeshInterface)
        assert net.status is InterfaceStatus.GLOBAL_UP
        assert net.ip_address is not None
        assert net.ip_address.startswith("fd23:2822")
        state = await net.mesh()
        assert (state.role, state.network, state.channel, state.pan_id) == (
            "leader", "lab", 15, 0x1234,
        )  # fmt: skip
        assert await net.dataset() == HEX
    first = [b"dataset init new", b"dataset commit active", b"ifconfig up", b"thread start"]
    assert [line for line in wire.asked if line in first] == first
    assert wire.asked[-2:] == [b"thread stop", b"ifconfig down"]


@virtual
async def test_every_byte_may_come_by_itself() -> None:
    wire = link(piece=1)
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 1234))
        await sock.sendto(b"hi", (PEER, 5))
        wire.tell(f"> 5 bytes from {PEER} 77 a\r\nb>\r\n> ".encode())
        assert await sock.recvfrom(100) == (b"a\r\nb>", (PEER.replace(":0:0:", "::"), 77))
    assert not net.stack.channel.engine.anomalies  # type: ignore[attr-defined]


@virtual
async def test_a_dataset_is_written_once_and_never_shown() -> None:
    wire = link()
    async with node("openthread", wire, dataset=HEX) as net:
        await net.down()
        await net.up()
    assert wire.count(b"dataset set active") == 1

    out = io.StringIO()
    out.close = lambda: None  # type: ignore[method-assign]
    wire = link()
    modem = assemble("openthread:tcp://127.0.0.1:1", keywords={"dataset": HEX})
    assert modem.channel is not None
    modem.channel.link_with(lambda _: wire)
    modem.channel.trace_with(lambda: Trace(out))
    async with modem.interface() as net:
        assert isinstance(net, AsyncMeshInterface)
        await net.dataset()
    text = out.getvalue()
    assert "dataset set active ***" in text
    assert "00112233445566778899aabbccddeeff" not in text


def test_a_network_by_name_and_key_is_the_same_everywhere() -> None:
    found = dataset.parse(HEX)
    assert found[dataset.NAME] == b"lab"
    assert found[dataset.KEY].hex() == "00112233445566778899aabbccddeeff"
    assert dataset.described(HEX) == ("lab", 15, 0x1234)
    assert dataset.build("lab", "00112233445566778899aabbccddeeff", 15, "0x1234") == HEX


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "00"}, {"dataset": "zz"}, {"dataset": HEX, "network": "lab"},
        {"network": "lab"}, {"network": "lab", "key": "00"},
        {"network": "x" * 17, "key": "0" * 32}, {"network": "lab", "key": "0" * 32, "channel": 5},
        {"network": "lab", "key": "0" * 32, "panid": "70000"}, {"line": 20},
        {"nat64": "64:ff9b::/64"}, {"encoding": "base64"},
    ],
    ids="-".join,
)  # fmt: skip
def test_wrong_settings_are_told_without_their_secrets(settings: dict[str, str]) -> None:
    with pytest.raises(SpecificationError) as caught:
        assemble("openthread:tcp://127.0.0.1:1", keywords=settings)
    assert HEX not in str(caught.value)


@virtual
async def test_a_node_that_finds_no_network_is_given_up_in_time() -> None:
    wire = link()
    wire.answers[b"state"] = b"detached\r\nDone\r\n"
    with pytest.raises(errors.NetworkNotFound, match="detached"):
        async with node("openthread", wire, attach_timeout=5):
            pass


@virtual
async def test_datagrams_leave_in_hexadecimal_and_in_lines_that_are_not_cut() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        most = net.capabilities.limit("datagram.max_send")
        assert most == 162
        await sock.sendto(b"a\0\r\n", (PEER, 65535))
        assert wire.asked[-1] == f"udp send {LONG} 65535 -x 61000d0a".encode()
        await sock.sendto(bytes(most), (PEER, 65535))
        assert len(wire.asked[-1]) + 2 <= 384
        before = len(wire.asked)
        with pytest.raises(errors.MessageTooLong):
            await sock.sendto(bytes(most + 1), (PEER, 65535))
        assert len(wire.asked) == before


@virtual
async def test_1232_bytes_are_the_most_however_long_the_line() -> None:
    wire = link()
    async with node("openthread", wire, line=4096) as net, net.udp_socket() as sock:
        assert net.capabilities.limit("datagram.max_send") == 1232
        await sock.sendto(bytes(1232), (PEER, 1))
        with pytest.raises(errors.MessageTooLong):
            await sock.sendto(bytes(1233), (PEER, 1))
    assert sum(line.startswith(b"udp send") for line in wire.asked) == 1


@virtual
async def test_a_datagram_with_a_nul_raises_and_the_next_one_comes() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        await sock.bind(("", 1234))
        wire.tell(f"7 bytes from {PEER} 77 ab\r\n".encode())
        with pytest.raises(errors.PayloadIncomplete) as caught:
            await sock.recvfrom(100)
        assert (caught.value.text, caught.value.count) == (b"ab", 7)
        wire.tell(f"2 bytes from {PEER} 77 ok\r\n".encode())
        assert (await sock.recvfrom(100))[0] == b"ok"


@virtual
async def test_a_stream_with_a_nul_breaks() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        wire.tell(b"TCP: Received 3 bytes: abc\r\nTCP: Received 5 bytes: d\r\n")
        assert await sock.recv(10) == b"abc"
        with pytest.raises(errors.ConnectionReset, match="missing"):
            await sock.recv(10)


@pytest.mark.parametrize("change", ["lost", "flipped"])
def test_a_damaged_line_never_leaves_a_hole_in_a_stream(change: str) -> None:
    said = b"TCP: Received 5 bytes: first\r\n"

    @virtual
    async def scenario() -> None:
        wire = link()
        wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
        async with node("openthread", wire) as net:
            for at in range(len(said) - 2):
                async with net.tcp_socket() as sock:
                    await sock.connect((PEER, 80))
                    other = b"" if change == "lost" else bytes([said[at] ^ 0x04])
                    wire.tell(said[:at] + other + said[at + 1 :])
                    wire.tell(b"TCP: Received 6 bytes: second\r\n", 0.01)
                    await settle(3.0)
                    got = b""
                    with contextlib.suppress(ConnectionResetError):
                        while len(got) < 11:
                            got += await sock.recv(20)
                    whole = len(got) == 11 and got.endswith(b"second")
                    assert got in (b"", b"first") or (whole and change == "flipped"), (at, got)

    scenario()


@virtual
async def test_a_block_in_two_lines_is_one_stream_and_ends_in_order() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        wire.tell(b"TCP: Received 4 bytes: ab\r\n\r\nTCP: Received 2 bytes: c\n\r\n"
                  b"TCP: Reached end of stream\r\n")  # fmt: skip
        await settle()
        assert await sock.recv(10) == b"ab\r\nc\n"
        assert await sock.recv(10) == b""


@virtual
async def test_a_busy_node_is_asked_again_and_nothing_is_sent_twice() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    wire.answers[b"tcp send *"] = [DONE, b"Error 5: Busy\r\n", b"Error 5: Busy\r\n", DONE]
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        await sock.sendall(bytes(range(200)))
    sent = [line for line in wire.asked if line.startswith(b"tcp send ")]
    pieces = [bytes(range(128)).hex(), *[bytes(range(128, 200)).hex()] * 3]
    assert sent == [f"tcp send -x {piece}".encode() for piece in pieces]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("TCP: Connection refused", ConnectionRefusedError),
        ("TCP: Connection reset", ConnectionRefusedError),
        ("TCP: Connection timed out", errors.ConnectTimeout),
        ("", errors.ConnectTimeout),
    ],
    ids=["refused", "reset", "timed out", "silent"],
)
def test_connects_fail_as_they_are_told(said: str, kind: type[OSError]) -> None:
    @virtual
    async def scenario() -> None:
        wire = link()
        if said:
            wire.later[b"tcp connect *"] = said.encode() + b"\r\n"
        async with node("openthread", wire) as net, net.tcp_socket() as sock:
            with pytest.raises(kind):
                await sock.connect((PEER, 80))
            assert said or wire.asked[-1] == b"tcp abort"
            wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
            await sock.connect((PEER, 80))

    assert CONNECT <= 60
    scenario()


@virtual
async def test_time_wait_is_ended_before_the_next_connect() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    wire.answers[b"tcp connect *"] = [b"Error 13: InvalidState\r\n", DONE]
    async with node("openthread", wire) as net, net.tcp_socket() as sock:
        await sock.connect((PEER, 80))
        assert wire.asked[-3:] == [
            f"tcp connect {LONG} 80".encode(), b"tcp abort", f"tcp connect {LONG} 80".encode(),
        ]  # fmt: skip


@virtual
async def test_a_peer_is_accepted_and_a_second_one_waits() -> None:
    wire = link()
    async with node("openthread", wire) as net, net.tcp_socket() as listener:
        await listener.bind(("", 4000))
        await listener.listen(1)
        assert wire.asked[-1] == b"tcp listen :: 4000"
        wire.tell(f"Accepted connection from [{PEER}]:5000\r\nTCP: Connection established\r\n"
                  f"TCP: Received 2 bytes: hi\r\n"
                  f"TCP: Ignoring incoming connection request from [{PEER}]:5001 (active socket "
                  f"is busy)\r\n".encode())  # fmt: skip
        sock, peer = await listener.accept()
        assert peer.port == 5000
        assert await sock.recv(10) == b"hi"
        await sock.sendall(b"yo")
        assert wire.asked[-1] == b"tcp send -x 796f"
        await sock.close()
        assert b"tcp sendend" in wire.asked


@virtual
async def test_names_and_pings() -> None:
    wire = link(
        dns_resolve_nodeb=b"DNS response for nodeb. - " + OWN + b" TTL:7196 \r\nDone\r\n",
        dns_resolve_foo=b"DNS response for foo. - \r\nError 23: NotFound\r\n",
        dns_resolve_slow=b"DNS response for slow. - \r\nError 28: ResponseTimeout\r\n",
    )
    wire.answers[b"ping *"] = (
        b"16 bytes from " + OWN + b": icmp_seq=1 hlim=64 time=5ms\r\n1 packets transmitted, "
        b"1 packets received. Packet loss = 0.0%. Round-trip min/avg/max = 5/5.0/5 ms.\r\nDone\r\n"
    )
    async with node("openthread", wire) as net:
        assert await net.resolve("nodeb") == ["fd23:2822::1111:2222:3333:4444"]
        with pytest.raises(errors.NameNotFound):
            await net.resolve("foo")
        with pytest.raises(errors.NameTryAgain):
            await net.resolve("slow")
        assert await net.ping(PEER) == 0.005
        wire.answers[b"ping *"] = b"1 packets transmitted, 0 packets received.\r\nDone\r\n"
        with pytest.raises(errors.ConnectTimeout):
            await net.ping(PEER)


@virtual
async def test_ipv4_goes_through_the_prefix_that_the_node_tells() -> None:
    wire = link()
    inside = "fd11:22:33:0:0:0:c0a8:101"
    wire.answers[b"udp send 192.168.1.1 *"] = (
        f"Sending to synthesized IPv6 address: {inside}\r\nDone\r\n".encode()
    )
    async with node("openthread", wire) as net, net.udp_socket() as sock:
        await sock.sendto(b"a", ("192.168.1.1", 9))
        wire.tell(f"2 bytes from {inside} 9 hi\r\n".encode())
        assert await sock.recvfrom(10) == (b"hi", ("192.168.1.1", 9))
        await sock.sendto(b"b", ("192.168.1.1", 9))
        assert wire.asked[-1] == b"udp send fd11:0022:0033:0000:0000:0000:c0a8:0101 9 -x 62"


@virtual
async def test_in_hexadecimal_every_byte_passes_both_ways() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    async with node("openthread", wire, encoding="hex") as net:
        everything = bytes(range(150))
        async with net.udp_socket() as sock:
            await sock.sendto(everything, (PEER, 7))
            found = re.fullmatch(rb"udp send .* 7 -t ([0-9a-f]+)", wire.asked[-1])
            assert found is not None
            wire.tell(b"%d bytes from %b 7 %b\r\n" % (len(found[1]), PEER.encode(), found[1]))
            assert (await sock.recvfrom(500))[0] == everything
            wire.tell(f"5 bytes from {PEER} 7 plain\r\n".encode())
            with pytest.raises(errors.PayloadIncomplete):
                await sock.recvfrom(500)
        async with net.tcp_socket() as stream:
            await stream.connect((PEER, 80))
            await stream.sendall(b"\0\r\n")
            assert wire.asked[-1] == b"tcp send 000d0a"
            wire.tell(b"TCP: Received 3 bytes: 000\r\nTCP: Received 3 bytes: d0a\r\n")
            await settle()
            assert await stream.recv(10) == b"\0\r\n"


@virtual
async def test_one_socket_of_a_kind() -> None:
    wire = link()
    wire.later[b"tcp connect *"] = b"TCP: Connection established\r\n"
    async with node("openthread", wire) as net:
        async with net.udp_socket():
            with pytest.raises(errors.NoSocket):
                await net.udp_socket().open()
        async with net.tcp_socket() as first, net.tcp_socket() as second:
            await first.connect((PEER, 80))
            with pytest.raises(errors.NoSocket):
                await second.connect((PEER, 80))


@virtual
async def test_a_firmware_without_tcp_says_so() -> None:
    wire = link(tcp_init_linked=NONE)
    async with node("openthread", wire) as net:
        assert not net.capabilities["tcp.connect"].supported
        with pytest.raises(errors.NotSupported):
            await net.connect((PEER, 80))


@virtual
async def test_a_restart_breaks_the_sockets_and_the_network_comes_back() -> None:
    wire = link()
    async with node("openthread", wire) as net:
        sock = net.udp_socket()
        await sock.bind(("", 1234))
        wire.answers[b"thread stop"](b"")  # type: ignore[operator]
        await settle(30.0)
        with pytest.raises(OSError):
            await sock.recv(10)
        await sock.close()
        assert net.status is InterfaceStatus.GLOBAL_UP
        async with net.udp_socket() as again:
            await again.bind(("", 1234))
    assert wire.count(b"thread start") == 2
