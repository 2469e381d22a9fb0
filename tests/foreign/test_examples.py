"""The examples of docs/test-your-own.md, compiled and run as that page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = DOCS / "examples"
PAGE = DOCS / "test-your-own.md"


def need(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"no {tool} on this machine")


def run(*command: str | Path, folder: Path) -> str:
    """What the command printed; it must succeed."""
    paths = [str(DOCS.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ
        | {"PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_page_shows_the_files_as_they_are() -> None:
    shown = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", PAGE.read_text(), re.DOTALL)
    assert len(shown) == 3
    for name, text in shown:
        assert text == (DOCS / name).read_text(), name


def test_python(tmp_path: Path) -> None:
    for path in (EXAMPLES / "python").glob("*.py"):
        shutil.copy(path, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio")
    assert "3 passed" in run(*command, folder=tmp_path)


@need("cc")
def test_c(tmp_path: Path) -> None:
    sources = (EXAMPLES / "c" / "fetch.c", EXAMPLES / "c" / "test_fetch.c")
    strict = ("-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror")
    run("cc", *strict, "-o", "test_fetch", *sources, folder=tmp_path)
    lines = run(tmp_path / "test_fetch", folder=tmp_path).splitlines()
    assert len(lines) == 9
    assert all(line.startswith("ok: ") for line in lines)


@need("node")
def test_node() -> None:
    printed = run("node", "--test", folder=EXAMPLES / "node")
    assert re.search(r"^. pass 3$", printed, re.MULTILINE), printed
    assert re.search(r"^. fail 0$", printed, re.MULTILINE), printed
