"""J02: names from the air, and whatever a module says, neither act on a terminal nor in a page."""

from __future__ import annotations

import json
import logging
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from atdriver.cli import failure, main, output
from atdriver.cli.ask import scan
from atdriver.cli.options import Request
from atdriver.cli.report import write
from atdriver.trace import Trace
from netsocket.capability.measure import Measurement, Result
from netsocket.capability.record import to_record
from netsocket.capability.verdict import Outcome
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.stack import AccessPoint

NASTY = (
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31m",
    "\x9b31m",
    "\x90q\x9c",
    "a\rb",
    "\x08\x08",
    "\u202egnp.exe",
    "\u2066x",
    "\udc9b1m",
    "\x7f",
    "x\u2028y",
)
ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""All but a line end: C0, C1, DEL, what turns the direction of writing, half characters."""


@pytest.mark.parametrize("text", NASTY)
def test_every_way_to_print(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = AccessPoint(ssid=text, bssid="02:00:00:00:00:01", rssi=-40, channel=6, security="open")
    monkeypatch.setattr("atdriver.cli.ask.run", lambda work: (work.close(), [found])[1])
    scan(Request("esp8266:fake"))
    output.line(text)
    output.flushed(text)
    output.pairs({"operator": text})
    output.data({"ssid": text})
    failure.note(text)
    failure.report(failure.Failure(text))
    failure.report(OSError(5, text))
    with failure.terminal():
        failure.be_verbose()
        failure.report(RuntimeError(text))
        logging.getLogger("atdriver.modems").warning("%s: %s", "bg96", text)
        try:
            raise OSError(5, text)
        except OSError:
            logging.getLogger("atdriver.channel").exception("failed")
    shown = capsys.readouterr()
    assert "Traceback" in shown.err
    for stream in (shown.out, shown.err):
        assert stream
        assert not ACTING.search(stream), ascii(stream)


@pytest.mark.parametrize("text", NASTY)
def test_a_trace_shown(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also one that somebody else has written."""
    path = tmp_path / "trace.jsonl"
    with Trace(path.open("w", encoding="ascii")) as trace:
        trace.record("<", text.encode("utf-8", "surrogateescape"))
        trace.note(text)
    with path.open("a", encoding="ascii") as file:
        file.write(json.dumps({"t": 1.0, "dir": "<", "data": text}) + "\n")
    assert main(["trace", str(path)]) == 0
    assert not ACTING.search(capsys.readouterr().out)


SCRIPTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>",
    "javascript:alert(1)",
    "{{7*7}}",
    "[x](javascript:alert(1))",
    "|a|b|",
)


def record_with(text: str) -> dict[str, Any]:
    result = Result("WIFI_SCAN", "interface.scan", Outcome.FAIL, text, 0.1)
    found = Measurement(HOST_CAPABILITIES, [result], "measured", "2026-01-01")
    found.spec = text
    return to_record([found], [{"WIFI_SCAN": [text]}], [(text, text)])


@pytest.mark.parametrize("text", [*SCRIPTS, *NASTY])
def test_a_report(text: str, tmp_path: Path) -> None:
    """What a module says is text in the page; nothing in the page is loaded or run from outside."""
    write(tmp_path, record_with(text))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    if "<" in text:
        assert text not in page
    assert "7*7" in page or text != "{{7*7}}"
    policy = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]*)"', unescape(page))
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "unsafe-eval" not in policy[1]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    json.loads((tmp_path / "report.json").read_text())
