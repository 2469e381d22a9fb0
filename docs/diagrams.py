"""Draws the state machines into docs/architecture.md from the machines themselves.

`python -m docs.diagrams` rewrites them; a test fails when the page differs from the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from transitions import Machine

from atdriver.lifecycle import CHANNEL_MACHINE
from atdriver.ppp.phases import PHASE_MACHINE
from modems.lifecycle import MODULE_MACHINE
from modems.recovery import LADDERS, Rung
from netsocket.lifecycle import MACHINE as SOCKET_MACHINE

PAGE = Path(__file__).with_name("architecture.md")
MACHINES = {
    "channel": CHANNEL_MACHINE,
    "module": MODULE_MACHINE,
    "socket": SOCKET_MACHINE,
    "ppp": PHASE_MACHINE,
}


def diagram(machine: Machine) -> str:
    """The machine as a mermaid state diagram; parallel arrows share one label."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for name, event in machine.events.items():
        for source, transitions in event.transitions.items():
            for transition in transitions:
                target = transition.dest if transition.dest is not None else source
                arrows.setdefault((_name(source), _name(target)), []).append(name)
    lines = ["stateDiagram-v2", f"    [*] --> {_name(machine.initial)}"]
    for (source, target), labels in sorted(arrows.items()):
        lines.append(f"    {source} --> {target}: {', '.join(sorted(set(labels)))}")
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def ladders() -> str:
    """What is done about each trouble, as a mermaid flow chart: how often, within how long."""
    lines = ["flowchart LR"]
    for trouble, steps in LADDERS.items():
        lines.append(f"    subgraph {trouble.name} [{trouble.value}]")
        lines.append("        direction LR")
        names = [f"{trouble.name}{number}" for number in range(len(steps))]
        for name, step in zip(names, steps, strict=True):
            times = "again and again" if step.times is None else f"{step.times} ×"
            within = f" in {step.seconds:g} s" if step.seconds else ""
            lines.append(f'        {name}["{step.rung.value}: {times}{within}"]')
        if steps[-1].rung is not Rung.FAILED:
            names.append(f"{trouble.name}{len(steps)}")
            lines.append(f'        {names[-1]}["{Rung.FAILED.value}, for good"]')
        lines.append("        " + " --> ".join(names))
        lines.append("    end")
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _between(drawn: str) -> Callable[[re.Match[str]], str]:
    return lambda match: match[1] + drawn + match[2]


def _name(state: object) -> str:
    return state.name if isinstance(state, Enum) else str(state)


def page(text: str) -> str:
    """The page with every diagram redrawn between its marks."""
    drawn = {name: diagram(machine) for name, machine in MACHINES.items()}
    for name, picture in {**drawn, "ladders": ladders()}.items():
        mark = re.compile(rf"(<!-- diagram: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = mark.subn(_between(picture), text)
        if count != 1:
            raise SystemExit(f"{PAGE.name}: {count} places for the diagram {name!r}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
