"""The measured report as one self-contained page and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.record import groups

SIGNS: Final = {"full": "●", "emulated": "◐", "partial": "◔", "none": "○", "unknown": "?"}
"""One sign per level: nobody depends on colour."""
OUTCOMES: Final = {
    "pass": "✓ kept",
    "partial": "≈ kept in part",
    "fail": "✗ not kept",
    "unsupported": "– refused",
    "unjudged": "· not judged here",
}
EVIDENCE: Final = {
    "simulated": "evidence: simulated (a fake; nothing here was measured on hardware)",
    "measured": "evidence: measured",
}

_HTML: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What each module's stack keeps of the Socket API</title>
<style>
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #bbb; --head: #eee;
  --full: #d8f0d8; --emulated: #e3eefb; --partial: #fdf1c7; --none: #f8d7d7; --unknown: #ececec;
  --wrong: #b00020; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --paper: #161616; --line: #555;
  --head: #262626; --full: #17381c; --emulated: #173049; --partial: #45390c; --none: #4a1b1f;
  --unknown: #333; --wrong: #ff8090; } }
body { font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem; color: var(--ink);
  background: var(--paper); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .35rem .55rem; text-align: left;
  vertical-align: top; }
thead th { background: var(--head); }
tbody th { font-weight: normal; max-width: 22rem; }
code { font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8rem; margin: .3rem 0; }
.full { background: var(--full); } .emulated { background: var(--emulated); }
.partial { background: var(--partial); } .none { background: var(--none); }
.unknown { background: var(--unknown); }
.level { font-weight: 600; } .small { font-size: .85rem; } .wrong { color: var(--wrong);
  font-weight: 600; }
.group th { background: var(--head); font-weight: 600; }
form { margin: 1rem 0; display: flex; flex-wrap: wrap; gap: .8rem; }
@media (max-width: 40rem) { body { margin: .6rem; font-size: 15px; }
  tbody th { min-width: 9rem; } td { min-width: 8rem; } }
</style>
</head>
<body>
<h1>What each module's stack keeps of the Socket API</h1>
<ul>
{% for module in modules -%}
<li><strong>{{ module.module }}</strong> {{ module.firmware }} ({{ module.spec }}),
{{ module.date }}, {{ evidence[module.evidence] }}
{%- if module.anomalies %}; anomalies on the wire:
{%- for reason, count in module.anomalies.items() %} {{ reason }} {{ count }}{% endfor %}
{%- endif %}</li>
{% endfor -%}
</ul>
<h2>Contradictions between claim and measurement</h2>
{% if contradictions %}<ul class="wrong" id="contradictions">
{% for line in contradictions %}<li>{{ line }}</li>
{% endfor %}</ul>{% else %}<p id="contradictions">None.</p>{% endif %}
{% if changes is not none %}<h2>Changed since the older report</h2>
<ul id="changes">{% for line in changes %}<li>{{ line }}</li>
{% else %}<li>Nothing.</li>{% endfor %}</ul>{% endif %}
<form onsubmit="return false">
<label>Search <input id="text" type="search" autocomplete="off"></label>
<label>Group <select id="group"><option value="">all</option>
{%- for name in groups %}<option>{{ name }}</option>{% endfor %}</select></label>
<label>Level <select id="level"><option value="">all</option>
{%- for name in signs %}<option>{{ name }}</option>{% endfor %}</select></label>
<label><input id="differ" type="checkbox"> only where modules differ</label>
<output id="shown"></output>
</form>
<div class="scroll"><table id="matrix">
<thead><tr><th scope="col">Promise</th>
{%- for module in modules %}<th scope="col">{{ module.module }}<br>
<span class="small">{{ module.evidence }}</span></th>{% endfor %}</tr></thead>
{% for group, ids in groups.items() -%}
<tbody data-group="{{ group }}">
<tr class="group"><th colspan="{{ modules | length + 1 }}" scope="rowgroup">{{ group }}</th></tr>
{% for id in ids -%}
<tr class="promise" data-id="{{ id }}"><th scope="row"><code>{{ id }}</code><br>
<span class="small">{{ catalogue[id] }}</span></th>
{%- for module in modules %}{% set cell = cells[loop.index0][id] %}
<td class="{{ cell.level }}" data-level="{{ cell.level }}"><details>
<summary><span class="level">{{ signs[cell.level] }} {{ cell.level }}</span>
{%- if cell.limit is not none %} {{ cell.limit }} {{ cell.unit }}{% endif %}
<span class="small{% if not cell.agrees %} wrong{% endif %}">
{{- outcomes[cell.outcome] }}</span></summary>
<div class="small">Claim: {{ cell.because or cell.level }}
{%- if cell.source %} ({{ cell.source }}){% endif %}<br>
{%- for probe in cell.probes %}
{{ probe.name }}: {{ outcomes[probe.outcome] }}; {{ probe.evidence }}
({{ module.date }}, {{ module.firmware }}, evidence: {{ probe.kind }},
{{ "%.2f" | format(probe.seconds) }} s)
{%- if probe.exchange %}<pre>{{ probe.exchange | join("\n") }}</pre>{% else %}<br>{% endif %}
{%- else %}No probe judges this.{% endfor %}</div></details></td>
{%- endfor %}</tr>
{% endfor -%}
</tbody>
{% endfor -%}
</table></div>
<h2>Levels</h2>
<ul>
<li>{{ signs.full }} full: as the operating system's own sockets do it</li>
<li>{{ signs.emulated }} emulated: the driver makes it so, at a cost that the claim names</li>
<li>{{ signs.partial }} partial: kept only in part</li>
<li>{{ signs.none }} none: impossible, or not offered</li>
<li>{{ signs.unknown }} unknown: nobody has found out yet</li>
</ul>
<script>
"use strict";
const text = document.getElementById("text"), group = document.getElementById("group"),
  level = document.getElementById("level"), differ = document.getElementById("differ");
function filter() {
  const wanted = text.value.trim().toLowerCase();
  let count = 0;
  for (const body of document.querySelectorAll("#matrix tbody")) {
    let here = 0;
    for (const row of body.querySelectorAll("tr.promise")) {
      const levels = [...row.querySelectorAll("td")].map(cell => cell.dataset.level);
      const show = (!group.value || group.value === body.dataset.group)
        && (!level.value || levels.includes(level.value))
        && (!differ.checked || new Set(levels).size > 1)
        && row.textContent.toLowerCase().includes(wanted);
      row.hidden = !show;
      here += show ? 1 : 0;
    }
    body.hidden = !here;
    count += here;
  }
  document.getElementById("shown").textContent = count + " promises";
}
for (const control of [text, group, level, differ]) control.addEventListener("input", filter);
filter();
</script>
</body>
</html>
"""


