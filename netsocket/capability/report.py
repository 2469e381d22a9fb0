"""A matrix of claims: ids down, modules across. Claims come from manuals, nothing is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.model import Capability, CapabilityTable

TITLE: Final = "What each module's stack promises"
NOTICE: Final = "These are claims from the manuals; nothing here was measured on hardware."

_HTML: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1b1b; background: #fff; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid #bbb; padding: .4rem .6rem; text-align: left; vertical-align: top; }
thead th { background: #eee; }
tbody th { font-weight: normal; max-width: 22rem; }
code { font-weight: 600; }
.level { font-weight: 600; }
.full { background: #d8f0d8; } .emulated { background: #e3eefb; } .partial { background: #fdf1c7; }
.none { background: #f8d7d7; } .unknown { background: #ececec; }
.source { color: #444; font-size: .85rem; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p><strong>{{ notice }}</strong></p>
{% if evidence %}<p>{{ evidence }}</p>
{% endif -%}
<div class="scroll"><table>
<thead><tr><th scope="col">Promise</th>
{%- for table in tables %}<th scope="col">{{ table.module }}<br>{{ table.firmware }}</th>
{%- endfor %}</tr></thead>
<tbody>
{% for id, sentence in catalogue.items() -%}
<tr><th scope="row"><code>{{ id }}</code><br>{{ sentence }}</th>
{%- for table in tables %}{% set record = table[id] -%}
<td class="{{ record.level.value }}"><span class="level">{{ record.level.value }}</span>
{%- if record.limit is not none %} {{ record.limit }} {{ record.unit }}{% endif %}
{%- if record.because %}<br>{{ record.because }}{% endif %}
{%- if record.source %}<br><span class="source">{{ record.source }}</span>{% endif %}</td>
{%- endfor %}</tr>
{% endfor -%}
</tbody></table></div>
<h2>Levels</h2>
<ul>
<li><span class="level full">full</span>: as the operating system's own sockets do it</li>
<li><span class="level emulated">emulated</span>: the driver makes it so, at a cost it names</li>
<li><span class="level partial">partial</span>: kept only in part</li>
<li><span class="level none">none</span>: impossible, the call raises NotSupported</li>
<li><span class="level unknown">unknown</span>: nobody has found out yet</li>
</ul>
</body>
</html>
"""


def render_html(tables: Sequence[CapabilityTable], evidence: str = "") -> str:
    """One self-contained page. `evidence` is one sentence on what the tables are based on."""
    from jinja2 import Environment  # only here: it costs time at import

    environment = Environment(autoescape=True, keep_trailing_newline=True)
    return environment.from_string(_HTML).render(
        title=TITLE, notice=NOTICE, evidence=evidence, tables=tables, catalogue=CATALOGUE
    )


def render_markdown(tables: Sequence[CapabilityTable], evidence: str = "") -> str:
    """The same matrix as a Markdown table."""
    lines = [f"# {TITLE}", "", f"**{NOTICE}**", ""]
    if evidence:
        lines += [evidence, ""]
    heads = [f"{table.module} {table.firmware}".strip() for table in tables]
    lines.append("| Promise | " + " | ".join(_cell(head) for head in heads) + " |")
    lines.append("|---" * (len(tables) + 1) + "|")
    for id_, sentence in CATALOGUE.items():
        cells = [_claim(table[id_]) for table in tables]
        lines.append(f"| `{id_}` {_cell(sentence)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _claim(record: Capability) -> str:
    text = f"**{record.level.value}**"
    if record.limit is not None:
        text += f" {record.limit} {record.unit}".rstrip()
    if record.because:
        text += f": {_cell(record.because)}"
    if record.source is not None:
        text += f" ({_cell(str(record.source))})"
    return text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
