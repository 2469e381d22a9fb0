"""One test for each probe of the catalogue, under its own name."""

from __future__ import annotations

import pytest

from hil.bench import Bench
from netsocket.capability.farremote import FarEndLost
from netsocket.capability.measure import agrees
from netsocket.capability.verdict import PROBES, Outcome


@pytest.mark.timeout(4 * max(probe.limit for probe in PROBES.values()))
@pytest.mark.parametrize("name", PROBES)
def test_probe(name: str, hil: Bench) -> None:
    probe = PROBES[name]
    try:
        result = hil.judge(probe)
    except FarEndLost as error:
        pytest.exit(str(error), returncode=1)
    if result.outcome is Outcome.UNJUDGED:
        pytest.skip(result.evidence)
    claim = hil.net.capabilities[probe.promise]
    sole = sum(each.promise == probe.promise for each in PROBES.values()) == 1
    told = f"{probe.promise}: claimed {claim.level.value}, but {name} {result.outcome.value}: "
    # Of several probes the worst decides about a promise: each alone may be better.
    fits = agrees(claim, result.outcome) or (not sole and result.outcome is Outcome.PASS)
    assert fits, told + result.evidence
