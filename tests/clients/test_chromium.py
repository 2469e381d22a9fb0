"""Chromium through the proxy: a page of 20 parts over the five sockets of an ESP8266.

Playwright steers the browser that is installed; the picture stays in out/chromium.png.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from .harness import ESP8266, HOSTS, MODULE_ADDRESS, Proxy, Through, through, typed
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


@contextlib.contextmanager
def browsing(proxy: Proxy, way: str) -> Iterator[tuple[Page, list[str]]]:
    """A page of a browser that knows the proxy, and what went wrong on it."""
    complaints: list[str] = []
    argument = typed("Chromium", proxy).split()[1].replace("socks5:", f"{way}:")
    if way == "pac":
        argument = f"--proxy-pac-url={proxy.http}/proxy.pac"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*QUIET, argument],
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        )
        page = browser.new_page(viewport={"width": 900, "height": 400})
        page.on("requestfailed", lambda one: complaints.append(f"{one.url}: {one.failure}"))
        page.on("console", lambda one: complaints.append(one.text))
        yield page, complaints
        browser.close()


def widths(page: Page) -> list[int]:
    found: list[int] = page.evaluate("[...document.images].map(one => one.naturalWidth)")
    return found


@pytest.mark.parametrize("way", ["socks5", "pac", pytest.param("http", marks=pytest.mark.gate)])
def test_a_page_with_20_assets(esp8266: Through, web: Web, way: str) -> None:
    fill(web)
    with browsing(esp8266.proxy, way) as (page, complaints):
        page.goto(f"http://web.test:{web.port}/page.html", wait_until="load", timeout=60_000)
        border = page.evaluate("getComputedStyle(document.images[0]).borderTopColor")
        assert complaints == []
        assert widths(page) == [100 + number for number in range(ASSETS - 2)]
        assert (border, page.title()) == ("rgb(1, 2, 3)", "the script ran")
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
    assert sorted(one.path for one in web.asked) == sorted(web.pages)
    assert {(one.host, one.peer) for one in web.asked} == {("web.test", MODULE_ADDRESS)}


def test_a_page_from_eight_hosts(tmp_path: Path, web: Web) -> None:
    """A browser keeps a connection to each of them; with --idle the silent ones make room."""
    fill(web)
    pictures = "".join(
        f'<img src="http://{host}:{web.port}/tile{number}.svg" alt="">'
        for number, host in enumerate(HOSTS * 2)
    )
    web.pages["/page.html"] = f'<!doctype html><link rel="icon" href="data:,">{pictures}'.encode()
    with (
        through(tmp_path, *ESP8266, options=("--idle", "1")) as module,
        browsing(module.proxy, "socks5") as (page, complaints),
    ):
        page.goto(f"http://web.test:{web.port}/page.html", wait_until="load", timeout=60_000)
        assert complaints == []
        assert widths(page) == [100 + number for number in range(2 * len(HOSTS))]
    assert {one.host for one in web.asked} == {"web.test", *HOSTS}
