"""The command line as a whole: help at once, the version, `python -m`."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atdriver import __version__
from atdriver.cli import main

from .harness import Cli

COMMANDS = [
    "demo",
    "ports",
    "udev",
    "info",
    "at",
    "scan",
    "resolve",
    "ping",
    "nc",
    "proxy",
    "forward",
    "fake",
    "trace",
    "report",
]


@pytest.mark.serial
def test_help_names_the_commands_and_is_quick(cli: Cli) -> None:
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = cli("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert shown.status == 0
    assert shown.err == ""
    listed = shown.out.decode().partition("Commands:")[2]
    assert re.findall(r"^  (\w+) {2,}", listed, re.MULTILINE) == COMMANDS
    assert min(times) < 0.5


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from atdriver.cli import main; main(['--help']);"
        "heavy = {'asyncio', 'serial', 'netsocket', 'transitions', 'modems', 'rich'};"
        "sys.exit(len(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([command, "-h"]) == 0
    assert f"atdriver {command}" in capfd.readouterr().out


def test_version(cli: Cli) -> None:
    assert cli("--version").out.decode() == f"atdriver {__version__}\n"


def test_the_installed_script() -> None:
    script = shutil.which("atdriver", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, check=True)
    assert done.stdout.startswith(b"atdriver ")
