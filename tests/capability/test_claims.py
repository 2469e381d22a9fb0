"""The catalogue, the claims of our own modules, and what becomes of gaps in a third party's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netsocket.capability import CATALOGUE, CapabilityTable, Level, run
from netsocket.capability.catalogue import GROUP, VERSION
from netsocket.capability.measure import UnstatedClaims
from netsocket.capability.verdict import PROBES
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.hoststack import HostStack
from tests.capability.measured import (
    MODULES,
    NOT_JUDGED,
    claims,
    comparison,
    far_end,
    simulated,
)

DOCS = Path(__file__).parents[2] / "docs"
GROUPS = ["tcp", "udp", "dns", "options", "errors", "concurrency", "limits", "tls", "interface"]


def test_the_catalogue_is_large_grouped_and_in_sentences() -> None:
    assert VERSION >= 1
    assert len(CATALOGUE) >= 70
    assert list(dict.fromkeys(GROUP.values())) == GROUPS
    for id_, sentence in CATALOGUE.items():
        assert re.fullmatch(r"[a-z0-9]+(\.[a-z_]+)?", id_), id_
        assert sentence.endswith("."), id_
        assert len(sentence.split()) > 3, id_
    for old in ("tcp.half_close", "udp.boundaries", "sockets.max", "ipv6", "send.outcome"):
        assert old in CATALOGUE


def test_every_promise_that_can_be_judged_has_a_probe() -> None:
    assert set(CATALOGUE) - {probe.promise for probe in PROBES.values()} == NOT_JUDGED
    for name in ("TCPSOCKET_ECHOTEST", "TCPSOCKET_RECV_100K", "TCPSOCKET_OPEN_LIMIT",
                 "UDPSOCKET_ECHOTEST_BURST", "UDPSOCKET_BIND_PORT_FAIL",
                 "SYNCHRONOUS_DNS_INVALID", "WIFI_SCAN", "NETWORKINTERFACE_STATUS",
                 "NETWORKINTERFACE_STATUS_GET", "NETWORKINTERFACE_STATUS_NONBLOCK",
                 "NETWORKINTERFACE_CONN_DISC_REPEAT", "WIFI_CONSTRUCTOR", "WIFI_SET_CREDENTIAL",
                 "WIFI_SET_CHANNEL", "WIFI_GET_RSSI", "WIFI_CONNECT_NOCREDENTIALS",
                 "WIFI_CONNECT_PARAMS_NULL", "WIFI_CONNECT_PARAMS_VALID_SECURE",
                 "WIFI_CONNECT_PARAMS_CHANNEL", "WIFI_CONNECT_PARAMS_CHANNEL_FAIL", "WIFI_CONNECT",
                 "WIFI_CONNECT_SECURE", "WIFI_CONNECT_SECURE_FAIL", "WIFI_SCAN_NULL",
                 "WIFI_CONNECT_DISCONNECT_REPEAT", "WIFI_CONNECT_DISCONNECT_NONBLOCK"):  # fmt: skip
        assert name in PROBES


@pytest.mark.xdist_group("measured")
@pytest.mark.parametrize(("module", "firmware", "receive"), MODULES)
def test_our_claims_cover_the_catalogue_exactly(module: str, firmware: str, receive: str) -> None:
    for table in (claims(module, firmware, receive), simulated(module, firmware, receive).claims):
        assert table.unstated == frozenset()
        assert list(table) == list(CATALOGUE)
        for record in table.values():
            assert record.level is not Level.UNKNOWN, record.id
            assert record.source is not None, record.id
            assert record.source.section, record.id
            if record.level in (Level.NONE, Level.PARTIAL, Level.EMULATED):
                assert record.because, record.id


def test_the_host_claims_everything_with_a_reason_where_not_full() -> None:
    assert HOST_CAPABILITIES.unstated == frozenset()
    for record in HOST_CAPABILITIES.values():
        assert record.because or record.level is Level.FULL, record.id


async def test_a_third_party_is_warned_of_what_it_does_not_claim() -> None:
    class Partial(HostStack):
        capabilities = CapabilityTable(
            "partial", "1", [r for r in HOST_CAPABILITIES.values() if r.id != "tcp.abort"]
        )

    async with far_end("host") as far:
        with pytest.warns(UnstatedClaims, match="tcp.abort"):
            found = await run(Partial(), far, only=["tcp.abort"])
    assert found.unknown() == ["tcp.abort"]
    assert [result.probe for result in found.results] == ["TCPSOCKET_ABORT"]
    assert found.contradictions() == []


@pytest.mark.xdist_group("measured")
def test_the_comparison_in_the_docs_is_that_of_the_claims() -> None:
    """Written by `PYTHONPATH=. python tests/capability/measured.py`."""
    assert (DOCS / "modules.md").read_text(encoding="utf-8") == comparison()
