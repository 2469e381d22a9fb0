"""`atdriver report` and `atdriver far-end` as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atdriver.cli.failure import Failure, UsageProblem
from atdriver.cli.options import Request
from atdriver.cli.report import show
from atdriver.errors import SpecificationError
from netsocket.capability import CATALOGUE, Capability, Level
from netsocket.capability.verdict import PROBES
from netsocket.hostclaims import HOST_CAPABILITIES
from netsocket.hoststack import HostStack
from netsocket.ip.lwip_build import missing
from tests.capability.measured import OPEN_DEFECTS

from .harness import PATIENCE, Cli, Starter, read_line

FEW = ("tcp.abort", "tcp.peer_name", "udp.boundaries", "dns.resolve")


@pytest.mark.parametrize(
    "only", [FEW, pytest.param((), marks=pytest.mark.gate)], ids=["a few promises", "all"]
)
def test_fakes_side_by_side_without_surprise(
    cli: Cli, tmp_path: Path, only: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    options = [word for promise in only for word in ("--only", promise)]
    done = cli("report", "esp8266:fake", "bg96:fake", *options, "--out", out, timeout=170)
    told = done.err.splitlines()
    assert all(any(id_ in line for id_ in OPEN_DEFECTS["esp8266"]) for line in told), done.err
    assert done.status == (1 if told else 0)
    assert done.out.decode().count(" 0 unknown, 0 anomalies (evidence: simulated)") == 2
    probes = [each for each in PROBES.values() if not only or each.promise in only]
    assert f"bg96:fake: {len(probes)} probes, 0 contradictions" in done.out.decode()
    data = json.loads((out / "report.json").read_text())
    assert [module["module"] for module in data["modules"]] == ["esp8266", "bg96"]
    for module in data["modules"]:
        assert module["evidence"] == "simulated"
        assert [cell["id"] for cell in module["cells"]] == list(CATALOGUE)
        abort = next(cell for cell in module["cells"] if cell["id"] == "tcp.abort")
        assert any("CLOSE" in line for line in abort["probes"][0]["exchange"]), "the wire is shown"
    page = (out / "index.html").read_text()
    assert "://" not in page
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
    assert all("esp8266 (E2 " in line and "→ E33 " in line for line in changed)
    assert "level partial → full" in (new / "index.html").read_text()
    assert "level partial → full" in (new / "report.md").read_text()


def test_a_contradiction_is_told_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lie = Capability("tcp.peer_name", Level.PARTIAL, "a lie")
    monkeypatch.setattr(HostStack, "capabilities", HOST_CAPABILITIES.with_changes(lie))
    options: dict[str, Any] = {"compare": None, "far_end": "127.0.0.1", "token": None, "name": None}
    assert show([Request("host")], tmp_path, only=["tcp.peer_name"], **options) == 1
    told = "tcp.peer_name: claimed partial, but TCPSOCKET_PEER_NAME pass: "
    out, err = capsys.readouterr()
    assert out.startswith("host: 1 probe, 1 contradiction, ")
    assert err.startswith(f"atdriver: host: {told}")
    assert told in (tmp_path / "index.html").read_text()
    assert told in (tmp_path / "report.md").read_text()
    (module,) = json.loads((tmp_path / "report.json").read_text())["modules"]
    assert module["contradictions"][0].startswith(told)


@pytest.mark.parametrize(
    "only", [("--only", "udp.boundaries"), pytest.param((), marks=pytest.mark.nightly)]
)
def test_generations_side_by_side(cli: Cli, tmp_path: Path, only: tuple[str, ...]) -> None:
    specs = [f"esp8266,firmware={name}:fake" for name in ("E2", "E22", "E24", "N17")]
    done = cli("report", *specs, *only, "--out", tmp_path, timeout=300)
    assert done.status == 0, done.err
    data = json.loads((tmp_path / "report.json").read_text())
    names = [module["firmware"].split()[0] for module in data["modules"]]
    assert names == ["E2", "E22", "E24", "N17"]
    page, text = ((tmp_path / name).read_text() for name in ("index.html", "report.md"))
    for module in data["modules"]:
        title = f'esp8266<br>\n<span class="small">{module["firmware"]}</span>'
        assert page.count(title) == 1
        assert f"| esp8266 {module['firmware']} (simulated) |" in text


def test_one_module_of_three_cannot_be_reached(cli: Cli, tmp_path: Path) -> None:
    gone = f"esp8266,password=hush:{tmp_path / 'no-such-port'}"
    done = cli("report", "host", gone, "bg96:fake", "--only", "tcp.peer_name", "--out", tmp_path)
    assert done.status == 1
    assert done.out.decode().count(": 1 probe, 0 contradictions") == 2
    told = [line for line in done.err.splitlines() if "warning" not in line]
    assert len(told) == 1
    assert "no-such-port: not measured: " in told[0]
    assert "hush" not in done.err
    data = json.loads((tmp_path / "report.json").read_text())
    assert [module["module"] for module in data["modules"]] == ["host", "bg96"]
    assert [one["spec"] for one in data["failed"]] == [f"esp8266:{tmp_path / 'no-such-port'}"]
    assert "no such port" in data["failed"][0]["error"]
    assert "not measured, " in (tmp_path / "index.html").read_text()


def test_nothing_measured_leaves_an_older_report_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("older")
    done = cli("report", f"bg96:{tmp_path / 'gone'}", "--out", tmp_path)
    assert done.status == 1
    assert "not measured" in done.line
    assert (tmp_path / "report.json").read_text() == "older"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_report_keeps_what_it_has(
    begin: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, number: int
) -> None:
    only = ("--only", "tcp.peer_name", "--only", "performance")
    process = begin("report", "host", "bg96:fake", "esp8266:fake", *only, "--out", tmp_path)
    assert read_line(process.stdout).startswith("host: ")
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert err == b""
    assert b"index.html" in out
    data = json.loads((tmp_path / "report.json").read_text())
    assert [module["spec"] for module in data["modules"]] == ["host"]
    assert [one["spec"] for one in data["failed"]] == ["bg96:fake", "esp8266:fake"]


def test_a_module_that_is_unplugged(
    begin: Callable[..., subprocess.Popen[bytes]], fake: Starter, tmp_path: Path
) -> None:
    """What its probes found is no measurement: nothing is said about any promise."""
    control = tmp_path / "control"
    one = fake("bg96", "--control", str(control))
    process = begin("report", "host", one.spec, "--only", "tcp.listen", "--out", tmp_path)
    assert read_line(process.stdout).startswith("host: ")
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(control))
        listening = {"do": "wait", "kind": "command", "match": ".*TCP LISTENER.*", "timeout": 40}
        asking.sendall(json.dumps(listening).encode() + b"\n")
        assert json.loads(read_line(asking))["ok"]
    one.stop()  # while its backlog is being tried
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err.decode().startswith(f"atdriver: {one.spec}: not measured: the port went away")
    data = json.loads((tmp_path / "report.json").read_text())
    assert [module["spec"] for module in data["modules"]] == ["host"]
    assert [one["spec"] for one in data["failed"]] == [one.spec]


def test_wrong_arguments_are_told_before_the_work(cli: Cli, tmp_path: Path) -> None:
    done = cli("report", "host", "bg96:fake", "--only", "tcp.fly", "--out", tmp_path)
    assert done.status == 2
    assert "tcp.fly" in done.line
    assert done.out == b"", "nothing was measured"
    done = cli("report", "host", "nosuch:fake", "--out", tmp_path)
    assert done.status == 2
    assert "nosuch" in done.line


def refusal(*specs: str, **more: Any) -> str:
    given: dict[str, Any] = {
        "compare": None,
        "far_end": "127.0.0.1",
        "token": None,
        "name": None,
        "only": (),
    }
    given.update(more)
    with pytest.raises((UsageProblem, SpecificationError, Failure)) as caught:
        show([Request(spec) for spec in specs], **given)
    return str(caught.value)


def test_what_wrong_arguments_are_told(tmp_path: Path) -> None:
    file, future = tmp_path / "file", tmp_path / "future.json"
    file.write_text("{}")
    future.write_text('{"format": 99, "catalogue": 1}')
    assert "colour" in refusal("host", "bg96,colour=red:fake", out=tmp_path)
    assert "'bg96' is no modem specification" in refusal("host", "bg96", out=tmp_path)
    assert refusal("host", out=file) == f"--out {file}: File exists"
    assert refusal("host", out=file / "x") == f"--out {file / 'x'}: Not a directory"
    for name, told in (
        ("none", "No such file or directory"),
        ("", "Is a directory"),
        ("file", "no capability report"),
        ("future.json", "of format 99, written by a newer atdriver"),
    ):
        path = tmp_path / name
        answer = refusal("host", out=tmp_path, compare=path)
        assert answer.startswith(f"--compare {path}: {told}")
    assert refusal("host", out=tmp_path, far_end="192.0.2.1").startswith("--far-end 192.0.2.1 ")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "future.json"}


def test_a_far_end_that_cannot_listen(cli: Cli) -> None:
    done = cli("far-end", "--host", "192.0.2.1")
    assert done.status == 2
    assert "192.0.2.1" in done.line


def test_far_end_serves(begin: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = begin("far-end", "--port", "0")
    ports = {}
    while (line := read_line(process.stdout)) != "ready":
        kind, name, address = line.split()
        ports[kind, name] = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", ports["tcp", "echo"]), timeout=PATIENCE) as sock:
        sock.sendall(b"hello")
        assert sock.recv(10) == b"hello"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.sendto(b"hello", ("127.0.0.1", ports["udp", "other"]))
        assert sock.recv(100) == b"other:hello"
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)
    assert b"Traceback" not in process.stderr.read()  # type: ignore[union-attr]


STACKS = (
    *("host", "lwip:pair", "esp8266:fake", "bg96:fake", "bg96,data=ppp:fake"),
    *("openthread:fake", "riot:fake", "skstack:fake"),
)


@pytest.mark.nightly
@pytest.mark.lwip
@pytest.mark.skipif(missing() != "", reason=missing() or "it is here")
@pytest.mark.timeout(3600)
def test_every_stack_side_by_side(cli: Cli, tmp_path: Path) -> None:
    """Each column is measured from end to end, and nothing claimed is contradicted."""
    done = cli("report", *STACKS, "--out", tmp_path, timeout=3000)
    assert done.status == 0, done.err
    said = re.findall(
        r"^(.*): (\d+) probes, 0 contradictions, 0 unknown, ", done.out.decode(), re.MULTILINE
    )
    assert [spec for spec, _ in said] == list(STACKS)
    data = json.loads((tmp_path / "report.json").read_text())
    assert not data["failed"]
    assert [module["spec"] for module in data["modules"]] == list(STACKS)
    for module, (_, count) in zip(data["modules"], said, strict=True):
        assert sum(len(cell["probes"]) for cell in module["cells"]) == int(count)
        assert not module["contradictions"]
        assert not module["unknown"]
        assert all(cell["agrees"] for cell in module["cells"])
        assert len(module["cells"]) == len(CATALOGUE)
        assert all(cell["probes"] for cell in module["cells"])
        assert module["performance"]
        assert module["stack"]
        assert module["medium"] in ("Ethernet", "WiFi", "cellular", "mesh")
    page = (tmp_path / "index.html").read_text()
    for name in ("lwip", "esp8266", "bg96", "openthread", "riot", "skstack"):
        assert name in page
