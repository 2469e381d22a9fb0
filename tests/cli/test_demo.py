"""`atdriver demo`: the main job with no hardware; nothing is left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from atdriver.cli import demo, stage

from .harness import PATIENCE, Cli, read_line

Begin = Callable[..., subprocess.Popen[bytes]]


def alive(pid: int) -> bool:
    """Whether a process is there (one that only waits to be collected is not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def pids(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"simulated by process (\d+)", text)]


@pytest.mark.serial
def test_tells_what_travels_and_writes_the_report(begin: Begin, tmp_path: Path) -> None:
    begun = time.monotonic()
    process = begin("demo", cwd=tmp_path)
    out, problem = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - begun < 15
    shown = out.decode()
    assert (process.returncode, problem) == (0, b""), shown
    assert "SIMULATED" in shown
    for module in ("esp8266", "bg96"):
        for server in ("TCP server on 127.0.0.1:", "UDP server on 127.0.0.1:"):
            assert re.search(
                rf"Python program → Socket API → AT commands → /dev/pts/\d+ → "
                rf"simulated {module} → {server}\d+",
                shown,
            )
    assert shown.count("the page, byte for byte") == 2
    assert shown.count("512 bytes out, 512 back, the same") == 2
    assert "capability report: out/index.html" in shown
    assert "everything arrived unchanged" in shown
    html = (tmp_path / "out" / "index.html").read_text()
    assert "were simulated" in html
    assert "tcp.half_close" in html
    assert "were simulated" in (tmp_path / "out" / "report.md").read_text()
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [item["module"] for item in data["modules"]] == ["esp8266", "bg96"]
    assert len(pids(shown)) == 2
    assert not any(map(alive, pids(shown)))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_interrupted_it_leaves_nothing(
    begin: Begin, tmp_path: Path, number: int, status: int
) -> None:
    process = begin("demo", "--out", tmp_path)
    assert process.stdout is not None
    shown = ""
    while "simulated by process" not in shown:
        shown = read_line(process.stdout)
    process.send_signal(number)
    assert process.wait(PATIENCE) == status
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert not any(map(alive, pids(shown)))
    assert list(tmp_path.iterdir()) == []


def test_keep(begin: Begin, cli: Cli, tmp_path: Path) -> None:
    process = begin("demo", "--keep", "--out", tmp_path)
    assert process.stdout is not None
    shown = []
    while not shown or "atdriver nc" not in shown[-1]:
        shown.append(read_line(process.stdout))
    spec = next(line.split()[-1] for line in shown if "atdriver info bg96" in line)
    assert b"BG96" in cli("info", spec).out
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert not any(map(alive, pids("\n".join(shown))))


def test_a_difference_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    right = stage.page()
    monkeypatch.setattr(demo, "page", lambda: right[:-1] + b"?")
    assert demo.show(tmp_path, keep=False) == 1
    shown = capfd.readouterr().out
    assert "NOT THE PAGE" in shown
    assert "SOMETHING DIFFERED" in shown
    assert not any(map(alive, pids(shown)))


def test_a_report_that_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = cli("demo", "--out", file)
    assert done.status == 1
    assert str(file) in done.line
    assert not any(map(alive, pids(done.out.decode())))


def test_a_module_that_does_not_start_is_told() -> None:
    with pytest.raises(Exception, match="did not start: atdriver: unknown firmware 'ZZ'"):
        stage.FakeModule("esp8266", "--firmware", "ZZ")
