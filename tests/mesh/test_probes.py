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
        "interface.address", "option.honest", "dns.resolve", "tcp.connect", "ipv6",
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


async def contradictions(name: str, only: tuple[str, ...] | None) -> list[str]:
    modem = assemble(f"{name}:fake")
    async with FarEnd() as far, modem.interface() as net:
        far.called_6 = FAKE_LOOPBACK_6
        found = await measure.run(net, far, kind="simulated", only=only)
        assert not net.capabilities.unstated
    return found.contradictions()


@pytest.mark.gate
@pytest.mark.parametrize("name", NODES)
async def test_what_matters_most_is_as_claimed(name: str) -> None:
    assert await contradictions(name, QUICK[name]) == []


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NODES)
async def test_everything_is_as_claimed(name: str) -> None:
    assert await contradictions(name, None) == []
