"""The drivers of mesh nodes on simulated ones, judged at the far end: nothing that is claimed is
wrong, in either direction."""

from __future__ import annotations

import pytest

from atdriver.modem import FAKE_LOOPBACK_6, assemble
from netsocket.capability import measure
from netsocket.capability.farend import FarEnd

NODES = ("openthread", "skstack", "riot")
QUICK = {
    "riot": (
        "datagram.max_send", "udp.zero_length", "error.too_long", "error.no_destination",
        "interface.address", "option.honest", "dns.resolve", "tcp.connect", "ipv6", "tcp.send",
        "tcp.recv", "tcp.transparent", "tcp.half_close", "tcp.reset_seen", "tcp.close", "tcp.abort",
        "tcp.local_name", "error.refused",
    ),
    "skstack": (
        "udp.echo", "udp.boundaries", "udp.zero_length_recv", "datagram.max_send",
        "tcp.transparent", "tcp.drain", "tcp.sizes", "tcp.close", "tls.handshake", "ipv6",
        "error.refused", "wait.close_wakes", "sockets.max", "dns.resolve",
    ),
    "openthread": (
        "udp.boundaries", "udp.sendto_many", "udp.zero_length_recv", "datagram.max_send",
        "datagram.max_recv", "frame.max_send", "tcp.transparent", "tcp.reset_seen",
        "tcp.half_close", "tcp.close", "tcp.abort", "dns.resolve", "ipv6",
        "error.refused", "wait.close_wakes", "interface.ping", "sockets.max",
    ),
}  # fmt: skip
SETTINGS = {"riot": {"tcp": "yes", "connect_timeout": 3}}
"""As RIOT's test application is built: no other command is taken before."""


async def contradictions(name: str, only: tuple[str, ...] | None, **own: str) -> list[str]:
    modem = assemble(f"{name}:fake", keywords={**SETTINGS.get(name, {}), **own})
    async with FarEnd() as far, modem.interface() as net:
        far.called_6 = FAKE_LOOPBACK_6
        found = await measure.run(net, far, kind="simulated", only=only)
        assert not net.capabilities.unstated
    return found.contradictions()


@pytest.mark.gate
@pytest.mark.parametrize("name", NODES)
async def test_what_matters_most_is_as_claimed(name: str) -> None:
    assert await contradictions(name, QUICK[name]) == []


@pytest.mark.gate
async def test_a_riot_node_without_streams_is_as_claimed() -> None:
    only = ("tcp.connect", "udp.zero_length", "error.refused", "wait.timeout")
    assert await contradictions("riot", only, tcp="no") == []


@pytest.mark.gate
async def test_every_byte_passes_a_riot_node_in_hexadecimal() -> None:
    """The far end answers with the digits that it got."""
    everything = bytes(range(0, 256, 8))
    modem = assemble("riot:fake", keywords={"encoding": "hex", "tcp": "yes"})
    async with FarEnd() as far, modem.interface() as net, net.tcp_socket() as sock:
        far.called_6 = FAKE_LOOPBACK_6
        await sock.connect(far.address("echo"))
        await sock.sendall(everything)
        found = b""
        while len(found) < len(everything):
            found += await sock.recv(100)
        assert found == everything


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NODES)
async def test_everything_is_as_claimed(name: str) -> None:
    """But for the probes that would not end in time, by the claims of a RIOT node."""
    assert await contradictions(name, None) == []


@pytest.mark.nightly
async def test_what_a_riot_node_is_too_slow_for_by_its_claims_it_is_too_slow_for() -> None:
    """A probe that is named is asked."""
    assert await contradictions("riot", ("TCPSOCKET_RECV_100K",)) == []
