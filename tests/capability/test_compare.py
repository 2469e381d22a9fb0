"""What `--compare` reads and what it tells."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from netsocket.capability.compare import changes, read
from netsocket.capability.record import FORMAT, to_record
from tests.capability.measured import simulated

pytestmark = [pytest.mark.xdist_group("measured"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return to_record([simulated("esp8266", "E2", "pull"), simulated("bg96", "bg96", "")])


def told(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return changes(read(json.dumps(old).encode()), new)


def cell(record: dict[str, Any], module: int, id_: str) -> dict[str, Any]:
    return next(cell for cell in record["modules"][module]["cells"] if cell["id"] == id_)


def test_nothing_differs(record: dict[str, Any]) -> None:
    assert told(record, record) == []


def test_level_limit_and_verdict(record: dict[str, Any]) -> None:
    new = copy.deepcopy(record)
    new["modules"][1]["firmware"] = "newer"
    cell(new, 1, "tcp.half_close").update(level="full", outcome="pass")
    cell(new, 1, "sockets.max")["limit"] = 13
    head = f"bg96 ({record['modules'][1]['firmware']} → newer): "
    assert told(record, new) == [
        head + "tcp.half_close: level none → full",
        head + "tcp.half_close: outcome unsupported → pass",
        head + "sockets.max: limit 12 → 13",
    ]


def test_what_was_not_judged_has_not_changed(record: dict[str, Any]) -> None:
    new = copy.deepcopy(record)
    cell(new, 1, "tcp.send")["outcome"] = "unjudged"
    assert told(record, new) == []
    assert told(new, record) == []


def test_a_real_update_of_the_firmware(record: dict[str, Any]) -> None:
    new = to_record([simulated("esp8266", "E33", "pull")])
    found = told(record, new)
    assert any("udp.boundaries: level partial → full" in line for line in found)
    assert all("E2 2.1.0.0" in line and "→ E33" in line for line in found[:-1])
    assert found[-1].startswith("bg96 (")
    assert found[-1].endswith(") is no longer in the report")


def test_modules_of_one_name_are_paired_by_specification_then_in_order() -> None:
    def module(spec: str, firmware: str, kind: str = "simulated") -> dict[str, Any]:
        return {"spec": spec, "module": "esp", "firmware": firmware, "evidence": kind,
                "cells": [{"id": "x", "level": firmware, "limit": None, "outcome": "pass"}]}  # fmt: skip

    def report(*modules: dict[str, Any]) -> dict[str, Any]:
        return {"format": FORMAT, "catalogue": 1, "modules": list(modules)}

    old = report(module("a", "1"), module("b", "2"), module("c", "3"))
    new = report(module("c", "4"), module("d", "5"), module("a", "1", "measured"))
    assert told(old, new) == [
        "esp (3 → 4): x: level 3 → 4",
        "esp (2 → 5): x: level 2 → 5",
        "esp (1 → 1): evidence simulated → measured",
    ]
    assert told(report(), new)[0] == "esp (4) is new in the report"


def test_the_catalogue_may_have_grown(record: dict[str, Any]) -> None:
    old = copy.deepcopy(record)
    cells = old["modules"][1]["cells"]
    cells[0]["id"] = "tcp.was"
    found = told(old, record)
    assert [line.partition("): ")[2] for line in found] == [
        "tcp.connect is new in the catalogue",
        "tcp.was is no longer in the catalogue",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b'{"format": 1, "cata', "not JSON"),
        (b"[1]", "no capability report"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'"text"', "no capability report"),
        (b"{}", "no capability report"),
        (b'{"format": "1", "catalogue": 1}', "no capability report"),
        (b'{"format": 99, "catalogue": 1}', "of format 99, written by a newer atdriver"),
        (b'{"format": 0, "catalogue": 1}', "of format 0, written by an older atdriver"),
        (b'{"format": 1, "catalogue": 1}', "no capability report"),
        (b'{"format": 1, "catalogue": 1, "modules": 7}', r"no capability report.*\$\.modules"),
        (b'{"format": 1, "catalogue": 1, "modules": [{}]}', "no capability report.*`spec`"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_report_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(data)
