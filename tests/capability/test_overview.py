"""The report's first table says what the probes found, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from netsocket.capability import CATALOGUE
from netsocket.capability.measure import Measurement, Result
from netsocket.capability.model import Capability, CapabilityTable, Level
from netsocket.capability.overview import FIRST, PROTOCOLS, SHOWN, USES, overview
from netsocket.capability.page import html, markdown
from netsocket.capability.record import to_record
from netsocket.capability.verdict import PROBES, Outcome


def record(*claims: Capability, **outcomes: Outcome) -> dict[str, Any]:
    """A module that claims this, of which all probes kept but those named found this."""
    found = {id_: outcomes.get(id_.replace(".", "_"), Outcome.PASS) for id_ in CATALOGUE}
    stated = {claim.id: claim for claim in claims}
    table = CapabilityTable(
        "m1",
        "7.1",
        [stated.get(id_, Capability(id_, Level.FULL)) for id_ in CATALOGUE],
        stack="external IP module",
    )
    judged = [(probe.name, probe.promise) for probe in PROBES.values()]
    judged += [(f"P_{id_}", id_) for id_ in found.keys() - {promise for _, promise in judged}]
    results = [Result(name, id_, found[id_], "", 0.0) for name, id_ in judged]
    return to_record([Measurement(table, results, "simulated", medium="cellular")])


def test_all_ids_are_of_the_catalogue() -> None:
    used = {*PROTOCOLS.values(), *FIRST, *(id_ for ids in USES.values() for id_ in ids)}
    assert used <= CATALOGUE.keys()


def test_a_stack_that_keeps_everything() -> None:
    (row,) = overview(record())
    assert (row.module, row.firmware, row.evidence) == ("m1", "7.1", "simulated")
    assert (row.stack, row.medium) == ("external IP module", "cellular")
    assert set(row.protocols) == {(name, "pass") for name in PROTOCOLS}
    assert [use for use, _ in row.uses] == list(USES)[:-1]
    assert (row.numbers, row.limits, row.more) == ((), (), 0)


def test_one_broken_promise_takes_the_uses_that_rest_on_it() -> None:
    broken = overview(record(tcp_transparent=Outcome.FAIL))[0]
    assert [use for use, _ in broken.uses] == [
        use for use, needs in list(USES.items())[:-1] if "tcp.transparent" not in needs
    ]
    weak = overview(record(tcp_listen=Outcome.PARTIAL))[0]
    assert ("servers", "partial") in weak.uses
    assert ("TCP servers", "partial") in weak.protocols


def test_what_cannot_do_much() -> None:
    down = dict.fromkeys(("tcp_connect", "tls_handshake", "tcp_listen"), Outcome.UNSUPPORTED)
    less = dict.fromkeys(("udp_boundaries", "udp_sendto_many"), Outcome.UNJUDGED)
    (row,) = overview(record(**down, **less))
    assert row.uses == (("short messages only", "pass"),)
    (row,) = overview(record(**down, **less, udp_repeat=Outcome.FAIL))
    assert row.uses == ()


def test_limits_come_by_weight_and_what_a_probe_denies_is_none() -> None:
    claims = [
        Capability("tcp.half_close", Level.NONE, "no command"),
        Capability("option.tos", Level.NONE, "no command sets it"),
        Capability("tcp.reset_seen", Level.PARTIAL, "mostly"),
        Capability("wifi.join", Level.NONE, "no radio"),
        Capability("tcp.abort", Level.NONE, "no command"),
        Capability("sockets.max", Level.FULL, limit=7, unit="sockets"),
    ]
    outcomes = {"tcp_half_close": Outcome.UNSUPPORTED, "option_tos": Outcome.UNSUPPORTED,
                "tcp_reset_seen": Outcome.PARTIAL, "wifi_join": Outcome.UNSUPPORTED}  # fmt: skip
    (row,) = overview(record(*claims, **outcomes))
    assert [limit.id for limit in row.limits] == ["tcp.reset_seen", "tcp.half_close", "option.tos"]
    assert row.limits[0].because == "mostly"
    assert row.numbers == ("7 sockets at the same time",)


def test_many_limits_are_counted() -> None:
    ids = [id_ for id_ in CATALOGUE if id_.startswith("option.")]
    (row,) = overview(
        record(
            *[Capability(id_, Level.NONE, "no") for id_ in ids],
            **{id_.replace(".", "_"): Outcome.UNSUPPORTED for id_ in ids},
        )
    )
    assert len(row.limits) == SHOWN
    assert row.more == len(ids) - SHOWN


@pytest.mark.parametrize("render", [html, markdown], ids=["html", "markdown"])
def test_it_is_shown(render: Any) -> None:
    claim = Capability("tcp.half_close", Level.NONE, "<no> | command")
    text = render(record(claim, tcp_half_close=Outcome.UNSUPPORTED))
    assert text.index("The stacks") < text.index("Contradictions between")
    assert "external IP module" in text
    assert "cellular" in text
    assert ("&lt;no&gt; | command" if render is html else "<no> \\| command") in text
