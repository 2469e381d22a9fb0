"""What an OpenThread node refuses, and what the program is told of it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from netsocket import errors
from netsocket.address import SocketAddress
from netsocket.capability.probes.tools import claiming
from netsocket.stack import Kind
from tests.engine.virtual_time import virtual

from .rig import ShellLink, node, settle
from .test_openthread import DONE, LONG, PEER, link

ESTABLISHED = b"TCP: Connection established\r\n"
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
