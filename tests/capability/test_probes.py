"""The probes: all pass on the host, agree with the claims on the fakes, and catch lies."""

from __future__ import annotations

import asyncio

import pytest

from netsocket.capability import Capability, Level, run
from netsocket.capability.farend_services import chargen
from netsocket.capability.verdict import PROBES, Outcome
from netsocket.hoststack import HostStack
from tests.capability.measured import (
    MODULES,
    far_end,
    host,
    simulated,
    surprises,
)
from tests.drivers.rig import opened

HOST_CANNOT = {"NETWORKINTERFACE_PING", "TLSSOCKET_MODULE", "UDPSOCKET_DESCRIPTOR"} | {
    name for name in PROBES if name.startswith(("WIFI_", "CELLULAR_"))
}
PLACES = {"NETWORKINTERFACE_ADDRESS", "NETWORKINTERFACE_IPV6"}
"""Without a route, or without IPv6, these cannot be judged."""


@pytest.mark.xdist_group("measured")
def test_every_probe_passes_on_the_host() -> None:
    found = host()
    assert [result.probe for result in found.results] == list(PROBES)
    for result in found.results:
        allowed = {Outcome.PASS}
        if result.probe in HOST_CANNOT:
            allowed = {Outcome.UNSUPPORTED}
        elif result.probe in PLACES:
            allowed = {Outcome.PASS, Outcome.UNJUDGED}
        assert result.outcome in allowed, result
        assert result.evidence
    assert found.contradictions() == []
    assert found.unknown() == []


@pytest.mark.xdist_group("measured")
@pytest.mark.parametrize(("module", "firmware", "receive"), MODULES)
def test_claims_and_measurement_agree_on_fakes(module: str, firmware: str, receive: str) -> None:
    found = simulated(module, firmware, receive)
    assert found.kind == "simulated"
    assert surprises(found) == []
    assert found.unknown() == []


@pytest.mark.parametrize(
    ("module", "firmware", "lie"),
    [
        ("bg96", "bg96", Capability("sockets.max", Level.FULL, limit=13, unit="sockets")),
        ("bg96", "bg96", Capability("datagram.max_send", Level.FULL, limit=1461, unit="bytes")),
        ("bg96", "bg96", Capability("frame.max_send", Level.FULL, limit=1461, unit="bytes")),
        ("bg96", "bg96", Capability("tcp.half_close", Level.FULL)),
        ("esp8266", "E24", Capability("sockets.max", Level.FULL, limit=6, unit="sockets")),
        ("esp8266", "E22", Capability("udp.boundaries", Level.FULL)),
        ("esp8266", "E24", Capability("udp.zero_length", Level.FULL)),
        ("esp8266", "E24", Capability("tcp.reset_seen", Level.FULL)),
        ("esp8266", "E24", Capability("option.keepalive", Level.NONE)),
    ],
    ids=lambda value: value.id if isinstance(value, Capability) else None,
)
async def test_a_lying_driver_is_found_out(module: str, firmware: str, lie: Capability) -> None:
    """The driver obeys its claim, the probe judges at the far end."""
    async with far_end(module) as far, opened(module, firmware) as rig:
        honest = await run(rig.net, far, kind="simulated", only=[lie.id])
        assert honest.contradictions() == []
        rig.stack.capabilities = rig.stack.capabilities.with_changes(lie)
        found = await run(rig.net, far, kind="simulated", only=[lie.id])
    assert len(found.contradictions()) == 1
    assert found.contradictions()[0].startswith(f"{lie.id}: claimed {lie.level.value}, but ")


class Lossy(HostStack):
    """Loses the first byte of each read."""

    async def recv(self, handle, size):  # type: ignore[no-untyped-def]
        data = await super().recv(handle, size)
        return data[1:] or None if data else data


class Forgetful(HostStack):
    """Says nothing about what becomes readable."""

    def _readable(self, handle, sock):  # type: ignore[no-untyped-def]
        asyncio.get_running_loop().remove_reader(sock)


class Generous(HostStack):
    """Swallows every option, and closes in order when it should reset."""

    async def set_option(self, handle, level, name, value):  # type: ignore[no-untyped-def]
        self._entry(handle)

    async def close(self, handle, *, abort=False):  # type: ignore[no-untyped-def]
        await super().close(handle)


class Understating(HostStack):
    """Says of a send that one byte was accepted, though all were."""

    async def send(self, handle, data):  # type: ignore[no-untyped-def]
        return min(await super().send(handle, data), 1)


class FirstOnly(HostStack):
    """One address of a name, whatever it has."""

    async def resolve(self, name, family=0):  # type: ignore[no-untyped-def]
        return ["127.0.0.1"]


@pytest.mark.parametrize(
    ("kind", "promises"),
    [
        (FirstOnly, {"dns.all_addresses"}),
        (Understating, {"send.outcome"}),
        (Lossy, {"tcp.recv", "tcp.drain", "frame.max_recv"}),
        (Forgetful, {"wait.event"}),
        (Generous, {"option.honest", "option.keepalive", "tcp.abort"}),
    ],
)  # fmt: skip
async def test_a_broken_stack_fails(kind: type[HostStack], promises: set[str]) -> None:
    async with far_end("host") as far:
        found = await run(kind(), far, only=promises)
    for promise in promises:
        assert found.outcome(promise) is Outcome.FAIL, promise


def test_the_pattern_of_chargen_is_that_of_rfc_864() -> None:
    rows = chargen(74 * 96).split(b"\r\n")
    assert rows[0].startswith(b" !\"#$%&'()*+,-./0123456789")
    assert all(len(row) == 72 for row in rows[:95])
    assert rows[1] == rows[0][1:] + bytes([rows[0][-1] + 1])
    assert rows[95] == rows[0], "95 rows make a period"
