"""Every known serial log, whole, byte by byte and cut in two at every position: the same events."""

from __future__ import annotations

import pytest

from atdriver.dialect import Dialect

from . import logs_bg96, logs_esp
from .harness import Case, bytewise, cut_at, play, whole
from .transcripts import LOGS

CASES = [
    pytest.param(item, dialect, id=f"{vendor}-L{item.log}-{item.title.replace(' ', '-')}")
    for vendor, item, dialect in LOGS
]


@pytest.mark.parametrize(("item", "dialect"), CASES)
def test_log(item: Case, dialect: Dialect) -> None:
    play(item, dialect, whole)
    play(item, dialect, bytewise)


@pytest.mark.parametrize(("item", "dialect"), CASES)
def test_log_cut_anywhere(item: Case, dialect: Dialect) -> None:
    for position in range(1, item.fed):
        try:
            play(item, dialect, cut_at(position))
        except AssertionError as error:
            raise AssertionError(f"cut at byte {position}") from error


@pytest.mark.parametrize("logs", [logs_esp, logs_bg96], ids=["esp", "bg96"])
def test_every_log_has_a_case_or_a_reason(logs: object) -> None:
    numbers = {item.log for item in logs.CASES}  # type: ignore[attr-defined]
    without: dict[int, str] = logs.NO_CASE  # type: ignore[attr-defined]
    assert not numbers & set(without)
    assert numbers | set(without) == logs.LOGS  # type: ignore[attr-defined]
    assert all(len(reason) > 20 for reason in without.values())
