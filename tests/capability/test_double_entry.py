"""Every claim is written twice: change one level or one number, and what the probes measured, or the
vendor's document (matrix.py), says otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from netsocket.capability import Capability, Level, Measurement, run
from netsocket.capability.verdict import Outcome
from tests.capability.matrix import BG96, BG96_COLUMNS, ESP_COLUMNS, ESPRESSIF
from tests.capability.measured import (
    MODULES,
    NOT_JUDGED,
    OPEN_DEFECTS,
    far_end,
    settings,
    simulated,
)
from tests.capability.test_matrix import disagreements
from tests.drivers.rig import opened

ALIKE = {Level.FULL, Level.EMULATED}
"""Exempt: who keeps a promise, the module or its driver, cannot be seen from outside."""
DOCUMENT_ONLY = {"datagram.max_recv"}
"""Numbers that only the document holds: it promises that much, and the probe that it arrives; what
becomes of longer datagrams no manual says."""


def level_mutants(found: Measurement) -> Iterator[Capability]:
    for claim in found.claims.values():
        for level in set(Level) - {claim.level}:
            if {level, claim.level} != ALIKE:
                yield dataclasses.replace(claim, level=level)


def number_mutants(found: Measurement) -> Iterator[Capability]:
    for claim in found.claims.values():
        if claim.limit is not None:
            numbers = {claim.limit - 1, claim.limit + 1, claim.limit // 2, claim.limit * 2}
            for number in sorted(numbers):
                yield dataclasses.replace(claim, limit=number)


def measured_otherwise(found: Measurement, lie: Capability) -> bool:
    told = dataclasses.replace(found, claims=found.claims.with_changes(lie))
    return bool(told.contradictions() or told.unknown())


def documented_otherwise(found: Measurement, lie: Capability, firmware: str, receive: str) -> bool:
    table = found.claims.with_changes(lie)
    if firmware == "bg96":
        return bool(disagreements("bg96", table, BG96, BG96_COLUMNS.index("bg96")))
    column = ESP_COLUMNS.index(f"{firmware} {receive}")
    return bool(disagreements("esp8266", table, ESPRESSIF, column))


@pytest.mark.xdist_group("measured")
@pytest.mark.parametrize(("module", "firmware", "receive"), MODULES)
def test_every_flipped_level_is_caught_by_a_probe(module: str, firmware: str, receive: str) -> None:
    found = simulated(module, firmware, receive)
    leave = NOT_JUDGED | OPEN_DEFECTS.get(module, set())
    assert {id_ for id_ in found.claims if found.outcome(id_) is Outcome.UNJUDGED} <= NOT_JUDGED
    mutants = list(level_mutants(found))
    living = {lie.id for lie in mutants if not measured_otherwise(found, lie)}
    assert living - leave == set()
    assert len(mutants) > 200


@pytest.mark.xdist_group("measured")
@pytest.mark.parametrize(("module", "firmware", "receive"), MODULES)
def test_every_changed_number_is_caught(module: str, firmware: str, receive: str) -> None:
    found = simulated(module, firmware, receive)
    mutants = list(number_mutants(found))
    assert len(mutants) >= (16 if receive == "push" else 20)
    living = [lie for lie in mutants if not measured_otherwise(found, lie)]
    assert {lie.id for lie in living} <= DOCUMENT_ONLY
    for lie in living:
        assert documented_otherwise(found, lie, firmware, receive), lie


@pytest.mark.parametrize("id_", ["sockets.max", "frame.max_send", "frame.max_recv",
                                 "datagram.max_send"])  # fmt: skip
@pytest.mark.parametrize(("module", "firmware", "receive"), [MODULES[0], MODULES[2], MODULES[-1]])
async def test_the_driver_lies_and_a_probe_finds_out(
    monkeypatch: pytest.MonkeyPatch, module: str, firmware: str, receive: str, id_: str
) -> None:
    """The measured numbers are found, not taken from the claims: the driver obeys its claim, and the
    probe looks behind it."""
    monkeypatch.setattr("netsocket.capability.probes.tools.LIMIT", 3.0)
    async with far_end(module) as far, opened(module, firmware, **settings(receive)) as rig:
        honest = rig.stack.capabilities
        number = honest.limit(id_)
        for limit in (number - 1, number + 1):
            lie = dataclasses.replace(honest[id_], limit=limit)
            rig.stack.capabilities = honest.with_changes(lie)
            found = await run(rig.net, far, kind="simulated", only=[id_])
            assert [line.partition(":")[0] for line in found.contradictions()] == [id_], limit
