"""`atdriver report`: the probes on several modules, and what they found as a page.

Everything measured on a fake is called simulated, in every record.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atdriver.channel import Channel
from atdriver.cli import output
from atdriver.cli.failure import FAILED, OK, Failure, Terminated, UsageProblem, note, sentence
from atdriver.cli.farend import reached, token_of
from atdriver.cli.options import Request
from atdriver.cli.session import assembled, opened, put_together, run, side_by_side
from atdriver.disguise import STAND_IN_FAR, STAND_IN_OWN, disguised_record
from atdriver.hosted import has_wire
from atdriver.modem import FAKE_LOOPBACK_6, FAKE_OPEN, Modem
from atdriver.specification import parse
from netsocket.capability import compare as comparison
from netsocket.capability import measure
from netsocket.capability.catalogue import CATALOGUE
from netsocket.capability.farend import FarEnd
from netsocket.capability.page import html, markdown
from netsocket.capability.record import SCHEMA, to_record
from netsocket.capability.verdict import PROBES

EXCERPT = 14
"""Lines of the wire shown for one probe."""
LONGEST = 160
"""Characters of one such line."""
JOINED = 4096
"""Characters of one before names in it are replaced."""
FORWARDED = (19_000, 19_032)
"""Ports of this computer that may be lent to a fake, below those that systems choose themselves."""
INTERRUPTED = "the command was ended before its turn was over"


class Wire:
    """The trace file, read on as it grows: what a probe did on the wire."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channel: Channel | None = None
        self.excerpts: dict[str, list[str]] = {}
        self._at = 0

    def take(self, result: measure.Result) -> None:
        """The lines since the last call belong to this probe. Raises Failure when the port has
        gone: what the probes would find from now on says nothing about the module."""
        if self.channel is None:
            return
        if not self.channel.reachable:
            raise Failure(f"the port went away during {result.probe}")
        self.channel.flush_trace()
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        found: list[str] = []
        for line in whole.splitlines():
            item: dict[str, Any] = json.loads(line)
            if item.get("dir") not in ("<", ">"):
                continue
            if item["dir"] == "<" and found and found[-1][0] == "<" and found[-1][-2:] != "\\n":
                found[-1] += item["data"]  # the rest of a line
            else:
                found.append(f"{item['dir']} {item['data']}")
            found[-1] = found[-1][:JOINED]
        if len(found) > EXCERPT:
            left_out = f"… {len(found) - EXCERPT} lines …"
            found = [*found[: EXCERPT // 2], left_out, *found[-EXCERPT // 2 :]]
        self.excerpts[result.probe] = found


@dataclass
class Candidate:
    """A module to measure. `modem` is None where only the port can tell what it is."""

    request: Request
    wire: Wire
    modem: Modem | None


@dataclass
class Findings:
    """What has been measured so far, and what could not be."""

    measurements: list[measure.Measurement] = field(default_factory=list)
    excerpts: list[dict[str, list[str]]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    """Addresses that say where this was measured, and what stands in for them."""
    networks: list[str] = field(default_factory=list)
    """WiFi networks that were joined."""
    identities: bool = False
    """Whether names and addresses may stay in the report."""

    @property
    def done(self) -> int:
        """Number of modules that had their turn."""
        return len(self.measurements) + len(self.failed)


def show(
    requests: Sequence[Request],
    out: Path,
    *,
    compare: Path | None,
    far_end: str,
    token: str | None,
    name: str | None,
    only: Sequence[str],
    open_ssid: str = "",
    identities: bool = False,
) -> int:
    """Measure every module and write the report; the status is 1 on a contradiction, and when a
    module could not be measured. An interrupted command leaves a report of what it has."""
    old = None if compare is None else _read(compare)
    _check(only, out)
    found = Findings(identities=identities)
    with tempfile.TemporaryDirectory() as folder:
        candidates = [
            _candidate(request, Path(folder) / str(number))
            for number, request in enumerate(side_by_side(requests))
        ]
        try:
            run(_measure_all(candidates, (far_end, token_of(token), name), only, found, open_ssid))
        except (KeyboardInterrupt, Terminated):
            found.failed += [(one.request.shown, INTERRUPTED) for one in candidates[found.done :]]
            _write(out, found, old)
            raise
    _write(out, found, old)
    wrong = any(measurement.contradictions() for measurement in found.measurements)
    return FAILED if wrong or found.failed else OK


def _check(only: Sequence[str], out: Path) -> None:
    """What is wrong with the arguments is told before the work. Raises UsageProblem."""
    known = {*CATALOGUE, *PROBES, measure.PERFORMANCE}
    for id_ in only:
        if id_ not in known:
            raise UsageProblem(f"--only {id_}: neither a promise nor a probe, nor performance")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageProblem(f"--out {out}: {error.strerror}") from error


def _read(compare: Path) -> comparison.Report:
    try:
        return comparison.read(compare.read_bytes())
    except OSError as error:
        raise UsageProblem(f"--compare {compare}: {error.strerror}") from error
    except ValueError as error:
        raise UsageProblem(f"--compare {compare}: {error}") from error


def _candidate(request: Request, trace: Path) -> Candidate:
    """Raises SpecificationError and UsageProblem, so that a mistype costs no measurement."""
    found = parse(request.spec)
    module = found.module
    if found.port == "fake" and found.settings.get("data") == "ppp":
        request = replace(request, settings={"forward": _forward(), **request.settings})
    if has_wire(module):
        request = replace(request, trace=trace)
    return Candidate(request, Wire(trace), None if module == "auto" else assembled(request))


def _forward() -> str:
    """Free ports of this computer that shall lead to the listeners of a fake's dialled host, which
    nothing else does: a fake's setting."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for port in range(*FORWARDED):
            with contextlib.suppress(OSError):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probe = held.enter_context(socket.socket(socket.AF_INET, kind))
                    probe.bind(("127.0.0.1", port))
                ports.append(port)
    return "+".join(f"{kind}:{port}" for port in ports for kind in ("tcp", "udp"))


async def _measure_all(
    candidates: Sequence[Candidate],
    far_end: tuple[str, str, str | None],
    only: Sequence[str],
    found: Findings,
    open_ssid: str,
) -> None:
    """One after the other; a module that cannot be measured costs the others nothing."""
    async with reached(*far_end) as far:
        for candidate in candidates:
            far.open_network = FAKE_OPEN if _in_process(candidate.request.spec) else open_ssid
            far.called_6 = _called_6(candidate)
            try:
                measurement = await _measured(candidate, far, only, found)
            except (OSError, Failure) as error:
                found.failed.append((candidate.request.shown, sentence(error)))
                note(f"{candidate.request.shown}: not measured: {sentence(error)}")
            else:
                found.measurements.append(measurement)
                found.excerpts.append(candidate.wire.excerpts)
                _tell(measurement)


async def _measured(
    candidate: Candidate, far: FarEnd, only: Sequence[str], findings: Findings
) -> measure.Measurement:
    """Against the far end, or the one that this stack alone can reach."""
    own = None if candidate.modem is None else candidate.modem.far_end
    if own is None:
        return await _measure(candidate, far, only, findings)
    async with own() as near:
        return await _measure(candidate, near, only, findings)


async def _measure(
    candidate: Candidate, far: FarEnd, only: Sequence[str], findings: Findings
) -> measure.Measurement:
    request, wire = candidate.request, candidate.wire
    modem = candidate.modem or await put_together(request)
    wire.channel = modem.channel
    kind = "simulated" if is_fake(request.spec.partition(":")[2]) else "measured"
    findings.networks += filter(None, [str(modem.settings.get("ssid", "")), far.open_network])
    async with opened(modem, request, attach=True) as net:
        for address, stand_in in ((net.ip_address, STAND_IN_OWN), (far.host, STAND_IN_FAR)):
            if address and not ipaddress.ip_address(address).is_loopback:
                findings.addresses[address] = stand_in
        found = await measure.run(net, far, kind=kind, only=only or None, progress=wire.take)
    found.spec = candidate.request.shown
    if modem.channel is not None:
        found.anomalies = dict(modem.channel.engine.anomalies)
    return found


def _called_6(candidate: Candidate) -> str:
    modem = candidate.modem
    mesh = modem is not None and modem.kind in ("thread", "lowpan")
    return FAKE_LOOPBACK_6 if mesh and _in_process(candidate.request.spec) else ""


def _in_process(specification: str) -> bool:
    return specification.partition(":")[2] == "fake"


def is_fake(port: str) -> bool:
    """In-process fakes, and those behind a pseudo terminal: hardware is never on one."""
    return port == "fake" or (bool(port) and str(Path(port).resolve()).startswith("/dev/pts/"))


def _tell(found: measure.Measurement) -> None:
    contradictions = found.contradictions()
    output.flushed(
        f"{found.spec}: {_counted(len(found.results), 'probe')}, "
        f"{_counted(len(contradictions), 'contradiction')}, {len(found.unknown())} unknown, "
        f"{_counted(sum(found.anomalies.values()), 'anomaly', 'anomalies')} "
        f"(evidence: {found.kind})"
    )
    for line in contradictions:
        note(f"{found.spec}: {line}")


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _write(out: Path, found: Findings, old: comparison.Report | None) -> None:
    """The report's files, unless there is nothing to report. Raises OSError."""
    if not found.measurements:
        return
    record = to_record(found.measurements, found.excerpts, found.failed)
    if not found.identities:
        record = disguised_record(record, found.addresses, found.networks)
    for module in record["modules"]:
        for probe in (probe for cell in module["cells"] for probe in cell["probes"]):
            probe["exchange"] = [
                text if len(text) <= LONGEST else text[:LONGEST] + "…" for text in probe["exchange"]
            ]
    if old is not None:
        record["changes"] = comparison.changes(old, record)
    write(out, record)
    output.line(f"report: {out / 'index.html'}")


def write(out: Path, record: dict[str, Any]) -> None:
    """index.html, report.md, report.json and its schema. Raises OSError."""
    # Names from the air may hold bytes that are no text.
    for name, text in (("index.html", html(record)), ("report.md", markdown(record))):
        (out / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    (out / "report.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (out / "report.schema.json").write_text(json.dumps(SCHEMA, indent=2) + "\n", encoding="utf-8")
