"""Chromium through the proxy: a page of 20 parts over the five sockets of an ESP8266.

Playwright steers the browser that is installed; the picture stays in out/chromium.png.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from .harness import MODULE_ADDRESS, Through, typed
from .web import Web

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome-stable"))), None
)
pytestmark = [
    pytest.mark.xdist_group("clients"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
]
PICTURE = Path(__file__).parents[2] / "out" / "chromium.png"
ASSETS = 20
QUIET = [
    "--no-sandbox",  # refused to root, who runs tests in containers
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
]


def picture(number: int) -> bytes:
    """A tile of its own colour, with 8 KiB of ballast."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{100 + number}" height="60">'
        f'<rect width="100%" height="100%" fill="hsl({number * 20} 70% 50%)"/>'
        f'<text x="10" y="38" font-size="24">{number}</text><!--{"." * 8192}--></svg>'
    ).encode()


def fill(web: Web) -> None:
    """A page with one style sheet, one script and 18 pictures."""
    web.pages["/style.css"] = b"img { border: 2px solid rgb(1, 2, 3); margin: 4px }"
    web.pages["/script.js"] = b"document.title = 'the script ran'"
    for number in range(ASSETS - 2):
        web.pages[f"/tile{number}.svg"] = picture(number)
    tiles = "".join(f'<img src="/tile{number}.svg" alt="">' for number in range(ASSETS - 2))
    web.pages["/page.html"] = (
        '<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css">'
        f'<script src="/script.js" defer></script><h1>through a module</h1>{tiles}'
    ).encode()


@pytest.mark.parametrize("way", ["socks5", "http"])
def test_a_page_with_20_assets(esp8266: Through, web: Web, way: str) -> None:
    fill(web)
    address = f"http://web.test:{web.port}/page.html"
    complaints: list[str] = []
    argument = typed("Chromium", esp8266.proxy).split()[1].replace("socks5:", f"{way}:")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*QUIET, argument],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        )
        page = browser.new_page(viewport={"width": 900, "height": 400})
        page.on("requestfailed", lambda one: complaints.append(f"{one.url}: {one.failure}"))
        page.on("console", lambda one: complaints.append(one.text))
        page.goto(address, wait_until="load", timeout=60_000)
        widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
        border = page.evaluate("getComputedStyle(document.images[0]).borderTopColor")
        title = page.title()
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()
    assert complaints == []
    assert widths == [100 + number for number in range(ASSETS - 2)]
    assert (border, title) == ("rgb(1, 2, 3)", "the script ran")
    assert sorted(one.path for one in web.asked) == sorted(web.pages)
    assert {(one.host, one.peer) for one in web.asked} == {("web.test", MODULE_ADDRESS)}
