"""The wheel, installed in an environment of its own beside somebody else's `fakes`."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"atdriver", "modems", "netsocket", "fakes"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    python = str(home / "bin" / "python")
    command = [
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "-c",
        str(ROOT / "constraints.txt"),
        str(wheel),
    ]
    subprocess.run(command, check=True, timeout=300)
    return python


def run(python: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )


def test_only_our_packages_are_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == OURS
    assert all(f"{package}/py.typed" in names for package in OURS)
    parts = [name.split("/") for name in names]
    assert not [each for each in parts if "tests" in each or each[-1].startswith("test_")]


def test_it_works_where_it_is_installed(python: str, tmp_path: Path) -> None:
    shown = run(python, "-m", "atdriver", "demo", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "out" / "index.html").is_file()
    shown = run(python, "-m", "atdriver", "report", "host", "--only", "tcp.send", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr


def test_a_foreign_package_of_the_same_name_is_named(python: str, tmp_path: Path) -> None:
    (tmp_path / "fakes").mkdir()
    intruder = tmp_path / "fakes" / "__init__.py"
    intruder.write_text("")
    shown = run(python, "-c", "import atdriver", cwd=tmp_path)
    assert shown.returncode == 1
    assert str(intruder) in shown.stderr
    assert run(python, "-P", "-c", "import atdriver", cwd=tmp_path).returncode == 0
    line = run(python, "-m", "atdriver", "ports", cwd=tmp_path)
    assert (line.returncode, line.stderr.count("\n")) == (1, 1), line.stderr


def test_types_are_seen_by_users(python: str, tmp_path: Path) -> None:
    shown = run(python, "-c", "from atdriver import open_modem, aopen_modem, TCPSocket, UDPSocket",
                cwd=tmp_path)  # fmt: skip
    assert shown.returncode == 0, shown.stderr
