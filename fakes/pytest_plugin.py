"""pytest fixtures: a fake module for the tests of any program that speaks AT.

::

    @pytest.mark.fake_modem("bg96", pin="1234")
    def test_my_program(modem_port):            # the path of a pseudo terminal
        assert my_program.main(["--port", modem_port]) == 0

    @pytest.mark.fake_modem("esp8266", firmware="E24", access_points={"lab": "secret99"})
    @pytest.mark.at_scenario("lost_notice.yaml")  # beside the test file
    def test_more(fake_modem):                  # the RunningFake
        ...
        assert "AT+CWMODE=1" in fake_modem.commands()

`fake_modem` takes what `fakes.build` takes, and `strict=False`. A test is strict by default: it
fails when the host sent something that a real module would not have understood. A failing test's
report shows what went over the line. Nothing of the driver is imported here, and nothing of the
fakes before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fakes.running import RunningFake

__all__ = ["fake_modem", "modem_port"]

_KEY = pytest.StashKey["RunningFake"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """From pytest."""
    group = parser.getgroup("atdriver", "simulated AT modules")
    group.addoption(
        "--at-module",
        metavar="MODULE",
        help="module of `fake_modem` where a test has no marker (default: ini at_module)",
    )
    group.addoption(
        "--at-seed",
        type=int,
        metavar="N",
        help="origin of every random decision of the fakes (default: 0)",
    )
    parser.addini("at_module", "module of `fake_modem` where a test has no marker", default="")


def pytest_configure(config: pytest.Config) -> None:
    """From pytest."""
    config.addinivalue_line(
        "markers",
        "fake_modem(module, strict=True, **settings): the simulated module of the fixtures "
        "fake_modem and modem_port; settings as fakes.build takes them",
    )
    config.addinivalue_line(
        "markers",
        "at_scenario(file): a YAML scenario for the fake, relative to the test file; or the "
        "beginning of the name of a ready-made one (fakes.scenarios)",
    )


@pytest.fixture
def fake_modem(request: pytest.FixtureRequest) -> Iterator[RunningFake]:
    """A running fake on a pseudo terminal, as the markers say.

    Raises:
        pytest.UsageError: no module is named, an unknown one, a wrong setting or scenario.
    """
    from fakes.running import RunningFake

    module, strict, settings = _wanted(request)
    with RunningFake(_build(module, settings)) as running:
        request.node.stash[_KEY] = running
        running.strict = strict
        yield running
        crashes = running.journal("crash")
        wrong = running.misunderstood() if running.strict else []
    if crashes:
        pytest.fail(f"the fake itself failed (please report it):\n{crashes[0].detail}", False)
    if wrong:
        listed = "\n".join(f"  {each.kind}: {each.detail}" for each in wrong[:20])
        pytest.fail(
            f"a real module would not have understood this (strict=False allows it):\n{listed}",
            pytrace=False,
        )


@pytest.fixture
def modem_port(fake_modem: RunningFake) -> str:
    """Path of the fake's pseudo terminal, to be opened like any serial port."""
    return fake_modem.port


def _wanted(request: pytest.FixtureRequest) -> tuple[str, bool, dict[str, Any]]:
    marker = request.node.get_closest_marker("fake_modem")
    positional = marker.args if marker is not None else ()
    settings = dict(marker.kwargs) if marker is not None else {}
    strict = bool(settings.pop("strict", True))
    configured = request.config.getoption("at_module") or request.config.getini("at_module")
    if len(positional) > 1 or (not positional and not configured):
        raise pytest.UsageError(
            'say which module to simulate: @pytest.mark.fake_modem("bg96"), or --at-module bg96'
        )
    module = str(positional[0] if positional else configured)
    scenario = request.node.get_closest_marker("at_scenario")
    if scenario is not None:
        name = str(scenario.args[0])
        beside = Path(request.path).parent / name
        settings["scenario"] = str(beside) if beside.suffix or beside.exists() else name
    seed = request.config.getoption("at_seed")
    if seed is not None:
        settings["seed"] = seed
    settings.setdefault("resolve", {"localhost": "127.0.0.1"})
    settings.setdefault("time_scale", 0.0)
    return module, strict, settings


def _build(module: str, settings: dict[str, Any]) -> Any:
    from fakes import build

    try:
        return build(module, **settings)
    except (OSError, TypeError, ValueError) as error:
        raise pytest.UsageError(f"fake_modem({module!r}): {error}") from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows what went over the line."""
    report = yield
    running = item.stash.get(_KEY, None)
    if report.failed and running is not None:
        report.sections.append(("AT wire (> from the host)", running.tap.text()))
    return report
