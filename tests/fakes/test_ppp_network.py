"""The network behind the simulated module's PPP: ICMP, UDP, names, TCP; scripted peers, virtual time."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import Peer, Scenario, Step
from fakes import build as build_fake
from fakes.bg96.settings import SettingError, parse
from fakes.ppp import dns
from fakes.ppp.internet import UDP, Datagram, Reassembly, build, intact, sealed
from fakes.ppp.internet import checksum as quick
from fakes.slirp import missing

from .ip_host import ACK, GATE, HOST, Tcp, check, packet, total, udp
from .ppp_client import IPCP, IPV6CP, Client
from .test_ppp_dialling import talk

PEER = bytes((192, 0, 2, 9))
DNS = bytes((10, 0, 2, 3))
SLIRP = pytest.param(
    "slirp",
    marks=[pytest.mark.slirp, pytest.mark.skipif(missing() != "", reason=missing() or "here")],
)
PEERS = {
    "192.0.2.9:7": Peer("echo"),
    "192.0.2.9:9": Peer("discard"),
    "192.0.2.9:80": Peer(answer=b"HTTP/1.0 404 no\r\n\r\n", then="close"),
    "192.0.2.9:1": Peer("refuse"),
    "192.0.2.9:2": Peer("silent"),
    "192.0.2.9:3": Peer(greeting=b"hello", then="reset", after=5),
    "192.0.2.9:19": Peer(greeting=b"x" * 50000, then="half-close"),
}


def over_ip(work: Any, **options: Any) -> Client:
    async def run(client: Client) -> None:
        await client.dial()
        await client.bring_up(IPCP)
        await work(client)

    return talk(run, peers=PEERS, **options)


@given(st.binary(max_size=2000))
@settings(max_examples=50, deadline=None)
def test_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert quick(data) == total(data)


@given(st.binary(max_size=4000), st.sampled_from((4, 16)), st.integers(576, 1500), st.randoms())
@settings(max_examples=50, deadline=None)
def test_fragments_in_any_order(payload: bytes, width: int, mtu: int, order: random.Random) -> None:
    whole = sealed(Datagram(b"\x01" * width, b"\x02" * width, UDP, bytes(8) + payload), 6)
    assert intact(whole)
    pieces = build(whole, mtu, 7)
    assert all(len(each) <= mtu for each in pieces)
    order.shuffle(pieces)
    joined = Reassembly()
    found = [each for each in map(joined.feed, pieces) if each is not None]
    assert found == [whole]
    assert joined.dropped == 0


@given(st.binary(max_size=80))
@settings(max_examples=100, deadline=None)
def test_garbage_is_dropped(data: bytes) -> None:
    Reassembly().feed(data)
    dns.answer(data, lambda name, family: [])


def test_echo_and_udp() -> None:
    async def work(client: Client) -> None:
        for target, answers in (
            (GATE, False),
            (PEER, True),
            (DNS, True),
            (bytes((203, 0, 113, 1)), False),
        ):
            client.packets.clear()
            ping = b"\x08\x00\x00\x00\x12\x34\x00\x01payload"
            client.send_ip(packet(1, ping[:2] + total(ping).to_bytes(2, "big") + ping[4:], target))
            await asyncio.sleep(0.1)
            assert [check(each)[4:] for each in client.packets] == [
                ping[4:]
            ] * answers  # offline: no loopback
        client.packets.clear()
        for n in range(3):
            client.send_ip(packet(17, udp(5000 + n, 7, b"datagram %d" % n, PEER), PEER))
        await client.until(lambda: len(client.packets) == 3)
        for n, raw in enumerate(sorted(client.packets, key=lambda each: each[20:24])):
            assert check(raw)[:4] == struct.pack(">HH", 7, 5000 + n)
            assert check(raw)[8:] == b"datagram %d" % n
        # one of 4000 bytes, in fragments both ways
        client.packets.clear()
        whole = udp(6000, 7, bytes(range(250)) * 16, PEER)
        client.send_ip(packet(17, whole[:1480], PEER, 0x2000, 9))
        client.send_ip(packet(17, whole[2960:], PEER, 370, 9))
        client.send_ip(packet(17, whole[1480:2960], PEER, 0x2000 | 185, 9))
        await client.until(lambda: len(client.packets) == 3)
        assert b"".join(check(each) for each in client.packets)[8:] == bytes(range(250)) * 16
        # damaged, or from nobody: nothing
        client.packets.clear()
        bad = bytearray(packet(17, udp(1, 7, b"damaged", PEER), PEER))
        bad[-1] ^= 1
        client.send_ip(bytes(bad))
        client.send_ip(packet(17, udp(1, 8, b"nobody", PEER), PEER))
        await asyncio.sleep(1)
        assert not client.packets

    over_ip(work)


def test_names() -> None:
    def query(name: str, kind: int) -> bytes:
        labels = b"".join(bytes((len(each),)) + each.encode() for each in name.split("."))
        return (
            struct.pack(">HHHHHH", 99, 0x100, 1, 0, 0, 0)
            + labels
            + b"\0"
            + struct.pack(">HH", kind, 1)
        )

    async def work(client: Client) -> None:
        for name, kind, code, addresses in (
            ("srv.example", 1, 0, ["10.0.2.2", "10.0.2.102"]), ("SRV.example", 28, 0, ["fd00:a02::2"]),
            ("web", 1, 0, ["192.0.2.1"]), ("web", 28, 0, []), ("nosuch", 1, 3, []),
        ):  # fmt: skip
            client.packets.clear()
            asked = query(name, kind)
            client.send_ip(packet(17, udp(4000, 53, asked, DNS), DNS))
            await client.until(lambda: client.packets)
            said = check(client.packets[0])[8:]
            number, flags, _, count = struct.unpack_from(">HHHH", said)
            assert (number, flags & 15, count) == (99, code, len(addresses)), name
            at = len(asked)
            for address in addresses:
                packed = ipaddress.ip_address(address).packed
                assert said[at + 12 : at + 12 + len(packed)] == packed
                at += 12 + len(packed)
            assert at == len(said)

    over_ip(work, resolve={"srv.example": "127.0.0.1,::1,127.0.0.2", "web": "192.0.2.1"})


def test_tcp_every_byte_both_ways() -> None:
    data = random.Random(5).randbytes(150_000)

    async def work(client: Client) -> None:
        tcp = Tcp(client, 40000, (PEER, 7))
        client.on_packet = tcp.take
        assert await tcp.open() == "open"
        tcp.write(data)
        tcp.end()
        await tcp.until(lambda: tcp.ended and tcp.fin_acked)
        assert tcp.got == data
        assert max(tcp.segments) == 1024  # what it asked for
        gateway = client.modem.call.gateway  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        assert not gateway._tcp

    over_ip(work)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tcp_loses_packets_and_no_byte(seed: int) -> None:
    dice = random.Random(seed)
    data = dice.randbytes(30_000)

    async def work(client: Client) -> None:
        tcp = Tcp(client, 40000, (PEER, 7), lose=lambda: dice.random() < 0.05)
        client.on_packet = tcp.take
        assert await tcp.open() == "open"
        tcp.write(data)
        tcp.end()
        await tcp.until(lambda: tcp.ended and tcp.fin_acked)
        assert tcp.got == data

    over_ip(work)


def test_tcp_a_shut_window_opens_again() -> None:
    async def work(client: Client) -> None:
        tcp = Tcp(client, 40000, (PEER, 19))
        client.on_packet = tcp.take
        tcp.shut_at = 4000
        assert await tcp.open() == "open"
        await asyncio.sleep(30)
        assert 4000 <= len(tcp.got) < 13000  # a window, and a byte for each time that it asks
        tcp.shut_at, tcp.mine = 0, 8000
        await tcp.until(lambda: tcp.ended)
        assert tcp.got == b"x" * 50000

    over_ip(work)


def test_tcp_ends() -> None:
    async def work(client: Client) -> None:
        loop = asyncio.get_running_loop()
        tcp = Tcp(client, 40001, (PEER, 1))
        client.on_packet = tcp.take
        began = loop.time()
        assert await tcp.open() == "reset"  # refused
        assert loop.time() - began < 1
        tcp = Tcp(client, 40002, (bytes((203, 0, 113, 1)), 7))
        client.on_packet = tcp.take
        assert await tcp.open() == "asked"  # nobody there
        tcp = Tcp(client, 40003, (PEER, 3))
        client.on_packet = tcp.take
        assert await tcp.open() == "open"
        await tcp.until(lambda: tcp.got == b"hello")
        tcp.write(b"12345")
        await tcp.until(lambda: tcp.state == "reset")
        tcp = Tcp(client, 40004, (PEER, 80))
        client.on_packet = tcp.take
        assert await tcp.open() == "open"
        tcp.write(b"GET")
        await tcp.until(lambda: tcp.ended)
        assert tcp.got == b"HTTP/1.0 404 no\r\n\r\n"
        tcp = Tcp(client, 40005, (PEER, 7))
        client.on_packet = tcp.take
        tcp.state = "open"
        tcp.send(ACK, b"of no connection")
        await tcp.until(lambda: tcp.state == "reset")

    over_ip(work)


def test_somebody_connects_to_the_host() -> None:
    async def work(client: Client) -> None:
        far = bytes((192, 0, 2, 250))
        tcp = Tcp(client, 8080, (far, 5555))
        tcp.state = "listen"
        client.on_packet = tcp.take
        peer = Peer("discard", greeting=b"are you there?")
        assert client.modem.sockets.dial(8080, peer, remote=("192.0.2.250", 5555))
        await tcp.until(lambda: tcp.got == b"are you there?")
        tcp.write(b"yes")
        tcp.end()
        await tcp.until(lambda: tcp.ended)
        assert not client.modem.sockets.dial(8081, peer)

    over_ip(work, forward="tcp:8080+udp:8080")
    for wrong in ("8080", "tcp:0", "tcp:x", "sctp:1", "udp:70000"):
        with pytest.raises(SettingError):
            parse({"forward": wrong})


def test_nothing_passes_a_context_that_is_lost_without_a_word() -> None:
    async def work(client: Client) -> None:
        client.send_ip(packet(17, udp(5000, 7, b"one", PEER), PEER))
        await client.until(lambda: client.packets)
        await asyncio.sleep(10)
        client.packets.clear()
        client.send_ip(packet(17, udp(5000, 7, b"two", PEER), PEER))
        await asyncio.sleep(5)
        assert not client.packets
        assert client.modem.call is not None  # type: ignore[attr-defined]

    over_ip(work, scenario=Scenario((Step(at=5.0, do=(("event", "pdp_lost_silently"),)),)))


def test_the_host_learns_its_ipv6_address() -> None:
    async def work(client: Client) -> None:
        await client.ask('AT+CGDCONT=1,"IPV4V6","x"')
        await client.dial()
        await client.bring_up(IPCP, IPV6CP)
        await client.until(lambda: client.packets)
        raw = client.packets[0]
        assert raw[0] >> 4 == 6
        assert raw[7] == 255
        assert raw[40] == 134
        assert raw[24:40] == ipaddress.IPv6Address("ff02::1").packed
        assert ipaddress.IPv6Address("fd00:a02::").packed in raw
        assert raw[8:24] == b"\xfe\x80" + bytes(6) + client.theirs[IPV6CP][1]
        own = ipaddress.IPv6Address("fd00:a02::15").packed
        # a datagram to a peer with an IPv6 address
        far = ipaddress.IPv6Address("2001:db8::7").packed
        asked = sealed(Datagram(own, far, UDP, struct.pack(">HHHH", 5000, 7, 11, 0) + b"six"), 6)
        client.packets.clear()
        client.send_ip(*build(asked, 1500, 1))
        await client.until(lambda: client.packets)
        answer = Reassembly().feed(client.packets[0])
        assert answer is not None
        assert intact(answer)
        assert (answer.source, answer.target) == (far, own)
        assert answer.payload[8:] == b"six"

    talk(work, peers={"[2001:db8::7]:7": Peer("echo")})
    assert HOST != GATE


@pytest.mark.parametrize("network", ["own", SLIRP], ids=["own", "slirp"])
async def test_real_sockets_of_this_computer_both_ways(network: str) -> None:
    """In real time: an echo server on 127.0.0.1 behind the gateway's address, and a port forwarded."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    spare = await asyncio.start_server(echo, "127.0.0.1", 0)
    forwarded = spare.sockets[0].getsockname()[1]
    spare.close()
    await spare.wait_closed()
    modem = build_fake(
        "bg96", time_scale=0, network=network, forward=f"tcp:{forwarded}+udp:{forwarded}"
    )
    client = Client(modem)
    await modem.start(client.deliver)
    data = random.Random(1).randbytes(100_000 if network == "own" else 20_000)
    try:
        await client.dial()
        await client.bring_up(IPCP)
        tcp = Tcp(client, 40000, (GATE, server.sockets[0].getsockname()[1]))
        client.on_packet = tcp.take
        assert await tcp.open() == "open"
        tcp.write(data)
        tcp.end()
        await tcp.until(lambda: tcp.ended and tcp.fin_acked)
        assert tcp.got == data
        reader, writer = await asyncio.open_connection("127.0.0.1", forwarded)
        tcp = Tcp(client, forwarded, (GATE, writer.get_extra_info("sockname")[1]))
        tcp.state = "listen"
        client.on_packet = tcp.take
        writer.write(data)
        await tcp.until(lambda: tcp.got == data)
        tcp.write(b"back")
        tcp.end()
        assert await reader.read() == b"back"
        writer.close()
        await tcp.until(lambda: tcp.ended)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            client.on_packet = None
            client.packets.clear()
            sock.sendto(b"datagram", ("127.0.0.1", forwarded))
            await client.until(lambda: client.packets)
            got = check(client.packets[0])
            assert got[:4] == struct.pack(">HH", sock.getsockname()[1], forwarded)
            client.send_ip(packet(17, udp(forwarded, sock.getsockname()[1], b"answer")))
            await asyncio.sleep(0.05)
            assert sock.recv(100, socket.MSG_DONTWAIT) == b"answer"
        client.send_ip(packet(17, udp(1, 7, b"out", bytes((8, 8, 8, 8))), bytes((8, 8, 8, 8))))
        await asyncio.sleep(0.05)
        assert any("unreachable" in each.detail for each in modem.journal if each.kind == "ip")
    finally:
        await modem.stop()
        server.close()
    assert not [each for each in modem.journal if each.kind == "crash"]
