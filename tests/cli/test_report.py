"""`atdriver report` and `atdriver far-end` as processes."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

from netsocket.capability import CATALOGUE
from netsocket.capability.verdict import PROBES
from tests.capability.measured import OPEN_DEFECTS

from .harness import Cli, read_line


def test_fakes_side_by_side_without_surprise(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cli("report", "esp8266:fake", "bg96:fake", "--out", out, timeout=55)
    told = done.err.splitlines()
    assert all(any(id_ in line for id_ in OPEN_DEFECTS["esp8266"]) for line in told), done.err
    assert done.status == (1 if told else 0)
    assert done.out.decode().count(" 0 unknown (evidence: simulated)") == 2
    assert f"bg96:fake: {len(PROBES)} probes, 0 contradictions" in done.out.decode()
    data = json.loads((out / "report.json").read_text())
    assert [module["module"] for module in data["modules"]] == ["esp8266", "bg96"]
    for module in data["modules"]:
        assert module["evidence"] == "simulated"
        assert [cell["id"] for cell in module["cells"]] == list(CATALOGUE)
        abort = next(cell for cell in module["cells"] if cell["id"] == "tcp.abort")
        assert any("CLOSE" in line for line in abort["probes"][0]["exchange"]), "the wire is shown"
    page = (out / "index.html").read_text()
    assert "http" not in page
    assert (out / "report.md").exists()
    assert json.loads((out / "report.schema.json").read_text())["title"]


def test_compare_shows_what_changed(cli: Cli, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    only = ("--only", "tcp.abort")
    first = cli("report", "esp8266,firmware=E2,password=hush:fake", *only, "--out", old)
    assert first.status == 0, first.err
    assert "hush" not in (old / "report.json").read_text()
    second = cli(
        "report", "esp8266,firmware=E33:fake", *only, "--out", new,
        "--compare", old / "report.json",
    )  # fmt: skip
    assert second.status == 0, second.err
    changed = json.loads((new / "report.json").read_text())["changes"]
    assert any("udp.boundaries: level partial → full" in line for line in changed)
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    refused = cli("report", "bg96:fake", *only, "--out", new, "--compare", broken)
    assert refused.status == 2
    assert "no capability report" in refused.line


def test_wrong_arguments_are_told(cli: Cli, tmp_path: Path) -> None:
    done = cli("report", "bg96:fake", "--only", "tcp.fly", "--out", tmp_path)
    assert done.status == 2
    assert "tcp.fly" in done.line
    done = cli("far-end", "--host", "192.0.2.1")
    assert done.status == 2
    assert "192.0.2.1" in done.line


def test_far_end_serves(begin: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = begin("far-end", "--port", "0")
    ports = {}
    while (line := read_line(process.stdout, 10)) != "ready":
        kind, name, address = line.split()
        ports[kind, name] = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", ports["tcp", "echo"]), timeout=5) as sock:
        sock.sendall(b"hello")
        assert sock.recv(10) == b"hello"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(b"hello", ("127.0.0.1", ports["udp", "other"]))
        assert sock.recv(100) == b"other:hello"
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert b"Traceback" not in process.stderr.read()  # type: ignore[union-attr]
