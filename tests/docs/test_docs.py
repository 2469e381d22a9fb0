"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atdriver.registry import fake_names, load_driver, load_fake, modem_names
from docs.diagrams import PAGE, page

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_diagrams_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run `make diagrams`"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("esp8266", "esp8266"),
        ("bg96", "bg96"),
        ("openthread", "thread"),
        ("skstack", "lowpan"),
        ("riot", "lowpan"),
    ],
)
def test_every_setting_is_documented(name: str, of: str) -> None:
    text = (ROOT / "docs" / f"{of}.md").read_text(encoding="utf-8")
    for setting in load_driver(name).settings:
        assert f"`{setting.name}`" in text, setting.name


def test_every_firmware_of_the_fakes_is_documented() -> None:
    text = (ROOT / "docs" / "fakes.md").read_text(encoding="utf-8")
    for name in ("esp8266", "bg96"):
        for firmware in load_fake(name).firmwares:  # type: ignore[attr-defined]
            assert re.search(rf"\b{re.escape(firmware)}\b", text), firmware


def test_entry_points() -> None:
    assert {"esp8266", "esp32", "bg96"} <= set(modem_names())
    assert {"esp8266", "esp32", "bg96"} <= set(fake_names())
