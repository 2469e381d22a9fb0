"""Every probe on lwIP, with another lwIP as the far end: what it claims is what it does."""

from __future__ import annotations

import pytest

from netsocket.capability import CATALOGUE, run
from netsocket.capability.farstack import StackFarEnd
from netsocket.ip.pair import NOBODY, THERE, THERE_6, LwipPair
from tests.ip.rig import LWIP

pytestmark = [*LWIP, pytest.mark.gate]


async def test_no_claim_is_contradicted() -> None:
    pair = LwipPair()
    async with StackFarEnd(pair.far, THERE, THERE_6, NOBODY) as far:
        found = await run(pair.stack, far, only=CATALOGUE)
    assert found.contradictions() == []
    assert not found.claims.unstated
    assert found.unknown() == []
    unjudged = {each.probe for each in found.results if each.outcome.value == "unjudged"}
    assert unjudged == set()
