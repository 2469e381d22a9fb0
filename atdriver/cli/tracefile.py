"""`atdriver trace`: a recorded wire trace for people, or as the script of a replaying fake."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from atdriver.cli import output
from atdriver.cli.failure import Failure, UsageProblem, note

TOGETHER: Final = 0.03
"""Seconds within which pieces of one direction belong together: how a read is cut is chance."""
_ESCAPED: Final = re.compile(r"\\(r|n|x[0-9a-f]{2})")


@dataclass(slots=True)
class Record:
    """One record of a trace: seconds, direction (">", "<" or "!"), text as the trace shows it."""

    time: float
    direction: str
    shown: str


def read(path: Path) -> Iterator[Record]:
    """The records of a trace, gzipped or not. Raises Failure naming the line."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            for line in gzip.GzipFile(fileobj=raw) if packed else raw:
                number += 1
                item = json.loads(line)
                record = Record(float(item["t"]), item["dir"], item["data"])
                if record.direction not in (">", "<", "!") or not isinstance(record.shown, str):
                    raise ValueError
                yield record
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    except (EOFError, KeyError, TypeError, ValueError) as error:
        raise Failure(f"{path}, line {max(number, 1)}: this is no record of a trace") from error


def show(path: Path) -> None:
    """Print a trace: seconds, direction (> to the module), text. Raises Failure."""
    for record in read(path):
        output.line(f"{record.time:10.3f} {record.direction} {record.shown}")


def convert(path: Path, target: Path, varying: Sequence[str]) -> None:
    """Write the script.

    Args:
        path: the trace.
        target: the script's file.
        varying: regular expressions on what the host sent, as the trace shows it; what their
            groups match may be anything in a replay.

    Raises:
        Failure: no trace, or the target cannot be written.
        UsageProblem: no regular expression.
    """
    try:
        patterns = [re.compile(each) for each in varying]
    except re.error as error:
        raise UsageProblem(f"--any {error.pattern!r}: no regular expression: {error}") from None
    entries: list[tuple[str, str, float]] = []
    last = 0.0
    for record in read(path):
        gap = max(0.0, record.time - last)
        if record.direction == "!":
            continue
        whose = "host" if record.direction == ">" else "module"
        if entries and entries[-1][0] == whose and (whose == "host" or gap < TOGETHER):
            entries[-1] = (whose, entries[-1][1] + record.shown, entries[-1][2])
        else:
            entries.append((whose, record.shown, gap))
        last = record.time
    if not entries:
        raise Failure(f"{path}: nothing passed over the wire in this trace")
    lines = ["modem: replay", f"recorded: {json.dumps(path.name)}", "script:"]
    for whose, shown, gap in entries:
        text, was = _loosened(shown, patterns if whose == "host" else ())
        lines.append(f"  - {whose}: {_quoted(text)}")
        if any(was):
            lines.append(f"    was: [{', '.join(map(_quoted, was))}]")
        if whose == "module" and gap >= 0.001:
            lines.append(f"    after: {gap:.3f}")
    try:
        target.write_text("\n".join(lines) + "\n", encoding="ascii")
    except OSError as error:
        raise Failure(f"{target}: {error.strerror}") from error
    note(f"{target}: {len(entries)} entries; atdriver fake replay --scenario {target}")


def _loosened(shown: str, patterns: Sequence[re.Pattern[str]]) -> tuple[str, list[str]]:
    """The text with `***` for every group of a match, and what each `***` in it was."""
    spans = sorted(
        match.span(group)
        for pattern in patterns
        for match in pattern.finditer(shown)
        for group in range(1, pattern.groups + 1)
        if match[group]
    )
    was: list[str] = []
    text, at = "", 0
    for start, end in spans:
        if start < at:
            continue
        text += shown[at:start]
        was += [""] * (text.count("***") - len(was))  # secrets before it
        text += "***"
        was.append(shown[start:end])
        at = end
    return text + shown[at:], was


def _quoted(shown: str) -> str:
    """What a trace shows as a YAML string; a JSON one is one, a character below 256 is a byte."""
    return json.dumps(_ESCAPED.sub(_byte, shown))


def _byte(match: re.Match[str]) -> str:
    code = match[1]
    return {"r": "\r", "n": "\n"}.get(code) or chr(int(code[1:], 16))
