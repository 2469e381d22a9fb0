"""Rules of every run: a skipped test counts as failed unless tests/allowed-skips.txt names it."""

from __future__ import annotations

from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed-skips.txt")
_skipped: list[str] = []


def allowed_skips() -> tuple[str, ...]:
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    return tuple(line.split()[0] for line in lines if line.strip() and not line.startswith("#"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
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
