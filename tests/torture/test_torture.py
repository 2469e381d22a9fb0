"""R7: each operation of the port fails in every way, in each scenario (see `port`, `scenarios`).

The bring-up, which is the same in all scenarios, is tortured in one of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from .port import OUTCOMES, possible
from .rack import Rack
from .scenarios import SCENARIOS

MODULES = ("esp8266", "bg96")
WHOLE = "nothing"
"""The scenario in which the bring-up is tortured, too."""


def failures(module: str, scenario: str) -> Iterator[tuple[int, str]]:
    """Every operation and outcome of one scenario."""
    calm = Rack(module, scenario).run()
    assert not calm.violations
    assert calm.brought_up > 60, "the link does its work elsewhere: this shows nothing"
    for number, operation in enumerate(calm.operations):
        if number >= calm.brought_up or scenario == WHOLE:
            yield from ((number, each) for each in OUTCOMES if possible(operation, each))


def torture(module: str, scenario: str, share: int, chosen: int) -> None:
    """Every `share`-th of them."""
    found = []
    for count, (number, outcome) in enumerate(failures(module, scenario)):
        if count % share != chosen % share:
            continue
        run = Rack(module, scenario, (number, outcome)).run()
        assert run.failed is not None
        if run.violations:
            found.append(f"{run.failed}: python -m tests.torture {module} {scenario} {number} "
                         f"{outcome}: {run.violations}")  # fmt: skip
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scenario", [WHOLE, "datagrams", "down_and_up"])
@pytest.mark.parametrize("module", MODULES)
def test_some_of_all(module: str, scenario: str) -> None:
    torture(module, scenario, 29, 0)


@pytest.mark.gate
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("module", MODULES)
def test_a_quarter_of_all(module: str, scenario: str) -> None:
    """Another quarter each month."""
    torture(module, scenario, 4, datetime.datetime.now(datetime.UTC).month)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("module", MODULES)
def test_all(module: str, scenario: str) -> None:
    torture(module, scenario, 1, 0)


def test_there_are_twenty_five() -> None:
    assert len(SCENARIOS) == 25
