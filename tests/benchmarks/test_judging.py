"""What is made of the figures: goals, the comparison of two trees, the page."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import __main__ as suite
from benchmarks import compare, goals, limits, page
from benchmarks.__main__ import Run, run
from benchmarks.cells import PARTS, ROOT, Failed, Task
from benchmarks.goals import Goal, Judged, at, growing, judged

RESULTS = json.loads((ROOT / "docs" / "performance.json").read_text())


# -- goals -------------------------------------------------------------------------------------


def test_a_goal_is_met_at_its_bound_and_missed_beyond() -> None:
    least = Goal("", at("p", "x", "share"), ">=", 0.97, "%")
    most = Goal("", at("p", "x", "share"), "<=", 0.97, "%")
    assert [Judged(least, value).met for value in (0.969, 0.97, 0.98)] == [False, True, True]
    assert [Judged(most, value).met for value in (0.969, 0.97, 0.98)] == [True, True, False]


def test_what_was_not_measured_is_not_met() -> None:
    nothing = judged({})
    assert nothing
    assert not any(one.met or one.measured is not None for one in nothing)


def test_every_goal_has_a_place_that_is_measured() -> None:
    places = {part: {task.name: {} for task in make(1.0)} for part, make in PARTS.items()}
    asked: set[tuple[str, str]] = set()

    class Asking(dict[str, object]):
        """Notes what is looked up, and goes on with any figure."""

        def __init__(self, path: tuple[str, ...] = ()) -> None:
            self.path = path

        def __getitem__(self, name: str) -> object:
            path = (*self.path, name)
            if len(path) == 2:
                asked.add(path)
            return [0.5] if len(path) == 3 else Asking(path)

    judged(Asking())  # type: ignore[arg-type]
    assert {one for one in asked if one[1] not in places[one[0]]} <= {
        ("peers", "down, adafruit"),  # where that driver is installed
        ("peers", "up, adafruit"),
    }


def test_throughput_grows_until_the_core_is_full() -> None:
    def crowd(*steps: tuple[float, float]) -> dict[str, dict[str, dict[str, list[float]]]]:
        return {
            "many": {
                str(n): {"rate": [rate], "core": [core]} for n, (rate, core) in enumerate(steps)
            }
        }

    step = growing("many", ("0", "1", "2"))
    assert step(crowd((1.0, 0.2), (3.0, 0.6), (4.5, 0.95))) == 1.5
    assert step(crowd((1.0, 0.2), (0.5, 0.6), (4.0, 0.95))) == 0.5
    assert step(crowd((1.0, 0.5), (2.0, 0.95), (1.9, 0.97))) == 2.0, "the core was full"


# -- two trees ---------------------------------------------------------------------------------


def test_the_chance_of_ranks() -> None:
    low, high = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    assert compare.chance(low, high) == pytest.approx(2 / 20)  # of 20 ways to deal the ranks
    assert compare.chance(low, low) == 1.0
    assert compare.chance([1.0, 4.0], [2.0, 3.0]) == 1.0


@pytest.mark.parametrize(
    ("figure", "factor", "sure", "worse"),
    [
        ("cpu_ms_per_mb", 1.2, True, True),
        ("cpu_ms_per_mb", 0.8, True, False),
        ("cpu_ms_per_mb", 1.02, False, True),  # too little to speak of
        ("rate", 0.8, True, True),
        ("rate", 1.2, True, False),
    ],
)
def test_a_change_beyond_noise(figure: str, factor: float, sure: bool, worse: bool) -> None:
    base = [100.0, 101.0, 99.0, 100.5, 99.5, 102.0, 98.0]
    verdict = compare.judge("x", figure, base, [one * factor for one in base])
    assert (verdict.sure, verdict.worse > 1) == (sure, worse)


def test_noise_is_no_change() -> None:
    base = [100.0, 140.0, 90.0, 120.0, 80.0, 150.0, 95.0]
    tree = [110.0, 85.0, 150.0, 130.0, 105.0, 145.0, 125.0]
    assert not compare.judge("x", "cpu_ms_per_mb", base, tree).sure


def test_what_is_worse_must_be_so_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = (Path("base"), Path("tree"))
    taken = {"base": 0, "tree": 0}

    def once(place: str, folder: Path) -> dict[str, float]:
        taken[folder.name] += 1
        slow = folder.name == "tree" and (place == "slow" or taken["tree"] <= 7)
        return {"cpu_ms_per_mb": 20.0 if slow else 10.0}

    monkeypatch.setattr(compare, "measure", once)
    assert not compare.compare(["a slow minute"], sides, 7)
    assert [one.place for one in compare.compare(["slow"], sides, 7)] == ["slow"]


# -- the page ----------------------------------------------------------------------------------


def test_the_page_is_made_of_the_committed_figures(tmp_path: Path) -> None:
    (tmp_path / "performance.json").write_text(json.dumps(RESULTS))
    page.write(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        made, committed = path.read_text(), (ROOT / "docs" / path.name).read_text()
        assert path.suffix == ".json" or made == committed, (
            f"{path.name}: python -m benchmarks.page"
        )


def test_the_plots_stand_alone() -> None:
    for path in (ROOT / "docs").glob("performance-*.svg"):
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.findtext("{*}desc")
        assert "simulated" in (root.findtext("{*}title") or "")


def test_the_page_says_of_the_model_what_the_model_says() -> None:
    head = (ROOT / "benchmarks" / "performance.head.md").read_text()
    rates = {
        1460: {
            limits.passive_receive(10, ask=5760),
            limits.active_receive(10),
            limits.bg96_send(10),
        },
        2048: {limits.esp_send(10)},
        1500: {limits.bg96_receive(10)},
    }  # bytes a second at one byte a second: payload / (payload + text)
    for payload, found in rates.items():
        for rate in found:
            assert f"| {payload} | {round(payload / rate - payload)} |" in head


def test_every_part_is_explained() -> None:
    assert set(page.PARTS) == set(PARTS)
    assert all(goals.number(value) for value in (0.0, 999.0, 1e6))


# -- the runner --------------------------------------------------------------------------------


def test_a_place_that_fails_has_no_figure_and_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    turns: list[str] = []

    def good() -> dict[str, float]:
        turns.append("good")
        return {"rate": 1.23456789}

    def bad() -> dict[str, float]:
        turns.append("bad")
        if turns.count("bad") == 2:
            raise Failed("byte 7 is missing")
        return {"rate": 9.0}

    found = run([[Task("p", "bad", bad), Task("p", "good", good)]], 3)
    assert turns == ["bad", "good", "bad", "good", "good"], "in turn, and no more of what failed"
    assert found.parts == {"p": {"good": {"rate": [1.23457] * 3}}}
    assert found.failed == {"p: bad": "byte 7 is missing"}
    assert "byte 7 is missing" in capsys.readouterr().err


def test_parts_are_put_in_the_place_of_what_stood_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = dict(RESULTS["taken"]["start"], revision="abc1234", quick=False)
    monkeypatch.setattr(suite, "RESULTS", tmp_path / "performance.json")
    monkeypatch.setattr(page.write, "__defaults__", (tmp_path,))
    (tmp_path / "performance.json").write_text(json.dumps(RESULTS))
    suite.write(
        Run({"start": {"atdriver --help": {"wall_ms": [77.0]}}}, {"start: x": "gone"}), machine
    )
    found = json.loads((tmp_path / "performance.json").read_text())
    assert found["parts"] == {**RESULTS["parts"], "start": {"atdriver --help": {"wall_ms": [77.0]}}}
    assert [part for part, how in found["taken"].items() if how["revision"] == "abc1234"] == [
        "start"
    ]
    told = (tmp_path / "performance.md").read_text()
    assert "**Failed**, start: x: `gone`" in told
    assert "| atdriver --help | 77 |" in told
    suite.write(Run({"start": {}}, {}), machine)
    assert "Failed" not in (tmp_path / "performance.md").read_text()