def html(record: Mapping[str, Any]) -> str:
    """One page without any reference to another; `record` is of `to_record`."""
    from jinja2 import Environment  # only here: it costs time at import

    environment = Environment(autoescape=True, keep_trailing_newline=True)
    return environment.from_string(_HTML).render(
        modules=record["modules"],
        cells=_cells(record),
        contradictions=_contradictions(record),
        changes=record.get("changes"),
        groups=groups(),
        catalogue=CATALOGUE,
        signs=SIGNS,
        outcomes=OUTCOMES,
        evidence=EVIDENCE,
    )


def markdown(record: Mapping[str, Any]) -> str:
    """The same matrix as text."""
    lines = ["# What each module's stack keeps of the Socket API", ""]
    for module in record["modules"]:
        lines.append(
            f"- **{module['module']}** {module['firmware']} ({module['spec']}), {module['date']}, "
            f"{EVIDENCE[module['evidence']]}"
        )
    lines += ["", "## Contradictions between claim and measurement", ""]
    lines += [f"- {line}" for line in _contradictions(record)] or ["None."]
    if record.get("changes") is not None:
        lines += ["", "## Changed since the older report", ""]
        lines += [f"- {line}" for line in record["changes"]] or ["Nothing."]
    cells = _cells(record)
    for group, ids in groups().items():
        heads = " | ".join(f"{m['module']} ({m['evidence']})" for m in record["modules"])
        lines += ["", f"## {group}", "", f"| Promise | {heads} |"]
        lines.append("|---" * (len(cells) + 1) + "|")
        for id_ in ids:
            row = " | ".join(_cell(module[id_]) for module in cells)
            lines.append(f"| `{id_}` {CATALOGUE[id_]} | {row} |")
    return "\n".join(lines) + "\n"


def _cell(cell: Mapping[str, Any]) -> str:
    text = f"{SIGNS[cell['level']]} **{cell['level']}**"
    if cell["limit"] is not None:
        text += f" {cell['limit']} {cell['unit']}"
    text += f", {OUTCOMES[cell['outcome']]}"
    if cell["because"]:
        text += f": {cell['because']}"
    if cell["source"]:
        text += f" ({cell['source']})"
    return text.replace("|", "\\|").replace("\n", " ")


def _cells(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{cell["id"]: cell for cell in module["cells"]} for module in record["modules"]]


def _contradictions(record: Mapping[str, Any]) -> list[str]:
    return [
        f"{module['module']}: {line}"
        for module in record["modules"]
        for line in module["contradictions"]
    ]
