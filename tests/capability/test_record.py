"""The report's data and pages."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from typing import Any

import pytest

from netsocket.capability import CATALOGUE, CapabilityTable, Level, Measurement
from netsocket.capability.figures import ORIGIN, latency_text
from netsocket.capability.page import EVIDENCE, SIGNS, html, markdown
from netsocket.capability.performance import AT_LEAST, SIZES
from netsocket.capability.record import SCHEMA, to_record
from tests.capability.measured import host, simulated, with_figures

pytestmark = [pytest.mark.xdist_group("measured"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found = with_figures("bg96", "bg96", "")
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
    assert "://" not in page, "self-contained"
    assert "prefers-color-scheme: dark" in page
    assert page.count('<tr class="promise"') == len(CATALOGUE)
    assert len(re.findall(r"<td class=", page)) == 2 * len(CATALOGUE)
    for module in record["modules"]:
        assert f'{module["module"]}<br>\n<span class="small">{module["firmware"]}</span>' in page
    assert "evidence: simulated" in page
    assert "&gt; AT+QICLOSE=0,0" in page
    for level in {cell["level"] for module in record["modules"] for cell in module["cells"]}:
        assert f"{SIGNS[level]} {level}" in page
    assert '<p id="contradictions">None.</p>' in page
    text = markdown(record)
    assert all(f"| `{id_}` " in text for id_ in CATALOGUE)


def test_contradictions_changes_and_failures_are_shown(record: dict[str, Any]) -> None:
    new = copy.deepcopy(record)
    module = new["modules"][1]
    module["firmware"] = "newer<1>"
    cell = next(cell for cell in module["cells"] if cell["id"] == "tcp.half_close")
    cell.update(level="full", agrees=False)
    module["contradictions"] = ["tcp.half_close: claimed full, but <none>"]
    module["anomalies"] = {"noise": 3}
    new["failed"] = [{"spec": "esp8266:/dev/x", "error": "no such <port>"}]
    new["changes"] = ["level none → full"]
    page, text = html(new), markdown(new)
    assert "claimed full, but &lt;none&gt;" in page
    assert "newer&lt;1&gt;" in page
    assert "esp8266:/dev/x: not measured, no such &lt;port&gt;" in page
    assert "anomalies on the wire:\nnoise 3<" in page
    for told in ("claimed full, but <none>", "level none → full", "not measured, no such <port>",
                 "anomalies on the wire: noise 3"):  # fmt: skip
        assert told in text


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ({"level": Level.FULL}, "tcp.half_close: claimed full, but TCPSOCKET_HALF_CLOSE unsup"),
        ({"limit": 11}, "sockets.max: claimed 11 sockets, but 12 work"),
    ],
)
def test_a_contradiction_is_in_its_cell_and_in_the_list(lie: dict[str, Any], told: str) -> None:
    found = simulated("bg96", "bg96", "")
    id_ = told.partition(":")[0]
    claims = found.claims.with_changes(dataclasses.replace(found.claims[id_], **lie))
    record = to_record([dataclasses.replace(found, claims=claims)])
    (line,) = record["modules"][0]["contradictions"]
    assert line.startswith(told)
    assert [cell["id"] for cell in record["modules"][0]["cells"] if not cell["agrees"]] == [id_]
    page = html(record)
    assert page.count('class="small wrong"') == 1
    assert f"{line}</li>" in page.replace("&#39;", "'")
    assert line in markdown(record)


def test_every_cell_has_claim_source_and_measurement(record: dict[str, Any]) -> None:
    """On the page and in the text, too; what no probe judges says so."""
    page, text = html(record), markdown(record)
    for module in record["modules"]:
        assert module["date"]
        assert module["firmware"]
        for cell in module["cells"]:
            assert cell["source"], cell["id"]
            assert cell["probes"] or cell["outcome"] == "unjudged"
            for probe in cell["probes"]:
                assert probe["evidence"]
                assert probe["kind"] == module["evidence"]
                assert f"### {probe['name']} ({cell['id']})" in text
    cells = 2 * len(CATALOGUE)
    assert page.count("<strong>Claim</strong>: ") == page.count("<cite>") == cells
    probes = sum(len(cell["probes"]) for m in record["modules"] for cell in m["cells"])
    measured = re.findall(r"<br>\n\S+, [^,<]+, evidence: (?:simulated|measured),\n", page)
    assert len(measured) == probes


def test_figures_are_in_every_form_with_their_kind(record: dict[str, Any]) -> None:
    page, text = html(record), markdown(record)
    for module, place in zip(record["modules"], ("loopback", "model"), strict=True):
        figures = module["performance"]
        assert [one["name"] for one in figures["latency"]] == ["connect", "tcp", "udp"]
        assert len(figures["throughput"]) == 2 * len(SIZES)
        for one in (figures, *figures["latency"], *figures["throughput"]):
            assert (one["kind"], one["place"]) == (module["evidence"], place)
        for one in figures["latency"]:
            assert one["error"] == ""
            assert len(one["samples"]) >= AT_LEAST
            assert min(one["samples"]) <= one["median"] <= one["p95"] <= max(one["samples"])
            assert latency_text(one) in page
            assert f"{one['what']}: {latency_text(one)}" in text
        for one in figures["throughput"]:
            assert one["bytes"] >= AT_LEAST * one["size"]
            assert one["rate"] == pytest.approx(one["bytes"] / one["seconds"], rel=0.01)
    assert page.count('class="plot"') == 4
    assert page.count(">model, simulated: a fake, no hardware, no radio</text>") == 2
    assert page.count(">measured on this computer's loopback, no network</text>") == 2


@pytest.mark.parametrize(
    ("name", "kind", "near", "place"),
    [
        ("host", "measured", True, "loopback"),
        ("host", "measured", False, "network"),
        ("bg96", "measured", True, "hardware"),
        ("bg96", "measured", False, "hardware"),
        ("bg96", "simulated", True, "model"),
        ("host", "simulated", False, "model"),
    ],
)
def test_figures_are_called_what_they_are(name: str, kind: str, near: bool, place: str) -> None:
    found = Measurement(CapabilityTable(name, "1", []), [], kind, near=near)
    assert to_record([found])["modules"][0]["place"] == place
    assert place in ORIGIN
    assert place in EVIDENCE
    assert kind in ORIGIN[place]
    assert kind in EVIDENCE[place]


def test_figures_that_were_not_taken(record: dict[str, Any]) -> None:
    new = copy.deepcopy(record)
    new["modules"][0]["performance"] = None
    series = new["modules"][1]["performance"]["latency"][2]
    series.update(samples=[], median=None, p95=None, error="UDP is <forbidden>")
    assert conforms(new, SCHEMA)
    page, text = html(new), markdown(new)
    assert page.count('class="plot"') == 2
    assert "Not measured this time." in page
    assert "UDP round trip, 32 B: UDP is &lt;forbidden&gt;" in page
    assert "- UDP round trip, 32 B: UDP is <forbidden>" in text


def test_a_report_of_nothing_but_failures() -> None:
    assert "esp8266:x: not measured, gone" in html(to_record([], failed=[("esp8266:x", "gone")]))
