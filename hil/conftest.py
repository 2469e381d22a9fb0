"""`pytest hil --port SPEC …`: options, the session, and what is said at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from atdriver.cli.failure import judge as judge_failure
from atdriver.cli.farend import token_of
from hil.bench import Bench, Options
from netsocket.capability.verdict import PROBES

HELP: Final = (
    "no hardware: give --port SPEC (for example bg96:/dev/ttyUSB2) and --far-end HOST, or try "
    "--port bg96:fake; see docs/hil.md"
)
_BENCH: Final = pytest.StashKey[Bench]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "probes on real modules (pytest hil)")
    add = group.addoption
    add("--port", metavar="SPEC", help="the modem, as for atdriver: MODULE[,key=value…]:PORT")
    add("--far-end", metavar="HOST[:PORT]", default="127.0.0.1",
        help="own address that the module reaches, or where `atdriver far-end` runs")  # fmt: skip
    add("--far-end-token", metavar="T", help="token of that far end (or ATDRIVER_FAR_END_TOKEN)")
    add("--far-end-name", metavar="NAME", help="name of the far end in the DNS")
    add("--setting", metavar="KEY=VALUE", action="append", help="setting of the modem; repeatable")
    add("--profile", metavar="FILE", type=Path, help="settings from a TOML file")
    add("--max-bytes", metavar="N", type=int, help="most payload bytes, both directions together")
    add("--power-cycle", metavar="CMD", default="",
        help="run before the session, and when the module is dead")  # fmt: skip
    add("--reachable", action="store_true", help="the far end reaches the module: there is no NAT")
    add("--soak", metavar="HOURS", type=float, help="echo traffic for so long; 0.01 is 36 s")
    add("--results", metavar="DIR", type=Path,
        help="where results go (hil/results; out/hil for a simulated module)")  # fmt: skip


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if "hil" in item.fixturenames]  # type: ignore[attr-defined]
    if not ours:
        return
    away: list[pytest.Item] = []
    if not config.getoption("--port"):
        ours[0].add_marker(pytest.mark.skip(reason=HELP))
        away = ours[1:]
    elif config.getoption("--soak") is None:
        away = [item for item in ours if item.name == "test_soak"]
    items[:] = [item for item in items if item not in away]
    config.hook.pytest_deselected(items=away)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Open everything before the first test: what fails here is one sentence, not ninety."""
    config = session.config
    option = config.getoption
    names = {item.callspec.params["name"] for item in session.items if hasattr(item, "callspec")}
    if not option("--port") or option("--collect-only") or not session.items:
        return
    try:
        options = Options(
            spec=option("--port"),
            far_end=option("--far-end"),
            token=token_of(option("--far-end-token")),
            name=option("--far-end-name"),
            settings=tuple(option("--setting") or ()),
            profile=option("--profile"),
            max_bytes=option("--max-bytes"),
            power_cycle=option("--power-cycle"),
            reachable=option("--reachable"),
            results=option("--results"),
        )
        bench = Bench(options, whole=names >= set(PROBES))
        bench.start()
    except Exception as error:
        line, status = judge_failure(error)
        pytest.exit(line or "interrupted", returncode=status)
    config.stash[_BENCH] = bench


@pytest.fixture(scope="session")
def hil(pytestconfig: pytest.Config) -> Bench:
    """The session with the module."""
    return pytestconfig.stash[_BENCH]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    bench = session.config.stash.get(_BENCH, None)
    if bench is None:
        return
    try:
        bench.finish()
    except Exception as error:
        bench.wrong.append(judge_failure(error)[0])
    if bench.wrong and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    bench = config.stash.get(_BENCH, None)
    if bench is None:
        return
    for line in bench.told:
        terminalreporter.write_line(line)
    for line in bench.wrong:
        terminalreporter.write_line(line, red=True)
