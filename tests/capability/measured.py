"""Measurements that several tests read: each module once per process.

Tests that read them are of the group `measured`, which a run in several processes keeps in one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from atdriver import resync
from hil.results import FOLDER, contributed
from netsocket.capability import CATALOGUE, FarEnd, Measurement, run
from netsocket.capability.report import render_markdown
from netsocket.hoststack import HostStack
from tests.drivers.rig import assemble, opened

UNKNOWN_NAME = "nosuch.invalid"
NAMES = {"esp8266": "srv", "bg96": "srv"}
OPEN_DEFECTS: dict[str, set[str]] = {}
"""Promises that a driver breaks though its module could keep them: claims stay as the manual has
them. Empty an entry when the driver is mended."""
NOT_JUDGED: set[str] = set()
"""Promises without a probe."""
SEVERAL = ("several.example", ("127.0.0.1", "127.0.0.2", "127.0.0.3"))
MODULES = [
    ("esp8266", "N17", "pull"),
    ("esp8266", "E2", "pull"),
    ("esp8266", "E24", "pull"),
    ("esp8266", "E33", "pull"),
    ("esp8266", "E24", "push"),
    ("bg96", "bg96", ""),
]


def far_end(module: str) -> FarEnd:
    far = FarEnd(name=NAMES.get(module, "localhost"), unknown_name=UNKNOWN_NAME)
    far.open_network = "cafe"
    far.several = (SEVERAL[0], frozenset(SEVERAL[1]))
    return far


def settings(receive: str) -> dict[str, Any]:
    return {"receive": receive} if receive else {}


@functools.cache
def host() -> Measurement:
    """The host; the names that would leave this computer are answered here."""
    real = socket.getaddrinfo

    def answer(name: Any, *arguments: Any, **more: Any) -> Any:
        if name == UNKNOWN_NAME:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if name == SEVERAL[0]:
            return [found for each in SEVERAL[1] for found in real(each, *arguments, **more)]
        return real(name, *arguments, **more)

    async def measure() -> Measurement:
        async with far_end("host") as far:
            return await run(HostStack(), far)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", answer)
        return asyncio.run(measure())


@functools.cache
def _simulated() -> dict[tuple[str, str, str], Measurement]:
    async def measure(module: str, firmware: str, receive: str) -> Measurement:
        async with (
            far_end(module) as far,
            opened(module, firmware, **settings(receive)) as rig,
        ):
            return await run(rig.net, far, kind="simulated", only=CATALOGUE)

    async def measure_all() -> list[Measurement]:  # most of it is waiting
        return list(await asyncio.gather(*(measure(*each) for each in MODULES)))

    with pytest.MonkeyPatch.context() as patch:
        # In memory nothing is late: what comes and goes up and down needs no such silence.
        patch.setattr(resync, "QUIET", 0.02)
        return dict(zip(MODULES, asyncio.run(measure_all()), strict=True))


def simulated(module: str, firmware: str, receive: str) -> Measurement:
    """Without figures: they would be of no use while all share a processor."""
    return _simulated()[module, firmware, receive]


@functools.cache
def with_figures(module: str, firmware: str, receive: str) -> Measurement:
    async def measure() -> Measurement:
        async with far_end(module) as far, opened(module, firmware, **settings(receive)) as rig:
            return await run(rig.net, far, kind="simulated", only=["performance"])

    figures = asyncio.run(measure()).performance
    return dataclasses.replace(simulated(module, firmware, receive), performance=figures)


def surprises(found: Measurement) -> list[str]:
    """Contradictions that are not known defects."""
    known = OPEN_DEFECTS.get(found.claims.module, set())
    return [line for line in found.contradictions() if line.partition(":")[0] not in known]


def claims(module: str, firmware: str, receive: str) -> Any:
    """The table before the module was asked anything."""
    return assemble(module, firmware, **settings(receive)).stack.capabilities


def comparison(folder: Path = FOLDER) -> str:
    """The text of docs/modules.md: claims, and below them what was contributed in `folder`."""
    shown = [("esp8266", "N17", "pull"), ("esp8266", "E24", "pull"), ("esp8266", "E33", "pull"),
             ("bg96", "bg96", "")]  # fmt: skip
    tables = [simulated(*each).claims for each in shown]
    text = render_markdown(
        tables,
        "Firmware versions are those of the simulated modules. Measure your own module with "
        "`pytest hil --port SPEC --far-end HOST` and send the result (see [hil.md](hil.md)).",
    )
    return text + contributions(folder)


def contributions(folder: Path) -> str:
    """Measured results of real modules as a section; "" while there are none."""
    modules = [module for _, record in contributed(folder) for module in record["modules"]]
    if not modules:
        return ""
    lines = [
        "",
        "# Measured on hardware",
        "",
        "Contributed runs of every probe on real modules (`hil/results`); all else on this page are "
        "claims.",
        "",
        "| Module | Firmware | Date | Promises kept / in part / not / refused / not judged | "
        "Contradictions to the claims |",
        "|---|---|---|---|---|",
    ]
    for module in modules:
        counts = Counter(cell["outcome"] for cell in module["cells"])
        kinds = ("pass", "partial", "fail", "unsupported", "unjudged")
        wrong = [line.partition(":")[0] for line in module["contradictions"]]
        shown = ", ".join(f"`{id_}`" for id_ in wrong) or "none"
        row = (module["module"], module["firmware"], module["date"],
               " / ".join(str(counts[kind]) for kind in kinds), shown)  # fmt: skip
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in row) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path("docs/modules.md").write_text(comparison(), encoding="utf-8")
