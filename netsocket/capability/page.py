"""The measured report as one self-contained page and as Markdown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.figures import by_size, latency_text, plots, problems, throughput_text
from netsocket.capability.overview import Limit, Row, overview
from netsocket.capability.record import groups

SIGNS: Final = {"full": "●", "emulated": "◐", "partial": "◔", "none": "○", "unknown": "?"}
"""One sign per level: nobody depends on colour."""
LEVELS: Final = {
    "full": "as the operating system's own sockets do it",
    "emulated": "the driver makes it so, at a cost that the claim names",
    "partial": "kept only in part",
    "none": "impossible, or not offered",
    "unknown": "nobody has found out yet",
}
OUTCOMES: Final = {
    "pass": "✓ kept",
    "partial": "≈ kept in part",
    "fail": "✗ not kept",
    "unsupported": "– refused",
    "unjudged": "· not judged here",
}
EVIDENCE: Final = {
    "model": "evidence: simulated (a fake; nothing here was measured on hardware, its speed is a "
    "model)",
    "loopback": "evidence: measured (on this computer's loopback, through no network)",
    "network": "evidence: measured (on this computer, through its network)",
    "hardware": "evidence: measured (on hardware)",
}
"""What a column is worth, by the record's `place`."""


def html(record: Mapping[str, Any]) -> str:
    """One page without any reference to another; `record` is of `to_record`."""
    from jinja2 import Environment  # only here: it costs time at import
    from markupsafe import Markup

    environment = Environment(autoescape=True, keep_trailing_newline=True)
    template = files("netsocket.capability").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        policy=_policy(template),
        modules=record["modules"],
        failed=record["failed"],
        cells=_cells(record),
        contradictions=_contradictions(record),
        changes=record.get("changes"),
        overview=overview(record),
        groups=groups(),
        catalogue=CATALOGUE,
        signs=SIGNS,
        levels=LEVELS,
        outcomes=OUTCOMES,
        evidence=EVIDENCE,
        plots=[pair and [Markup(svg) for svg in pair] for pair in plots(record)],
        problems=problems,
    )


def _policy(template: str) -> str:
    """Nothing from outside, and no script but the template's own: what a module said is quoted in
    the page, and an escape that were forgotten should still do nothing."""
    script = template.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def markdown(record: Mapping[str, Any]) -> str:
    """The same as text."""
    lines = ["# What each module's stack keeps of the Socket API", ""]
    for module in record["modules"]:
        anomalies = ", ".join(f"{reason} {n}" for reason, n in module["anomalies"].items())
        lines.append(
            f"- **{module['module']}** {module['firmware']} ({module['spec']}), {module['date']}, "
            f"{EVIDENCE[module['place']]}; anomalies on the wire: {anomalies or 'none'}"
        )
    lines += [f"- {one['spec']}: not measured, {one['error']}" for one in record["failed"]]
    lines += ["", "## The stacks", "", *_overview(overview(record))]
    lines += ["", "## Contradictions between claim and measurement", ""]
    lines += [f"- {line}" for line in _contradictions(record)] or ["None."]
    if record.get("changes") is not None:
        lines += ["", "## Changed since the older report", ""]
        lines += [f"- {line}" for line in record["changes"]] or ["Nothing."]
    cells = _cells(record)
    heads = " | ".join(
        f"{m['module']} {m['firmware']} ({m['evidence']})" for m in record["modules"]
    )
    for group, ids in groups().items():
        lines += ["", f"## {group}", "", f"| Promise | {heads} |"]
        lines.append("|---" * (len(cells) + 1) + "|")
        for id_ in ids:
            row = " | ".join(_cell(module[id_]) for module in cells)
            lines.append(f"| `{id_}` {CATALOGUE[id_]} | {row} |")
    for module in record["modules"]:
        lines += _figures(module)
    for module in record["modules"]:
        lines += _evidence(module)
    return "\n".join(lines) + "\n"


def _overview(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| Stack | Network | Protocols | Numbers | Good for | Limits |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"**{row.module}** {row.firmware} ({row.evidence})"
        cells = (
            f"{name}: {row.stack}" if row.stack else name,
            row.medium,
            ", ".join(f"{name} {OUTCOMES[outcome]}" for name, outcome in row.protocols),
            "; ".join(row.numbers),
            "; ".join(f"{use} {OUTCOMES[outcome]}" for use, outcome in row.uses)
            or "nothing that was tried",
            "; ".join([*map(_limit, row.limits), *([f"{row.more} more"] if row.more else [])])
            or "none found",
        )
        lines.append(f"| {' | '.join(map(_plain, cells))} |")
    return lines


def _limit(limit: Limit) -> str:
    text = f"{limit.id} {limit.level}"
    return f"{text}: {limit.because}" if limit.because else text


def _cell(cell: Mapping[str, Any]) -> str:
    text = f"{SIGNS[cell['level']]} **{cell['level']}**"
    if cell["limit"] is not None:
        text += f" {cell['limit']} {cell['unit']}"
    text += f", {OUTCOMES[cell['outcome']]}"
    if cell["because"]:
        text += f": {cell['because']}"
    if cell["source"]:
        text += f" ({cell['source']})"
    return _plain(text)


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _figures(module: Mapping[str, Any]) -> list[str]:
    """Latency and throughput of one module, in words."""
    head = f"## Latency and throughput: {module['module']} {module['firmware']}"
    lines = ["", head, "", f"{module['date']}, {EVIDENCE[module['place']]}.", ""]
    figures = module["performance"]
    if figures is None:
        return [*lines, "Not measured this time."]
    lines += [f"- {one['what']}: {latency_text(one)}" for one in figures["latency"]]
    for size, both in by_size(figures).items():
        lines.append(f"- {size} B a call: {', '.join(map(throughput_text, both))}")
    return lines + [f"- {line}" for line in problems(figures)]


def _evidence(module: Mapping[str, Any]) -> list[str]:
    """What each probe of one module found, with the exchange that shows it."""
    lines = ["", f"## Evidence: {module['module']} {module['firmware']}", ""]
    lines.append(f"{module['date']}, {EVIDENCE[module['place']]}.")
    for cell in module["cells"]:
        for probe in cell["probes"]:
            lines += ["", f"### {probe['name']} ({cell['id']})", ""]
            lines.append(
                f"{OUTCOMES[probe['outcome']]}; {_plain(probe['evidence'])} ({module['date']}, "
                f"{module['firmware']}, evidence: {probe['kind']}, {probe['seconds']:.2f} s)"
            )
            if probe["exchange"]:
                lines += ["", *(f"    {line}" for line in probe["exchange"])]
    return lines


def _cells(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{cell["id"]: cell for cell in module["cells"]} for module in record["modules"]]


def _contradictions(record: Mapping[str, Any]) -> list[str]:
    return [
        f"{module['module']} {module['firmware']}: {line}"
        for module in record["modules"]
        for line in module["contradictions"]
    ]
