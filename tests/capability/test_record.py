"""The report's data and pages."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from netsocket.capability import CATALOGUE
from netsocket.capability.page import SIGNS, html, markdown
from netsocket.capability.record import SCHEMA, changes, to_record
from tests.capability.measured import host, simulated

pytestmark = pytest.mark.xdist_group("measured")


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found = simulated("bg96", "bg96", "")
    return to_record([host(), found], [{}, {"TCPSOCKET_ABORT": ["> AT+QICLOSE=0,0\\r"]}])


def conforms(value: Any, schema: Any) -> bool:
    """The keywords of JSON Schema that ours uses, and no other."""
    known = {"$schema", "title", "type", "required", "properties", "items", "enum", "const",
             "minimum"}  # fmt: skip
    assert set(schema) <= known, set(schema) - known
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
             "number": (int, float), "null": type(None)}  # fmt: skip
    wanted = schema.get("type", [])
    if wanted and not any(
        isinstance(value, kinds[kind])  # type: ignore[arg-type]
        for kind in ([wanted] if isinstance(wanted, str) else wanted)
    ):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(value, dict):
        if any(key not in value for key in schema.get("required", ())):
            return False
        inner = schema.get("properties", {})
        return all(conforms(item, inner[key]) for key, item in value.items() if key in inner)
    if isinstance(value, list) and "items" in schema:
        return all(conforms(item, schema["items"]) for item in value)
    return True


def test_data_conforms_to_the_schema(record: dict[str, Any]) -> None:
    again = json.loads(json.dumps(record))
    assert conforms(again, SCHEMA)
    again["modules"][0]["cells"][0]["level"] = "splendid"
    assert not conforms(again, SCHEMA)


def test_every_measurement_says_what_it_is_worth(record: dict[str, Any]) -> None:
    assert [module["evidence"] for module in record["modules"]] == ["measured", "simulated"]
    kinds = {
        probe["kind"] for cell in record["modules"][1]["cells"] for probe in cell["probes"]
    }  # fmt: skip
    assert kinds == {"simulated"}


def test_the_page_has_every_promise_sign_and_evidence(record: dict[str, Any]) -> None:
    page = html(record)
    assert "http" not in page, "self-contained"
    assert "prefers-color-scheme: dark" in page
    assert page.count('<tr class="promise"') == len(CATALOGUE)
    assert len(re.findall(r"<td class=", page)) == 2 * len(CATALOGUE)
    assert "evidence: simulated" in page
    assert "&gt; AT+QICLOSE=0,0" in page
    for level in {cell["level"] for module in record["modules"] for cell in module["cells"]}:
        assert f"{SIGNS[level]} {level}" in page
    assert '<p id="contradictions">None.</p>' in page
    text = markdown(record)
    assert all(f"| `{id_}` " in text for id_ in CATALOGUE)


def test_contradictions_and_changes_are_shown(record: dict[str, Any]) -> None:
    new = copy.deepcopy(record)
    module = new["modules"][1]
    module["firmware"] = "newer<1>"
    cell = next(cell for cell in module["cells"] if cell["id"] == "tcp.half_close")
    cell.update(level="full", agrees=False)
    module["contradictions"] = ["tcp.half_close: claimed full, but <none>"]
    new["changes"] = changes(record, new)
    assert len(new["changes"]) == 1
    assert new["changes"][0].endswith("tcp.half_close: level none → full")
    page = html(new)
    assert "claimed full, but &lt;none&gt;" in page
    assert "→ newer&lt;1&gt;" in page
    assert "level none → full" in markdown(new)
    with pytest.raises(ValueError, match="no capability report"):
        changes({"modules": 7}, new)
