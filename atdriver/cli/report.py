"""`atdriver report`: the probes on several modules, and what they found as a page.

Everything measured on a fake is called simulated, in every record.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from atdriver.channel import Channel
from atdriver.cli import output
from atdriver.cli.failure import FAILED, OK, UsageProblem, note
from atdriver.cli.farend import reached, token_of
from atdriver.cli.options import Request
from atdriver.cli.session import opened, put_together, run
from netsocket.capability import measure
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.page import html, markdown
from netsocket.capability.record import SCHEMA, changes, to_record
from netsocket.capability.verdict import PROBES

EXCERPT = 14
"""Lines of the wire shown for one probe."""


class Wire:
    """The trace file, read on as it grows: what a probe did on the wire."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channel: Channel | None = None
        self.excerpts: dict[str, list[str]] = {}
        self._at = 0

    def take(self, result: measure.Result) -> None:
        """The lines since the last call belong to this probe."""
        trace = self.channel._trace if self.channel is not None else None
        if trace is None or not self.path.exists():
            return
        trace._out.flush()  # the trace has no call of its own for a reader beside it
        with self.path.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        found = []
        for line in whole.splitlines():
            item: dict[str, Any] = json.loads(line)
            if item.get("dir") in ("<", ">"):
                found.append(f"{item['dir']} {item['data']}"[:160])
        if len(found) > EXCERPT:
            found = [*found[: EXCERPT // 2], "…", *found[-EXCERPT // 2 :]]
        self.excerpts[result.probe] = found


def show(
    requests: Sequence[Request],
    out: Path,
    *,
    compare: Path | None,
    far_end: str,
    token: str | None,
    name: str | None,
    only: Sequence[str],
) -> int:
    """Measure every module and write the report; the status is 1 on a contradiction."""
    old = _read(compare)
    known = {*CATALOGUE, *PROBES}
    strangers = [id_ for id_ in only if id_ not in known]
    if strangers:
        raise UsageProblem(f"--only {strangers[0]}: neither a promise nor a probe")
    token = token_of(token)
    out.mkdir(parents=True, exist_ok=True)  # a wrong --out is told before the work, not after
    found, wires = [], []
    for request in requests:
        measurement, excerpts = run(_measure(request, (far_end, token, name), only))
        found.append(measurement)
        wires.append(excerpts)
    record = to_record(found, wires)
    if old is not None:
        try:
            record["changes"] = changes(old, record)
        except ValueError as error:
            raise UsageProblem(f"--compare {compare}: {error}") from error
    write(out, record)
    return _summary(found, out)


async def _measure(
    request: Request, far_end: tuple[str, str, str | None], only: Sequence[str]
) -> tuple[measure.Measurement, dict[str, list[str]]]:
    host = request.spec == "host"
    kind = "simulated" if _is_fake(request.spec.partition(":")[2]) else "measured"
    with tempfile.TemporaryDirectory() as folder:
        wire = Wire(Path(folder) / "trace")
        if not host and request.trace is None:
            request = replace(request, trace=wire.path)
        elif request.trace is not None:
            wire.path = request.trace
        modem = await put_together(request)
        wire.channel = getattr(modem.stack, "channel", None)
        async with (
            reached(*far_end) as far,
            opened(modem, request, attach=True) as net,
        ):
            found = await measure.run(
                net, far, kind=kind, only=only or None, progress=wire.take
            )  # fmt: skip
        head, _, port = request.spec.partition(":")
        module = head.partition(",")[0]  # settings may be secrets
        found.spec = f"{module}:{port}" if port else module
        if wire.channel is not None:
            found.anomalies = dict(wire.channel.engine.anomalies)
        return found, wire.excerpts


def _is_fake(port: str) -> bool:
    """In-process fakes, and those behind a pseudo terminal: hardware is never on one."""
    return port == "fake" or (bool(port) and str(Path(port).resolve()).startswith("/dev/pts/"))


def _read(compare: Path | None) -> Any:
    if compare is None:
        return None
    try:
        return json.loads(compare.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageProblem(f"--compare {compare}: not JSON ({error})") from error


def write(out: Path, record: dict[str, Any]) -> None:
    """index.html, report.md, report.json and its schema. Raises OSError."""
    (out / "index.html").write_text(html(record), encoding="utf-8")
    (out / "report.md").write_text(markdown(record), encoding="utf-8")
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (out / "report.schema.json").write_text(json.dumps(SCHEMA, indent=2) + "\n", encoding="utf-8")


def _summary(found: Sequence[measure.Measurement], out: Path) -> int:
    wrong = 0
    for measurement in found:
        contradictions, unknown = measurement.contradictions(), measurement.unknown()
        wrong += len(contradictions)
        output.line(
            f"{measurement.spec}: {len(measurement.results)} probes, "
            f"{len(contradictions)} contradictions, {len(unknown)} unknown "
            f"(evidence: {measurement.kind})"
        )
        for line in contradictions:
            note(f"{measurement.spec}: {line}")
    output.line(f"report: {out / 'index.html'}")
    return FAILED if wrong else OK
