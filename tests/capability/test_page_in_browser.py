"""The report's page as people meet it: in a browser, on a desk, on a phone, in the dark.

Chromium is driven by Playwright, because that needs no second program and fetches nothing. The page
is made of measurements that other tests need, too.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from netsocket.capability import CATALOGUE
from netsocket.capability.catalogue import GROUP
from netsocket.capability.compare import changes, read
from netsocket.capability.page import OUTCOMES, SIGNS, html
from netsocket.capability.record import to_record
from tests.capability.measured import host, simulated, with_figures

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome-stable"))), None
)
pytestmark = [
    pytest.mark.xdist_group("measured"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
]
EXCHANGE = ["> AT+QICLOSE=0,0\\r", "< \\r\\nOK\\r\\n"]


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    """Host and BG96 with figures, and Espressif's E22 without; one claim contradicts, and one
    module could not be reached."""
    found = [host(), with_figures("bg96", "bg96", ""), simulated("esp8266", "E24", "pull")]
    exchanges = [{}, {result.probe: EXCHANGE for result in found[1].results}, {}]
    record = to_record(found, exchanges, [("esp8266:/dev/ttyUSB9", "no such port")])
    older = copy.deepcopy(record)
    cell(older, 1, "sockets.max")["limit"] = 7
    cell(record, 1, "tcp.half_close").update(level="full", agrees=False)
    record["modules"][1]["contradictions"] = ["tcp.half_close: claimed full, but <b>refused</b>"]
    record["modules"][2]["anomalies"] = {"noise": 3}
    record["changes"] = changes(read(json.dumps(older).encode()), record)
    return record


def cell(record: dict[str, Any], module: int, id_: str) -> Any:
    return next(cell for cell in record["modules"][module]["cells"] if cell["id"] == id_)


@pytest.fixture(scope="module")
def path(record: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(html(record), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(path: Path) -> Iterator[Browser]:
    """Started after the measurements: Playwright occupies the thread's event loop."""
    # Chromium refuses its sandbox to root, who runs tests in containers.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, path: Path) -> Iterator[Opened]:
    """Open the page; at the end nothing else was asked for and nothing was complained of."""
    asked: list[str] = []
    complaints: list[str] = []
    contexts = []

    def show(width: int = 1280, scheme: Any = "light", scripts: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme,
            java_script_enabled=scripts,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert asked == [path.as_uri()] * len(contexts)
    assert complaints == []


def columns(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("#matrix thead th").all_inner_texts()]


def shown(page: Page) -> list[str]:
    rows = page.locator("tr.promise:visible")
    return [row.get_attribute("data-id") or "" for row in rows.all()]


def td(page: Page, id_: str, column: int) -> Locator:
    return page.locator(f'tr.promise[data-id="{id_}"] td').nth(column)


def colour(place: Locator, name: str = "background-color") -> str:
    return str(place.evaluate(f"one => getComputedStyle(one)['{name}']"))


def test_the_matrix(opened: Opened, record: dict[str, Any]) -> None:
    page = opened()
    heads = columns(page)
    assert heads[0] == "Promise"
    for head, module in zip(heads[1:], record["modules"], strict=True):
        assert head == f"{module['module']} {module['firmware']} evidence: {module['evidence']}"
    assert shown(page) == list(CATALOGUE)
    colours: dict[str, set[str]] = {}
    told = page.locator("tr.promise td").evaluate_all(
        """cells => cells.map(cell => [getComputedStyle(cell).backgroundColor,
        cell.querySelector("summary").innerText, cell.dataset.level])"""
    )
    at = iter(told)
    for id_ in CATALOGUE:
        for number in range(3):
            background, text, level = next(at)
            data = cell(record, number, id_)
            assert level == data["level"]
            assert text.startswith(f"{SIGNS[level]} {level}"), id_
            assert OUTCOMES[data["outcome"]] in text
            assert data["limit"] is None or str(data["limit"]) in text
            colours.setdefault(level, set()).add(background)
    assert len(colours) >= 4
    assert all(len(each) == 1 for each in colours.values())
    assert len(set.union(*colours.values())) == len(colours), "one colour a level, all different"
    for level, colour_of_level in colours.items():  # the legend explains both
        entry = page.locator(f".legend .{level}")
        assert entry.inner_text() == f"{SIGNS[level]} {level}"
        assert {colour(entry)} == colour_of_level


def test_the_filter(opened: Opened, record: dict[str, Any]) -> None:
    page = opened()
    expect(page.locator("#shown")).to_have_text(f"{len(CATALOGUE)} promises")
    page.get_by_label("Search").press_sequentially("HALF_close")
    assert shown(page) == ["tcp.half_close"]
    expect(page.locator("#shown")).to_have_text("1 promise")
    assert page.locator("tr.group:visible").all_inner_texts() == ["tcp\t"]
    page.get_by_label("Search").fill("qiclose=0,0")  # of every exchange on the wire
    assert shown(page) == []
    page.get_by_label("Search").fill("Closes BOTH directions")  # of a claim's reason
    assert "tcp.half_close" in shown(page)
    page.get_by_label("Search").fill("no such words")
    assert shown(page) == []
    page.get_by_label("Search").fill("")
    page.get_by_label("Group").select_option("dns")
    assert shown(page) == [id_ for id_, group in GROUP.items() if group == "dns"]
    page.get_by_label("Group").select_option("all")
    page.get_by_label("Level").select_option("partial")

    def levels(id_: str) -> set[str]:
        return {cell(record, number, id_)["level"] for number in range(3)}

    assert shown(page) == [id_ for id_ in CATALOGUE if "partial" in levels(id_)]
    page.get_by_label("Level").select_option("all")
    page.get_by_label("only where modules differ").check()
    assert shown(page) == [id_ for id_ in CATALOGUE if len(levels(id_)) > 1]
    page.get_by_label("only where modules differ").uncheck()
    assert shown(page) == list(CATALOGUE)


def test_the_evidence(opened: Opened, record: dict[str, Any]) -> None:
    page = opened()
    place = td(page, "datagram.max_send", 1)
    assert not place.locator(".evidence").is_visible()
    place.locator("summary").click()
    text = " ".join(place.locator(".evidence").inner_text().split())
    module, data = record["modules"][1], cell(record, 1, "datagram.max_send")
    (probe,) = data["probes"]
    for told in (
        f"Claim: {data['level']} {data['limit']} bytes", data["source"], probe["name"],
        probe["evidence"], f"{module['date']}, {module['firmware']}, evidence: simulated",
    ):  # fmt: skip
        assert told in text
    assert "Manual" in data["source"]
    assert place.locator("pre").inner_text() == "\n".join(EXCHANGE)
    place.locator("summary").click()
    assert not place.locator(".evidence").is_visible()
    td(page, "tcp.send", 0).locator("summary").press("Enter")  # the keyboard will do
    assert "There is no wire" in td(page, "tcp.send", 0).inner_text()
    assert "send(2)" in td(page, "tcp.send", 0).inner_text()


def test_every_evidence_opens(opened: Opened) -> None:
    page = opened()
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    hidden = page.locator(".evidence").evaluate_all(
        "all => all.filter(one => !one.innerText.includes('Claim: ') || !one.offsetHeight).length"
    )
    assert page.locator(".evidence").count() == 3 * len(CATALOGUE)
    assert hidden == 0


def test_contradictions_changes_failures_and_anomalies(opened: Opened) -> None:
    page = opened()
    told = page.locator("#contradictions li").all_inner_texts()
    assert len(told) == 1
    assert told[0].endswith("tcp.half_close: claimed full, but <b>refused</b>"), "text, not markup"
    wrong = td(page, "tcp.half_close", 1).locator("summary .wrong")
    expect(wrong).to_have_text(OUTCOMES["unsupported"])
    told = page.locator("#changes li").all_inner_texts()
    assert len(told) == 2
    assert told[0].endswith("tcp.half_close: level none → full")
    assert "sockets.max: limit 7 → " in told[1]
    modules = page.locator("#modules li").all_inner_texts()
    assert "anomalies on the wire: none" in modules[1]
    assert "anomalies on the wire: noise 3" in modules[2]
    assert modules[3] == "esp8266:/dev/ttyUSB9: not measured, no such port"


def test_the_plots(opened: Opened, record: dict[str, Any]) -> None:
    page = opened()
    page.get_by_role("link", name="Latency and throughput").click()
    expect(page.locator("#figures")).to_be_in_viewport()
    figures = page.locator("figure")
    assert figures.count() == 3
    notes = ["measured on this computer's loopback, no network",
             "model, simulated: a fake, no hardware, no radio"]  # fmt: skip
    for number, note in enumerate(notes):
        plots = figures.nth(number).locator("svg.plot")
        assert plots.count() == 2
        assert plots.locator("text.note").all_text_contents() == [note, note]
        taken = record["modules"][number]["performance"]
        dots = plots.nth(0).locator("circle")
        assert dots.count() == sum(len(one["samples"]) for one in taken["latency"])
        assert plots.nth(0).locator("line.bar").count() == 3
        assert plots.nth(1).locator("polygon").count() == len(taken["throughput"])
        for plot in plots.all():
            box = plot.bounding_box()
            assert box is not None
            inner = plot.evaluate("one => { const b = one.getBBox(); return [b.x, b.x + b.width] }")
            assert inner[0] >= -1
            assert inner[1] <= 361, "no text runs out of the picture"
    image = page.get_by_role("img", name="TCP throughput. model, simulated")
    assert image.count() == 1
    assert "evidence: simulated" in figures.nth(1).locator("figcaption").inner_text()
    assert "Not measured this time." in figures.nth(2).inner_text()


def sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize("width", [320, 375, 768])
def test_on_a_phone(opened: Opened, width: int) -> None:
    page = opened(width)
    assert not sideways(page)
    box = page.locator(".scroll").last
    place = td(page, "tcp.abort", 1)  # not the last column: it could not be scrolled further
    place.scroll_into_view_if_needed()
    place.locator("summary").click()
    assert not sideways(page), "wide things scroll inside the box"
    expect(place.locator(".evidence")).to_be_in_viewport()
    page.wait_for_timeout(100)  # of the event that tells of the opening
    bounds, around = place.bounding_box(), box.bounding_box()
    first = page.locator("#matrix thead th").first.bounding_box()
    assert bounds
    assert around
    assert first
    assert first["x"] + first["width"] <= bounds["x"] + 1, "an open cell is seen whole"
    assert bounds["x"] + bounds["width"] <= around["x"] + around["width"] + 1
    assert bounds["width"] >= min(width / 2, 200)
    head = page.locator("#matrix thead th").nth(2)
    expect(head).to_be_in_viewport()  # it stays while the rows pass
    assert box.evaluate("one => one.scrollLeft + one.scrollTop") > 0
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert not sideways(page)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two `rgb(…)` colours."""

    def light(text: str) -> float:
        parts = [float(part) / 255 for part in text[4:-1].split(",")]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_the_dark_and_in_the_light(opened: Opened, scheme: str) -> None:
    page = opened(scheme=scheme)
    paper = colour(page.locator("body"))
    assert paper == ("rgb(22, 22, 22)" if scheme == "dark" else "rgb(255, 255, 255)")
    assert contrast(paper, colour(page.locator("body"), "color")) >= 7
    for level in SIGNS:
        entry = page.locator(f".legend .{level}")
        assert contrast(colour(entry), colour(entry, "color")) >= 7, level
    assert contrast(paper, colour(page.locator("#contradictions"), "color")) >= 4.5
    for name, least in ((".title", 7), (".note", 4.5), (".up", 3), (".down", 3)):
        assert contrast(paper, colour(page.locator(f".plot {name}").first, "fill")) >= least, name


def test_without_scripts(opened: Opened) -> None:
    page = opened(scripts=False)
    td(page, "tcp.send", 1).locator("summary").click()
    assert td(page, "tcp.send", 1).locator(".evidence").is_visible()
    assert page.locator("svg.plot").count() == 4
