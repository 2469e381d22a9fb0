"""Every claim of every generation against the vendors' documents (matrix.py)."""

from __future__ import annotations

import pytest

from modems.bg96.capabilities import table as bg96_table
from modems.esp8266.capabilities import table as espressif_table
from modems.esp8266.firmware import identify
from netsocket.capability import CATALOGUE, CapabilityTable
from tests.capability.matrix import (
    ABOVE,
    BELOW,
    BG96,
    BG96_COLUMNS,
    ESP_COLUMNS,
    ESPRESSIF,
    RANK,
    UNSETTLED,
    Row,
)
from tests.drivers.rig import opened

OLD = {
    "N1": b"AT version:1.5.0.0(Oct 24 2017 12:03:18)",
    "E0": b"AT version:1.1.3.0(5a40576 - Nov 28 2018 12:50:55)",
}
"""Generations without a fake: the claims as the driver draws them up from AT+GMR."""


_known: dict[str, CapabilityTable] = {}


async def claims_of(column: str) -> CapabilityTable:
    if column not in _known:
        _known[column] = await _ask(column)
    return _known[column]


async def _ask(column: str) -> CapabilityTable:
    firmware, _, receive = column.partition(" ")
    if firmware in OLD:
        return espressif_table("esp8266", identify([OLD[firmware]]), receive=receive, frame=2048)
    if firmware == "bg96":
        async with opened("bg96", "bg96") as rig:
            return rig.stack.capabilities
    async with opened("esp8266", firmware, receive=receive) as rig:
        return rig.stack.capabilities


def disagreements(module: str, table: CapabilityTable, rows: tuple[Row, ...], at: int) -> list[str]:
    """What a table claims otherwise than the documents, without leave."""
    found = []
    for row in rows:
        claim, documented = table[row.id], row.level(at)
        text = f"{row.id}: claimed {claim.level.value}, {row.source} gives {documented.value}"
        if RANK[claim.level] < RANK[documented]:
            reason = row.id in BELOW[module] or row.id in UNSETTLED
            if not (reason and claim.because and claim.source and claim.source.section):
                found.append(text)
        elif RANK[claim.level] > RANK[documented] and (
            claim.level.value != "emulated" or ABOVE[module].get(row.id, "\0") not in claim.because
        ):
            found.append(text)
        number = row.limits[at] if row.limits else None
        if claim.limit != number:
            found.append(f"{row.id}: claimed {claim.limit}, {row.source} gives {number}")
    return found


@pytest.mark.parametrize("column", ESP_COLUMNS)
async def test_espressif(column: str) -> None:
    table = await claims_of(column)
    assert disagreements("esp8266", table, ESPRESSIF, ESP_COLUMNS.index(column)) == []


async def test_bg96() -> None:
    assert disagreements("bg96", await claims_of("bg96"), BG96, 0) == []
    assert bg96_table("bg96", "x").keys() == CATALOGUE.keys()


@pytest.mark.parametrize(
    ("module", "columns", "rows"),
    [("esp8266", ESP_COLUMNS, ESPRESSIF), ("bg96", BG96_COLUMNS, BG96)],
)
async def test_the_matrix_is_whole_and_no_leave_is_stale(
    module: str, columns: tuple[str, ...], rows: tuple[Row, ...]
) -> None:
    assert len({row.id for row in rows}) == len(rows) >= 44
    for row in rows:
        assert row.id in CATALOGUE
        assert row.source
        assert len(row.letters.replace(" ", "")) == len(columns), row.id
        assert len(row.limits) in (0, len(columns)), row.id
    below, above = set(), set()
    for at, column in enumerate(columns):
        table = await claims_of(column)
        below |= {row.id for row in rows if RANK[table[row.id].level] < RANK[row.level(at)]}
        above |= {row.id for row in rows if RANK[table[row.id].level] > RANK[row.level(at)]}
    assert below - UNSETTLED == set(BELOW[module])
    assert above == set(ABOVE[module])
