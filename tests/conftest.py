"""Rules of every run, in one process or several (pytest-xdist).

A skipped test counts as failed unless tests/allowed-skips.txt names it. What judges CPU or real
time is marked `serial`: it runs alone, after everything else. A test's name holds no address of an
object, as the workers would collect different tests.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atdriver import answering, resync
from modems.bg96 import sim
from netsocket.capability import freeports
from netsocket.ports import PORTS
from tests.ports import MINE

HERE = Path(__file__).parent
ALLOWED = HERE / "allowed-skips.txt"
SERIAL = (HERE / "foreign",)
"""Folders whose tests are all `serial`: other people's drivers have clocks of their own."""
IN_MEMORY = tuple(
    HERE / name for name in ("adapters", "capability", "drivers", "forward", "netsocket", "proxy")
)
"""Folders whose modules live in this process, in real time: what such a module says comes at once.
The silences themselves are judged in tests/engine, tests/faults and tests/recovery, at full length."""
SHORT_QUIET = 0.02
_skipped: dict[str, None] = {}
_terminal: list[pytest.TerminalReporter] = []


def allowed_skips() -> tuple[str, ...]:
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    return tuple(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def pytest_configure() -> None:
    freeports.FAR_PORTS = MINE
    logging.getLogger("transitions").setLevel(logging.WARNING)  # else most of a failure's log
    # A run that a shell started in the background ignores Ctrl-C, and so would all it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    _terminal[:] = filter(None, [session.config.pluginmanager.get_plugin("terminalreporter")])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two a core: most of a test is waiting for a module's silence."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in SERIAL):
            item.add_marker("serial")
        if " at 0x" in item.name:
            raise pytest.UsageError(f"{item.nodeid}: give its parameters `ids` without addresses")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Around fixtures of every scope, which a fixture is not."""
    sim._tried.clear()  # a PIN that another test got wrong
    PORTS.seed()  # else workers whose last test was a virtual one draw the same local ports
    if not any(item.path.is_relative_to(folder) for folder in IN_MEMORY):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resync, "QUIET", SHORT_QUIET)
        patch.setattr(answering, "FOREIGN_QUIET", SHORT_QUIET)
        return (yield)


@pytest.hookimpl(trylast=True)  # behind the letter of the test
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)
    if report.failed and _terminal:  # at once: a night is long
        crash = getattr(report.longrepr, "reprcrash", None)
        why = crash.message.partition("\n")[0] if crash else ""
        _terminal[0].write(f"\n{report.nodeid} failed: {why}\n", red=True)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)  # a whole file


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped[report.nodeid] = None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended: what it skipped while collecting is known to nobody else."""
    _skipped.update(dict.fromkeys(getattr(node, "workeroutput", {}).get("skipped", ())))


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["skipped"] = list(_skipped)  # judged where all workers end
        return
    names = allowed_skips()
    session.config.stash[_KEY] = [i for i in _skipped if not i.startswith(names or ("\0",))]
    if session.config.stash[_KEY] and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for nodeid in config.stash.get(_KEY, []):
        terminalreporter.write_line(f"skipped without leave: {nodeid}", red=True)


_KEY = pytest.StashKey[list[str]]()
